//! The one thread that writes the log.
//!
//! It takes whatever is pending, up to a cap, writes it with one call, syncs once, then applies it to the index and answers. It never
//! waits for more to come: while one group syncs, the next one gathers.
//!
//! When a write or sync fails, nothing is known about the group's octets, so the segment is not written to again, and a *void* is kept for
//! the range, which the next segment records as not counting. New messages of the group are refused. Outcomes of attempts have
//! happened nevertheless: they hold in memory, and their records are written as soon as the disk takes them. Every group tries
//! anew to open a segment, so that service returns by itself when space does. The last part of a segment is kept for
//! outcomes, which a full disk must not stop. While the disk takes nothing, every request is still answered.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::group::{Change, Draught, Effect, Gathered, Gone, Request, apply, changed};
use super::index::{Place, SegmentUse};
use super::record::{HEADER, Kind, Void, encode_voids};
use super::segment::{SPARE_SUFFIX, Segment};
use super::{Alarm, Shared, body_name};
use crate::queue::engine::{Operation, QueueError, Settled};
use crate::queue::id::QueueId;
use crate::queue::storage::Area;

/// Records written with one sync at most …
pub(super) const GROUP_RECORDS: usize = 64;
/// … and octets, unless one record alone has more.
pub(super) const GROUP_OCTETS: u64 = 4 << 20;
/// Dead segments kept for reuse.
const SPARES: usize = 2;

/// The state of the writing thread.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    requests: Receiver<Request>,
    /// Requests put off because the group had a record of the same message.
    put_off: VecDeque<Request>,
    current: Option<Current>,
    next_number: u64,
    voids: Vec<Void>,
    spares: Vec<String>,
    /// Messages whose state in memory is ahead of the log, and what is known of those that are finished.
    unsaved: BTreeMap<QueueId, Option<Gone>>,
    pub(super) collecting: super::collect::Progress,
}

/// The segment being written.
struct Current {
    segment: Arc<Segment>,
    tail: u64,
}

/// What recovery leaves to the writer.
pub(super) struct Heritage {
    pub(super) next_number: u64,
    pub(super) voids: Vec<Void>,
    pub(super) spares: Vec<String>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, requests: Receiver<Request>, from: Heritage) -> Self {
        Self {
            shared,
            requests,
            put_off: VecDeque::new(),
            current: None,
            next_number: from.next_number,
            voids: from.voids,
            spares: from.spares,
            unsaved: BTreeMap::new(),
            collecting: super::collect::Progress::default(),
        }
    }

    /// Runs until every sender of requests is gone and all they sent is answered.
    pub(super) fn run(mut self) {
        while let Some(group) = self.next_group() {
            self.serve(group);
            self.collect();
        }
        self.serve(Vec::new());
    }

    /// Everything pending, up to the cap; waits for a first request unless the collector has work. `None`: no more will come.
    fn next_group(&mut self) -> Option<Vec<Request>> {
        let mut group: Vec<Request> = self.put_off.drain(..).collect();
        // While a copy is made the collector rests, and goes on with the first group after it.
        let collects = self.collecting.has_work() && self.shared.may_give_back().is_some();
        if group.is_empty() && !collects {
            group.push(self.requests.recv().ok()?);
        }
        let mut octets: u64 = group.iter().map(Request::octets).sum();
        while group.len() < GROUP_RECORDS && octets < GROUP_OCTETS {
            match self.requests.try_recv() {
                Ok(request) => {
                    octets += request.octets();
                    group.push(request);
                }
                Err(TryRecvError::Disconnected) if group.is_empty() => return None,
                Err(_) => break,
            }
        }
        Some(group)
    }

    fn serve(&mut self, group: Vec<Request>) {
        let mut records = self.unsaved_records();
        let mut seen: HashSet<QueueId> = records.iter().map(|record| record.header.id).collect();
        for request in group {
            if seen.insert(request.id) {
                records.extend(self.prepare(request));
            } else {
                self.put_off.push_back(request);
            }
        }
        if !records.is_empty()
            && let Err(error) = self.write(records)
        {
            self.answer_the_stuck(error);
        }
    }

    /// Answers the requests that were put off for a record which the disk did not take: to wait for it could be to wait for ever.
    fn answer_the_stuck(&mut self, error: QueueError) {
        let put_off = std::mem::take(&mut self.put_off);
        let (stuck, rest) = put_off
            .into_iter()
            .partition(|request| self.unsaved.contains_key(&request.id));
        self.put_off = rest;
        let stuck: VecDeque<Request> = stuck;
        for request in stuck {
            let record: Vec<Draught> = self.prepare(request).into_iter().collect();
            let (refused, happened) = split(record, Draught::is_new_message);
            self.refuse(refused, error);
            self.keep_for_later(happened, error);
        }
    }

    /// The record that a request becomes, or none when it is answered already.
    fn prepare(&self, request: Request) -> Option<Draught> {
        let Request {
            id,
            mut change,
            ack,
        } = request;
        let mut index = self.shared.index();
        if let Change::Commit(message) = change {
            if index.contains(id) {
                let _ = ack.send(Ok(Settled { finished: false }));
                return None;
            }
            return Some(Draught::message(id, *message, Some(ack)));
        }
        let Some(entry) = index.get(id) else {
            let _ = ack.send(Err(QueueError::Unknown));
            return None;
        };
        let (message, leased) = (Gone::of(entry), entry.leased);
        if let Change::Operate(operation, _) = &change {
            if operation.must_be_free() && leased {
                let _ = ack.send(Err(QueueError::Busy));
                return None;
            }
            if matches!(operation, Operation::Delete | Operation::DeleteLeased) {
                // Nobody may lease it while its end is being written.
                index.lease(id);
                return Some(Draught::done(id, message, true).with_ack(Some(ack)));
            }
        }
        let ends_lease = matches!(change, Change::Settle(..));
        let recipients = changed(&entry.recipients, &mut change);
        let clocks = self.shared.clocks();
        Some(Draught::states(id, recipients, message, ends_lease, clocks).with_ack(Some(ack)))
    }

    /// Records of what an earlier failure kept from being written.
    fn unsaved_records(&mut self) -> Vec<Draught> {
        let index = self.shared.index();
        let clocks = self.shared.clocks();
        std::mem::take(&mut self.unsaved)
            .into_iter()
            .filter_map(|(id, finished)| match (finished, index.get(id)) {
                (Some(message), _) => Some(Draught::done(id, message, false)),
                (None, Some(entry)) => Some(Draught::states(
                    id,
                    entry.recipients.clone(),
                    Gone::of(entry),
                    false,
                    clocks,
                )),
                (None, None) => None,
            })
            .collect()
    }

    /// Writes records; on failure refuses the new messages, and keeps the rest for later if that cannot be written either.
    fn write(&mut self, mut records: Vec<Draught>) -> Result<(), QueueError> {
        if records.iter().any(Draught::has_new_body_file)
            && let Err(error) = self.shared.storage.sync_dir(Area::Bodies)
        {
            let (refused, rest) = split(records, Draught::has_new_body_file);
            self.refuse(refused, QueueError::from(error));
            records = rest;
        }
        let Err(error) = self.append_and_apply(&mut records) else {
            return Ok(());
        };
        let (refused, mut rest) = split(records, Draught::is_new_message);
        self.refuse(refused, error);
        self.append_and_apply(&mut rest)
            .inspect_err(|error| self.keep_for_later(rest, *error))
    }

    /// Writes records with one sync, applies them and answers. On failure the records are as they were.
    pub(super) fn append_and_apply(
        &mut self,
        records: &mut Vec<Draught>,
    ) -> Result<(), QueueError> {
        if records.is_empty() {
            return Ok(());
        }
        let places = self.append(records)?;
        let mut index = self.shared.index();
        // Together with what the records mean, so that a copy of the segment has neither more nor less than the index.
        if let Some(last) = places.last()
            && let Some(usage) = index.segment_mut(last.segment)
        {
            usage.written = last.offset + last.length;
        }
        let due_before = index.next_due();
        for (record, place) in records.iter_mut().zip(&places) {
            let id = record.header.id;
            apply(&mut index, id, &mut record.effect, Some(*place));
            if let Effect::Remove { what, .. } = record.effect {
                self.collecting.died(id, what);
            }
        }
        let due = index.next_due();
        drop(index);
        for record in records.iter_mut() {
            record.answer(Ok(()));
        }
        records.clear();
        if due.is_some_and(|due| due_before.is_none_or(|before| due < before)) {
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    /// Writes records with one sync.
    fn append(&mut self, records: &[Draught]) -> Result<Vec<Place>, QueueError> {
        let octets: u64 = records
            .iter()
            .map(|record| record.header.record_length())
            .sum();
        let leave_reserve = records.iter().any(Draught::leaves_the_reserve);
        if !self.has_room(octets, leave_reserve) {
            self.open_segment(octets).map_err(|error| {
                self.shared.alarm(Alarm::NoNewSegment {
                    error: error.kind(),
                });
                QueueError::from(error)
            })?;
        }
        let Some(current) = &mut self.current else {
            return Err(QueueError::Failed);
        };
        let gathered = Gathered::new(records, current.segment.nonce);
        let from = current.tail;
        if let Err(error) = current.segment.write(gathered.slices(records), from) {
            let segment = current.segment.number;
            self.voids.push(Void {
                segment,
                from,
                to: u64::MAX,
            });
            self.current = None;
            self.shared.alarm(Alarm::SegmentPoisoned {
                segment,
                error: error.kind(),
            });
            return Err(QueueError::from(error));
        }
        current.tail += octets;
        let (segment, mut offset) = (current.segment.number, from);
        let place = |record: &Draught| {
            let length = record.header.record_length();
            let place = Place {
                segment,
                offset,
                length,
            };
            offset += length;
            place
        };
        Ok(records.iter().map(place).collect())
    }

    fn has_room(&self, octets: u64, leave_reserve: bool) -> bool {
        self.current.as_ref().is_some_and(|current| {
            let reserve = if leave_reserve {
                current.segment.capacity / 16
            } else {
                0
            };
            current.tail + octets + reserve <= current.segment.capacity
        })
    }

    /// Makes the next segment the current one, with room for `least` octets of records.
    fn open_segment(&mut self, least: u64) -> io::Result<()> {
        let number = self.next_number;
        self.next_number += 1;
        let index = self.shared.index();
        self.voids
            .retain(|void| index.segment(void.segment).is_some());
        drop(index);
        let voids = encode_voids(&self.voids);
        let open = [Draught::without_content(
            Kind::Open,
            QueueId::from_bits(0),
            voids,
            Effect::Move,
        )];
        let tail: u64 = open
            .iter()
            .map(|record| record.header.record_length())
            .sum();
        let full = (least + tail + HEADER as u64).saturating_mul(17) / 16 + 1;
        let capacity = self.shared.options.segment_octets.max(full);
        let spare = if capacity == self.shared.options.segment_octets {
            self.spares.pop()
        } else {
            None
        };
        let nonce = getrandom::u64().map_err(io::Error::other)?;
        let storage = &*self.shared.storage;
        let begin = || {
            let segment = Segment::create(storage, number, nonce, capacity, spare.as_deref())?;
            segment.write(Gathered::new(&open, nonce).slices(&open), 0)?;
            storage.sync_dir(Area::Log)?;
            Ok(Arc::new(segment))
        };
        let segment = begin().inspect_err(|_: &io::Error| {
            // Without a record that counts it is dropped when the queue is opened next, if it cannot be now.
            let _ = storage.unlink(Area::Log, &super::segment::name(number, nonce));
        })?;
        let usage = SegmentUse::new(segment.clone(), tail);
        self.shared.index().add_segment(number, usage);
        self.current = Some(Current { segment, tail });
        self.collecting.segment_sealed();
        Ok(())
    }

    fn refuse(&self, refused: Vec<Draught>, error: QueueError) {
        for mut record in refused {
            if record.has_new_body_file() {
                // What cannot be unlinked now is an orphan, which goes when the queue is opened next.
                let _ = self
                    .shared
                    .storage
                    .unlink(Area::Bodies, &body_name(record.header.id));
            }
            record.answer(Err(error));
        }
    }

    /// Lets happen what has happened, though the disk does not take it yet. A deletion has not happened: it is only refused.
    fn keep_for_later(&mut self, records: Vec<Draught>, error: QueueError) {
        let mut index = self.shared.index();
        for mut record in records {
            let id = record.header.id;
            match record.effect {
                Effect::Remove {
                    on_request: true, ..
                } => {}
                Effect::Remove { what, .. } => {
                    self.unsaved.insert(id, Some(what));
                }
                _ => {
                    self.unsaved.insert(id, None);
                }
            }
            apply(&mut index, id, &mut record.effect, None);
            record.answer(Err(error));
        }
        drop(index);
        // Leases ended, so something may be due.
        self.shared.wake.notify_one();
    }

    /// The segment being written.
    pub(super) fn current_number(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.segment.number)
    }

    /// Ranges that do not count.
    pub(super) fn voids(&self) -> &[Void] {
        &self.voids
    }

    /// Gives a dead segment's file up, durably, before its number is forgotten: `Done` records elsewhere are needed until then.
    pub(super) fn retire(&mut self, segment: &Segment) -> io::Result<()> {
        let storage = &*self.shared.storage;
        let spare = format!("{:016x}{SPARE_SUFFIX}", segment.number);
        let keep =
            self.spares.len() < SPARES && segment.capacity == self.shared.options.segment_octets;
        let gone = if keep {
            storage.rename(Area::Log, &segment.name(), &spare)
        } else {
            storage.unlink(Area::Log, &segment.name())
        };
        match &gone {
            // An earlier attempt came so far.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => gone?,
        }
        storage.sync_dir(Area::Log)?;
        if keep {
            self.spares.push(spare);
        }
        self.shared.index().forget_segment(segment.number);
        Ok(())
    }
}

impl Request {
    fn octets(&self) -> u64 {
        match &self.change {
            Change::Commit(message) => {
                let content = message.content.iter().map(Vec::len).sum::<usize>();
                (content + message.meta.len()) as u64
            }
            _ => 128,
        }
    }
}

fn split(records: Vec<Draught>, wanted: fn(&Draught) -> bool) -> (Vec<Draught>, Vec<Draught>) {
    records.into_iter().partition(wanted)
}
