//! Accepts connections on one address.
//!
//! Each connection needs a permit; who gets none is told so in one line (421) and turned away before it costs anything. Who comes from
//! a network that is not served is turned away likewise.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_smtp::reply::Refusal;
use gatepost_smtp::server::ServerSession;
use gatepost_smtp::short_id::ShortId;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::connection;
use super::limits::ConnectionLimits;
use super::service::ListenerContext;
use super::session_id;
use crate::config::network::Network;
use crate::config::resolved::TlsMode;
use crate::observe::event::{ConnectionRefused, Fault};
use crate::observe::reason::Reason;

/// Connections the system may hold for us while we are busy.
const BACKLOG: u32 = 1024;

/// Pause after the system could not give us a connection: it is short of something, and asking at once would only burn the processor.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound address, and what is served there.
pub struct Listener {
    socket: TcpListener,
    context: Arc<ListenerContext>,
    networks: Vec<Network>,
    limits: ConnectionLimits,
}

/// Binds an address. Fails when another process has it, when it is not ours, or when the port needs more rights.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        let socket = TcpSocket::new_v6()?;
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
        socket
    };
    // A restart must not wait for connections of the former process to be forgotten.
    socket.set_reuseaddr(true)?;
    // Connections inherit it. Replies are written whole, so waiting for more to send only costs time.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Listener {
    /// Serves a bound address.
    pub fn new(
        socket: TcpListener,
        context: Arc<ListenerContext>,
        networks: Vec<Network>,
        limits: ConnectionLimits,
    ) -> Self {
        Self {
            socket,
            context,
            networks,
            limits,
        }
    }

    /// Accepts until `drain` turns true, then waits until the connections have ended. Dropped, it cuts them off.
    pub async fn run(self, mut drain: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        while !*drain.borrow() {
            tokio::select! {
                biased;
                // An error means that the sender is gone: there is nobody left to serve for.
                changed = drain.changed() => if changed.is_err() { break },
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, &drain, &mut connections),
                    Err(error) if is_peers_affair(&error) => {}
                    Err(error) => self.pause(&error).await,
                },
            }
        }
        // From here on, connecting fails at once instead of waiting for an accept that never comes.
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }

    fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        drain: &watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        let address = peer.ip();
        if !self.networks.is_empty() && !self.networks.iter().any(|it| it.contains(address)) {
            let reason = Reason::NetworkNotServed;
            return self.turn_away(&stream, peer, Refusal::NetworkNotServed, reason);
        }
        match self.limits.admit(address) {
            Ok(permit) => {
                let context = Arc::clone(&self.context);
                connections.spawn(connection::serve(
                    stream,
                    peer,
                    context,
                    drain.clone(),
                    permit,
                ));
            }
            Err(reason) => self.turn_away(&stream, peer, Refusal::TooManyConnections, reason),
        }
    }

    async fn pause(&self, error: &io::Error) {
        self.context.services.observer.emit(Fault {
            part: "listener",
            reason: Reason::LimitReached,
            detail: format!("{}: {error}", self.context.name),
        });
        sleep(PAUSE).await;
    }

    /// One line, if the peer can read it now: nobody waits for it.
    fn turn_away(&self, stream: &TcpStream, peer: SocketAddr, refusal: Refusal, reason: Reason) {
        let session = session_id::draw();
        let told = self.context.tls != TlsMode::Implicit;
        if told {
            let _ = stream.try_write(&ServerSession::refuse(refusal, session));
        }
        self.context.services.observer.emit(ConnectionRefused {
            peer: peer.ip(),
            listener: self.context.name.clone(),
            reason,
            id: told.then(|| ShortId { session, number: 1 }.to_string()),
        });
    }
}

/// Errors of one connection, not of the listener (accept(2)).
fn is_peers_affair(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
    )
}
