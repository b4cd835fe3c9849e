//! What a sender wants to hear of his message, from MAIL and RCPT to the next hop or into a notice (RFC 3461).
//!
//! Notices take the way of all mail, so that the next hop sees them as their reader would.

use std::time::Duration;

use super::smarthost::{Arrived, Smarthost};
use super::world::route_to;
use crate::server::Server;

const CONTENT: &str = "From: dev@localhost\r\nSubject: hello\r\n\r\nsome words\r\n.";

/// A next hop that offers DSN, or does not; it knows nobody called `nobody`, and defers all called `late`.
async fn hop(dsn: bool) -> Smarthost {
    Smarthost::start(move |line| {
        let reply = match line.split([' ', ':']).next() {
            Some("EHLO") if dsn => "250-hop.example\r\n250-DSN\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n",
            Some("RCPT") if line.contains("<nobody@") => "550 5.1.1 No such user\r\n",
            Some("RCPT") if line.contains("<late@") => "451 4.3.0 Later\r\n",
            _ => return None,
        };
        Some(reply.to_owned())
    })
    .await
}

/// A server in front of it.
async fn server(hop: &Smarthost) -> Server {
    Server::start_with(|config| {
        config.routes = vec![route_to(&[hop.port()])];
        config.retry.first = Duration::from_millis(20);
        config.retry.warn_after = Duration::ZERO;
    })
    .await
}

/// Submits a message to these recipients.
async fn submit(server: &Server, mail: &str, rcpt: &[&str]) {
    let mut talk = server.talk_authenticated().await;
    talk.ask(&format!("MAIL FROM:<dev@localhost> {mail}"), "250 ")
        .await;
    for rcpt in rcpt {
        talk.ask(&format!("RCPT TO:{rcpt}"), "250 ").await;
    }
    talk.ask("DATA", "354 ").await;
    talk.ask(CONTENT, "250 ").await;
}

/// The notices that the next hop has got, in their order.
fn notices(hop: &Smarthost) -> Vec<Arrived> {
    let mut messages = hop.messages();
    messages.retain(|message| message.mail.starts_with("MAIL FROM:<>"));
    messages
}

// DSN-01, DSN-02, DSN-03: "pass unchanged to DSN-capable hop".
#[tokio::test]
async fn dsn_03_a_next_hop_with_dsn_gets_them_unchanged() {
    let hop = hop(true).await;
    let server = server(&hop).await;
    submit(
        &server,
        "RET=HDRS ENVID=QQ+20314159+2b",
        &[
            "<you@next.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Y+2bou@first.example",
            "<her@next.example> NOTIFY=NEVER",
        ],
    )
    .await;
    server.log.wait_for_count("event=delivery", 2).await;
    let messages = hop.messages();
    // A notice is queued, and said to be, before the delivery that it tells of.
    assert_eq!(server.log.lines_with("event=notice"), [""; 0]);
    let mail = &messages[0].mail;
    assert!(
        mail.contains(" RET=HDRS") && mail.contains(" ENVID=QQ+20314159+2B"),
        "{mail}"
    );
    let [you, her] = &messages[0].recipients[..] else {
        panic!("two recipients")
    };
    assert!(
        you.starts_with("RCPT TO:<you@next.example> ")
            && you.contains(" NOTIFY=SUCCESS,FAILURE")
            && you.contains(" ORCPT=rfc822;Y+2Bou@first.example"),
        "{you}"
    );
    assert_eq!(her, "RCPT TO:<her@next.example> NOTIFY=NEVER");
}

// DSN-04: a bounce comes back with the sender's own names, and without the name he logged in with.
#[tokio::test]
async fn dsn_04_a_bounce_calls_things_by_the_senders_names() {
    let hop = hop(true).await;
    let server = server(&hop).await;
    submit(
        &server,
        "RET=FULL ENVID=QQ+20314159",
        &[
            "<nobody@next.example> ORCPT=rfc822;somebody@first.example",
            "<nobody@quiet.example> NOTIFY=NEVER",
            "<nobody@patient.example> NOTIFY=DELAY,SUCCESS",
        ],
    )
    .await;
    // Three that failed, and the notice.
    server.log.wait_for_count("event=delivery", 4).await;
    let [notice] = &notices(&hop)[..] else {
        panic!("one notice: {:?}", hop.messages())
    };
    // RFC 3461 §6.1: nobody wants to hear of a notice.
    assert_eq!(notice.recipients, ["RCPT TO:<dev@localhost> NOTIFY=NEVER"]);
    for part in [
        "Original-Envelope-Id: QQ 314159\r\nReporting-MTA: dns; ",
        "\r\nOriginal-Recipient: rfc822; somebody@first.example\r\nFinal-Recipient: rfc822; nobody@next.example\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; [127.0.0.1]\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user\r\n",
        "Content-Type: message/rfc822\r\n",
        "\r\nsome words\r\n",
    ] {
        assert!(notice.data.contains(part), "{part}\n{}", notice.data);
    }
    for silent in ["quiet.example", "patient.example", "PLAIN", "authcid"] {
        assert!(!notice.data.contains(silent), "{silent}\n{}", notice.data);
    }
}

// DSN-03: "otherwise generate relayed DSN for SUCCESS".
#[tokio::test]
async fn dsn_03_success_beyond_a_next_hop_without_dsn() {
    let hop = hop(false).await;
    let server = server(&hop).await;
    submit(
        &server,
        "ENVID=x RET=FULL",
        &[
            "<you@next.example> NOTIFY=SUCCESS",
            "<her@next.example> NOTIFY=FAILURE",
            "<him@next.example>",
        ],
    )
    .await;
    server.log.wait_for_count("event=delivery", 4).await;
    let first = hop.messages().remove(0);
    assert!(
        !first.mail.contains("ENVID") && !first.mail.contains("RET="),
        "{}",
        first.mail
    );
    assert_eq!(first.recipients[0], "RCPT TO:<you@next.example>");
    let [notice] = &notices(&hop)[..] else {
        panic!("one notice: {:?}", hop.messages())
    };
    for part in [
        "Subject: Your message was passed on\r\n",
        "Final-Recipient: rfc822; you@next.example\r\nAction: relayed\r\nStatus: 2.0.0\r\n",
        // RFC 3461 §4.3: RET=FULL is about failure.
        "Content-Type: text/rfc822-headers\r\n",
    ] {
        assert!(notice.data.contains(part), "{part}\n{}", notice.data);
    }
    assert_eq!(notice.data.matches("Final-Recipient").count(), 1);
}

// DSN-03: a delay is told once, to those who want to hear of it.
#[tokio::test]
async fn dsn_03_a_delay_is_told_once() {
    let hop = hop(false).await;
    let server = server(&hop).await;
    submit(
        &server,
        "",
        &[
            "<late@next.example>",
            "<late@quiet.example> NOTIFY=FAILURE",
            "<late@too.example> NOTIFY=DELAY",
        ],
    )
    .await;
    // Three attempts at three recipients, and the notice.
    server.log.wait_for_count("event=delivery", 10).await;
    let [notice] = &notices(&hop)[..] else {
        panic!("one notice: {:?}", hop.messages())
    };
    assert_eq!(
        notice
            .data
            .matches("\r\nAction: delayed\r\nStatus: 4.3.0\r\n")
            .count(),
        2
    );
    assert!(notice.data.contains("\r\nWill-Retry-Until: "));
    assert!(!notice.data.contains("quiet.example"), "{}", notice.data);
}
