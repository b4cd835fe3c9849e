//! The program as a process: what it prints, how it exits, how it stops.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;

use crate::dev::{Dev, LOOPBACK};
use crate::server::AUTH_PLAIN;
use crate::talk::Talk;

fn gatepost(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    gatepost(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn dev_serves_captures_keeps_and_stops() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &LOOPBACK);
    let authority = std::fs::read(directory.path().join("ca.pem")).unwrap();
    assert!(
        dev.printed.contains("dev@localhost") && dev.printed.contains("gatepost"),
        "{}",
        dev.printed
    );
    let mut talk = Talk::connect(dev.address("STARTTLS")).await;
    talk.expect("220 ").await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask("STARTTLS", "220 ").await;
    let mut talk = talk.start_tls(directory.path(), &[]).await.unwrap();
    talk.ask("EHLO client.example", "250 ").await;
    talk.submit("kept").await;
    talk.ask("QUIT", "221 ").await;
    let (status, rest, log) = dev.stop(Signal::TERM);
    assert_eq!((status, rest.as_str()), (Some(0), ""));
    assert!(
        log.contains("reason=captured") && log.contains("event=stopped cut_off=0"),
        "{log}"
    );

    // With --dir, accounts, certificate and captured mail are kept between runs.
    let dev = Dev::start(directory.path(), &LOOPBACK);
    assert_eq!(
        std::fs::read(directory.path().join("ca.pem")).unwrap(),
        authority
    );
    let mut talk = Talk::connect(dev.address("legacy")).await;
    talk.expect("220 ").await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask(AUTH_PLAIN, "235 ").await;
    let (status, _, _) = dev.stop(Signal::INT);
    assert_eq!(status, Some(0));
}

/// "the example it prints, pasted, is accepted".
#[test]
fn the_example_that_dev_prints_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &LOOPBACK);
    let example = dev
        .printed
        .lines()
        .find(|line| line.contains(" send "))
        .unwrap();
    let pasted = Command::new("sh").args(["-c", example]).output().unwrap();
    assert!(pasted.status.success(), "{example}: {}", stderr(&pasted));
    let (_, _, log) = dev.stop(Signal::TERM);
    assert!(
        log.contains("event=accepted") && log.contains("mechanism=SCRAM-SHA-512-PLUS"),
        "{log}"
    );
}

/// The same for tokens, where they cost something and where they do not. The example is one for curl.
#[cfg(feature = "peer-tests")]
#[test]
fn the_example_with_a_token_is_accepted() {
    for more in [&[][..], &["--expose"]] {
        let directory = tempfile::tempdir().unwrap();
        let mut arguments = [&LOOPBACK[..], more].concat();
        if !more.is_empty() {
            arguments[5] = "0.0.0.0:0";
        }
        let dev = Dev::start(directory.path(), &arguments);
        let example = dev
            .printed
            .lines()
            .find(|line| line.contains("/api/tokens/raw"))
            .unwrap();
        let pasted = Command::new("sh").args(["-c", example]).output().unwrap();
        assert!(pasted.status.success(), "{example}: {}", stderr(&pasted));
        let (_, _, log) = dev.stop(Signal::TERM);
        assert!(
            log.contains("event=accepted") && log.contains("mechanism=OAUTHBEARER"),
            "{log}"
        );
    }
}

/// T-09: "another address needs --expose".
#[test]
fn dev_on_another_than_a_loopback_address_is_refused_without_expose() {
    for option in ["--smtp", "--smtps", "--legacy", "--http"] {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
            let output = run(&["dev", option, address]);
            assert_eq!(output.status.code(), Some(2), "{option} {address}");
            let text = stderr(&output);
            assert!(text.contains(option) && text.contains("--expose"), "{text}");
            assert!(output.stdout.is_empty());
        }
    }
}

/// T-09: "then random password".
#[tokio::test]
async fn an_exposed_dev_server_has_a_random_password() {
    let directory = tempfile::tempdir().unwrap();
    let mut arguments = LOOPBACK;
    arguments[5] = "0.0.0.0:0";
    let dev = Dev::start(directory.path(), &[&arguments[..], &["--expose"]].concat());
    let password = dev
        .printed
        .lines()
        .find(|line| line.trim_start().starts_with("password"))
        .unwrap();
    let password = password.split_whitespace().nth(1).unwrap().to_owned();
    assert!(password.len() >= 20, "{password}");
    let mut talk = Talk::connect(dev.address("legacy")).await;
    talk.expect("220 ").await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask(AUTH_PLAIN, "535 ").await;
    // Nor is there a token for whoever asks, which would be as good as a password.
    let web = dev.word("web");
    let web = web
        .strip_prefix("http://")
        .and_then(|it| it.strip_suffix('/'));
    let mut pages = TcpStream::connect(web.unwrap()).unwrap();
    let request = "GET /api/tokens HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    pages.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    pages.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let (_, _, log) = dev.stop(Signal::TERM);
    assert!(
        log.contains("other machines can reach this server"),
        "{log}"
    );
    assert!(!log.contains(&password));
}

#[test]
fn a_port_in_use_is_told_with_the_address_and_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let mut arguments = vec!["dev", "--dir", directory.path().to_str().unwrap()];
    arguments.extend(LOOPBACK);
    let place = arguments.iter().position(|it| *it == "--smtps").unwrap();
    arguments[place + 1] = &address;
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains(&format!("cannot listen on {address}"))
            && text.contains("choose another port"),
        "{text}"
    );
    assert!(!String::from_utf8(output.stdout).unwrap().contains("ready"));
}

/// "a broken configuration file (what, where, what next)".
#[test]
fn a_broken_configuration_is_refused_by_serve_and_check() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatepost.toml");
    std::fs::write(&file, "hostname = \"submit.example.com\"\ndata = \"data\"\n[[listener]]\nadress = \"127.0.0.1:0\"\n").unwrap();
    let file = file.to_str().unwrap();
    for command in ["serve", "check"] {
        let output = run(&[command, "-c", file]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let text = stderr(&output);
        assert!(
            text.contains(&format!("{file}:4:1: there is no option adress")),
            "{text}"
        );
        assert!(text.contains("did you mean address?"), "{text}");
    }
    let output = run(&["check", "--json", "-c", file]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &found["usable"]),
        (Some(1), &false.into())
    );
    let faults = found["faults"].as_array().unwrap();
    let told = |fault: &serde_json::Value| {
        let what = fault["what"].as_str().unwrap();
        fault["line"] == 4 && what.starts_with("there is no option adress")
    };
    assert!(faults.iter().any(told), "{found}");
    let output = run(&["serve", "-c", "/nonexistent/gatepost.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("/nonexistent/gatepost.toml: cannot be read"),
        "{}",
        stderr(&output)
    );
    assert_eq!(run(&["serve"]).status.code(), Some(2));
}

#[test]
fn damaged_accounts_are_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatepost.toml");
    std::fs::write(
        &file,
        "hostname = \"submit.example.com\"\ndata = \"data\"\n[[listener]]\naddress = \"127.0.0.1:0\"\ntls = \"none\"\n[[route]]\nhold = true\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(run(&["account", "list", "-c", file]).status.code(), Some(0));
    let accounts = directory.path().join("data/accounts.db");
    std::fs::write(
        accounts,
        "this is not a database, and long enough to be seen as none",
    )
    .unwrap();
    let output = run(&["serve", "-c", file]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("accounts.db is damaged") && text.contains("restore it from the backup"),
        "{text}"
    );
}

#[test]
fn a_missing_certificate_is_told_before_anything_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatepost.toml");
    std::fs::write(
        &file,
        "hostname = \"submit.example.com\"\ndata = \"data\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [tls]\ncertificate = \"missing.pem\"\nkey = \"missing.pem\"\n[[route]]\nhold = true\n",
    )
    .unwrap();
    let output = run(&["serve", "-c", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("tls.certificate: "),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("missing.pem: No such file"),
        "{}",
        stderr(&output)
    );
    let output = run(&["check", "-c", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let advice = String::from_utf8(output.stdout).unwrap();
    assert!(
        advice.contains("advice: tls.certificate") && advice.contains(": usable"),
        "{advice}"
    );
    let output = run(&["check", "--json", "-c", file.to_str().unwrap()]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &found["usable"]),
        (Some(0), &true.into())
    );
    let what = found["advice"][0]["what"].as_str().unwrap();
    assert!(
        advice.contains(what) && found["advice"][0]["next"].is_string(),
        "{found}"
    );
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let first = Dev::start(directory.path(), &LOOPBACK);
    let mut arguments = vec!["dev", "--dir", directory.path().to_str().unwrap()];
    arguments.extend(LOOPBACK);
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("in use by another gatepost"),
        "{}",
        stderr(&output)
    );
    assert_eq!(first.stop(Signal::TERM).0, Some(0));
}

// CAP-05.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_announces_auth_in_the_old_form_on_its_legacy_lane_alone() {
    let directory = tempfile::tempdir().unwrap();
    let dev = tokio::task::block_in_place(|| Dev::start(directory.path(), &LOOPBACK));
    for (lane, old_form) in [("legacy", true), ("STARTTLS", false)] {
        let mut talk = Talk::connect(dev.address(lane)).await;
        talk.expect("220 ").await;
        let offered = talk.ask("EHLO client.example", "250 ").await;
        assert_eq!(
            offered.contains("250-AUTH=CRAM-MD5 PLAIN LOGIN"),
            old_form,
            "{offered}"
        );
    }
}

/// ANON-01, EXT-02: on its legacy lane a guest leaves his trace; on the others the certificate that it made is its account's.
#[test]
fn dev_takes_guests_and_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), &LOOPBACK);
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (ca, certificate, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let mail = ["--from", "dev@localhost", "--to", "dev@localhost", "--json"];
    let guest = [
        "--tls",
        "none",
        "--auth",
        "anonymous",
        "--user",
        "sirhc@example.com",
    ];
    let shown = [
        "--tls",
        "implicit",
        "--ca",
        &ca,
        "--certificate",
        &certificate,
        "--key",
        &key,
    ];
    for (address, arguments, mechanism) in [
        (dev.address("legacy"), &guest[..], "ANONYMOUS"),
        (dev.address("TLS"), &shown, "EXTERNAL"),
    ] {
        let output = run(&[&["send", &address.to_string()], &mail[..], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["mechanism"], mechanism);
    }
    let (_, _, log) = dev.stop(Signal::TERM);
    let told = |line: &str| line.contains("ANONYMOUS") && line.contains("sirhc@example.com");
    assert!(log.lines().any(told), "{log}");
}
