//! `gatepost probe` finds what is known to be wrong with servers of others, and nothing else.

use super::server_peer::{PASSWORD, Program, ServerPeer, USER};
use crate::probe::check;

async fn probe(program: Program, name: &str) {
    let peer = ServerPeer::start(program).await;
    let ca = peer.ca();
    let server = format!("localhost:{}", peer.starttls);
    check(
        name,
        &server,
        &["--ca", ca.to_str().unwrap()],
        (USER, PASSWORD),
    )
    .await;
}

/// The known fault of Postfix, whatever its SASL: an unknown mechanism is answered like a wrong password (535), so that a client gives up instead of trying
/// another mechanism.
#[tokio::test]
async fn postfix_with_dovecot() {
    probe(Program::PostfixDovecot, "postfix-dovecot").await;
}

#[tokio::test]
async fn opensmtpd() {
    probe(Program::OpenSmtpd, "opensmtpd").await;
}

#[tokio::test]
async fn aiosmtpd() {
    probe(Program::Aiosmtpd, "aiosmtpd").await;
}

#[tokio::test]
async fn postfix_with_cyrus() {
    probe(Program::PostfixCyrus, "postfix-cyrus").await;
}

#[tokio::test]
async fn sendmail() {
    probe(Program::Sendmail, "sendmail").await;
}

#[tokio::test]
async fn exim() {
    probe(Program::Exim, "exim").await;
}

/// The one of them that offers to bind SCRAM to TLS, and so is attacked there.
#[tokio::test]
async fn dovecot() {
    probe(Program::Dovecot, "dovecot").await;
}
