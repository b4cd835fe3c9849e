//! Mail whose addresses are beyond ASCII, from the client through the queue to the next hop or back (RFC 6531, RFC 6533).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::smarthost::Smarthost;
use super::world::route_to;
use crate::server::Server;
use crate::talk::Talk;

const SENDER: &str = "m\u{fc}ller@b\u{fc}cher.example";
const CONTENT: &str = "From: M\u{fc}ller <m\u{fc}ller@b\u{fc}cher.example>\r\nSubject: Gr\u{fc}\u{df}e\r\n\r\nhallo\r\n.";

/// A server in front of a next hop; its account has an address beyond ASCII.
async fn start(hop: &Smarthost) -> (Server, Talk) {
    let server = Server::start_with(|config| config.routes = vec![route_to(&[hop.port()])]).await;
    let addresses = BTreeSet::from([SENDER.to_owned()]);
    server.add_account("mueller", "secret", &addresses).await;
    let mut talk = server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    let plain = STANDARD.encode("\0mueller\0secret");
    talk.ask(&format!("AUTH PLAIN {plain}"), "235 ").await;
    (server, talk)
}

async fn send(talk: &mut Talk, mail: &str, rcpt: &str) {
    talk.ask(&format!("MAIL FROM:{mail}"), "250 ").await;
    talk.ask(&format!("RCPT TO:{rcpt}"), "250 ").await;
    talk.ask("DATA", "354 ").await;
    talk.ask(CONTENT, "250 ").await;
}

// EAI-01, EAI-03, TRC-02
#[tokio::test]
async fn eai_01_eai_03_trc_02_a_message_goes_on_as_it_came() {
    let hop = Smarthost::start(|line| {
        line.starts_with("EHLO")
            .then(|| "250-hop.example\r\n250-SMTPUTF8\r\n250-DSN\r\n250 8BITMIME\r\n".to_owned())
    })
    .await;
    let (server, mut talk) = start(&hop).await;
    // The account's address in another spelling of its domain.
    send(
        &mut talk,
        "<m\u{fc}ller@XN--BCHER-KVA.example> SMTPUTF8 BODY=8BITMIME",
        "<\u{7528}\u{6237}@\u{4f8b}\u{3048}.example> ORCPT=utf-8;\\x{7528}\u{6237}@x.example",
    )
    .await;
    server.log.wait_for("event=delivery").await;
    let message = hop.messages().remove(0);
    assert!(
        message
            .mail
            .starts_with("MAIL FROM:<m\u{fc}ller@XN--BCHER-KVA.example> ")
            && message.mail.contains(" SMTPUTF8"),
        "{}",
        message.mail
    );
    assert_eq!(
        message.recipients,
        [
            "RCPT TO:<\u{7528}\u{6237}@\u{4f8b}\u{3048}.example> ORCPT=utf-8;\u{7528}\u{6237}@x.example"
        ]
    );
    assert!(
        message.data.contains(" with UTF8SMTPA id ")
            && message
                .data
                .contains("\tfor <\u{7528}\u{6237}@\u{4f8b}\u{3048}.example>"),
        "{}",
        message.data
    );
    // What is ASCII throughout goes by any hop, whatever the client asked for.
    let mut talk = server.talk_authenticated().await;
    talk.ask("MAIL FROM:<dev@localhost> SMTPUTF8", "250 ").await;
    talk.ask("RCPT TO:<you@next.example>", "250 ").await;
    talk.ask("DATA", "354 ").await;
    talk.ask("From: dev@localhost\r\n\r\nhello\r\n.", "250 ")
        .await;
    server.log.wait_for_count("event=delivery", 2).await;
    let plain = hop.messages().remove(1);
    assert!(!plain.mail.contains("SMTPUTF8"), "{}", plain.mail);
}

// EAI-04, EAI-05: "Next hop without SMTPUTF8: bounce 5.6.7", told in the sender's script.
#[tokio::test]
async fn eai_04_eai_05_a_recipient_that_the_next_hop_cannot_take_is_returned() {
    let hop = Smarthost::start(|_| None).await;
    let server = Server::start_with(|config| config.routes = vec![route_to(&[hop.port()])]).await;
    let mut talk = server.talk_authenticated().await;
    talk.ask("MAIL FROM:<dev@localhost> SMTPUTF8 ENVID=caf+2Be", "250 ")
        .await;
    talk.ask("RCPT TO:<b\u{f6}b@next.example>", "250 ").await;
    talk.ask("DATA", "354 ").await;
    talk.ask(
        "From: dev@localhost\r\nSubject: Gr\u{fc}\u{df}e\r\n\r\nhallo\r\n.",
        "250 ",
    )
    .await;
    server.log.wait_for_count("event=delivery", 2).await;
    let [notice] = &hop.messages()[..] else {
        panic!("only the notice: {:?}", hop.messages())
    };
    for part in [
        "Content-Type: message/global-delivery-status\r\n",
        "Original-Envelope-Id: caf+e\r\n",
        "Final-Recipient: utf-8; b=C3=B6b@next.example\r\n",
        "Status: 5.6.7\r\n",
    ] {
        assert!(notice.data.contains(part), "{part}\n{}", notice.data);
    }
    assert!(notice.data.is_ascii(), "any hop takes it");
}
