//! `gatepost send` talks to mail servers of others.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::corpus::{self, LineEnd};
use super::server_peer::{PASSWORD, Program, ServerPeer, USER};
use crate::peer_table::passed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_submits_to_postfix_by_every_mechanism_over_every_channel() {
    send_by_every_mechanism(Program::PostfixDovecot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_submits_to_postfix_with_cyrus_by_every_mechanism_over_every_channel() {
    send_by_every_mechanism(Program::PostfixCyrus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_submits_to_sendmail_by_every_mechanism_over_every_channel() {
    send_by_every_mechanism(Program::Sendmail).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_submits_to_exim_by_every_mechanism_over_every_channel() {
    send_by_every_mechanism(Program::Exim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_submits_to_opensmtpd_by_every_mechanism_over_every_channel() {
    send_by_every_mechanism(Program::OpenSmtpd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_submits_to_aiosmtpd_by_every_mechanism_over_every_channel() {
    send_by_every_mechanism(Program::Aiosmtpd).await;
}

async fn send_by_every_mechanism(program: Program) {
    let peer = ServerPeer::start(program).await;
    let sample = corpus::samples().remove(0);
    let channels = [
        ("starttls", "STARTTLS", peer.starttls),
        ("implicit", "implicit", peer.implicit),
        ("none", "none", peer.clear),
    ];
    for (option, name, port) in channels {
        if option == "none" && !program.authenticates_in_clear() {
            continue;
        }
        for mechanism in program.mechanisms() {
            let recipient = format!("{}-{option}@peer.test", mechanism.to_ascii_lowercase());
            let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
                .args([
                    "send",
                    &format!("localhost:{port}"),
                    "--user",
                    USER,
                    "--password-stdin",
                ])
                .args([
                    "--tls",
                    option,
                    "--auth",
                    mechanism,
                    "--from",
                    "dev@localhost",
                    "--to",
                    &recipient,
                    "-v",
                ])
                .args((option != "none").then_some("--ca"))
                .args((option != "none").then(|| peer.ca()))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = child.stdin.take().unwrap();
            input
                .write_all(format!("{PASSWORD}\n").as_bytes())
                .await
                .unwrap();
            input.write_all(&sample.octets).await.unwrap();
            drop(input);
            let output = child.wait_with_output().await.unwrap();
            let shown = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success(),
                "{mechanism} {name}: {}\n{shown}",
                output.status
            );
            // AUTH-26: what is shown holds no secret, in no encoding.
            assert!(
                !shown.contains(PASSWORD) && !shown.contains("Z2F0ZSBwb3N0"),
                "{shown}"
            );
            let stored = peer.message_to(&recipient).await;
            corpus::check(&sample, &stored.content, LineEnd::Exact);
            if program.tells_mechanism() {
                let method = format!("method\t{mechanism}\n");
                assert!(stored.envelope.contains(&method), "{}", stored.envelope);
            }
            passed(program.name(), mechanism, name, "from gatepost send");
        }
    }
}
