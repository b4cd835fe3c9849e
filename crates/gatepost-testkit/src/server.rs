//! A server's session with a program around it, in memory.
//!
//! The program knows the accounts of a [`FakeDirectory`](crate::directory::FakeDirectory), accepts what it is not told to refuse, and keeps messages. It
//! answers at once, or, when it is told to be [`slow`](ServerBench::slow), when it is told to. Contracts of the session are checked on
//! the way (one request at a time, nothing after the end); a breach is kept in [`ServerBench::breaches`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gatepost_smtp::server::{
    AbortCause, AuthEnd, EolPolicy, Input, Output, Profile, Request, RequestId, ServerSession,
    SessionEvent, TlsPolicy,
};
use gatepost_smtp::{QuirkSet, SessionId, TlsFacts};

use crate::clock::FakeClock;
use crate::program::Program;
use crate::tls;
use crate::transcript::{Listener, ServerSettings};
use crate::wire::{Inside, Received, Wire};

/// The session, the program, and what has come out.
pub struct ServerBench {
    /// The session.
    pub session: ServerSession,
    /// The program.
    pub program: Program,
    /// The session's time.
    pub clock: FakeClock,
    /// Requests wait for [`Self::answer`].
    pub slow: bool,
    /// The request that waits.
    pub asked: Option<(RequestId, Request)>,
    /// What was reported.
    pub events: Vec<SessionEvent>,
    /// Requests that were taken back.
    pub cancelled: Vec<RequestId>,
    /// A handshake is due.
    pub tls_due: bool,
    /// The session asked for the end of the connection.
    pub closed: bool,
    /// What the session did against its contract; empty if all is well.
    pub breaches: Vec<String>,
    written: Vec<u8>,
    told: usize,
}

impl ServerBench {
    /// A session of `profile`; the greeting is in [`Self::take_output`].
    pub fn new(profile: Profile, program: Program, tls: Option<TlsFacts>) -> Option<Self> {
        let clock = FakeClock::new();
        let id = SessionId::new("T3ST")?;
        Some(Self {
            session: ServerSession::new(Arc::new(profile), id, tls, clock.now()),
            program,
            clock,
            slow: false,
            asked: None,
            events: Vec::new(),
            cancelled: Vec::new(),
            tls_due: false,
            closed: false,
            breaches: Vec::new(),
            written: Vec::new(),
            told: 0,
        })
    }

    /// The surroundings a transcript describes.
    pub fn of(settings: &ServerSettings) -> Option<Self> {
        let tls = (settings.listener == Listener::Submissions).then(tls::facts);
        Self::new(profile_of(settings), Program::of(settings), tls)
    }

    /// Hands something to the session and does what it wants.
    pub fn handle(&mut self, input: Input<'_>) {
        self.session.handle(input, self.clock.now());
        self.follow();
        while !self.slow && self.asked.is_some() {
            self.answer();
        }
    }

    /// Sends octets.
    pub fn send(&mut self, octets: &[u8]) {
        self.handle(Input::Bytes(octets));
    }

    /// Has the program answer the request that waits.
    pub fn answer(&mut self) {
        if let Some((id, request)) = self.asked.take() {
            let tls = self.session.greeting_facts().tls;
            let answer = self.program.answer(request, tls);
            self.session
                .handle(Input::Answer(id, answer), self.clock.now());
            self.follow();
        }
    }

    /// Lets time pass; the session is told whenever it asked to be.
    pub fn pass(&mut self, time: Duration) {
        let until = self.clock.now() + time;
        while let Some(deadline) = self
            .session
            .deadline()
            .filter(|deadline| *deadline <= until)
        {
            self.clock.pass_until(deadline);
            self.handle(Input::Tick);
            if self.session.deadline() == Some(deadline) {
                self.breaches
                    .push("a deadline stays although it is over".to_owned());
                break;
            }
        }
        self.clock.pass_until(until);
    }

    /// Octets for the client.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.written.append(self.session.pending_output());
        std::mem::take(&mut self.written)
    }

    fn follow(&mut self) {
        while let Some(output) = self.session.poll() {
            if self.closed {
                self.breaches.push(format!("after the end: {output:?}"));
            }
            match output {
                Output::Ask(id, request) => {
                    if self.asked.is_some() {
                        self.breaches
                            .push(format!("two requests at once: {request:?}"));
                    }
                    self.asked = Some((id, request));
                }
                Output::Cancel(id) => {
                    if self.asked.take().map(|(asked, _)| asked) != Some(id) {
                        self.breaches
                            .push(format!("{id:?} is not there to be taken back"));
                    }
                    self.cancelled.push(id);
                }
                Output::Body(octets) => self.program.append(&octets),
                Output::Event(event) => self.events.push(event),
                Output::StartTls { .. } => self.tls_due = true,
                Output::Close => self.closed = true,
            }
        }
    }
}

fn profile_of(settings: &ServerSettings) -> Profile {
    let host = settings.host.as_str();
    let mut profile = match settings.listener {
        Listener::Legacy => Profile::legacy(host),
        Listener::Submission => Profile::submission(host),
        Listener::Submissions => Profile {
            tls: TlsPolicy::Implicit,
            ..Profile::submission(host)
        },
        Listener::Optional => Profile {
            tls: TlsPolicy::StartTlsOptional,
            ..Profile::submission(host)
        },
    };
    for &(quirk, tolerated) in &settings.quirks {
        let quirks: QuirkSet = profile.quirks;
        profile.quirks = if tolerated {
            quirks.with(quirk)
        } else {
            quirks.without(quirk)
        };
    }
    profile.require_auth = !settings.open;
    if settings.reject_bare_line_ends {
        profile.eol = EolPolicy::Reject;
    }
    profile.size_limit = settings.size_limit.unwrap_or(profile.size_limit);
    profile
}

impl Wire for ServerBench {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        Self::send(self, octets);
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Received> {
        if let Some(breach) = self.breaches.first() {
            return Err(io::Error::other(breach.clone()));
        }
        let octets = self.take_output();
        Ok(match octets.is_empty() {
            false => Received::Octets(octets),
            true if self.closed => Received::Closed,
            true => Received::Nothing,
        })
    }

    fn receive_now(&mut self) -> io::Result<Received> {
        self.receive()
    }

    fn start_tls(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.tls_due) {
            return Err(io::Error::other("the server did not agree to TLS"));
        }
        self.handle(Input::TlsStarted(tls::facts()));
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.handle(Input::Eof);
        Ok(())
    }

    fn inside(&mut self) -> Option<&mut dyn Inside> {
        Some(self)
    }
}

impl Inside for ServerBench {
    fn events(&mut self) -> Vec<String> {
        let new = self.events.get(self.told..).unwrap_or_default();
        let told = new.iter().map(told).collect();
        self.told = self.events.len();
        told
    }

    fn message(&mut self) -> Option<Vec<u8>> {
        self.program.messages.pop_front()
    }

    fn wait(&mut self, time: Duration) {
        self.pass(time);
    }
}

/// A report in the words of an `E:` line.
fn told(event: &SessionEvent) -> String {
    match event {
        SessionEvent::AuthEnded { mechanism, end, .. } => match end {
            AuthEnd::Won(identity) if identity.login() == identity.acts_as() => {
                format!("won {mechanism} {}", identity.login())
            }
            AuthEnd::Won(identity) => {
                format!(
                    "won {mechanism} {} as {}",
                    identity.login(),
                    identity.acts_as()
                )
            }
            AuthEnd::Lost(refusal) => format!("lost {mechanism} {}", refusal.label()),
            AuthEnd::Aborted(cause) => format!("aborted {mechanism} {}", cause_label(*cause)),
        },
        SessionEvent::Refused {
            command, refusal, ..
        } => {
            let command = if command.is_empty() { "?" } else { command };
            format!("refused {command} {}", refusal.label())
        }
        SessionEvent::Quirk(quirk) => format!("quirk {quirk}"),
        SessionEvent::PasswordExposed { mechanism } => format!("password-exposed {mechanism}"),
        SessionEvent::TransactionReset => "transaction-reset".to_owned(),
    }
}

fn cause_label(cause: AbortCause) -> &'static str {
    match cause {
        AbortCause::Cancelled => "cancelled",
        AbortCause::Quit => "quit",
        AbortCause::NotBase64 => "not-base64",
        AbortCause::LineUnreadable => "line-unreadable",
        AbortCause::TooManyRounds => "too-many-rounds",
        AbortCause::Disconnected => "disconnected",
        AbortCause::Timeout => "timeout",
    }
}
