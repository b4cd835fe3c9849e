//! What the writer is asked for, and the records it becomes.

use std::io::IoSlice;

use tokio::sync::oneshot;

use super::index::{Entry, Index, Place};
use super::record::{HEADER, Header, Kind, encode_done};
use super::state::{self, Clocks};
use crate::queue::engine::{Operation, QueueError, Settled};
use crate::queue::entry::{EntryState, Moment, Phase, RecipientOutcome, RecipientState};
use crate::queue::id::QueueId;

/// Where the result of a request goes. Nobody may be waiting for it any more.
pub(super) type Ack = oneshot::Sender<Result<Settled, QueueError>>;

/// A request to the writer.
pub(super) struct Request {
    pub(super) id: QueueId,
    pub(super) change: Change,
    pub(super) ack: Ack,
}

/// What is to change.
pub(super) enum Change {
    /// Take a message.
    Commit(Box<Message>),
    /// End a lease with outcomes, by place.
    Settle(Vec<(usize, RecipientOutcome)>, Moment),
    /// What somebody wants.
    Operate(Operation, Moment),
    /// Stop a message whose stored octets are damaged.
    Damaged,
}

/// A message, ready for the log.
pub(super) struct Message {
    pub(super) recipients: Box<[RecipientState]>,
    pub(super) has_body_file: bool,
    pub(super) meta: Vec<u8>,
    pub(super) meta_crc: u32,
    /// Headers, and the body unless it is a file.
    pub(super) content: [Vec<u8>; 2],
    pub(super) content_crc: u32,
}

/// A record to write, and what it means once it is durable.
pub(super) struct Draught {
    pub(super) header: Header,
    pub(super) meta: Vec<u8>,
    pub(super) content: [Vec<u8>; 2],
    pub(super) effect: Effect,
    pub(super) ack: Option<Ack>,
}

/// What a record means for the index.
pub(super) enum Effect {
    /// A new message.
    Insert {
        recipients: Box<[RecipientState]>,
        has_body_file: bool,
    },
    /// New states; `ends_lease` when they come from an attempt.
    Patch {
        recipients: Box<[RecipientState]>,
        ends_lease: bool,
    },
    /// The message is finished, or deleted on request, which may still be refused.
    Remove { what: Gone, on_request: bool },
    /// The message was written again by the collector.
    Move,
    /// A `Done` record was written again by the collector, in the place of one in the segment `former`.
    DoneAgain { message_segment: u64, former: u64 },
}

/// A message that is no longer needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gone {
    /// The segment it lies in.
    pub(super) segment: u64,
    /// Its body is a file of its own.
    pub(super) has_body_file: bool,
}

impl Gone {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            segment: entry.message.segment,
            has_body_file: entry.has_body_file,
        }
    }
}

impl Draught {
    /// A new message.
    pub(super) fn message(id: QueueId, message: Message, ack: Option<Ack>) -> Self {
        let kind = if message.has_body_file {
            Kind::BodyRef
        } else {
            Kind::Message
        };
        let effect = Effect::Insert {
            recipients: message.recipients,
            has_body_file: message.has_body_file,
        };
        let content_length: usize = message.content.iter().map(Vec::len).sum();
        Self {
            header: Header {
                kind,
                id,
                meta_length: octets(message.meta.len()),
                meta_crc: message.meta_crc,
                content_length: octets(content_length),
                content_crc: message.content_crc,
            },
            meta: message.meta,
            content: message.content,
            effect,
            ack,
        }
    }

    /// The message as it is now: a patch, or the end of it.
    pub(super) fn states(
        id: QueueId,
        recipients: Box<[RecipientState]>,
        message: Gone,
        ends_lease: bool,
        clocks: Clocks,
    ) -> Self {
        if EntryState::of(&recipients) == EntryState::Finished {
            return Self::done(id, message, false);
        }
        let meta = state::encode(&recipients, clocks);
        let effect = Effect::Patch {
            recipients,
            ends_lease,
        };
        Self::without_content(Kind::Patch, id, meta, effect)
    }

    /// The end of a message.
    pub(super) fn done(id: QueueId, what: Gone, on_request: bool) -> Self {
        let effect = Effect::Remove { what, on_request };
        Self::without_content(Kind::Done, id, encode_done(what.segment), effect)
    }

    /// A record of its meta alone.
    pub(super) fn without_content(kind: Kind, id: QueueId, meta: Vec<u8>, effect: Effect) -> Self {
        Self {
            header: Header {
                kind,
                id,
                meta_length: octets(meta.len()),
                meta_crc: crc32c::crc32c(&meta),
                content_length: 0,
                content_crc: 0,
            },
            meta,
            content: [Vec::new(), Vec::new()],
            effect,
            ack: None,
        }
    }

    pub(super) fn with_ack(self, ack: Option<Ack>) -> Self {
        Self { ack, ..self }
    }

    pub(super) fn is_new_message(&self) -> bool {
        matches!(self.effect, Effect::Insert { .. })
    }

    /// It takes room that outcomes may need when the disk is full.
    pub(super) fn leaves_the_reserve(&self) -> bool {
        matches!(self.effect, Effect::Insert { .. } | Effect::Move)
    }

    pub(super) fn has_new_body_file(&self) -> bool {
        matches!(
            self.effect,
            Effect::Insert {
                has_body_file: true,
                ..
            }
        )
    }

    /// Tells whoever waits.
    pub(super) fn answer(&mut self, result: Result<(), QueueError>) {
        if let Some(ack) = self.ack.take() {
            let finished = matches!(self.effect, Effect::Remove { .. });
            // The asker may have given up waiting: then nobody needs to know.
            let _ = ack.send(result.map(|()| Settled { finished }));
        }
    }
}

fn octets(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The octets of records, to be written in one call.
pub(super) struct Gathered {
    headers: Vec<[u8; HEADER]>,
}

impl Gathered {
    /// The records' headers as the segment with this nonce has them.
    pub(super) fn new(records: &[Draught], nonce: u64) -> Self {
        Self {
            headers: records
                .iter()
                .map(|record| record.header.encode(nonce))
                .collect(),
        }
    }

    /// Headers, metas and contents in the order of the log, without copying any.
    pub(super) fn slices<'a>(&'a self, records: &'a [Draught]) -> Vec<IoSlice<'a>> {
        let mut slices = Vec::with_capacity(records.len() * 4 + 1);
        for (header, record) in self.headers.iter().zip(records) {
            slices.push(IoSlice::new(header));
            let parts = std::iter::once(&record.meta).chain(&record.content);
            slices.extend(
                parts
                    .filter(|part| !part.is_empty())
                    .map(|part| IoSlice::new(part)),
            );
        }
        slices
    }
}

/// Applies a record that is durable at `place`, or one that could not be written (`None`) and yet happened.
pub(super) fn apply(index: &mut Index, id: QueueId, effect: &mut Effect, place: Option<Place>) {
    match effect {
        Effect::Insert {
            recipients,
            has_body_file,
        } => {
            if let Some(place) = place {
                let recipients = std::mem::take(recipients);
                index.insert(id, Entry::new(place, *has_body_file, recipients));
            }
        }
        Effect::Patch {
            recipients,
            ends_lease,
        } => {
            index.patch(id, std::mem::take(recipients), place);
            if *ends_lease {
                index.end_lease(id);
            }
        }
        Effect::Remove { what, on_request } => {
            if let Some(place) = place {
                index.remove(id);
                index.add_done(place, what.segment);
            } else if *on_request {
                index.end_lease(id);
            } else {
                index.remove(id);
            }
        }
        Effect::Move => {
            if let Some(place) = place {
                index.moved(id, place);
            }
        }
        Effect::DoneAgain {
            message_segment,
            former,
        } => {
            if let Some(place) = place {
                index.drop_done(*former, *message_segment, place.length);
                index.add_done(place, *message_segment);
            }
        }
    }
}

/// The states after a change, computed from those before it.
pub(super) fn changed(recipients: &[RecipientState], change: &mut Change) -> Box<[RecipientState]> {
    let mut states = recipients.to_vec();
    match change {
        Change::Settle(outcomes, now) => {
            for (place, outcome) in std::mem::take(outcomes) {
                if let Some(state) = states.get_mut(place) {
                    *state = state.clone().after(outcome, *now);
                }
            }
        }
        Change::Operate(operation, now) => {
            for state in &mut states {
                let former = state.clone();
                *state = match operation {
                    Operation::Release => former.released(*now),
                    Operation::Retry => former.hurried(*now),
                    Operation::Hold(why) => former.held(why),
                    Operation::Delete | Operation::DeleteLeased => former,
                };
            }
        }
        Change::Damaged => {
            for state in &mut states {
                if state.due().is_some() {
                    state.phase = Phase::Held;
                    state.diagnostic = "the stored message is damaged".into();
                }
            }
        }
        Change::Commit(_) => {}
    }
    states.into()
}
