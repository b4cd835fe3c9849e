//! Client certificates and EXTERNAL as clients meet them: who is somebody, who is nobody, and that nobody's handshake fails for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepost::config::resolved::{
    AskedCertificates, CertificateName, CertificateRule, Config, ListenerAuth,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, PublicKeyData as _, SanType, date_time_ymd,
};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme, SupportedProtocolVersion};

use crate::server::{AUTH_PLAIN, Server};
use crate::talk::Talk;
use crate::trust::roots;

const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;
const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;

/// An authority for clients.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of clients");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    fn sign(&self, params: &CertificateParams) -> Presented {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Presented::new([certificate.der().clone()], &key)
    }

    /// By an authority that this one has signed.
    fn sign_through_another(&self, params: &CertificateParams) -> Presented {
        let mut between = CertificateParams::default();
        between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        between
            .distinguished_name
            .push(DnType::CommonName, "authority in between");
        let between_key = KeyPair::generate().unwrap();
        let certificate = between.signed_by(&between_key, &self.issuer).unwrap();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(between, between_key);
        let leaf = params.signed_by(&key, &issuer).unwrap();
        Presented::new([leaf.der().clone(), certificate.der().clone()], &key)
    }
}

fn signed_by_itself(params: &CertificateParams, key: &KeyPair) -> Presented {
    let certificate = params.self_signed(key).unwrap();
    Presented::new([certificate.der().clone()], key)
}

/// What a client presents, always: with its key, whatever the server asks for. Remembers whether it was asked.
#[derive(Debug)]
struct Presented {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Presented {
    fn new(chain: impl Into<Vec<CertificateDer<'static>>>, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Self {
            key: Some(Arc::new(CertifiedKey::new(chain.into(), key))),
            asked: AtomicBool::new(false),
        }
    }

    fn nothing() -> Self {
        Self {
            key: None,
            asked: AtomicBool::new(false),
        }
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A certificate for a client with these alternative names.
fn params(names: &[SanType]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names.to_vec();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn email(name: &str) -> SanType {
    SanType::Rfc822Name(name.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn with(names: &[SanType], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = params(names);
    change(&mut params);
    params
}

/// A server whose listeners ask for certificates, and what its rules are about.
struct World {
    server: Server,
    authority: Authority,
    /// The key that a rule pins.
    pinned: KeyPair,
}

const FAX: &str = "fax@example.com";
const WEB: &str = "web@example.com";
const PINNED: &str = "pinned@example.com";
const SUBJECT: &str = "subject@example.com";

impl World {
    async fn new() -> Self {
        let authority = Authority::new();
        let pinned = KeyPair::generate().unwrap();
        let rule = |account: &str, name| CertificateRule {
            account: account.to_owned(),
            name,
        };
        let pin = pin_of(&pinned);
        let rules = vec![
            rule(FAX, CertificateName::Email(FAX.to_owned())),
            rule(WEB, CertificateName::Dns("web.example.com".to_owned())),
            rule(PINNED, CertificateName::Key(pin)),
            rule(
                SUBJECT,
                CertificateName::Subject("CN=scanner,O=Example".to_owned()),
            ),
            rule(
                "gone@example.com",
                CertificateName::Email("gone@example.com".to_owned()),
            ),
            rule(
                "off@example.com",
                CertificateName::Email("off@example.com".to_owned()),
            ),
        ];
        let pem = authority.pem.clone();
        let server = Server::start_with(|config: &mut Config| {
            let file = config.data.join("clients-ca.pem");
            std::fs::write(&file, pem).unwrap();
            config.client_certificates = rules.into();
            for listener in &mut config.listeners[..2] {
                listener.auth = ListenerAuth {
                    client_certificates: Some(AskedCertificates {
                        authority: Some(file.clone()),
                    }),
                    ..ListenerAuth::default()
                };
            }
        })
        .await;
        for name in [FAX, WEB, PINNED, SUBJECT, "off@example.com"] {
            server.add_account(name, "secret", &[].into()).await;
        }
        let store = server.store.clone();
        tokio::task::spawn_blocking(move || store.set_enabled("off@example.com", false).unwrap())
            .await
            .unwrap();
        Self {
            server,
            authority,
            pinned,
        }
    }

    fn client(&self, presented: Presented, version: &'static SupportedProtocolVersion) -> Client {
        let authority = self.server.directory.path().join("ca.pem");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let presented = Arc::new(presented);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots(&[&authority]))
            .with_client_cert_resolver(Arc::clone(&presented) as _);
        config.resumption = Resumption::in_memory_sessions(4);
        Client {
            config: Arc::new(config),
            presented,
        }
    }

    /// Connects with TLS from the first octet, and greets; gives the announced capabilities as well.
    async fn greet(&self, client: &Client) -> (Talk, String) {
        client.greet(self.server.smtps).await
    }

    /// What the log says of the certificate that came last.
    async fn last_seen(&self, count: usize) -> String {
        self.server
            .log
            .wait_for_count("event=client-certificate", count)
            .await;
        self.server
            .log
            .lines_with("event=client-certificate")
            .pop()
            .unwrap()
    }
}

fn pin_of(key: &KeyPair) -> [u8; 32] {
    let spki = key.subject_public_key_info();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &spki);
    digest.as_ref().try_into().unwrap()
}

struct Client {
    config: Arc<ClientConfig>,
    presented: Arc<Presented>,
}

impl Client {
    async fn greet(&self, address: SocketAddr) -> (Talk, String) {
        let talk = Talk::connect(address).await;
        let mut talk = talk.start_tls_as(Arc::clone(&self.config)).await.unwrap();
        talk.expect("220 ").await;
        let offer = talk.ask("EHLO client.example", "250 ").await;
        (talk, offer)
    }
}

/// EXT-01, EXT-05, T-22: "25 certificates → only the mapped one; unknown certificate does not kill the handshake".
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of certificates")]
async fn t_22_ext_01_ext_05_only_certificates_with_an_owner_are_somebody() {
    let world = World::new().await;
    let ca = &world.authority;
    let other = Authority::new();
    let own_key = || KeyPair::generate().unwrap();
    let cn = |name: &str| {
        with(&[], |params| {
            params.distinguished_name.push(DnType::CommonName, name);
        })
    };
    let scanner = |organisation: &str, name: &str| {
        with(&[], |params| {
            params
                .distinguished_name
                .push(DnType::OrganizationName, organisation);
            params.distinguished_name.push(DnType::CommonName, name);
        })
    };
    let used_for = |usages: &[ExtendedKeyUsagePurpose]| {
        with(&[email(FAX)], |params| {
            params.extended_key_usages = usages.to_vec();
        })
    };
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    };
    let table = [
        ("none", Presented::nothing(), None),
        ("e-mail", ca.sign(&params(&[email(FAX)])), Some(FAX)),
        (
            "e-mail, other case",
            ca.sign(&params(&[email("Fax@example.com")])),
            None,
        ),
        (
            // V-25.
            "e-mail with NUL",
            ca.sign(&params(&[email("fax@example.com\0.evil.example")])),
            None,
        ),
        (
            "e-mail with wildcard",
            ca.sign(&params(&[email("*@example.com")])),
            None,
        ),
        ("e-mail as common name", ca.sign(&cn(FAX)), None),
        (
            "e-mail as DNS name",
            ca.sign(&params(&[SanType::URI(FAX.try_into().unwrap())])),
            None,
        ),
        (
            "one owner's and nobody's",
            ca.sign(&params(&[email("x@example.com"), email(FAX)])),
            Some(FAX),
        ),
        (
            "two owners'",
            ca.sign(&params(&[email(FAX), dns("web.example.com")])),
            None,
        ),
        (
            "DNS name",
            ca.sign(&params(&[dns("web.example.com")])),
            Some(WEB),
        ),
        (
            "DNS name with wildcard",
            ca.sign(&params(&[dns("*.example.com")])),
            None,
        ),
        (
            "DNS name with NUL",
            ca.sign(&params(&[dns("web.example.com\0.evil.example")])),
            None,
        ),
        (
            "DNS name as common name",
            ca.sign(&cn("web.example.com")),
            None,
        ),
        (
            "subject",
            ca.sign(&scanner("Example", "scanner")),
            Some(SUBJECT),
        ),
        (
            "subject with a comma",
            ca.sign(&cn("scanner,O=Example")),
            None,
        ),
        (
            "subject with more",
            ca.sign(&scanner("Example,C=DE", "scanner")),
            None,
        ),
        ("expired", ca.sign(&with(&[email(FAX)], expired)), None),
        (
            "not yet valid",
            ca.sign(&with(&[email(FAX)], |it| {
                it.not_before = date_time_ymd(4000, 1, 1);
            })),
            None,
        ),
        (
            "another authority's",
            other.sign(&params(&[email(FAX)])),
            None,
        ),
        (
            "signed by itself",
            signed_by_itself(&params(&[email(FAX)]), &own_key()),
            None,
        ),
        (
            "pinned",
            signed_by_itself(&params(&[]), &world.pinned),
            Some(PINNED),
        ),
        (
            "pinned, expired",
            signed_by_itself(&with(&[], expired), &world.pinned),
            None,
        ),
        (
            "for servers",
            ca.sign(&used_for(&[ExtendedKeyUsagePurpose::ServerAuth])),
            None,
        ),
        ("for anything", ca.sign(&used_for(&[])), Some(FAX)),
        (
            "through another authority",
            ca.sign_through_another(&params(&[email(FAX)])),
            Some(FAX),
        ),
        (
            "an authority itself",
            ca.sign(&with(&[email(FAX)], |it| {
                it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            })),
            None,
        ),
        (
            "of no account",
            ca.sign(&params(&[email("gone@example.com")])),
            None,
        ),
        (
            "of a disabled account",
            ca.sign(&params(&[email("off@example.com")])),
            None,
        ),
    ];
    for (name, presented, owner) in table {
        let version = if name.len() % 2 == 0 { TLS12 } else { TLS13 };
        let client = world.client(presented, version);
        let (mut talk, offer) = world.greet(&client).await;
        assert!(client.presented.asked.load(Ordering::Relaxed), "{name}");
        let announced = offer.contains("250-AUTH EXTERNAL ");
        assert_eq!(announced, owner.is_some(), "{name}: {offer}");
        if owner.is_some() {
            talk.ask("AUTH EXTERNAL =", "235 2.7.0 ").await;
            let seen = world.server.log.lines_with("result=ok").pop().unwrap();
            let told = format!("account={}", owner.unwrap_or_default());
            assert!(
                seen.contains(&told) && seen.contains("credential=certificate"),
                "{name}: {seen}"
            );
        } else {
            talk.ask("AUTH EXTERNAL =", "504 5.5.4 ").await;
            if !name.starts_with("of ") {
                // Nobody's certificate is no hindrance.
                talk.ask(AUTH_PLAIN, "235 2.7.0 ").await;
            }
        }
    }
}

/// The client does have the key, or there is no connection.
#[tokio::test]
async fn t_22_a_certificate_without_its_key_ends_the_handshake() {
    let world = World::new().await;
    let owners = world.authority.sign(&params(&[email(FAX)]));
    let chain = owners.key.unwrap().cert.clone();
    for version in [TLS12, TLS13] {
        let thief = Presented::new(chain.clone(), &KeyPair::generate().unwrap());
        let client = world.client(thief, version);
        let talk = Talk::connect(world.server.smtps).await;
        if let Ok(talk) = talk.start_tls_as(Arc::clone(&client.config)).await {
            // In TLS 1.3 the client believes to be done before the server has looked.
            talk.rest_of_octets().await;
        }
        world.server.log.wait_for_count("event=tls-failed", 1).await;
    }
    assert_eq!(
        world
            .server
            .log
            .lines_with("event=client-certificate")
            .len(),
        0
    );
    assert_eq!(world.server.log.lines_with("event=tls-failed").len(), 2);
}

/// LC-31, EXT-02, EXT-03, EXT-07, SASL-02: with STARTTLS.
#[tokio::test]
async fn ext_03_a_certificate_acts_as_its_owner_and_whom_he_may_act_for() {
    let world = World::new().await;
    let store = world.server.store.clone();
    tokio::task::spawn_blocking(move || store.grant_acts_as(FAX, WEB).unwrap())
        .await
        .unwrap();
    for (line, answer, end) in [
        ("AUTH EXTERNAL =", None, "235 2.7.0 "),
        ("AUTH EXTERNAL", Some(""), "235 2.7.0 "),
        ("auth external ZmF4QGV4YW1wbGUuY29t", None, "235 2.7.0 "),
        ("AUTH EXTERNAL", Some("d2ViQGV4YW1wbGUuY29t"), "235 2.7.0 "),
        ("AUTH EXTERNAL cGlubmVkQGV4YW1wbGUuY29t", None, "535 5.7.8 "),
        ("AUTH EXTERNAL bm9ib2R5", None, "535 5.7.8 "),
        ("AUTH EXTERNAL AAAA", None, "501 5.5.2 "),
        ("AUTH EXTERNAL", Some("*"), "501 5.7.0 "),
    ] {
        let presented = world.authority.sign(&params(&[email(FAX)]));
        let client = world.client(presented, TLS13);
        let mut talk = world.server.talk().await;
        let offer = talk.ask("EHLO client.example", "250 ").await;
        assert!(!offer.contains("EXTERNAL"), "{offer}");
        talk.ask("STARTTLS", "220 ").await;
        let mut talk = talk.start_tls_as(Arc::clone(&client.config)).await.unwrap();
        talk.ask("EHLO client.example", "250 ").await;
        match answer {
            None => talk.ask(line, end).await,
            Some(answer) => {
                assert_eq!(talk.ask(line, "334 ").await, "334 ");
                talk.ask(answer, end).await
            }
        };
    }
}

/// CB-12: "cert account and SASL account must agree". T-22.
#[tokio::test]
async fn cb_12_nobody_but_its_owner_authenticates_beside_a_certificate() {
    let world = World::new().await;
    let client = world.client(world.authority.sign(&params(&[email(FAX)])), TLS13);
    let (mut talk, _) = world.greet(&client).await;
    talk.ask(AUTH_PLAIN, "535 5.7.8 ").await;
    // fax@example.com, secret
    talk.ask("AUTH PLAIN AGZheEBleGFtcGxlLmNvbQBzZWNyZXQ=", "235 2.7.0 ")
        .await;
    // Its resumption is the same connection in this respect.
    let (mut talk, offer) = world.greet(&client).await;
    assert!(offer.contains("250-AUTH EXTERNAL "), "{offer}");
    talk.ask(AUTH_PLAIN, "535 5.7.8 ").await;
    talk.ask("QUIT", "221 ").await;
    world.server.log.wait_for("resumed=yes").await;
}

/// EXT-06: "Don't request client certs on public listeners unless usable". EXT-05: "log fingerprint".
#[tokio::test]
async fn ext_06_certificates_are_asked_for_only_where_it_is_written() {
    let server = Server::start().await;
    let authority = Authority::new();
    let world = World {
        server,
        authority,
        pinned: KeyPair::generate().unwrap(),
    };
    let client = world.client(world.authority.sign(&params(&[email(FAX)])), TLS13);
    let (_, offer) = world.greet(&client).await;
    assert!(!client.presented.asked.load(Ordering::Relaxed));
    assert!(!offer.contains("EXTERNAL"), "{offer}");

    let world = World::new().await;
    let client = world.client(
        world.authority.sign(&params(&[email("x@example.com")])),
        TLS13,
    );
    world.greet(&client).await;
    let seen = world.last_seen(1).await;
    let leaf = &client.presented.key.as_ref().unwrap().cert[0];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf);
    let octets = digest.as_ref().iter();
    let fingerprint = octets.fold(String::new(), |text, it| text + &format!("{it:02x}"));
    assert!(
        seen.contains(&format!("certificate={fingerprint}")),
        "{seen}"
    );
    assert!(seen.contains("reason=certificate-unknown"), "{seen}");
    assert!(
        seen.contains("no account has a rule for it") && seen.contains("x@example.com"),
        "{seen}"
    );
}
