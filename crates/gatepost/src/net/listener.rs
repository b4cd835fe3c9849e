//! Accepts connections on one address.
//!
//! Each connection has to be admitted ([`admission`]); who is not is told so in one line and turned away before it costs anything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::admission::{self, Client};
use super::connection;
use super::service::ListenerContext;
use crate::observe::event::Fault;
use crate::observe::reason::Reason;

/// Connections the system may hold for us while we are busy.
const BACKLOG: u32 = 1024;

/// Pause after the system could not give us a connection: it is short of something, and asking at once would only burn the processor.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound address, and what is served there.
pub struct Listener {
    socket: TcpListener,
    settings: watch::Receiver<Arc<ListenerContext>>,
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
    /// Serves a bound address. Settings may change: they hold for the connections that come after, and without a sender of them nothing
    /// more is accepted.
    pub fn new(socket: TcpListener, settings: watch::Receiver<Arc<ListenerContext>>) -> Self {
        Self { socket, settings }
    }

    /// Accepts until `drain` turns true or the settings end, then waits until the connections have ended. Dropped, it cuts them off.
    pub async fn run(mut self, mut drain: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        while !*drain.borrow() {
            tokio::select! {
                biased;
                // An error means that the sender is gone: there is nobody left to serve for.
                changed = drain.changed() => if changed.is_err() { break },
                changed = self.settings.changed() => if changed.is_err() { break },
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
        let context = Arc::clone(&self.settings.borrow());
        match admission::at_accept(&context, peer.ip()) {
            Ok(permit) => {
                connections.spawn(connection::serve(
                    stream,
                    peer,
                    context,
                    drain.clone(),
                    permit,
                ));
            }
            // One line, if the peer can read it now: nobody waits for it.
            Err(refused) => {
                let line = refused.report(&context, Client::direct(peer));
                let _ = line.map(|line| stream.try_write(&line));
            }
        }
    }

    async fn pause(&self, error: &io::Error) {
        let context = Arc::clone(&self.settings.borrow());
        context.services.observer.emit(Fault {
            part: "listener",
            reason: Reason::LimitReached,
            detail: format!("{}: {error}", context.name),
        });
        sleep(PAUSE).await;
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
