//! Routes with a client certificate, to a Gatepost that asks for one: EXTERNAL, a password beside it, and what happens when the two do not
//! get along.

use std::path::Path;
use std::time::SystemTime;

use gatepost::config::resolved::{
    AskedCertificates, CertificateFiles, CertificateName, CertificateRule, RouteAuth, RouteTls,
    SecretFile,
};
use gatepost::net::tls::own_ca;
use gatepost::observe::event::{DeliveryOutcome, Event};
use gatepost::observe::reason::Reason;
use gatepost::queue::EntryState;
use gatepost_sasl::mechanism::{EXTERNAL, Mechanism, PLAIN};

use super::chain::{captured, route_with};
use super::world::World;
use crate::server::Server;

const MESSAGE: &str = "From: dev@localhost\r\nSubject: x\r\n\r\nx\r\n";

/// Knows the certificate of `owner` as that of the account, and asks for certificates of its own authority.
async fn next_hop(owner: &str) -> (Server, CertificateFiles) {
    let rule = CertificateRule {
        account: "dev@localhost".to_owned(),
        name: CertificateName::Email("dev@localhost".to_owned()),
    };
    let server = Server::start_with(|config| {
        config.client_certificates = [rule].into();
        let authority = config.data.join("ca.pem");
        for listener in &mut config.listeners[..2] {
            listener.auth.client_certificates = Some(AskedCertificates {
                authority: Some(authority.clone()),
            });
        }
    })
    .await;
    let files = own_ca::issue_client(server.directory.path(), owner, SystemTime::now()).unwrap();
    let files = CertificateFiles {
        certificate: files.certificate,
        key: files.key,
    };
    (server, files)
}

fn by_certificate(files: &CertificateFiles, mechanism: Option<&'static Mechanism>) -> RouteAuth {
    RouteAuth {
        mechanism,
        user: String::new(),
        secret: SecretFile::Certificate(files.clone()),
        certificate: None,
        terms: Box::default(),
    }
}

fn by_password(files: &CertificateFiles, directory: &Path) -> RouteAuth {
    let password_file = directory.join("dev.password");
    std::fs::write(&password_file, "gatepost\n").unwrap();
    RouteAuth {
        mechanism: Some(&PLAIN),
        user: "dev@localhost".to_owned(),
        secret: SecretFile::Password(password_file),
        certificate: Some(files.clone()),
        terms: Box::default(),
    }
}

/// LC-31, EXT-02: by every channel, named or not, as oneself and as who one is; and the password of its owner beside it.
#[tokio::test]
async fn lc_31_a_certificate_gets_the_mail_through() {
    let (next, files) = next_hop("dev@localhost").await;
    let in_name = RouteAuth {
        user: "dev@localhost".to_owned(),
        ..by_certificate(&files, Some(&EXTERNAL))
    };
    let beside = by_password(&files, next.directory.path());
    let rows = [
        (
            "a.example",
            by_certificate(&files, None),
            next.smtp,
            RouteTls::StartTls,
            &EXTERNAL,
        ),
        (
            "b.example",
            by_certificate(&files, Some(&EXTERNAL)),
            next.smtps,
            RouteTls::Implicit,
            &EXTERNAL,
        ),
        (
            "c.example",
            in_name,
            next.smtps,
            RouteTls::Implicit,
            &EXTERNAL,
        ),
        ("d.example", beside, next.smtp, RouteTls::StartTls, &PLAIN),
    ];
    let mut world = World::start(|_| {
        let to = |(domain, auth, address, tls, _): &(&str, RouteAuth, _, _, _)| {
            route_with(&next, domain, *address, *tls, auth.clone())
        };
        rows.iter().map(to).collect()
    });
    for (domain, _, _, _, used) in &rows {
        let recipient = format!("you@{domain}");
        world.submit("dev@localhost", &[&recipient], MESSAGE).await;
        let event = world.attempt(&recipient).await;
        assert_eq!(
            (event.outcome, event.mechanism),
            (DeliveryOutcome::Delivered, Some(used.name)),
            "{event:?}"
        );
        let arrived = captured(&next.queue).await.remove(0);
        let auth = arrived.envelope.submission.auth.unwrap();
        assert_eq!(
            auth.mechanism, used.name,
            "{domain}: what the next hop says"
        );
        assert_eq!(auth.authcid, "dev@localhost", "{domain}");
    }
    // The server saw the certificate on the connection with the password, too.
    next.log.wait_for_count("event=client-certificate", 4).await;
    world.stop().await;
}

/// EXT-04: "else skip": nothing is authenticated, nothing is sent, and the mail waits for an operator who is told why.
#[tokio::test]
async fn ext_04_mail_waits_where_smarthost_and_certificate_do_not_get_along() {
    let (stranger, unknown) = next_hop("nobody@localhost").await;
    let not_asking = Server::start().await;
    let (elsewhere, known) = next_hop("dev@localhost").await;
    let directory = tempfile::tempdir().unwrap();
    let other_key = CertificateFiles {
        key: unknown.key.clone(),
        ..known.clone()
    };
    let missing = CertificateFiles {
        key: directory.path().join("none.key"),
        ..known.clone()
    };
    for (next, files, told) in [
        (
            &stranger,
            &unknown,
            "got our certificate and does not offer EXTERNAL; it offers SCRAM",
        ),
        (
            &not_asking,
            &known,
            "no certificate was shown to the server in TLS",
        ),
        (&elsewhere, &other_key, "is not that of the certificate in"),
        (&elsewhere, &missing, "none.key: No such file"),
    ] {
        let mut world = World::start(|_| {
            let auth = by_certificate(files, None);
            vec![route_with(next, "*", next.smtp, RouteTls::StartTls, auth)]
        });
        let id = world
            .submit("dev@localhost", &["you@a.example"], MESSAGE)
            .await;
        let fault = world.fault().await;
        assert_eq!(fault.reason, Reason::NextHopCredential, "{}", fault.detail);
        assert!(fault.detail.contains(told), "{told}: {}", fault.detail);
        let entry = world.queue.entry(id).await.unwrap().unwrap();
        assert_eq!(entry.state, EntryState::Queued);
        assert!(!world.heard(|event| matches!(event,
            Event::DeliveryAttempt(it) if it.outcome == DeliveryOutcome::Bounced)));
        world.stop().await;
    }
    for next in [&stranger, &not_asking, &elsewhere] {
        assert_eq!(next.log.lines_with("event=auth"), Vec::<String>::new());
    }
}

/// A certificate that was replaced counts at once: the lane opens again.
#[tokio::test]
async fn a_new_certificate_opens_the_lane() {
    let (next, unknown) = next_hop("nobody@localhost").await;
    let directory = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        certificate: directory.path().join("client.pem"),
        key: directory.path().join("client.key"),
    };
    let place = |from: &CertificateFiles| {
        std::fs::copy(&from.certificate, &files.certificate).unwrap();
        std::fs::copy(&from.key, &files.key).unwrap();
    };
    place(&unknown);
    let mut world = World::start(|_| {
        let auth = by_certificate(&files, Some(&EXTERNAL));
        vec![route_with(&next, "*", next.smtps, RouteTls::Implicit, auth)]
    });
    let first = ["me@a.example"];
    world.submit("dev@localhost", &first, MESSAGE).await;
    let fault = world.fault().await;
    assert!(
        fault.detail.contains("does not offer EXTERNAL"),
        "{}",
        fault.detail
    );
    let to = "you@a.example";
    let id = world.submit("dev@localhost", &[to], MESSAGE).await;
    world.rested(id).await;
    let now = SystemTime::now();
    let known = own_ca::issue_client(next.directory.path(), "dev@localhost", now).unwrap();
    place(&CertificateFiles {
        certificate: known.certificate,
        key: known.key,
    });
    let event = world.attempt(to).await;
    assert_eq!(
        (event.outcome, event.mechanism),
        (DeliveryOutcome::Delivered, Some("EXTERNAL")),
        "{event:?}"
    );
    world.stop().await;
}
