//! Behind a proxy: whose word is taken, for what, and what is cut off.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost::config::resolved::{
    AskedCertificates, CertificateName, CertificateRule, Config, Limits, Proxies, TlsMode,
};
use gatepost::net::tls::own_ca;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::server::{AUTH_PLAIN, Server};
use crate::talk::Talk;
use crate::trust::{VERSIONS, trusting};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LINE: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 51234 587\r\n";

/// All listeners behind proxies in `network`.
fn behind(network: &str) -> impl FnOnce(&mut Config) {
    let network = network.parse().unwrap();
    move |config| {
        for listener in &mut config.listeners {
            listener.proxy = Some(Proxies {
                networks: vec![network],
                trust_tls: false,
            });
        }
    }
}

/// A version 2 header: 192.0.2.8 over TLS that ended at the proxy.
fn binary(command: u8) -> Vec<u8> {
    binary_with(
        command,
        b"\x20\x00\x0f\x01\x00\x00\x00\x00\x21\x00\x07TLSv1.3",
    )
}

/// The same with these extensions.
fn binary_with(command: u8, extensions: &[u8]) -> Vec<u8> {
    let mut octets = SIGNATURE.to_vec();
    let length = u16::try_from(12 + extensions.len()).unwrap();
    octets.extend([command, 0x11]);
    octets.extend(length.to_be_bytes());
    octets.extend([192, 0, 2, 8, 198, 51, 100, 1, 0xc8, 0x22, 0x02, 0x4b]);
    octets.extend(extensions);
    octets
}

/// One extension of a version 2 header, or of its part about TLS.
fn extension(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], content].concat()
}

/// PRX-01, PRX-05: the header comes before the greeting, and from then on the client is who it names; the proxy is logged too.
#[tokio::test]
async fn the_proxied_address_is_the_client() {
    let server = Server::start_with(behind("127.0.0.0/8")).await;
    for (header, address) in [
        (LINE.as_bytes().to_vec(), "192.0.2.7"),
        (binary(0x21), "192.0.2.8"),
        (binary(0x20), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        let mut talk = Talk::connect(server.legacy).await;
        // In two pieces, the second with the client's first command.
        let (one, two) = header.split_at(header.len() - 1);
        talk.send(one).await;
        talk.send([two, b"EHLO client.example\r\n"].concat()).await;
        talk.expect("220 ").await;
        talk.expect("250 ").await;
        talk.submit("Hello").await;
        let content = String::from_utf8(server.newest().await).unwrap();
        assert!(content.contains(&format!("[{address}]")), "{content}");
        talk.ask("QUIT", "221 ").await;
    }
    server
        .log
        .wait_for_count("event=connection-closed", 4)
        .await;
    for event in ["event=auth", "event=accepted", "event=connection-closed"] {
        let lines = server.log.lines_with(event);
        assert!(lines[0].contains("peer=192.0.2.7 "), "{lines:?}");
        assert!(lines[1].contains("peer=192.0.2.8 "), "{lines:?}");
    }
    let closed = server.log.lines_with("event=connection-closed");
    assert!(
        closed[0].contains("port=51234 proxy=127.0.0.1"),
        "{closed:?}"
    );
    assert!(closed[1].contains("proxied_tls=TLSv1.3"), "{closed:?}");
    assert!(!closed[2].contains("proxy"), "{closed:?}");
}

/// PRX-01: "Read the header before sending the greeting", and before the handshake of implicit TLS.
#[tokio::test]
async fn the_header_comes_before_greeting_and_handshake() {
    let server = Server::start_with(behind("127.0.0.0/8")).await;
    let mut socket = TcpStream::connect(server.smtp).await.unwrap();
    let mut octet = [0];
    let silence = timeout(Duration::from_millis(100), socket.read(&mut octet)).await;
    assert!(silence.is_err(), "nothing is said before the header");
    socket.write_all(LINE.as_bytes()).await.unwrap();
    socket.read_exact(&mut octet).await.unwrap();
    assert_eq!(&octet, b"2");

    let mut talk = Talk::connect(server.smtps).await;
    talk.send(LINE).await;
    let mut talk = talk.start_tls(server.directory.path(), &[]).await.unwrap();
    talk.expect("220 ").await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask(AUTH_PLAIN, "235 ").await;

    // The header and the ClientHello in one segment: nothing of it is lost, and nothing of it is taken for a command.
    let mut talk = Talk::connect(server.smtps).await;
    talk.send(format!("{LINE}EHLO client.example\r\n")).await;
    talk.expect("554 5.7.0 TLS required on this port").await;
    server
        .log
        .wait_for("peer=192.0.2.7 port=51234 proxy=127.0.0.1")
        .await;
}

/// T-07, V-58, PRX-01: "only on listeners configured for it and from trusted networks; MUST NOT guess". PRX-02: "Any deviation → abort".
#[tokio::test]
async fn nobody_else_is_believed() {
    let server = Server::start_with(behind("10.0.0.0/8")).await;
    let mut talk = Talk::connect(server.legacy).await;
    talk.expect("554 5.7.1 ").await;
    server.log.wait_for("reason=proxy-not-trusted").await;

    let server = Server::start_with(behind("127.0.0.0/8")).await;
    for broken in [
        b"EHLO client.example\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 051234 587\r\n".to_vec(),
        binary(0x22),
    ] {
        let mut talk = Talk::connect(server.legacy).await;
        talk.send(broken).await;
        assert_eq!(talk.rest().await, "", "not a word");
    }
    let refused = server.log.lines_with("reason=proxy-header");
    assert_eq!(refused.len(), 3, "{refused:?}");

    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.send(LINE).await;
    talk.expect("500 5.5.1 ").await;
}

/// PRX-05: "Rate limits/brute-force keyed by the proxied IP; ACL of the proxy by real IP".
#[tokio::test]
async fn limits_and_networks_are_held_against_the_client() {
    let server = Server::start_with(|config| {
        behind("127.0.0.0/8")(config);
        config.limits = Limits {
            connections_per_address: 1,
            ..Limits::default()
        };
        config.listeners[2].networks = vec!["192.0.2.0/24".parse().unwrap()];
    })
    .await;
    let connect = async |line: &str| {
        let mut talk = Talk::connect(server.legacy).await;
        talk.send(line).await;
        talk
    };
    let mut first = connect(LINE).await;
    first.expect("220 ").await;
    connect(LINE).await.expect("421 4.7.0 ").await;
    connect("PROXY TCP4 192.0.2.9 198.51.100.1 1 587\r\n")
        .await
        .expect("220 ")
        .await;
    connect("PROXY TCP4 203.0.113.9 198.51.100.1 1 587\r\n")
        .await
        .expect("554 5.7.1 ")
        .await;
    // The proxy's own address is none of those served either.
    connect("PROXY UNKNOWN\r\n")
        .await
        .expect("554 5.7.1 ")
        .await;
    server
        .log
        .wait_for("peer=203.0.113.9 proxy=127.0.0.1 listener=legacy")
        .await;
}

/// TLS-17, T-38: "count per IP separately from AUTH failures"; who floods with handshakes that fail is turned away early.
#[tokio::test]
async fn failing_handshakes_are_turned_away() {
    let server = Server::start_with(|config| {
        behind("127.0.0.0/8")(config);
        config.limits.failed_handshakes = 3;
    })
    .await;
    for _ in 0..3 {
        let mut talk = Talk::connect(server.smtps).await;
        talk.send(format!("{LINE}\x16\x03\x01\x00\x05hello")).await;
        talk.rest_of_octets().await;
    }
    server.log.wait_for_count("event=tls-failed", 3).await;
    let mut talk = Talk::connect(server.smtp).await;
    talk.send(LINE).await;
    talk.expect("421 4.7.0 ").await;
    server
        .log
        .wait_for("reason=too-many-failed-handshakes")
        .await;
    let mut other = Talk::connect(server.smtp).await;
    other
        .send("PROXY TCP4 192.0.2.99 198.51.100.1 1 587\r\n")
        .await;
    other.expect("220 ").await;
}

/// PRX-04: TLS that ended at the proxy counts only where the configuration says so. CB-05: nothing binds to it, and a client that says so
/// ("y") is served.
#[tokio::test]
async fn tls_that_ends_at_the_proxy_counts_where_it_is_trusted() {
    for trust_tls in [true, false] {
        let server = Server::start_with(|config| {
            behind("127.0.0.0/8")(config);
            let listener = &mut config.listeners[0];
            listener.tls = TlsMode::None;
            listener.proxy.as_mut().unwrap().trust_tls = trust_tls;
        })
        .await;
        let mut talk = Talk::connect(server.smtp).await;
        talk.send(binary(0x21)).await;
        talk.expect("220 ").await;
        let offer = talk.ask("EHLO client.example", "250 ").await;
        assert_eq!(offer.contains("PLAIN"), trust_tls, "{offer}");
        assert!(
            !offer.contains("STARTTLS") && !offer.contains("-PLUS"),
            "{offer}"
        );
        let could_bind =
            "AUTH SCRAM-SHA-256 eSwsbj1kZXZAbG9jYWxob3N0LHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM";
        talk.ask(could_bind, "334 ").await;
        talk.ask("*", "501 ").await;
        let wanted = if trust_tls { "235 " } else { "504 5.5.4 " };
        talk.ask(AUTH_PLAIN, wanted).await;
        // A client without TLS gains nothing by a proxy that could have said so.
        let mut clear = Talk::connect(server.smtp).await;
        clear.send(LINE).await;
        clear.expect("220 ").await;
        let offer = clear.ask("EHLO client.example", "250 ").await;
        assert!(!offer.contains("PLAIN"), "{offer}");
    }
}

/// T-22, EXT-01: a certificate that only the proxy saw makes the client nobody: neither by its name nor by the certificate itself, whether or
/// not the proxy is believed about TLS.
#[tokio::test]
async fn t_22_what_a_proxy_tells_of_a_certificate_is_no_identity() {
    for trust_tls in [true, false] {
        let rule = |name| CertificateRule {
            account: "dev@localhost".to_owned(),
            name,
        };
        let server = Server::start_with(|config| {
            behind("127.0.0.0/8")(config);
            config.client_certificates = [
                rule(CertificateName::Email("dev@localhost".to_owned())),
                rule(CertificateName::Subject("CN=client".to_owned())),
            ]
            .into();
            let authority = config.data.join("ca.pem");
            for listener in &mut config.listeners {
                listener.auth.client_certificates = Some(AskedCertificates {
                    authority: Some(authority.clone()),
                });
            }
            let listener = &mut config.listeners[0];
            listener.tls = TlsMode::None;
            listener.proxy.as_mut().unwrap().trust_tls = trust_tls;
        })
        .await;
        let directory = server.directory.path();
        let now = SystemTime::now();
        let files = own_ca::issue_client(directory, "dev@localhost", now).unwrap();
        let certificate = CertificateDer::from_pem_file(files.certificate).unwrap();
        // Shown on this connection and verified: client bits 0, 1 and 2; then version, common name, and the certificate (0x28).
        let tls = [
            &[7, 0, 0, 0, 0][..],
            &extension(0x21, b"TLSv1.3"),
            &extension(0x22, b"client"),
            &extension(0x28, &certificate),
        ]
        .concat();
        let header = binary_with(0x21, &extension(0x20, &tls));
        let mut talk = Talk::connect(server.smtp).await;
        talk.send(header.as_slice()).await;
        talk.expect("220 ").await;
        let offer = talk.ask("EHLO client.example", "250 ").await;
        assert!(!offer.contains("EXTERNAL"), "{offer}");
        talk.ask("AUTH EXTERNAL =", "504 5.5.4 ").await;

        let tls = TlsConnector::from(Arc::new(trusting(&[&directory.join("ca.pem")], VERSIONS)));
        let mut socket = TcpStream::connect(server.smtps).await.unwrap();
        socket.write_all(&header).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut talk = Talk::over(tls.connect(name, socket).await.unwrap());
        talk.expect("220 ").await;
        let offer = talk.ask("EHLO client.example", "250 ").await;
        assert!(
            !offer.contains("EXTERNAL") && offer.contains("PLAIN"),
            "{offer}"
        );
        talk.ask("AUTH EXTERNAL =", "504 5.5.4 ").await;
        assert!(server.log.lines_with("event=client-certificate").is_empty());
    }
}
