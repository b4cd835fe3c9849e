//! MAIL's `AUTH=` parameter, from a client through the server to the next hop (T-05).

use super::smarthost::Smarthost;
use super::world::{route_to, route_with_password};
use crate::server::Server;

// MPAR-05, MPAR-06: what an untrusted client claims is not passed on, and `AUTH=<>` is where we authenticated.
#[tokio::test]
async fn a_claimed_submitter_is_not_passed_on() {
    for (claimed, authenticated) in [
        (" AUTH=boss@example.com", true),
        (" AUTH=<>", true),
        ("", true),
        (" AUTH=boss@example.com", false),
    ] {
        let hop = Smarthost::start(|_| None).await;
        let server = Server::start_with(|config| {
            let route = if authenticated {
                route_with_password(&hop, &config.data, "user", "s3cret")
            } else {
                route_to(&[hop.port()])
            };
            config.routes = vec![route];
        })
        .await;
        let mut talk = server.talk_authenticated().await;
        talk.ask(&format!("MAIL FROM:<dev@localhost>{claimed}"), "250 ")
            .await;
        talk.ask("RCPT TO:<you@next.example>", "250 ").await;
        talk.ask("DATA", "354 ").await;
        talk.ask("From: dev@localhost\r\n\r\nhello\r\n.", "250 ")
            .await;
        server.log.wait_for("event=delivery").await;
        let mail = hop.messages()[0].mail.clone();
        assert_eq!(
            mail.contains(" AUTH="),
            authenticated,
            "{claimed:?}: {mail}"
        );
        assert_eq!(
            mail.contains(" AUTH=<>"),
            authenticated,
            "{claimed:?}: {mail}"
        );
    }
}

// MPAR-11: "The parameter never changes who is charged/authorised locally".
#[tokio::test]
async fn a_claimed_submitter_gives_no_rights() {
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    for claimed in ["AUTH=dev@localhost", "AUTH=boss@example.com", "AUTH=<>"] {
        talk.ask(
            &format!("MAIL FROM:<boss@example.com> {claimed}"),
            "550 5.7.1 ",
        )
        .await;
    }
    talk.ask("MAIL FROM:<dev@localhost> AUTH=boss@example.com", "250 ")
        .await;
}
