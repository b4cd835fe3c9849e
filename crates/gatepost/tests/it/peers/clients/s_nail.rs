//! S-nail, heir of Berkeley Mail.

use gatepost::config::resolved::TlsMode;
use tokio::process::Command;

use super::{TEXT, exercise_writer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_nail_submits_by_every_mechanism_it_has() {
    exercise_writer("S-nail", &["PLAIN", "LOGIN", "CRAM-MD5"], |submission| {
        let scheme = if submission.lane.tls() == Some(TlsMode::Implicit) {
            "smtps"
        } else {
            "smtp"
        };
        let port = submission.address.port();
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "text=$1; shift; printf '%s\\n' \"$text\" | s-nail \"$@\"",
                "sh",
                TEXT,
            ])
            // No configuration file of this machine, and an exit status that waits for the submission.
            .args([
                "-:/",
                "-S",
                "v15-compat",
                "-S",
                "sendwait",
                "-S",
                "hostname=client.example",
            ])
            .args([
                "-S",
                &format!("mta={scheme}://dev%40localhost:gatepost@localhost:{port}"),
            ])
            .args([
                "-S",
                &format!("smtp-auth={}", submission.mechanism.to_ascii_lowercase()),
            ])
            .args([
                "-S",
                &format!("tls-ca-file={}", submission.ca.display()),
                "-S",
                "tls-verify=strict",
            ])
            .args(["-r", "dev@localhost", "-s", "from S-nail"]);
        if submission.lane.tls() == Some(TlsMode::StartTls) {
            command.args(["-S", "smtp-use-starttls"]);
        }
        command.arg("you@example.com");
        command
    })
    .await;
}
