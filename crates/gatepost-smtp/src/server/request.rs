//! What a session and its driver say to each other.
//!
//! The session asks the program at every point where knowledge or permission is needed; the answer
//! may come at once or minutes later. At most one request is outstanding. Replies stay in order and
//! pipelined input waits meanwhile.
//!
//! An answer that does not fit its request is taken as "temporary failure"; an answer to a
//! cancelled or unknown request is ignored.

use std::fmt;

use gatepost_sasl::{Mechanism, Question, ServerParams};

use crate::params::{MailParams, RcptParams};
use crate::path::{ForwardPath, ReversePath};
use crate::reply::Refusal;
use crate::server::event::SessionEvent;
use crate::tls_facts::TlsFacts;

/// Into the session.
#[derive(Debug)]
pub enum Input<'a> {
    /// Octets from the peer, from inside TLS if there is TLS.
    Bytes(&'a [u8]),
    /// The peer will send no more. What it has sent is still worked off.
    Eof,
    /// The handshake asked for by [`Output::StartTls`] has succeeded.
    TlsStarted(TlsFacts),
    /// The answer to [`Output::Ask`].
    Answer(RequestId, Answer),
    /// Time has passed; needed at the latest at the session's deadline.
    Tick,
    /// The server is going down: end with 421 at the next command boundary.
    Drain,
}

/// Out of the session.
#[derive(Debug)]
pub enum Output {
    /// Answer this by [`Input::Answer`].
    Ask(RequestId, Request),
    /// The answer is not wanted any more. Work may be stopped; an open exchange has been ended by
    /// an event.
    Cancel(RequestId),
    /// Octets of the message, decoded, with CRLF line ends. Append them to the draft before polling
    /// on.
    Body(Vec<u8>),
    /// Something happened: for log, metrics and audit.
    Event(SessionEvent),
    /// Write what is pending, then begin the TLS handshake as server.
    StartTls {
        /// Octets of the handshake that have come already, usually none: TLS reads them before the
        /// socket.
        early: Vec<u8>,
    },
    /// Write what is pending, then close the connection. Nothing comes after this.
    Close,
}

/// Names one request of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u32);

/// What the session asks the program.
#[derive(Debug)]
pub enum Request {
    /// Which mechanisms are offered on this channel? Asked at each EHLO and HELO. →
    /// [`Answer::Offer`]
    Ehlo {
        /// The name the client gave, control characters replaced; `unknown` if it gave none.
        name: String,
        /// EHLO, not HELO.
        esmtp: bool,
    },
    /// An exchange begins: the guard opens its ticket. Exactly one [`SessionEvent::AuthEnded`]
    /// follows an [`Answer::Begin`]. → [`Answer::Begin`] or [`Answer::Refuse`]
    BeginAuth {
        /// The mechanism, one of the offer.
        mechanism: &'static Mechanism,
    },
    /// A mechanism's question. → [`Answer::Sasl`]
    Sasl(Question),
    /// A transaction begins. → [`Answer::Proceed`] or [`Answer::Refuse`]
    Mail {
        /// Where notices go.
        reverse_path: ReversePath,
        /// Parameters of MAIL.
        params: MailParams,
    },
    /// One more recipient. → [`Answer::Proceed`] or [`Answer::Refuse`]
    Rcpt {
        /// The recipient.
        forward_path: ForwardPath,
        /// Parameters of RCPT.
        params: RcptParams,
    },
    /// The message is about to come; 354 has not been sent. Open a draft. → [`Answer::Proceed`] or
    /// [`Answer::Refuse`]
    Content,
    /// The header section is complete. → [`Answer::Proceed`] or [`Answer::Refuse`]
    Headers {
        /// Its lines, each with CRLF, without the empty line behind it.
        headers: Vec<u8>,
        /// Whether an empty line (or a line that is no header field) and with it a body follows.
        /// The octets given by [`Output::Body`] begin behind the empty line.
        has_body: bool,
    },
    /// The message is complete: make it durable. → [`Answer::Committed`] or [`Answer::Refuse`]
    Commit,
}

/// What the program answers.
pub enum Answer {
    /// To [`Request::Ehlo`]: strongest first; empty if nothing is offered on this channel.
    Offer(Vec<&'static Mechanism>),
    /// To [`Request::BeginAuth`].
    Begin(ServerParams),
    /// To [`Request::Sasl`].
    Sasl(gatepost_sasl::Answer),
    /// Yes.
    Proceed,
    /// No, and why.
    Refuse(Refusal),
    /// To [`Request::Commit`]: the message is on stable storage under this name.
    Committed {
        /// The queue's name for the message: printable ASCII.
        id: String,
    },
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offer(mechanisms) => f.debug_tuple("Offer").field(mechanisms).finish(),
            Self::Begin(_) => f.write_str("Begin(..)"),
            Self::Sasl(answer) => f.debug_tuple("Sasl").field(answer).finish(),
            Self::Proceed => f.write_str("Proceed"),
            Self::Refuse(refusal) => f.debug_tuple("Refuse").field(refusal).finish(),
            Self::Committed { id } => f.debug_struct("Committed").field("id", id).finish(),
        }
    }
}
