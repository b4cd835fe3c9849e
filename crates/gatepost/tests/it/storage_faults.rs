//! A disk that fails one call, any call, or that is full for a while (F-4, T-40).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatepost::queue::storage::Area;
use gatepost::queue::{
    Disposition, Lease, ListQuery, Queue, QueueError, QueueId, RecipientOutcome, SpoolOptions,
};

use crate::storage_mail::{Mail, read};
use crate::storage_sim::{Dice, Fault, SimStorage};

fn open(storage: &SimStorage) -> std::io::Result<Queue> {
    let options = SpoolOptions {
        segment_octets: 24 << 10,
        pause_after_drop: Duration::from_millis(1),
        ..SpoolOptions::default()
    };
    Queue::open_with(Arc::new(storage.clone()), options).map(|(queue, _)| queue)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    There,
    Absent,
    /// Delivered, which the disk did not take: it may be delivered twice, but never lost.
    Either,
}

/// A run, and what it told those who used the queue.
struct Run {
    queue: Queue,
    dice: Dice,
    told: BTreeMap<QueueId, (Mail, Expected)>,
}

impl Run {
    fn new(queue: Queue) -> Self {
        let (dice, told) = (Dice::new(7), BTreeMap::new());
        Self { queue, dice, told }
    }

    /// Makes every kind of call: several segments, a large body, outcomes, deletions, collecting.
    async fn work(&mut self) {
        for round in 0..4 {
            let mut held = Vec::new();
            for octets in [500, 3000] {
                held.extend(self.commit(octets, Disposition::Hold).await);
            }
            if round == 1 {
                held.extend(self.commit(300_000, Disposition::Hold).await);
            }
            if let Ok(id) = self.commit(9000, Disposition::Deliver).await {
                self.deliver(id).await;
            }
            for id in held.into_iter().skip(1) {
                let expected = match self.queue.delete(id).await {
                    Ok(()) => Expected::Absent,
                    Err(_) => Expected::There,
                };
                self.told.get_mut(&id).unwrap().1 = expected;
            }
        }
    }

    async fn commit(
        &mut self,
        octets: usize,
        disposition: Disposition,
    ) -> Result<QueueId, QueueError> {
        let id = QueueId::from_bits(u128::from(self.dice.next()));
        let mail = Mail {
            disposition,
            ..Mail::new(octets, &mut self.dice)
        };
        let result = mail.commit_as(&self.queue, id).await;
        let expected = match result {
            Ok(_) => Expected::There,
            Err(_) => Expected::Absent,
        };
        self.told.insert(id, (mail, expected));
        result.map(|committed| committed.id)
    }

    async fn deliver(&mut self, id: QueueId) {
        let lease = self.queue.lease(1).await.pop().unwrap();
        assert_eq!(lease.id(), id);
        let outcomes = vec![RecipientOutcome::Delivered];
        let expected = match self.queue.settle(lease, outcomes).await {
            Ok(_) => Expected::Absent,
            Err(_) => Expected::Either,
        };
        self.told.get_mut(&id).unwrap().1 = expected;
    }

    /// Compares what was told with what a queue holds.
    async fn check(&self, queue: &Queue, case: &str) {
        let query = ListQuery {
            limit: usize::MAX,
            ..ListQuery::default()
        };
        let listing = queue.list(query).await.unwrap();
        assert_eq!(listing.total, listing.entries.len(), "{case}");
        let there: Vec<QueueId> = listing.entries.iter().map(|entry| entry.id).collect();
        for (id, (mail, expected)) in &self.told {
            let is_there = there.contains(id);
            match expected {
                Expected::There => assert!(is_there, "{case}: {id} is lost"),
                Expected::Absent => assert!(!is_there, "{case}: {id} is there"),
                Expected::Either => {}
            }
            if is_there {
                let content = read(queue, *id).await;
                assert_eq!(content, Ok(mail.content()), "{case}: {id}");
            }
        }
        assert!(there.iter().all(|id| self.told.contains_key(id)), "{case}");
    }
}

async fn survives(fault: Fault, number: usize) {
    let case = format!("{fault:?} at call {number}");
    let storage = SimStorage::new();
    storage.fail_call(number, fault);
    // An error while it is opened is the operator's to see. Then it is opened again.
    let queue = match open(&storage) {
        Ok(queue) => queue,
        Err(_) => open(&storage).unwrap(),
    };
    let mut run = Run::new(queue);
    run.work().await;
    let mut is_served = false;
    for _ in 0..2 {
        is_served |= run.commit(100, Disposition::Hold).await.is_ok();
    }
    assert!(is_served, "{case}: it does not serve again");
    run.check(&run.queue, &case).await;
    // Both ways it can end: the process is killed, or the power is cut.
    for again in [storage.copy(), storage.after_power_cut(number as u64)] {
        run.check(&open(&again).unwrap(), &case).await;
    }
    let Run { queue, .. } = run;
    drop(queue);
}

fn every_call(fault: Fault) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let calls = runtime.block_on(async {
        let storage = SimStorage::new();
        let mut run = Run::new(open(&storage).unwrap());
        run.work().await;
        let outcomes: Vec<Expected> = run.told.values().map(|(_, expected)| *expected).collect();
        assert!(!outcomes.contains(&Expected::Either));
        assert_eq!(
            outcomes
                .iter()
                .filter(|one| **one == Expected::There)
                .count(),
            4
        );
        drop(run);
        storage.calls()
    });
    assert!(calls > 100, "{calls}");
    for number in 0..calls {
        runtime.block_on(survives(fault, number));
    }
}

/// F-4: "0 false 250, 0 half-kept, serves again".
#[test]
fn an_input_output_error_at_any_call_gives_no_false_acknowledgement() {
    every_call(Fault::Eio);
}

#[test]
fn a_full_disk_at_any_call_gives_no_false_acknowledgement() {
    every_call(Fault::Enospc);
}

/// While the disk is full, mail is refused and outcomes are still recorded. When there is room again, mail is accepted again.
#[tokio::test]
async fn a_full_disk_refuses_mail_and_records_outcomes() {
    let storage = SimStorage::new();
    let mut run = Run::new(open(&storage).unwrap());
    let mut waiting = Vec::new();
    for _ in 0..12 {
        waiting.push(run.commit(500, Disposition::Deliver).await.unwrap());
    }
    storage.set_full(true);
    // To the last octet that mail may have: what is left then is for outcomes.
    for octets in [2000, 1] {
        while run.commit(octets, Disposition::Hold).await.is_ok() {}
    }
    for octets in [2000, 300_000] {
        let refused = run.commit(octets, Disposition::Hold).await;
        assert_eq!(refused, Err(QueueError::Full));
    }
    for id in waiting {
        run.deliver(id).await;
        assert_eq!(run.told[&id].1, Expected::Absent);
    }
    run.check(&open(&storage.copy()).unwrap(), "full").await;

    storage.set_full(false);
    for octets in [2000, 300_000] {
        run.commit(octets, Disposition::Hold).await.unwrap();
    }
    run.check(&run.queue, "with room again").await;
    run.check(
        &open(&storage.after_power_cut(1)).unwrap(),
        "after the power cut",
    )
    .await;
}

/// It starts on a full disk as well: what is queued must get out.
#[tokio::test]
async fn a_queue_opens_on_a_full_disk() {
    let storage = SimStorage::new();
    let mut run = Run::new(open(&storage).unwrap());
    run.commit(500, Disposition::Deliver).await.unwrap();
    run.commit(9000, Disposition::Hold).await.unwrap();
    let again = storage.after_power_cut(2);
    again.set_full(true);
    run.queue = open(&again).unwrap();
    let lease = run.queue.lease(1).await.pop().unwrap();
    let refused = run.commit(100, Disposition::Hold).await;
    assert_eq!(refused, Err(QueueError::Full));
    // There is no segment to record it in: the caller hears of it, and it is recorded when there is.
    let outcomes = vec![RecipientOutcome::Delivered];
    let settled = run.queue.settle(lease, outcomes).await;
    assert_eq!(settled, Err(QueueError::Full));
    again.set_full(false);
    run.commit(100, Disposition::Hold).await.unwrap();
    let third = open(&again.after_power_cut(3)).unwrap();
    let listing = third
        .list(ListQuery {
            limit: 9,
            ..ListQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(listing.total, 2, "the delivered one does not come back");
}

/// A disk whose every sync fails accepts nothing, and makes no heap of segments.
#[tokio::test]
async fn nothing_is_accepted_while_syncs_fail() {
    let storage = SimStorage::new();
    let mut run = Run::new(open(&storage).unwrap());
    run.commit(100, Disposition::Hold).await.unwrap();
    storage.fail_syncs(true);
    for _ in 0..10 {
        let refused = run.commit(100, Disposition::Hold).await;
        assert_eq!(refused, Err(QueueError::Failed));
    }
    assert!(
        storage.files(Area::Log).len() <= 2,
        "{:?}",
        storage.files(Area::Log)
    );
    storage.fail_syncs(false);
    run.commit(100, Disposition::Hold).await.unwrap();
    run.check(&run.queue, "syncs work again").await;
    run.check(
        &open(&storage.after_power_cut(4)).unwrap(),
        "after the power cut",
    )
    .await;
}

/// The record of an outcome waits for the disk; what comes next for the same message must not wait for that record.
#[tokio::test]
async fn every_request_is_answered_while_the_disk_takes_nothing() {
    let storage = SimStorage::new();
    let mut run = Run::new(open(&storage).unwrap());
    let id = run.commit(100, Disposition::Deliver).await.unwrap();
    storage.fail_syncs(true);
    let first = run.queue.lease(1).await.pop().unwrap();
    let deferred = RecipientOutcome::Deferred {
        after: Duration::ZERO,
        diagnostic: "450 4.2.0 not now".to_owned(),
        delay_told: false,
    };
    let (second, ()) = tokio::join!(
        biased;
        within(run.queue.lease(1)),
        settle_in_vain(&run.queue, first, deferred),
    );
    let second = second.into_iter().next().unwrap();
    settle_in_vain(&run.queue, second, RecipientOutcome::Delivered).await;
    let deleted = within(run.queue.delete(id)).await;
    assert_eq!(deleted, Err(QueueError::Unknown));
    storage.fail_syncs(false);
    run.commit(100, Disposition::Hold).await.unwrap();
    let again = open(&storage.after_power_cut(5)).unwrap();
    assert!(again.entry(id).await.unwrap().is_none(), "it came back");
}

async fn settle_in_vain(queue: &Queue, lease: Lease, outcome: RecipientOutcome) {
    let settled = within(queue.settle(lease, vec![outcome])).await;
    assert_eq!(settled, Err(QueueError::Failed));
}

/// What must end, ends well within this time.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .expect("it waits for ever")
}
