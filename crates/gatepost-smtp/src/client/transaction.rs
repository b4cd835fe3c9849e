//! One mail transaction: MAIL, RCPT for each recipient, DATA, content, and what became of it for each recipient.
//!
//! Commands go out in groups where the server offers PIPELINING (RFC 2920), one by one otherwise; replies are taken in order either
//! way. A recipient's outcome is its own refusal, or, if it was accepted, what the server said to the message. A transaction that
//! ends in a refusal is taken back with RSET, so that the next one begins on clean ground.
//!
//! ```text
//! Commanding → Content → AwaitingEnd → over
//!      ↘ (nobody accepted, or DATA refused) Resetting → over
//! ```
//!
//! Standards: RFC 5321 §3.3, §4.1.1; RFC 2920 §3.1; RFC 1870; RFC 6152; RFC 4954 §5.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::capabilities::Extension;
use super::content::ContentEncoder;
use super::envelope::{Envelope, SendReport};
use super::failure::{ClientFailure, Lack, ProtocolFault, Stage};
use super::link::Link;
use super::session::{ClientOutput, Completed, State};
use crate::params::Body;
use crate::reply::{Reply, ReplyCode};

/// Most commands sent ahead of their replies: enough to hide the way there and back, few enough for any buffer on it.
const WINDOW: usize = 100;

/// A transaction in progress.
pub(super) struct Sending {
    dialogue: Dialogue,
    phase: Phase,
}

/// What was said so far.
struct Dialogue {
    envelope: Envelope,
    /// `AUTH=` goes with MAIL.
    with_submitter: bool,
    /// The reply to MAIL.
    mail: Option<Reply>,
    /// The replies to RCPT, in order.
    rcpt: Vec<Reply>,
}

enum Phase {
    /// Commands are out, in this order; `next` is the first one that is not.
    Commanding {
        outstanding: VecDeque<Command>,
        next: Option<Command>,
    },
    /// The server wants content.
    Content(ContentEncoder),
    /// The final dot is out.
    AwaitingEnd,
    /// The dot that ends a DATA which the server should not have granted is out (RFC 2920 §3.1).
    AwaitingEmptyEnd,
    /// The outcome is known, RSET is out.
    Resetting(SendReport),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Mail,
    Rcpt(usize),
    Data,
}

impl Sending {
    /// Begins, if the server can take the message at all.
    pub(super) fn begin(envelope: Envelope, link: &mut Link) -> State {
        if let Some(lack) = lack(&envelope, link) {
            return link.finish(Err(ClientFailure::Unsupported(lack)));
        }
        if envelope.recipients.is_empty() {
            return link.finish(Ok(Completed::Sent(SendReport {
                recipients: Vec::new(),
                final_reply: None,
            })));
        }
        // MPAR-09.
        let with_submitter = envelope.submitter.is_some() && link.capabilities.has(Extension::Auth);
        Dialogue {
            envelope,
            with_submitter,
            mail: None,
            rcpt: Vec::new(),
        }
        .start(link)
    }

    pub(super) fn reply(self, reply: Reply, link: &mut Link) -> State {
        let dialogue = self.dialogue;
        match self.phase {
            Phase::Resetting(report) => after_reset(report, reply, link),
            Phase::Commanding {
                mut outstanding,
                next,
            } => match outstanding.pop_front() {
                Some(Command::Data) => dialogue.data_answered(reply, link),
                Some(_) if reply.code.is_intermediate() => unexpected(reply, link),
                Some(command) => dialogue
                    .answered(command, reply)
                    .command(outstanding, next, link),
                None => unexpected(reply, link),
            },
            _ if reply.code.is_intermediate() => unexpected(reply, link),
            Phase::AwaitingEnd => link.finish(Ok(Completed::Sent(dialogue.report(Some(reply))))),
            Phase::AwaitingEmptyEnd => dialogue.take_back(None, link),
            Phase::Content(_) if reply.code.is_positive() => unexpected(reply, link),
            Phase::Content(_) => {
                // The server has heard enough. What it means is plain, but the dialogue cannot be brought back in step.
                let stage = Stage::Content;
                let report = dialogue.report(Some(reply.clone()));
                known(report, ClientFailure::Refused { stage, reply }, link)
            }
        }
    }

    /// The connection is gone.
    pub(super) fn lost(self, failure: ClientFailure, link: &mut Link) -> State {
        match self.phase {
            Phase::Resetting(report) => known(report, failure, link),
            _ => link.abandon(failure),
        }
    }

    pub(super) fn content(mut self, content: &[u8], link: &mut Link) -> State {
        if let Phase::Content(encoder) = &mut self.phase {
            link.wire.send_with(|wire| encoder.encode(content, wire));
            link.wait(Stage::Content);
        }
        State::Sending(Box::new(self))
    }

    pub(super) fn content_end(self, link: &mut Link) -> State {
        match self.phase {
            Phase::Content(encoder) => {
                link.wire.send_with(|wire| encoder.finish(wire));
                link.wait(Stage::EndOfData);
                self.dialogue.at(Phase::AwaitingEnd)
            }
            phase => self.dialogue.at(phase),
        }
    }
}

impl Dialogue {
    fn start(self, link: &mut Link) -> State {
        self.command(VecDeque::new(), Some(Command::Mail), link)
    }

    /// Sends as many commands as may be ahead of their replies. When none is left, DATA was not worth sending.
    fn command(
        self,
        mut outstanding: VecDeque<Command>,
        mut next: Option<Command>,
        link: &mut Link,
    ) -> State {
        let window = if link.capabilities.has(Extension::Pipelining) {
            WINDOW
        } else {
            1
        };
        while outstanding.len() < window
            && let Some(command) = next.filter(|_| !self.is_hopeless(outstanding.len()))
        {
            let (line, stage) = self.line(command, link);
            link.line(&line, stage);
            outstanding.push_back(command);
            next = self.after(command);
        }
        if outstanding.is_empty() {
            return self.take_back(None, link);
        }
        self.at(Phase::Commanding { outstanding, next })
    }

    fn line(&self, command: Command, link: &Link) -> (String, Stage) {
        match command {
            Command::Mail => (self.mail_line(link), Stage::Mail),
            Command::Data => ("DATA".to_owned(), Stage::Data),
            Command::Rcpt(index) => {
                let path = self
                    .envelope
                    .recipients
                    .get(index)
                    .map(|recipient| recipient.path.to_string())
                    .unwrap_or_default();
                (format!("RCPT TO:{path}"), Stage::Rcpt)
            }
        }
    }

    fn mail_line(&self, link: &Link) -> String {
        let envelope = &self.envelope;
        let mut line = format!("MAIL FROM:{}", envelope.reverse_path);
        // A `String` takes everything.
        if let (Some(size), Some(_)) = (envelope.size, link.capabilities.size) {
            let _ = write!(line, " SIZE={size}");
        }
        match envelope.body {
            // What is not said is 7-bit (RFC 6152 §3).
            Body::SevenBit => {}
            body => {
                let _ = write!(line, " BODY={}", body.as_str());
            }
        }
        if envelope.smtputf8 {
            line.push_str(" SMTPUTF8");
        }
        if let (true, Some(submitter)) = (self.with_submitter, &envelope.submitter) {
            let _ = write!(line, " AUTH={}", submitter.to_xtext());
        }
        line
    }

    fn after(&self, command: Command) -> Option<Command> {
        let index = match command {
            Command::Mail => 0,
            Command::Rcpt(index) => index + 1,
            Command::Data => return None,
        };
        Some(if index < self.envelope.recipients.len() {
            Command::Rcpt(index)
        } else {
            Command::Data
        })
    }

    /// Whether further commands are pointless: MAIL is refused, or every recipient is.
    fn is_hopeless(&self, outstanding: usize) -> bool {
        let all_answered = outstanding == 0 && self.rcpt.len() == self.envelope.recipients.len();
        self.mail_refusal().is_some() || (all_answered && !self.any_accepted())
    }

    fn answered(mut self, command: Command, reply: Reply) -> Self {
        match command {
            Command::Mail => self.mail = Some(reply),
            Command::Rcpt(_) | Command::Data => self.rcpt.push(too_many_is_transient(reply)),
        }
        self
    }

    fn data_answered(self, reply: Reply, link: &mut Link) -> State {
        if reply.code != ReplyCode::START_DATA {
            let negative = reply.code.is_transient() || reply.code.is_permanent();
            return if negative {
                self.take_back(Some(reply), link)
            } else {
                unexpected(reply, link)
            };
        }
        if self.mail_refusal().is_none() && self.any_accepted() {
            link.outputs.push_back(ClientOutput::WantContent);
            link.wait(Stage::Content);
            return self.at(Phase::Content(ContentEncoder::new()));
        }
        link.wire
            .send_with(|wire| ContentEncoder::new().finish(wire));
        link.wait(Stage::EndOfData);
        self.at(Phase::AwaitingEmptyEnd)
    }

    /// The transaction ends without content.
    fn take_back(self, data_refusal: Option<Reply>, link: &mut Link) -> State {
        match self.mail_refusal().cloned() {
            // MPAR-08: some servers announce AUTH and do not know the parameter.
            Some(reply)
                if self.with_submitter
                    && matches!(reply.code, ReplyCode::SYNTAX | ReplyCode::PARAMETER_UNKNOWN) =>
            {
                Self {
                    envelope: self.envelope,
                    with_submitter: false,
                    mail: None,
                    rcpt: Vec::new(),
                }
                .start(link)
            }
            Some(reply) => link.finish(Err(ClientFailure::Refused {
                stage: Stage::Mail,
                reply,
            })),
            None => {
                let report = self.report(data_refusal);
                link.line("RSET", Stage::Reset);
                self.at(Phase::Resetting(report))
            }
        }
    }

    fn report(&self, final_reply: Option<Reply>) -> SendReport {
        let outcome = |rcpt: &Reply| match &final_reply {
            Some(reply) if rcpt.code.is_positive() && reply.code.is_positive() => Ok(reply.clone()),
            Some(reply) if rcpt.code.is_positive() => Err(reply.clone()),
            _ => Err(rcpt.clone()),
        };
        let recipients = self.rcpt.iter().map(outcome).collect();
        SendReport {
            recipients,
            final_reply: final_reply.filter(|_| self.any_accepted()),
        }
    }

    fn any_accepted(&self) -> bool {
        self.rcpt.iter().any(|reply| reply.code.is_positive())
    }

    fn mail_refusal(&self) -> Option<&Reply> {
        self.mail.as_ref().filter(|reply| !reply.code.is_positive())
    }

    fn at(self, phase: Phase) -> State {
        State::Sending(Box::new(Sending {
            dialogue: self,
            phase,
        }))
    }
}

fn lack(envelope: &Envelope, link: &Link) -> Option<Lack> {
    let capabilities = &link.capabilities;
    match (capabilities.size, envelope.size) {
        (Some(limit), Some(size)) if limit > 0 && size > limit => Some(Lack::Size { limit }),
        _ if envelope.smtputf8 && !capabilities.has(Extension::SmtpUtf8) => Some(Lack::SmtpUtf8),
        _ => match envelope.body {
            Body::EightBitMime if !capabilities.has(Extension::EightBitMime) => {
                Some(Lack::EightBitMime)
            }
            // DATA would harm it, and there is no other way yet.
            Body::BinaryMime => Some(Lack::BinaryMime),
            Body::SevenBit | Body::EightBitMime => None,
        },
    }
}

/// RFC 5321 §4.5.3.1.10: 552 to RCPT, where it means "too many recipients", is to be taken as 452. With the enhanced code of a full
/// mailbox it means what it says.
fn too_many_is_transient(reply: Reply) -> Reply {
    let too_many = reply
        .enhanced
        .is_none_or(|enhanced| (enhanced.subject(), enhanced.detail()) == (5, 3));
    if reply.code == ReplyCode::STORAGE_EXCEEDED && too_many {
        return Reply {
            code: ReplyCode::INSUFFICIENT_STORAGE,
            enhanced: None,
            ..reply
        };
    }
    reply
}

fn after_reset(report: SendReport, reply: Reply, link: &mut Link) -> State {
    if reply.code.is_positive() {
        return link.finish(Ok(Completed::Sent(report)));
    }
    let stage = Stage::Reset;
    known(report, ClientFailure::Refused { stage, reply }, link)
}

/// What became of the message is known; the connection is of no further use.
fn known(report: SendReport, failure: ClientFailure, link: &mut Link) -> State {
    link.outputs
        .push_back(ClientOutput::Done(Ok(Completed::Sent(report))));
    link.close(failure)
}

fn unexpected(reply: Reply, link: &mut Link) -> State {
    let fault = ProtocolFault::Unexpected(reply);
    link.abandon(ClientFailure::Protocol {
        stage: link.stage(),
        fault,
    })
}
