//! Who gets a connection: by network, by proxy, by the bounds on connections.
//!
//! Asked when a connection is accepted, and where a proxy speaks for its clients once more when it has named the client: the proxy is
//! held against the listener's proxies, the client against everything else (PRX-05).

use std::net::{IpAddr, SocketAddr};

use gatepost_smtp::reply::Refusal;
use gatepost_smtp::server::ServerSession;
use gatepost_smtp::short_id::ShortId;

use super::limits::Permit;
use super::service::ListenerContext;
use super::session_id;
use crate::config::resolved::TlsMode;
use crate::observe::event::ConnectionRefused;
use crate::observe::reason::Reason;

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    /// The address that counts: for limits, the guard, networks, the trace field and the log.
    pub(super) address: SocketAddr,
    /// The proxy in between.
    pub(super) proxy: Option<IpAddr>,
}

impl Client {
    /// Without a proxy.
    pub(super) fn direct(address: SocketAddr) -> Self {
        Self {
            address,
            proxy: None,
        }
    }
}

/// Why there is no session.
#[derive(Debug, Clone, Copy)]
pub(super) struct TurnedAway {
    refusal: Refusal,
    reason: Reason,
}

/// What can be said when all that is known is where the connection comes from.
pub(super) fn at_accept(context: &ListenerContext, peer: IpAddr) -> Result<Permit, TurnedAway> {
    let Some(proxies) = &context.proxy else {
        served(context, peer)?;
        return context.connections.admit(peer).map_err(too_many);
    };
    if !proxies.networks.iter().any(|it| it.contains(peer)) {
        return Err(TurnedAway {
            refusal: Refusal::NetworkNotServed,
            reason: Reason::ProxyNotTrusted,
        });
    }
    context.connections.admit_unnamed().map_err(too_many)
}

/// What can be said when a proxy has named the client.
pub(super) fn of_client(
    context: &ListenerContext,
    permit: &mut Permit,
    client: IpAddr,
) -> Result<(), TurnedAway> {
    served(context, client)?;
    permit.name(client).map_err(too_many)
}

fn served(context: &ListenerContext, client: IpAddr) -> Result<(), TurnedAway> {
    let networks = &context.networks;
    if networks.is_empty() || networks.iter().any(|it| it.contains(client)) {
        return Ok(());
    }
    Err(TurnedAway {
        refusal: Refusal::NetworkNotServed,
        reason: Reason::NetworkNotServed,
    })
}

fn too_many(reason: Reason) -> TurnedAway {
    TurnedAway {
        refusal: Refusal::TooManyConnections,
        reason,
    }
}

impl TurnedAway {
    /// Reports it, and gives the line that tells the client, where it can read one.
    pub(super) fn report(self, context: &ListenerContext, client: Client) -> Option<Vec<u8>> {
        let session = session_id::draw();
        let told = context.tls != TlsMode::Implicit;
        context.services.observer.emit(ConnectionRefused {
            peer: client.address.ip(),
            proxy: client.proxy,
            listener: context.name.clone(),
            reason: self.reason,
            detail: None,
            id: told.then(|| ShortId { session, number: 1 }.to_string()),
        });
        told.then(|| ServerSession::refuse(self.refusal, session))
    }
}
