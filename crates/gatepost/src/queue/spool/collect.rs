//! Gives back the room of what is finished.
//!
//! A segment nothing of which is needed any more is given up at once. One of which less than a quarter is needed has that quarter
//! copied to the end of the log first. The work is done by the writer between groups, a group's worth at a time.
//!
//! A `Done` record is needed until the segment with its message is *durably* gone: otherwise a message that was delivered would come
//! back after a power cut.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::group::{Draught, Effect, Gone, Message};
use super::index::{Index, Place};
use super::record::{Header, Kind, MessageMeta, decode_done};
use super::scan::{self, Flow, Found};
use super::segment::Segment;
use super::state;
use super::writer::{GROUP_OCTETS, GROUP_RECORDS, Writer};
use super::{Alarm, body_name};
use crate::queue::entry::RecipientState;
use crate::queue::id::QueueId;
use crate::queue::storage::Area;

/// A segment is copied when less than one part in so many is needed.
const COPY_BELOW: u64 = 4;

/// Where the collector stands.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// There may be a segment to give up.
    look: bool,
    /// A segment that is being copied, and how far.
    copying: Option<(u64, u64)>,
    dead_bodies: BTreeSet<QueueId>,
}

impl Progress {
    pub(super) fn has_work(&self) -> bool {
        self.look || self.copying.is_some() || !self.dead_bodies.is_empty()
    }

    /// A segment will not be written to any more.
    pub(super) fn segment_sealed(&mut self) {
        self.look = true;
    }

    /// A message is durably finished: its body file may go, and perhaps the segment it was in.
    pub(super) fn died(&mut self, id: QueueId, what: Gone) {
        self.look = true;
        if what.has_body_file {
            self.dead_bodies.insert(id);
        }
    }
}

impl Writer {
    /// Does a group's worth of collecting.
    pub(super) fn collect(&mut self) {
        let shared = self.shared.clone();
        let Some(_giving_back) = shared.may_give_back() else {
            return;
        };
        while let Some(id) = self.collecting.dead_bodies.pop_first() {
            // What cannot be unlinked now is an orphan, which goes when the queue is opened next.
            let _ = self.shared.storage.unlink(Area::Bodies, &body_name(id));
        }
        if self.collecting.look || self.collecting.copying.is_some() {
            // A disk that does not cooperate is tried again when more has died, not before.
            if let Err(error) = self.collect_segments() {
                self.collecting.look = false;
                self.collecting.copying = None;
                self.shared.alarm(Alarm::CollectorStopped {
                    error: error.kind(),
                });
            }
        }
    }

    fn collect_segments(&mut self) -> io::Result<()> {
        let Some((segment, from)) = self.next_to_collect()? else {
            self.collecting.look = false;
            return Ok(());
        };
        let number = segment.number;
        let (mut records, to, at_end) = self.still_needed(&segment, from)?;
        self.append_and_apply(&mut records)
            .map_err(io::Error::other)?;
        self.collecting.copying = (!at_end).then_some((number, to));
        if at_end {
            self.collecting.look = true;
            let mut index = self.shared.index();
            let left = index.segment(number).map_or(0, |usage| index.needed(usage));
            if left > 0
                && let Some(usage) = index.segment_mut(number)
            {
                // Something in it is needed and cannot be read: it stays for as long as that is so.
                usage.pinned = true;
                drop(index);
                self.shared.alarm(Alarm::SegmentDamaged { segment: number });
            }
        }
        Ok(())
    }

    /// Gives up every segment that is not needed at all, and returns one to copy, if any, and from where.
    fn next_to_collect(&mut self) -> io::Result<Option<(Arc<Segment>, u64)>> {
        let current = self.current_number();
        let sealed: Vec<_> = {
            let index = self.shared.index();
            index
                .segments()
                .filter(|usage| Some(usage.segment.number) != current && !usage.pinned)
                .map(|usage| (usage.segment.clone(), usage.written, index.needed(usage)))
                .filter(|(_, written, needed)| needed * COPY_BELOW <= *written)
                .collect()
        };
        let mut to_copy = None;
        for (segment, _, needed) in sealed {
            if needed == 0 {
                self.retire(&segment)?;
            } else if to_copy.is_none() {
                let from = match self.collecting.copying {
                    Some((number, from)) if number == segment.number => from,
                    _ => 0,
                };
                to_copy = Some((segment, from));
            }
        }
        Ok(to_copy)
    }

    /// Records to write again, from `from` on and as many as make a group; where to go on, and whether that is the end.
    fn still_needed(&self, segment: &Segment, from: u64) -> io::Result<(Vec<Draught>, u64, bool)> {
        let mut records: Vec<Draught> = Vec::new();
        let mut octets = 0;
        let mut next = from;
        let mut stopped = false;
        scan::scan(segment, self.voids(), from, false, &mut |offset, found| {
            let Found::Record { header, meta } = found else {
                return Ok(Flow::Continue);
            };
            let length = header.record_length();
            let full = records.len() >= GROUP_RECORDS || octets + length > GROUP_OCTETS;
            if full && !records.is_empty() {
                stopped = true;
                return Ok(Flow::Stop);
            }
            if let Some(record) = self.again(segment, offset, &header, meta)? {
                octets += length;
                records.push(record);
            }
            next = offset + length;
            Ok(Flow::Continue)
        })?;
        Ok((records, next, !stopped))
    }

    /// The record to write again for the one at `offset`, if that is needed.
    fn again(
        &self,
        segment: &Segment,
        offset: u64,
        header: &Header,
        meta: &[u8],
    ) -> io::Result<Option<Draught>> {
        let place = Place {
            segment: segment.number,
            offset,
            length: header.record_length(),
        };
        let index = self.shared.index();
        match header.kind {
            Kind::Open => Ok(None),
            Kind::Done => Ok(done_again(&index, header, meta, segment.number)),
            Kind::Patch => Ok(index
                .get(header.id)
                .filter(|entry| entry.patch == Some(place))
                .map(|entry| self.patch_again(header.id, &entry.recipients))),
            Kind::Message | Kind::BodyRef => {
                let Some(entry) = index.get(header.id).filter(|entry| entry.message == place)
                else {
                    return Ok(None);
                };
                let recipients = entry.recipients.clone();
                drop(index);
                self.message_again(segment, offset, header, meta, recipients)
            }
        }
    }

    fn patch_again(&self, id: QueueId, recipients: &[RecipientState]) -> Draught {
        let meta = state::encode(recipients, self.shared.clocks());
        let effect = Effect::Patch {
            recipients: recipients.into(),
            ends_lease: false,
        };
        Draught::without_content(Kind::Patch, id, meta, effect)
    }

    fn message_again(
        &self,
        segment: &Segment,
        offset: u64,
        header: &Header,
        meta: &[u8],
        recipients: Box<[RecipientState]>,
    ) -> io::Result<Option<Draught>> {
        let (Some(parts), Some(content)) = (
            MessageMeta::decode(header.kind, meta),
            scan::read_content(segment, offset, header)?,
        ) else {
            return Ok(None);
        };
        let states = state::encode(&recipients, self.shared.clocks());
        let meta = MessageMeta {
            states: &states,
            ..parts
        }
        .encode();
        let message = Message {
            recipients,
            has_body_file: header.kind == Kind::BodyRef,
            meta_crc: crc32c::crc32c(&meta),
            meta,
            content: [content, Vec::new()],
            content_crc: header.content_crc,
        };
        let record = Draught::message(header.id, message, None);
        Ok(Some(Draught {
            effect: Effect::Move,
            ..record
        }))
    }
}

fn done_again(index: &Index, header: &Header, meta: &[u8], segment: u64) -> Option<Draught> {
    let message_segment = decode_done(meta)?;
    if message_segment == segment || index.segment(message_segment).is_none() {
        return None;
    }
    let effect = Effect::DoneAgain {
        message_segment,
        former: segment,
    };
    Some(Draught::without_content(
        Kind::Done,
        header.id,
        meta.to_vec(),
        effect,
    ))
}
