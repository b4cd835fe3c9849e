//! `gatepost probe`: what it finds about a server is what stands in a file of `probe/`, one line per question, with a remark where
//! the answer is not the best one. `ok|note` is for a server that answers one time so and one time so.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use rustix::process::Signal;
use tokio::process::Command;

mod careless;

use crate::child;
use crate::dev::{Dev, LOOPBACK};
use crate::server::Server;

/// The account of Gatepost.
const ACCOUNT: (&str, &str) = ("dev@localhost", "gatepost");

/// Probes, and compares with the file; what is there and what should be are printed side by side.
pub(crate) async fn check(name: &str, server: &str, arguments: &[&str], credentials: (&str, &str)) {
    let report = probe(server, arguments, Some(credentials)).await;
    let found: Vec<String> = report.iter().map(|(it, _)| it.clone()).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/probe/{name}.txt"));
    let expected = std::fs::read_to_string(&file).unwrap();
    let mut expected: Vec<String> = expected
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    for (expected, found) in expected.iter_mut().zip(&found) {
        if either(expected, found) {
            expected.clone_from(found);
        }
    }
    assert_eq!(found, expected, "{name}: {report:#?}");
}

/// Whether this is one of the two verdicts that are expected, as in `ok|note long-line`.
fn either(expected: &str, found: &str) -> bool {
    let (Some((verdicts, expected)), Some((verdict, question))) =
        (expected.split_once(' '), found.split_once(' '))
    else {
        return false;
    };
    question == expected && verdicts.split('|').any(|it| it == verdict)
}

/// `verdict question`, and what was found, of every question.
async fn probe(
    server: &str,
    arguments: &[&str],
    credentials: Option<(&str, &str)>,
) -> Vec<(String, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(["probe", server, "--json"]).args(arguments);
    if let Some((user, _)) = credentials {
        command.args(["--user", user, "--password-stdin"]);
    }
    let password = credentials.map_or("", |(_, password)| password);
    let output = child::run(&mut command, &format!("{password}\n")).await;
    let said = String::from_utf8(output.stderr).unwrap();
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let faults = report["findings"].as_array().unwrap().iter();
    let faults = faults
        .filter(|finding| finding["verdict"] == "fault")
        .count();
    assert_eq!(output.status.code(), Some(i32::from(faults > 0)), "{said}");
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    for finding in findings.clone() {
        is_documented(finding);
    }
    findings
        .map(|it| {
            let line = format!("{} {}", word(&it["verdict"]), word(&it["question"]));
            (line, word(&it["found"]))
        })
        .collect()
}

/// The reference has a row of the question, the index of standards one of the requirement; a note and a fault say what they break.
fn is_documented(finding: &serde_json::Value) {
    let word = |key: &str| finding[key].as_str().unwrap();
    let row = format!("| {} | {} |\n", word("section"), word("requirement"));
    let reference = include_str!("../../../../docs/reference/probe.md");
    let start = format!("| `{}` | ", word("question"));
    assert!(
        reference
            .split_inclusive('\n')
            .any(|line| line.starts_with(&start) && line.ends_with(&row)),
        "docs/reference/probe.md lacks {start}… {row}"
    );
    let requirement = format!("id = \"{}\"\n", word("requirement"));
    assert!(
        include_str!("../../../../rfc/index.toml").contains(&requirement),
        "{requirement}"
    );
    let wrong = matches!(word("verdict"), "note" | "fault");
    assert_eq!(finding["breaks"].is_string(), wrong, "{finding}");
}

/// The development server, which offers all there is, on all its lanes; it takes no message meanwhile.
#[tokio::test]
async fn gatepost_itself() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &LOOPBACK);
    let ca = directory.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    for (name, lane, arguments) in [
        ("gatepost-starttls", "STARTTLS", ["--patience", "60"]),
        ("gatepost-implicit", "TLS", ["--tls", "implicit"]),
        ("gatepost-legacy", "legacy", ["--tls", "none"]),
    ] {
        let server = dev.address(lane).to_string();
        let arguments = [&["--ca", ca][..], &arguments].concat();
        check(name, &server, &arguments, ACCOUNT).await;
    }
    let (_, _, log) = dev.stop(Signal::TERM);
    assert!(!log.contains("event=accepted"), "{log}");
}

/// AUTH-27. Of so few measurements a busy machine can make anything; what is in the server shows each time.
#[tokio::test]
async fn gatepost_takes_as_long_for_nobody() {
    let server = Server::start().await;
    let ca = server.directory.path().join("ca.pem");
    let arguments = [
        "--timing",
        "--tls",
        "implicit",
        "--ca",
        ca.to_str().unwrap(),
    ];
    let mut found = Vec::new();
    for _ in 0..3 {
        let report = probe(&server.smtps.to_string(), &arguments, Some(ACCOUNT)).await;
        let timing = report.into_iter().find(|(it, _)| it.ends_with(" timing"));
        found.extend(timing);
        if found.last().is_some_and(|(it, _)| it == "ok timing") {
            return;
        }
    }
    panic!("{found:#?}");
}

/// A server that knows who its users are and forgets the rest.
#[tokio::test]
async fn a_careless_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = careless::serve(directory.path()).to_string();
    let ca = directory.path().join("ca.pem");
    let arguments = [
        "--timing",
        "--tls",
        "implicit",
        "--ca",
        ca.to_str().unwrap(),
    ];
    check("careless", &server, &arguments, careless::ACCOUNT).await;
}

/// What is known to be wrong with servers of others is found with them (`peers::probe`), because it stands in their files.
#[test]
fn known_faults_are_expected() {
    let read = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/probe/{name}.txt"));
        std::fs::read_to_string(file).unwrap()
    };
    for (server, known) in [
        ("postfix-dovecot", "fault unknown-mechanism"),
        ("postfix-dovecot", "fault bad-base64"),
        ("postfix-dovecot", "fault initial-response"),
        ("postfix-cyrus", "fault unknown-mechanism"),
        ("postfix-cyrus", "fault bad-base64"),
        ("postfix-cyrus", "fault initial-response"),
        ("sendmail", "note offer-clear"),
        ("sendmail", "note early-auth"),
        ("sendmail", "fault initial-response"),
        ("exim", "note early-mail"),
        ("exim", "note no-mechanism"),
        ("exim", "fault initial-response"),
        ("dovecot", "fault bad-base64"),
        ("dovecot", "fault longest-response"),
        ("opensmtpd", "fault second-hello"),
        ("aiosmtpd", "fault lower-case"),
    ] {
        let expected = read(server);
        assert!(
            expected.lines().any(|line| line == known),
            "{server}: {known}"
        );
    }
}

/// A server that gets everything wrong: each fault is found.
#[tokio::test]
async fn a_bad_server() {
    let found: BTreeMap<String, String> = probe(&bad_server().to_string(), &[], None)
        .await
        .into_iter()
        .collect();
    for expected in [
        "ok greeting",
        "note offer-clear",
        "note tls",
        "note early-auth",
        "fault early-mail",
        "ok second-hello",
        "fault unknown-mechanism",
        "note no-mechanism",
        "fault lower-case",
        "fault empty-challenge",
        "note login-prompt",
        "note login-password",
        "note login-initial",
        "note wrong-password",
        "fault cancel",
        "fault cancel-login",
        "ok equals",
        "fault bad-base64",
        "fault quit",
        "note auth-in-transaction",
    ] {
        assert!(found.contains_key(expected), "{expected}: {found:#?}");
    }
    assert_eq!(found["ok offer"], "LOGIN PLAIN, also as AUTH=");
    // What the server says cannot write to the terminal.
    assert!(
        found.values().all(|text| !text.contains('\u{1b}')),
        "{found:#?}"
    );
}

/// Takes mail from everybody, and says 535 to everything about authentication.
fn bad_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut say = |text: &str| stream.write_all(text.as_bytes()).is_ok();
            say("220 \x1b[2Jbad\r\n");
            for line in lines.map_while(Result::ok) {
                let answer = match line.split(' ').next().unwrap_or_default() {
                    "EHLO" => "250-bad\r\n250-AUTH=LOGIN\r\n250 AUTH PLAIN LOGIN\r\n",
                    "MAIL" | "RCPT" | "QUIT" => "250 fine\r\n",
                    _ => "535 no\r\n",
                };
                if !say(answer) {
                    break;
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn nobody_there() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["probe", &closed.to_string()])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("whether the server runs"), "{said}");
}
