//! The configuration as the program uses it: parsed, defaulted, consistent.
//!
//! Values are immutable and shared. Constructed by the parser of the configuration file, or by `gatepost dev`, which has none.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepost_sasl::{Hash, LayerPolicy, LayerStrength, Mechanism, Needs, VerifierKind};
use gatepost_smtp::quirk::Quirk;

use crate::config::endpoint::Endpoint;
use crate::config::network::Network;
use crate::config::pattern::Pattern;

/// Octets that the queue takes from the disk at a time. Large enough that making a segment is rare, small enough for a small machine.
pub const QUEUE_SEGMENT_OCTETS: u64 = 64 << 20;

/// Everything the program needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name this server gives itself: in the greeting, in `EHLO`, in `Received` and in message ids.
    pub hostname: String,
    /// Directory of accounts, queue, keys and the control socket.
    pub data: PathBuf,
    /// The addresses to serve, at least one.
    pub listeners: Vec<Listener>,
    /// Certificate and key; required as soon as one listener uses TLS.
    pub tls: Option<TlsFiles>,
    /// Further certificates, for clients that ask for their names.
    pub more_tls: Vec<TlsFiles>,
    /// What is kept for accounts.
    pub accounts: Accounts,
    /// Kerberos, for the mechanism GSSAPI.
    pub kerberos: Option<Kerberos>,
    /// Whose client certificates are.
    pub client_certificates: Arc<[CertificateRule]>,
    /// Whose tokens open accounts.
    pub token_issuers: Vec<TokenIssuer>,
    /// Where mail goes; the first route whose conditions all hold wins. Without a match, mail is held.
    pub routes: Vec<Route>,
    /// Address of the pages, the API, `/healthz` and `/metrics`; none when absent.
    pub http: Option<SocketAddr>,
    /// The token issuer beside the pages; only `gatepost dev` has one.
    pub dev_issuer: Option<DevIssuer>,
    /// What is completed in submitted messages.
    pub submission: SubmissionRules,
    /// Bounds of what peers may use.
    pub limits: Limits,
    /// When a failed delivery is tried again, and when it is given up.
    pub retry: RetrySchedule,
}

/// One address to accept sessions on.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name in logs and metrics; unique. Default: the address.
    pub name: String,
    /// Where to listen.
    pub address: SocketAddr,
    /// How TLS begins.
    pub tls: TlsMode,
    /// The versions of TLS, and whose certificate.
    pub tls_versions: TlsVersions,
    /// Who is served here.
    pub profile: ListenerProfile,
    /// Peers served; others get one refusal. Empty: everyone.
    pub networks: Vec<Network>,
    /// Proxies whose PROXY headers are believed; without one, none is understood.
    pub proxy: Option<Proxies>,
    /// The names and ports by which clients reach it; not looked at when empty.
    pub reached_as: Arc<[HostPort]>,
    /// Oddities tolerated besides those of the profile.
    pub tolerate: Vec<Quirk>,
    /// Mechanisms that bind the channel are offered on TLS 1.2 as well.
    pub plus_on_tls12: bool,
    /// Refuse MAIL before authentication (530 5.7.0).
    pub require_auth: bool,
    /// Where SASL security layers may be agreed on.
    pub layers: Layers,
    /// By what clients may prove who they are.
    pub auth: ListenerAuth,
}

/// Where SASL security layers may be agreed on, and which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layers {
    /// Where.
    pub place: LayerPlace,
    /// Also with ciphers that can be searched through.
    pub weak_ciphers: bool,
}

/// Where SASL security layers may be agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LayerPlace {
    /// In clear text only: TLS protects better (LAYER-07).
    #[default]
    InClear,
    /// Nowhere.
    Nowhere,
    /// Inside TLS as well.
    Everywhere,
}

impl Layers {
    /// What may be agreed on, in TLS or not.
    pub fn on(self, tls: bool) -> LayerPolicy {
        let allowed = match self.place {
            LayerPlace::InClear => !tls,
            LayerPlace::Nowhere => false,
            LayerPlace::Everywhere => true,
        };
        if !allowed {
            return LayerPolicy::NEVER;
        }
        LayerPolicy {
            weak_ciphers: self.weak_ciphers,
            ..LayerPolicy::ANY
        }
    }
}

/// What a listener offers only if its operator has thought of it: guests, and what old programs need that know nothing better
/// (RFC 6331).
pub fn must_be_named(mechanism: &Mechanism) -> bool {
    matches!(
        mechanism.needs,
        Needs::Nothing | Needs::Verifier(VerifierKind::DigestMd5)
    )
}

/// By what clients of a listener may prove who they are.
#[derive(Debug, Clone, Default)]
pub struct ListenerAuth {
    /// The only mechanisms; all that are safe to offer unasked when absent.
    pub mechanisms: Option<Arc<[&'static Mechanism]>>,
    /// The account that guests (ANONYMOUS) act for; there are none when absent.
    pub anonymous_account: Option<Arc<str>>,
    /// Clients are asked for certificates.
    pub client_certificates: Option<AskedCertificates>,
}

impl ListenerAuth {
    /// Whether the list of mechanisms has this one.
    pub fn names(&self, mechanism: &Mechanism) -> bool {
        let named = self.mechanisms.iter().flat_map(|named| named.iter());
        named.copied().any(|named| named == mechanism)
    }
}

/// The certificates that a listener asks its clients for.
#[derive(Debug, Clone, Default)]
pub struct AskedCertificates {
    /// PEM file of the authorities that sign them; without it only pinned keys count.
    pub authority: Option<PathBuf>,
}

/// One rule saying whose a client certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// The account.
    pub account: String,
    /// What its certificate holds.
    pub name: CertificateName,
}

impl CertificateRule {
    /// Whether it names a key, for which no authority has to vouch.
    pub fn is_pin(&self) -> bool {
        matches!(self.name, CertificateName::Key(_))
    }
}

/// What a certificate is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// SHA-256 of its public key (`SubjectPublicKeyInfo`).
    Key([u8; 32]),
    /// An e-mail address among the subject's alternative names.
    Email(String),
    /// A DNS name among them.
    Dns(String),
    /// The subject, as RFC 4514 writes it.
    Subject(String),
}

/// Proxies in front of a listener.
#[derive(Debug, Clone)]
pub struct Proxies {
    /// Where they connect from; at least one.
    pub networks: Vec<Network>,
    /// Whether TLS that ends at the proxy counts as TLS.
    pub trust_tls: bool,
}

/// How TLS begins on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// STARTTLS, required before MAIL and AUTH (530).
    StartTls,
    /// STARTTLS offered; mail may be sent in clear text, passwords may not (538).
    StartTlsOptional,
    /// TLS from the first byte (RFC 8314 §3.3).
    Implicit,
    /// Clear text only.
    None,
}

/// The versions of TLS that a listener speaks.
#[derive(Debug, Clone, Default)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Current,
    /// 1.3 alone.
    Newest,
    /// Old ones as well, for devices that know no other: by another library, with a certificate that nothing else has.
    Old {
        /// The oldest one.
        least: OldVersion,
        /// The certificate.
        files: TlsFiles,
    },
}

impl TlsVersions {
    /// The certificate that nothing else has.
    pub fn own_files(&self) -> Option<&TlsFiles> {
        match self {
            Self::Old { files, .. } => Some(files),
            Self::Current | Self::Newest => None,
        }
    }
}

/// A version of TLS that nobody should use any more (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldVersion {
    /// TLS 1.0.
    V1_0,
    /// TLS 1.1.
    V1_1,
}

/// Who is served on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerProfile {
    /// Modern clients.
    Submission,
    /// Old devices on a trusted network: passwords and CRAM-MD5 in clear text, for legacy credentials only.
    Legacy,
}

/// Where the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the leaf first, then the intermediates.
    pub certificate: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
}

/// A token issuer of our own, to develop against. The server takes its tokens.
#[derive(Debug, Clone)]
pub struct DevIssuer {
    /// The account that tokens are for.
    pub account: String,
    /// Other machines can reach the server: tokens are for those who know the token of the API.
    pub guarded: bool,
}

/// What is kept for accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// The hashes to keep SCRAM keys for; SHA-256 whether or not it is listed.
    pub scram: Vec<Hash>,
    /// The realms to keep DIGEST-MD5 hashes for, those of legacy credentials.
    pub digest_realms: Vec<String>,
    /// How long a client may use the nonce of a DIGEST-MD5 exchange again; never when absent.
    pub digest_nonce_time: Option<Duration>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            scram: Hash::ALL.to_vec(),
            digest_realms: Vec::new(),
            digest_nonce_time: None,
        }
    }
}

/// How tickets are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kerberos {
    /// The file with our keys.
    pub keytab: PathBuf,
    /// The only principal of ours to accept tickets for, with or without its realm; absent: whatever `smtp/…` the keytab holds.
    pub principal: Option<String>,
    /// Whose tickets are accepted; empty: those of our key's realm.
    pub realms: Vec<KerberosRealm>,
}

/// A trusted realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KerberosRealm {
    /// Its name, exactly.
    pub name: String,
    /// The domain of its users' accounts; absent: the accounts are the bare names.
    pub domain: Option<String>,
}

/// An issuer of access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIssuer {
    /// Its identifier, compared octet by octet with `iss`.
    pub issuer: String,
    /// The same as a place to ask.
    pub place: Endpoint,
    /// One of these must be an audience of the token; at least one.
    pub audience: Vec<String>,
    /// All of these must be in its scope.
    pub scope: Vec<String>,
    /// The claim that names the account.
    pub account_claim: String,
    /// How far its clock may be from ours, at most [`MAX_CLOCK_SKEW`].
    pub clock_skew: Duration,
    /// Where its public keys are.
    pub keys: KeySource,
    /// How it is asked about tokens that are no JWT; not at all when absent.
    pub introspection: Option<Introspection>,
    /// PEM file with the private CA that signed its certificate; the system's roots otherwise.
    pub ca: Option<PathBuf>,
}

/// The most that clocks may differ (T-20). It is also the default.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Where an issuer's public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Where its metadata say.
    Discovered,
    /// At this place.
    Url(Endpoint),
    /// In this file.
    File(PathBuf),
}

/// How an issuer is asked about a token (RFC 7662).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspection {
    /// Where; as its metadata say when absent.
    pub endpoint: Option<Endpoint>,
    /// The name it knows us by.
    pub client_id: String,
    /// File that holds our secret there.
    pub client_secret_file: PathBuf,
}

/// One rule saying where mail goes.
#[derive(Debug, Clone)]
pub struct Route {
    /// The conditions, all of which must hold.
    pub matches: RouteMatch,
    /// What to do then.
    pub action: RouteAction,
}

/// Conditions of a route; an absent one always holds.
#[derive(Debug, Clone, Default)]
pub struct RouteMatch {
    /// The account the session acts for.
    pub account: Option<Pattern>,
    /// The credential that was proven.
    pub credential: Option<Pattern>,
    /// The reverse-path, as `local@domain`; empty for the null reverse-path.
    pub sender: Option<Pattern>,
    /// The domain of the recipient.
    pub recipient_domain: Option<Pattern>,
}

/// What a route does with mail.
#[derive(Debug, Clone)]
pub enum RouteAction {
    /// Hand it to a fixed next hop.
    Smarthost(Smarthost),
    /// Queue it until someone releases it.
    Hold,
    /// Keep it, show it, never send it.
    Capture,
}

/// A fixed next hop.
#[derive(Debug, Clone)]
pub struct Smarthost {
    /// Hosts in fail-over order, at least one.
    pub hosts: Vec<HostPort>,
    /// TLS towards it.
    pub tls: RouteTls,
    /// PEM file with the private CA that signed its certificate; the system's roots otherwise.
    pub ca: Option<PathBuf>,
    /// How to authenticate; not at all when absent.
    pub auth: Option<RouteAuth>,
    /// Whether MAIL may say who submitted the message (`AUTH=`, RFC 4954 §5).
    pub send_auth_param: bool,
}

/// A host name or address literal, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Host name, or IP address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// TLS towards a next hop. The certificate is verified whenever there is TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteTls {
    /// STARTTLS, required.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// Clear text.
    None,
}

/// How to authenticate to a next hop.
#[derive(Debug, Clone)]
pub struct RouteAuth {
    /// The only mechanism to use; the strongest one offered when absent.
    pub mechanism: Option<&'static Mechanism>,
    /// Authentication identity. With a ticket or a certificate, which name one themselves, whom to act as, or empty.
    pub user: String,
    /// What proves it.
    pub secret: SecretFile,
    /// What else to insist on.
    pub terms: Box<AuthTerms>,
    /// A certificate that is shown in TLS beside another secret.
    pub certificate: Option<CertificateFiles>,
}

impl RouteAuth {
    /// The certificate to show in TLS, if there is one.
    pub fn shown(&self) -> Option<&CertificateFiles> {
        match &self.secret {
            SecretFile::Certificate(files) => Some(files),
            _ => self.certificate.as_ref(),
        }
    }
}

/// A certificate and its private key, in PEM form; both may stand in one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The certificate, and those of authorities in between.
    pub certificate: PathBuf,
    /// The key, without a passphrase.
    pub key: PathBuf,
}

/// What a client can insist on in an authentication, where there is a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AuthTerms {
    /// The realm, for DIGEST-MD5; when absent the domain of the user name if it is offered, else the first one.
    pub realm: Option<String>,
    /// The security layer; when absent the strongest one offered in clear text, and none inside TLS.
    pub layer: Option<LayerStrength>,
}

impl AuthTerms {
    /// Which security layers to agree on.
    pub fn layers(&self) -> LayerPolicy {
        self.layer.map_or(LayerPolicy::ANY, LayerPolicy::exactly)
    }
}

/// A file that holds one secret and nothing else; one trailing line end is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretFile {
    /// A password.
    Password(PathBuf),
    /// An OAuth access token, which something else replaces before it expires.
    Token(PathBuf),
    /// A Kerberos credential cache, which something else keeps fresh.
    Ticket(PathBuf),
    /// The certificate itself, by its private key.
    Certificate(CertificateFiles),
}

impl SecretFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Password(path) | Self::Token(path) | Self::Ticket(path) => path,
            Self::Certificate(files) => &files.key,
        }
    }

    /// The option that names it.
    pub fn option(&self) -> &'static str {
        match self {
            Self::Password(_) => "route.auth.password_file",
            Self::Token(_) => "route.auth.token_file",
            Self::Ticket(_) => "route.auth.ticket_cache",
            Self::Certificate(_) => "route.auth.key",
        }
    }

    /// Whether the mechanism can do with it.
    pub fn fits(&self, mechanism: &Mechanism) -> bool {
        match self {
            Self::Password(_) => mechanism.proves_password(),
            Self::Token(_) => mechanism.needs == Needs::Token,
            Self::Ticket(_) => mechanism.needs == Needs::PassThrough,
            Self::Certificate(_) => mechanism.needs == Needs::Certificate,
        }
    }
}

/// What is completed in submitted messages (RFC 6409 §8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubmissionRules {
    /// The domain of addresses that have none, or one of a single label. They are not completed when absent.
    pub complete_domain: Option<String>,
    /// What happens to a message without `From`; absent: [`MissingFrom::Add`] on legacy listeners, [`MissingFrom::Refuse`] on others.
    pub missing_from: Option<MissingFrom>,
    /// Name the first address of the account in `Sender` where `From` is another of its addresses.
    pub add_sender: bool,
}

impl SubmissionRules {
    /// What happens to a message without `From` on a listener of this profile.
    pub fn missing_from(&self, profile: ListenerProfile) -> MissingFrom {
        self.missing_from.unwrap_or(match profile {
            ListenerProfile::Submission => MissingFrom::Refuse,
            ListenerProfile::Legacy => MissingFrom::Add,
        })
    }
}

/// What happens to a message without `From`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFrom {
    /// It is refused (SUBM-09).
    Refuse,
    /// It gets one from the account: devices send `Subject` and text, and nothing else.
    Add,
}

/// Bounds of what peers may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sessions at the same time, over all listeners.
    pub connections: usize,
    /// Sessions at the same time from one address. Loopback peers are exempt: they are local programs, often a whole web mail.
    pub connections_per_address: usize,
    /// Sessions at the same time from one IPv4 /24 or IPv6 /64; loopback exempt.
    pub connections_per_network: usize,
    /// TLS handshakes from one address that may fail within ten minutes; loopback and known peers exempt.
    pub failed_handshakes: usize,
    /// Octets of one message.
    pub message_size: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// Time a peer may leave a session without a command (RFC 5321 §4.5.3.2.7: at least five minutes).
    pub command_timeout: Duration,
    /// Time a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Time sessions and delivery attempts get to finish when the process drains.
    pub drain_timeout: Duration,
}

/// When a failed delivery is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Delay before the first retry; each further one doubles it.
    pub first: Duration,
    /// The longest delay.
    pub longest: Duration,
    /// Age at which a sender is told, once, that it takes long. RFC 3461 leaves it to us; people ask after half a day's work.
    pub warn_after: Duration,
    /// Age at which a message is returned to its sender.
    pub give_up: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 200,
            connections_per_network: 2_000,
            failed_handshakes: 300,
            message_size: 64 << 20,
            recipients: 1_000,
            command_timeout: Duration::from_secs(5 * 60),
            handshake_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(60),
            longest: Duration::from_secs(60 * 60),
            warn_after: Duration::from_secs(4 * 60 * 60),
            give_up: Duration::from_secs(5 * 24 * 60 * 60),
        }
    }
}
