//! The server's session: octets and facts in, octets and requests out.
//!
//! ```text
//!            ┌───────────── answer ──────────────┐
//!            v                                   │
//!   Ready ── command ──> Asking ── yes/no ──> Ready | Exchange | Content
//!     │                     ^                             │ response, content
//!     │                     └─────────────────────────────┘
//!     ├─ STARTTLS ──> AwaitingTls ──> Ready (everything forgotten)
//!     └─ QUIT, 421, end of input ──> Closed
//! ```
//!
//! # How to drive it
//!
//! Call [`ServerSession::handle`] with what happened, then [`ServerSession::poll`] until it returns
//! `None`, doing what each [`Output`] says, then write [`ServerSession::pending_output`] to the
//! peer: replies that are ready together go out together. Read from the peer only while
//! [`ServerSession::wants_input`]; send [`Input::Tick`] at [`ServerSession::deadline`].
//!
//! # Invariants
//!
//! - At most one request is outstanding, and input waits for its answer: replies stay in order (RFC
//!   2920 §3.2).
//! - `250` behind DATA, or behind the last BDAT, is written only in answer to [`Answer::Committed`].
//! - Every refusal ends in its short id and is reported by exactly one event; so is every end of an
//!   exchange.
//! - TLS, and a SASL security layer, begin with empty buffers and nothing remembered.
//! - An idle session holds no buffers.
//!
//! # Failure
//!
//! Nothing here fails towards the driver. A peer that misbehaves gets a refusal, one that goes on
//! gets 421; a directory or storage that is down becomes 454 or 451; a broken security layer ends
//! the session without a word.
//!
//! Standards: RFC 5321, RFC 6409, RFC 4954, RFC 3207, RFC 2920, RFC 2034, RFC 3030.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use gatepost_sasl::{AwaitAnswer, Identity, Mechanism};

use crate::command::Verb;
use crate::reply::{Positive, Refusal};
use crate::short_id::SessionId;
use crate::tls_facts::TlsFacts;
use crate::trace::{Dialect, Protocol};

mod auth;
mod chunking;
mod commands;
mod content;
mod event;
mod offer;
mod profile;
mod replies;
mod reporting;
mod request;
mod response;
mod sequence;
mod tally;
mod transaction;
mod turn;
mod wire;

pub use event::{AbortCause, AuthEnd, SessionEvent};
pub use profile::{EolPolicy, Limits, Profile, TlsPolicy};
pub use request::{Answer, Input, Output, Request, RequestId};

use auth::{Exchange, Expected};
use content::Content;
use offer::Opening;
use tally::Tally;
use transaction::{Form, MessageKind, Transaction};
use wire::Wire;

/// Octets of pipelined input that may wait for an answer before the driver is asked to stop
/// reading.
const MAX_WAITING: usize = 64 << 10;

/// One connection's conversation.
pub struct ServerSession {
    profile: Arc<Profile>,
    id: SessionId,
    state: State,
    wire: Wire,
    outputs: VecDeque<Output>,
    lines: crate::line::LineDecoder,
    greeting: Option<Greeting>,
    /// The mechanisms of the last EHLO.
    offered: Vec<&'static Mechanism>,
    tls: Option<Box<TlsFacts>>,
    identity: Option<Box<Identity>>,
    transaction: Option<Transaction>,
    tally: Tally,
    last_request: RequestId,
    /// The time of the last input.
    now: Instant,
    /// When something last came to completion: what silence is measured from.
    since: Instant,
    begun: Instant,
    /// The peer will send no more.
    eof: bool,
    draining: bool,
}

/// How the client has introduced itself.
struct Greeting {
    name: Box<str>,
    esmtp: bool,
}

/// Whose turn it is.
enum State {
    /// The client's: a command.
    Ready,
    /// The program's.
    Asking(RequestId, Pending),
    /// The client's: a response in a SASL exchange.
    Exchange(Exchange, Expected),
    /// The client's: a message.
    Content(Box<Content>),
    /// STARTTLS has been read, the go-ahead not given: what stands behind it in the same buffer
    /// tells a handshake (kept for the driver) from an attack.
    StartTls {
        early: Vec<u8>,
    },
    /// The driver's: a TLS handshake.
    AwaitingTls,
    Closed,
}

/// What goes on when the program has answered.
enum Pending {
    Hello(Greeting),
    Begin(Opening),
    Verdict(Exchange, Box<dyn AwaitAnswer>),
    Mail(MessageKind),
    Rcpt,
    Content(Form),
    Headers(Box<Content>),
    /// The command that the message came behind.
    Commit(Verb),
}

impl ServerSession {
    /// A session at its beginning; the greeting is in [`Self::pending_output`]. `tls` holds the
    /// facts if the connection began with TLS. `session` is drawn by the driver.
    pub fn new(
        profile: Arc<Profile>,
        session: SessionId,
        tls: Option<TlsFacts>,
        now: Instant,
    ) -> Self {
        let mut session = Self {
            profile,
            id: session,
            state: State::Ready,
            wire: Wire::default(),
            outputs: VecDeque::new(),
            lines: crate::line::LineDecoder::default(),
            greeting: None,
            offered: Vec::new(),
            tls: tls.map(Box::new),
            identity: None,
            transaction: None,
            tally: Tally::default(),
            last_request: RequestId(0),
            now,
            since: now,
            begun: now,
            eof: false,
            draining: false,
        };
        let greeting = format_args!("{} {}", session.profile.hostname, session.profile.banner);
        replies::positive(session.wire.output(), Positive::Greeting, greeting);
        session
    }

    /// What to write to a peer that gets no session: one refusal in place of the greeting. Close
    /// behind it.
    pub fn refuse(refusal: Refusal, session: SessionId) -> Vec<u8> {
        let mut reply = Vec::new();
        replies::refusal(&mut reply, refusal, crate::ShortId { session, number: 1 });
        reply
    }

    /// Something happened. Call [`Self::poll`] until it returns `None` afterwards.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        self.now = now;
        match input {
            Input::Bytes(octets) => self.receive(octets),
            Input::Answer(id, answer) => self.answered(id, answer),
            Input::TlsStarted(facts) => self.tls_started(facts),
            Input::Eof => self.eof = true,
            Input::Drain => self.draining = true,
            Input::Tick => self.check_deadline(),
        }
        self.finish_turn();
    }

    /// What the driver has to do next, in this order.
    pub fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() {
            self.outputs = VecDeque::new();
        }
        output
    }

    /// Octets for the peer. The driver writes them and clears the vector; taking the vector gives
    /// its memory back.
    pub fn pending_output(&mut self) -> &mut Vec<u8> {
        self.wire.output()
    }

    /// When [`Input::Tick`] is due at the latest, if nothing else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let limits = &self.profile.limits;
        match &self.state {
            State::Ready if self.profile.require_auth && self.identity.is_none() => {
                Some((self.since + limits.command).min(self.begun + limits.login))
            }
            State::Ready => Some(self.since + limits.command),
            State::Exchange(exchange, _) => {
                Some(exchange.deadline.min(self.since + limits.command))
            }
            State::Content(_) => Some(self.since + limits.data_block),
            // A commit that was given up here might still become durable: the queue alone decides.
            State::Asking(_, Pending::Commit(_))
            | State::StartTls { .. }
            | State::AwaitingTls
            | State::Closed => None,
            State::Asking(..) => Some(self.since + limits.answer),
        }
    }

    /// Whether octets from the peer should be read now. While an answer is awaited a bounded amount
    /// is taken.
    pub fn wants_input(&self) -> bool {
        match self.state {
            State::Ready | State::Exchange(..) | State::Content(_) => true,
            State::Asking(..) => self.wire.waiting() < MAX_WAITING,
            State::StartTls { .. } | State::AwaitingTls | State::Closed => false,
        }
    }

    /// Octets held in buffers: 0 when the session is idle and its output was taken.
    pub fn buffered(&self) -> usize {
        self.wire.capacity()
    }

    /// The name given by the driver.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Who the client has proven to be.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }

    /// What the trace field says about this session.
    pub fn greeting_facts(&self) -> GreetingFacts<'_> {
        GreetingFacts {
            helo: self
                .greeting
                .as_ref()
                .map_or("unknown", |greeting| &greeting.name),
            esmtp: self
                .greeting
                .as_ref()
                .is_some_and(|greeting| greeting.esmtp),
            tls: self.tls.as_deref(),
            authenticated: self.identity.is_some(),
            layer: self.wire.layer(),
        }
    }
}

/// What the trace field says about a session.
#[derive(Clone, Copy, Debug)]
pub struct GreetingFacts<'a> {
    /// The name in EHLO or HELO; `unknown` if none was given.
    pub helo: &'a str,
    /// EHLO, not HELO.
    pub esmtp: bool,
    /// The TLS channel.
    pub tls: Option<&'a TlsFacts>,
    /// AUTH succeeded and is in force.
    pub authenticated: bool,
    /// Description of the SASL security layer.
    pub layer: Option<&'a str>,
}

impl GreetingFacts<'_> {
    /// The `with` keyword's ingredients (RFC 3848, RFC 6531 §4.3) for a message with or without
    /// SMTPUTF8.
    pub fn protocol(&self, smtputf8: bool) -> Protocol {
        Protocol {
            dialect: match (self.esmtp, smtputf8) {
                (_, true) => Dialect::Utf8Smtp,
                (true, false) => Dialect::Esmtp,
                (false, false) => Dialect::Smtp,
            },
            tls: self.tls.is_some(),
            authenticated: self.authenticated,
        }
    }
}

#[cfg(test)]
mod tests;
