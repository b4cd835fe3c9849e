//! One mail transaction: MAIL, RCPT for each recipient, the content by DATA or BDAT, and what became of it for each recipient.
//!
//! Commands go out in groups where the server offers PIPELINING (RFC 2920), one by one otherwise; replies are taken in order either
//! way. A group is bounded, and the driver reads before it writes: neither side can come to wait for the other with full buffers.
//! A recipient's outcome is its own refusal, or, if it was accepted, what the server said to the message. A transaction that
//! ends in a refusal is taken back with RSET, so that the next one begins on clean ground.
//!
//! ```text
//! Commanding → Data → AwaitingEnd → over
//!      ↘     → Chunks             → over
//!        (nobody accepted, or DATA or a chunk refused) Resetting → over
//! ```
//!
//! Standards: RFC 5321 §3.3, §4.1.1; RFC 2920 §3.1; RFC 3030 §2; RFC 9422 §4.

use std::collections::VecDeque;

use super::capabilities::Extension;
use super::chunks::{Answered, Chunks};
use super::content::ContentEncoder;
use super::dialogue::{Command, Dialogue, lack};
use super::envelope::{Envelope, SendReport};
use super::failure::{ClientFailure, ProtocolFault, Stage};
use super::link::Link;
use super::session::{ClientOutput, Completed, State};
use crate::params::Body;
use crate::reply::{Reply, ReplyCode};

/// Most commands, or chunks, sent ahead of their replies: enough to hide the way there and back, few enough for any buffer on it.
const WINDOW: usize = 100;

/// A transaction in progress.
pub(super) struct Sending {
    dialogue: Dialogue,
    phase: Phase,
}

enum Phase {
    /// Commands are out, in this order; `next` is the first one that is not.
    Commanding {
        outstanding: VecDeque<Command>,
        next: Option<Command>,
    },
    /// The server wants content after DATA.
    Data(ContentEncoder),
    /// The final dot is out.
    AwaitingEnd,
    /// The dot that ends a DATA which the server should not have granted is out (RFC 2920 §3.1).
    AwaitingEmptyEnd,
    /// Content goes out by BDAT.
    Chunks(Chunks),
    /// The outcome is known, RSET is out.
    Resetting(SendReport),
}

impl Sending {
    /// Begins, if the server can take the message at all.
    pub(super) fn begin(envelope: Envelope, link: &mut Link) -> State {
        let chunking = link.profile.chunking;
        if let Some(lack) = lack(&envelope, &link.capabilities, chunking) {
            return link.finish(Err(ClientFailure::Unsupported(lack)));
        }
        let dialogue = Dialogue::new(envelope, &link.capabilities, chunking);
        if dialogue.envelope.recipients.is_empty() {
            return link.finish(Ok(Completed::Sent(dialogue.report(None))));
        }
        link.transactions = link.transactions.saturating_add(1);
        start(dialogue, link)
    }

    pub(super) fn reply(self, reply: Reply, link: &mut Link) -> State {
        let dialogue = self.dialogue;
        match self.phase {
            Phase::Resetting(report) => after_reset(report, reply, link),
            Phase::Commanding {
                mut outstanding,
                next,
            } => match outstanding.pop_front() {
                Some(Command::Data) => data_answered(dialogue, reply, link),
                Some(_) if reply.code.is_intermediate() => unexpected(reply, link),
                Some(command) => {
                    advance(dialogue.answered(command, reply), outstanding, next, link)
                }
                None => unexpected(reply, link),
            },
            _ if reply.code.is_intermediate() => unexpected(reply, link),
            Phase::AwaitingEnd => link.finish(Ok(Completed::Sent(dialogue.report(Some(reply))))),
            Phase::AwaitingEmptyEnd => take_back(dialogue, None, link),
            Phase::Data(_) if reply.code.is_positive() => unexpected(reply, link),
            Phase::Data(_) => {
                // The server has heard enough. What it means is plain, but the dialogue cannot be brought back in step.
                let stage = Stage::Content;
                let report = dialogue.report(Some(reply.clone()));
                known(report, ClientFailure::Refused { stage, reply }, link)
            }
            Phase::Chunks(chunks) => chunk_answered(dialogue, chunks, reply, link),
        }
    }

    /// The connection is gone.
    pub(super) fn lost(self, failure: ClientFailure, link: &mut Link) -> State {
        match self.phase {
            Phase::Resetting(report) => known(report, failure, link),
            Phase::Chunks(chunks) if chunks.refusal().is_some() => {
                let report = self.dialogue.report(chunks.refusal().cloned());
                known(report, failure, link)
            }
            _ => link.abandon(failure),
        }
    }

    pub(super) fn content(mut self, content: &[u8], link: &mut Link) -> State {
        match &mut self.phase {
            Phase::Data(encoder) => {
                link.wire.send_with(|wire| encoder.encode(content, wire));
                link.wait(Stage::Content);
            }
            Phase::Chunks(chunks) => chunks.add(content, link),
            _ => {}
        }
        State::Sending(Box::new(self))
    }

    pub(super) fn content_end(mut self, link: &mut Link) -> State {
        match self.phase {
            Phase::Data(encoder) => {
                link.wire.send_with(|wire| encoder.finish(wire));
                link.wait(Stage::EndOfData);
                self.phase = Phase::AwaitingEnd;
            }
            Phase::Chunks(ref mut chunks) => chunks.end(link),
            _ => {}
        }
        State::Sending(Box::new(self))
    }

    pub(super) fn wants_content(&self) -> bool {
        match &self.phase {
            Phase::Data(_) => true,
            Phase::Chunks(chunks) => chunks.wants_more(),
            _ => false,
        }
    }

    pub(super) fn is_at_content(&self) -> bool {
        matches!(
            self.phase,
            Phase::Data(_) | Phase::AwaitingEnd | Phase::Chunks(_)
        )
    }
}

fn start(dialogue: Dialogue, link: &mut Link) -> State {
    advance(dialogue, VecDeque::new(), Some(Command::Mail), link)
}

/// Sends as many commands as may be ahead of their replies, in groups rather than one for each reply. When none is left, the content
/// is due, or DATA was not worth sending.
fn advance(
    dialogue: Dialogue,
    mut outstanding: VecDeque<Command>,
    mut next: Option<Command>,
    link: &mut Link,
) -> State {
    let window = window(link);
    let room = outstanding.len() <= window / 2;
    while room
        && outstanding.len() < window
        && let Some(command) = next.filter(|_| !dialogue.is_hopeless(outstanding.len()))
    {
        let (line, stage) = dialogue.line(command, &link.capabilities);
        link.line(&line, stage);
        outstanding.push_back(command);
        next = dialogue.after(command);
    }
    if !outstanding.is_empty() {
        return at(dialogue, Phase::Commanding { outstanding, next });
    }
    if dialogue.by_chunks && !dialogue.is_hopeless(0) {
        link.outputs.push_back(ClientOutput::WantContent);
        link.wait(Stage::Content);
        let binary = dialogue.envelope.body == Body::BinaryMime;
        return at(dialogue, Phase::Chunks(Chunks::new(binary, window)));
    }
    take_back(dialogue, None, link)
}

fn window(link: &Link) -> usize {
    if link.capabilities.has(Extension::Pipelining) {
        WINDOW
    } else {
        1
    }
}

fn data_answered(dialogue: Dialogue, reply: Reply, link: &mut Link) -> State {
    if reply.code != ReplyCode::START_DATA {
        let negative = reply.code.is_transient() || reply.code.is_permanent();
        return if negative {
            take_back(dialogue, Some(reply), link)
        } else {
            unexpected(reply, link)
        };
    }
    if dialogue.mail_refusal().is_none() && dialogue.any_accepted() {
        link.outputs.push_back(ClientOutput::WantContent);
        link.wait(Stage::Content);
        return at(dialogue, Phase::Data(ContentEncoder::new()));
    }
    link.wire
        .send_with(|wire| ContentEncoder::new().finish(wire));
    link.wait(Stage::EndOfData);
    at(dialogue, Phase::AwaitingEmptyEnd)
}

fn chunk_answered(dialogue: Dialogue, mut chunks: Chunks, reply: Reply, link: &mut Link) -> State {
    if matches!(
        reply.code,
        ReplyCode::UNRECOGNISED | ReplyCode::NOT_IMPLEMENTED
    ) {
        // It announced CHUNKING and does not know BDAT: then it takes the octets of the chunk for commands.
        let fault = ProtocolFault::ChunkingUnknown(reply);
        let stage = Stage::Content;
        return link.abandon(ClientFailure::Protocol { stage, fault });
    }
    match chunks.answered(reply, link) {
        Answered::Going => at(dialogue, Phase::Chunks(chunks)),
        Answered::Taken(reply) => link.finish(Ok(Completed::Sent(dialogue.report(Some(reply))))),
        Answered::Refused(refusal) => take_back(dialogue, Some(refusal), link),
    }
}

/// The transaction ends without the message being taken.
fn take_back(dialogue: Dialogue, refusal: Option<Reply>, link: &mut Link) -> State {
    match dialogue.mail_refusal().cloned() {
        // MPAR-08: some servers announce AUTH and do not know the parameter.
        Some(reply)
            if dialogue.with_submitter
                && matches!(reply.code, ReplyCode::SYNTAX | ReplyCode::PARAMETER_UNKNOWN) =>
        {
            start(dialogue.without_submitter(), link)
        }
        Some(reply) => link.finish(Err(ClientFailure::Refused {
            stage: Stage::Mail,
            reply,
        })),
        None => {
            let report = dialogue.report(refusal);
            link.line("RSET", Stage::Reset);
            at(dialogue, Phase::Resetting(report))
        }
    }
}

fn at(dialogue: Dialogue, phase: Phase) -> State {
    State::Sending(Box::new(Sending { dialogue, phase }))
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
