//! `gatepost init`: from nothing to a server that takes mail, and what it says when something is in the way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use gatepost::net::tls::own_ca;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::server::Server;

/// Two free ports, as addresses.
fn addresses() -> [String; 2] {
    [0, 1]
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .map(|socket| socket.local_addr().unwrap().to_string())
}

/// Runs `gatepost init -o DIR/gatepost.toml` on free ports, with this on standard input.
fn init(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let [smtp, smtps] = addresses();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["init", "--smtp", &smtp, "--smtps", &smtps, "-o"])
        .arg(directory.join("gatepost.toml"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

const COMPLETE: [&str; 9] = [
    "--hostname",
    "localhost",
    "--users",
    "alice@example.com",
    "--to",
    "hold",
    "--allow",
    "authenticated",
    "--self-signed",
];

/// What a check of this name came to: verdict and detail, of each.
fn verdicts(report: &Value, check: &str) -> Vec<(String, String)> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .filter(|found| found["check"] == check)
        .map(|found| {
            let word = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
            (word("verdict"), word("detail"))
        })
        .collect()
}

/// "expects a config that serve runs at once": the account of the report sends through the server of the file.
#[test]
fn what_it_writes_is_served_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let output = init(directory.path(), &[&COMPLETE[..], &["--json"]].concat(), "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for check in [
        "configuration",
        "port",
        "first message",
        "message of a stranger",
    ] {
        let found = verdicts(&report, check);
        assert!(
            found.iter().any(|(verdict, _)| verdict == "pass"),
            "{check}: {found:?}"
        );
    }
    let file = directory.path().join("gatepost.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.lines().count() <= 30, "{written}");
    assert!(!directory.path().join("gatepost-data/self-test").exists());

    let mut served = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["serve", "-c"])
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(served.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("event=listening") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "ended");
    }
    let address = written
        .lines()
        .find_map(|line| line.strip_prefix("address = "))
        .unwrap()
        .trim_matches('"');
    let password = report["account"]["password"].as_str().unwrap();
    let sent = Command::new("sh")
        .args(["-c", "printf '%s\\n' \"$2\" | exec \"$0\" send \"$1\" --user alice@example.com --password-stdin --ca \"$3\" --tls starttls --to you@example.net"])
        .args([env!("CARGO_BIN_EXE_gatepost"), address, password])
        .arg(report["authority"].as_str().unwrap())
        .output()
        .unwrap();
    kill_process(Pid::from_child(&served), Signal::TERM).unwrap();
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(served.wait().unwrap().success(), "{rest}");
    assert!(sent.status.success(), "{}\n{rest}", text(&sent.stderr));
    assert!(!rest.contains(password) && !line.contains(password));
}

#[test]
fn without_a_terminal_it_says_what_is_missing_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let table: &[(&[&str], &str)] = &[
        (&[], "--hostname, --users, --to, --allow missing"),
        (&COMPLETE[..4], "--to, --allow missing"),
        (&COMPLETE[..8], "--self-signed"),
        (&[&COMPLETE[..], &["--to-user", "x"]].concat(), "--to-user"),
        (
            &[
                "--yes",
                "--hostname",
                "localhost",
                "--to",
                "next.example:25",
                "--to-user",
                "x",
            ],
            "--to-password-stdin",
        ),
        (&["--yes", "--hostname", "not a name"], "hostname"),
        (
            &["--yes", "--hostname", "localhost", "--allow", "192.168.7"],
            "networks",
        ),
        (
            &[
                "--yes",
                "--hostname",
                "localhost",
                "--users",
                "a@b.example",
                "--password-stdin",
            ],
            "no password",
        ),
    ];
    for (arguments, expected) in table {
        let output = init(directory.path(), arguments, "");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn what_is_there_stays() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatepost.toml");
    std::fs::write(&file, "mine").unwrap();
    let output = init(directory.path(), &COMPLETE, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("--force"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

    let output = init(
        directory.path(),
        &[&COMPLETE[..], &["--force"]].concat(),
        "",
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let accounts = directory.path().join("gatepost-data/accounts.db");
    let before = std::fs::read(&accounts).unwrap();
    // A second time: the account is there, and keeps its password.
    let again = [&COMPLETE[..], &["--force", "--json"]].concat();
    let output = init(directory.path(), &again, "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["account"]["name"], "alice@example.com");
    assert_eq!(report["account"]["password"], Value::Null);
    assert_eq!(std::fs::read(&accounts).unwrap(), before);
}

#[test]
fn what_is_in_the_way_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let now = std::time::SystemTime::now();
    let files = own_ca::issue(other.path(), &["other.example"], &[], now).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let legacy = taken.local_addr().unwrap().to_string();
    let data = other.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (certificate, key) = (
        files.certificate.to_str().unwrap(),
        files.key.to_str().unwrap(),
    );
    let arguments = [
        "--hostname",
        "localhost",
        "--yes",
        "--allow",
        "127.0.0.0/8",
        "--legacy",
        &legacy,
        "--certificate",
        certificate,
        "--key",
        key,
        "--data",
        data.to_str().unwrap(),
        "--json",
    ];
    let output = init(directory.path(), &arguments, "");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("3 of "),
        "{}",
        text(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (check, expected) in [
        ("certificate", "other.example"),
        ("port", legacy.as_str()),
        ("data directory", "0755"),
    ] {
        let found = verdicts(&report, check);
        assert!(
            found
                .iter()
                .any(|(verdict, detail)| verdict == "fail" && detail.contains(expected)),
            "{check}: {found:?}"
        );
    }
    let all = report["checks"].as_array().unwrap();
    assert!(
        all.iter()
            .all(|check| check["verdict"] == "pass" || check["next"].is_string())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_is_tried_when_asked() {
    let server = Server::start().await;
    let ca = server.directory.path().join("ca.pem");
    for (password, expected, verdict) in [
        (
            "gatepost",
            "certificate verified, SCRAM-SHA-512-PLUS accepted for dev@localhost",
            "pass",
        ),
        ("wrong", "535", "fail"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let to = server.smtp.to_string();
        let arguments = [
            "--yes",
            "--hostname",
            "localhost",
            "--to",
            &to,
            "--to-user",
            "dev@localhost",
            "--to-password-stdin",
            "--to-ca",
            ca.to_str().unwrap(),
            "--test-smarthost",
            "--json",
        ];
        let output = init(directory.path(), &arguments, &format!("{password}\n"));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = verdicts(&report, "next server");
        assert!(
            found.len() == 1 && found[0].0 == verdict && found[0].1.contains(expected),
            "{found:?}"
        );
        let kept = directory.path().join("smarthost.secret");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), password);
        let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains("wrong"), "{said}");
    }
    assert_eq!(server.queued().await, 0);
}

/// On a terminal it asks, and what is answered with an empty line is the default.
#[test]
fn on_a_terminal_it_asks() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatepost.toml");
    let [smtp, smtps] = addresses();
    let command = format!(
        "{} init -o {} --smtp {smtp} --smtps {smtps}",
        env!("CARGO_BIN_EXE_gatepost"),
        file.display()
    );
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"localhost\nfax@example.com\n127.0.0.1:465\nscans\nsecret5\n\nyes\n")
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stdout);
    let written = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{said}"));
    for expected in [
        "hostname = \"localhost\"",
        "smarthost = \"127.0.0.1:465\"\ntls = \"implicit\"",
        "user = \"scans\"",
    ] {
        assert!(written.contains(expected), "{written}");
    }
    assert!(
        said.contains("4. Who may send?") && said.contains("account   fax@example.com"),
        "{said}"
    );
    let kept = std::fs::read_to_string(directory.path().join("smarthost.secret")).unwrap();
    assert_eq!(kept, "secret5");
}
