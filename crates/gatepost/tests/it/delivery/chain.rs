//! One Gatepost hands mail on to another, by every mechanism, over every kind of channel.

use std::net::SocketAddr;

use gatepost::config::pattern::Pattern;
use gatepost::config::resolved::{
    AuthTerms, HostPort, Route, RouteAction, RouteAuth, RouteMatch, RouteTls, SecretFile,
    Smarthost as Target,
};
use gatepost::observe::event::DeliveryOutcome;
use gatepost::observe::reason::Reason;
use gatepost::queue::{EntryState, EntryView, ListQuery, Queue};
use gatepost_sasl::LayerStrength;
use gatepost_sasl::mechanism::{
    self, CRAM_MD5, DIGEST_MD5, LOGIN, Mechanism, PLAIN, SCRAM_SHA_1, SCRAM_SHA_1_PLUS,
    SCRAM_SHA_256, SCRAM_SHA_256_PLUS, SCRAM_SHA_512, SCRAM_SHA_512_PLUS,
};
use gatepost_smtp::quirk::Quirk;
use tokio::io::AsyncReadExt as _;

use super::world::World;
use crate::server::{AUTH_PLAIN, Server};

const MESSAGE: &str = "From: dev@localhost\r\nSubject: hello\r\nDate: Fri, 20 Nov 2026 10:00:00 +0100\r\n\
                       Message-ID: <1@localhost>\r\n\r\n.\r\n..\r\ncaf\u{e9}\r\n\r\n";

/// A route for recipients in `domain` to a listener of `next`.
fn route(
    next: &Server,
    domain: &str,
    address: SocketAddr,
    tls: RouteTls,
    mechanism: Option<&'static Mechanism>,
) -> Route {
    let password_file = next.directory.path().join("dev.password");
    std::fs::write(&password_file, "gatepost\n").unwrap();
    let auth = RouteAuth {
        mechanism,
        user: "dev@localhost".to_owned(),
        secret: SecretFile::Password(password_file),
        certificate: None,
        terms: Box::default(),
    };
    route_with(next, domain, address, tls, auth)
}

/// The same, authenticated so.
pub(super) fn route_with(
    next: &Server,
    domain: &str,
    address: SocketAddr,
    tls: RouteTls,
    auth: RouteAuth,
) -> Route {
    let directory = next.directory.path();
    Route {
        matches: RouteMatch {
            recipient_domain: Some(Pattern::new(domain)),
            ..RouteMatch::default()
        },
        action: RouteAction::Smarthost(Target {
            hosts: vec![HostPort {
                host: "127.0.0.1".to_owned(),
                port: address.port(),
            }],
            tls,
            ca: Some(directory.join("ca.pem")).filter(|_| tls != RouteTls::None),
            auth: Some(auth),
            send_auth_param: true,
        }),
    }
}

pub(super) async fn captured(queue: &Queue) -> Vec<EntryView> {
    queue
        .list(ListQuery {
            state: Some(EntryState::Captured),
            before: None,
            limit: 100,
        })
        .await
        .unwrap()
        .entries
}

#[tokio::test]
async fn by_every_mechanism_over_every_channel() {
    // The user's domain is the second one.
    let realms = ["example.org", "localhost"].map(str::to_owned);
    let next = Server::start_with(|config| {
        config.accounts.digest_realms = realms.to_vec();
        config.listeners[2].auth.mechanisms = Some(mechanism::ALL.into());
    })
    .await;
    let bound = [&SCRAM_SHA_512_PLUS, &SCRAM_SHA_256_PLUS, &SCRAM_SHA_1_PLUS];
    let unbound = [&SCRAM_SHA_512, &SCRAM_SHA_256, &SCRAM_SHA_1, &PLAIN, &LOGIN];
    let protected = [&bound[..], &unbound[..]].concat();
    let old = [&unbound[..], &[&DIGEST_MD5, &CRAM_MD5]].concat();
    let channels = [
        (next.smtp, RouteTls::StartTls, &protected[..]),
        (next.smtps, RouteTls::Implicit, &protected[..]),
        (next.legacy, RouteTls::None, &old[..]),
    ];
    let rows = channels
        .iter()
        .flat_map(|(address, tls, used)| used.iter().map(move |one| (*address, *tls, *one)));
    let rows: Vec<_> = rows
        .map(|row| (format!("{}.{:?}.example", row.2.name, row.1), row))
        .collect();
    let mut world = World::start(|_| {
        let to = |(domain, (address, tls, one)): &(
            String,
            (SocketAddr, RouteTls, &'static Mechanism),
        )| { route(&next, domain, *address, *tls, Some(one)) };
        rows.iter()
            .map(to)
            .chain([route(
                &next,
                "strongest.example",
                next.smtp,
                RouteTls::StartTls,
                None,
            )])
            .collect()
    });
    for (domain, (_, tls, used)) in &rows {
        through(&mut world, &next, domain, used, *tls != RouteTls::None).await;
    }
    through(
        &mut world,
        &next,
        "strongest.example",
        &SCRAM_SHA_512_PLUS,
        true,
    )
    .await;
    // T-17: and it is remembered.
    let pins = std::fs::read_to_string(world.directory().join("mechanism-pins")).unwrap();
    let pin = format!(
        "SCRAM-SHA-512-PLUS 127.0.0.1:{} dev@localhost",
        next.smtp.port()
    );
    assert!(pins.lines().any(|line| line == pin), "{pins}");
    world.stop().await;
}

/// Sends a message by way of a domain's route, and asks both sides how it went.
async fn through(
    world: &mut World,
    next: &Server,
    domain: &str,
    used: &Mechanism,
    protected: bool,
) {
    let recipient = format!("you@{domain}");
    world.submit("dev@localhost", &[&recipient], MESSAGE).await;
    let event = world.attempt(&recipient).await;
    assert_eq!(
        (event.outcome, event.mechanism),
        (DeliveryOutcome::Delivered, Some(used.name)),
        "{event:?}"
    );
    assert_eq!(event.tls.is_some(), protected, "{domain}");
    let arrived = captured(&next.queue).await.remove(0);
    assert_eq!(arrived.recipients[0].0.address().to_string(), recipient);
    assert_eq!(
        arrived.envelope.submission.auth.unwrap().mechanism,
        used.name,
        "{domain}: what the next hop says"
    );
    let mut content = String::new();
    next.queue
        .content(arrived.id)
        .await
        .unwrap()
        .read_to_string(&mut content)
        .await
        .unwrap();
    assert!(content.ends_with(MESSAGE), "{domain}: {content}");
    // LAYER-07, LAYER-09: in clear text the two agree on a layer, and the trace field says so.
    let layer = content.contains("(DIGEST-MD5/auth-conf/rc4)");
    assert_eq!(layer, used == &DIGEST_MD5, "{domain}: {content}");
    let with = if protected { "ESMTPSA" } else { "ESMTPA" };
    assert!(content.contains(&format!("with {with} ")), "{content}");
}

// DIG-04, LAYER-08: what a route insists on.
#[tokio::test]
async fn a_route_insists_on_a_layer() {
    let next = Server::start_with(|config| {
        config.accounts.digest_realms = vec!["localhost".to_owned(), "example.org".to_owned()];
        config.listeners[2].auth.mechanisms = Some(mechanism::ALL.into());
    })
    .await;
    let rows = [
        ("none.example", LayerStrength::None, "with ESMTPA id"),
        (
            "integrity.example",
            LayerStrength::Integrity,
            "with ESMTPA (DIGEST-MD5/auth-int) id",
        ),
    ];
    let mut world = World::start(|_| {
        let to = |(domain, layer, _): &(&str, LayerStrength, &str)| {
            let digest = Some(&DIGEST_MD5);
            let mut route = route(&next, domain, next.legacy, RouteTls::None, digest);
            if let RouteAction::Smarthost(target) = &mut route.action
                && let Some(auth) = &mut target.auth
            {
                *auth.terms = AuthTerms {
                    realm: Some("example.org".to_owned()),
                    layer: Some(*layer),
                };
            }
            route
        };
        rows.iter().map(to).collect()
    });
    for (domain, _, with) in rows {
        let recipient = format!("you@{domain}");
        world.submit("dev@localhost", &[&recipient], MESSAGE).await;
        let event = world.attempt(&recipient).await;
        assert_eq!(event.outcome, DeliveryOutcome::Delivered, "{event:?}");
        let arrived = captured(&next.queue).await.remove(0);
        let mut content = String::new();
        let mut stored = next.queue.content(arrived.id).await.unwrap();
        stored.read_to_string(&mut content).await.unwrap();
        assert!(content.contains(with), "{domain}: {content}");
    }
    world.stop().await;
}

// V-52: a certificate that is not good stops the lane, and no password leaves.
#[tokio::test]
async fn a_next_hop_that_cannot_prove_its_name_gets_nothing() {
    let next = Server::start().await;
    let stranger = Server::start().await;
    let mut world = World::start(|_| {
        let mut route = route(&next, "*", next.smtp, RouteTls::StartTls, None);
        if let RouteAction::Smarthost(target) = &mut route.action {
            target.ca = Some(stranger.directory.path().join("ca.pem"));
        }
        vec![route]
    });
    let id = world
        .submit("dev@localhost", &["you@a.example"], MESSAGE)
        .await;
    let event = world.attempt("you@a.example").await;
    assert_eq!(
        (event.outcome, event.reason),
        (DeliveryOutcome::Deferred, Reason::NextHopTls)
    );
    assert_eq!(
        world.queue.entry(id).await.unwrap().unwrap().state,
        EntryState::Queued
    );
    assert_eq!(next.log.lines_with("event=auth"), Vec::<String>::new());
    world.stop().await;
}

// A server that hands its mail on through an account hands on its notices as well; their author is that server.
#[tokio::test]
async fn notices_pass_through_the_next_server() {
    let next = Server::start().await;
    let mut world = World::start(|_| vec![route(&next, "*", next.smtp, RouteTls::StartTls, None)]);
    let from = "From: Mail Delivery System <MAILER-DAEMON@first.example>\r\n";
    let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n";
    let table = [
        (
            "one@a.example",
            format!("{from}{report}\r\n--b--\r\n"),
            DeliveryOutcome::Delivered,
        ),
        (
            "two@a.example",
            format!("{from}\r\ntext\r\n"),
            DeliveryOutcome::Bounced,
        ),
    ];
    for (recipient, content, outcome) in table {
        world.submit("<>", &[recipient], &content).await;
        let event = world.attempt(recipient).await;
        assert_eq!(event.outcome, outcome, "{event:?}");
    }
    assert_eq!(captured(&next.queue).await.len(), 1);
    world.stop().await;
}

// V-18, T-35, F-9: the exception for devices ends with the listener that has it: what it lets in is one message at the next server, too.
#[tokio::test]
async fn v_18_one_message_stays_one_through_two_servers() {
    let next = Server::start().await;
    let first = Server::start_with(|config| {
        config.routes = vec![route(&next, "*", next.smtps, RouteTls::Implicit, None)];
        for listener in &mut config.listeners {
            listener.tolerate.push(Quirk::LineFeedEndOfData);
        }
    })
    .await;
    let second = "MAIL FROM:<dev@localhost>\nRCPT TO:<evil@a.example>\nDATA\nFrom: evil\n\nx\n";
    let mut sent = 0;
    for before in ["\n", "\r", "\r\n", "\n\r", "\0\n"] {
        for behind in ["\n", "\r", "\n\r", "\0\n"] {
            let mut talk = first.talk_legacy().await;
            talk.ask("EHLO client.example", "250 ").await;
            talk.ask(AUTH_PLAIN, "235 ").await;
            talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
            talk.ask("RCPT TO:<you@a.example>", "250 ").await;
            talk.ask("DATA", "354 ").await;
            let text = "From: dev@localhost\r\n\r\ntext";
            talk.send(format!("{text}{before}.{behind}{second}\r\n.\r\n"))
                .await;
            talk.expect("250 2.0.0 ").await;
            talk.ask("QUIT", "221 ").await;
            sent += 1;
        }
    }
    first.log.wait_for_count("event=delivery", sent).await;
    let delivered = first.log.lines_with("result=delivered");
    assert_eq!(delivered.len(), sent, "{delivered:?}");
    let arrived = captured(&next.queue).await;
    assert_eq!(arrived.len(), sent);
    let evil = next.log.lines_with("evil@a.example");
    assert!(evil.is_empty(), "{evil:?}");
}

// The whole way: a client, a server with a route, the next server.
#[tokio::test]
async fn from_a_client_through_two_servers() {
    let next = Server::start().await;
    let first = Server::start_with(|config| {
        config.routes = vec![route(&next, "*", next.smtps, RouteTls::Implicit, None)];
    })
    .await;
    let mut talk = first.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask(AUTH_PLAIN, "235 2.7.0 ").await;
    talk.ask("MAIL FROM:<dev@localhost> BODY=8BITMIME", "250 ")
        .await;
    talk.ask("RCPT TO:<you@a.example>", "250 ").await;
    talk.ask("DATA", "354 ").await;
    talk.ask(
        &format!("{}.", MESSAGE.replace("\r\n.", "\r\n..")),
        "250 2.0.0 Ok: queued as ",
    )
    .await;
    first.log.wait_for("event=delivery").await;
    assert!(
        first.log.lines_with("event=delivery")[0].contains("result=delivered"),
        "{:?}",
        first.log.lines_with("event=delivery")
    );
    let arrived = captured(&next.queue).await.remove(0);
    let mut content = String::new();
    next.queue
        .content(arrived.id)
        .await
        .unwrap()
        .read_to_string(&mut content)
        .await
        .unwrap();
    assert!(
        content.ends_with(MESSAGE) && content.matches("Received: from ").count() == 2,
        "{content}"
    );
    assert!(
        content.contains(" with ESMTPSA ") && content.contains(" with ESMTPA "),
        "{content}"
    );
    assert_eq!(first.queued().await, 0);
}
