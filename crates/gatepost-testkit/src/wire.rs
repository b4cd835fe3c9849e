//! Whoever is under test, as the player of a transcript sees it.
//!
//! In memory it is a session with a program or a user around it ([`crate::server`], [`crate::client`]); behind a socket it is a
//! whole program ([`crate::peer`]). Only the former can be looked into.

use std::io;
use std::time::Duration;

use crate::split::{Cuts, Splitter};

/// The far end of a connection.
pub trait Wire {
    /// Sends octets.
    fn send(&mut self, octets: &[u8]) -> io::Result<()>;

    /// What the far end sends next. In memory it is there at once or not at all; behind a socket it is waited for.
    fn receive(&mut self) -> io::Result<Received>;

    /// What has come already.
    fn receive_now(&mut self) -> io::Result<Received>;

    /// Makes the TLS handshake that was agreed on.
    fn start_tls(&mut self) -> io::Result<()>;

    /// Ends our direction.
    fn close(&mut self) -> io::Result<()>;

    /// The inside of the far end, if it can be looked into.
    fn inside(&mut self) -> Option<&mut dyn Inside>;
}

/// What can be seen of a far end in memory.
pub trait Inside {
    /// What has been reported since the last call, each in the words of an `E:` line.
    fn events(&mut self) -> Vec<String>;

    /// The next message that was kept, if there is one more.
    fn message(&mut self) -> Option<Vec<u8>>;

    /// Lets time pass.
    fn wait(&mut self, time: Duration);
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Octets, at least one.
    Octets(Vec<u8>),
    /// Nothing.
    Nothing,
    /// The end: nothing will come any more.
    Closed,
}

/// A wire on which what we send is cut.
pub struct Split<W> {
    wire: W,
    splitter: Splitter,
}

impl<W: Wire> Split<W> {
    /// `wire`, with `cuts`.
    pub fn new(wire: W, cuts: Cuts) -> Self {
        Self {
            wire,
            splitter: Splitter::new(cuts),
        }
    }
}

impl<W: Wire> Wire for Split<W> {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        let pieces = self.splitter.pieces(octets);
        pieces
            .into_iter()
            .try_for_each(|piece| self.wire.send(piece))
    }

    fn receive(&mut self) -> io::Result<Received> {
        self.wire.receive()
    }

    fn receive_now(&mut self) -> io::Result<Received> {
        self.wire.receive_now()
    }

    fn start_tls(&mut self) -> io::Result<()> {
        self.wire.start_tls()
    }

    fn close(&mut self) -> io::Result<()> {
        self.wire.close()
    }

    fn inside(&mut self) -> Option<&mut dyn Inside> {
        self.wire.inside()
    }
}
