//! What a queue engine must be able to do.
//!
//! The engine holds messages and knows what is due; its index is its own business, so that a shared database can stand here as well
//! as the log on a local disk ([`super::spool`]). Everything that outlives the process goes through [`Engine::commit`],
//! [`Engine::settle`] and [`Engine::operate`], which return only when it is on stable storage.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gatepost_smtp::params::RcptParams;
use gatepost_smtp::path::ForwardPath;

use super::content::Content;
use super::entry::{Disposition, EntryState, RecipientOutcome, RecipientState};
use super::envelope::{Envelope, Recipient};
use super::id::QueueId;
use super::storage::{Storage, StoredFile};

/// Work of an engine that is waited for.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why the queue could not do it. Nothing was kept of a message whose commit failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// No room (452 4.3.1). It may work again by itself.
    #[error("the queue's disk is full")]
    Full,
    /// A write or sync failed, or the engine is gone (451 4.3.0).
    #[error("the queue's storage failed")]
    Failed,
    /// Stored octets do not match their checksum; the message is held.
    #[error("the stored message is damaged")]
    Damaged,
    /// There is no such message.
    #[error("no such message is queued")]
    Unknown,
    /// The message is being delivered at the moment.
    #[error("the message is being delivered")]
    Busy,
}

impl From<io::Error> for QueueError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::Failed,
        }
    }
}

/// A message to commit.
pub struct NewMessage {
    /// Its id; committing the same id again changes nothing and succeeds.
    pub id: QueueId,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its recipients, at least one.
    pub recipients: Vec<Recipient>,
    /// What to do with it.
    pub disposition: Disposition,
    /// The front of its content: its headers.
    pub headers: Vec<u8>,
    /// The rest of its content.
    pub body: NewBody,
}

/// The content of a new message after its headers.
pub enum NewBody {
    /// All of it.
    Inline(Vec<u8>),
    /// A file from [`Engine::create_body`], completely written and not synced.
    File {
        /// The file.
        file: Arc<dyn StoredFile>,
        /// Its octets.
        length: u64,
        /// CRC32C of its octets.
        crc: u32,
    },
}

/// A message handed out for an attempt.
#[derive(Debug)]
pub struct Leased {
    /// Its id.
    pub id: QueueId,
    /// Its envelope.
    pub envelope: Envelope,
    /// Octets of its content.
    pub size: u64,
    /// The recipients that are due.
    pub recipients: Vec<LeasedRecipient>,
}

/// A recipient that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedRecipient {
    /// Its place among the recipients of the message.
    pub place: usize,
    /// Its address.
    pub forward_path: ForwardPath,
    /// What the sender wants to hear about it.
    pub params: RcptParams,
    /// Attempts that failed before this one.
    pub attempts: u32,
    /// How long it has waited in total.
    pub waited: Duration,
    /// Its sender has been told that it takes long.
    pub delay_told: bool,
    /// Someone released it: no route holds it again.
    pub released: bool,
    /// What the next hop said last; empty at the first attempt.
    pub diagnostic: String,
}

/// What became of a message whose outcomes were settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Nothing remains to be done; the message is gone.
    pub finished: bool,
}

/// Which messages to list, newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListQuery {
    /// Only those in this state; all when absent.
    pub state: Option<EntryState>,
    /// Only those that are older than this one.
    pub before: Option<QueueId>,
    /// At most so many.
    pub limit: usize,
}

/// A page of the list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// How many messages are in the state asked for, this page or not.
    pub total: usize,
    /// The page, newest first.
    pub entries: Vec<EntryView>,
}

/// A queued message as pages and commands show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// Its id.
    pub id: QueueId,
    /// Its state as a whole.
    pub state: EntryState,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its recipients and where each stands. A due time counts from [`EntryView::now`].
    pub recipients: Vec<(ForwardPath, RecipientState)>,
    /// The moment of this view on the engine's clock.
    pub now: Duration,
    /// Octets of its content.
    pub size: u64,
    /// The front of its content: its headers.
    pub headers: Vec<u8>,
}

/// What somebody may want of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Make held recipients due now; no route holds them again.
    Release,
    /// Make waiting recipients due now.
    Retry,
    /// Hold waiting recipients, for this reason.
    Hold(String),
    /// Forget it.
    Delete,
    /// Forget it; whoever asks has it leased.
    DeleteLeased,
}

impl Operation {
    /// Whether it is refused with [`QueueError::Busy`] while the message is being delivered: what the attempt finds out must not be lost.
    pub fn must_be_free(&self) -> bool {
        match self {
            Self::Retry | Self::Hold(_) | Self::Delete => true,
            Self::Release | Self::DeleteLeased => false,
        }
    }
}

/// A queue engine. Blocking calls are named as such; all others may be called from async code.
pub trait Engine: Send + Sync + 'static {
    /// Draws the id of a new message.
    fn draw_id(&self) -> QueueId;
    /// Makes the file of a large body. One quick blocking call.
    fn create_body(&self, id: QueueId) -> Result<Arc<dyn StoredFile>, QueueError>;
    /// Removes the file of a body that will not be committed. Blocking.
    fn discard_body(&self, id: QueueId);
    /// Takes responsibility for a message: `Ok` means that it survives a power cut.
    fn commit(&self, message: NewMessage) -> Work<'_, Result<(), QueueError>>;
    /// Waits until something is due, then hands out up to `max` messages, longest due first.
    fn lease(&self, max: usize) -> Work<'_, Vec<Leased>>;
    /// Takes back a lease that was not settled; its recipients become due again after a pause.
    fn give_back(&self, id: QueueId);
    /// Records how the leased recipients (by place) fared and ends the lease, also when it fails to record it.
    fn settle(
        &self,
        id: QueueId,
        outcomes: Vec<(usize, RecipientOutcome)>,
    ) -> Work<'_, Result<Settled, QueueError>>;
    /// A page of the list.
    fn list(&self, query: ListQuery) -> Work<'_, Result<Listing, QueueError>>;
    /// One message; `None` when it is not queued.
    fn entry(&self, id: QueueId) -> Work<'_, Result<Option<EntryView>, QueueError>>;
    /// The content of a message.
    fn content(&self, id: QueueId) -> Work<'_, Result<Content, QueueError>>;
    /// Takes one message with all recipients that are not finished, due or not: nobody else gets it before it is given back, settled or
    /// deleted.
    fn take(&self, id: QueueId) -> Work<'_, Result<Leased, QueueError>>;
    /// Copies everything, as it is at one moment, into an empty storage, and says how many messages that are.
    fn copy_to(&self, to: Arc<dyn Storage>) -> Work<'_, io::Result<usize>>;
    /// Does to a message what somebody wants.
    fn operate(&self, id: QueueId, operation: Operation) -> Work<'_, Result<(), QueueError>>;
}
