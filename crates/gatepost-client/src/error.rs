//! What can go wrong, sorted by whose fault it is.

use std::error::Error as StdError;
use std::{fmt, io};

use gatepost_sasl::{Mechanism, Needs};
use gatepost_smtp::Reply;
use gatepost_smtp::client::{
    ChannelFault, ClientFailure, CredentialFault, Lack, ProtocolFault, Stage,
};

use crate::certificate::CertificateFault;

/// Why something the client was asked to do did not happen. The variant says whose fault it is.
///
/// `{}` says what happened, on one line; `{:#}` adds what to do next. Whatever a server said appears escaped and cut to a length a line
/// can bear: it may go to a log or a terminal.
#[derive(Debug)]
pub enum Error {
    /// The caller gave something that cannot be used; nothing was sent.
    Address(AddressError),
    /// There is no connection, or it is not protected as it must be.
    Channel(ChannelError),
    /// Authentication did not succeed.
    Credential(CredentialFault),
    /// The server is not to be trusted with the password now, by what is remembered of it ([`MechanismPins`](crate::MechanismPins)).
    /// Nothing was sent.
    Downgrade(Downgrade),
    /// The server does not take it: [`Refused`](ClientFailure::Refused), [`Unsupported`](ClientFailure::Unsupported) or
    /// [`Protocol`](ClientFailure::Protocol).
    Server(ClientFailure),
    /// The server did not answer in time; the connection is closed.
    Timeout(Stage),
    /// Reading the content failed. The server has not got the message: the connection was cut before its end.
    Content(io::Error),
}

/// Why what is remembered of a server keeps the password back.
#[derive(Debug, thiserror::Error)]
pub enum Downgrade {
    /// It offers less than what it let us in by before: it was changed, or somebody stands between.
    #[error(
        "the server let us in by {} before and offers nothing as strong now: {}",
        before.map_or("a stronger mechanism", |it| it.name),
        offered.join(" ").escape_default()
    )]
    Weaker {
        /// What it let us in by.
        before: Option<&'static Mechanism>,
        /// What it offers now.
        offered: Vec<String>,
        /// What to do if it was changed on purpose.
        how_to_lift: String,
    },
    /// What is remembered cannot be read.
    #[error("what is remembered of the server cannot be read: {0}")]
    Unknown(String),
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
    /// A user name or password holds a line end or a NUL, which no mechanism can carry. It is not shown.
    #[error("the {0} holds a line end or a NUL")]
    Credentials(&'static str),
    /// The trusted certificates cannot be read.
    #[error("no trusted certificates in {place}: {why}")]
    Roots {
        /// The file, or the system's store.
        place: String,
        /// Why not.
        why: String,
    },
    /// Our own certificate cannot be shown.
    #[error("{place}: {fault}")]
    Certificate {
        /// The file, or what the caller called it.
        place: String,
        /// Why not.
        fault: CertificateFault,
    },
    /// A command was given to a client that is still in the middle of another, whose future was dropped.
    #[error("the connection was left in the middle of a command")]
    OutOfOrder,
    /// The [`blocking`](crate::blocking) client was called inside an asynchronous runtime, which it would bring to a halt.
    #[error("the blocking client cannot be used inside an asynchronous runtime")]
    InsideRuntime,
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
    /// The server does not take our certificate, or wants one.
    #[error(
        "{host} {}: {source}",
        if *given { "does not take our certificate" } else { "wants a certificate from us" }
    )]
    Certificate {
        /// As given.
        host: String,
        /// The connector has a certificate.
        given: bool,
        /// What the server said.
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
    /// The system gives no random numbers, or no means to wait for a socket.
    #[error("the system gives no {what}: {why}")]
    System {
        /// What is missing.
        what: &'static str,
        /// Why.
        why: String,
    },
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

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Server(failure) => failure.is_transient(),
            Self::Credential(fault) => fault.is_transient(),
            Self::Channel(error) => error.is_transient(),
            Self::Timeout(_) | Self::Content(_) => true,
            Self::Address(_) | Self::Downgrade(_) => false,
        }
    }

    /// What to do about it, where something can be done. A phrase without a capital or a full stop.
    pub fn next_step(&self) -> Option<&str> {
        match self {
            Self::Address(error) => Some(error.next_step()),
            Self::Channel(error) => error.next_step(),
            Self::Downgrade(error) => Some(error.next_step()),
            Self::Credential(fault) => Some(step_after_credential(fault)),
            Self::Server(failure) => step_after_server(failure),
            Self::Timeout(Stage::EndOfData) => Some(
                "the server may have taken the message all the same: sending it again may make a duplicate",
            ),
            Self::Timeout(_) => {
                Some("try again later, or check that nothing on the way swallows data")
            }
            Self::Content(_) => Some("make the content readable and send it on a new connection"),
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
}

impl AddressError {
    fn next_step(&self) -> &'static str {
        match self {
            Self::Host(_) => {
                "give a host name such as smtp.example.com, without a port and without brackets"
            }
            Self::HelloName(_) => {
                "give this host's name, or none: then the address of the connection is used"
            }
            Self::Credentials(_) => {
                "remove it; a password read from a file has the file's line end with it"
            }
            Self::Roots { .. } => {
                "give a PEM file with the certificate of the authority that signed the server's"
            }
            Self::Certificate { fault, .. } => fault.next_step(),
            Self::OutOfOrder => "connect anew",
            Self::InsideRuntime => "use the asynchronous client there",
        }
    }
}

impl Downgrade {
    fn next_step(&self) -> &str {
        match self {
            Self::Weaker { how_to_lift, .. } => how_to_lift,
            Self::Unknown(_) => "make it readable",
        }
    }
}

impl ChannelError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::System { .. } => true,
            Self::Session(fault) => fault.is_transient(),
            Self::Tls { .. } | Self::Certificate { .. } | Self::SpeaksClear { .. } => false,
        }
    }

    fn next_step(&self) -> Option<&'static str> {
        Some(match self {
            Self::Connect { .. } => "check host and port, and whether a firewall stands between",
            Self::Tls { .. } => {
                "the name must be the one in the server's certificate; for a private authority give its certificate with Connector::roots"
            }
            Self::Certificate { given: true, .. } => {
                "have it signed by an authority of the server's, or made known there; it must be for clients, and not have ended"
            }
            Self::Certificate { given: false, .. } => "give one with Connector::certificate",
            Self::SpeaksClear { .. } => "use TlsMode::StartTls",
            Self::Session(ChannelFault::SpeaksTls | ChannelFault::Closed(Stage::Greeting)) => {
                "use TlsMode::Implicit"
            }
            Self::Session(ChannelFault::StartTlsNotOffered) => {
                "use the port for TLS from the first octet (465), or TlsMode::None on a wire that you trust"
            }
            Self::Session(ChannelFault::Closed(Stage::EndOfData)) => {
                "the server may have taken the message all the same: sending it again may make a duplicate"
            }
            Self::Session(ChannelFault::Closed(_)) => "try again later",
            Self::Session(ChannelFault::InjectedReplies | ChannelFault::Layer(_)) => {
                "look for what stands between here and the server"
            }
            Self::System { .. } => return None,
        })
    }
}

fn step_after_credential(fault: &CredentialFault) -> &'static str {
    match fault {
        CredentialFault::NotOffered => {
            "this port may take mail without authentication, or AUTH is on another port (587, 465)"
        }
        CredentialFault::NoUsableMechanism {
            for_lack_of_tls: true,
            ..
        } => "protect the connection with TlsMode::StartTls or TlsMode::Implicit",
        CredentialFault::NoUsableMechanism { .. } => {
            "choose MechanismChoice::Strongest, or have the server offer a mechanism for passwords"
        }
        CredentialFault::CertificateUnused { shown: true, .. } => {
            "have the certificate made known to the server as that of an account; it must be for clients, and not have ended"
        }
        CredentialFault::CertificateUnused { shown: false, .. } => {
            "give one with Connector::certificate, and have the server ask for it in TLS"
        }
        CredentialFault::TooWeak { .. } => {
            "find out who removed the stronger mechanisms before you send the password by a weaker one"
        }
        CredentialFault::Refused { reply, .. } if reply.code.is_transient() => {
            "keep the credential and try again later"
        }
        CredentialFault::Refused { mechanism, .. } if mechanism.requires_tls() => {
            "get a new access token: it may have expired, or be for another server or scope"
        }
        CredentialFault::Refused { mechanism, .. } if mechanism.needs == Needs::Certificate => {
            "have the certificate made known to the server as that of an account, which may act as whom is asked for"
        }
        CredentialFault::Refused { .. } => {
            "check user name and password; some providers want a password made for this program"
        }
        CredentialFault::Exchange { .. } => {
            "do not send this server the password by another mechanism before you know who it is"
        }
    }
}

fn step_after_server(failure: &ClientFailure) -> Option<&'static str> {
    Some(match failure {
        ClientFailure::Unsupported(Lack::EightBitMime | Lack::BinaryMime) => {
            "encode the message as quoted-printable or base64"
        }
        ClientFailure::Unsupported(Lack::SmtpUtf8) => {
            "write header fields as RFC 2047 words and use ASCII addresses, or use another server"
        }
        ClientFailure::Unsupported(Lack::Size { .. }) => "send less, or use another server",
        ClientFailure::Refused { reply, .. } if reply.code.is_transient() => "try again later",
        ClientFailure::Refused {
            stage: Stage::Mail, ..
        } => "authenticate first, and send as an address that this user may use",
        ClientFailure::Protocol { .. } => {
            "look at the dialogue with Connector::watch; this may be no mail server"
        }
        _ => return None,
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Channel(error) => error.fmt(f),
            Self::Credential(fault) => fault.fmt(f),
            Self::Downgrade(error) => error.fmt(f),
            Self::Server(failure) => failure.fmt(f),
            Self::Timeout(stage) => write!(f, "the server did not answer in time at {stage}"),
            Self::Content(error) => {
                write!(f, "the content of the message cannot be read: {error}")
            }
        }?;
        match self.next_step() {
            Some(step) if f.alternate() => write!(f, "; {step}"),
            _ => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Address(error) => error.source(),
            Self::Channel(error) => error.source(),
            Self::Content(error) => Some(error),
            Self::Credential(_) | Self::Downgrade(_) | Self::Server(_) | Self::Timeout(_) => None,
        }
    }
}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

impl From<Downgrade> for Error {
    fn from(error: Downgrade) -> Self {
        Self::Downgrade(error)
    }
}

impl From<ChannelError> for Error {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_form_says_what_to_do() {
        let error = Error::from(ChannelError::SpeaksClear {
            host: "smtp.example.com".to_owned(),
        });
        let short =
            "smtp.example.com speaks in clear here: this port expects STARTTLS, not implicit TLS";
        assert_eq!(error.to_string(), short);
        assert_eq!(
            format!("{error:#}"),
            format!("{short}; use TlsMode::StartTls")
        );
    }
}
