//! What the end of an attempt means (pure).
//!
//! Three kinds of trouble are told apart. A reply about *one recipient* decides about that recipient. A reply about *the
//! message* decides about all its recipients. Trouble with *the lane* (no connection, no TLS we can trust, our credential
//! refused) says nothing about the message: it never returns one to its sender.
//!
//! The code decides, the text is data (T-48): 4yz is transient, 5yz permanent, a 421 anywhere transient (CLI-04).

use std::io;

use gatepost_client::{
    AddressError, ChannelError, ChannelFault, ClientFailure, CredentialFault, Error, Lack, Reply,
    ReplyCode, Stage,
};

use super::lane::{FaultKind, LaneFault};
use crate::message::dsn::Diagnostic;
use crate::observe::reason::Reason;

/// What became of a recipient in one attempt.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for log and metrics.
    pub reason: Reason,
    /// Status code for a notice, such as `5.1.1` (RFC 3463).
    pub status: String,
    /// What was said.
    pub diagnostic: Diagnostic,
}

/// The verdict about a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next hop is responsible now.
    Delivered,
    /// Try again.
    Transient,
    /// Return to the sender.
    Permanent,
    /// Wait for a person.
    Stopped,
    /// Try again when the lane is repaired, however long that takes.
    LaneBroken,
}

/// What a failure of a whole attempt is about.
#[derive(Debug, Clone)]
pub enum Blame {
    /// The message: every recipient tried has this outcome.
    Message(Outcome),
    /// The lane.
    Lane(LaneFault),
}

impl Outcome {
    /// The outcome of a recipient that the next hop took or refused.
    pub fn of_recipient(answer: &Result<Reply, Reply>) -> Self {
        match answer {
            Ok(reply) => Self::said(Verdict::Delivered, Reason::Delivered, reply),
            Err(reply) if reply.code.is_permanent() => {
                Self::said(Verdict::Permanent, Reason::PermanentReply, reply)
            }
            // A refusal that is neither 4yz nor 5yz breaks the protocol; it is no ground to return the message.
            Err(reply) => Self::said(Verdict::Transient, Reason::TransientReply, reply),
        }
    }

    /// An outcome in our own words.
    pub fn ours(verdict: Verdict, reason: Reason, status: &str, words: impl Into<String>) -> Self {
        Self {
            verdict,
            reason,
            status: status.to_owned(),
            diagnostic: Diagnostic::Ours(words.into()),
        }
    }

    /// The outcome of a recipient that was transient for too long (RFC 3463 §3.5: X.4.7).
    #[must_use]
    pub fn expired(self) -> Self {
        Self {
            verdict: Verdict::Permanent,
            reason: Reason::Expired,
            status: "5.4.7".to_owned(),
            ..self
        }
    }

    /// What was said, as text.
    pub fn text(&self) -> &str {
        match &self.diagnostic {
            Diagnostic::Reply(text) | Diagnostic::Ours(text) => text,
        }
    }

    /// The next hop's reply, if it spoke.
    pub fn reply(&self) -> Option<&str> {
        match &self.diagnostic {
            Diagnostic::Reply(text) => Some(text),
            Diagnostic::Ours(_) => None,
        }
    }

    fn said(verdict: Verdict, reason: Reason, reply: &Reply) -> Self {
        let class = reply.code.value() / 100;
        let status = reply
            .enhanced
            .map_or_else(|| format!("{class}.0.0"), |enhanced| enhanced.to_string());
        Self {
            verdict,
            reason,
            status,
            diagnostic: Diagnostic::Reply(reply.to_string()),
        }
    }
}

impl Blame {
    /// What an error of the client is about. Its text names the stage, escapes what the peer said, and holds no secret.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Server(ClientFailure::Unsupported(lack)) => Self::Message(lacking(*lack, error)),
            Error::Server(ClientFailure::Refused { stage, reply }) => {
                of_refusal(*stage, reply, error)
            }
            // Broken off in the middle of a transaction: it may be this message that the next hop cannot bear, so the
            // lane stays open.
            Error::Server(ClientFailure::Protocol { stage, .. })
            | Error::Timeout(stage)
            | Error::Channel(ChannelError::Session(ChannelFault::Closed(stage)))
                if is_about_message(*stage) =>
            {
                Self::Message(Outcome::ours(
                    Verdict::Transient,
                    Reason::ConnectionFailed,
                    "4.4.2",
                    error.to_string(),
                ))
            }
            Error::Content(fault) => Self::Message(unreadable(fault, error)),
            Error::Address(AddressError::OutOfOrder) => Self::Message(Outcome::ours(
                Verdict::Transient,
                Reason::Internal,
                "4.3.0",
                error.to_string(),
            )),
            Error::Credential(fault) => lane(refused_us(fault), Reason::NextHopCredential, error),
            // What to do about it is not to be guessed: it stands in the error.
            Error::Downgrade(_) | Error::Address(AddressError::Certificate { .. }) => {
                Self::Lane(LaneFault {
                    kind: FaultKind::Broken,
                    reason: Reason::NextHopCredential,
                    text: format!("{error:#}"),
                })
            }
            Error::Channel(fault) => of_channel(fault, error),
            Error::Address(AddressError::Roots { .. }) => {
                lane(FaultKind::Broken, Reason::NextHopTls, error)
            }
            Error::Address(_) => lane(FaultKind::Broken, Reason::Unreachable, error),
            Error::Server(_) | Error::Timeout(_) => {
                lane(FaultKind::Down, Reason::Unreachable, error)
            }
        }
    }
}

fn is_about_message(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::Mail | Stage::Rcpt | Stage::Data | Stage::Content | Stage::EndOfData
    )
}

fn of_refusal(stage: Stage, reply: &Reply, error: &Error) -> Blame {
    match (stage, reply.code) {
        (Stage::StartTls, _) => lane(FaultKind::Down, Reason::NextHopTls, error),
        (_, ReplyCode::SERVICE_CLOSING) => lane(FaultKind::Down, Reason::Unreachable, error),
        // "Authentication required": the route lacks a credential.
        (_, ReplyCode::AUTH_REQUIRED) => lane(FaultKind::Broken, Reason::NextHopCredential, error),
        (stage, _) if is_about_message(stage) => {
            Blame::Message(Outcome::of_recipient(&Err(reply.clone())))
        }
        _ => lane(FaultKind::Down, Reason::Unreachable, error),
    }
}

/// A certificate that is not good, or TLS that somebody removes, needs a person; a connection that breaks does not.
fn of_channel(fault: &ChannelError, error: &Error) -> Blame {
    match fault {
        ChannelError::Tls { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
            lane(FaultKind::Broken, Reason::NextHopTls, error)
        }
        ChannelError::Certificate { .. } => {
            lane(FaultKind::Broken, Reason::NextHopCredential, error)
        }
        ChannelError::Session(
            ChannelFault::StartTlsNotOffered
            | ChannelFault::InjectedReplies
            | ChannelFault::SpeaksTls,
        )
        | ChannelError::SpeaksClear { .. } => lane(FaultKind::Broken, Reason::NextHopTls, error),
        ChannelError::Tls { .. } => lane(FaultKind::Down, Reason::NextHopTls, error),
        _ => lane(FaultKind::Down, Reason::Unreachable, error),
    }
}

/// A server whose directory is down says 4yz: that passes by itself. Everything else needs a person.
fn refused_us(fault: &CredentialFault) -> FaultKind {
    match fault {
        CredentialFault::Refused { reply, .. } if reply.code.is_transient() => FaultKind::Down,
        _ => FaultKind::Broken,
    }
}

fn lacking(lack: Lack, error: &Error) -> Outcome {
    let status = match lack {
        Lack::EightBitMime | Lack::BinaryMime => "5.6.3",
        // RFC 6531 §3.5.
        Lack::SmtpUtf8 => "5.6.7",
        Lack::Size { .. } => "5.3.4",
    };
    Outcome::ours(
        Verdict::Permanent,
        Reason::ExtensionMissing,
        status,
        error.to_string(),
    )
}

/// Our own storage failed. What does not match its checksum will not match it later either.
fn unreadable(fault: &io::Error, error: &Error) -> Outcome {
    let verdict = if fault.kind() == io::ErrorKind::InvalidData {
        Verdict::Stopped
    } else {
        Verdict::Transient
    };
    Outcome::ours(verdict, Reason::StorageFailed, "4.3.0", error.to_string())
}

fn lane(kind: FaultKind, reason: Reason, error: &Error) -> Blame {
    Blame::Lane(LaneFault {
        kind,
        reason,
        text: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_client::ProtocolFault;
    use gatepost_sasl::mechanism::PLAIN;
    use gatepost_smtp::reply::EnhancedCode;

    fn reply(line: &str) -> Reply {
        let (digits, text) = line.split_at(3);
        let code = ReplyCode::parse(digits.as_bytes()).unwrap();
        let (enhanced, text) = EnhancedCode::split(code, text.trim_start());
        Reply {
            code,
            enhanced,
            lines: vec![text.to_owned().into()],
        }
    }

    fn refused(stage: Stage, line: &str) -> ClientFailure {
        ClientFailure::Refused {
            stage,
            reply: reply(line),
        }
    }

    fn credential(line: &str) -> ClientFailure {
        ClientFailure::Credential(CredentialFault::Refused {
            mechanism: &PLAIN,
            reply: reply(line),
            told: None,
        })
    }

    #[test]
    fn a_reply_about_a_recipient_decides_by_its_code() {
        let table = [
            (Ok("250 2.1.5 Ok"), Verdict::Delivered, "2.1.5"),
            (Err("550 5.1.1 No such user"), Verdict::Permanent, "5.1.1"),
            (Err("550 No such user"), Verdict::Permanent, "5.0.0"),
            (Err("550 4.1.1 lies"), Verdict::Permanent, "5.0.0"),
            (Err("599 ?"), Verdict::Permanent, "5.0.0"),
            (Err("450 4.2.0 Greylisted"), Verdict::Transient, "4.2.0"),
            (
                Err("452 4.5.3 Too many recipients"),
                Verdict::Transient,
                "4.5.3",
            ),
            (Err("421 4.3.2 Closing"), Verdict::Transient, "4.3.2"),
            (Err("354 Go on"), Verdict::Transient, "3.0.0"),
        ];
        for (answer, verdict, status) in table {
            let outcome = Outcome::of_recipient(&answer.map(reply).map_err(reply));
            assert_eq!(
                (outcome.verdict, outcome.status.as_str()),
                (verdict, status),
                "{answer:?}"
            );
            assert_eq!(outcome.expired().status, "5.4.7");
        }
    }

    #[test]
    fn trouble_with_the_message_is_told_from_trouble_with_the_lane() {
        let message = [
            (
                ClientFailure::Unsupported(Lack::EightBitMime),
                Verdict::Permanent,
                "5.6.3",
            ),
            (
                ClientFailure::Unsupported(Lack::Size { limit: 1 }),
                Verdict::Permanent,
                "5.3.4",
            ),
            (
                refused(Stage::Mail, "550 5.7.60 SendAsDenied"),
                Verdict::Permanent,
                "5.7.60",
            ),
            (
                refused(Stage::Mail, "451 4.7.1 Later"),
                Verdict::Transient,
                "4.7.1",
            ),
            (
                refused(Stage::Data, "554 5.5.1 No"),
                Verdict::Permanent,
                "5.5.1",
            ),
            (
                refused(Stage::EndOfData, "554 5.7.1 Spam"),
                Verdict::Permanent,
                "5.7.1",
            ),
            (
                ClientFailure::Timeout(Stage::EndOfData),
                Verdict::Transient,
                "4.4.2",
            ),
            (
                ClientFailure::Channel(ChannelFault::Closed(Stage::Content)),
                Verdict::Transient,
                "4.4.2",
            ),
            (ClientFailure::OutOfOrder, Verdict::Transient, "4.3.0"),
        ];
        for (failure, verdict, status) in message {
            let failure = Error::from(failure);
            match Blame::of(&failure) {
                Blame::Message(outcome) => assert_eq!(
                    (outcome.verdict, outcome.status.as_str()),
                    (verdict, status),
                    "{failure}"
                ),
                Blame::Lane(fault) => unreachable!("{failure}: {fault:?}"),
            }
        }
    }

    // "Upstream-auth failure never bounces": no refusal of our credential is about the message.
    #[test]
    fn trouble_with_the_lane_never_returns_a_message() {
        let lanes = [
            (
                credential("535 5.7.8 Wrong"),
                FaultKind::Broken,
                Reason::NextHopCredential,
            ),
            (
                credential("534 5.7.9 Too weak"),
                FaultKind::Broken,
                Reason::NextHopCredential,
            ),
            (
                credential("454 4.7.0 Later"),
                FaultKind::Down,
                Reason::NextHopCredential,
            ),
            (
                ClientFailure::Credential(CredentialFault::NotOffered),
                FaultKind::Broken,
                Reason::NextHopCredential,
            ),
            (
                refused(Stage::Mail, "530 5.7.57 Not authenticated"),
                FaultKind::Broken,
                Reason::NextHopCredential,
            ),
            (
                refused(Stage::Mail, "421 4.3.2 Closing"),
                FaultKind::Down,
                Reason::Unreachable,
            ),
            (
                refused(Stage::Greeting, "554 No service"),
                FaultKind::Down,
                Reason::Unreachable,
            ),
            (
                refused(Stage::Hello, "550 Bad name"),
                FaultKind::Down,
                Reason::Unreachable,
            ),
            (
                refused(Stage::StartTls, "454 4.7.0 Later"),
                FaultKind::Down,
                Reason::NextHopTls,
            ),
            (
                ClientFailure::Channel(ChannelFault::StartTlsNotOffered),
                FaultKind::Broken,
                Reason::NextHopTls,
            ),
            (
                ClientFailure::Channel(ChannelFault::InjectedReplies),
                FaultKind::Broken,
                Reason::NextHopTls,
            ),
            (
                ClientFailure::Channel(ChannelFault::SpeaksTls),
                FaultKind::Broken,
                Reason::NextHopTls,
            ),
            (
                ClientFailure::Channel(ChannelFault::Closed(Stage::Greeting)),
                FaultKind::Down,
                Reason::Unreachable,
            ),
            (
                ClientFailure::Timeout(Stage::Hello),
                FaultKind::Down,
                Reason::Unreachable,
            ),
            (
                ClientFailure::Protocol {
                    stage: Stage::Greeting,
                    fault: ProtocolFault::Unsolicited,
                },
                FaultKind::Down,
                Reason::Unreachable,
            ),
        ];
        for (failure, kind, reason) in lanes {
            let failure = Error::from(failure);
            match Blame::of(&failure) {
                Blame::Lane(fault) => {
                    assert_eq!((fault.kind, fault.reason), (kind, reason), "{failure}");
                }
                Blame::Message(outcome) => unreachable!("{failure}: {outcome:?}"),
            }
        }
    }
}
