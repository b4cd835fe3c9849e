//! The durable queue.
//!
//! ```text
//! begin -> Draft -- set_headers, append* --> commit(Draft, RelayGrants) -> Committed     "250" may be said now
//!                                            lease -> Lease -> settle(Lease, outcomes)   until every recipient is finished
//! ```
//!
//! [`Queue`] is a cheap handle; an [`Engine`] does the work. The invariants that callers may rely on, whatever the engine:
//!
//! - A [`Committed`] value exists only once the message would survive a power cut. Any failure before leaves nothing behind.
//! - Recipients come from grants only ([`RelayGrants`]): what policy has not allowed cannot be queued.
//! - A message is with one [`Lease`] at a time. A crash in an attempt repeats the attempt; it never loses the message.
//! - Damaged octets are never handed out as a message.

pub mod content;
pub mod draft;
pub mod engine;
pub mod entry;
pub mod envelope;
pub mod id;
pub mod lease;
pub mod schedule;
pub mod spool;
pub mod storage;
pub(crate) mod unread;

use std::path::Path;
use std::sync::Arc;

pub use self::content::Content;
pub use self::draft::Draft;
pub use self::engine::{EntryView, ListQuery, Listing, Operation, QueueError, Settled};
pub use self::entry::{Disposition, EntryState, RecipientOutcome};
pub use self::envelope::{AuthFacts, Envelope, Recipient, SubmissionFacts};
pub use self::id::QueueId;
pub use self::lease::Lease;
pub use self::spool::{Alarm, Damage, DamageKind, RecoveryReport, SpoolOptions};

use self::engine::Engine;
use self::spool::Spool;
use self::storage::{FileStorage, Storage};
use crate::policy::relay::RelayGrants;

/// The queue: a handle to share freely.
#[derive(Clone)]
pub struct Queue {
    engine: Arc<dyn Engine>,
}

/// Proof that a message is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Its id.
    pub id: QueueId,
}

impl Queue {
    /// Opens the queue in a directory, made if absent, and recovers what it holds. Blocking.
    ///
    /// Fails with [`std::io::ErrorKind::WouldBlock`] when another process has the directory open.
    pub fn open(
        directory: &Path,
        options: SpoolOptions,
    ) -> std::io::Result<(Self, RecoveryReport)> {
        Self::open_with(Arc::new(FileStorage::open(directory)?), options)
    }

    /// Opens the queue on any storage. Blocking.
    pub fn open_with(
        storage: Arc<dyn Storage>,
        options: SpoolOptions,
    ) -> std::io::Result<(Self, RecoveryReport)> {
        let (spool, report) = Spool::open(storage, options)?;
        Ok((Self::with_engine(Arc::new(spool)), report))
    }

    /// A queue on another engine.
    pub fn with_engine(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Begins a message.
    pub fn begin(&self, envelope: Envelope) -> Draft {
        self.begin_as(self.engine.draw_id(), envelope)
    }

    /// Begins a message under a given id, so that committing it twice queues it once.
    pub fn begin_as(&self, id: QueueId, envelope: Envelope) -> Draft {
        Draft::new(self.engine.clone(), id, envelope)
    }

    /// Commits a message to the recipients that were granted, at least one. On `Ok` it is on stable storage; on an error nothing is kept,
    /// and the sender remains responsible.
    pub async fn commit(&self, draft: Draft, grants: RelayGrants) -> Result<Committed, QueueError> {
        let id = draft.id();
        let recipients = grants.into_iter().map(|grant| {
            let (forward_path, params) = grant.into_parts();
            Recipient {
                forward_path,
                params,
            }
        });
        draft.commit(recipients.collect()).await?;
        Ok(Committed { id })
    }

    /// Waits until something is due and takes up to `max` messages.
    pub async fn lease(&self, max: usize) -> Vec<Lease> {
        let leased = self.engine.lease(max).await;
        leased
            .into_iter()
            .map(|message| Lease::new(self.engine.clone(), message))
            .collect()
    }

    /// Records how the recipients of a lease fared, in their order; a missing outcome leaves its recipient due. On an error the outcomes
    /// hold while the process lives and are written as soon as the disk takes them.
    pub async fn settle(
        &self,
        lease: Lease,
        outcomes: Vec<RecipientOutcome>,
    ) -> Result<Settled, QueueError> {
        lease.settle(outcomes).await
    }

    /// A page of the messages queued, newest first.
    pub async fn list(&self, query: ListQuery) -> Result<Listing, QueueError> {
        self.engine.list(query).await
    }

    /// One message; `None` when it is not queued.
    pub async fn entry(&self, id: QueueId) -> Result<Option<EntryView>, QueueError> {
        self.engine.entry(id).await
    }

    /// The content of a message.
    pub async fn content(&self, id: QueueId) -> Result<Content, QueueError> {
        self.engine.content(id).await
    }

    /// Makes the held recipients of a message due now. As with outcomes, on an error it holds while the process lives and is written later.
    pub async fn release(&self, id: QueueId) -> Result<(), QueueError> {
        self.engine.operate(id, Operation::Release).await
    }

    /// Makes the waiting recipients of a message due now; [`QueueError::Busy`] while it is being delivered.
    pub async fn retry(&self, id: QueueId) -> Result<(), QueueError> {
        self.engine.operate(id, Operation::Retry).await
    }

    /// Holds the waiting recipients of a message; [`QueueError::Busy`] while it is being delivered.
    pub async fn hold(&self, id: QueueId, why: String) -> Result<(), QueueError> {
        self.engine.operate(id, Operation::Hold(why)).await
    }

    /// Forgets a message; [`QueueError::Busy`] while it is being delivered.
    pub async fn delete(&self, id: QueueId) -> Result<(), QueueError> {
        self.engine.operate(id, Operation::Delete).await
    }

    /// Takes one message with every recipient that is not finished, due or not; [`QueueError::Busy`] while it is being delivered.
    pub async fn take(&self, id: QueueId) -> Result<Lease, QueueError> {
        let message = self.engine.take(id).await?;
        Ok(Lease::new(self.engine.clone(), message))
    }

    /// Copies everything, as it is at one moment, into an empty storage, and says how many messages that are. Mail comes and goes
    /// meanwhile.
    pub async fn copy_to(&self, to: Arc<dyn Storage>) -> std::io::Result<usize> {
        self.engine.copy_to(to).await
    }

    /// Forgets a leased message.
    pub async fn delete_leased(&self, lease: Lease) -> Result<(), QueueError> {
        lease.delete().await
    }
}
