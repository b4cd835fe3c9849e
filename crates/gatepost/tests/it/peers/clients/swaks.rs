//! swaks.

use gatepost::config::resolved::TlsMode;
use tokio::process::Command;

use super::exercise;

// LC-02, LC-06, LC-13 as a current client does them; PLAIN-03.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaks_submits_by_every_mechanism_it_has() {
    exercise(
        "swaks",
        &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"],
        |submission| {
            let mut command = Command::new("swaks");
            command
                .args([
                    "--server",
                    "127.0.0.1",
                    "--port",
                    &submission.address.port().to_string(),
                ])
                .args(["--auth", submission.mechanism])
                .args([
                    "--auth-user",
                    "dev@localhost",
                    "--auth-password",
                    "gatepost",
                ])
                .args([
                    "--from",
                    "dev@localhost",
                    "--to",
                    "you@example.com",
                    "--ehlo",
                    "client.example",
                ])
                .arg("--data")
                .arg(submission.message);
            match submission.lane.tls() {
                Some(TlsMode::Implicit) => command.arg("--tls-on-connect"),
                Some(_) => command.arg("--tls"),
                None => &mut command,
            };
            if submission.lane.tls().is_some() {
                command
                    .arg("--tls-verify")
                    .arg("--tls-ca-path")
                    .arg(submission.ca);
            }
            command
        },
    )
    .await;
}
