//! Cyrus's `smtptest`, which speaks every mechanism of Cyrus SASL; it lives in the root of `postfix-cyrus`.
//!
//! It authenticates, and then sends a file of commands and mail at once, without waiting for replies. It needs no manners to be right:
//! RFC 2920 would have it stop at DATA.

use gatepost::config::resolved::TlsMode;

use super::super::server_peer::{Program, in_root};
use super::{TEXT, exercise_writer};

const SMTPTEST: &str = "/usr/lib/cyrus/bin/smtptest";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smtptest_submits_by_every_mechanism_it_has() {
    let mechanisms = [
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "DIGEST-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
    ];
    exercise_writer("smtptest (Cyrus SASL 2.1.28)", &mechanisms, |submission| {
        let directory = submission.message.parent().unwrap();
        let dialogue = format!(
            "EHLO client.example\r\nMAIL FROM:<dev@localhost>\r\nRCPT TO:<you@example.com>\r\nDATA\r\nFrom: dev@localhost\r\n\r\n{TEXT}\r\n.\r\n"
        );
        std::fs::write(directory.join("dialogue"), dialogue).unwrap();
        let mut command = in_root(Program::PostfixCyrus, directory);
        command
            .arg(SMTPTEST)
            .args(["-p", &submission.address.port().to_string()])
            .args(["-a", "dev@localhost", "-w", "gatepost"])
            .args(["-m", submission.mechanism, "-f", "/peer/dialogue"]);
        match submission.lane.tls() {
            Some(TlsMode::Implicit) => command.arg("-s"),
            // No certificate of its own.
            Some(_) => command.args(["-t", ""]),
            None => &mut command,
        };
        command.arg("127.0.0.1");
        command
    })
    .await;
}
