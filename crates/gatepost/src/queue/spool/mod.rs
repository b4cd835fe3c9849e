//! The queue on a local disk: a log of segments, and a file per large body.
//!
//! ```text
//! log/<number>-<nonce>.log   records, appended by one thread with one sync per group   [record] [segment] [group] [writer]
//! log/<number>.spare         a dead segment, to be reused
//! bodies/<id>                a body larger than 256 KiB, synced before the record that names it
//! quarantine/                damaged octets that recovery set aside                      [recovery] [scan]
//! ```
//!
//! What is where is known in memory only ([index]) and rebuilt when the queue is opened. Room of finished messages is given back by
//! the collector ([collect]).
//!
//! Failure behaviour: a failed write or sync ends the segment and refuses the group; a full disk refuses messages and still records
//! outcomes; a damaged message is held and reported, and no other is touched. There is no checkpoint: opening reads every header.

mod bytes;
mod collect;
mod copy;
mod group;
mod index;
mod read;
mod record;
mod recovery;
mod scan;
mod segment;
mod state;
mod writer;

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::group::{Change, Message, Request};
use self::index::Index;
use self::record::{BodyFile, MessageMeta};
use self::state::Clocks;
use self::writer::Writer;
use super::content::Content;
use super::engine::{
    Engine, EntryView, Leased, ListQuery, Listing, NewBody, NewMessage, Operation, QueueError,
    Settled, Work,
};
use super::entry::{Moment, RecipientOutcome, RecipientState};
use super::envelope;
use super::id::{IdSource, QueueId};
use super::storage::{Area, Storage, StoredFile};
use crate::config::resolved::QUEUE_SEGMENT_OCTETS;

pub use self::recovery::{Damage, DamageKind, RecoveryReport};

/// How a spool behaves.
#[derive(Clone)]
pub struct SpoolOptions {
    /// Number of this node, the front of its queue ids.
    pub shard: u16,
    /// Octets of a log segment, allocated when it is made.
    pub segment_octets: u64,
    /// No retry is further ahead than this, whatever the clock did while the process was away (T-43).
    pub longest_delay: Duration,
    /// How long a message rests whose lease was dropped.
    pub pause_after_drop: Duration,
    /// The wall clock, for ids and for due times on disk.
    pub wall_clock: fn() -> SystemTime,
    /// Hears of what an operator should know.
    pub on_alarm: Arc<dyn Fn(Alarm) + Send + Sync>,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            shard: 0,
            segment_octets: QUEUE_SEGMENT_OCTETS,
            longest_delay: Duration::from_secs(60 * 60),
            pause_after_drop: Duration::from_secs(60),
            wall_clock: SystemTime::now,
            on_alarm: Arc::new(|_| {}),
        }
    }
}

/// What an operator should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// A write or sync failed: the segment takes no more, and the group was refused.
    SegmentPoisoned {
        /// Its number.
        segment: u64,
        /// What the disk said.
        error: io::ErrorKind,
    },
    /// No new segment could be made: messages are refused until one can.
    NoNewSegment {
        /// What the disk said.
        error: io::ErrorKind,
    },
    /// A message does not match its checksum and is held.
    MessageDamaged {
        /// Its id.
        id: QueueId,
    },
    /// A segment has a record that is needed and cannot be read; it is kept.
    SegmentDamaged {
        /// Its number.
        segment: u64,
    },
    /// Room could not be given back.
    CollectorStopped {
        /// What the disk said.
        error: io::ErrorKind,
    },
}

/// The queue engine on a local disk.
pub struct Spool {
    shared: Arc<Shared>,
    ids: IdSource,
    /// Readers have weak ones, so that none of them keeps the writer from ending.
    requests: Option<Arc<Sender<Request>>>,
    writer: Option<JoinHandle<()>>,
}

/// What the writer and the readers share.
struct Shared {
    storage: Arc<dyn Storage>,
    options: SpoolOptions,
    index: Mutex<Index>,
    /// Held while room is given back, and while a copy is made that needs what is there.
    giving_back: Mutex<()>,
    /// Something may be due earlier than whoever leases believes.
    wake: Notify,
    opened: Instant,
}

impl Shared {
    /// The index. A thread that panicked while it held the lock has left whole entries: every change is one call.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is given back until the guard is dropped.
    fn keep_everything(&self) -> MutexGuard<'_, ()> {
        let guard = self.giving_back.lock();
        guard.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether room may be given back now, while the guard lives.
    fn may_give_back(&self) -> Option<MutexGuard<'_, ()>> {
        match self.giving_back.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn now(&self) -> Moment {
        self.opened.elapsed()
    }

    fn clocks(&self) -> Clocks {
        Clocks {
            monotonic: self.now(),
            wall_ms: wall_ms(&self.options),
        }
    }

    fn alarm(&self, alarm: Alarm) {
        (self.options.on_alarm)(alarm);
    }
}

fn wall_ms(options: &SpoolOptions) -> u64 {
    let since = (options.wall_clock)().duration_since(UNIX_EPOCH);
    since.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

/// The name of a body's file.
fn body_name(id: QueueId) -> String {
    id.to_string()
}

impl Spool {
    /// Opens the spool and recovers what it holds. Blocking.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: SpoolOptions,
    ) -> io::Result<(Self, RecoveryReport)> {
        let clocks = Clocks {
            monotonic: Duration::ZERO,
            wall_ms: wall_ms(&options),
        };
        let recovered = recovery::recover(&*storage, &options, clocks)?;
        let ids = IdSource::new(options.shard);
        let shared = Arc::new(Shared {
            storage,
            options,
            index: Mutex::new(recovered.index),
            giving_back: Mutex::new(()),
            wake: Notify::new(),
            opened: Instant::now(),
        });
        let (requests, receiver) = channel();
        let writer = Writer::new(shared.clone(), receiver, recovered.heritage);
        let writer = std::thread::Builder::new()
            .name("queue-writer".to_owned())
            .spawn(move || writer.run())?;
        let spool = Self {
            shared,
            ids,
            requests: Some(Arc::new(requests)),
            writer: Some(writer),
        };
        Ok((spool, recovered.report))
    }

    /// Asks the writer; the request is on its way when this returns, whether or not the answer is waited for.
    fn request(&self, id: QueueId, change: Change) -> Work<'static, Result<Settled, QueueError>> {
        let (ack, answer) = oneshot::channel();
        if let Some(requests) = &self.requests {
            // A writer that is gone drops the request, and with it the other end of the answer.
            let _ = requests.send(Request { id, change, ack });
        }
        Box::pin(async move { answer.await.unwrap_or(Err(QueueError::Failed)) })
    }

    /// Where readers report damage.
    fn reports(&self) -> Weak<Sender<Request>> {
        self.requests
            .as_ref()
            .map(Arc::downgrade)
            .unwrap_or_default()
    }
}

impl Drop for Spool {
    /// Waits until the writer has answered all it was asked.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to finish.
            let _ = writer.join();
        }
    }
}

/// Runs blocking work on the pool; `None` when the runtime is going down.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

impl Engine for Spool {
    fn draw_id(&self) -> QueueId {
        // Without randomness an id is still unique, but can be guessed; nothing relies on an id being secret.
        let random = getrandom::u64().unwrap_or_default();
        self.ids.draw((self.shared.options.wall_clock)(), random)
    }

    fn create_body(&self, id: QueueId) -> Result<Arc<dyn StoredFile>, QueueError> {
        Ok(self.shared.storage.create(Area::Bodies, &body_name(id))?)
    }

    fn discard_body(&self, id: QueueId) {
        // What cannot be unlinked now is an orphan, which goes when the queue is opened next.
        let _ = self.shared.storage.unlink(Area::Bodies, &body_name(id));
    }

    fn commit(&self, message: NewMessage) -> Work<'_, Result<(), QueueError>> {
        let id = message.id;
        let file = match &message.body {
            NewBody::Inline(_) => None,
            NewBody::File { file, .. } => Some(file.clone()),
        };
        let change = Change::Commit(Box::new(ready(message, self.shared.clocks())));
        let Some(file) = file else {
            let answer = self.request(id, change);
            return Box::pin(async move { answer.await.map(|_| ()) });
        };
        let Some(requests) = self.requests.clone() else {
            return Box::pin(std::future::ready(Err(QueueError::Failed)));
        };
        let (ack, answer) = oneshot::channel();
        let shared = self.shared.clone();
        // Large bodies sync side by side, and go on to the writer even when nobody waits any more.
        drop(tokio::task::spawn_blocking(move || match file.sync() {
            Ok(()) => drop(requests.send(Request { id, change, ack })),
            Err(error) => {
                // What cannot be unlinked now is an orphan, which goes when the queue is opened next.
                let _ = shared.storage.unlink(Area::Bodies, &body_name(id));
                let _ = ack.send(Err(QueueError::from(error)));
            }
        }));
        Box::pin(async move {
            let settled = answer.await.unwrap_or(Err(QueueError::Failed));
            settled.map(|_| ())
        })
    }

    fn lease(&self, max: usize) -> Work<'_, Vec<Leased>> {
        Box::pin(read::lease(&self.shared, max, self.reports()))
    }

    fn give_back(&self, id: QueueId) {
        self.shared.give_back(id);
    }

    fn settle(
        &self,
        id: QueueId,
        outcomes: Vec<(usize, RecipientOutcome)>,
    ) -> Work<'_, Result<Settled, QueueError>> {
        self.request(id, Change::Settle(outcomes, self.shared.now()))
    }

    fn list(&self, query: ListQuery) -> Work<'_, Result<Listing, QueueError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let listing = blocking(move || read::list(&shared, query)).await;
            listing.ok_or(QueueError::Failed)
        })
    }

    fn entry(&self, id: QueueId) -> Work<'_, Result<Option<EntryView>, QueueError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let view = blocking(move || read::view(&shared, id)).await;
            match view.ok_or(QueueError::Failed)? {
                Err(QueueError::Unknown) => Ok(None),
                view => view.map(Some),
            }
        })
    }

    fn content(&self, id: QueueId) -> Work<'_, Result<Content, QueueError>> {
        let shared = self.shared.clone();
        let report = self.reports();
        Box::pin(async move {
            let content = blocking(move || read::content(&shared, id, report)).await;
            content.ok_or(QueueError::Failed)?
        })
    }

    fn take(&self, id: QueueId) -> Work<'_, Result<Leased, QueueError>> {
        let shared = self.shared.clone();
        let report = self.reports();
        Box::pin(async move {
            let leased = blocking(move || read::take(&shared, id, &report)).await;
            leased.ok_or(QueueError::Failed)?
        })
    }

    fn copy_to(&self, to: Arc<dyn Storage>) -> Work<'_, io::Result<usize>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let copied = blocking(move || copy::copy(&shared, &*to)).await;
            copied.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
        })
    }

    fn operate(&self, id: QueueId, operation: Operation) -> Work<'_, Result<(), QueueError>> {
        let answer = self.request(id, Change::Operate(operation, self.shared.now()));
        Box::pin(async move { answer.await.map(|_| ()) })
    }
}

/// Everything of a message's record that does not depend on where it will lie: done by whoever commits, not by the writer.
fn ready(message: NewMessage, clocks: Clocks) -> Message {
    let committed = RecipientState::committed(message.disposition, clocks.monotonic);
    let recipients: Box<[_]> = message
        .recipients
        .iter()
        .map(|_| committed.clone())
        .collect();
    let (body, file) = match message.body {
        NewBody::Inline(body) => (body, None),
        NewBody::File { length, crc, .. } => (Vec::new(), Some(BodyFile { length, crc })),
    };
    let meta = MessageMeta {
        body: file,
        headers_length: u32::try_from(message.headers.len()).unwrap_or(u32::MAX),
        states: &state::encode(&recipients, clocks),
        envelope: &envelope::encode(&message.envelope, &message.recipients),
    }
    .encode();
    let content_crc = crc32c::crc32c_append(crc32c::crc32c(&message.headers), &body);
    Message {
        recipients,
        has_body_file: file.is_some(),
        meta_crc: crc32c::crc32c(&meta),
        meta,
        content: [message.headers, body],
        content_crc,
    }
}
