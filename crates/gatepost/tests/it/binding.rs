//! SCRAM bound to real TLS: by which properties, of which connection, on which version, and what does not pass.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatepost::config::resolved::{Config, TlsFiles};
use gatepost_sasl::mechanism::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS, SCRAM_SHA_512_PLUS};
use gatepost_sasl::{
    ChannelBindings, ClientAnswer, ClientParams, ClientQuestion, ClientStep, Mechanism, Secret,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SignatureAlgorithm};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::server::Server;
use crate::talk::Talk;
use crate::trust::trusting;

const BOUND: &str = "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN";
const UNBOUND: &str = "AUTH SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN";

/// What a client sees of its TLS connection, by its own means.
struct Seen {
    exporter: [u8; 32],
    certificate: Vec<u8>,
    resumed: bool,
}

impl Seen {
    fn by_exporter(&self) -> ChannelBindings {
        ChannelBindings {
            tls_exporter: Some(self.exporter),
            ..ChannelBindings::default()
        }
    }

    /// With the hash function that this certificate's signature has.
    fn by_end_point(&self, hash: &'static aws_lc_rs::digest::Algorithm) -> ChannelBindings {
        let digest = aws_lc_rs::digest::digest(hash, &self.certificate);
        ChannelBindings {
            tls_server_end_point: Some(digest.as_ref().to_vec()),
            ..ChannelBindings::default()
        }
    }
}

fn client(authorities: &[&Path], version: &'static SupportedProtocolVersion) -> TlsConnector {
    let config = trusting(authorities, &[version]);
    TlsConnector::from(Arc::new(config))
}

/// How a client binds itself.
type Choose<'a> = Box<dyn Fn(&Seen) -> ChannelBindings + Send + 'a>;

/// Connects, and says hello; with what is offered.
async fn connect(
    connector: &TlsConnector,
    address: SocketAddr,
    name: &'static str,
) -> (Talk, Seen, String) {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    let stream = connector.connect(name, socket).await.unwrap();
    let connection = stream.get_ref().1;
    let seen = Seen {
        exporter: connection
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
            .unwrap(),
        certificate: connection.peer_certificates().unwrap()[0].to_vec(),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
    };
    let mut talk = Talk::over(stream);
    talk.expect("220 ").await;
    let offer = talk.ask("EHLO client.example", "250 ").await;
    (talk, seen, offer)
}

/// Runs the exchange; gives the code it ended with.
pub(crate) async fn log_in(
    talk: &mut Talk,
    mechanism: &Mechanism,
    bindings: &ChannelBindings,
) -> String {
    let params = ClientParams {
        channel_bindings: bindings.clone(),
        ..ClientParams::new("dev@localhost", "localhost", "fyko+d2lbbFgONRv9qkxdawL")
    };
    let mut step = (mechanism.client)(params);
    let mut command = format!("AUTH {mechanism} ");
    loop {
        step = match step {
            ClientStep::Ask(ClientQuestion::Derive(derivation), state) => {
                state.answer(ClientAnswer::Derived(derivation.run()))
            }
            ClientStep::Ask(_, state) => {
                state.answer(ClientAnswer::Password(Secret::new("gatepost")))
            }
            ClientStep::Respond(message, state) => {
                let line = BASE64.encode(message.expose());
                talk.send(format!("{}{line}\r\n", std::mem::take(&mut command)))
                    .await;
                let reply = talk.reply().await;
                match reply.strip_prefix("334 ") {
                    Some(challenge) => state.challenge(&BASE64.decode(challenge).unwrap()),
                    None => return reply[..3].to_owned(),
                }
            }
            other => panic!("{other:?}"),
        };
    }
}

/// A certificate for this name whose signature is of this kind, and the authority behind it.
fn certificate(
    directory: &Path,
    name: &str,
    algorithm: &'static SignatureAlgorithm,
) -> (TlsFiles, std::path::PathBuf) {
    let authority_key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = directory.join(format!("{name}.ca.pem"));
    let pem = params.self_signed(&authority_key).unwrap().pem();
    std::fs::write(&authority, pem).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate_for(algorithm).unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let files = TlsFiles {
        certificate: directory.join(format!("{name}.pem")),
        key: directory.join(format!("{name}.key")),
    };
    std::fs::write(&files.certificate, leaf.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    (files, authority)
}

/// CB-01, CB-08, CAP-08, SCR-12, SCR-14: on TLS 1.3 the names are announced, before those that do not bind; either type serves; what belongs to
/// another connection does not, nor what TLS 1.3 does not have, nor a client that has not seen the names.
#[tokio::test]
async fn tls_1_3_is_bound_by_exporter_and_certificate() {
    let server = Server::start().await;
    let authority = server.directory.path().join("ca.pem");
    let connector = client(&[&authority], &TLS13);
    let (_, elsewhere, _) = connect(&connector, server.smtps, "localhost").await;
    let unique = ChannelBindings {
        tls_unique: Some(vec![7; 12]),
        ..ChannelBindings::default()
    };
    let sha256 = &aws_lc_rs::digest::SHA256;
    let rows: [(&Mechanism, Choose<'_>, &str); 7] = [
        (&SCRAM_SHA_512_PLUS, Box::new(Seen::by_exporter), "235"),
        (&SCRAM_SHA_256_PLUS, Box::new(Seen::by_exporter), "235"),
        (
            &SCRAM_SHA_256_PLUS,
            Box::new(|seen| seen.by_end_point(sha256)),
            "235",
        ),
        (
            &SCRAM_SHA_256_PLUS,
            Box::new(|_| elsewhere.by_exporter()),
            "535",
        ),
        (&SCRAM_SHA_256_PLUS, Box::new(|_| unique.clone()), "535"),
        // It could bind, and says that it saw no name that does.
        (&SCRAM_SHA_256, Box::new(Seen::by_exporter), "535"),
        (
            &SCRAM_SHA_256,
            Box::new(|_| ChannelBindings::default()),
            "235",
        ),
    ];
    for (row, (mechanism, choose, code)) in rows.into_iter().enumerate() {
        let (mut talk, seen, offer) = connect(&connector, server.smtps, "localhost").await;
        assert!(offer.contains(&format!("250-AUTH {BOUND}\n")), "{offer}");
        let ended = log_in(&mut talk, mechanism, &choose(&seen)).await;
        assert_eq!(ended, code, "row {row}");
    }
}

/// CB-04: "the one presented on *this* connection (SNI-selected, maybe ECDSA vs RSA)". CB-03: with the hash of its signature, and not at all
/// where that has none.
#[tokio::test]
async fn the_certificate_is_the_one_this_client_was_shown() {
    let mut authorities = Vec::new();
    let server = Server::start_with(|config: &mut Config| {
        let directory = config.data.clone();
        for (name, algorithm) in [
            ("p256.example", &rcgen::PKCS_ECDSA_P256_SHA256),
            ("p384.example", &rcgen::PKCS_ECDSA_P384_SHA384),
            ("ed.example", &rcgen::PKCS_ED25519),
        ] {
            let (files, authority) = certificate(&directory, name, algorithm);
            config.more_tls.push(files);
            authorities.push(authority);
        }
    })
    .await;
    let authorities: Vec<&Path> = authorities.iter().map(AsRef::as_ref).collect();
    let connector = client(&authorities, &TLS13);
    let (sha256, sha384) = (&aws_lc_rs::digest::SHA256, &aws_lc_rs::digest::SHA384);
    let (_, p256, _) = connect(&connector, server.smtps, "p256.example").await;
    for (name, hash, code) in [
        ("p256.example", sha256, "235"),
        ("p384.example", sha384, "235"),
        ("p384.example", sha256, "535"),
        ("ed.example", sha256, "535"),
    ] {
        let (mut talk, seen, offer) = connect(&connector, server.smtps, name).await;
        assert!(offer.contains(BOUND), "{offer}");
        let bindings = seen.by_end_point(hash);
        let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &bindings).await;
        assert_eq!(ended, code, "{name}");
    }
    for name in ["p384.example", "ed.example"] {
        let (mut talk, seen, _) = connect(&connector, server.smtps, name).await;
        let of_another = p256.by_end_point(sha256);
        let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &of_another).await;
        assert_eq!(ended, "535", "{name}");
        let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &seen.by_exporter()).await;
        assert_eq!(ended, "235", "{name}");
    }
}

/// TLS-15, CB-01: a resumed session has an exporter of its own, and the certificate it began with. CB-06: a second attempt on the same
/// connection is taken.
#[tokio::test]
async fn a_resumed_session_is_bound_as_well() {
    let server = Server::start().await;
    let authority = server.directory.path().join("ca.pem");
    let connector = client(&[&authority], &TLS13);
    let (mut talk, first, _) = connect(&connector, server.smtps, "localhost").await;
    talk.ask("QUIT", "221 ").await;
    for by_exporter in [true, false] {
        let (mut talk, seen, _) = connect(&connector, server.smtps, "localhost").await;
        assert!(seen.resumed && seen.certificate == first.certificate);
        assert_ne!(seen.exporter, first.exporter);
        let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &first.by_exporter()).await;
        assert_eq!(ended, "535", "the exporter of the session's beginning");
        let bindings = if by_exporter {
            seen.by_exporter()
        } else {
            seen.by_end_point(&aws_lc_rs::digest::SHA256)
        };
        let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &bindings).await;
        assert_eq!(ended, "235");
        talk.ask("QUIT", "221 ").await;
    }
}

/// CB-01: "on a TLS 1.2 session … no -PLUS name is offered unless `plus_on_tls12 = true`"; CB-05 by the same rule: who could bind and sees no name
/// is let in.
#[tokio::test]
async fn tls_1_2_is_bound_only_where_told() {
    for told in [false, true] {
        let server = Server::start_with(|config| {
            for listener in &mut config.listeners {
                listener.plus_on_tls12 = told;
            }
        })
        .await;
        let authority = server.directory.path().join("ca.pem");
        let connector = client(&[&authority], &TLS12);
        let (mut talk, seen, offer) = connect(&connector, server.smtps, "localhost").await;
        let list = if told { BOUND } else { UNBOUND };
        assert!(offer.contains(list), "{offer}");
        let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &seen.by_exporter()).await;
        assert_eq!(ended, if told { "235" } else { "504" });

        let (mut talk, seen, _) = connect(&connector, server.smtps, "localhost").await;
        let end_point = seen.by_end_point(&aws_lc_rs::digest::SHA256);
        let ended = log_in(&mut talk, &SCRAM_SHA_256_PLUS, &end_point).await;
        assert_eq!(ended, if told { "235" } else { "504" });

        let (mut talk, seen, _) = connect(&connector, server.smtps, "localhost").await;
        let ended = log_in(&mut talk, &SCRAM_SHA_256, &seen.by_exporter()).await;
        assert_eq!(ended, if told { "535" } else { "235" });
    }
}

/// CB-02: "without EMS: tls-exporter undefined". A listener that binds on TLS 1.2 does not speak to who lacks it; others do.
#[tokio::test]
async fn without_the_extended_master_secret_tls_1_2_is_not_bound() {
    for told in [false, true] {
        let server = Server::start_with(|config| config.listeners[1].plus_on_tls12 = told).await;
        let mut socket = TcpStream::connect(server.smtps).await.unwrap();
        socket.write_all(&hello_without_ems()).await.unwrap();
        let mut answer = [0; 6];
        socket.read_exact(&mut answer).await.unwrap();
        // A fatal alert, or the server's hello.
        let (kind, what) = if told { (0x15, 2) } else { (0x16, 2) };
        assert_eq!((answer[0], answer[5]), (kind, what), "{answer:?}");
    }
}

/// A `ClientHello` of TLS 1.2 for ECDHE with ECDSA, as of 2012.
fn hello_without_ems() -> Vec<u8> {
    let extensions: &[u8] = &[
        0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1d, 0x00, 0x17, // groups
        0x00, 0x0b, 0x00, 0x02, 0x01, 0x00, // point formats
        0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03, // signatures
    ];
    let mut body = vec![0x03, 0x03];
    body.extend([7; 32]);
    body.extend([0x00, 0x00, 0x02, 0xc0, 0x2b, 0x01, 0x00]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend((length + 4).to_be_bytes());
    record.extend([0x01, 0x00]);
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}
