//! msmtp, the sendmail of many servers and embedded devices.

use gatepost::config::resolved::TlsMode;
use tokio::process::Command;

use super::exercise;

// SCRAM comes from GNU SASL, which it is built with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn msmtp_submits_by_every_mechanism_it_has() {
    let mechanisms = [
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "DIGEST-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
    ];
    exercise("msmtp", &mechanisms, |submission| {
        let mut command = Command::new("sh");
        command
            .args(["-c", "file=$1; shift; exec msmtp \"$@\" <\"$file\"", "sh"])
            .arg(submission.message)
            // No configuration file of this machine.
            .args(["--host", "127.0.0.1"])
            .arg(format!("--port={}", submission.address.port()))
            .arg(format!(
                "--auth={}",
                submission.mechanism.to_ascii_lowercase()
            ))
            .args(["--user=dev@localhost", "--passwordeval=echo gatepost"])
            .args([
                "--from=dev@localhost",
                "--domain=client.example",
                "--set-date-header=off",
            ]);
        match submission.lane.tls() {
            None => command.arg("--tls=off"),
            Some(mode) => command
                .arg("--tls=on")
                .arg(format!("--tls-trust-file={}", submission.ca.display()))
                .arg(if mode == TlsMode::Implicit {
                    "--tls-starttls=off"
                } else {
                    "--tls-starttls=on"
                }),
        };
        command.args(["--", "you@example.com"]);
        command
    })
    .await;
}
