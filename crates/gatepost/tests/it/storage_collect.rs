//! Room is given back, and nothing but room: what the collector writes again is what was there.

use std::sync::Arc;
use std::time::Duration;

use gatepost::queue::storage::Area;
use gatepost::queue::{Disposition, Queue, QueueError, QueueId, RecipientOutcome, SpoolOptions};

use crate::storage_mail::{Mail, read};
use crate::storage_sim::{Dice, SimStorage};

struct Spool {
    storage: SimStorage,
    queue: Queue,
    dice: Dice,
}

impl Spool {
    fn open(storage: SimStorage) -> Self {
        let options = SpoolOptions {
            segment_octets: 24 << 10,
            ..SpoolOptions::default()
        };
        let (queue, _) = Queue::open_with(Arc::new(storage.clone()), options).unwrap();
        let dice = Dice::new(31);
        Self {
            storage,
            queue,
            dice,
        }
    }

    fn after_power_cut(self) -> Self {
        Self::open(self.storage.after_power_cut(32))
    }

    async fn commit(&mut self, octets: usize, disposition: Disposition) -> (QueueId, Mail) {
        let mail = Mail {
            disposition,
            ..Mail::new(octets, &mut self.dice)
        };
        (mail.commit(&self.queue).await.unwrap().id, mail)
    }

    async fn settle_due(&mut self, outcome: RecipientOutcome) {
        let lease = self.queue.lease(1).await.pop().unwrap();
        self.queue.settle(lease, vec![outcome]).await.unwrap();
    }

    fn segments(&self) -> Vec<String> {
        let files = self.storage.files(Area::Log).into_iter();
        let names = files.map(|(name, _)| name);
        names.filter(|name| name.contains(".log")).collect()
    }

    /// Mail that is delivered at once goes through, until the newest segment of now is no more.
    async fn turn_over(&mut self) {
        let newest = self.segments().pop().unwrap();
        for _ in 0..100 {
            self.commit(2000, Disposition::Deliver).await;
            self.settle_due(RecipientOutcome::Delivered).await;
            if !self.segments().contains(&newest) {
                return;
            }
        }
        panic!("{newest} was never given up");
    }

    /// Mail goes through until another segment is the newest.
    async fn next_segment(&mut self) {
        let newest = self.segments().pop();
        while self.segments().pop() == newest {
            self.commit(2000, Disposition::Deliver).await;
            self.settle_due(RecipientOutcome::Delivered).await;
        }
    }
}

#[tokio::test]
async fn a_deferred_message_keeps_its_history_when_its_patch_is_moved() {
    let mut spool = Spool::open(SimStorage::new());
    let (id, mail) = spool.commit(12_000, Disposition::Hold).await;
    spool.next_segment().await;
    spool.queue.release(id).await.unwrap();
    let outcome = RecipientOutcome::Deferred {
        after: Duration::from_secs(3600),
        diagnostic: "451 4.3.0 later".to_owned(),
        delay_told: true,
    };
    spool.settle_due(outcome).await;
    spool.turn_over().await;
    let spool = spool.after_power_cut();
    let entry = spool.queue.entry(id).await.unwrap().unwrap();
    let state = &entry.recipients[0].1;
    assert_eq!((state.attempts, &*state.diagnostic), (1, "451 4.3.0 later"));
    assert!(state.due().unwrap() > entry.now + Duration::from_secs(3000));
    assert_eq!(read(&spool.queue, id).await, Ok(mail.content()));
}

#[tokio::test]
async fn a_message_keeps_its_state_when_it_is_moved() {
    let mut spool = Spool::open(SimStorage::new());
    let (id, mail) = spool.commit(1000, Disposition::Deliver).await;
    let outcome = RecipientOutcome::Held {
        diagnostic: "535 5.7.8 from the smarthost".to_owned(),
    };
    spool.settle_due(outcome).await;
    spool.turn_over().await;
    let spool = spool.after_power_cut();
    let entry = spool.queue.entry(id).await.unwrap().unwrap();
    assert_eq!(entry.state, gatepost::queue::EntryState::Held);
    assert_eq!(
        &*entry.recipients[0].1.diagnostic,
        "535 5.7.8 from the smarthost"
    );
    assert_eq!(read(&spool.queue, id).await, Ok(mail.content()));
}

/// The record of a deletion that was refused lies in a segment that does not count from there on. Moving what counts does not
/// bring it back.
#[tokio::test]
async fn a_refused_deletion_stays_refused() {
    let mut spool = Spool::open(SimStorage::new());
    let (id, mail) = spool.commit(12_000, Disposition::Hold).await;
    spool.next_segment().await;
    spool.commit(100, Disposition::Hold).await;
    spool.storage.fail_syncs(true);
    assert_eq!(spool.queue.delete(id).await, Err(QueueError::Failed));
    spool.storage.fail_syncs(false);
    spool.turn_over().await;
    let spool = spool.after_power_cut();
    assert_eq!(read(&spool.queue, id).await, Ok(mail.content()));
}

/// The record that a message is finished outlives its segment for as long as the message's segment is there, and does not keep
/// its own.
#[tokio::test]
async fn a_finished_message_stays_finished_when_the_record_of_it_is_moved() {
    let mut spool = Spool::open(SimStorage::new());
    let (stays, mail) = spool.commit(12_000, Disposition::Hold).await;
    let (finished, _) = spool.commit(1000, Disposition::Hold).await;
    spool.next_segment().await;
    spool.queue.release(finished).await.unwrap();
    spool.settle_due(RecipientOutcome::Delivered).await;
    spool.turn_over().await;
    let spool = spool.after_power_cut();
    assert_eq!(spool.queue.entry(finished).await.unwrap(), None);
    assert_eq!(read(&spool.queue, stays).await, Ok(mail.content()));
}
