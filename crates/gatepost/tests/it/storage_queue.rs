//! The queue in a directory of the real file system.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost::policy::relay::{self, RelayGrants};
use gatepost::queue::{
    Disposition, EntryState, Envelope, ListQuery, Queue, QueueError, QueueId, RecipientOutcome,
    RecoveryReport, SpoolOptions,
};
use gatepost_smtp::params::{Body, RcptParams};
use gatepost_smtp::path::ReversePath;
use gatepost_smtp::{EnvelopeId, Notify, OriginalRecipient, Ret};

use crate::storage_mail::{Mail, envelope, read};
use crate::storage_sim::{Dice, Gated, SimStorage};

const HOUR: Duration = Duration::from_secs(3600);

fn small_segments() -> SpoolOptions {
    SpoolOptions {
        segment_octets: 128 << 10,
        ..SpoolOptions::default()
    }
}

fn deferred(after: Duration) -> RecipientOutcome {
    RecipientOutcome::Deferred {
        after,
        diagnostic: "451 4.3.0 later".to_owned(),
        delay_told: false,
    }
}

fn all() -> ListQuery {
    ListQuery {
        limit: usize::MAX,
        ..ListQuery::default()
    }
}

#[tokio::test]
async fn a_message_is_committed_leased_settled_and_gone() {
    let directory = tempfile::tempdir().unwrap();
    let (queue, report) = Queue::open(directory.path(), SpoolOptions::default()).unwrap();
    assert_eq!((report.messages, report.segments), (0, 0));
    let mail = Mail {
        recipients: 2,
        ..Mail::new(8192, &mut Dice::new(1))
    };
    let id = mail.commit(&queue).await.unwrap().id;
    let lease = queue.lease(10).await.pop().unwrap();
    assert_eq!((lease.id(), lease.recipients().len()), (id, 2));
    assert_eq!(lease.size(), mail.content().len() as u64);
    assert_eq!(read(&queue, id).await.unwrap(), mail.content());
    assert_eq!(queue.delete(id).await, Err(QueueError::Busy));
    let outcomes = vec![RecipientOutcome::Delivered, deferred(Duration::ZERO)];
    assert!(!queue.settle(lease, outcomes).await.unwrap().finished);
    let lease = queue.lease(10).await.pop().unwrap();
    let again = lease.recipients().to_vec();
    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].place, again[0].attempts, &*again[0].diagnostic),
        (1, 1, "451 4.3.0 later")
    );
    let bounced = RecipientOutcome::Bounced {
        diagnostic: "550 5.1.1 no".to_owned(),
    };
    assert!(queue.settle(lease, vec![bounced]).await.unwrap().finished);
    assert_eq!(queue.entry(id).await.unwrap(), None);
    assert_eq!(read(&queue, id).await, Err(QueueError::Unknown));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(2);
    let small = Mail::new(100, &mut dice);
    let large = Mail::new(700_000, &mut dice);
    let (small_id, large_id);
    {
        let (queue, _) = Queue::open(directory.path(), small_segments()).unwrap();
        small_id = small.commit(&queue).await.unwrap().id;
        large_id = large.commit(&queue).await.unwrap().id;
        let lease = queue.lease(1).await.pop().unwrap();
        assert_eq!(lease.id(), small_id);
        queue.settle(lease, vec![deferred(HOUR)]).await.unwrap();
        let second = Queue::open(directory.path(), small_segments());
        let refused = second.map(|_| ()).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
    }
    let (queue, report) = reopen(directory.path());
    assert_eq!((report.messages, report.damage.len()), (2, 0));
    assert_eq!(read(&queue, small_id).await.unwrap(), small.content());
    assert_eq!(read(&queue, large_id).await.unwrap(), large.content());
    let leases = queue.lease(10).await;
    assert_eq!(leases.len(), 1, "the deferred one is not due");
    assert_eq!(leases[0].id(), large_id);
    let entry = queue.entry(small_id).await.unwrap().unwrap();
    assert_eq!(entry.recipients[0].1.attempts, 1);
    assert_eq!(entry.headers, small.headers);
}

/// Opens the queue again, as soon as the work of the one before that was still on other threads has let go of the directory.
fn reopen(directory: &Path) -> (Queue, RecoveryReport) {
    loop {
        match Queue::open(directory, small_segments()) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::yield_now();
            }
            opened => return opened.unwrap(),
        }
    }
}

#[tokio::test]
async fn held_and_captured_mail_is_listed_newest_first_and_only_released_by_hand() {
    let (queue, _) = Queue::open_with(Arc::new(SimStorage::new()), small_segments()).unwrap();
    let mut dice = Dice::new(3);
    let mut captured = Vec::new();
    for _ in 0..5 {
        let mail = Mail {
            disposition: Disposition::Capture,
            ..Mail::new(50, &mut dice)
        };
        captured.push(mail.commit(&queue).await.unwrap().id);
    }
    let mail = Mail {
        disposition: Disposition::Hold,
        ..Mail::new(50, &mut dice)
    };
    let held = mail.commit(&queue).await.unwrap().id;
    captured.reverse();

    let query = ListQuery {
        state: Some(EntryState::Captured),
        before: None,
        limit: 3,
    };
    let first = queue.list(query).await.unwrap();
    let ids = |entries: &[gatepost::queue::EntryView]| -> Vec<QueueId> {
        entries.iter().map(|entry| entry.id).collect()
    };
    assert_eq!(
        (first.total, ids(&first.entries)),
        (5, captured[..3].to_vec())
    );
    let before = Some(captured[2]);
    let second = queue.list(ListQuery { before, ..query }).await.unwrap();
    assert_eq!(ids(&second.entries), captured[3..]);

    queue.release(captured[0]).await.unwrap();
    queue.release(held).await.unwrap();
    let leases = queue.lease(10).await;
    assert_eq!(
        leases
            .iter()
            .map(gatepost::queue::Lease::id)
            .collect::<Vec<_>>(),
        [held]
    );
    queue.delete(captured[0]).await.unwrap();
    assert_eq!(queue.delete(captured[0]).await, Err(QueueError::Unknown));
    assert_eq!(queue.list(all()).await.unwrap().total, 5);
}

#[tokio::test]
async fn a_lease_waits_for_the_next_due_time_and_wakes_for_a_new_message() {
    let (queue, _) = Queue::open_with(Arc::new(SimStorage::new()), small_segments()).unwrap();
    let mut dice = Dice::new(4);
    let first = Mail::new(10, &mut dice).commit(&queue).await.unwrap().id;
    let lease = queue.lease(1).await.pop().unwrap();
    let after = Duration::from_millis(80);
    let begun = std::time::Instant::now();
    queue.settle(lease, vec![deferred(after)]).await.unwrap();
    let lease = queue.lease(1).await.pop().unwrap();
    assert_eq!(lease.id(), first);
    assert!(begun.elapsed() >= after);
    queue.settle(lease, vec![deferred(HOUR)]).await.unwrap();

    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.lease(1).await.pop().unwrap().id() }
    });
    tokio::task::yield_now().await;
    let second = Mail::new(10, &mut dice).commit(&queue).await.unwrap().id;
    assert_eq!(waiting.await.unwrap(), second);
}

#[tokio::test]
async fn a_dropped_lease_comes_back_after_a_pause() {
    let options = SpoolOptions {
        pause_after_drop: Duration::from_millis(50),
        ..small_segments()
    };
    let (queue, _) = Queue::open_with(Arc::new(SimStorage::new()), options).unwrap();
    let id = Mail::new(10, &mut Dice::new(5))
        .commit(&queue)
        .await
        .unwrap()
        .id;
    let begun = std::time::Instant::now();
    drop(queue.lease(1).await);
    let lease = queue.lease(1).await.pop().unwrap();
    assert_eq!(lease.id(), id);
    assert!(begun.elapsed() >= Duration::from_millis(50));
}

/// A waiter that goes away takes no message with it.
#[tokio::test]
async fn a_cancelled_lease_loses_nothing() {
    let options = SpoolOptions {
        pause_after_drop: Duration::ZERO,
        ..small_segments()
    };
    let (queue, _) = Queue::open_with(Arc::new(SimStorage::new()), options).unwrap();
    let id = Mail::new(10, &mut Dice::new(6))
        .commit(&queue)
        .await
        .unwrap()
        .id;
    for _ in 0..50 {
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.lease(1).await.len() }
        });
        tokio::task::yield_now().await;
        waiting.abort();
    }
    let lease = queue.lease(1).await.pop().unwrap();
    assert_eq!(lease.id(), id);
}

/// Committing the same id twice queues it once.
#[tokio::test]
async fn commit_is_idempotent_by_id() {
    let (queue, _) = Queue::open_with(Arc::new(SimStorage::new()), small_segments()).unwrap();
    let mail = Mail::new(10, &mut Dice::new(7));
    let id = QueueId::from_bits(42);
    mail.commit_as(&queue, id).await.unwrap();
    let second = Mail::new(10, &mut Dice::new(8));
    let (one, two) = tokio::join!(second.commit_as(&queue, id), second.commit_as(&queue, id));
    assert_eq!((one.unwrap().id, two.unwrap().id), (id, id));
    assert_eq!(queue.list(all()).await.unwrap().total, 1);
    assert_eq!(read(&queue, id).await.unwrap(), mail.content());
}

/// Group commit: what came while one sync ran is synced together, 64 at a time.
#[tokio::test]
async fn what_waits_shares_one_sync() {
    let storage = SimStorage::new();
    let options = SpoolOptions {
        segment_octets: 2 << 20,
        ..SpoolOptions::default()
    };
    let (queue, _) = Queue::open_with(Arc::new(storage.clone()), options).unwrap();
    let mut dice = Dice::new(10);
    Mail::new(10, &mut dice).commit(&queue).await.unwrap();
    let before = storage.syncs();
    storage.gate(Some(Gated::Syncs));
    let commit = |mail: Mail| {
        let queue = queue.clone();
        tokio::spawn(async move { mail.commit(&queue).await.unwrap() })
    };
    let first = commit(Mail::new(8192, &mut dice));
    let written = storage.written();
    while storage.written() == written {
        tokio::task::yield_now().await;
    }
    let rest: Vec<_> = (0..128)
        .map(|_| commit(Mail::new(8192, &mut dice)))
        .collect();
    for _ in &rest {
        tokio::task::yield_now().await;
    }
    assert!(!first.is_finished());
    storage.gate(None);
    first.await.unwrap();
    for committer in rest {
        committer.await.unwrap();
    }
    assert_eq!(storage.syncs() - before, 3, "1 + 64 + 64 messages");
}

/// The log of finished mail goes away, and one message that stays does not keep it.
#[tokio::test]
async fn finished_messages_give_their_room_back() {
    let storage = SimStorage::new();
    let (queue, _) = Queue::open_with(Arc::new(storage.clone()), small_segments()).unwrap();
    let mut dice = Dice::new(9);
    let stays = Mail {
        disposition: Disposition::Capture,
        ..Mail::new(500, &mut dice)
    };
    let stays_id = stays.commit(&queue).await.unwrap().id;
    let large = Mail::new(300_000, &mut dice)
        .commit(&queue)
        .await
        .unwrap()
        .id;
    let mut most = 0;
    for _ in 0..400 {
        Mail::new(4000, &mut dice).commit(&queue).await.unwrap();
        for lease in queue.lease(10).await {
            queue
                .settle(lease, vec![RecipientOutcome::Delivered])
                .await
                .unwrap();
        }
        most = most.max(storage.files(gatepost::queue::storage::Area::Log).len());
    }
    assert_eq!(queue.entry(large).await.unwrap(), None);
    assert!(
        most <= 6,
        "1.6 MB went through segments of 128 KiB; {most} at a time"
    );
    drop(queue);
    assert_eq!(storage.files(gatepost::queue::storage::Area::Bodies), []);
    let again = Arc::new(storage.after_power_cut(1));
    let (queue, report) = Queue::open_with(again, small_segments()).unwrap();
    assert_eq!((report.messages, report.damage.len()), (1, 0));
    assert_eq!(read(&queue, stays_id).await.unwrap(), stays.content());
}

// DSN-03: what the sender wants to hear is handed out with the message, after a restart too.
#[tokio::test]
async fn dsn_03_wishes_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let params = RcptParams {
        notify: Some(Notify::Never),
        original_recipient: Some(OriginalRecipient::parse("rfc822;Fred+2B1@example.org").unwrap()),
    };
    let wanted = Envelope {
        ret: Some(Ret::Headers),
        envelope_id: Some(EnvelopeId::parse("QQ+20314159").unwrap()),
        body: Body::BinaryMime,
        smtputf8: true,
        ..envelope()
    };
    let (queue, _) = Queue::open(directory.path(), SpoolOptions::default()).unwrap();
    let mut draft = queue.begin(wanted.clone());
    draft.append(b"Subject: x\r\n\r\n").await.unwrap();
    let mut grants = RelayGrants::default();
    for (address, params) in [
        ("fred@example.org", params.clone()),
        ("fr\u{e9}d@b\u{fc}cher.example", RcptParams::default()),
        ("fred@EXAMPLE.org", RcptParams::default()),
    ] {
        let path = ReversePath::parse(address).unwrap();
        grants.add(relay::for_notice(&path).unwrap().with(params));
    }
    queue.commit(draft, grants).await.unwrap();
    let lease = queue.lease(1).await.pop().unwrap();
    let told = RecipientOutcome::Deferred {
        after: Duration::ZERO,
        diagnostic: String::new(),
        delay_told: true,
    };
    queue.settle(lease, vec![told]).await.unwrap();
    drop(queue);

    let (queue, _) = Queue::open(directory.path(), SpoolOptions::default()).unwrap();
    let lease = queue.lease(1).await.pop().unwrap();
    assert_eq!(lease.envelope(), &wanted);
    let recipients: Vec<_> = lease
        .recipients()
        .iter()
        .map(|one| (one.forward_path.to_string(), &one.params, one.delay_told))
        .collect();
    assert_eq!(
        recipients,
        [
            ("<fred@example.org>".to_owned(), &params, true),
            (
                "<fr\u{e9}d@b\u{fc}cher.example>".to_owned(),
                &RcptParams::default(),
                false
            ),
        ]
    );
}
