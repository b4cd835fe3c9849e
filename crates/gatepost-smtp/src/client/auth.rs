//! The AUTH loop of the client: one exchange by one mechanism, whichever it is.
//!
//! The loop holds no mechanism name. It frames what the mechanism says (base64, `=` for an empty initial response, an empty line
//! for an empty response, `*` to cancel), decides whether the first message goes on the AUTH line, counts rounds, and leaves the
//! last word on success to the mechanism. What becomes of an exchange that failed is decided in `attempts`.
//!
//! ```text
//! Preparing → (AUTH sent) → Waiting ⇄ Asking
//!                         → Withheld → Waiting (the server prompts) | Unprompted → Waiting (it does not, LS-36)
//! any of them → Cancelling (`*` sent)
//! ```
//!
//! Standards: RFC 4954 §4, RFC 4422 §3.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use gatepost_sasl::{
    AwaitChallenge, AwaitClientAnswer, ClientAnswer, ClientFault, ClientParams, ClientStep,
    ClientSuccess, InitialResponse, Mechanism, Secret,
};

use super::failure::ExchangeFault;
use super::link::Link;
use crate::reply::{Reply, ReplyCode};

/// RFC 5321 §4.5.3.1.4: a command line with its end. An initial response that makes it longer must wait (AUTH-14).
pub(super) const LINE_LIMIT: usize = 512;

/// Most challenges of one exchange (AUTH-23).
const ROUND_LIMIT: u8 = 20;

/// Padding is demanded; trailing bits are nothing a client has to judge.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Whether the first message of the mechanism goes on the AUTH line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstMessage {
    /// If the line is then no longer than a command may be.
    IfItFits,
    /// However long the line becomes.
    OnTheLine,
    /// Not before the server asks for it.
    Withheld,
}

/// One exchange in progress.
pub(super) struct Exchange {
    core: Core,
    phase: Phase,
}

/// What stays the same from phase to phase.
#[derive(Clone, Copy)]
struct Core {
    mechanism: &'static Mechanism,
    first_message: FirstMessage,
    facts: Facts,
}

enum Phase {
    /// The mechanism asked its own side before anything was sent.
    Preparing(Box<dyn AwaitClientAnswer>),
    /// AUTH went out without the first message, which waits for a prompt of any text.
    Withheld(Secret, Box<dyn AwaitChallenge>),
    /// The first message went out although no prompt came. One that comes late says nothing.
    Unprompted(Box<dyn AwaitChallenge>),
    /// The server is to speak.
    Waiting(Box<dyn AwaitChallenge>),
    /// The mechanism asked its own side in the middle.
    Asking(Box<dyn AwaitClientAnswer>),
    /// `*` is sent.
    Cancelling(ExchangeFault),
}

/// What the server saw of an exchange; tells what its refusal may mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The AUTH line carried an initial response.
    pub(super) initial_sent: bool,
    /// The AUTH line could have carried one of this many octets, and did not.
    pub(super) withheld: Option<usize>,
    /// Challenges received.
    pub(super) rounds: u8,
    /// Messages of the mechanism sent, with or after the AUTH line.
    pub(super) messages: u8,
}

/// How an exchange goes on.
pub(super) enum Progress {
    Going(Exchange),
    /// The server said yes and the mechanism agrees.
    Won(ClientSuccess),
    /// The server said no, and inside of the exchange, where the mechanism knows that, why.
    Refused(Reply, Facts, Option<ClientFault>),
    /// The client gave up, and the server knows or never heard of it.
    Cancelled(ExchangeFault, Facts),
    /// The server said yes without having proven what it must prove (AUTH-21): not to be talked to any further.
    Unproven(ClientFault),
    /// The server broke the protocol with this reply.
    Broken(Reply),
}

impl Exchange {
    /// Begins. The AUTH command goes out as soon as the mechanism has its first message.
    pub(super) fn begin(
        mechanism: &'static Mechanism,
        params: ClientParams,
        first_message: FirstMessage,
        link: &mut Link,
    ) -> Progress {
        Core {
            mechanism,
            first_message,
            facts: Facts::default(),
        }
        .open((mechanism.client)(params), link)
    }

    /// The answer of our own side.
    pub(super) fn answer(self, answer: ClientAnswer, link: &mut Link) -> Progress {
        match self.phase {
            Phase::Preparing(state) => self.core.open(state.answer(answer), link),
            Phase::Asking(state) => self.core.go_on(state.answer(answer), link),
            phase => self.core.going(phase),
        }
    }

    /// A reply inside the exchange.
    pub(super) fn reply(self, reply: Reply, link: &mut Link) -> Progress {
        match reply.code {
            code if code.is_transient() || code.is_permanent() => match self.phase {
                Phase::Cancelling(fault) => Progress::Cancelled(fault, self.core.facts),
                Phase::Waiting(next) | Phase::Unprompted(next) => {
                    Progress::Refused(reply, self.core.facts, next.refused())
                }
                _ => Progress::Refused(reply, self.core.facts, None),
            },
            ReplyCode::CHALLENGE => self.challenge(reply, link),
            ReplyCode::AUTH_SUCCEEDED => match self.phase {
                Phase::Waiting(next) | Phase::Unprompted(next) => match next.succeeded() {
                    Ok(success) => Progress::Won(success),
                    Err(fault) => Progress::Unproven(fault),
                },
                _ => Progress::Broken(reply),
            },
            _ => Progress::Broken(reply),
        }
    }

    fn challenge(mut self, reply: Reply, link: &mut Link) -> Progress {
        self.core.facts.rounds += 1;
        if self.core.facts.rounds > ROUND_LIMIT {
            return self.core.cancel(ExchangeFault::TooManyRounds, link);
        }
        match self.phase {
            // CLI-07, CLI-08: a prompt says nothing to a mechanism whose client speaks first.
            Phase::Withheld(message, next) => self.core.respond(message.expose(), next, link),
            Phase::Unprompted(next)
                if decode(&reply).is_none_or(|challenge| challenge.is_empty()) =>
            {
                self.core.going(Phase::Waiting(next))
            }
            Phase::Waiting(next) | Phase::Unprompted(next) => match decode(&reply) {
                Some(challenge) => self.core.go_on(next.challenge(&challenge), link),
                None => self.core.cancel(ExchangeFault::Challenge(reply), link),
            },
            Phase::Preparing(_) | Phase::Asking(_) | Phase::Cancelling(_) => {
                Progress::Broken(reply)
            }
        }
    }

    /// No prompt came in time: sends the message that waits for it (LS-36).
    pub(super) fn prompt_overdue(mut self, link: &mut Link) -> Self {
        if let Phase::Withheld(message, next) = self.phase {
            self.core.write(message.expose(), link);
            self.phase = Phase::Unprompted(next);
        }
        self
    }

    /// Whether a message waits for a prompt.
    pub(super) fn awaits_prompt(&self) -> bool {
        matches!(self.phase, Phase::Withheld(..))
    }

    /// Why the exchange was cancelled, if it was.
    pub(super) fn cancelled(&self) -> Option<&ExchangeFault> {
        match &self.phase {
            Phase::Cancelling(fault) => Some(fault),
            _ => None,
        }
    }
}

impl Core {
    /// What the mechanism wants before the AUTH command went out.
    fn open(mut self, step: ClientStep, link: &mut Link) -> Progress {
        match step {
            ClientStep::Ask(question, state) => {
                link.ask(question);
                self.going(Phase::Preparing(state))
            }
            ClientStep::Abort(fault) => {
                Progress::Cancelled(ExchangeFault::Mechanism(fault), self.facts)
            }
            ClientStep::Wait(next) => {
                self.send_bare(link);
                self.going(Phase::Waiting(next))
            }
            ClientStep::Respond(message, next) => {
                let line = Secret::new(self.line_with(message.expose()));
                let fits = match self.first_message {
                    FirstMessage::IfItFits => line.expose().len() <= LINE_LIMIT,
                    FirstMessage::OnTheLine => true,
                    FirstMessage::Withheld => false,
                };
                if fits {
                    self.facts.initial_sent = true;
                    self.facts.messages = 1;
                    link.wire.send(line.expose());
                    self.going(Phase::Waiting(next))
                } else if self.mechanism.initial_response == InitialResponse::Resumes {
                    // The server takes its place and speaks first.
                    self.send_bare(link);
                    self.going(Phase::Waiting(next))
                } else {
                    self.facts.withheld = Some(line.expose().len());
                    self.send_bare(link);
                    self.going(Phase::Withheld(message, next))
                }
            }
        }
    }

    /// The AUTH line without an initial response.
    fn send_bare(self, link: &mut Link) {
        let line = format!("AUTH {}\r\n", self.mechanism.name);
        link.wire.send(line.as_bytes());
    }

    /// The AUTH line with an initial response; an empty one is `=` (AUTH-06).
    fn line_with(self, message: &[u8]) -> String {
        let message = if message.is_empty() {
            "=".to_owned()
        } else {
            BASE64.encode(message)
        };
        format!("AUTH {} {message}\r\n", self.mechanism.name)
    }

    /// What the mechanism wants inside the exchange.
    fn go_on(self, step: ClientStep, link: &mut Link) -> Progress {
        match step {
            ClientStep::Respond(message, next) => self.respond(message.expose(), next, link),
            ClientStep::Wait(next) => self.going(Phase::Waiting(next)),
            ClientStep::Ask(question, state) => {
                link.ask(question);
                self.going(Phase::Asking(state))
            }
            ClientStep::Abort(fault) => self.cancel(ExchangeFault::Mechanism(fault), link),
        }
    }

    fn respond(
        mut self,
        message: &[u8],
        next: Box<dyn AwaitChallenge>,
        link: &mut Link,
    ) -> Progress {
        self.write(message, link);
        self.going(Phase::Waiting(next))
    }

    /// Sends a response; an empty one is an empty line, never `=` (AUTH-06).
    fn write(&mut self, message: &[u8], link: &mut Link) {
        self.facts.messages = self.facts.messages.saturating_add(1);
        let line = Secret::new(BASE64.encode(message) + "\r\n");
        link.wire.send(line.expose());
    }

    /// AUTH-08: a line with one `*`.
    fn cancel(self, fault: ExchangeFault, link: &mut Link) -> Progress {
        link.wire.send(b"*\r\n");
        self.going(Phase::Cancelling(fault))
    }

    fn going(self, phase: Phase) -> Progress {
        Progress::Going(Exchange { core: self, phase })
    }
}

/// The challenge of a 334: base64 on exactly one line (LS-30). Blanks around it say nothing (LS-05).
fn decode(reply: &Reply) -> Option<Vec<u8>> {
    match reply.lines.as_slice() {
        [line] => BASE64.decode(line.trim()).ok(),
        _ => None,
    }
}
