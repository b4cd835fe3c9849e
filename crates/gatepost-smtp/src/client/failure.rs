//! Why something the client was asked to do did not happen, sorted by whose fault it is.
//!
//! Text of the peer appears only through [`Reply`], and with control characters escaped.

use std::fmt;

use gatepost_sasl::{ClientFault, LayerFault, Mechanism};

use super::reply_decoder::ReplyFault;
use crate::reply::Reply;

/// What the client was doing; says which reply is missing or negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Waiting for the greeting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS and the handshake after it.
    StartTls,
    /// AUTH and its exchange.
    Authentication,
    /// Nothing: between commands.
    Idle,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, before the content.
    Data,
    /// Content is being sent.
    Content,
    /// The final dot was sent. Whether the server took the message is unknown until it replies.
    EndOfData,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Authentication => "AUTH",
            Self::Idle => "a pause",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Content => "the message content",
            Self::EndOfData => "the end of data",
            Self::Reset => "RSET",
            Self::Quit => "QUIT",
        })
    }
}

/// Why a command of the caller failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFailure {
    /// The message needs what the server does not offer; nothing of it was sent.
    Unsupported(Lack),
    /// The connection or its protection is not what it must be. No secret was sent.
    Channel(ChannelFault),
    /// Authentication did not succeed.
    Credential(CredentialFault),
    /// The server said no.
    Refused {
        /// To what.
        stage: Stage,
        /// In these words.
        reply: Reply,
    },
    /// The server broke the protocol; the connection is closed.
    Protocol {
        /// Where.
        stage: Stage,
        /// How.
        fault: ProtocolFault,
    },
    /// The server did not answer in time; the connection is closed.
    Timeout(Stage),
    /// The caller gave a command while another was running, or content when none was wanted.
    OutOfOrder,
}

/// What a server lacks for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The content has octets above 127 and the server does not offer 8BITMIME.
    EightBitMime,
    /// The content may hold any octets and the server does not offer BINARYMIME and CHUNKING.
    BinaryMime,
    /// An address or a header field is not ASCII and the server does not offer SMTPUTF8.
    SmtpUtf8,
    /// The message is larger than the server's announced limit, in octets.
    Size {
        /// What the server takes.
        limit: u64,
    },
}

/// What is wrong with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelFault {
    /// The server closed the connection at this stage.
    Closed(Stage),
    /// TLS is required and the server does not offer STARTTLS.
    StartTlsNotOffered,
    /// Octets followed the go-ahead to STARTTLS in clear: somebody injects replies.
    InjectedReplies,
    /// TLS where a greeting in clear was expected: this port speaks implicit TLS.
    SpeaksTls,
    /// The security layer of the SASL mechanism failed.
    Layer(LayerFault),
}

/// How the server broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolFault {
    /// What came is not a reply, or never ends.
    Reply(ReplyFault),
    /// A reply that cannot stand here.
    Unexpected(Reply),
    /// It announces CHUNKING and does not know BDAT. The message may be sent by DATA on another connection, unless it is binary.
    ChunkingUnknown(Reply),
    /// A reply nobody asked for.
    Unsolicited,
}

/// Why authentication failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialFault {
    /// The server offers no AUTH on this port.
    NotOffered,
    /// None of the mechanisms offered can be used with these credentials on this channel.
    NoUsableMechanism {
        /// What the server offers.
        offered: Vec<String>,
        /// One more would be usable if the channel were protected by TLS.
        for_lack_of_tls: bool,
    },
    /// EXTERNAL, by the certificate shown in TLS, is not possible on this connection.
    CertificateUnused {
        /// The server asked for the certificate and got it: it does not offer EXTERNAL for this one. Otherwise it did not ask, or we
        /// have none.
        shown: bool,
        /// What the server offers.
        offered: Vec<String>,
    },
    /// None of the mechanisms offered is as strong as what was demanded ([`MechanismChoice::AtLeast`](super::MechanismChoice::AtLeast)).
    TooWeak {
        /// What was demanded.
        floor: &'static Mechanism,
        /// What the server offers.
        offered: Vec<String>,
    },
    /// The server refused.
    Refused {
        /// The mechanism of the decisive attempt.
        mechanism: &'static Mechanism,
        /// In these words.
        reply: Reply,
        /// What it said of the reason inside of the exchange, before: the status of an error document, for one.
        told: Option<ClientFault>,
    },
    /// The mechanism gave up.
    Exchange {
        /// Which.
        mechanism: &'static Mechanism,
        /// Why.
        fault: ExchangeFault,
    },
}

/// Why the client cancelled an exchange or does not believe its success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeFault {
    /// The mechanism says why.
    Mechanism(ClientFault),
    /// The server's challenge is not base64 on one line; its text is kept for the user (some servers explain themselves there).
    Challenge(Reply),
    /// More challenges than any mechanism has.
    TooManyRounds,
    /// Under the new security layer the server offers other mechanisms than before: somebody changed the list (RFC 4954 §4).
    ListChanged,
}

impl ClientFailure {
    /// The server's own words, where it spoke.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Refused { reply, .. }
            | Self::Protocol {
                fault: ProtocolFault::Unexpected(reply) | ProtocolFault::ChunkingUnknown(reply),
                ..
            } => Some(reply),
            Self::Credential(fault) => fault.reply(),
            _ => None,
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { reply, .. } => reply.code.is_transient(),
            Self::Credential(fault) => fault.is_transient(),
            Self::Channel(fault) => fault.is_transient(),
            Self::Timeout(_) | Self::Protocol { .. } => true,
            Self::Unsupported(_) | Self::OutOfOrder => false,
        }
    }
}

impl ChannelFault {
    /// See [`ClientFailure::is_transient`].
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Closed(_) | Self::Layer(_))
    }
}

impl CredentialFault {
    /// See [`ClientFailure::reply`].
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Refused { reply, .. }
            | Self::Exchange {
                fault: ExchangeFault::Challenge(reply),
                ..
            } => Some(reply),
            _ => None,
        }
    }

    /// See [`ClientFailure::is_transient`].
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { reply, .. } => reply.code.is_transient(),
            _ => false,
        }
    }
}

impl fmt::Display for ClientFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(lack) => lack.fmt(f),
            Self::Channel(fault) => fault.fmt(f),
            Self::Credential(fault) => fault.fmt(f),
            Self::Refused { stage, reply } => {
                write!(f, "the server refuses {stage}: {}", Printable(reply))
            }
            Self::Protocol { stage, fault } => {
                write!(f, "the server breaks the protocol at {stage}: {fault}")
            }
            Self::Timeout(stage) => write!(f, "the server did not answer in time at {stage}"),
            Self::OutOfOrder => f.write_str("the command does not fit what the session is doing"),
        }
    }
}

impl std::error::Error for ClientFailure {}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EightBitMime => {
                f.write_str("the message has 8-bit content and the server does not offer 8BITMIME")
            }
            Self::BinaryMime => {
                f.write_str("the message has binary content and the server does not offer BINARYMIME")
            }
            Self::SmtpUtf8 => f.write_str(
                "the message has addresses or header fields outside of ASCII and the server does not offer SMTPUTF8",
            ),
            Self::Size { limit } => write!(
                f,
                "the message is larger than the {limit} octets the server takes"
            ),
        }
    }
}

impl fmt::Display for ChannelFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(Stage::Greeting) => {
                f.write_str("the server closed the connection before its greeting; perhaps this port expects TLS from the first octet")
            }
            Self::Closed(stage) => write!(f, "the server closed the connection at {stage}"),
            Self::StartTlsNotOffered => {
                f.write_str("TLS is required and the server does not offer STARTTLS; perhaps somebody on the way removes it")
            }
            Self::InjectedReplies => f.write_str("replies in clear followed the go-ahead to STARTTLS; somebody may be tampering"),
            Self::SpeaksTls => f.write_str("the server speaks TLS from the first octet: this is an implicit TLS port"),
            Self::Layer(fault) => write!(f, "the security layer failed: {fault}"),
        }
    }
}

impl fmt::Display for ProtocolFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(fault) => fault.fmt(f),
            Self::Unexpected(reply) => write!(f, "unexpected reply {}", Printable(reply)),
            Self::ChunkingUnknown(reply) => {
                write!(
                    f,
                    "it announces CHUNKING and does not know BDAT: {}",
                    Printable(reply)
                )
            }
            Self::Unsolicited => f.write_str("a reply that nobody asked for"),
        }
    }
}

impl fmt::Display for CredentialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("the server offers no AUTH on this port"),
            Self::NoUsableMechanism {
                offered,
                for_lack_of_tls,
            } => {
                let names = offered.join(" ");
                write!(
                    f,
                    "none of the mechanisms offered can be used: {}",
                    names.escape_default()
                )?;
                if *for_lack_of_tls {
                    f.write_str(" (a secret is not sent without TLS)")
                } else {
                    Ok(())
                }
            }
            Self::CertificateUnused { shown, offered } => {
                let why = if *shown {
                    "the server got our certificate and does not offer EXTERNAL"
                } else {
                    "no certificate was shown to the server in TLS, which EXTERNAL needs"
                };
                write!(f, "{why}; it offers ")?;
                match offered.join(" ") {
                    none if none.is_empty() => f.write_str("nothing"),
                    names => write!(f, "{}", names.escape_default()),
                }
            }
            Self::TooWeak { floor, offered } => {
                let names = offered.join(" ");
                write!(
                    f,
                    "nothing the server offers is as strong as {floor}: {}",
                    names.escape_default()
                )
            }
            Self::Refused {
                mechanism,
                reply,
                told,
            } => {
                let reply = Printable(reply);
                write!(f, "the server refuses AUTH {mechanism}: {reply}")?;
                match told {
                    Some(fault) => write!(f, " ({fault})"),
                    None => Ok(()),
                }
            }
            Self::Exchange { mechanism, fault } => {
                write!(f, "AUTH {mechanism} was given up: {fault}")
            }
        }
    }
}

impl fmt::Display for ExchangeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mechanism(fault) => fault.fmt(f),
            Self::Challenge(reply) => write!(f, "the server's challenge is not base64: {}", Printable(reply)),
            Self::TooManyRounds => f.write_str("the server goes on asking without end"),
            Self::ListChanged => f.write_str("the server's mechanism list changed under the security layer; somebody may be tampering"),
        }
    }
}

/// A reply with what could steer a terminal or forge a log line escaped, and cut to a length a line can bear.
struct Printable<'a>(&'a Reply);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT: usize = 1000;
        for character in self.0.to_string().chars().take(LIMIT) {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}
