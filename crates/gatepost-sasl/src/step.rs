//! The whole contract between a mechanism on the server side and whoever drives it.
//!
//! A mechanism never looks anything up. Each call returns a [`ServerStep`]: send this challenge, answer this question, or
//! here is the outcome. States consume themselves, so a finished exchange cannot be stepped again.
//!
//! ```text
//!   Mechanism::server(params, initial response)
//!        │
//!        ├─> Challenge(octets, state) ── respond(response) ──┐
//!        ├─> Ask(Question, state) ────── answer(Answer) ─────┤──> next ServerStep
//!        └─> Done(Outcome)
//! ```
//!
//! Failure behaviour: an answer that does not fit its question ends the exchange as [`Refusal::Unavailable`]; a parse
//! error ends it as [`Refusal::Malformed`]. There is no error path beside [`Outcome::Refused`]. To cancel, drop the state.
//!
//! Standards: RFC 4422 §3, RFC 4954 §4.

use std::fmt;

use crate::identity::{Authcid, Authzid, Grant, Identity};
use crate::layer::SecurityLayer;
use crate::mechanism::Mechanism;
use crate::secret::Secret;
use crate::verifier::Verifier;

/// What the driver of a server exchange does next.
pub enum ServerStep {
    /// Send these octets and hand the client's response to the state.
    Challenge(Vec<u8>, Box<dyn AwaitResponse>),
    /// Have the directory answer and hand the answer to the state.
    Ask(Question, Box<dyn AwaitAnswer>),
    /// The exchange is over.
    Done(Outcome),
}

impl ServerStep {
    /// The end of an exchange that did not succeed.
    pub fn refused(refusal: Refusal) -> Self {
        Self::Done(Outcome::Refused(refusal))
    }
}

impl fmt::Debug for ServerStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(octets, _) => write!(f, "Challenge({} octets)", octets.len()),
            Self::Ask(question, _) => f.debug_tuple("Ask").field(question).finish(),
            Self::Done(outcome) => f.debug_tuple("Done").field(outcome).finish(),
        }
    }
}

/// A server exchange that waits for the client.
pub trait AwaitResponse: Send {
    /// Takes the client's decoded response; an empty line is an empty slice.
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep;
}

/// A server exchange that waits for the directory.
pub trait AwaitAnswer: Send {
    /// Takes the answer to the question asked.
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep;
}

/// How a server exchange ended.
#[derive(Debug)]
pub enum Outcome {
    /// The client proved an identity.
    Authenticated(Authenticated),
    /// It did not, or must not come in.
    Refused(Refusal),
}

impl Outcome {
    /// Success. This is the only place where an [`Identity`] comes into being.
    pub fn authenticated(mechanism: &'static Mechanism, authcid: Authcid, grant: Grant) -> Self {
        Self::Authenticated(Authenticated {
            identity: Identity::assertion(mechanism, authcid, grant),
            final_data: None,
            layer: None,
        })
    }

    /// The outcome of `verdict`: the grant becomes an identity, a refusal stays one.
    pub fn of(mechanism: &'static Mechanism, authcid: Authcid, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accepted(grant) => Self::authenticated(mechanism, authcid, grant),
            Verdict::Refused(refusal) => Self::Refused(refusal),
        }
    }

    /// The outcome of `verdict` where only the directory knows who it was: the grant also names the authcid.
    pub fn named_by_grant(mechanism: &'static Mechanism, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Refused(refusal) => Self::Refused(refusal),
            Verdict::Accepted(grant) => match Authcid::parse(&grant.login) {
                Ok(authcid) => Self::authenticated(mechanism, authcid, grant),
                Err(_) => Self::Refused(Refusal::Unavailable),
            },
        }
    }

    /// Adds additional data to a success. A refusal carries none and stays as it is.
    #[must_use]
    pub fn with_final_data(self, data: Option<Vec<u8>>) -> Self {
        match self {
            Self::Authenticated(success) => Self::Authenticated(Authenticated {
                final_data: data,
                ..success
            }),
            refused @ Self::Refused(_) => refused,
        }
    }

    /// Adds a security layer to a success. A refusal carries none and stays as it is.
    #[must_use]
    pub fn with_layer(self, layer: Option<Box<dyn SecurityLayer>>) -> Self {
        match self {
            Self::Authenticated(success) => Self::Authenticated(Authenticated { layer, ..success }),
            refused @ Self::Refused(_) => refused,
        }
    }
}

/// A success and what comes with it.
pub struct Authenticated {
    /// Who proved himself.
    pub identity: Identity,
    /// Additional data with success (RFC 4422 §3.6). SMTP cannot carry it (RFC 4954 §4): it is sent in one more 334,
    /// which the client answers with an empty line.
    pub final_data: Option<Vec<u8>>,
    /// Protection that begins with the first octet after the success reply, in both directions.
    pub layer: Option<Box<dyn SecurityLayer>>,
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("identity", &self.identity)
            .field("final_data", &self.final_data.as_ref().map(Vec::len))
            .field("layer", &self.layer.as_ref().map(|layer| layer.describe()))
            .finish()
    }
}

/// What a mechanism must know and cannot know. Plain data: it could cross a socket.
#[derive(Clone)]
pub enum Question {
    /// Is this the password of `authcid`, and may he act as `authzid`? Answer: [`Answer::Verdict`].
    Password {
        /// The mechanism that asks.
        mechanism: &'static Mechanism,
        /// Whose password.
        authcid: Authcid,
        /// Whom to act as; `None` = as himself.
        authzid: Option<Authzid>,
        /// The octets as received: not prepared, not even necessarily UTF-8.
        password: Secret,
    },
    /// What is stored for `authcid`? Answer: [`Answer::Verifier`] or [`Answer::SecretKept`].
    Verifier {
        /// The mechanism that asks; its [`needs`](Mechanism::needs) say which kind of verifier.
        mechanism: &'static Mechanism,
        /// Whose verifier.
        authcid: Authcid,
        /// Whom to act as; `None` = as himself.
        authzid: Option<Authzid>,
    },
    /// Does this response fit this challenge? Answer: [`Answer::Checked`].
    Response {
        /// The mechanism that asks.
        mechanism: &'static Mechanism,
        /// Who responded.
        authcid: Authcid,
        /// Whom to act as; `None` = as himself.
        authzid: Option<Authzid>,
        /// The challenge as sent.
        challenge: Vec<u8>,
        /// The client's whole response, without trailing line ends.
        response: Vec<u8>,
    },
    /// The client's message: what do I say next? Answer: [`Answer::PassThrough`].
    PassThrough {
        /// The mechanism the directory speaks.
        mechanism: &'static Mechanism,
        /// The client's message; `None` = it sent no initial response.
        message: Option<Vec<u8>>,
    },
    /// Is this token good? Answer: [`Answer::Verdict`] or [`Answer::TokenRefused`].
    Token {
        /// The mechanism that asks.
        mechanism: &'static Mechanism,
        /// Whom to act as; `None` = whom the token names.
        authzid: Option<Authzid>,
        /// The bearer token.
        token: Secret,
        /// The host the client believes it talks to, if it said so.
        host: Option<String>,
        /// The port the client believes it talks to, if it said so.
        port: Option<u16>,
    },
    /// Whose is the client certificate of this connection? Answer: [`Answer::Verdict`].
    Certificate {
        /// The mechanism that asks.
        mechanism: &'static Mechanism,
        /// Whom to act as; `None` = whom the certificate names.
        authzid: Option<Authzid>,
    },
    /// Is somebody let in who does not say who he is? Answer: [`Answer::Verdict`].
    Anonymous {
        /// The mechanism that asks.
        mechanism: &'static Mechanism,
        /// What he says of himself: a remark for the log, never an identity.
        trace: Option<String>,
    },
}

impl Question {
    /// The mechanism that asks.
    pub fn mechanism(&self) -> &'static Mechanism {
        match self {
            Self::Password { mechanism, .. }
            | Self::Verifier { mechanism, .. }
            | Self::Response { mechanism, .. }
            | Self::PassThrough { mechanism, .. }
            | Self::Token { mechanism, .. }
            | Self::Certificate { mechanism, .. }
            | Self::Anonymous { mechanism, .. } => mechanism,
        }
    }

    /// The name whose credential is in question, where the mechanism knows it.
    pub fn authcid(&self) -> Option<&Authcid> {
        match self {
            Self::Password { authcid, .. }
            | Self::Verifier { authcid, .. }
            | Self::Response { authcid, .. } => Some(authcid),
            Self::PassThrough { .. }
            | Self::Token { .. }
            | Self::Certificate { .. }
            | Self::Anonymous { .. } => None,
        }
    }

    /// The name asked to act as, where the mechanism knows one.
    pub fn authzid(&self) -> Option<&Authzid> {
        match self {
            Self::Password { authzid, .. }
            | Self::Verifier { authzid, .. }
            | Self::Response { authzid, .. }
            | Self::Token { authzid, .. }
            | Self::Certificate { authzid, .. } => authzid.as_ref(),
            Self::PassThrough { .. } | Self::Anonymous { .. } => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Password { .. } => "Password",
            Self::Verifier { .. } => "Verifier",
            Self::Response { .. } => "Response",
            Self::PassThrough { .. } => "PassThrough",
            Self::Token { .. } => "Token",
            Self::Certificate { .. } => "Certificate",
            Self::Anonymous { .. } => "Anonymous",
        }
    }
}

/// Names only: responses and passed-through messages can hold or betray a password.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.kind())
            .field("mechanism", &self.mechanism().name)
            .field("authcid", &self.authcid().map(Authcid::as_str))
            .field("authzid", &self.authzid().map(Authzid::as_str))
            .finish_non_exhaustive()
    }
}

/// What a directory says to a [`Question`].
#[derive(Debug)]
pub enum Answer {
    /// To `Password`, `Certificate`, `Token` and `Anonymous`.
    Verdict(Verdict),
    /// To `Verifier`. The verdict holds once the client's proof is right; an unknown user gets a fake verifier and
    /// `Refused(CredentialsInvalid)` and cannot be told from a known one.
    Verifier {
        /// What is stored, of the kind the mechanism needs.
        verifier: Verifier,
        /// What becomes of a client whose proof is right.
        verdict: Verdict,
    },
    /// To `Verifier`: the directory does not give it away; ask `Response` instead.
    SecretKept,
    /// To `Response`.
    Checked {
        /// Whether the response is right, and for whom.
        verdict: Verdict,
        /// The server's own proof, where the mechanism has one.
        proof: Option<Vec<u8>>,
    },
    /// To `PassThrough`.
    PassThrough(PassThroughStep),
    /// To `Token`: no, and this error document is to be sent to the client first.
    TokenRefused {
        /// JSON (RFC 7628 §3.2.2).
        document: Vec<u8>,
    },
    /// The directory is down, too slow, or switched off. Never a judgement about the client.
    Unavailable,
}

/// What a directory that speaks the mechanism itself wants to happen.
pub enum PassThroughStep {
    /// Send this challenge and come back with the response.
    Challenge(Vec<u8>),
    /// The exchange is over.
    Done {
        /// Who it was, or why not.
        verdict: Verdict,
        /// Whose proof it was, as the mechanism names him; `None` = as the verdict names the account, or unknown.
        authcid: Option<Authcid>,
        /// Whom he asked to act as, as sent.
        authzid: Option<Authzid>,
        /// Additional data with success.
        final_data: Option<Vec<u8>>,
        /// The security layer agreed on.
        layer: Option<Box<dyn SecurityLayer>>,
    },
}

impl fmt::Debug for PassThroughStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(octets) => write!(f, "Challenge({} octets)", octets.len()),
            Self::Done { verdict, .. } => f.debug_tuple("Done").field(verdict).finish(),
        }
    }
}

/// A directory's decision about one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// He may come in, as this.
    Accepted(Grant),
    /// He may not.
    Refused(Refusal),
}

/// Why an exchange did not succeed. The protocol above turns it into its own reply code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Unknown user, wrong secret, or an authzid that is not granted: one answer for all (RFC 4422 §3.6).
    CredentialsInvalid,
    /// An empty name or secret: same reply, but not a guess to be counted.
    CredentialsEmpty,
    /// The client's message is not one of this mechanism.
    Malformed,
    /// We cannot decide now; the client's credentials may be good.
    Unavailable,
    /// Right credentials, but the account is disabled.
    AccountDisabled,
    /// Right credentials, but the password has expired.
    PasswordExpired,
    /// The verifier for this mechanism must first be made from the password (RFC 4954 §6, 432).
    TransitionNeeded,
    /// The mechanism is weaker than the rules ask for (RFC 4954 §6, 534).
    MechanismTooWeak,
}

#[cfg(test)]
mod tests;
