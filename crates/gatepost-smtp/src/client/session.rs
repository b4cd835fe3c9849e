//! The session: what goes in and out, and which state takes it.

use std::fmt;
use std::time::Instant;

use gatepost_sasl::{ClientAnswer, ClientQuestion, Mechanism};

use super::attempts::{Attempts, Authenticating};
use super::authentication::Authentication;
use super::capabilities::Capabilities;
use super::envelope::{Envelope, SendReport};
use super::failure::{ChannelFault, ClientFailure, ProtocolFault, Stage};
use super::handshake::Handshake;
use super::hello_name::HelloName;
use super::link::Link;
use super::timeouts::Timeouts;
use super::transaction::Sending;
use crate::reply::{Reply, ReplyCode};
use crate::tls_facts::TlsFacts;

/// How a client session behaves.
#[derive(Debug, Clone)]
pub struct ClientProfile {
    /// The name given with EHLO.
    pub hello_name: HelloName,
    /// When to ask for TLS on a connection that began in clear.
    pub start_tls: StartTlsUse,
    /// A mechanism that shows the password may be used without TLS: for a next hop on loopback or a trusted wire. Default: no. Without
    /// effect under [`StartTlsUse::IfOffered`].
    pub clear_password: bool,
    /// When content goes by BDAT.
    pub chunking: Chunking,
    /// Longest waits.
    pub timeouts: Timeouts,
}

impl ClientProfile {
    /// A profile that requires TLS.
    pub fn new(hello_name: HelloName) -> Self {
        Self {
            hello_name,
            start_tls: StartTlsUse::Required,
            clear_password: false,
            chunking: Chunking::default(),
            timeouts: Timeouts::default(),
        }
    }
}

/// When to ask for TLS on a connection that began in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTlsUse {
    /// Before anything else; a server that does not offer it is left (TLS-18).
    Required,
    /// Whenever the server offers it, and without it otherwise. Somebody on the way can take the offer away, so a mechanism that shows the
    /// password is never used outside of TLS in this mode, whatever the profile says (TLS-11).
    IfOffered,
    /// Only when the server wants it before AUTH: it offers AUTH only inside TLS, or says so in its refusal (LS-18, LS-19).
    OnDemand,
}

/// When content goes by BDAT (RFC 3030) to a server that offers CHUNKING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chunking {
    /// Only binary content, which cannot go otherwise. The default: DATA is what every server has been tested with, and it takes as many
    /// turns on the wire.
    #[default]
    WhenNeeded,
    /// All content: nothing is escaped, and a message that is refused in the middle leaves the connection usable.
    Preferred,
    /// Nothing, as if the server did not offer it.
    Never,
}

/// What happens to a session.
#[derive(Debug)]
pub enum ClientInput<'a> {
    /// Octets from the server.
    Bytes(&'a [u8]),
    /// The server closed its side.
    Eof,
    /// The handshake asked for by [`ClientOutput::StartTls`] is done and the server's name is verified.
    TlsStarted(TlsFacts),
    /// The answer to the [`ClientOutput::Ask`] of this name. To a question that is void by now it has no effect.
    Answer(QuestionId, ClientAnswer),
    /// Do this next. Only after the previous [`ClientOutput::Done`].
    Command(ClientCommand),
    /// The next piece of content, after [`ClientOutput::WantContent`]. Any line ends. Hand in no more than
    /// [`wants_content`](ClientSession::wants_content) asks for, write the pending output before the next piece, and memory stays bounded.
    Content(&'a [u8]),
    /// The content is complete.
    ContentEnd,
    /// Time passed.
    Tick,
}

/// What a session can be asked to do.
#[derive(Debug)]
pub enum ClientCommand {
    /// Prove who we are. Ends in [`Completed::Authenticated`].
    Authenticate(Authentication),
    /// Send one message. Ends in [`Completed::Sent`].
    Send(Envelope),
    /// RSET: forget a transaction; also shows whether the connection is alive. Ends in [`Completed::Reset`].
    Reset,
    /// Say good-bye. Ends in [`Completed::Quit`] whatever the server says.
    Quit,
}

/// What a session wants from its driver.
#[derive(Debug)]
pub enum ClientOutput {
    /// Write the pending output, then perform a TLS handshake and verify the server's name; answer with
    /// [`ClientInput::TlsStarted`]. If it fails, drop the connection.
    StartTls,
    /// Answer this with [`ClientInput::Answer`]. At most one is open: it is void after the next `Ask` or `Done`.
    Ask(QuestionId, ClientQuestion),
    /// Hand in the content, from its beginning.
    WantContent,
    /// The job is over.
    Done(Result<Completed, ClientFailure>),
    /// Write the pending output and close the connection.
    Close,
}

/// Names one question of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionId(pub(super) u32);

/// A job that succeeded.
#[derive(Debug)]
pub enum Completed {
    /// Greeting, EHLO and STARTTLS are done.
    Connected,
    /// The server knows who we are.
    Authenticated {
        /// By which mechanism.
        mechanism: &'static Mechanism,
    },
    /// The transaction came to its end. Each recipient has an outcome, which may be a refusal.
    Sent(SendReport),
    /// The server forgot any transaction.
    Reset,
    /// The connection may be closed.
    Quit,
}

/// One connection's dialogue.
pub struct ClientSession {
    state: State,
    link: Link,
}

/// What a session is doing. States consume themselves and return the next.
pub(super) enum State {
    Handshake(Handshake),
    Ready,
    Authenticating(Box<Authenticating>),
    Sending(Box<Sending>),
    Resetting,
    Leaving,
    /// Nothing more is sent. Holds why, for the next command.
    Closed(ClientFailure),
}

impl ClientSession {
    /// A session on a fresh connection. `tls` is given when the connection began with TLS and the server's name is verified.
    pub fn new(profile: ClientProfile, tls: Option<TlsFacts>, now: Instant) -> Self {
        let mut link = Link::new(profile, tls, now);
        let state = Handshake::begin(&mut link);
        Self { state, link }
    }

    /// Takes what happened. Afterwards [`poll`](Self::poll) until there is nothing more.
    pub fn handle(&mut self, input: ClientInput<'_>, now: Instant) {
        self.link.now = now;
        match input {
            ClientInput::Bytes(bytes) => self.receive(bytes),
            ClientInput::Eof => self.step(|state, link| {
                state.lost(
                    ClientFailure::Channel(ChannelFault::Closed(link.stage())),
                    link,
                )
            }),
            ClientInput::Tick => self.step(State::tick),
            ClientInput::TlsStarted(facts) => {
                self.step(|state, link| state.tls_started(facts, link));
            }
            ClientInput::Answer(id, answer) => {
                self.step(|state, link| state.answer(id, answer, link));
            }
            ClientInput::Command(command) => self.step(|state, link| state.command(command, link)),
            ClientInput::Content(content) => self.step(|state, link| state.content(content, link)),
            ClientInput::ContentEnd => self.step(State::content_end),
        }
        // A command, an answer or a layer may have been waited for with replies already at hand.
        self.read_replies();
    }

    /// The next thing the session wants.
    pub fn poll(&mut self) -> Option<ClientOutput> {
        self.link.outputs.pop_front()
    }

    /// Octets to write; the driver writes and clears them.
    pub fn pending_output(&mut self) -> &mut Vec<u8> {
        self.link.wire.pending()
    }

    /// When [`ClientInput::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.link.alarm.map(|(at, _)| at)
    }

    /// Whether a further command can succeed.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed(_) | State::Leaving)
    }

    /// Whether a further message can be sent on this connection: it is open, and the server has not announced that so many are enough
    /// (RFC 9422 §4.1).
    pub fn takes_another_message(&self) -> bool {
        let most = self.link.capabilities.limits.transactions;
        self.is_open() && most.is_none_or(|most| self.link.transactions < most)
    }

    /// Whether the next piece of content is due.
    pub fn wants_content(&self) -> bool {
        matches!(&self.state, State::Sending(sending) if sending.wants_content())
    }

    /// Whether what is written now is content, or the reply to it is awaited.
    pub fn is_at_content(&self) -> bool {
        matches!(&self.state, State::Sending(sending) if sending.is_at_content())
    }

    /// What the server announced on the channel as it is now.
    pub fn capabilities(&self) -> &Capabilities {
        &self.link.capabilities
    }

    /// The TLS connection underneath, if there is one.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.link.tls.as_ref()
    }

    /// Whether an exchange that failed was bound to this TLS connection, and the next one had better be bound to another (RFC 9266 §4.1).
    pub fn binding_is_spent(&self) -> bool {
        self.link.exporter_spent
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.link.wire.receive(bytes);
        self.step(State::glance);
        self.read_replies();
    }

    fn read_replies(&mut self) {
        while !matches!(self.state, State::Closed(_)) {
            match self.link.wire.next_reply() {
                Ok(None) => break,
                Ok(Some(reply)) => self.step(|state, link| state.reply(reply, link)),
                Err(fault) => self.step(|state, link| state.lost(fault.at(link.stage()), link)),
            }
        }
    }

    fn step(&mut self, change: impl FnOnce(State, &mut Link) -> State) {
        let gone = ClientFailure::Channel(ChannelFault::Closed(Stage::Idle));
        let state = std::mem::replace(&mut self.state, State::Closed(gone));
        self.state = change(state, &mut self.link);
    }
}

impl fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("stage", &self.link.stage())
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}

impl State {
    fn reply(self, reply: Reply, link: &mut Link) -> Self {
        if reply.code == ReplyCode::SERVICE_CLOSING && !matches!(self, Self::Leaving) {
            // RFC 5321 §3.8: it may stand in place of any reply, and nothing follows it.
            let failure = ClientFailure::Refused {
                stage: link.stage(),
                reply,
            };
            return self.lost(failure, link);
        }
        match self {
            Self::Handshake(handshake) => handshake.reply(reply, link),
            Self::Authenticating(authenticating) => authenticating.reply(reply, link),
            Self::Sending(sending) => sending.reply(reply, link),
            Self::Resetting if reply.code.is_positive() => link.finish(Ok(Completed::Reset)),
            Self::Resetting => link.abandon(ClientFailure::Refused {
                stage: Stage::Reset,
                reply,
            }),
            Self::Leaving => link.leave(),
            Self::Ready => {
                // LS-14: nobody asked. A negative reply announces that the server closes; anything else is out of step.
                let failure = if reply.code.is_transient() || reply.code.is_permanent() {
                    ClientFailure::Refused {
                        stage: Stage::Idle,
                        reply,
                    }
                } else {
                    ClientFailure::Protocol {
                        stage: Stage::Idle,
                        fault: ProtocolFault::Unsolicited,
                    }
                };
                self.lost(failure, link)
            }
            Self::Closed(_) => self,
        }
    }

    /// Looks at octets before they are a reply: some can never become one.
    fn glance(self, link: &mut Link) -> Self {
        match self {
            Self::Handshake(handshake) => handshake.glance(link),
            other => other,
        }
    }

    /// The connection is of no further use.
    fn lost(self, failure: ClientFailure, link: &mut Link) -> Self {
        match self {
            Self::Closed(_) => self,
            Self::Leaving => link.leave(),
            Self::Ready => link.close(failure),
            Self::Authenticating(authenticating) => authenticating.lost(failure, link),
            Self::Handshake(handshake) => handshake.lost(failure, link),
            Self::Sending(sending) => sending.lost(failure, link),
            Self::Resetting => link.abandon(failure),
        }
    }

    fn tick(self, link: &mut Link) -> Self {
        match link.alarm {
            Some((at, stage)) if at <= link.now => match self {
                Self::Authenticating(authenticating) => authenticating.alarm(link),
                _ => self.lost(ClientFailure::Timeout(stage), link),
            },
            _ => self,
        }
    }

    fn tls_started(self, facts: TlsFacts, link: &mut Link) -> Self {
        match self {
            Self::Handshake(handshake) => handshake.tls_started(facts, link),
            other => other.out_of_order(link),
        }
    }

    fn answer(self, id: QuestionId, answer: ClientAnswer, link: &mut Link) -> Self {
        match self {
            Self::Authenticating(authenticating) if link.asked == Some(id) => {
                link.asked = None;
                authenticating.answer(answer, link)
            }
            // The question is void: the dialogue went on while the driver was busy with it.
            other => other,
        }
    }

    fn command(self, command: ClientCommand, link: &mut Link) -> Self {
        match (self, command) {
            (Self::Ready, ClientCommand::Authenticate(request)) => {
                Attempts::new(request, link).next(link)
            }
            (Self::Ready, ClientCommand::Send(envelope)) => Sending::begin(envelope, link),
            (Self::Ready, ClientCommand::Reset) => {
                link.line("RSET", Stage::Reset);
                Self::Resetting
            }
            (Self::Ready, ClientCommand::Quit) => {
                link.line("QUIT", Stage::Quit);
                Self::Leaving
            }
            (Self::Closed(_), ClientCommand::Quit) => link.leave(),
            (Self::Closed(failure), _) => {
                link.outputs
                    .push_back(ClientOutput::Done(Err(failure.clone())));
                Self::Closed(failure)
            }
            (other, _) => other.out_of_order(link),
        }
    }

    fn content(self, content: &[u8], link: &mut Link) -> Self {
        match self {
            Self::Sending(sending) => sending.content(content, link),
            // The server ended the transaction while the driver was reading the source.
            other => other,
        }
    }

    fn content_end(self, link: &mut Link) -> Self {
        match self {
            Self::Sending(sending) => sending.content_end(link),
            other => other,
        }
    }

    fn out_of_order(self, link: &mut Link) -> Self {
        link.outputs
            .push_back(ClientOutput::Done(Err(ClientFailure::OutOfOrder)));
        self
    }
}
