//! What a session reports: each refusal, quirk and end of an exchange exactly once.

use gatepost_sasl::{Identity, Mechanism};

use crate::quirk::Quirk;
use crate::reply::Refusal;
use crate::short_id::ShortId;

/// A fact for log, metrics and audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// An exchange that [`Answer::Begin`](super::Answer::Begin) opened has ended.
    AuthEnded {
        /// The mechanism.
        mechanism: &'static Mechanism,
        /// How.
        end: AuthEnd,
        /// The refusal that told the client, with the short id at the end of its text. Not always the
        /// cause: 421 stands in place of one error too many, and closes the session.
        told: Option<(Refusal, ShortId)>,
    },
    /// A refusal was sent, other than one that ended an exchange.
    Refused {
        /// The short id at the end of its text.
        id: ShortId,
        /// The verb it answered; empty if it answered none.
        command: &'static str,
        /// The cause.
        refusal: Refusal,
    },
    /// An oddity was tolerated; reported once per session.
    Quirk(Quirk),
    /// The client sent a password on a clear channel where it was not going to be accepted (CAP-13,
    /// LC-32).
    PasswordExposed {
        /// The mechanism that showed it.
        mechanism: &'static Mechanism,
    },
    /// The transaction that [`Request::Mail`](super::Request::Mail) opened is over without
    /// [`Request::Commit`](super::Request::Commit): drop envelope, grants and draft.
    TransactionReset,
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthEnd {
    /// The client is who it says.
    Won(Identity),
    /// The mechanism or the directory said no.
    Lost(Refusal),
    /// Nobody came to a verdict that counts.
    Aborted(AbortCause),
}

/// Why an exchange ended without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbortCause {
    /// The client sent `*`.
    Cancelled,
    /// The client sent QUIT in place of a response.
    Quit,
    /// The client sent something that is not base64.
    NotBase64,
    /// A line was too long, or ended in LF alone where that is not tolerated.
    LineUnreadable,
    /// There were too many rounds.
    TooManyRounds,
    /// The connection ended.
    Disconnected,
    /// The client was silent too long, or the exchange took too long.
    Timeout,
}
