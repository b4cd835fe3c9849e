//! What reads the spool: leases, lists and contents.
//!
//! A place looked up in the index may have been given up by the collector when the file is read. So what does not check out is looked up
//! again, and only a record that is still said to lie there is damaged.

use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use super::group::{Change, Request};
use super::index::Place;
use super::record::{HEADER, Header, MessageMeta};
use super::scan;
use super::segment::Segment;
use super::{Alarm, Shared, blocking, body_name};
use crate::queue::content::Content;
use crate::queue::engine::{EntryView, Leased, LeasedRecipient, ListQuery, Listing, QueueError};
use crate::queue::entry::{EntryState, Moment, RecipientState};
use crate::queue::envelope::{self, Recipient};
use crate::queue::id::QueueId;
use crate::queue::storage::Area;

/// Octets read at first: a header and, of nearly every message, all of its meta.
const FIRST_READ: usize = 4096;
/// Octets of headers that a view shows.
const HEADERS_SHOWN: usize = 64 << 10;

/// Waits until something is due, and takes it.
pub(super) async fn lease(
    shared: &Arc<Shared>,
    max: usize,
    report: Weak<Sender<Request>>,
) -> Vec<Leased> {
    loop {
        let mut woken = std::pin::pin!(shared.wake.notified());
        woken.as_mut().enable();
        let (taken, next_due) = take_due(shared, max);
        if taken.ids.is_empty() {
            match next_due {
                Some(due) => tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep_until(shared.opened + due) => {}
                },
                None => woken.await,
            }
            continue;
        }
        let report = report.clone();
        let read = blocking(move || taken.read(&report)).await;
        if let Some((leased, taken)) = read
            && !leased.is_empty()
        {
            taken.keep(&leased);
            return leased;
        }
    }
}

/// Takes one message, whatever is due of it. When nobody waits for the answer any more, it is given back.
pub(super) fn take(
    shared: &Arc<Shared>,
    id: QueueId,
    report: &Weak<Sender<Request>>,
) -> Result<Leased, QueueError> {
    if !shared.index().take(id)? {
        return Err(QueueError::Busy);
    }
    let taken = Taken {
        shared: shared.clone(),
        ids: vec![id],
    };
    let leased =
        Stored::read(shared, id).and_then(|stored| stored.leased(id, |state| !state.is_finished()));
    match leased {
        Err(QueueError::Damaged) => {
            report_damage(shared, id, report);
            Err(QueueError::Damaged)
        }
        Err(error) => Err(error),
        Ok(leased) => {
            taken.keep(std::slice::from_ref(&leased));
            Ok(leased)
        }
    }
}

fn take_due(shared: &Arc<Shared>, max: usize) -> (Taken, Option<Moment>) {
    let now = shared.now();
    let mut index = shared.index();
    let ids = index.take_due(now, max.max(1));
    let next_due = index.next_due();
    drop(index);
    if !ids.is_empty() && next_due.is_some_and(|due| due <= now) {
        // There is more than this caller wanted; perhaps another one waits.
        shared.wake.notify_one();
    }
    let shared = shared.clone();
    (Taken { shared, ids }, next_due)
}

impl Shared {
    pub(super) fn give_back(&self, id: QueueId) {
        let now = self.now();
        let again = now + self.options.pause_after_drop;
        self.index().give_back(id, now, again);
        self.wake.notify_one();
    }
}

/// Messages marked as leased that nobody has yet: dropping it gives them back.
struct Taken {
    shared: Arc<Shared>,
    ids: Vec<QueueId>,
}

impl Taken {
    /// Reads what a lease holds. A message that cannot be read is left out: it rests, or is held if it is damaged.
    fn read(self, report: &Weak<Sender<Request>>) -> (Vec<Leased>, Self) {
        let now = self.shared.now();
        let leased = self.ids.iter().filter_map(|id| {
            let stored = Stored::read(&self.shared, *id);
            let is_due = |state: &RecipientState| state.due().is_some_and(|due| due <= now);
            match stored.and_then(|stored| stored.leased(*id, is_due)) {
                Err(QueueError::Damaged) => {
                    report_damage(&self.shared, *id, report);
                    None
                }
                leased => leased.ok(),
            }
        });
        (leased.collect(), self)
    }

    /// These are somebody's now.
    fn keep(mut self, leased: &[Leased]) {
        self.ids
            .retain(|id| !leased.iter().any(|message| message.id == *id));
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for id in &self.ids {
            self.shared.give_back(*id);
        }
    }
}

/// A page of the list. What cannot be read is counted and left out.
pub(super) fn list(shared: &Shared, query: ListQuery) -> Listing {
    let index = shared.index();
    let ids = index.page(query.state, query.before, query.limit);
    let total = index.count(query.state);
    drop(index);
    let entries = ids.into_iter().filter_map(|id| view(shared, id).ok());
    Listing {
        total,
        entries: entries.collect(),
    }
}

/// One message.
pub(super) fn view(shared: &Shared, id: QueueId) -> Result<EntryView, QueueError> {
    let stored = Stored::read(shared, id)?;
    let (envelope, recipients) =
        envelope::decode(stored.parts()?.envelope).ok_or(QueueError::Damaged)?;
    let size = stored.size()?;
    let headers = stored.headers()?;
    Ok(EntryView {
        id,
        state: EntryState::of(&stored.recipients),
        envelope,
        recipients: recipients
            .into_iter()
            .map(|one| one.forward_path)
            .zip(stored.recipients.into_vec())
            .collect(),
        now: shared.now(),
        size,
        headers,
    })
}

/// The content of a message, checked, or to be checked while it is read. Damage is reported to the writer, which holds the message.
pub(super) fn content(
    shared: &Arc<Shared>,
    id: QueueId,
    report: Weak<Sender<Request>>,
) -> Result<Content, QueueError> {
    let on_damage = {
        let shared = shared.clone();
        move || report_damage(&shared, id, &report)
    };
    let content = Stored::read(shared, id).and_then(|stored| {
        let octets = stored.content(shared, id)?;
        Ok((stored, octets))
    });
    let (stored, octets) = match content {
        Err(QueueError::Damaged) => {
            on_damage();
            return Err(QueueError::Damaged);
        }
        content => content?,
    };
    let Some(body) = stored.parts()?.body else {
        return Ok(Content::in_memory(octets));
    };
    let file = shared.storage.open(Area::Bodies, &body_name(id))?;
    Ok(Content::with_body_file(
        octets,
        file,
        body.length,
        body.crc,
        Box::new(on_damage),
    ))
}

/// Raises the alarm and has the writer hold the message.
fn report_damage(shared: &Shared, id: QueueId, report: &Weak<Sender<Request>>) {
    shared.alarm(Alarm::MessageDamaged { id });
    let (ack, _) = oneshot::channel();
    let change = Change::Damaged;
    // Without a writer there are no more leases either.
    let _ = report
        .upgrade()
        .map(|report| report.send(Request { id, change, ack }));
}

/// The record of a message, without its content.
struct Stored {
    segment: Arc<Segment>,
    place: Place,
    header: Header,
    meta: Vec<u8>,
    recipients: Box<[RecipientState]>,
}

impl Stored {
    fn read(shared: &Shared, id: QueueId) -> Result<Self, QueueError> {
        loop {
            let (segment, place, recipients) = look_up(shared, id)?;
            if let Some((header, meta)) = read_record(&segment, place, id)? {
                return Ok(Self {
                    segment,
                    place,
                    header,
                    meta,
                    recipients,
                });
            }
            if look_up(shared, id)?.1 == place {
                return Err(QueueError::Damaged);
            }
        }
    }

    fn parts(&self) -> Result<MessageMeta<'_>, QueueError> {
        MessageMeta::decode(self.header.kind, &self.meta).ok_or(QueueError::Damaged)
    }

    /// Octets of the whole content.
    fn size(&self) -> Result<u64, QueueError> {
        let body_file = self.parts()?.body.map_or(0, |body| body.length);
        Ok(u64::from(self.header.content_length) + body_file)
    }

    /// The headers, as far as they are shown, and unchecked: a page shows what there is.
    fn headers(&self) -> Result<Vec<u8>, QueueError> {
        let length = self.parts()?.headers_length as usize;
        let mut headers = vec![0; length.min(HEADERS_SHOWN)];
        let start = self.place.offset + HEADER as u64 + u64::from(self.header.meta_length);
        let read = self.segment.file.read_at(&mut headers, start)?;
        headers.truncate(read);
        Ok(headers)
    }

    /// The content in the record, checked.
    fn content(&self, shared: &Shared, id: QueueId) -> Result<Vec<u8>, QueueError> {
        let content = scan::read_content(&self.segment, self.place.offset, &self.header)?;
        match content {
            Some(content) => Ok(content),
            // The collector moved it between the two reads.
            None if look_up(shared, id)?.1 != self.place => {
                Self::read(shared, id)?.content(shared, id)
            }
            None => Err(QueueError::Damaged),
        }
    }

    /// What whoever leases it gets, with the recipients that are wanted.
    fn leased(
        self,
        id: QueueId,
        wanted: impl Fn(&RecipientState) -> bool,
    ) -> Result<Leased, QueueError> {
        let (envelope, recipients) =
            envelope::decode(self.parts()?.envelope).ok_or(QueueError::Damaged)?;
        let size = self.size()?;
        let leased = |(place, (recipient, state)): (usize, (Recipient, RecipientState))| {
            wanted(&state).then(|| LeasedRecipient {
                place,
                forward_path: recipient.forward_path,
                params: recipient.params,
                attempts: state.attempts,
                waited: state.waited,
                delay_told: state.delay_told,
                released: state.released,
                diagnostic: state.diagnostic.into(),
            })
        };
        let recipients = recipients
            .into_iter()
            .zip(self.recipients.into_vec())
            .enumerate()
            .filter_map(leased)
            .collect();
        Ok(Leased {
            id,
            envelope,
            size,
            recipients,
        })
    }
}

/// Where a message lies, and its recipients.
type Whereabouts = (Arc<Segment>, Place, Box<[RecipientState]>);

fn look_up(shared: &Shared, id: QueueId) -> Result<Whereabouts, QueueError> {
    let index = shared.index();
    let entry = index.get(id).ok_or(QueueError::Unknown)?;
    let usage = index
        .segment(entry.message.segment)
        .ok_or(QueueError::Failed)?;
    Ok((
        usage.segment.clone(),
        entry.message,
        entry.recipients.clone(),
    ))
}

/// Header and meta of the record at a place; `None` when there is no such record.
fn read_record(
    segment: &Segment,
    place: Place,
    id: QueueId,
) -> io::Result<Option<(Header, Vec<u8>)>> {
    let first = usize::try_from(place.length).map_or(FIRST_READ, |length| length.min(FIRST_READ));
    let mut octets = vec![0; first];
    let read = segment.file.read_at(&mut octets, place.offset)?;
    octets.truncate(read);
    let Some(header) = Header::decode(&octets, segment.nonce)
        .filter(|header| header.id == id && header.record_length() == place.length)
    else {
        return Ok(None);
    };
    let mut meta = octets.split_off(HEADER);
    let length = header.meta_length as usize;
    if meta.len() < length {
        let have = meta.len();
        meta.resize(length, 0);
        let rest = meta.get_mut(have..).unwrap_or_default();
        segment
            .file
            .read_at(rest, place.offset + (HEADER + have) as u64)?;
    }
    meta.truncate(length);
    let intact = crc32c::crc32c(&meta) == header.meta_crc;
    Ok(intact.then_some((header, meta)))
}
