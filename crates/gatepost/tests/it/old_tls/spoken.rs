//! What a listener with old TLS says and refuses, to a client made of the same library.

use std::net::SocketAddr;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatepost::config::resolved::OldVersion;
use gatepost::store::{CredentialKind, NewPassword};
use gatepost_sasl::mechanism::SCRAM_SHA_256_PLUS;
use gatepost_sasl::{ChannelBindings, Secret};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::add_old_listeners;
use crate::binding::log_in;
use crate::server::{AUTH_PLAIN, Server};
use crate::talk::Talk;

const OLD: SslVersion = SslVersion::TLS1;

/// Where old TLS comes first.
async fn server(least: OldVersion) -> (Server, SocketAddr) {
    let server = Server::start_with(|config| add_old_listeners(config, least)).await;
    let address = server.bound[4];
    (server, address)
}

/// A client of this version alone, which takes any certificate, as devices do.
fn client(version: SslVersion, protocols: &[u8]) -> Ssl {
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    context.set_security_level(0);
    context.set_min_proto_version(Some(version)).unwrap();
    context.set_max_proto_version(Some(version)).unwrap();
    if !protocols.is_empty() {
        context.set_alpn_protos(protocols).unwrap();
    }
    Ssl::new(&context.build()).unwrap()
}

async fn shake_hands(
    ssl: Ssl,
    address: SocketAddr,
) -> Result<SslStream<TcpStream>, openssl::ssl::Error> {
    let socket = TcpStream::connect(address).await.unwrap();
    let mut stream = SslStream::new(ssl, socket).unwrap();
    Pin::new(&mut stream).connect().await?;
    Ok(stream)
}

/// A conversation after greeting and hello; with what is offered.
async fn talk(stream: SslStream<TcpStream>) -> (Talk, String) {
    let mut talk = Talk::over(stream);
    talk.expect("220 ").await;
    let offer = talk.ask("EHLO client.example", "250 ").await;
    (talk, offer)
}

/// What the client knows: its own Finished message came first.
fn tls_unique(stream: &SslStream<TcpStream>) -> ChannelBindings {
    let mut finished = vec![0; 64];
    let length = stream.ssl().finished(&mut finished);
    finished.truncate(length);
    assert_eq!(length, 12);
    ChannelBindings {
        tls_unique: Some(finished),
        ..ChannelBindings::default()
    }
}

fn end_point(stream: &SslStream<TcpStream>) -> ChannelBindings {
    let certificate = stream.ssl().peer_certificate().unwrap().to_der().unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
    ChannelBindings {
        tls_server_end_point: Some(digest.as_ref().to_vec()),
        ..ChannelBindings::default()
    }
}

/// CB-01: "`tls-unique` (5929 §3: first Finished message of the most recent handshake): default over TLS 1.2, undefined in 1.3 - never
/// accept it there"; "the legacy TLS lane on OpenSSL has it".
#[tokio::test]
async fn cb_01_scram_is_bound_by_the_first_finished_message() {
    let (_server, address) = server(OldVersion::V1_0).await;
    let other = shake_hands(client(OLD, b""), address).await.unwrap();
    for version in [OLD, SslVersion::TLS1_1, SslVersion::TLS1_2] {
        for (bind, code) in [
            (
                tls_unique as fn(&SslStream<TcpStream>) -> ChannelBindings,
                "235",
            ),
            (end_point, "235"),
        ] {
            let stream = shake_hands(client(version, b""), address).await.unwrap();
            let bindings = bind(&stream);
            let (mut talk, offer) = talk(stream).await;
            assert!(offer.contains(" SCRAM-SHA-256-PLUS "), "{offer}");
            let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &bindings).await;
            assert_eq!(ended, code, "{version:?}");
        }
        let stream = shake_hands(client(version, b""), address).await.unwrap();
        let (mut talk, _) = talk(stream).await;
        let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &tls_unique(&other)).await;
        assert_eq!(ended, "535", "that of another connection");
    }
    let newest = client(SslVersion::TLS1_3, b"");
    let stream = shake_hands(newest, address).await.unwrap();
    let mut exporter = [0; 32];
    let label = "EXPORTER-Channel-Binding";
    let exported = stream
        .ssl()
        .export_keying_material(&mut exporter, label, Some(b""));
    exported.unwrap();
    let (mut talk, _) = talk(stream).await;
    let unique = ChannelBindings {
        tls_unique: Some(vec![0; 32]),
        ..ChannelBindings::default()
    };
    let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &unique).await;
    assert_eq!(ended, "535", "tls-unique of TLS 1.3");
    let bindings = ChannelBindings {
        tls_exporter: Some(exporter),
        ..ChannelBindings::default()
    };
    let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &bindings).await;
    assert_eq!(ended, "235");
}

/// TLS-01: "a *separate* legacy listener profile for devices that only do TLS 1.0/1.1".
#[tokio::test]
async fn tls_01_a_version_older_than_the_least_is_refused() {
    let (server, address) = server(OldVersion::V1_1).await;
    for refused in [address, server.smtps] {
        let before = server.log.lines_with("event=tls-failed").len();
        let shaken = shake_hands(client(OLD, b""), refused).await;
        assert!(shaken.is_err(), "{refused}");
        let failed = "event=tls-failed";
        server.log.wait_for_count(failed, before + 1).await;
    }
    let told = server.log.lines_with("event=tls-failed");
    assert!(told[0].contains("unsupported protocol"), "{told:?}");
    let stream = shake_hands(client(SslVersion::TLS1_1, b""), address).await;
    talk(stream.unwrap()).await;
}

/// A person's password is compared with nothing that came by TLS 1.0 or 1.1, as if that were clear text.
#[tokio::test]
async fn a_persons_password_is_not_taken_by_old_tls() {
    let (server, address) = server(OldVersion::V1_0).await;
    let store = server.store.clone();
    let password = NewPassword {
        kind: CredentialKind::Password,
        password: Secret::new(b"gatepost"),
    };
    let added = move || store.add_account("anna@localhost", &[], &[password]);
    tokio::task::spawn_blocking(added).await.unwrap().unwrap();
    let anna = BASE64.encode("\0anna@localhost\0gatepost");
    for (version, code) in [
        (OLD, "535 "),
        (SslVersion::TLS1_1, "535 "),
        (SslVersion::TLS1_2, "235 "),
    ] {
        let stream = shake_hands(client(version, b""), address).await.unwrap();
        let (mut talk, _) = talk(stream).await;
        talk.ask(&format!("AUTH PLAIN {anna}"), code).await;
    }
    // The device has a credential for this.
    let stream = shake_hands(client(OLD, b""), address).await.unwrap();
    talk(stream).await.0.ask(AUTH_PLAIN, "235 ").await;
}

/// T-33 (RFC 7301 §3.2): a client that means another protocol gets an alert.
#[tokio::test]
async fn t_33_a_client_of_another_protocol_is_turned_away() {
    let (_server, address) = server(OldVersion::V1_0).await;
    let browser = client(SslVersion::TLS1_2, b"\x02h2\x08http/1.1");
    assert!(shake_hands(browser, address).await.is_err());
    let mail = client(SslVersion::TLS1_2, b"\x08http/1.1\x04smtp");
    let stream = shake_hands(mail, address).await.unwrap();
    assert_eq!(stream.ssl().selected_alpn_protocol(), Some(&b"smtp"[..]));
}

/// RFC 2246 appendix E: "TLS 1.0 clients that support SSL Version 2.0 servers must send SSL Version 2.0 client hello messages".
#[tokio::test]
async fn a_hello_in_the_form_of_ssl_2_is_answered_by_tls_1_0() {
    let (server, address) = server(OldVersion::V1_0).await;
    // Length with the high bit set, CLIENT-HELLO, TLS 1.0, lengths of ciphers, session and challenge; AES128-SHA and AES256-SHA.
    let mut hello = vec![0x80, 0x1f, 1, 3, 1, 0, 6, 0, 0, 0, 16];
    hello.extend([0, 0, 0x2f, 0, 0, 0x35]);
    hello.extend([7; 16]);
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(&hello).await.unwrap();
    let mut answer = [0; 6];
    socket.read_exact(&mut answer).await.unwrap();
    let [handshake, 3, 1, _, _, server_hello] = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((handshake, server_hello), (0x16, 2));

    // Where TLS is current, it is no handshake at all (TLS-12).
    let mut socket = TcpStream::connect(server.smtps).await.unwrap();
    socket.write_all(&hello).await.unwrap();
    Talk::over(socket).expect("554 ").await;
}
