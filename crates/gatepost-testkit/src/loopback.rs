//! The two sessions talking to each other in memory, over a wire that cuts as it likes.

use gatepost_smtp::client::ClientInput;
use gatepost_smtp::server::Input;

use crate::client::ClientBench;
use crate::server::ServerBench;
use crate::split::{Cuts, Splitter};
use crate::tls;

/// Turns after which a dialogue is taken to be endless.
const MAX_TURNS: usize = 10_000;

/// A client and a server.
pub struct Loopback {
    /// The server.
    pub server: ServerBench,
    /// The client.
    pub client: ClientBench,
    /// Everything the server has sent.
    pub from_server: Vec<u8>,
    /// Everything the client has sent.
    pub from_client: Vec<u8>,
    to_server: Splitter,
    to_client: Splitter,
}

impl Loopback {
    /// A connection that cuts both directions in the same way.
    pub fn new(server: ServerBench, client: ClientBench, cuts: &Cuts) -> Self {
        Self::with_cuts(server, client, cuts.clone(), cuts.clone())
    }

    /// A connection with the cuts of each direction: to the server, to the client.
    pub fn with_cuts(
        server: ServerBench,
        client: ClientBench,
        to_server: Cuts,
        to_client: Cuts,
    ) -> Self {
        Self {
            server,
            client,
            from_server: Vec::new(),
            from_client: Vec::new(),
            to_server: Splitter::new(to_server),
            to_client: Splitter::new(to_client),
        }
    }

    /// Carries octets, handshakes and ends to and fro until nobody has anything to say. `false` if there is no end of it.
    pub fn run(&mut self) -> bool {
        (0..MAX_TURNS).any(|_| !self.turn())
    }

    /// Whether anything happened.
    fn turn(&mut self) -> bool {
        let to_client = self.server.take_output();
        for piece in self.to_client.pieces(&to_client) {
            self.client.handle(ClientInput::Bytes(piece));
        }
        let to_server = self.client.take_output();
        for piece in self.to_server.pieces(&to_server) {
            self.server.send(piece);
        }
        let handshake = self.server.tls_due && self.client.tls_due;
        if handshake {
            (self.server.tls_due, self.client.tls_due) = (false, false);
            self.server.handle(Input::TlsStarted(tls::facts()));
            self.client
                .handle(ClientInput::TlsStarted(tls::facts_with_certificate()));
        }
        let moved = !to_client.is_empty() || !to_server.is_empty() || handshake;
        self.from_server.extend(to_client);
        self.from_client.extend(to_server);
        moved
    }
}
