//! curl.

use gatepost::config::resolved::TlsMode;
use tokio::process::Command;

use super::exercise;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_submits_by_every_mechanism_it_has() {
    exercise(
        "curl",
        &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"],
        |submission| {
            let scheme = if submission.lane.tls() == Some(TlsMode::Implicit) {
                "smtps"
            } else {
                "smtp"
            };
            let mut command = Command::new("curl");
            command
                .args(["--silent", "--show-error", "--verbose", "--max-time", "60"])
                .args([
                    "--url",
                    &format!("{scheme}://{}/client.example", submission.address),
                ])
                .args(["--user", "dev@localhost:gatepost"])
                .args(["--login-options", &format!("AUTH={}", submission.mechanism)])
                .args([
                    "--mail-from",
                    "dev@localhost",
                    "--mail-rcpt",
                    "you@example.com",
                ])
                .arg("--cacert")
                .arg(submission.ca)
                .arg("--upload-file")
                .arg(submission.message);
            if submission.lane.tls() == Some(TlsMode::StartTls) {
                command.arg("--ssl-reqd");
            }
            // It turns line feeds into line ends when told, and would turn line ends into something else.
            if submission.line_feeds {
                command.arg("--crlf");
            }
            command
        },
    )
    .await;
}
