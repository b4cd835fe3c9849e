//! The client for programs without an asynchronous runtime.
//!
//! ```no_run
//! use gatepost_client::{Address, Connector, Credentials, Envelope, MechanismChoice, TlsMode};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let message = b"From: me@example.com\r\nTo: you@example.net\r\nSubject: Hello\r\n\r\nHello!\r\n";
//! let connector = Connector::new("smtp.example.com", 587, TlsMode::StartTls);
//! let mut client = connector.connect_blocking()?;
//! client.authenticate(&Credentials::new("me@example.com", "secret"), MechanismChoice::Strongest)?;
//! let envelope = Envelope::new(Address::parse("me@example.com")?, [Address::parse("you@example.net")?], message);
//! client.send(&envelope, message)?;
//! client.quit();
//! # Ok(())
//! # }
//! ```
//!
//! Each client has a small runtime of its own on the thread that calls it; nothing happens between calls. Inside an asynchronous
//! runtime it would block everything else there: connecting fails with [`AddressError::InsideRuntime`], and calling it there later
//! panics.

use std::fmt;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use gatepost_sasl::Mechanism;
use gatepost_smtp::TlsFacts;
use gatepost_smtp::client::{Capabilities, Envelope, MechanismChoice, SendReport};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::client::Credentials;
use crate::connect::Connector;
use crate::error::{AddressError, ChannelError, Error};

/// A connection to a server, each of whose calls returns when it is done. See [`crate::Client`] for what they do.
pub struct Client {
    client: crate::Client,
    runtime: Runtime,
}

impl Connector {
    /// Like [`connect`](Self::connect), for programs without an asynchronous runtime.
    pub fn connect_blocking(&self) -> Result<Client, Error> {
        if Handle::try_current().is_ok() {
            return Err(AddressError::InsideRuntime.into());
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ChannelError::System {
            what: "means to wait for a socket",
            why: error.to_string(),
        })?;
        let client = runtime.block_on(self.connect())?;
        Ok(Client { client, runtime })
    }
}

impl Client {
    /// Proves who we are. Returns the mechanism that did it.
    pub fn authenticate(
        &mut self,
        credentials: &Credentials,
        choice: MechanismChoice,
    ) -> Result<&'static Mechanism, Error> {
        self.runtime
            .block_on(self.client.authenticate(credentials, choice))
    }

    /// Sends one message, in as many transactions as the server's limits make necessary.
    pub fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<SendReport, Error> {
        self.runtime.block_on(self.client.send(envelope, message))
    }

    /// Sends one message whose content is read as the server takes it, in one transaction.
    pub fn send_from(
        &mut self,
        envelope: &Envelope,
        content: impl Read + Unpin + Send,
    ) -> Result<SendReport, Error> {
        let content = Synchronous(content);
        self.runtime
            .block_on(self.client.send_from(envelope, content))
    }

    /// RSET: shows that the connection is alive and at the beginning.
    pub fn reset(&mut self) -> Result<(), Error> {
        self.runtime.block_on(self.client.reset())
    }

    /// Says good-bye and closes.
    pub fn quit(self) {
        self.runtime.block_on(self.client.quit());
    }

    /// Whether a further message can be sent, as far as is known without asking.
    pub fn is_open(&self) -> bool {
        self.client.is_open()
    }

    /// What the server announced on the channel as it is now.
    pub fn capabilities(&self) -> &Capabilities {
        self.client.capabilities()
    }

    /// The TLS connection underneath, if there is one. Its name has been verified.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.client.tls()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

/// A reader that makes its caller wait: there is nobody else on this runtime.
struct Synchronous<R>(R);

impl<R: Read + Unpin> AsyncRead for Synchronous<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = loop {
            match self.0.read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}
