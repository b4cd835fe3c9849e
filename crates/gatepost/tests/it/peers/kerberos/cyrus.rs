//! GSSAPI with Cyrus SASL: Postfix and sendmail take mail from us with a ticket, by `gatepost send` and from the queue; `smtptest` submits to us through every
//! layer.

use gatepost::config::resolved::{RouteAuth, RouteTls, SecretFile};
use gatepost_sasl::mechanism;

use super::super::clients::run as run_client;
use super::super::server_peer::{Program, ServerPeer, in_root};
use super::super::smarthost::{route_with, server_with, submit};
use super::kdc::Kdc;
use super::{ALICE, SERVICE, clear, ends_with_message, long_message, server, succeeds};
use crate::peer_table::passed;

const PEERS: [Program; 2] = [Program::PostfixCyrus, Program::Sendmail];

async fn peer(program: Program, kdc: &Kdc) -> ServerPeer {
    ServerPeer::start_with_keytab(program, &kdc.file("krb5.conf"), &kdc.keytab()).await
}

// CB-11, GSS-01, GSS-05, LAYER-01: no binding is given to either side of TLS, as RFC 4752 says; inside TLS there is no layer, in clear text the strongest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gss_05_send_submits_with_a_ticket() {
    let kdc = Kdc::start(&[ALICE], &[SERVICE]).await;
    let cache = kdc.ticket(ALICE, &[]).await;
    let (message, octets) = (kdc.file("message"), long_message());
    std::fs::write(&message, &octets).unwrap();
    for program in PEERS {
        let peer = peer(program, &kdc).await;
        for (port, tls, name) in [
            (peer.clear, "none", "none"),
            (peer.starttls, "starttls", "STARTTLS"),
            (peer.implicit, "implicit", "implicit"),
        ] {
            let to = format!("{tls}@peer.test");
            let mut send = kdc.command(env!("CARGO_BIN_EXE_gatepost"));
            send.args(["send", &format!("localhost:{port}")])
                .arg(&message)
                .args(["--tls", tls, "--ticket-cache", &cache, "--verbose"])
                .args(["--from", "alice@example.test", "--to", &to])
                .arg("--ca")
                .arg(peer.ca());
            let said = succeeds(&mut send, "").await;
            let stored = peer.message_to(&to).await;
            assert!(ends_with_message(&stored.content, &octets), "{tls}: {said}");
            let envelope = stored.envelope;
            assert!(envelope.contains("method\tGSSAPI\n"), "{envelope}");
            assert!(envelope.contains("user\talice"), "{envelope}");
            if program == Program::Sendmail {
                let bits = if tls == "none" { "256" } else { "0" };
                let bits = format!("bits\t{bits}\n");
                assert!(envelope.contains(&bits), "{tls}: {envelope}");
            }
            passed(program.name(), "GSSAPI", name, "from gatepost send");
        }
    }
}

// A ticket cache in a route: the queue's own attempts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gss_01_the_relay_authenticates_with_the_ticket_of_its_cache() {
    let kdc = Kdc::start(&[ALICE], &[SERVICE]).await;
    // With the service's ticket in the cache, this process asks no centre.
    let cache = kdc.ticket(ALICE, &[SERVICE]).await;
    let cache = cache.strip_prefix("FILE:").unwrap();
    for program in PEERS {
        let peer = peer(program, &kdc).await;
        let ways = [
            (RouteTls::StartTls, "starttls.test", "STARTTLS"),
            (RouteTls::None, "clear.test", "none"),
        ];
        let routes = ways.map(|(tls, domain, _)| {
            let auth = RouteAuth {
                mechanism: mechanism::by_name("GSSAPI"),
                user: String::new(),
                secret: SecretFile::Ticket(cache.into()),
                certificate: None,
                terms: Box::default(),
            };
            route_with(&peer, domain, tls, Some(auth))
        });
        let server = server_with(routes.to_vec()).await;
        for (_, domain, name) in ways {
            let to = format!("you@{domain}");
            submit(&server, &to, b"From: dev@localhost\r\n\r\nby ticket\r\n").await;
            let stored = peer.message_to(&to).await;
            assert!(
                stored.envelope.contains("method\tGSSAPI\n"),
                "{}",
                stored.envelope
            );
            passed(program.name(), "GSSAPI", name, "from Gatepost (delivery)");
        }
    }
}

/// The strongest layer that smtptest wants in bits, and what comes of it.
const LAYERS: [(&str, &str); 3] = [
    ("0", "with ESMTPA id "),
    ("1", "with ESMTPA (GSSAPI integrity) id "),
    ("256", "with ESMTPA (GSSAPI confidentiality) id "),
];

// GSS-07, LAYER-09.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gss_07_smtptest_submits_under_every_layer() {
    let kdc = Kdc::start(&[ALICE], &[SERVICE]).await;
    let server = server(&kdc, None).await;
    let cache = kdc.ticket(ALICE, &[]).await;
    let cache = cache.rsplit_once('/').unwrap().1;
    let octets = long_message();
    let dialogue = [
        b"MAIL FROM:<alice@example.test>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n",
        &octets[..],
        b".\r\n",
    ];
    std::fs::write(kdc.file("dialogue"), dialogue.concat()).unwrap();
    for (bits, with) in LAYERS {
        let mut command = in_root(Program::PostfixCyrus, kdc.place());
        command
            .args(["env", "KRB5_CONFIG=/peer/krb5.conf"])
            .arg(format!("KRB5CCNAME=FILE:/peer/{cache}"))
            .arg("/usr/lib/cyrus/bin/smtptest")
            .args(["-p", &clear(&server).port().to_string()])
            .args(["-m", "GSSAPI", "-k", bits, "-l", bits])
            .args(["-f", "/peer/dialogue", "localhost"]);
        run_client(&mut command, with).await;
        let stored = server.newest().await;
        assert!(ends_with_message(&stored, &octets), "{with}");
        let head = String::from_utf8_lossy(&stored[..600]).into_owned();
        assert!(head.contains(with), "{head}");
        passed(
            "smtptest (Cyrus SASL 2.1.28)",
            "GSSAPI",
            with,
            "to Gatepost",
        );
    }
}
