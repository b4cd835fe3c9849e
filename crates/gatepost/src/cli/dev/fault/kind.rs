//! The faults, as one table: what each is called, whom it is for, where in an exchange it happens, what the server does, and what a
//! right client does then.
//!
//! The order matters where a fault is left out of `MECHANISM:STEP`: the first that is possible there is meant.

use std::fmt;
use std::time::Duration;

use gatepost_sasl::mechanism::LOGIN;
use gatepost_sasl::{Mechanism, Needs, VerifierKind};

/// One kind of fault.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) family: Family,
    pub(super) place: Place,
    pub(super) act: Act,
    /// What the server does.
    pub(super) server: &'static str,
    /// What a right client does.
    pub(super) client: &'static str,
    /// The document and section that say so.
    pub(super) section: &'static str,
}

/// Mechanisms that a fault is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Every,
    Scram,
    Digest,
    Login,
    Token,
}

/// Where in an exchange a fault can happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// At every reply.
    Replies,
    /// At replies that are challenges.
    Challenges,
    /// At this step only.
    Only(Step),
}

/// A reply of an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The one with this number; the reply to the AUTH command is number 1.
    Reply(u8),
    /// The first challenge that says something.
    Challenge,
    /// The challenge with the server's own proof.
    Final,
    /// The one that ends the exchange.
    Outcome,
}

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// The directory decides otherwise.
    Decide(Decision),
    /// The challenge says something else.
    Change(Change),
    /// The challenge is not sent, and the exchange goes on as if the client had taken it.
    Withhold,
    /// SCRAM's error message stands in place of the proof; a refusal follows.
    ServerError,
    /// An empty challenge comes before the reply.
    ExtraChallenge,
    /// The reply has two lines.
    TwoLines,
    /// The connection ends in place of the reply.
    Close,
    /// The connection ends behind the reply.
    CloseAfter,
    /// The server says that it closes, and does, in place of the reply.
    ServiceClosing,
    /// The reply comes late.
    Slow,
}

/// What the directory says in spite of the right credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    Unavailable,
    Refused,
    TokenRefused,
}

/// What becomes of a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    WrongProof,
    WrongNonce,
    Iterations(u32),
    LowerCase,
    NotBase64,
    Empty,
}

/// How late a slow reply is, if nothing else is said.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// All of them.
pub(super) const KINDS: [Kind; 20] = [
    Kind {
        name: "wrong-signature",
        family: Family::Scram,
        place: Place::Only(Step::Final),
        act: Act::Change(Change::WrongProof),
        server: "sends a signature that the account's keys did not make",
        client: "cancels with `*`, and gives this server nothing more, least of all the password",
        section: "RFC 5802 §5",
    },
    Kind {
        name: "wrong-rspauth",
        family: Family::Digest,
        place: Place::Only(Step::Final),
        act: Act::Change(Change::WrongProof),
        server: "sends an rspauth that the account's hash did not make",
        client: "cancels with `*`, and gives this server nothing more",
        section: "RFC 2831 §2.1.3",
    },
    Kind {
        name: "no-signature",
        family: Family::Scram,
        place: Place::Only(Step::Final),
        act: Act::Withhold,
        server: "says 235 without its signature",
        client: "does not believe it, and closes",
        section: "RFC 5802 §5",
    },
    Kind {
        name: "no-rspauth",
        family: Family::Digest,
        place: Place::Only(Step::Final),
        act: Act::Withhold,
        server: "says 235 without its rspauth",
        client: "does not believe it, and closes",
        section: "RFC 2831 §2.1.3",
    },
    Kind {
        name: "server-error",
        family: Family::Scram,
        place: Place::Only(Step::Final),
        act: Act::ServerError,
        server: "sends `e=other-error` in place of its signature, then 535",
        client: "answers with an empty line or `*`, and reports the error",
        section: "RFC 5802 §5.1",
    },
    Kind {
        name: "wrong-nonce",
        family: Family::Scram,
        place: Place::Only(Step::Challenge),
        act: Act::Change(Change::WrongNonce),
        server: "sends a nonce that does not begin with the client's",
        client: "cancels with `*`",
        section: "RFC 5802 §5.1",
    },
    Kind {
        name: "few-iterations",
        family: Family::Scram,
        place: Place::Only(Step::Challenge),
        act: Act::Change(Change::Iterations(1)),
        server: "asks for one iteration, so that the proof gives the password away",
        client: "cancels with `*`: 4096 is the least",
        section: "RFC 7677 §4",
    },
    Kind {
        name: "many-iterations",
        family: Family::Scram,
        place: Place::Only(Step::Challenge),
        act: Act::Change(Change::Iterations(u32::MAX)),
        server: "asks for 4294967295 iterations, which takes the better part of an hour",
        client: "cancels with `*` at once",
        section: "RFC 5802 §9",
    },
    Kind {
        name: "other-prompt",
        family: Family::Login,
        place: Place::Challenges,
        act: Act::Change(Change::LowerCase),
        server: "asks for `username:` and `password:` in lower case, as some providers do",
        client: "answers by position, whatever the text",
        section: "draft-murchison-sasl-login §2",
    },
    Kind {
        name: "454",
        family: Family::Every,
        place: Place::Only(Step::Outcome),
        act: Act::Decide(Decision::Unavailable),
        server: "says 454: its directory is not to be had",
        client: "keeps the password, does not ask for another, and tries again later",
        section: "RFC 4954 §6",
    },
    Kind {
        name: "535",
        family: Family::Every,
        place: Place::Only(Step::Outcome),
        act: Act::Decide(Decision::Refused),
        server: "says 535 to the right credentials",
        client: "asks for others, and does not repeat these",
        section: "RFC 4954 §6",
    },
    Kind {
        name: "error-json",
        family: Family::Token,
        place: Place::Only(Step::Outcome),
        act: Act::Decide(Decision::TokenRefused),
        server: "refuses the token with an error document in a challenge, then 535",
        client: "answers it (OAUTHBEARER `AQ==`, XOAUTH2 an empty line), gets a new token, tries once more",
        section: "RFC 7628 §3.2.3",
    },
    Kind {
        name: "close",
        family: Family::Every,
        place: Place::Replies,
        act: Act::Close,
        server: "ends the connection in place of the reply",
        client: "takes it for a temporary failure: the password was not refused",
        section: "RFC 5321 §3.8",
    },
    Kind {
        name: "close-after",
        family: Family::Every,
        place: Place::Replies,
        act: Act::CloseAfter,
        server: "ends the connection behind the reply",
        client: "reports the reply, not the lost connection",
        section: "RFC 5321 §3.8",
    },
    Kind {
        name: "421",
        family: Family::Every,
        place: Place::Replies,
        act: Act::ServiceClosing,
        server: "says 421 and ends the connection",
        client: "takes it for a temporary failure, whatever it was waiting for",
        section: "RFC 5321 §3.8",
    },
    Kind {
        name: "mangled-base64",
        family: Family::Every,
        place: Place::Challenges,
        act: Act::Change(Change::NotBase64),
        server: "sends a challenge that is not base64",
        client: "cancels with `*`; to an empty challenge it may as well go on",
        section: "RFC 4954 §4",
    },
    Kind {
        name: "empty",
        family: Family::Every,
        place: Place::Challenges,
        act: Act::Change(Change::Empty),
        server: "sends a challenge with nothing in it",
        client: "cancels with `*` where it needs what is missing",
        section: "RFC 4954 §4",
    },
    Kind {
        name: "extra-challenge",
        family: Family::Every,
        place: Place::Only(Step::Outcome),
        act: Act::ExtraChallenge,
        server: "sends an empty challenge, and its reply when that is answered",
        client: "answers with an empty line, once, or cancels with `*`",
        section: "RFC 4954 §4",
    },
    Kind {
        name: "two-lines",
        family: Family::Every,
        place: Place::Only(Step::Outcome),
        act: Act::TwoLines,
        server: "says its reply in two lines",
        client: "reads to the last line",
        section: "RFC 5321 §4.2.1",
    },
    Kind {
        name: "slow",
        family: Family::Every,
        place: Place::Replies,
        act: Act::Slow,
        server: "replies five seconds late; `slow=30s` and `slow=200ms` say how late",
        client: "waits: five minutes for a reply are the least",
        section: "RFC 5321 §4.5.3.2",
    },
];

impl Kind {
    /// Whether it can happen to this mechanism at this step.
    pub(super) fn fits(&self, mechanism: &Mechanism, step: Step) -> bool {
        self.family.has(mechanism) && self.place.has(step) && step.is_in(mechanism)
    }
}

impl Family {
    pub(super) fn has(self, mechanism: &Mechanism) -> bool {
        match self {
            Self::Every => true,
            Self::Scram => matches!(mechanism.needs, Needs::Verifier(VerifierKind::Scram(_))),
            Self::Digest => mechanism.needs == Needs::Verifier(VerifierKind::DigestMd5),
            Self::Login => mechanism == &LOGIN,
            Self::Token => mechanism.needs == Needs::Token,
        }
    }
}

impl Place {
    fn has(self, step: Step) -> bool {
        match self {
            Self::Replies => true,
            Self::Challenges => step != Step::Outcome,
            Self::Only(only) => step == only,
        }
    }
}

impl Step {
    /// Whether an exchange by this mechanism has it.
    pub(super) fn is_in(self, mechanism: &Mechanism) -> bool {
        match self {
            Self::Reply(_) | Self::Outcome => true,
            Self::Challenge => mechanism == &LOGIN || matches!(mechanism.needs, Needs::Verifier(_)),
            Self::Final => Family::Scram.has(mechanism) || Family::Digest.has(mechanism),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Every => "*",
            Self::Scram => "scram-*",
            Self::Digest => "digest-md5",
            Self::Login => "login",
            Self::Token => "oauthbearer, xoauth2",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replies => f.write_str("any"),
            Self::Challenges => f.write_str("any but outcome"),
            Self::Only(step) => step.fmt(f),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(1) => f.write_str("first"),
            Self::Reply(number) => number.fmt(f),
            Self::Challenge => f.write_str("challenge"),
            Self::Final => f.write_str("final"),
            Self::Outcome => f.write_str("outcome"),
        }
    }
}
