//! Delivery on a queue that fails where a test wants it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use gatepost::config::resolved::Route;
use gatepost::observe::event::DeliveryOutcome;
use gatepost::observe::reason::Reason;
use gatepost::queue::engine::{Engine, Leased, NewMessage, Work};
use gatepost::queue::spool::Spool;
use gatepost::queue::storage::{Storage, StoredFile};
use gatepost::queue::{
    Content, EntryState, EntryView, ListQuery, Listing, Operation, QueueError, QueueId,
    RecipientOutcome, Settled,
};

use super::smarthost::Smarthost;
use super::world::{World, capture_notices, route_to};

const BODY: &str = "Subject: hello\r\nFrom: me@own.example\r\n\r\nbody\r\n";

/// An engine that works, but for what a test breaks.
struct Trap {
    inner: Spool,
    /// Reading the content of this message panics.
    poison: Arc<Mutex<Option<QueueId>>>,
    /// Nothing can be committed.
    full: Arc<AtomicBool>,
}

fn start(routes: Vec<Route>) -> (World, Arc<Mutex<Option<QueueId>>>, Arc<AtomicBool>) {
    let (poison, full) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
    let (trap, lid) = (Arc::clone(&poison), Arc::clone(&full));
    let engine = |inner| -> Arc<dyn Engine> {
        Arc::new(Trap {
            inner,
            poison: trap,
            full: lid,
        })
    };
    (World::start_on(engine, |_| {}, |_| routes), poison, full)
}

// T-42
#[tokio::test]
async fn a_message_that_makes_attempts_panic_is_held_and_the_rest_flows() {
    let hop = Smarthost::start(|_| None).await;
    let (mut world, poison, _) = start(vec![route_to(&[hop.port()])]);
    let id = world
        .submit_telling("me@own.example", &["bad@next.example"], BODY, |id| {
            *poison.lock().unwrap() = Some(id);
        })
        .await;
    let held = world.attempt("bad@next.example").await;
    assert_eq!(
        (held.outcome, held.reason),
        (DeliveryOutcome::Held, Reason::Internal)
    );
    assert_eq!(
        world.queue.entry(id).await.unwrap().unwrap().state,
        EntryState::Held
    );
    for _ in 0..2 {
        assert_eq!(
            world.fault().await.reason,
            Reason::Internal,
            "each panic is told to the operator"
        );
    }
    world
        .submit("me@own.example", &["you@next.example"], BODY)
        .await;
    assert_eq!(
        world.attempt("you@next.example").await.outcome,
        DeliveryOutcome::Delivered
    );
    world.stop().await;
}

// A sender who cannot be told has not been told: the recipient has not failed yet.
#[tokio::test]
async fn nothing_fails_before_its_notice_is_safe() {
    let hop = Smarthost::start_held_and("MAIL", |line| {
        line.starts_with("RCPT")
            .then(|| "550 5.1.1 No\r\n".to_owned())
    })
    .await;
    let (mut world, _, full) = start(vec![capture_notices(), route_to(&[hop.port()])]);
    let id = world
        .submit("me@own.example", &["nobody@next.example"], BODY)
        .await;
    hop.reached().await;
    full.store(true, Ordering::SeqCst);
    hop.go_on();
    let event = world.attempt("nobody@next.example").await;
    assert_eq!(event.outcome, DeliveryOutcome::Deferred);
    assert!(world.fault().await.detail.contains("notice"));
    assert_eq!(
        world.queue.entry(id).await.unwrap().unwrap().state,
        EntryState::Queued
    );
    world.stop().await;
}

impl Engine for Trap {
    fn content(&self, id: QueueId) -> Work<'_, Result<Content, QueueError>> {
        assert!(
            *self.poison.lock().unwrap() != Some(id),
            "the injected fault"
        );
        self.inner.content(id)
    }

    fn draw_id(&self) -> QueueId {
        self.inner.draw_id()
    }

    fn create_body(&self, id: QueueId) -> Result<Arc<dyn StoredFile>, QueueError> {
        self.inner.create_body(id)
    }

    fn discard_body(&self, id: QueueId) {
        self.inner.discard_body(id);
    }

    fn commit(&self, message: NewMessage) -> Work<'_, Result<(), QueueError>> {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(async { Err(QueueError::Full) });
        }
        self.inner.commit(message)
    }

    fn lease(&self, max: usize) -> Work<'_, Vec<Leased>> {
        self.inner.lease(max)
    }

    fn give_back(&self, id: QueueId) {
        self.inner.give_back(id);
    }

    fn settle(
        &self,
        id: QueueId,
        outcomes: Vec<(usize, RecipientOutcome)>,
    ) -> Work<'_, Result<Settled, QueueError>> {
        self.inner.settle(id, outcomes)
    }

    fn list(&self, query: ListQuery) -> Work<'_, Result<Listing, QueueError>> {
        self.inner.list(query)
    }

    fn entry(&self, id: QueueId) -> Work<'_, Result<Option<EntryView>, QueueError>> {
        self.inner.entry(id)
    }

    fn take(&self, id: QueueId) -> Work<'_, Result<Leased, QueueError>> {
        self.inner.take(id)
    }

    fn copy_to(&self, to: Arc<dyn Storage>) -> Work<'_, std::io::Result<usize>> {
        self.inner.copy_to(to)
    }

    fn operate(&self, id: QueueId, operation: Operation) -> Work<'_, Result<(), QueueError>> {
        self.inner.operate(id, operation)
    }
}
