//! What can go wrong, sorted by whose fault it is.

use std::io;

use gatepost_smtp::Reply;
use gatepost_smtp::client::{ChannelFault, ClientFailure, CredentialFault, ProtocolFault, Stage};

/// Why something the client was asked to do did not happen. Whatever a server said appears escaped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller gave something that cannot be used; nothing was sent.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no connection, or it is not protected as it must be.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Authentication did not succeed.
    #[error("{0}")]
    Credential(CredentialFault),
    /// The server does not take it: [`Refused`](ClientFailure::Refused), [`Unsupported`](ClientFailure::Unsupported) or
    /// [`Protocol`](ClientFailure::Protocol).
    #[error("{0}")]
    Server(ClientFailure),
    /// The server did not answer in time; the connection is closed.
    #[error("the server did not answer in time at {0}")]
    Timeout(Stage),
    /// Reading the content failed. The server has not got the message: the connection was cut before its end.
    #[error("the content of the message cannot be read: {0}")]
    Content(#[source] io::Error),
}

/// What the caller gave that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Neither a host name nor an IP address.
    #[error("`{}` is neither a host name nor an address", .0.escape_default())]
    Host(String),
    /// Not a name that can be given with EHLO.
    #[error("the EHLO name cannot be used: {0}")]
    HelloName(#[from] gatepost_smtp::client::HelloNameFault),
    /// The trusted certificates cannot be read.
    #[error("no trusted certificates in {place}: {why}")]
    Roots {
        /// The file, or the system's store.
        place: String,
        /// Why not.
        why: String,
    },
    /// A command was given to a client that is still in the middle of another, whose future was dropped.
    #[error("the connection was left in the middle of a command")]
    OutOfOrder,
}

/// What is wrong with the connection.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The host name does not resolve, or nobody accepts there.
    #[error("cannot connect to {host}:{port}: {source}")]
    Connect {
        /// As given.
        host: String,
        /// As given.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// The TLS handshake failed, or the certificate is not good for the name.
    #[error("TLS with {host} failed: {source}")]
    Tls {
        /// The name that had to be proven.
        host: String,
        /// What the TLS library says.
        source: io::Error,
    },
    /// The port was expected to speak TLS from the first octet and speaks in clear.
    #[error("{host} speaks in clear here: this port expects STARTTLS, not implicit TLS")]
    SpeaksClear {
        /// As given.
        host: String,
    },
    /// The session's own finding.
    #[error("{0}")]
    Session(ChannelFault),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Randomness(String),
}

impl Error {
    /// The server's own words, where it spoke.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Server(failure) => failure.reply(),
            Self::Credential(fault) => fault.reply(),
            _ => None,
        }
    }

    /// The server announced CHUNKING and did not know BDAT.
    pub(crate) fn is_chunking_unknown(&self) -> bool {
        matches!(
            self,
            Self::Server(ClientFailure::Protocol {
                fault: ProtocolFault::ChunkingUnknown(_),
                ..
            })
        )
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Server(failure) => failure.is_transient(),
            Self::Credential(fault) => fault.is_transient(),
            Self::Channel(error) => error.is_transient(),
            Self::Timeout(_) | Self::Content(_) => true,
            Self::Address(_) => false,
        }
    }
}

impl ChannelError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Randomness(_) => true,
            Self::Session(fault) => fault.is_transient(),
            Self::Tls { .. } | Self::SpeaksClear { .. } => false,
        }
    }
}

impl From<ClientFailure> for Error {
    fn from(failure: ClientFailure) -> Self {
        match failure {
            ClientFailure::Channel(fault) => ChannelError::Session(fault).into(),
            ClientFailure::Credential(fault) => Self::Credential(fault),
            ClientFailure::Timeout(stage) => Self::Timeout(stage),
            ClientFailure::OutOfOrder => AddressError::OutOfOrder.into(),
            failure @ (ClientFailure::Unsupported(_)
            | ClientFailure::Refused { .. }
            | ClientFailure::Protocol { .. }) => Self::Server(failure),
        }
    }
}
