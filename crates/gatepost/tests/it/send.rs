//! `gatepost send` as people run it: what it prints, how it exits, what it never shows.

use std::net::SocketAddr;
use std::process::Output;

use gatepost::queue::{EntryState, ListQuery};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::child;
use crate::server::Server;

const WITH_PASSWORD: [&str; 5] = [
    "--user",
    "dev@localhost",
    "--password-stdin",
    "--to",
    "you@example.com",
];

/// Runs `gatepost send` to this address, with this on standard input.
async fn send(to: SocketAddr, arguments: &[&str], input: &str) -> Output {
    child::run(
        Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .arg("send")
            .arg(to.to_string())
            .args(arguments),
        input,
    )
    .await
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

fn ca(server: &Server) -> String {
    server
        .directory
        .path()
        .join("ca.pem")
        .to_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_message_from_standard_input_is_accepted() {
    let server = Server::start().await;
    let ca = ca(&server);
    for (address, more) in [
        (server.smtp, ["--ca", &ca, "--tls", "starttls"]),
        (server.smtps, ["--ca", &ca, "--tls", "implicit"]),
        (server.legacy, ["--auth", "cram-md5", "--tls", "none"]),
    ] {
        let input = "gatepost\nFrom: dev@localhost\nSubject: x\n\n.dot\n";
        let output = send(address, &[&WITH_PASSWORD[..], &more].concat(), input).await;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            text(&output.stdout)
                .starts_with("accepted for you@example.com: 250 2.0.0 Ok: queued as ")
        );
        let query = ListQuery {
            state: Some(EntryState::Captured),
            before: None,
            limit: 1,
        };
        let newest = server.queue.list(query).await.unwrap().entries.remove(0);
        let mut content = String::new();
        server
            .queue
            .content(newest.id)
            .await
            .unwrap()
            .read_to_string(&mut content)
            .await
            .unwrap();
        assert!(
            content.ends_with("\r\n\r\n.dot\r\n") && content.contains("\r\nSubject: x\r\n"),
            "{content}"
        );
    }
}

#[tokio::test]
async fn a_file_is_sent_and_told_of_in_json() {
    let server = Server::start().await;
    let file = server.directory.path().join("message.eml");
    std::fs::write(&file, "From: dev@localhost\r\n\r\ncaf\u{e9}\r\n").unwrap();
    let ca = ca(&server);
    let arguments = [
        &WITH_PASSWORD[..],
        &["--ca", &ca, "--json", file.to_str().unwrap()],
    ]
    .concat();
    let output = send(server.smtp, &arguments, "gatepost\n").await;
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["mechanism"], "SCRAM-SHA-512-PLUS");
    assert_eq!(value["tls"], "TLSv1.3");
    assert_eq!(value["recipients"][0]["address"], "you@example.com");
    assert_eq!(value["recipients"][0]["accepted"], true);
}

#[tokio::test]
async fn the_dialogue_shows_no_secret() {
    let server = Server::start().await;
    for mechanism in ["plain", "login", "scram-sha-256", "cram-md5"] {
        let arguments = [
            &WITH_PASSWORD[..],
            &["--tls", "none", "-v", "--auth", mechanism],
        ]
        .concat();
        let output = send(server.legacy, &arguments, "gatepost\n").await;
        let (seen, name) = (text(&output.stderr), mechanism.to_ascii_uppercase());
        assert_eq!(output.status.code(), Some(0), "{seen}");
        assert!(
            seen.contains("S: 220 ")
                && seen.contains(&format!("C: AUTH {name}"))
                && seen.contains("C: QUIT"),
            "{seen}"
        );
        assert!(seen.contains("(hidden)"), "{seen}");
        // The password, its base64, and the PLAIN message that ends in it.
        for secret in ["gatepost\n", "Z2F0ZXBvc3Q", "AGRldkBsb2NhbGhvc3Q"] {
            assert!(!seen.contains(secret), "{mechanism}: {seen}");
        }
    }
}

// What failed, whose fault it was and what to do next; 1 = failed.
#[tokio::test]
async fn failures_say_what_to_do_next() {
    let server = Server::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ca = ca(&server);
    let table: &[(SocketAddr, &[&str], &str, [&str; 2])] = &[
        (
            server.smtp,
            &["--ca", &ca],
            "wrong\n",
            ["authentication: ", "check user name and password"],
        ),
        (
            server.smtp,
            &[],
            "gatepost\n",
            ["connection: TLS with ", "--ca"],
        ),
        (
            server.smtp,
            &["--ca", &ca, "--tls", "implicit"],
            "gatepost\n",
            ["connection: ", "--tls starttls"],
        ),
        (
            server.legacy,
            &["--ca", &ca],
            "gatepost\n",
            ["connection: TLS is required", "--tls none"],
        ),
        (
            closed,
            &[],
            "gatepost\n",
            ["connection: cannot connect", "check host and port"],
        ),
        (
            server.smtp,
            &["--ca", &ca, "--from", "x@evil.example"],
            "gatepost\n",
            ["server: ", "another sender (--from)"],
        ),
        (
            server.smtp,
            &["--ca", "/nowhere.pem"],
            "gatepost\n",
            ["cannot begin: ", "PEM file"],
        ),
    ];
    for (address, arguments, input, expected) in table {
        let default = ["--tls", "starttls"];
        let more = if arguments.contains(&"--tls") {
            &[]
        } else {
            &default[..]
        };
        let output = send(
            *address,
            &[&WITH_PASSWORD[..], arguments, more].concat(),
            input,
        )
        .await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{said}");
        assert!(
            !said.contains(input.trim_end()) || input.starts_with("gatepost"),
            "{said}"
        );
    }
}

// 2 = called in a way that cannot work; nothing is connected to.
#[tokio::test]
async fn wrong_usage_is_told_before_anything_is_sent() {
    let nobody: SocketAddr = ([127, 0, 0, 1], 1).into();
    let table: &[(&[&str], &str, &str)] = &[
        (&["--to", "you@example.com"], "", "--from"),
        (&["--from", "me@example.com"], "", "--to"),
        (
            &["--user", "me@example.com", "--to", "you@example.com"],
            "",
            "--password-stdin",
        ),
        (&WITH_PASSWORD, "", "no password"),
        (&WITH_PASSWORD, "\nFrom: x\n", "no password"),
        (&["--from", "me", "--to", "you@example.com"], "", "`me`"),
        (
            &[
                "--from",
                "me@example.com",
                "--to",
                "you@example.com>\r\nRCPT TO:<x@y",
            ],
            "",
            "not a mail address",
        ),
        (
            &[
                "--from",
                "<>",
                "--to",
                "you@example.com",
                "--auth",
                "foobar",
            ],
            "",
            "SCRAM-SHA-256",
        ),
    ];
    for (arguments, input, expected) in table {
        let output = send(nobody, arguments, input).await;
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        assert!(
            text(&output.stderr).contains(expected),
            "{}",
            text(&output.stderr)
        );
    }
}
