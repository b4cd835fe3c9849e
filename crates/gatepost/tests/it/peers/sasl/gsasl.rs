//! GNU SASL's `gsasl --server`: it speaks no SMTP, only the messages of a mechanism, in base64, a line each.

use std::process::Stdio;

use gatepost_sasl::{ClientParams, mechanism};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use super::super::server_peer::{PASSWORD, USER};
use super::exchange::{Exchange, decode, encode};
use crate::peer_table::passed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gsasl_takes_every_mechanism_it_has() {
    for name in [
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "DIGEST-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
    ] {
        authenticate(name).await;
        passed("GNU SASL 2.2.0", name, "none", "from gatepost-sasl");
    }
}

async fn authenticate(name: &str) {
    // What it says and what it asks come by different ways, and belong together.
    let mut process = Command::new("sh")
        .args(["-c", "exec stdbuf -oL gsasl --server \"$@\" 2>&1", "sh"])
        .args(["--mechanism", name, "--password", PASSWORD])
        .args(["--service", "smtp", "--hostname", "localhost"])
        .args(["--realm", "peer.test"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let params = ClientParams::new(USER, "localhost", "OA6MG9tEQGm2hh");
    let (mut exchange, mut initial) =
        Exchange::begin(mechanism::by_name(name).unwrap(), params, PASSWORD);
    let mut challenge = None;
    loop {
        let line = lines.next_line().await.unwrap();
        let line = line.unwrap_or_else(|| panic!("{name}: it does not trust us"));
        if line.starts_with("Output from server") {
            challenge = lines.next_line().await.unwrap();
        } else if line.starts_with("Enter base64") {
            // It begins with the question that an initial response answers.
            let challenge = challenge.take().unwrap_or_default();
            let said = match initial.take() {
                Some(initial) => initial,
                // It wants to hear something after the last response of PLAIN, too.
                None if challenge.is_empty() => Vec::new(),
                None => exchange.answer(&decode(&challenge)),
            };
            let said = format!("{}\n", encode(&said));
            input.write_all(said.as_bytes()).await.unwrap();
        } else if line.starts_with("Server authentication finished") {
            break;
        }
    }
    // The server's proof, if there is one, came last.
    if let Some(proof) = challenge.filter(|proof| !proof.is_empty()) {
        assert_eq!(exchange.answer(&decode(&proof)), b"");
    }
    assert!(exchange.succeeded().is_none());
}
