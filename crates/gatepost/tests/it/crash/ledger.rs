//! What was sent, what was acknowledged, what arrived: and whether all of it is where it must be.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use gatepost::queue::spool::DamageKind;
use gatepost::queue::{EntryView, ListQuery, Queue, SpoolOptions};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;

use super::chance::Chance;
use super::mail::{Fingerprint, Mail, Road};

/// The books of a run.
pub(super) struct Ledger {
    pages: Mutex<Pages>,
    /// Acknowledged deliveries that have not arrived yet.
    owed: watch::Sender<usize>,
}

#[derive(Default)]
struct Pages {
    sent: HashMap<u64, Sent>,
    /// In which lives of the process a recipient's copy arrived.
    arrivals: HashMap<(u64, String), Vec<usize>>,
    life: usize,
    /// What arrived and should not have. Kept for the audit: a panic in the next hop would end one session of it and no more.
    faults: Vec<String>,
    figures: Figures,
}

struct Sent {
    body: [u8; 32],
    road: Road,
    recipients: Vec<String>,
    acknowledged: bool,
    /// Taken out of the queue by the audit: must not come back.
    removed: bool,
}

/// What a run came to.
#[derive(Debug, Default, Clone)]
pub(super) struct Figures {
    pub(super) sent: usize,
    pub(super) octets: usize,
    pub(super) acknowledged: usize,
    pub(super) arrivals: usize,
    /// Copies that arrived again in a later life: of attempts in flight when the process died.
    pub(super) duplicates: usize,
    /// Messages found queued or arrived though nobody was told so: their 250 was lost with the process.
    pub(super) unacknowledged: usize,
    pub(super) audits: usize,
    /// Writes found cut off.
    pub(super) torn: usize,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            pages: Mutex::default(),
            owed: watch::Sender::new(0),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap()
    }

    pub(super) fn begin_life(&self) {
        self.pages().life += 1;
    }

    /// A message is about to be sent.
    pub(super) fn sending(&self, mail: &Mail) {
        let fingerprint = Fingerprint::of(&mail.content).unwrap();
        let sent = Sent {
            body: fingerprint.body,
            road: mail.road,
            recipients: mail.recipients.clone(),
            acknowledged: false,
            removed: false,
        };
        let mut pages = self.pages();
        pages.figures.sent += 1;
        pages.figures.octets += mail.content.len();
        assert!(pages.sent.insert(mail.number, sent).is_none());
    }

    /// Its client has read 250: from now on it must not be lost.
    pub(super) fn acknowledged(&self, number: u64) {
        let mut pages = self.pages();
        pages.figures.acknowledged += 1;
        let sent = pages.sent.get_mut(&number).unwrap();
        sent.acknowledged = true;
        if sent.road == Road::Relay {
            let recipients = sent.recipients.clone();
            let owed = recipients
                .into_iter()
                .filter(|to| !pages.arrivals.contains_key(&(number, to.clone())))
                .count();
            self.owed.send_modify(|total| *total += owed);
        }
    }

    /// Which life of the process this is.
    pub(super) fn life(&self) -> usize {
        self.pages().life
    }

    /// The next hop takes a message from the process of this life.
    pub(super) fn arrived(&self, life: usize, content: &[u8], recipients: &[String]) {
        let mut pages = self.pages();
        pages.figures.arrivals += recipients.len();
        let Some(fingerprint) = Fingerprint::of(content) else {
            return pages
                .faults
                .push("the next hop got what nobody sent".to_owned());
        };
        let number = fingerprint.number;
        let fault = match pages.sent.get(&number) {
            Some(sent) => sent.fault(Road::Relay, &fingerprint, recipients),
            None => Some("nobody sent it"),
        };
        if let Some(fault) = fault {
            return pages.faults.push(format!("{number} arrived: {fault}"));
        }
        let acknowledged = pages.sent[&number].acknowledged;
        for to in recipients {
            let lives = pages.arrivals.entry((number, to.clone())).or_default();
            let again = lives.contains(&life);
            lives.push(life);
            if lives.len() > 1 {
                pages.figures.duplicates += 1;
            } else if acknowledged {
                self.owed.send_modify(|total| *total -= 1);
            }
            if again {
                let fault = format!("{number} arrived twice in one life of the process");
                pages.faults.push(fault);
            }
        }
    }

    /// Ready when all that was acknowledged for the next hop has arrived there.
    pub(super) async fn all_arrived(&self) {
        let mut owed = self.owed.subscribe();
        owed.wait_for(|owed| *owed == 0).await.unwrap();
    }

    pub(super) fn owed(&self) -> usize {
        *self.owed.borrow()
    }

    pub(super) fn figures(&self) -> Figures {
        self.pages().figures.clone()
    }

    /// Opens the queue of the dead process and holds it against the books: what was acknowledged is there or has arrived, as it was sent,
    /// and nothing is there that should not be. Some of what is held is then taken out, and must stay out.
    pub(super) async fn audit(&self, directory: &Path, chance: &mut Chance) {
        let directory = directory.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            Queue::open(&directory, SpoolOptions::default()).unwrap()
        });
        let (queue, report) = opened.await.unwrap();
        for damage in &report.damage {
            // A write that the kill has cut off, recognised by how far it came. Whether anybody was told of it, the books know.
            let torn = matches!(
                damage.kind,
                DamageKind::TornTail | DamageKind::Meta | DamageKind::Content
            );
            assert!(torn, "{damage:?}");
        }
        let mut queued = BTreeMap::new();
        for (fingerprint, entry) in contents(&queue).await {
            let twice = queued.insert(fingerprint.number, entry);
            assert_eq!(twice, None, "queued twice");
            self.expected(&fingerprint);
        }
        self.settle_accounts(&queued, report.damage.len());
        for (number, entry) in queued {
            if self.may_go(number) && chance.percent(60) {
                queue.delete(entry.id).await.unwrap();
                self.pages().sent.get_mut(&number).unwrap().removed = true;
            }
        }
        // Ends its writer before the next life begins.
        tokio::task::spawn_blocking(move || drop(queue))
            .await
            .unwrap();
    }

    /// A message in the queue is one that was sent, as it was sent.
    fn expected(&self, fingerprint: &Fingerprint) {
        let pages = self.pages();
        let sent = &pages.sent[&fingerprint.number];
        let fault = sent.fault(sent.road, fingerprint, &[]);
        assert_eq!(fault, None, "{} is queued", fingerprint.number);
    }

    fn may_go(&self, number: u64) -> bool {
        let sent = &self.pages().sent[&number];
        sent.acknowledged && sent.road != Road::Relay
    }

    fn settle_accounts(&self, queued: &BTreeMap<u64, EntryView>, torn: usize) {
        let mut pages = self.pages();
        assert!(pages.faults.is_empty(), "{:?}", pages.faults);
        let mut lost = Vec::new();
        for (number, sent) in pages.sent.iter().filter(|(_, sent)| sent.acknowledged) {
            let waiting = queued.get(number).map(waiting).unwrap_or_default();
            let safe = |to: &String| {
                waiting.contains(to) || pages.arrivals.contains_key(&(*number, to.clone()))
            };
            if !sent.removed && !sent.recipients.iter().all(safe) {
                lost.push(*number);
            }
        }
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let arrived = pages.arrivals.keys().map(|(number, _)| *number);
        let known: HashSet<u64> = arrived.chain(queued.keys().copied()).collect();
        let unacknowledged = known
            .iter()
            .filter(|number| !pages.sent[number].acknowledged)
            .count();
        pages.figures.unacknowledged = pages.figures.unacknowledged.max(unacknowledged);
        pages.figures.audits += 1;
        pages.figures.torn += torn;
    }
}

impl Sent {
    /// What is wrong about a message that was found on a road.
    fn fault(
        &self,
        road: Road,
        found: &Fingerprint,
        recipients: &[String],
    ) -> Option<&'static str> {
        if self.body != found.body {
            return Some("its body has changed");
        }
        if self.road != road {
            return Some("it was to stay");
        }
        if self.removed {
            return Some("it had been removed");
        }
        let foreign = recipients.iter().any(|to| !self.recipients.contains(to));
        foreign.then_some("for somebody it was not sent to")
    }
}

/// The recipients of a queued message that something remains to be done for, or that it is kept for.
fn waiting(entry: &EntryView) -> HashSet<String> {
    let unfinished = entry
        .recipients
        .iter()
        .filter(|(_, state)| !state.is_finished());
    unfinished
        .map(|(path, _)| path.address().to_string())
        .collect()
}

/// Every message in the queue, read to its end.
async fn contents(queue: &Queue) -> Vec<(Fingerprint, EntryView)> {
    let everything = ListQuery {
        limit: usize::MAX,
        ..ListQuery::default()
    };
    let listing = queue.list(everything).await.unwrap();
    assert_eq!(listing.total, listing.entries.len());
    let mut found = Vec::new();
    for entry in listing.entries {
        let mut content = Vec::new();
        let mut reader = queue.content(entry.id).await.unwrap();
        reader.read_to_end(&mut content).await.unwrap();
        let fingerprint = Fingerprint::of(&content).expect("the queue has what nobody sent");
        found.push((fingerprint, entry));
    }
    found
}
