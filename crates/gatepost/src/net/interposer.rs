//! Somebody who stands between a session and its peer, above TLS, and may change what each hears of the other.
//!
//! ```text
//!   peer <=> Wire <=> Interposer <=> ServerSession
//! ```
//!
//! For a server that is to misbehave, so that people can test their clients. A server that serves has none: the seam is a value that
//! no configuration can give, only the command that builds the program.
//!
//! An interposer does nothing by itself. It is told what either side said and gives back what is to be done; the connection does it, in
//! order. What it keeps to itself was never said.

use std::collections::VecDeque;
use std::time::Duration;

use gatepost_smtp::short_id::SessionId;

/// Makes an interposer for each connection.
pub trait Interposers: Send + Sync {
    /// One for the connection that has this session.
    fn begin(&self, session: SessionId) -> Box<dyn Interposer>;
}

/// Between one session and its peer.
pub trait Interposer: Send {
    /// The peer sent these octets. They come as they were read: in pieces of any size.
    fn peer_said(&mut self, octets: &[u8]) -> Relayed;

    /// The session replied: whole replies, until a security layer is in force.
    fn session_said(&mut self, octets: &[u8]) -> Relayed;
}

/// What becomes of what was said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// What the session hears, as if the peer had said it.
    pub to_session: Vec<u8>,
    /// What happens to the peer.
    pub to_peer: Vec<Deed>,
}

/// Something that happens to the peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is sent these octets.
    Tell(Vec<u8>),
    /// Nothing happens for so long.
    Wait(Duration),
    /// The connection ends without a word.
    Close,
}

impl Relayed {
    /// Sends octets to the peer, behind everything that is to happen already.
    pub fn tell(&mut self, octets: &[u8]) {
        match self.to_peer.last_mut() {
            Some(Deed::Tell(before)) => before.extend_from_slice(octets),
            _ => self.to_peer.push(Deed::Tell(octets.to_vec())),
        }
    }
}

/// A connection's interposer, and what it wants done.
pub(super) struct Interposed {
    by: Box<dyn Interposer>,
    to_session: Vec<u8>,
    to_peer: VecDeque<Deed>,
}

impl Interposed {
    pub(super) fn new(by: Box<dyn Interposer>) -> Self {
        Self {
            by,
            to_session: Vec::new(),
            to_peer: VecDeque::new(),
        }
    }

    pub(super) fn peer_said(&mut self, octets: &[u8]) {
        let relayed = self.by.peer_said(octets);
        self.take(relayed);
    }

    pub(super) fn session_said(&mut self, octets: &[u8]) {
        if !octets.is_empty() {
            let relayed = self.by.session_said(octets);
            self.take(relayed);
        }
    }

    /// What is to happen to the peer next.
    pub(super) fn next_deed(&mut self) -> Option<Deed> {
        self.to_peer.pop_front()
    }

    /// What the session has to hear; nothing more is kept for it.
    pub(super) fn for_session(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.to_session)).filter(|octets| !octets.is_empty())
    }

    fn take(&mut self, relayed: Relayed) {
        self.to_session.extend(relayed.to_session);
        self.to_peer.extend(relayed.to_peer);
    }
}
