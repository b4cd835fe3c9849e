//! Mail servers of others as the next hop: every mechanism over every kind of channel and no AUTH at all, every shape of mail, refusals and a
//! wrong password.

use gatepost::config::pattern::Pattern;
use gatepost::config::resolved::{
    HostPort, Route, RouteAction, RouteAuth, RouteMatch, RouteTls, SecretFile, Smarthost,
};
use gatepost_sasl::mechanism;

use super::corpus::{self, LineEnd, Sample};
use super::server_peer::{PASSWORD, Program, ServerPeer, USER};
use crate::peer_table::passed;
use crate::server::Server;
use crate::talk::Talk;

const CHANNELS: [(RouteTls, &str, &str); 3] = [
    (RouteTls::StartTls, "starttls", "STARTTLS"),
    (RouteTls::Implicit, "implicit", "implicit"),
    (RouteTls::None, "clear", "none"),
];

/// A route to the peer for mail to recipients in this domain.
pub(super) fn route(
    peer: &ServerPeer,
    domain: &str,
    tls: RouteTls,
    mechanism: Option<&str>,
    password: &str,
) -> Route {
    let password_file = peer.ca().with_file_name(format!("password-{domain}"));
    std::fs::write(&password_file, format!("{password}\n")).unwrap();
    let auth = RouteAuth {
        mechanism: mechanism.map(|name| mechanism::by_name(name).unwrap()),
        user: USER.to_owned(),
        secret: SecretFile::Password(password_file),
        certificate: None,
        terms: Box::default(),
    };
    route_with(peer, domain, tls, Some(auth))
}

/// The same, authenticated so or not at all.
pub(super) fn route_with(
    peer: &ServerPeer,
    domain: &str,
    tls: RouteTls,
    auth: Option<RouteAuth>,
) -> Route {
    let port = match tls {
        RouteTls::StartTls => peer.starttls,
        RouteTls::Implicit => peer.implicit,
        RouteTls::None => peer.clear,
    };
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
            ca: (tls != RouteTls::None).then(|| peer.ca()),
            auth,
            send_auth_param: true,
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

pub(super) async fn server_with(routes: Vec<Route>) -> Server {
    Server::start_with(|config| config.routes = routes).await
}

/// A Gatepost that hands mail for `peer.test` on to this peer, by the strongest mechanism that both know.
pub(super) async fn server_before(peer: &ServerPeer) -> Server {
    let route = route(peer, "peer.test", RouteTls::StartTls, None, PASSWORD);
    server_with(vec![route]).await
}

/// Submits a message over the legacy lane, where even the rudest sample passes; the octets go out as they are but for the dots.
pub(super) async fn submit(server: &Server, recipient: &str, message: &[u8]) {
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
async fn postfix_gets_mail_by_every_mechanism_over_every_channel() {
    deliver_by_every_mechanism(Program::PostfixDovecot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_with_cyrus_gets_mail_by_every_mechanism_over_every_channel() {
    deliver_by_every_mechanism(Program::PostfixCyrus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sendmail_gets_mail_by_every_mechanism_over_every_channel() {
    deliver_by_every_mechanism(Program::Sendmail).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exim_gets_mail_by_every_mechanism_over_every_channel() {
    deliver_by_every_mechanism(Program::Exim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opensmtpd_gets_mail_by_every_mechanism_over_every_channel() {
    deliver_by_every_mechanism(Program::OpenSmtpd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aiosmtpd_gets_mail_by_every_mechanism_over_every_channel() {
    deliver_by_every_mechanism(Program::Aiosmtpd).await;
}

async fn deliver_by_every_mechanism(program: Program) {
    let peer = ServerPeer::start(program).await;
    let mut routes = Vec::new();
    let mut combinations = Vec::new();
    for (tls, word, name) in CHANNELS {
        if tls == RouteTls::None && !program.authenticates_in_clear() {
            continue;
        }
        for mechanism in program.mechanisms() {
            let domain = format!("{}.{word}.test", mechanism.to_ascii_lowercase());
            routes.push(route(&peer, &domain, tls, Some(mechanism), PASSWORD));
            combinations.push((format!("you@{domain}"), mechanism, name));
        }
    }
    let server = server_with(routes).await;
    let sample = small();
    for (recipient, ..) in &combinations {
        submit(&server, recipient, &sample.octets).await;
    }
    for (recipient, mechanism, tls) in &combinations {
        let stored = peer.message_to(recipient).await;
        corpus::check(&sample, &stored.content, LineEnd::Exact);
        let mut facts = vec!["sender\tdev@localhost\n".to_owned()];
        if program.tells_mechanism() {
            facts.push(format!("method\t{mechanism}\n"));
            facts.push(format!("user\t{USER}\n"));
        }
        for fact in facts {
            assert!(stored.envelope.contains(&fact), "{}", stored.envelope);
        }
        passed(program.name(), mechanism, tls, "from Gatepost (delivery)");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_gets_mail_where_there_is_no_auth() {
    deliver_without_auth(Program::PostfixDovecot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_with_cyrus_gets_mail_where_there_is_no_auth() {
    deliver_without_auth(Program::PostfixCyrus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sendmail_gets_mail_where_there_is_no_auth() {
    deliver_without_auth(Program::Sendmail).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exim_gets_mail_where_there_is_no_auth() {
    deliver_without_auth(Program::Exim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opensmtpd_gets_mail_where_there_is_no_auth() {
    deliver_without_auth(Program::OpenSmtpd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aiosmtpd_gets_mail_where_there_is_no_auth() {
    deliver_without_auth(Program::Aiosmtpd).await;
}

// A smarthost that knows its clients by their address: nothing to authenticate with, and the AUTH= parameter is not sent either.
async fn deliver_without_auth(program: Program) {
    let peer = ServerPeer::start_open(program).await;
    let routes =
        CHANNELS.map(|(tls, word, _)| route_with(&peer, &format!("{word}.test"), tls, None));
    let server = server_with(routes.to_vec()).await;
    let sample = small();
    for (_, word, _) in CHANNELS {
        submit(&server, &format!("you@{word}.test"), &sample.octets).await;
    }
    for (_, word, name) in CHANNELS {
        let stored = peer.message_to(&format!("you@{word}.test")).await;
        corpus::check(&sample, &stored.content, LineEnd::Exact);
        passed(program.name(), "no AUTH", name, "from Gatepost (delivery)");
    }
}

// EOL-04, EOL-08, T-35: Postfix here refuses a message with a bare LF or CR; Exim offers CHUNKING, and gets text by DATA all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_gets_mail_of_every_shape_as_it_was() {
    deliver_every_shape(Program::PostfixDovecot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exim_gets_mail_of_every_shape_as_it_was() {
    deliver_every_shape(Program::Exim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sendmail_gets_mail_of_every_shape_as_it_was() {
    deliver_every_shape(Program::Sendmail).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opensmtpd_gets_mail_of_every_shape_as_it_was() {
    deliver_every_shape(Program::OpenSmtpd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aiosmtpd_gets_mail_of_every_shape_as_it_was() {
    deliver_every_shape(Program::Aiosmtpd).await;
}

async fn deliver_every_shape(program: Program) {
    let peer = ServerPeer::start(program).await;
    let server = server_before(&peer).await;
    let samples = corpus::samples();
    let name = |sample: &Sample| format!("{}@peer.test", sample.name);
    for sample in &samples {
        submit(&server, &name(sample), &sample.octets).await;
    }
    for sample in &samples {
        let stored = peer.message_to(&name(sample)).await;
        let line_end = if sample.octets.ends_with(b"\r\n") {
            LineEnd::Exact
        } else {
            LineEnd::MayBeAdded
        };
        if sample.name == "long-lines" {
            corpus::check_quoted_printable(sample, &stored.content);
        } else {
            corpus::check(sample, &stored.content, line_end);
        }
        // SASL-09: with no mechanism named, the strongest that both know.
        if program.tells_mechanism() {
            let method = format!("method\t{}\n", program.strongest());
            assert!(stored.envelope.contains(&method), "{}", stored.envelope);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_recipient_is_returned_and_a_deferred_one_stays() {
    let postfix = ServerPeer::start(Program::PostfixDovecot).await;
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
    let postfix = ServerPeer::start(Program::PostfixDovecot).await;
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
