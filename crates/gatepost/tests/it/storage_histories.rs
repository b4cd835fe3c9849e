//! Histories of a queue whose machine loses its power again and again (F-2, T-40).
//!
//! A history is a number of lives. In each the queue is opened, what it holds is compared with what is known, and random work is
//! done until the power is cut, at any call, or the process is killed. What was acknowledged must hold in the next life; what was
//! neither acknowledged nor refused may or may not; nothing else may be there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatepost::queue::entry::Phase;
use gatepost::queue::{
    Disposition, EntryState, EntryView, Lease, ListQuery, Queue, QueueId, RecipientOutcome,
    SpoolOptions,
};

use crate::storage_mail::{Mail, read, rounds};
use crate::storage_sim::{Dice, SimStorage};

const LIVES: usize = 6;
const HOUR: Duration = Duration::from_secs(3600);

/// What may be true of something in the next life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    No,
    Maybe,
    Yes,
}

struct Known {
    mail: Mail,
    /// Whether it was committed.
    committed: Certainty,
    /// Whether it was finished or deleted.
    gone: Certainty,
    /// The recipients' phases; `None` where a change was neither acknowledged nor refused.
    phases: Vec<Option<char>>,
}

struct History {
    dice: Dice,
    storage: SimStorage,
    known: BTreeMap<QueueId, Known>,
    lost: Vec<String>,
    wrong: Vec<String>,
}

/// Plays a history. Returns what was lost and what else was wrong.
fn play(seed: u64, storage: SimStorage) -> (Vec<String>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut history = History {
        dice: Dice::new(seed),
        storage,
        known: BTreeMap::new(),
        lost: Vec::new(),
        wrong: Vec::new(),
    };
    for life in 0..LIVES {
        if life + 1 < LIVES {
            let calls = 1 + history.dice.below(250);
            history.storage.cut_power_at(calls, history.dice.next());
        }
        runtime.block_on(history.live(life + 1 == LIVES));
        history.storage = history.storage.after_power_cut(history.dice.next());
    }
    (history.lost, history.wrong)
}

fn phase(phase: Phase) -> char {
    match phase {
        Phase::Waiting(_) => 'w',
        Phase::Delivered => 'd',
        Phase::Bounced => 'b',
        Phase::Held => 'h',
        Phase::Captured => 'c',
    }
}

impl History {
    async fn live(&mut self, is_last: bool) {
        let options = SpoolOptions {
            segment_octets: 96 << 10,
            pause_after_drop: Duration::from_millis(1),
            ..SpoolOptions::default()
        };
        let opened = Queue::open_with(Arc::new(self.storage.clone()), options);
        let Ok((queue, _)) = opened else {
            assert!(
                self.storage.power_is_cut(),
                "it did not open: {:?}",
                opened.err()
            );
            return;
        };
        if !self.check(&queue).await || is_last {
            return;
        }
        // Now and then a life ends before its power cut: then the power is cut when nothing is going on.
        let acts = 5 + self.dice.below(40);
        for _ in 0..acts {
            if self.storage.power_is_cut() {
                break;
            }
            match self.dice.below(10) {
                0..5 => self.commit_some(&queue).await,
                5..8 => self.attempt_some(&queue).await,
                8 => self.release_one(&queue).await,
                _ => self.delete_one(&queue).await,
            }
        }
    }

    /// Compares the queue with what is known. `false`: the power was cut meanwhile.
    async fn check(&mut self, queue: &Queue) -> bool {
        let query = ListQuery {
            limit: usize::MAX,
            ..ListQuery::default()
        };
        let listing = queue.list(query).await.unwrap();
        let mut contents = BTreeMap::new();
        for entry in &listing.entries {
            contents.insert(entry.id, read(queue, entry.id).await);
        }
        if self.storage.power_is_cut() {
            return false;
        }
        if listing.total != listing.entries.len() {
            self.wrong.push("an entry cannot be read".to_owned());
        }
        let mut entries: BTreeMap<QueueId, EntryView> = listing
            .entries
            .into_iter()
            .map(|entry| (entry.id, entry))
            .collect();
        for (id, known) in &mut self.known {
            match entries.remove(id) {
                None if known.committed == Certainty::Yes && known.gone == Certainty::No => {
                    self.lost.push(format!("{id} is lost"));
                    known.gone = Certainty::Yes;
                }
                None => known.gone = Certainty::Yes,
                Some(entry) => {
                    let problem = known.compare(&entry, contents[id].as_deref().ok());
                    self.wrong
                        .extend(problem.map(|problem| format!("{id} {problem}")));
                    known.observe(&entry);
                }
            }
        }
        for id in entries.keys() {
            self.wrong.push(format!("{id} comes from nowhere"));
        }
        true
    }

    async fn commit_some(&mut self, queue: &Queue) {
        let mails: Vec<Mail> = (0..=self.dice.below(5)).map(|_| self.mail()).collect();
        let tasks: Vec<_> = mails
            .into_iter()
            .map(|mail| {
                let id = QueueId::from_bits(u128::from(self.dice.next()));
                let queue = queue.clone();
                let committing = mail.clone();
                let task =
                    tokio::spawn(async move { committing.commit_as(&queue, id).await.is_ok() });
                (id, mail, task)
            })
            .collect();
        for (id, mail, task) in tasks {
            let committed = if task.await.unwrap() {
                Certainty::Yes
            } else {
                Certainty::Maybe
            };
            let first = match mail.disposition {
                Disposition::Deliver => 'w',
                Disposition::Hold => 'h',
                Disposition::Capture => 'c',
            };
            let phases = vec![Some(first); mail.recipients];
            let gone = Certainty::No;
            let known = Known {
                mail,
                committed,
                gone,
                phases,
            };
            self.known.insert(id, known);
        }
    }

    fn mail(&mut self) -> Mail {
        let octets = match self.dice.below(12) {
            0 => 300_000 + self.dice.below(300_000),
            1..4 => self.dice.below(40_000),
            _ => self.dice.below(3_000),
        };
        let disposition = match self.dice.below(8) {
            0 => Disposition::Hold,
            1 => Disposition::Capture,
            _ => Disposition::Deliver,
        };
        Mail {
            recipients: 1 + self.dice.below(3),
            disposition,
            ..Mail::new(octets, &mut self.dice)
        }
    }

    async fn attempt_some(&mut self, queue: &Queue) {
        if !is_anything_due(queue).await {
            return;
        }
        let max = 1 + self.dice.below(6);
        let leases = tokio::select! {
            biased;
            leases = queue.lease(max) => leases,
            () = nothing_to_wait_for(queue, &self.storage) => return,
        };
        let mut tasks = Vec::new();
        for lease in leases {
            if self.dice.one_in(10) {
                // The task that had it panicked, say.
                continue;
            }
            tasks.push(self.attempt(queue, lease));
        }
        for (id, outcomes, task) in tasks {
            let is_settled = task.await.unwrap();
            let known = self.known.get_mut(&id).unwrap();
            for (place, after) in outcomes {
                known.phases[place] = is_settled.then_some(after);
            }
            known.reckon();
        }
    }

    fn attempt(
        &mut self,
        queue: &Queue,
        lease: Lease,
    ) -> (QueueId, Vec<(usize, char)>, tokio::task::JoinHandle<bool>) {
        let id = lease.id();
        let mut expected = Vec::new();
        let mut outcomes = Vec::new();
        for recipient in lease.recipients() {
            let (outcome, phase) = self.outcome();
            outcomes.push(outcome);
            expected.push((recipient.place, phase));
        }
        let queue = queue.clone();
        let task = tokio::spawn(async move { queue.settle(lease, outcomes).await.is_ok() });
        (id, expected, task)
    }

    fn outcome(&mut self) -> (RecipientOutcome, char) {
        let diagnostic = "450 4.2.0 said the next hop".to_owned();
        match self.dice.below(8) {
            0 => {
                let after = Duration::ZERO;
                let delay_told = false;
                (
                    RecipientOutcome::Deferred {
                        after,
                        diagnostic,
                        delay_told,
                    },
                    'w',
                )
            }
            1 => {
                let after = HOUR;
                let delay_told = false;
                (
                    RecipientOutcome::Deferred {
                        after,
                        diagnostic,
                        delay_told,
                    },
                    'w',
                )
            }
            2 => (RecipientOutcome::Held { diagnostic }, 'h'),
            3 => (RecipientOutcome::Bounced { diagnostic }, 'b'),
            _ => (RecipientOutcome::Delivered, 'd'),
        }
    }

    async fn release_one(&mut self, queue: &Queue) {
        let Some(id) = self.any_present() else { return };
        let is_released = queue.release(id).await.is_ok();
        let known = self.known.get_mut(&id).unwrap();
        for phase in &mut known.phases {
            if *phase == Some('h') {
                *phase = is_released.then_some('w');
            }
        }
    }

    async fn delete_one(&mut self, queue: &Queue) {
        let Some(id) = self.any_present() else { return };
        self.known.get_mut(&id).unwrap().gone = match queue.delete(id).await {
            Ok(()) => Certainty::Yes,
            Err(_) => Certainty::Maybe,
        };
    }

    /// A message that is certainly queued.
    fn any_present(&mut self) -> Option<QueueId> {
        let present: Vec<QueueId> = self
            .known
            .iter()
            .filter(|(_, known)| known.committed == Certainty::Yes && known.gone == Certainty::No)
            .map(|(id, _)| *id)
            .collect();
        (!present.is_empty()).then(|| present[self.dice.below(present.len())])
    }
}

impl Known {
    /// What is wrong with this entry.
    fn compare(&self, entry: &EntryView, content: Option<&[u8]>) -> Option<String> {
        if self.gone == Certainty::Yes {
            return Some("came back".to_owned());
        }
        if self.committed == Certainty::No {
            return Some("was refused and is there".to_owned());
        }
        if content != Some(&self.mail.content()) {
            return Some("is altered".to_owned());
        }
        let phases = entry.recipients.iter().map(|(_, state)| phase(state.phase));
        let differs = |(known, now): (&Option<char>, char)| known.is_some_and(|known| known != now);
        if entry.recipients.len() != self.phases.len()
            || self.phases.iter().zip(phases).any(differs)
        {
            return Some(format!("was {:?}, is {:?}", self.phases, entry.recipients));
        }
        None
    }

    /// In this life it is as it is.
    fn observe(&mut self, entry: &EntryView) {
        self.committed = Certainty::Yes;
        self.gone = Certainty::No;
        let phases = entry.recipients.iter().map(|(_, state)| phase(state.phase));
        self.phases = phases.map(Some).collect();
    }

    /// Concludes from the recipients whether it is gone.
    fn reckon(&mut self) {
        let finished = |phase: &Option<char>| matches!(phase, Some('d' | 'b'));
        if self.phases.iter().all(finished) {
            self.gone = Certainty::Yes;
        } else if self
            .phases
            .iter()
            .all(|phase| phase.is_none() || finished(phase))
        {
            self.gone = Certainty::Maybe;
        }
    }
}

/// Ends when no lease can be had: the power is cut, or what was due was found damaged and is held now.
async fn nothing_to_wait_for(queue: &Queue, storage: &SimStorage) {
    while !storage.power_is_cut() && is_anything_due(queue).await {
        tokio::task::yield_now().await;
    }
}

async fn is_anything_due(queue: &Queue) -> bool {
    let query = ListQuery {
        state: Some(EntryState::Queued),
        before: None,
        limit: usize::MAX,
    };
    let listing = queue.list(query).await.unwrap();
    listing.entries.iter().any(|entry| {
        let mut recipients = entry.recipients.iter();
        recipients.any(|(_, state)| state.due().is_some_and(|due| due <= entry.now))
    })
}

/// F-2: "0 in 100".
#[test]
fn a_hundred_histories_of_power_cuts_lose_nothing() {
    let histories = rounds("GATEPOST_HISTORIES", 100);
    std::thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || {
                for seed in (first..histories).step_by(4) {
                    let (lost, wrong) = play(seed, SimStorage::new());
                    assert_eq!((lost, wrong), (Vec::new(), Vec::new()), "history {seed}");
                }
            });
        }
    });
}

/// F-2: "a control without fdatasync must lose". If it did not, the histories would prove nothing.
#[test]
fn the_same_histories_without_the_sync_lose_messages() {
    let lost: usize = (0..10)
        .map(|seed| play(seed, SimStorage::new().without_sync()).0.len())
        .sum();
    assert!(lost > 10, "only {lost}");
}
