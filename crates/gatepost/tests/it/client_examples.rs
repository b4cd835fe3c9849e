//! The examples of `gatepost-client`, as programs of their own, at a server that runs.

use std::path::PathBuf;
use std::process::{Command as Process, Output};
use std::sync::OnceLock;

use tokio::process::Command;

use crate::child;
use crate::server::Server;

/// An example; built with everything else when the whole workspace is tested, and here when only this package is.
pub(crate) fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Process::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace", "--examples", "--offline"]);
        // As this program is built: otherwise the library would be compiled once more.
        if cfg!(feature = "peer-tests") {
            build.args(["--features", "gatepost/peer-tests"]);
        }
        let built = build.status().unwrap();
        assert!(built.success(), "the examples are built");
    });
    let here = std::env::current_exe().unwrap();
    here.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(name)
}

/// Runs an example, which trusts the server's own authority as one of the system's, with this on standard input.
async fn run(server: &Server, name: &str, arguments: &[&str], input: &str) -> Output {
    child::run(
        Command::new(example(name))
            .args(arguments)
            .env("SSL_CERT_FILE", server.directory.path().join("ca.pem")),
        input,
    )
    .await
}

/// Runs an example that sends, and says what it printed. The message is in the queue then.
async fn sends(name: &str, port: impl Fn(&Server) -> u16, more: &[&str]) -> String {
    let server = Server::start().await;
    let port = port(&server).to_string();
    let ca = server.directory.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let more: Vec<_> = more
        .iter()
        .map(|word| if *word == "CA" { ca } else { word })
        .collect();
    let arguments = [
        &["localhost", &port, "dev@localhost", "you@example.net"],
        more.as_slice(),
    ];
    let output = run(&server, name, &arguments.concat(), "gatepost\n").await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{name}: {errors}");
    assert_eq!(server.queued().await, 1, "{name}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn plain_inside_starttls() {
    let printed = sends("plain_starttls", |server| server.smtp.port(), &[]).await;
    assert!(
        printed.starts_with("accepted for <you@example.net>: 250 2.0.0 "),
        "{printed}"
    );
}

#[tokio::test]
async fn scram() {
    let printed = sends("scram", |server| server.smtps.port(), &[]).await;
    assert!(
        printed.starts_with("authenticated by SCRAM-SHA-"),
        "{printed}"
    );
}

#[tokio::test]
async fn chosen_by_what_the_server_offers() {
    let printed = sends("choose_by_server", |server| server.smtp.port(), &[]).await;
    assert!(
        printed.contains("mechanisms: SCRAM-SHA-") && printed.contains("chosen: SCRAM-SHA-"),
        "{printed}"
    );
    assert!(printed.contains("8bit: Some(\"250 2.0.0 "), "{printed}");
}

#[tokio::test]
async fn a_private_authority() {
    let printed = sends("custom_roots", |server| server.smtp.port(), &["CA"]).await;
    assert!(
        printed.starts_with("protected by TLSv1.3 TLS_"),
        "{printed}"
    );
}

/// CLI-13: "no secret in error messages or `--trace`".
#[tokio::test]
async fn cli_13_the_transcript_of_a_failure() {
    let server = Server::start().await;
    let port = server.smtp.port().to_string();
    let arguments = ["localhost", &port, "dev@localhost"];
    let output = run(&server, "failure_transcript", &arguments, "hunter2\n").await;
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    for line in [
        "C: STARTTLS",
        "-- TLSv1.3 TLS_",
        "C: AUTH SCRAM-SHA-",
        "C: (hidden)",
        "S: 535 5.7.8 ",
        "fault: the credentials",
        "check user name and password",
        "worth trying again: false",
        "code: 535",
    ] {
        assert!(printed.contains(line), "{line} is missing:\n{printed}");
    }
    for secret in ["hunter2", "aHVudGVyMg", "AGRldkBsb2NhbGhvc3QA"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

/// What the examples say when they are called wrongly, or when the server is not to be trusted.
#[tokio::test]
async fn examples_that_cannot_do_it() {
    let server = Server::start().await;
    let usage = run(&server, "scram", &["localhost"], "").await;
    assert!(!usage.status.success());
    assert!(String::from_utf8_lossy(&usage.stderr).contains("usage: scram HOST PORT"));
    let stranger = tempfile::NamedTempFile::new().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    std::fs::write(stranger.path(), certificate.pem()).unwrap();
    let port = server.smtp.port().to_string();
    let arguments = [
        "localhost",
        &port,
        "dev@localhost",
        "you@example.net",
        stranger.path().to_str().unwrap(),
    ];
    let refused = run(&server, "custom_roots", &arguments, "gatepost\n").await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("has not signed for localhost"));
    assert_eq!(server.queued().await, 0);
}
