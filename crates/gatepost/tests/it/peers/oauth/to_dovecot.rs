//! Gatepost gives Dovecot a token: by `gatepost send`, and as a relay to its smarthost.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use gatepost::config::resolved::{Route, RouteAuth, RouteTls, SecretFile};
use gatepost_sasl::mechanism;
use tokio::process::Command;

use super::super::server_peer::{Program, ServerPeer, USER};
use super::super::smarthost::{route_with, server_with, submit};
use super::signer::Signer;
use crate::peer_table::passed;

const MECHANISMS: [&str; 2] = ["OAUTHBEARER", "XOAUTH2"];

async fn dovecot() -> (ServerPeer, Signer) {
    let signer = Signer::new();
    let peer = ServerPeer::start_with_tokens(Signer::KEY_ID, &signer.public_key()).await;
    (peer, signer)
}

/// The token in a file of the peer's directory.
fn token_file(peer: &ServerPeer, name: &str, token: &str) -> PathBuf {
    let path = peer.ca().with_file_name(name);
    std::fs::write(&path, format!("{token}\n")).unwrap();
    path
}

async fn send(peer: &ServerPeer, tls: &str, mechanism: &str, token: &Path, to: &str) -> Output {
    let port = if tls == "implicit" {
        peer.implicit
    } else {
        peer.starttls
    };
    Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["send", &format!("localhost:{port}"), "--tls", tls, "-v"])
        .args(["--user", USER, "--auth", mechanism, "--token-file"])
        .arg(token)
        .arg("--ca")
        .arg(peer.ca())
        .args(["--from", "dev@localhost", "--to", to])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_submits_with_a_token() {
    let (peer, signer) = dovecot().await;
    let token = signer.token(USER, 0);
    let file = token_file(&peer, "token", &token);
    for (tls, name) in [("starttls", "STARTTLS"), ("implicit", "implicit")] {
        for mechanism in MECHANISMS {
            let to = format!("{}-{tls}@peer.test", mechanism.to_ascii_lowercase());
            let output = send(&peer, tls, mechanism, &file, &to).await;
            let shown = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{mechanism} {name}:\n{shown}");
            // AUTH-26: what is shown holds no token.
            assert!(!shown.contains(&token), "{shown}");
            let stored = peer.message_to(&to).await;
            let method = format!("method\t{mechanism}\n");
            assert!(stored.envelope.contains(&method), "{}", stored.envelope);
            passed(
                Program::PostfixDovecot.name(),
                mechanism,
                name,
                "from gatepost send",
            );
        }
    }
}

/// OAB-06, XOA-03: the error document is read and answered, and the refusal behind it is what counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_is_told_with_what_the_server_says() {
    let (peer, signer) = dovecot().await;
    let file = token_file(&peer, "token", &signer.token(USER, 7200));
    for mechanism in MECHANISMS {
        let output = send(&peer, "starttls", mechanism, &file, "you@peer.test").await;
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{mechanism}:\n{shown}");
        assert!(shown.contains("535"), "{mechanism}:\n{shown}");
    }
}

fn route(peer: &ServerPeer, domain: &str, mechanism: &str, token: PathBuf) -> Route {
    let auth = RouteAuth {
        mechanism: Some(mechanism::by_name(mechanism).unwrap()),
        user: USER.to_owned(),
        secret: SecretFile::Token(token),
        certificate: None,
        terms: Box::default(),
    };
    route_with(peer, domain, RouteTls::StartTls, Some(auth))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_uses_the_token_in_the_file() {
    let (peer, signer) = dovecot().await;
    let file = token_file(&peer, "token", &signer.token(USER, 0));
    let routes = MECHANISMS.map(|mechanism| {
        let domain = format!("{}.test", mechanism.to_ascii_lowercase());
        route(&peer, &domain, mechanism, file.clone())
    });
    let server = server_with(routes.to_vec()).await;
    for mechanism in MECHANISMS {
        let to = format!("you@{}.test", mechanism.to_ascii_lowercase());
        submit(&server, &to, b"From: dev@localhost\r\n\r\nby token\r\n").await;
        let stored = peer.message_to(&to).await;
        let method = format!("method\t{mechanism}\n");
        assert!(stored.envelope.contains(&method), "{}", stored.envelope);
        passed(
            Program::PostfixDovecot.name(),
            mechanism,
            "STARTTLS",
            "from Gatepost (delivery)",
        );
    }
}
