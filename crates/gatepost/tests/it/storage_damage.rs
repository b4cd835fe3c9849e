//! One flipped bit, anywhere (T-41, F-3): at most the message it is in is set aside, somebody hears of it, and nothing wrong is ever handed out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepost::queue::storage::Area;
use gatepost::queue::{
    Alarm, DamageKind, Disposition, ListQuery, Queue, QueueError, QueueId, RecipientOutcome,
    RecoveryReport, SpoolOptions,
};

use crate::storage_mail::{Mail, read, rounds};
use crate::storage_sim::{Dice, SimStorage};

type Alarms = Arc<Mutex<Vec<Alarm>>>;

fn open(storage: SimStorage) -> (Queue, RecoveryReport, Alarms) {
    let alarms = Alarms::default();
    let options = SpoolOptions {
        segment_octets: 32 << 10,
        on_alarm: {
            let alarms = alarms.clone();
            Arc::new(move |alarm| alarms.lock().unwrap().push(alarm))
        },
        ..SpoolOptions::default()
    };
    let (queue, report) = Queue::open_with(Arc::new(storage), options).unwrap();
    (queue, report, alarms)
}

/// A queue at rest: several segments, patches, a large body; nothing is finished.
async fn at_rest() -> (SimStorage, BTreeMap<QueueId, Mail>) {
    let storage = SimStorage::new();
    let (queue, _, _) = open(storage.clone());
    let mut dice = Dice::new(11);
    let mut mails = BTreeMap::new();
    for number in 0..24 {
        let octets = if number == 5 {
            270_000
        } else {
            dice.below(8000)
        };
        let mail = Mail {
            disposition: if number % 3 == 0 {
                Disposition::Deliver
            } else {
                Disposition::Capture
            },
            ..Mail::new(octets, &mut dice)
        };
        mails.insert(mail.commit(&queue).await.unwrap().id, mail);
    }
    for lease in queue.lease(100).await {
        let outcome = RecipientOutcome::Deferred {
            after: Duration::from_secs(60),
            diagnostic: "450 4.2.0 later".to_owned(),
            delay_told: false,
        };
        queue.settle(lease, vec![outcome]).await.unwrap();
    }
    drop(queue);
    (storage, mails)
}

/// How a queue differs from what was put into it, and whether it said so.
struct Seen {
    missing: usize,
    damaged: usize,
    forgetful: usize,
    was_reported: bool,
}

async fn look(storage: SimStorage, mails: &BTreeMap<QueueId, Mail>, case: &str) -> Seen {
    let (queue, report, alarms) = open(storage);
    let (mut missing, mut damaged, mut forgetful) = (0, 0, 0);
    for (id, mail) in mails {
        match read(&queue, *id).await {
            Ok(content) => assert!(
                content == mail.content(),
                "{case}: {id} is handed out altered"
            ),
            Err(QueueError::Unknown) => missing += 1,
            Err(error) => {
                assert_eq!(error, QueueError::Damaged, "{case}: {id}");
                damaged += 1;
                continue;
            }
        }
        if let Some(entry) = queue.entry(*id).await.unwrap() {
            let attempts = u32::from(mail.disposition == Disposition::Deliver);
            forgetful += usize::from(entry.recipients[0].1.attempts != attempts);
        }
    }
    let query = ListQuery {
        limit: 100,
        ..ListQuery::default()
    };
    let listing = queue.list(query).await.unwrap();
    assert!(
        listing
            .entries
            .iter()
            .all(|entry| mails.contains_key(&entry.id)),
        "{case}"
    );
    let was_reported = !report.damage.is_empty() || !alarms.lock().unwrap().is_empty();
    Seen {
        missing,
        damaged,
        forgetful,
        was_reported,
    }
}

#[tokio::test]
async fn one_flipped_bit_costs_one_message_at_most_and_is_reported() {
    let (storage, mails) = at_rest().await;
    let untouched = look(storage.copy(), &mails, "untouched").await;
    assert!(!untouched.was_reported);
    let mut dice = Dice::new(12);
    let mut harmful = 0;
    let flips = rounds("GATEPOST_FLIPS", 600);
    for flip in 0..flips {
        let areas = [Area::Log, Area::Log, Area::Log, Area::Bodies];
        let area = areas[dice.below(areas.len())];
        let files = storage.files(area);
        let (name, octets) = &files[dice.below(files.len())];
        // Headers and metas are small: every other flip is aimed at the front of a segment, where the first of them are.
        let octets = if flip % 2 == 0 {
            *octets
        } else {
            2048.min(*octets)
        };
        let bit = dice.below(octets * 8);
        let case = format!("flip {flip}: bit {bit} of {name}");
        let copy = storage.copy();
        copy.flip(area, name, bit);
        let seen = look(copy, &mails, &case).await;
        let bad = seen.missing + seen.damaged + seen.forgetful;
        assert!(bad <= 1, "{case}: {bad} messages");
        assert!(bad == 0 || seen.was_reported, "{case}: nobody heard of it");
        harmful += bad;
    }
    assert!(
        harmful as u64 > flips / 4,
        "only {harmful} flips hit anything"
    );
}

/// What recovery set aside is reported once, and its octets are kept.
#[tokio::test]
async fn damage_is_kept_in_quarantine_and_reported_once() {
    let (storage, mails) = at_rest().await;
    let (first_segment, _) = storage.files(Area::Log)[0].clone();
    // The header of the first message stands behind the 64 octets of the segment's first record.
    storage.flip(Area::Log, &first_segment, (64 + 20) * 8);
    let (queue, report, _) = open(storage.clone());
    assert_eq!((report.messages, report.damage.len()), (mails.len() - 1, 1));
    let copy = report.damage[0].copy.clone().unwrap();
    let kept = storage.files(Area::Quarantine);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0, copy);
    Mail::new(10, &mut Dice::new(13))
        .commit(&queue)
        .await
        .unwrap();
    drop(queue);
    let (_, report, _) = open(storage.after_power_cut(1));
    assert_eq!((report.messages, report.damage.len()), (mails.len(), 0));
}

/// A message that turns out damaged when it is read is held, not tried again and again, and the others go on.
#[tokio::test]
async fn a_message_found_damaged_is_held() {
    let storage = SimStorage::new();
    let (queue, _, alarms) = open(storage.clone());
    let mut dice = Dice::new(14);
    let large = Mail::new(600_000, &mut dice)
        .commit(&queue)
        .await
        .unwrap()
        .id;
    let good = Mail::new(100, &mut dice).commit(&queue).await.unwrap().id;
    storage.flip(Area::Bodies, &large.to_string(), 4_000_000);
    for lease in queue.lease(10).await {
        let result = read(&queue, lease.id()).await;
        assert_eq!(result.is_ok(), lease.id() == good);
        let outcome = match result {
            Ok(_) => RecipientOutcome::Delivered,
            Err(_) => RecipientOutcome::Deferred {
                after: Duration::ZERO,
                diagnostic: "could not read it".to_owned(),
                delay_told: false,
            },
        };
        queue.settle(lease, vec![outcome]).await.unwrap();
    }
    let entry = queue.entry(large).await.unwrap().unwrap();
    assert_eq!(entry.state, gatepost::queue::EntryState::Held);
    assert_eq!(
        *alarms.lock().unwrap(),
        [Alarm::MessageDamaged { id: large }]
    );
}

/// A torn message is found torn again when the power fails before anything durable was written after it, also if that has left a
/// segment without content behind.
#[tokio::test]
async fn a_torn_message_does_not_come_back_at_the_second_power_cut() {
    let (storage, mails) = at_rest().await;
    let newest = storage.files(Area::Log).pop().unwrap().0;
    let (last, _) = mails.last_key_value().unwrap();
    // The newest segment ends with patches; the content torn here is that of a message added behind them.
    let (queue, _, _) = open(storage.clone());
    let torn = Mail {
        disposition: Disposition::Capture,
        ..Mail::new(3000, &mut Dice::new(15))
    };
    let id = torn.commit(&queue).await.unwrap().id;
    assert!(id > *last);
    drop(queue);
    let written_to = storage.files(Area::Log).pop().unwrap().0;
    assert_ne!(written_to, newest, "every run begins a segment");
    storage.flip(Area::Log, &written_to, 2000 * 8);
    let mut left_empty = 0;
    for seed in 0..20 {
        let machine = storage.copy();
        let (queue, report, _) = open(machine.clone());
        assert_eq!(report.damage.len(), 1);
        assert_eq!(
            (report.damage[0].kind, report.damage[0].id),
            (DamageKind::Content, Some(id))
        );
        // The next segment is made and allocated; its first write is the third call.
        machine.cut_power_at(2, seed);
        assert!(torn.commit(&queue).await.is_err());
        drop(queue);
        let again = machine.after_power_cut(seed);
        left_empty += usize::from(again.files(Area::Log).len() > storage.files(Area::Log).len());
        let (queue, report, _) = open(again);
        assert_eq!((report.messages, report.damage.len()), (mails.len(), 1));
        assert_eq!(queue.entry(id).await.unwrap(), None);
    }
    assert!((1..20).contains(&left_empty), "{left_empty}");
}
