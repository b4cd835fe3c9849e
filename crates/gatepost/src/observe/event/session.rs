//! Events of connections, exchanges and messages coming in.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gatepost_smtp::{Refusal, TlsFacts};

use super::{Fields, Level, Record};
use crate::config::network::Network;
use crate::observe::reason::Reason;

/// A connection was turned away before a session began.
#[derive(Debug, Clone)]
pub struct ConnectionRefused {
    /// Who.
    pub peer: IpAddr,
    /// The proxy in between.
    pub proxy: Option<IpAddr>,
    /// Where.
    pub listener: String,
    /// Why.
    pub reason: Reason,
    /// What exactly.
    pub detail: Option<String>,
    /// The id told to the peer, if one was.
    pub id: Option<String>,
}

/// A session ended.
#[derive(Debug, Clone)]
pub struct ConnectionClosed {
    /// Who.
    pub peer: SocketAddr,
    /// Where.
    pub listener: String,
    /// The session.
    pub session: String,
    /// How it ended.
    pub reason: Reason,
    /// The proxy in between.
    pub proxy: Option<IpAddr>,
    /// TLS that was in force.
    pub tls: Option<TlsSeen>,
    /// TLS between client and proxy, as the proxy told it: version, cipher suite, name in the client's certificate.
    pub proxied_tls: Option<String>,
    /// Messages taken in it.
    pub messages: u64,
    /// How long it lasted.
    pub duration: Duration,
}

/// What is told of a TLS connection (TLS-16).
#[derive(Debug, Clone)]
pub struct TlsSeen {
    /// Version: `TLSv1.3`.
    pub version: String,
    /// Cipher suite.
    pub cipher: String,
    /// Key exchange group.
    pub group: Option<String>,
    /// Host name the client asked for.
    pub sni: Option<String>,
    /// Application protocol.
    pub alpn: Option<String>,
    /// Whether keys of an earlier connection were taken up again.
    pub resumed: bool,
    /// SHA-256 of the client's certificate.
    pub client_certificate: Option<String>,
}

/// A TLS handshake failed, or what came was not one.
#[derive(Debug, Clone)]
pub struct TlsFailed {
    /// Who.
    pub peer: SocketAddr,
    /// The proxy in between.
    pub proxy: Option<IpAddr>,
    /// Where.
    pub listener: String,
    /// The session, when it had begun.
    pub session: Option<String>,
    /// What kind of failure.
    pub reason: Reason,
    /// What exactly.
    pub detail: String,
}

/// A client presented a certificate in TLS.
#[derive(Debug, Clone)]
pub struct ClientCertificateSeen {
    /// Who.
    pub peer: IpAddr,
    /// Where.
    pub listener: String,
    /// The session.
    pub session: String,
    /// SHA-256 of the certificate.
    pub certificate: String,
    /// Whose it is.
    pub account: Option<String>,
    /// Whether it counts.
    pub reason: Reason,
    /// Why it counts as none, and what a rule for it could be made of.
    pub detail: Option<String>,
}

/// An authentication exchange ended.
#[derive(Debug, Clone)]
pub struct AuthAttempt {
    /// Who, by address.
    pub peer: IpAddr,
    /// Where.
    pub listener: String,
    /// The session.
    pub session: String,
    /// The id that the refusal's text ends with.
    pub id: Option<String>,
    /// SASL name of the mechanism.
    pub mechanism: &'static str,
    /// Authentication identity as the client gave it, when the exchange came so far.
    pub authcid: Option<String>,
    /// Authorization identity as the client gave it.
    pub authzid: Option<String>,
    /// What a guest said of himself.
    pub trace: Option<String>,
    /// Version of TLS, when there is TLS.
    pub tls: Option<String>,
    /// How it ended.
    pub result: AuthResult,
    /// Why.
    pub reason: Reason,
    /// After success: the account and its credential.
    pub account: Option<String>,
    /// After success: which credential of the account.
    pub credential: Option<String>,
}

/// A bearer token was refused; the exchange that brought it ends as an [`AuthAttempt`] without these details.
#[derive(Debug, Clone)]
pub struct TokenRefused {
    /// The network it came from.
    pub network: Network,
    /// SASL name of the mechanism.
    pub mechanism: &'static str,
    /// Whom the client wanted to act as, as it gave it.
    pub authzid: Option<String>,
    /// What is wrong with it.
    pub reason: Reason,
    /// What exactly.
    pub detail: String,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthResult {
    /// Authenticated.
    Won,
    /// Refused.
    Lost,
    /// Not decided: cancelled, cut off, or we could not tell.
    Aborted,
}

/// A command was refused.
#[derive(Debug, Clone)]
pub struct CommandRefused {
    /// Who.
    pub peer: IpAddr,
    /// Where.
    pub listener: String,
    /// The session.
    pub session: String,
    /// The id that the refusal's text ends with.
    pub id: String,
    /// The verb, or what stood in its place: constant words only.
    pub command: &'static str,
    /// Why.
    pub refusal: Refusal,
    /// The account, when authenticated.
    pub account: Option<String>,
    /// What exactly, without secrets.
    pub detail: Option<String>,
}

/// A tolerated oddity of a client.
#[derive(Debug, Clone)]
pub struct QuirkSeen {
    /// Who.
    pub peer: IpAddr,
    /// Where.
    pub listener: String,
    /// The session.
    pub session: String,
    /// Name of the oddity.
    pub quirk: &'static str,
}

/// A development server got something wrong, as it was asked to.
#[derive(Debug, Clone)]
pub struct FaultInjected {
    /// The session, where that is known.
    pub session: Option<String>,
    /// SASL name of the mechanism.
    pub mechanism: String,
    /// What, as it was asked for.
    pub fault: String,
}

/// A client showed a password in clear text where it was not going to be accepted: whoever listens has it.
#[derive(Debug, Clone)]
pub struct PasswordExposed {
    /// Who.
    pub peer: IpAddr,
    /// Where.
    pub listener: String,
    /// The session.
    pub session: String,
    /// The mechanism that showed it.
    pub mechanism: &'static str,
}

/// A Kerberos ticket proves nothing here; the exchange is refused as with a wrong password.
#[derive(Debug, Clone)]
pub struct TicketRefused {
    /// The network the client is in.
    pub network: Network,
    /// Why, in the words of the Kerberos library, or whose ticket it is.
    pub detail: String,
}

/// A message is on stable storage and acknowledged.
#[derive(Debug, Clone)]
pub struct MessageAccepted {
    /// Who.
    pub peer: IpAddr,
    /// Where.
    pub listener: String,
    /// The session.
    pub session: String,
    /// The queue id, told to the client in the reply.
    pub id: String,
    /// Whom the session acts for.
    pub account: String,
    /// The credential that was proven.
    pub credential: String,
    /// Reverse-path, empty for the null one.
    pub sender: String,
    /// Number of recipients.
    pub recipients: usize,
    /// Octets of content, as received.
    pub size: u64,
    /// What becomes of it: [`Reason::Ok`] goes out, [`Reason::Held`] and [`Reason::Captured`] stay.
    pub reason: Reason,
}

impl AuthResult {
    /// The result as it stands in the log, metrics and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Won => "ok",
            Self::Lost => "failed",
            Self::Aborted => "aborted",
        }
    }
}

impl Record for ConnectionRefused {
    fn name(&self) -> &'static str {
        "connection-refused"
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer);
        to.some_shown("proxy", self.proxy);
        to.text("listener", &self.listener);
        to.some("id", self.id.as_deref());
        to.some("detail", self.detail.as_deref());
    }
}

impl From<&TlsFacts> for TlsSeen {
    fn from(facts: &TlsFacts) -> Self {
        Self {
            version: facts.version.clone(),
            cipher: facts.cipher.clone(),
            group: facts.group.clone(),
            sni: facts.sni.clone(),
            alpn: facts.alpn.clone(),
            resumed: facts.resumed,
            client_certificate: facts.client_certificate.clone(),
        }
    }
}

impl TlsSeen {
    /// The version, of a closed set: a proxy can name any.
    pub(crate) fn known_version(&self) -> &'static str {
        ["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0"]
            .into_iter()
            .find(|known| *known == self.version)
            .unwrap_or("other")
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.text("tls", &self.version);
        // A proxy that ended TLS may not have told it.
        to.some(
            "cipher",
            Some(self.cipher.as_str()).filter(|it| !it.is_empty()),
        );
        to.some("group", self.group.as_deref());
        to.some("sni", self.sni.as_deref());
        to.some("alpn", self.alpn.as_deref());
        to.text("resumed", if self.resumed { "yes" } else { "no" });
        to.some("client_certificate", self.client_certificate.as_deref());
    }
}

impl Record for ConnectionClosed {
    fn name(&self) -> &'static str {
        "connection-closed"
    }

    fn level(&self) -> Level {
        match self.reason {
            // What happened in it has lines of its own.
            Reason::Quit | Reason::PeerClosed => Level::Debug,
            _ => Level::Info,
        }
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer.ip());
        to.number("port", u64::from(self.peer.port()));
        to.some_shown("proxy", self.proxy);
        to.text("listener", &self.listener);
        to.text("session", &self.session);
        if let Some(tls) = &self.tls {
            tls.fields(to);
        }
        to.some("proxied_tls", self.proxied_tls.as_deref());
        to.number("messages", self.messages);
        to.millis("duration_ms", self.duration);
    }
}

impl Record for ClientCertificateSeen {
    fn name(&self) -> &'static str {
        "client-certificate"
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer);
        to.text("listener", &self.listener);
        to.text("session", &self.session);
        to.text("certificate", &self.certificate);
        to.some("account", self.account.as_deref());
        to.some("detail", self.detail.as_deref());
    }
}

impl Record for TlsFailed {
    fn name(&self) -> &'static str {
        "tls-failed"
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer.ip());
        to.number("port", u64::from(self.peer.port()));
        to.some_shown("proxy", self.proxy);
        to.text("listener", &self.listener);
        to.some("session", self.session.as_deref());
        to.text("detail", &self.detail);
    }
}

impl Record for AuthAttempt {
    fn name(&self) -> &'static str {
        "auth"
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer);
        to.text("listener", &self.listener);
        to.text("session", &self.session);
        to.some("id", self.id.as_deref());
        to.text("result", self.result.as_str());
        to.text("mechanism", self.mechanism);
        to.some("authcid", self.authcid.as_deref());
        to.some("authzid", self.authzid.as_deref());
        to.some("trace", self.trace.as_deref());
        to.some("tls", self.tls.as_deref());
        to.some("account", self.account.as_deref());
        to.some("credential", self.credential.as_deref());
    }
}

impl Record for TokenRefused {
    fn name(&self) -> &'static str {
        "token-refused"
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("network", self.network);
        to.text("mechanism", self.mechanism);
        to.some("authzid", self.authzid.as_deref());
        to.text("detail", &self.detail);
    }
}

impl Record for CommandRefused {
    fn name(&self) -> &'static str {
        "refused"
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.refusal.label())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer);
        to.text("listener", &self.listener);
        to.text("session", &self.session);
        to.text("id", &self.id);
        to.text("command", self.command);
        to.number("code", u64::from(self.refusal.code().value()));
        to.some("account", self.account.as_deref());
        to.some("detail", self.detail.as_deref());
    }
}

impl Record for QuirkSeen {
    fn name(&self) -> &'static str {
        "quirk"
    }

    fn level(&self) -> Level {
        Level::Debug
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer);
        to.text("listener", &self.listener);
        to.text("session", &self.session);
        to.text("quirk", self.quirk);
    }
}

impl Record for FaultInjected {
    fn name(&self) -> &'static str {
        "fault-injected"
    }

    fn level(&self) -> Level {
        Level::Warn
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.some("session", self.session.as_deref());
        to.text("mechanism", &self.mechanism);
        to.text("fault", &self.fault);
    }
}

impl Record for PasswordExposed {
    fn name(&self) -> &'static str {
        "password-exposed"
    }

    fn level(&self) -> Level {
        Level::Warn
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer);
        to.text("listener", &self.listener);
        to.text("session", &self.session);
        to.text("mechanism", self.mechanism);
    }
}

impl Record for TicketRefused {
    fn name(&self) -> &'static str {
        "ticket-refused"
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("network", self.network);
        to.text("detail", &self.detail);
    }
}

impl Record for MessageAccepted {
    fn name(&self) -> &'static str {
        "accepted"
    }

    fn reason(&self) -> Option<&'static str> {
        Some(self.reason.as_str())
    }

    fn fields(&self, to: &mut dyn Fields) {
        to.show("peer", self.peer);
        to.text("listener", &self.listener);
        to.text("session", &self.session);
        to.text("id", &self.id);
        to.text("account", &self.account);
        to.text("credential", &self.credential);
        to.text("sender", &self.sender);
        to.number("recipients", self.recipients as u64);
        to.number("size", self.size);
    }
}
