//! What is queued and where it lies: in memory, rebuilt from the log when it is opened.
//!
//! Per message: its recipients' states, the place of its record and of its latest patch, and whether it is leased. Envelope and headers
//! stay on disk. Beside it the segments and how much of each is still needed, which is what the collector goes by.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::segment::Segment;
use crate::queue::engine::QueueError;
use crate::queue::entry::{EntryState, Moment, Phase, RecipientState};
use crate::queue::id::QueueId;

/// A record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// A queued message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Place,
    /// Its body is a file of its own.
    pub(super) has_body_file: bool,
    /// The record with its states, when that is not the message itself.
    pub(super) patch: Option<Place>,
    pub(super) recipients: Box<[RecipientState]>,
    pub(super) leased: bool,
    state: EntryState,
    /// Its key in the due set.
    due: Option<Moment>,
}

impl Entry {
    pub(super) fn new(
        message: Place,
        has_body_file: bool,
        recipients: Box<[RecipientState]>,
    ) -> Self {
        Self {
            message,
            has_body_file,
            patch: None,
            state: EntryState::of(&recipients),
            recipients,
            leased: false,
            due: None,
        }
    }
}

/// A segment and what is needed of it.
pub(super) struct SegmentUse {
    pub(super) segment: Arc<Segment>,
    /// Where its records end.
    pub(super) written: u64,
    /// Octets of messages and patches that count.
    pub(super) kept: u64,
    /// Octets of `Done` records, by the segment that their message is in: they are needed until that segment is gone.
    pub(super) done: BTreeMap<u64, u64>,
    /// It has octets that could not be set aside; it stays.
    pub(super) pinned: bool,
}

impl SegmentUse {
    pub(super) fn new(segment: Arc<Segment>, written: u64) -> Self {
        Self {
            segment,
            written,
            kept: 0,
            done: BTreeMap::new(),
            pinned: false,
        }
    }
}

/// The index.
#[derive(Default)]
pub(super) struct Index {
    entries: BTreeMap<QueueId, Entry>,
    due: BTreeSet<(Moment, QueueId)>,
    /// The same messages by their state, so that a page of one state costs no more than the page.
    by_state: BTreeMap<EntryState, BTreeSet<QueueId>>,
    segments: BTreeMap<u64, SegmentUse>,
}

impl Index {
    pub(super) fn get(&self, id: QueueId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn contains(&self, id: QueueId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = QueueId> {
        self.entries.keys().copied()
    }

    /// Adds a message, or puts a later record of it in the place of an earlier one.
    pub(super) fn insert(&mut self, id: QueueId, entry: Entry) {
        self.remove(id);
        self.account(entry.message, true);
        self.by_state.entry(entry.state).or_default().insert(id);
        self.entries.insert(id, entry);
        self.reschedule(id);
    }

    /// Forgets a message.
    pub(super) fn remove(&mut self, id: QueueId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(due) = entry.due {
            self.due.remove(&(due, id));
        }
        self.leave_state(entry.state, id);
        self.account(entry.message, false);
        if let Some(patch) = entry.patch {
            self.account(patch, false);
        }
        Some(entry)
    }

    /// Sets a message's states, and where they are written, if they are.
    pub(super) fn patch(
        &mut self,
        id: QueueId,
        recipients: Box<[RecipientState]>,
        place: Option<Place>,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let state = EntryState::of(&recipients);
        let former_state = std::mem::replace(&mut entry.state, state);
        entry.recipients = recipients;
        let former_place = place.and_then(|place| entry.patch.replace(place));
        if former_state != state {
            self.leave_state(former_state, id);
            self.by_state.entry(state).or_default().insert(id);
        }
        if let Some(former) = former_place {
            self.account(former, false);
        }
        if let Some(place) = place {
            self.account(place, true);
        }
        self.reschedule(id);
    }

    /// A message was written again, states included.
    pub(super) fn moved(&mut self, id: QueueId, place: Place) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let former = std::mem::replace(&mut entry.message, place);
        let former_patch = entry.patch.take();
        self.account(former, false);
        if let Some(patch) = former_patch {
            self.account(patch, false);
        }
        self.account(place, true);
    }

    /// Takes up to `max` messages that are due, longest due first, and marks them leased.
    pub(super) fn take_due(&mut self, now: Moment, max: usize) -> Vec<QueueId> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(&(due, id)) = self.due.first()
            && due <= now
        {
            self.due.pop_first();
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.due = None;
                entry.leased = true;
                taken.push(id);
            }
        }
        taken
    }

    /// Marks one message leased; `false` when it is already.
    pub(super) fn take(&mut self, id: QueueId) -> Result<bool, QueueError> {
        let entry = self.entries.get(&id).ok_or(QueueError::Unknown)?;
        let is_free = !entry.leased;
        self.lease(id);
        Ok(is_free)
    }

    /// Keeps a message from being leased.
    pub(super) fn lease(&mut self, id: QueueId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.leased = true;
            self.reschedule(id);
        }
    }

    /// Ends a lease.
    pub(super) fn end_lease(&mut self, id: QueueId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.leased = false;
            self.reschedule(id);
        }
    }

    /// Takes back a lease without outcomes: what was due becomes due again at `again`.
    pub(super) fn give_back(&mut self, id: QueueId, now: Moment, again: Moment) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        for one in &mut entry.recipients {
            if one.due().is_some_and(|due| due <= now) {
                one.phase = Phase::Waiting(again);
            }
        }
        self.end_lease(id);
    }

    /// When the next message is due.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.first().map(|(due, _)| *due)
    }

    /// How many messages are in a state, or in any.
    pub(super) fn count(&self, state: Option<EntryState>) -> usize {
        match state {
            None => self.entries.len(),
            Some(state) => self.by_state.get(&state).map_or(0, BTreeSet::len),
        }
    }

    /// Ids in a state, newest first, older than `before`.
    pub(super) fn page(
        &self,
        state: Option<EntryState>,
        before: Option<QueueId>,
        limit: usize,
    ) -> Vec<QueueId> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let older = (Bound::Unbounded, end);
        match state {
            None => {
                let page = self.entries.range(older).rev().take(limit);
                page.map(|(id, _)| *id).collect()
            }
            Some(state) => self.by_state.get(&state).map_or_else(Vec::new, |ids| {
                ids.range(older).rev().take(limit).copied().collect()
            }),
        }
    }

    pub(super) fn segment(&self, number: u64) -> Option<&SegmentUse> {
        self.segments.get(&number)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &SegmentUse> {
        self.segments.values()
    }

    pub(super) fn add_segment(&mut self, number: u64, segment: SegmentUse) {
        self.segments.insert(number, segment);
    }

    pub(super) fn segment_mut(&mut self, number: u64) -> Option<&mut SegmentUse> {
        self.segments.get_mut(&number)
    }

    /// A segment's file is gone for good.
    pub(super) fn forget_segment(&mut self, number: u64) -> Option<SegmentUse> {
        self.segments.remove(&number)
    }

    /// A `Done` record was written for a message of another segment.
    pub(super) fn add_done(&mut self, place: Place, message_segment: u64) {
        if place.segment != message_segment
            && let Some(usage) = self.segments.get_mut(&place.segment)
        {
            *usage.done.entry(message_segment).or_default() += place.length;
        }
    }

    /// A `Done` record of the segment `number` was written again elsewhere.
    pub(super) fn drop_done(&mut self, number: u64, message_segment: u64, length: u64) {
        if let Some(usage) = self.segments.get_mut(&number)
            && let Some(octets) = usage.done.get_mut(&message_segment)
        {
            *octets = octets.saturating_sub(length);
        }
    }

    /// Octets of a segment that must survive it.
    pub(super) fn needed(&self, usage: &SegmentUse) -> u64 {
        let done = usage.done.iter();
        let done = done.filter(|(number, _)| self.segments.contains_key(number));
        usage.kept + done.map(|(_, octets)| octets).sum::<u64>()
    }

    fn account(&mut self, place: Place, needed: bool) {
        if let Some(usage) = self.segments.get_mut(&place.segment) {
            usage.kept = if needed {
                usage.kept + place.length
            } else {
                usage.kept.saturating_sub(place.length)
            };
        }
    }

    fn leave_state(&mut self, state: EntryState, id: QueueId) {
        if let Some(ids) = self.by_state.get_mut(&state) {
            ids.remove(&id);
        }
    }

    /// Brings the due set up to date with an entry.
    fn reschedule(&mut self, id: QueueId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let due = if entry.leased {
            None
        } else {
            entry
                .recipients
                .iter()
                .filter_map(RecipientState::due)
                .min()
        };
        let former = std::mem::replace(&mut entry.due, due);
        if former != due {
            if let Some(former) = former {
                self.due.remove(&(former, id));
            }
            if let Some(due) = due {
                self.due.insert((due, id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::entry::{Disposition, RecipientOutcome};
    use std::time::Duration;

    const NOW: Moment = Duration::from_secs(10);

    fn id(number: u128) -> QueueId {
        QueueId::from_bits(number)
    }

    fn place(length: u64) -> Place {
        Place {
            segment: 1,
            offset: 0,
            length,
        }
    }

    fn entry(disposition: Disposition) -> Entry {
        let recipients = vec![RecipientState::committed(disposition, NOW)];
        Entry::new(place(100), false, recipients.into())
    }

    #[test]
    fn a_leased_message_is_not_due_until_it_comes_back() {
        let mut index = Index::default();
        index.insert(id(1), entry(Disposition::Deliver));
        index.insert(id(2), entry(Disposition::Hold));
        assert_eq!(index.take_due(NOW / 2, 9), []);
        assert_eq!(index.take_due(NOW, 9), [id(1)]);
        assert_eq!(index.take_due(NOW, 9), []);
        assert_eq!(index.next_due(), None);
        index.give_back(id(1), NOW, NOW * 2);
        assert_eq!(index.next_due(), Some(NOW * 2));
        assert_eq!(index.take_due(NOW * 2, 9), [id(1)]);
    }

    #[test]
    fn a_page_continues_where_the_one_before_ended() {
        let mut index = Index::default();
        for number in 1..=5 {
            let disposition = match number {
                3 => Disposition::Capture,
                _ => Disposition::Hold,
            };
            index.insert(id(number), entry(disposition));
        }
        let held = Some(EntryState::Held);
        assert_eq!(index.page(held, None, 2), [id(5), id(4)]);
        assert_eq!(index.page(held, Some(id(4)), 2), [id(2), id(1)]);
        assert_eq!(index.page(None, Some(id(1)), 2), []);
        assert_eq!((index.count(held), index.count(None)), (4, 5));
    }

    #[test]
    fn what_a_segment_is_needed_for_adds_up_to_nothing_in_the_end() {
        let mut index = Index::default();
        index.add_segment(1, usage_of_nothing(1));
        index.add_segment(2, usage_of_nothing(2));
        index.insert(id(1), entry(Disposition::Deliver));
        let state = index.get(id(1)).unwrap().recipients[0].clone();
        let later = state.after(
            RecipientOutcome::Deferred {
                after: NOW,
                diagnostic: String::new(),
                delay_told: false,
            },
            NOW,
        );
        index.patch(id(1), [later.clone()].into(), Some(place(7)));
        index.patch(id(1), [later].into(), Some(place(9)));
        assert_eq!(index.segment(1).unwrap().kept, 109);
        index.remove(id(1));
        let done = Place {
            segment: 2,
            offset: 0,
            length: 72,
        };
        index.add_done(done, 1);
        assert_eq!(index.needed(index.segment(1).unwrap()), 0);
        assert_eq!(index.needed(index.segment(2).unwrap()), 72);
        index.forget_segment(1);
        assert_eq!(index.needed(index.segment(2).unwrap()), 0);
        assert_eq!((index.len(), index.count(Some(EntryState::Queued))), (0, 0));
    }

    fn usage_of_nothing(number: u64) -> SegmentUse {
        let file = Arc::new(templess_file());
        let segment = Segment {
            number,
            nonce: 0,
            file,
            capacity: 0,
        };
        SegmentUse::new(Arc::new(segment), 0)
    }

    fn templess_file() -> std::fs::File {
        std::fs::File::open("/dev/null").unwrap()
    }
}
