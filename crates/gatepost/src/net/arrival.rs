//! What comes before a session: the proxy's header, where a proxy is in front, and the handshake, where TLS comes first.
//!
//! ```text
//! accepted ── header (PRX-01) ──> client known, admitted ── handshake (implicit TLS) ──> Arrived
//! ```
//!
//! Each step has its time. A proxy that breaks the header's rules is cut off without a word; everything else is told where the peer
//! can read it, and reported.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_smtp::reply::Refusal;
use gatepost_smtp::server::ServerSession;
use gatepost_smtp::short_id::SessionId;
use gatepost_smtp::tls_facts::TlsFacts;
use rustls::pki_types::UnixTime;
use tokio::time::timeout;

use super::admission::{self, Client};
use super::limits::Permit;
use super::proxy::{Header, ProxiedTls};
use super::service::ListenerContext;
use super::session_id;
use super::tls::{Presented, Tls};
use super::wire::Wire;
use crate::auth::certificate::ClientCertificate;
use crate::config::resolved::TlsMode;
use crate::observe::event::{ClientCertificateSeen, ConnectionRefused, TlsFailed};
use crate::observe::reason::Reason;

/// How long a proxy may take to send its header. It sends it at once; the specification asks for three seconds at least, so that one
/// lost packet may be sent again.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that may have its session.
pub(super) struct Arrived {
    pub(super) client: Client,
    pub(super) session: SessionId,
    /// TLS that is in force.
    pub(super) tls: Option<TlsFacts>,
    /// The client's certificate, if it has an owner.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    /// TLS that ended at the proxy.
    pub(super) proxied_tls: Option<ProxiedTls>,
}

/// Takes a connection up to its session. Without one, it has been reported why, and what is left is to close.
pub(super) async fn receive(
    wire: &mut Wire,
    peer: SocketAddr,
    context: &ListenerContext,
    permit: &mut Permit,
) -> Option<Arrived> {
    let mut arrived = Arrived {
        client: Client::direct(peer),
        session: session_id::draw(),
        tls: None,
        certificate: None,
        proxied_tls: None,
    };
    if let Some(proxies) = &context.proxy {
        let header = header(wire, peer, context).await?;
        if let Some(addresses) = header.addresses {
            arrived.client = Client {
                address: addresses.source,
                proxy: Some(peer.ip()),
            };
        }
        let client = arrived.client;
        if let Err(refused) = admission::of_client(context, permit, client.address.ip()) {
            if let Some(line) = refused.report(context, client) {
                let _ = timeout(context.limits.command_timeout, wire.write(&line)).await;
            }
            return None;
        }
        if proxies.trust_tls {
            arrived.tls = believed(&header);
        }
        arrived.proxied_tls = header.tls;
    }
    if context.tls == TlsMode::Implicit {
        let shaken = handshake(wire, arrived.client, context, arrived.session, Vec::new()).await;
        let Shaken { tls, certificate } = shaken.ok()?;
        arrived.tls = Some(tls);
        arrived.certificate = certificate;
    }
    Some(arrived)
}

async fn header(wire: &mut Wire, proxy: SocketAddr, context: &ListenerContext) -> Option<Header> {
    let detail = match timeout(HEADER_TIMEOUT, wire.proxy_header()).await {
        Ok(Ok(header)) => return Some(header),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no PROXY header in time".to_owned(),
    };
    context.services.observer.emit(ConnectionRefused {
        peer: proxy.ip(),
        proxy: None,
        listener: context.name.clone(),
        reason: Reason::ProxyHeader,
        detail: Some(detail),
        id: None,
    });
    None
}

/// PRX-04: what a trusted proxy says of the client's TLS, in place of TLS of our own. Nothing binds to it (CB-05).
fn believed(header: &Header) -> Option<TlsFacts> {
    let tls = header.tls.clone()?;
    Some(TlsFacts {
        version: tls.version.unwrap_or_else(|| "TLS".to_owned()),
        cipher: tls.cipher.unwrap_or_default(),
        sni: header.authority.clone(),
        alpn: header.alpn.clone(),
        ..TlsFacts::default()
    })
}

impl fmt::Display for ProxiedTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version.as_deref().unwrap_or("TLS"))?;
        for known in [&self.cipher, &self.client_name].into_iter().flatten() {
            write!(f, " {known}")?;
        }
        Ok(())
    }
}

/// What a handshake brought.
pub(super) struct Shaken {
    pub(super) tls: TlsFacts,
    /// The client's certificate, if it has an owner.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
}

/// Takes the server's part of a handshake; a failure is counted, reported, and answered where the peer can read it.
pub(super) async fn handshake(
    wire: &mut Wire,
    client: Client,
    context: &ListenerContext,
    session: SessionId,
    early: Vec<u8>,
) -> Result<Shaken, ()> {
    match try_handshake(wire, context, session, early).await {
        Ok((tls, presented)) => {
            let certificate =
                presented.and_then(|presented| judged(presented, client, context, session));
            Ok(Shaken { tls, certificate })
        }
        Err((reason, detail)) => {
            // Who comes and goes is a health check; who offers what we cannot use or nothing for a minute is not.
            if !matches!(reason, Reason::PeerClosed | Reason::Internal) {
                let connections = &context.connections;
                connections.handshake_failed(client.address.ip());
            }
            context.services.observer.emit(TlsFailed {
                peer: client.address,
                proxy: client.proxy,
                listener: context.name.clone(),
                session: Some(session.to_string()),
                reason,
                detail,
            });
            Err(())
        }
    }
}

/// The certificate, if it is somebody's; the log hears of every one.
fn judged(
    presented: Presented,
    client: Client,
    context: &ListenerContext,
    session: SessionId,
) -> Option<Arc<ClientCertificate>> {
    let mut seen = ClientCertificateSeen {
        peer: client.address.ip(),
        listener: context.name.clone(),
        session: session.to_string(),
        certificate: presented.fingerprint,
        account: None,
        reason: Reason::Ok,
        detail: None,
    };
    let certificate = match presented.standing {
        Ok(certificate) => {
            seen.account = Some(certificate.account.clone());
            Some(certificate)
        }
        Err(detail) => {
            seen.reason = Reason::CertificateUnknown;
            seen.detail = Some(detail);
            None
        }
    };
    context.services.observer.emit(seen);
    certificate
}

type Failure = (Reason, String);

async fn try_handshake(
    wire: &mut Wire,
    context: &ListenerContext,
    session: SessionId,
    early: Vec<u8>,
) -> Result<(TlsFacts, Option<Presented>), Failure> {
    let Some(tls) = &context.acceptor else {
        return Err((
            Reason::Internal,
            "no certificate on this listener".to_owned(),
        ));
    };
    if early.is_empty() && context.tls == TlsMode::Implicit {
        expect_handshake(wire, tls, context, session).await?;
    }
    let limit = context.limits.handshake_timeout;
    match wire.start_tls(tls, early, limit).await {
        Ok((mut facts, chain)) => {
            let judge = context.client_certificates.as_ref();
            let presented = judge.and_then(|it| it.presented(&chain, UnixTime::now()));
            facts.client_certificate = presented.as_ref().map(|it| it.fingerprint.clone());
            Ok((facts, presented))
        }
        Err(error) => {
            let reason = match error.kind() {
                io::ErrorKind::TimedOut => Reason::Timeout,
                _ => Reason::HandshakeFailed,
            };
            Err((reason, error.to_string()))
        }
    }
}

/// TLS-12: whoever speaks first in clear text on this port can at least read why nothing works.
async fn expect_handshake(
    wire: &mut Wire,
    tls: &Tls,
    context: &ListenerContext,
    session: SessionId,
) -> Result<(), Failure> {
    let limit = context.limits.handshake_timeout;
    match timeout(limit, wire.first_octet()).await {
        Ok(Ok(Some(octet))) if tls.begins_with(octet) => Ok(()),
        Ok(Ok(Some(_))) => {
            let refusal = Refusal::ImplicitTlsExpected;
            let line = ServerSession::refuse(refusal, session);
            let _ = timeout(limit, wire.write(&line)).await;
            Err((Reason::ClearTextOnTlsPort, refusal.text().to_owned()))
        }
        Ok(Ok(None)) => Err((Reason::PeerClosed, "closed before the handshake".to_owned())),
        Ok(Err(error)) => Err((Reason::ConnectionFailed, error.to_string())),
        Err(_) => Err((Reason::Timeout, "no handshake in time".to_owned())),
    }
}
