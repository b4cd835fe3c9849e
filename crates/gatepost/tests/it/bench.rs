//! `gatepost bench`: what it counts is what the server has.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use crate::child;
use crate::server::Server;

async fn bench(server: &str, arguments: &[&str], password: &str) -> Output {
    child::run(
        Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args([
                "bench",
                server,
                "--user",
                "dev@localhost",
                "--password-stdin",
                "--json",
            ])
            .args(arguments),
        &format!("{password}\n"),
    )
    .await
}

#[tokio::test]
async fn it_counts_what_the_server_has() {
    let server = Server::start().await;
    let to = server.legacy.to_string();
    let arguments = [
        "--tls",
        "none",
        "--auth",
        "plain",
        "--sessions",
        "3",
        "--messages",
        "20",
        "--per-session",
        "4",
        "--size",
        "1000",
    ];
    let output = bench(&to, &arguments, "gatepost").await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(
        (&report["accepted"], &report["errors"]),
        (&20.into(), &serde_json::json!({}))
    );
    assert_eq!(server.queued().await, 20);
    let sessions = report["sessions"].as_u64().unwrap();
    assert!((5..=7).contains(&sessions), "{report}");
    for (part, samples) in [
        ("connect", sessions),
        ("auth", sessions),
        ("message", 20),
        ("end_of_data", 20),
    ] {
        let it = &report["latency"][part];
        assert_eq!(it["samples"], samples, "{part}");
        let [p50, p90, p99, max] = ["p50", "p90", "p99", "max"].map(|at| it[at].as_f64().unwrap());
        assert!(
            0.0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= max,
            "{report}"
        );
    }
    // A message without TLS takes longer than its end.
    let median = |part: &str| report["latency"][part]["p50"].as_f64().unwrap();
    assert!(median("end_of_data") <= median("message"));
}

#[tokio::test]
async fn failures_are_counted_by_reply() {
    let server = Server::start().await;
    let to = server.legacy.to_string();
    let one = [
        "--tls",
        "none",
        "--auth",
        "plain",
        "--sessions",
        "1",
        "--messages",
        "2",
    ];
    let output = bench(&to, &one, "wrong").await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["errors"], serde_json::json!({ "535 5.7.8": 2 }));
    let output = bench(
        &to,
        &[&one[..], &["--from", "x@evil.example"]].concat(),
        "gatepost",
    )
    .await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["accepted"], 0);
    assert_eq!(report["errors"], serde_json::json!({ "550 5.7.1": 2 }));
}

#[tokio::test]
async fn servers_of_others_are_left_alone() {
    let output = bench("192.0.2.1:587", &[], "x").await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--i-own-this-server"), "{said}");
}
