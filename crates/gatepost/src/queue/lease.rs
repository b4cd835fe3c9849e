//! A message taken from the queue for one attempt.
//!
//! While a lease lives, nobody else gets the message. It ends by being settled (by value), or by being dropped: a task that panics or
//! is cancelled gives its message back, and its recipients are due again after a pause.

use std::sync::Arc;

use super::content::Content;
use super::engine::{Engine, Leased, LeasedRecipient, Operation, QueueError, Settled};
use super::entry::RecipientOutcome;
use super::envelope::Envelope;
use super::id::QueueId;

/// A message taken for one attempt at its due recipients.
pub struct Lease {
    message: Leased,
    engine: Option<Arc<dyn Engine>>,
}

impl Lease {
    pub(super) fn new(engine: Arc<dyn Engine>, message: Leased) -> Self {
        Self {
            message,
            engine: Some(engine),
        }
    }

    /// The message's id.
    pub fn id(&self) -> QueueId {
        self.message.id
    }

    /// Its envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.message.envelope
    }

    /// The recipients that are due: the only ones to try.
    pub fn recipients(&self) -> &[LeasedRecipient] {
        &self.message.recipients
    }

    /// Octets of its content.
    pub fn size(&self) -> u64 {
        self.message.size
    }

    /// Its content, from front to end.
    pub async fn content(&self) -> Result<Content, QueueError> {
        match &self.engine {
            Some(engine) => engine.content(self.message.id).await,
            None => Err(QueueError::Unknown),
        }
    }

    pub(super) async fn delete(mut self) -> Result<(), QueueError> {
        match self.engine.take() {
            Some(engine) => {
                let delete = Operation::DeleteLeased;
                engine.operate(self.message.id, delete).await
            }
            None => Err(QueueError::Unknown),
        }
    }

    pub(super) async fn settle(
        mut self,
        outcomes: Vec<RecipientOutcome>,
    ) -> Result<Settled, QueueError> {
        let places = self.message.recipients.iter().map(|one| one.place);
        let outcomes = places.zip(outcomes).collect();
        match self.engine.take() {
            Some(engine) => engine.settle(self.message.id, outcomes).await,
            None => Err(QueueError::Unknown),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(engine) = &self.engine {
            engine.give_back(self.message.id);
        }
    }
}
