//! Postfix with Dovecot SASL as the next hop: every mechanism over every kind of channel, every shape of mail, refusals and a wrong password.

use gatepost::config::pattern::Pattern;
use gatepost::config::resolved::{
    HostPort, Route, RouteAction, RouteAuth, RouteMatch, RouteTls, Smarthost,
};
use gatepost_sasl::mechanism;

use super::corpus::{self, LineEnd, Sample};
use super::postfix::{PASSWORD, Postfix, USER};
use crate::peer_table::passed;
use crate::server::Server;
use crate::talk::Talk;

const CHANNELS: [(RouteTls, &str, &str); 3] = [
    (RouteTls::StartTls, "starttls", "STARTTLS"),
    (RouteTls::Implicit, "implicit", "implicit"),
    (RouteTls::None, "clear", "none"),
];

/// A route to the peer for mail to recipients in this domain.
fn route(
    postfix: &Postfix,
    domain: &str,
    tls: RouteTls,
    mechanism: Option<&str>,
    password: &str,
) -> Route {
    let port = match tls {
        RouteTls::StartTls => postfix.starttls,
        RouteTls::Implicit => postfix.implicit,
        RouteTls::None => postfix.clear,
    };
    let password_file = postfix.ca().with_file_name(format!("password-{domain}"));
    std::fs::write(&password_file, format!("{password}\n")).unwrap();
    Route {
        matches: RouteMatch {
            recipient_domain: Some(Pattern::new(domain)),
            ..RouteMatch::default()
        },
        action: RouteAction::Smarthost(Smarthost {
            hosts: vec![HostPort {
                host: "localhost".to_owned(),
                port,
            }],
            tls,
            ca: (tls != RouteTls::None).then(|| postfix.ca()),
            auth: Some(RouteAuth {
                mechanism: mechanism.map(|name| mechanism::by_name(name).unwrap()),
                user: USER.to_owned(),
                password_file,
            }),
        }),
    }
}

/// Notices stay where the test can read them.
fn capture_notices() -> Route {
    Route {
        matches: RouteMatch {
            sender: Some(Pattern::new("")),
            ..RouteMatch::default()
        },
        action: RouteAction::Capture,
    }
}

async fn server_with(routes: Vec<Route>) -> Server {
    Server::start_with(|config| config.routes = routes).await
}

/// Submits a message over the legacy lane, where even the rudest sample passes; the octets go out as they are but for the dots.
async fn submit(server: &Server, recipient: &str, message: &[u8]) {
    let mut talk: Talk = server.talk_authenticated().await;
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask(&format!("RCPT TO:<{recipient}>"), "250 ").await;
    talk.ask("DATA", "354 ").await;
    let mut data = Vec::with_capacity(message.len() + 1024);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            data.push(b'.');
        }
        data.extend_from_slice(line);
    }
    if !data.ends_with(b"\r\n") {
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    talk.send(&data).await;
    talk.expect("250 2.0.0 ").await;
    talk.ask("QUIT", "221 ").await;
}

fn small() -> Sample {
    corpus::samples().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_delivered_by_every_mechanism_over_every_channel() {
    let postfix = Postfix::start().await;
    let mut routes = Vec::new();
    let mut combinations = Vec::new();
    for (tls, word, name) in CHANNELS {
        for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"] {
            let domain = format!("{}.{word}.test", mechanism.to_ascii_lowercase());
            routes.push(route(&postfix, &domain, tls, Some(mechanism), PASSWORD));
            combinations.push((format!("you@{domain}"), mechanism, name));
        }
    }
    let server = server_with(routes).await;
    let sample = small();
    for (recipient, ..) in &combinations {
        submit(&server, recipient, &sample.octets).await;
    }
    for (recipient, mechanism, tls) in &combinations {
        let stored = postfix.message_to(recipient).await;
        corpus::check(&sample, &stored.content, LineEnd::Exact);
        assert!(
            stored.envelope.contains(&format!("method\t{mechanism}\n")),
            "{}",
            stored.envelope
        );
        assert!(
            stored.envelope.contains(&format!("user\t{USER}\n")),
            "{}",
            stored.envelope
        );
        assert!(
            stored.envelope.contains("sender\tdev@localhost\n"),
            "{}",
            stored.envelope
        );
        passed(
            "Postfix with Dovecot",
            mechanism,
            tls,
            "from Gatepost (delivery)",
        );
    }
}

// EOL-04, EOL-08: this peer refuses a message with a bare LF or CR.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_of_every_shape_arrives_as_it_was() {
    let postfix = Postfix::start().await;
    let server = server_with(vec![route(
        &postfix,
        "peer.test",
        RouteTls::StartTls,
        None,
        PASSWORD,
    )])
    .await;
    let samples = corpus::samples();
    for sample in &samples {
        submit(
            &server,
            &format!("{}@peer.test", sample.name),
            &sample.octets,
        )
        .await;
    }
    for sample in &samples {
        let stored = postfix
            .message_to(&format!("{}@peer.test", sample.name))
            .await;
        let line_end = if sample.octets.ends_with(b"\r\n") {
            LineEnd::Exact
        } else {
            LineEnd::MayBeAdded
        };
        corpus::check(sample, &stored.content, line_end);
        // SASL-09: with no mechanism named, the strongest that both know.
        assert!(
            stored.envelope.contains("method\tSCRAM-SHA-256\n"),
            "{}",
            stored.envelope
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_recipient_is_returned_and_a_deferred_one_stays() {
    let postfix = Postfix::start().await;
    let server = server_with(vec![
        capture_notices(),
        route(&postfix, "peer.test", RouteTls::StartTls, None, PASSWORD),
    ])
    .await;
    submit(&server, "reject@peer.test", &small().octets).await;
    server.log.wait_for("event=notice").await;
    let notice = String::from_utf8(server.newest().await).unwrap();
    assert!(
        notice.contains("Content-Type: multipart/report"),
        "{notice}"
    );
    assert!(
        notice.contains("Final-Recipient: rfc822; reject@peer.test"),
        "{notice}"
    );
    assert!(notice.contains("Status: 5.1.1"), "{notice}");
    submit(&server, "defer@peer.test", &small().octets).await;
    server.log.wait_for("result=deferred").await;
    assert_eq!(
        server.queued().await,
        2,
        "the notice and the deferred message"
    );
}

// A password that the smarthost refuses is the operator's fault, not the message's: nothing is bounced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_keeps_the_mail_and_bounces_nothing() {
    let postfix = Postfix::start().await;
    let server = server_with(vec![
        capture_notices(),
        route(&postfix, "peer.test", RouteTls::StartTls, None, "wrong"),
    ])
    .await;
    submit(&server, "you@peer.test", &small().octets).await;
    server.log.wait_for("event=delivery").await;
    let logged = server.log.lines_with("event=delivery");
    assert!(logged[0].contains("result=deferred"), "{logged:?}");
    assert!(logged[0].contains("535"), "{logged:?}");
    assert_eq!(server.queued().await, 1);
    assert!(server.log.lines_with("event=notice").is_empty());
}
