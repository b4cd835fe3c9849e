//! Messages on their way in: bounded memory, back-pressure, and nothing left behind.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gatepost::queue::draft::INLINE_LIMIT;
use gatepost::queue::storage::Area;
use gatepost::queue::{Queue, QueueError, SpoolOptions};

use crate::storage_mail::{envelope, grants, read};
use crate::storage_sim::{Dice, Fault, Gated, SimStorage};

fn open(storage: &SimStorage) -> Queue {
    let options = SpoolOptions {
        segment_octets: 1 << 20,
        ..SpoolOptions::default()
    };
    Queue::open_with(Arc::new(storage.clone()), options)
        .unwrap()
        .0
}

fn is_pending(future: impl Future) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(pin!(future).poll(&mut context), Poll::Pending)
}

/// "a message of 1 GiB costs no more memory than one of 1 KiB": what is not on its way to the disk is never more than two pieces.
#[tokio::test]
async fn a_large_body_goes_to_disk_while_it_arrives() {
    let storage = SimStorage::new();
    let queue = open(&storage);
    let mut draft = queue.begin(envelope());
    let mut body = vec![0; 48 << 20];
    let mut dice = Dice::new(21);
    for place in (0..body.len()).step_by(4096) {
        body[place] = dice.next().to_le_bytes()[0];
    }
    for piece in body.chunks(50_000) {
        draft.append(piece).await.unwrap();
        let in_memory = draft.size() - storage.written() as u64;
        assert!(in_memory <= 2 * INLINE_LIMIT as u64, "{in_memory} octets");
    }
    let id = queue.commit(draft, grants(1)).await.unwrap().id;
    assert!(read(&queue, id).await.unwrap() == body);
}

#[tokio::test]
async fn a_slow_disk_slows_the_peer_down() {
    let storage = SimStorage::new();
    let queue = open(&storage);
    let mut draft = queue.begin(envelope());
    storage.gate(Some(Gated::Writes));
    let piece = vec![7; INLINE_LIMIT];
    let mut accepted = 0;
    while accepted < 10 && !is_pending(draft.append(&piece)) {
        accepted += 1;
    }
    assert_eq!(accepted, 2, "one piece is being written, one is full");
    storage.gate(None);
}

/// A message of exactly the limit is in the log, one octet more makes a file.
#[tokio::test]
async fn small_bodies_are_in_the_log_and_large_ones_are_files() {
    let storage = SimStorage::new();
    let queue = open(&storage);
    for (octets, files) in [(0, 0), (INLINE_LIMIT, 0), (INLINE_LIMIT + 1, 1)] {
        let mut draft = queue.begin(envelope());
        draft.append(&vec![1; octets]).await.unwrap();
        let id = queue.commit(draft, grants(1)).await.unwrap().id;
        assert_eq!(read(&queue, id).await.unwrap(), vec![1; octets]);
        assert_eq!(storage.files(Area::Bodies).len(), files, "{octets}");
    }
}

#[tokio::test]
async fn a_dropped_draft_leaves_nothing_behind() {
    let storage = SimStorage::new();
    let queue = open(&storage);
    let mut draft = queue.begin(envelope());
    draft.append(&vec![1; 3 * INLINE_LIMIT]).await.unwrap();
    assert_eq!(storage.files(Area::Bodies).len(), 1);
    drop(draft);
    while !storage.files(Area::Bodies).is_empty() {
        tokio::task::yield_now().await;
    }
    let interrupted = storage.clone();
    let mut draft = queue.begin(envelope());
    draft.append(&vec![1; 3 * INLINE_LIMIT]).await.unwrap();
    let at_that_moment = interrupted.copy();
    let options = SpoolOptions::default();
    let (queue, report) = Queue::open_with(Arc::new(at_that_moment.clone()), options).unwrap();
    assert_eq!((report.messages, report.orphans_removed), (0, 1));
    drop(queue);
    assert_eq!(at_that_moment.files(Area::Bodies), []);
}

#[tokio::test]
async fn a_body_that_cannot_be_written_is_refused() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let storage = SimStorage::new();
        let queue = open(&storage);
        let mut draft = queue.begin(envelope());
        draft.append(&vec![1; INLINE_LIMIT]).await.unwrap();
        // The file is made by the next call, and written by the one after it.
        storage.fail_call(1, fault);
        let mut result = Ok(());
        for _ in 0..3 {
            result = result.and(draft.append(&vec![1; INLINE_LIMIT]).await);
        }
        let expected = match fault {
            Fault::Eio => QueueError::Failed,
            Fault::Enospc => QueueError::Full,
        };
        assert_eq!(result, Err(expected));
        drop(draft);
        while !storage.files(Area::Bodies).is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
