//! A server with pages, and ways to get mail into it.

use std::net::SocketAddr;

use gatepost::config::pattern::Pattern;
use gatepost::config::resolved::{Config, Route, RouteAction, RouteMatch};

use crate::server::{AUTH_PLAIN, Server};
use crate::talk::Talk;

/// A domain whose mail is held, not captured.
pub(super) const HELD: &str = "held.example";

/// A server that captures mail, except to [`HELD`].
pub(super) struct Site {
    pub(super) server: Server,
    pub(super) http: SocketAddr,
}

impl Site {
    pub(super) async fn start() -> Self {
        let server = Server::start_with(add_pages).await;
        let http = server.http.unwrap();
        Self { server, http }
    }

    /// Submits a message on the legacy listener: its header section after `From`, empty line included, and its body, whole lines. Gives its id.
    pub(super) async fn submit(&self, recipient: &str, content: &str) -> String {
        let mut talk = self.server.talk_authenticated().await;
        submit(&mut talk, recipient, content).await
    }

    /// The same over TLS.
    pub(super) async fn submit_over_tls(&self, recipient: &str, content: &str) -> String {
        let talk = Talk::connect(self.server.smtps).await;
        let mut talk = talk
            .start_tls(self.server.directory.path(), &[])
            .await
            .unwrap();
        talk.expect("220 ").await;
        talk.ask("EHLO client.example", "250 ").await;
        talk.ask(AUTH_PLAIN, "235 ").await;
        submit(&mut talk, recipient, content).await
    }
}

/// Submits a message in a session that is authenticated.
pub(super) async fn submit(talk: &mut Talk, recipient: &str, content: &str) -> String {
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask(&format!("RCPT TO:<{recipient}>"), "250 ").await;
    talk.ask("DATA", "354 ").await;
    talk.send(format!("From: dev@localhost\r\n{content}.\r\n"))
        .await;
    let reply = talk.expect("250 2.0.0 Ok: queued as ").await;
    reply.rsplit(' ').next().unwrap().to_owned()
}

fn add_pages(config: &mut Config) {
    config.http = Some(([127, 0, 0, 1], 0).into());
    let hold = Route {
        matches: RouteMatch {
            recipient_domain: Some(Pattern::new(HELD)),
            ..RouteMatch::default()
        },
        action: RouteAction::Hold,
    };
    config.routes.insert(0, hold);
}
