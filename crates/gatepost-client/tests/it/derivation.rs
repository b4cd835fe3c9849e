//! T-15, V-44: a server that makes us work. The work ends with the exchange, and others are not held up by it.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatepost_client::mechanism::SCRAM_SHA_256;
use gatepost_client::{Connector, Credentials, Error, MechanismChoice, Stage, Timeouts, TlsMode};
use gatepost_smtp::server::TlsPolicy;

use crate::certificates::Authority;
use crate::gatepost::{PASSWORD, Server, USER};
use crate::peer::{Act, At, Peer, faultless};

/// Continues the client's exchange with this iteration count.
fn demanding(iterations: u32) -> impl Fn(At, &str) -> Act + Send + Sync + 'static {
    move |at, line| match at {
        At::Hello => Act::Say(b"250-peer\r\n250 AUTH SCRAM-SHA-256\r\n".to_vec()),
        At::Auth => {
            let first = BASE64.decode(line.rsplit(' ').next().unwrap()).unwrap();
            let first = String::from_utf8(first).unwrap();
            let nonce = first.split("r=").nth(1).unwrap();
            let reply = format!("r={nonce}more,s=MDEyMzQ1Njc4OWFiY2RlZg==,i={iterations}");
            Act::Say(format!("334 {}\r\n", BASE64.encode(reply)).into_bytes())
        }
        At::Response => Act::Say(b"501 5.7.0 cancelled\r\n".to_vec()),
        _ => faultless(at, line),
    }
}

async fn log_in(port: u16, time: Duration) -> Error {
    let timeouts = Timeouts {
        authentication: time,
        ..Timeouts::default()
    };
    let connector = Connector::new("127.0.0.1", port, TlsMode::None).timeouts(timeouts);
    let mut client = connector.connect().await.unwrap();
    client
        .authenticate(
            &Credentials::new("user", "secret"),
            MechanismChoice::Only(&SCRAM_SHA_256),
        )
        .await
        .unwrap_err()
}

/// "`i=10000000` → cancelled ≤ 1 s after deadline, other deliveries" go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_15_work_is_cancelled_at_the_deadline() {
    let peer = Peer::start(false, None, demanding(10_000_000)).await;
    let (port, deadline) = (peer.port, Duration::from_millis(300));
    // More of them than can work at the same time.
    let hostile: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                let begun = Instant::now();
                let error = log_in(port, deadline).await;
                assert!(
                    matches!(error, Error::Timeout(Stage::Authentication)),
                    "{error}"
                );
                begun.elapsed()
            })
        })
        .collect();
    for hostile in hostile {
        let took = hostile.await.unwrap();
        // A second more is what it should take at most; the rest is for a busy machine. The work itself takes far longer.
        assert!(took < deadline + Duration::from_secs(3), "{took:?}");
    }
    // Every place is free again, or this would wait for the minutes the work takes.
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::None, authority.acceptor(&["localhost"])).await;
    let connector = Connector::new("127.0.0.1", server.port, TlsMode::None);
    let begun = Instant::now();
    let mut client = connector.connect().await.unwrap();
    client
        .authenticate(
            &Credentials::new(USER, PASSWORD),
            MechanismChoice::Only(&SCRAM_SHA_256),
        )
        .await
        .unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

/// "`i=2147483647` → `*` in < 10 ms, 0 KDF rounds".
#[tokio::test]
async fn t_15_absurd_counts_are_refused_at_once() {
    for iterations in [0, 1, 4095, 10_000_001, 2_147_483_647, u32::MAX] {
        let peer = Peer::start(false, None, demanding(iterations)).await;
        let error = log_in(peer.port, Duration::from_secs(5)).await;
        assert!(
            matches!(error, Error::Credential(_)),
            "{iterations}: {error}"
        );
        assert!(
            peer.heard().clear.ends_with("\r\n*\r\n"),
            "{:?}",
            peer.heard().clear
        );
    }
}
