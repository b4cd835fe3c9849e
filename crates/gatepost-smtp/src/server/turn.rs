//! One turn of a session: input is worked off as far as it goes, answers are taken up, silence and
//! ends are noticed.

use std::time::Duration;

use gatepost_sasl::Mechanism;

use super::auth::Exchange;
use super::{AbortCause, Answer, AuthEnd, Output, Pending, RequestId, ServerSession, State};
use crate::command::Verb;
use crate::line::{LineDecoder, LineEnd, LineLimit, Scan};
use crate::quirk::Quirk;
use crate::reply::{Positive, Refusal};
use crate::tls_facts::TlsFacts;

/// The first octet of a TLS handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

impl ServerSession {
    /// Octets from the peer: worked off where they stand if nothing waits before them.
    pub(super) fn receive(&mut self, octets: &[u8]) {
        if matches!(self.state, State::Closed) {
            return;
        }
        if !self.wire.is_direct() {
            return self.keep(octets);
        }
        let used = self.work_off(octets);
        self.keep(octets.get(used..).unwrap_or_default());
    }

    /// Keeps octets for later and works off what can be worked off now.
    fn keep(&mut self, octets: &[u8]) {
        match self.wire.receive(octets) {
            Ok(()) => self.advance(),
            // LAYER-05: nobody can find the beginning of the next buffer.
            Err(_) => self.close(),
        }
    }

    /// Works off what waits, as far as it goes.
    fn advance(&mut self) {
        let mut waiting = self.wire.take_input();
        let layered = self.wire.layer().is_some();
        let used = self.work_off(waiting.rest());
        waiting.advance(used);
        if !layered && self.wire.layer().is_some() {
            // LAYER-02: what stands behind the client's last response is protected.
            return self.keep(waiting.rest());
        }
        self.wire.give_back(waiting);
    }

    /// Works off octets until they are used up, somebody has to answer, or what follows is not for
    /// us to read.
    fn work_off(&mut self, octets: &[u8]) -> usize {
        let layered = self.wire.layer().is_some();
        let mut used = 0;
        while let Some(rest) = octets.get(used..).filter(|rest| !rest.is_empty()) {
            let step = match std::mem::replace(&mut self.state, State::Ready) {
                State::Content(content) => {
                    self.keep_pace(rest.len());
                    self.content(content, rest)
                }
                state @ (State::Ready | State::Exchange(..)) => self.line(state, rest),
                State::StartTls { early } => self.behind_starttls(early, rest),
                State::AwaitingTls => self.behind_starttls(Vec::new(), rest),
                state @ (State::Asking(..) | State::Closed) => {
                    self.state = state;
                    return used;
                }
            };
            used += step;
            if step == 0 || layered != self.wire.layer().is_some() {
                break;
            }
        }
        used
    }

    /// T-38: octets of a message break the silence in proportion, so that dribbling gains nothing.
    fn keep_pace(&mut self, octets: usize) {
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * octets / self.profile.limits.slowest.max(1);
        self.since = self.now.min(self.since + earned);
    }

    /// Works off one line, or none if it is not complete.
    fn line(&mut self, state: State, octets: &[u8]) -> usize {
        if self.is_tls_handshake(&state, octets) {
            self.fault(Verb::Unknown, Refusal::TlsUnexpected);
            return octets.len();
        }
        let limit = self.line_limit(&state, octets);
        match self.lines.scan(octets, limit) {
            Scan::Partial { used } => {
                self.state = state;
                used
            }
            Scan::TooLong { refusal, used } => {
                self.since = self.now;
                self.unreadable(state, refusal);
                used
            }
            Scan::Line {
                content,
                ending,
                used,
            } => {
                self.since = self.now;
                self.complete_line(state, content, ending);
                used
            }
        }
    }

    /// SMTP-06, AUTH-13, LEG-19: an AUTH line may be as long as the longest mechanism's.
    fn line_limit(&self, state: &State, octets: &[u8]) -> LineLimit {
        let limits = &self.profile.limits;
        match state {
            State::Exchange(exchange, _) => LineLimit {
                octets: self.auth_line_limit(exchange.mechanism),
                refusal: Refusal::AuthLineTooLong,
            },
            _ if begins_with(octets, b"AUTH") => LineLimit {
                octets: limits.long_auth_line,
                refusal: Refusal::AuthLineTooLong,
            },
            _ => LineLimit {
                octets: limits.command_line,
                refusal: not_read(octets, Refusal::LineTooLong),
            },
        }
    }

    pub(super) fn auth_line_limit(&self, mechanism: &Mechanism) -> usize {
        let limits = &self.profile.limits;
        if mechanism.long_lines {
            limits.long_auth_line
        } else {
            limits.auth_line
        }
    }

    fn complete_line(&mut self, state: State, content: &[u8], ending: LineEnd) {
        if ending == LineEnd::Lf {
            if !self.profile.quirks.contains(Quirk::BareLineFeed) {
                return self.unreadable(state, not_read(content, Refusal::BareLineFeed));
            }
            self.quirk(Quirk::BareLineFeed);
        }
        match state {
            State::Exchange(exchange, expected) => self.response(exchange, expected, content),
            _ => self.command(content),
        }
    }

    /// A line that cannot be read ends an exchange and is otherwise only refused.
    fn unreadable(&mut self, state: State, refusal: Refusal) {
        match state {
            State::Exchange(exchange, _) => {
                self.abort(&exchange, refusal, AbortCause::LineUnreadable);
            }
            _ => self.fault(Verb::Unknown, refusal),
        }
    }

    /// LC-38: TLS where a clear session has just begun.
    fn is_tls_handshake(&self, state: &State, octets: &[u8]) -> bool {
        let untouched =
            matches!(state, State::Ready) && self.tls.is_none() && self.greeting.is_none();
        untouched && octets.first() == Some(&TLS_HANDSHAKE)
    }

    /// TLS-04: what stands behind STARTTLS is a handshake or an attack.
    fn behind_starttls(&mut self, mut early: Vec<u8>, octets: &[u8]) -> usize {
        early.extend_from_slice(octets);
        if early.first() == Some(&TLS_HANDSHAKE) {
            self.state = State::StartTls { early };
        } else {
            self.decline(Verb::StartTls, Refusal::StartTlsInjection);
        }
        octets.len()
    }

    /// The handshake has succeeded: everything known before it is forgotten (RFC 3207 §4.2;
    /// TLS-07).
    pub(super) fn tls_started(&mut self, facts: TlsFacts) {
        if !matches!(self.state, State::AwaitingTls) {
            return;
        }
        self.wire.forget();
        self.lines = LineDecoder::default();
        self.greeting = None;
        self.offered = Vec::new();
        self.identity = None;
        self.tls = Some(Box::new(facts));
        self.since = self.now;
        self.state = State::Ready;
    }

    /// The answer to the outstanding request; any other is ignored.
    pub(super) fn answered(&mut self, id: RequestId, answer: Answer) {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Asking(asked, pending) if asked == id => {
                self.since = self.now;
                self.resume(pending, answer);
            }
            state => self.state = state,
        }
    }

    fn resume(&mut self, pending: Pending, answer: Answer) {
        match (pending, answer) {
            (Pending::Hello(greeting), Answer::Offer(offer)) => self.hello(greeting, offer),
            (Pending::Begin(opening), Answer::Begin(params)) => self.begin(&opening, params),
            (Pending::Verdict(exchange, state), Answer::Sasl(answer)) => {
                self.step(exchange, state.answer(answer));
            }
            (Pending::Mail(kind), Answer::Proceed) => self.mail_accepted(kind),
            (Pending::Rcpt, Answer::Proceed) => self.rcpt_accepted(),
            (Pending::Content(form), Answer::Proceed) => self.content_begins(form),
            (Pending::Headers(content), Answer::Proceed) => self.content_goes_on(content),
            (Pending::Commit(_), Answer::Committed { id }) => self.committed(&id),
            (pending, Answer::Refuse(refusal)) => self.not_granted(pending, refusal),
            (pending, _) => self.not_decided(pending),
        }
    }

    /// The program said no.
    fn not_granted(&mut self, pending: Pending, refusal: Refusal) {
        match pending {
            Pending::Hello(_) => self.decline(Verb::Ehlo, refusal),
            Pending::Begin(_) => self.decline(Verb::Auth, refusal),
            Pending::Verdict(exchange, _) => self.lost(&exchange, refusal),
            Pending::Mail(_) => self.decline(Verb::Mail, refusal),
            Pending::Rcpt => self.decline(Verb::Rcpt, refusal),
            Pending::Content(form) => self.content_impossible(form, refusal),
            Pending::Headers(content) => self.content_refused(content, refusal),
            Pending::Commit(verb) => self.decline(verb, refusal),
        }
    }

    /// The program said nothing, or nothing that fits.
    fn not_decided(&mut self, pending: Pending) {
        let refusal = match pending {
            Pending::Begin(_) | Pending::Verdict(..) => Refusal::DirectoryUnavailable,
            _ => Refusal::TemporaryFailure,
        };
        self.not_granted(pending, refusal);
    }

    /// AUTH-23, SMTP-09: silence of the peer ends the session, silence of the program only the
    /// request.
    pub(super) fn check_deadline(&mut self) {
        if self.deadline().is_none_or(|deadline| self.now < deadline) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Asking(id, pending) => {
                self.since = self.now;
                self.outputs.push_back(Output::Cancel(id));
                self.not_decided(pending);
            }
            State::Exchange(exchange, _) => {
                self.abort(&exchange, Refusal::Timeout, AbortCause::Timeout);
            }
            _ => self.decline(Verb::Unknown, Refusal::Timeout),
        }
    }

    /// Behind each input: what has become possible is done, and what goes out is sealed.
    pub(super) fn finish_turn(&mut self) {
        if !self.wire.is_idle() {
            self.advance();
        }
        if let State::StartTls { early } = &mut self.state {
            let early = std::mem::take(early);
            self.state = State::AwaitingTls;
            self.reset();
            self.approve(Positive::StartTls, "");
            self.outputs.push_back(Output::StartTls { early });
        }
        if self.draining && matches!(self.state, State::Ready) {
            self.decline(Verb::Unknown, Refusal::ShuttingDown);
        }
        if self.eof && self.has_nothing_to_wait_for() {
            self.close();
        }
        if self.wire.seal().is_err() {
            self.close();
        }
    }

    /// Behind the end of input: only a commit is waited for, and the answers that input already
    /// here waits for.
    fn has_nothing_to_wait_for(&self) -> bool {
        match &self.state {
            State::Asking(_, Pending::Commit(_)) | State::Closed => false,
            // LEG-17: the message is complete.
            State::Asking(_, Pending::Headers(content)) if content.has_ended() => false,
            State::Asking(..) => self.wire.waiting() == 0,
            _ => true,
        }
    }

    /// Ends the session: whatever is open is reported as over.
    pub(super) fn close(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => return,
            State::Exchange(exchange, _) => self.disconnected(&exchange),
            State::Asking(id, Pending::Verdict(exchange, _)) => {
                self.outputs.push_back(Output::Cancel(id));
                self.disconnected(&exchange);
            }
            State::Asking(id, _) => self.outputs.push_back(Output::Cancel(id)),
            State::Ready | State::Content(_) | State::StartTls { .. } | State::AwaitingTls => {}
        }
        self.reset();
        self.outputs.push_back(Output::Close);
    }

    fn disconnected(&mut self, exchange: &Exchange) {
        self.auth_ended(
            exchange.mechanism,
            AuthEnd::Aborted(AbortCause::Disconnected),
            None,
        );
    }
}

/// What is said to a line that is not read: behind BDAT nobody can tell what is command and what is
/// chunk then (BDAT-02).
pub(super) fn not_read(line: &[u8], refusal: Refusal) -> Refusal {
    if begins_with(line, b"BDAT") {
        Refusal::ChunkSyntax
    } else {
        refusal
    }
}

fn begins_with(line: &[u8], verb: &[u8]) -> bool {
    let word = line.trim_ascii_start().get(..verb.len());
    word.is_some_and(|word| word.eq_ignore_ascii_case(verb))
}
