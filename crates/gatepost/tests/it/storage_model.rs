//! The spool against a second, obvious engine: a map in memory. The same work on both must show the same.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepost::queue::content::Content;
use gatepost::queue::engine::{
    Engine, Leased, LeasedRecipient, NewBody, NewMessage, Operation, QueueError, Settled, Work,
};
use gatepost::queue::entry::{Moment, Phase, RecipientState};
use gatepost::queue::storage::{Storage, StoredFile};
use gatepost::queue::{
    Disposition, EntryState, EntryView, ListQuery, Listing, Queue, QueueId, RecipientOutcome,
    SpoolOptions,
};

use crate::storage_mail::{Mail, read};
use crate::storage_sim::{Dice, SimStorage};

struct Entry {
    message: NewMessage,
    content: Vec<u8>,
    states: Vec<RecipientState>,
    leased: bool,
}

#[derive(Default)]
struct Model {
    entries: Mutex<BTreeMap<QueueId, Entry>>,
    ticks: Mutex<u64>,
}

struct MemoryFile(Mutex<Vec<u8>>);

impl StoredFile for MemoryFile {
    fn preallocate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut octets = self.0.lock().unwrap();
        assert_eq!(octets.len() as u64, offset);
        for part in parts {
            octets.extend_from_slice(part);
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let octets = self.0.lock().unwrap();
        let there = &octets[usize::try_from(offset).unwrap()..];
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }
}

fn ready<T: Send + 'static>(value: T) -> Work<'static, T> {
    Box::pin(std::future::ready(value))
}

impl Model {
    fn now(&self) -> Moment {
        let mut ticks = self.ticks.lock().unwrap();
        *ticks += 1;
        Duration::from_nanos(*ticks)
    }

    fn change<T>(
        &self,
        id: QueueId,
        change: impl FnOnce(&mut Entry) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(&id).ok_or(QueueError::Unknown)?;
        change(entry)
    }
}

impl Entry {
    fn due(&self) -> Option<Moment> {
        self.states.iter().filter_map(RecipientState::due).min()
    }

    fn view(&self, now: Moment) -> EntryView {
        let recipients = self.message.recipients.iter().cloned();
        EntryView {
            id: self.message.id,
            state: EntryState::of(&self.states),
            envelope: self.message.envelope.clone(),
            recipients: recipients
                .map(|one| one.forward_path)
                .zip(self.states.iter().cloned())
                .collect(),
            now,
            size: self.content.len() as u64,
            headers: self.message.headers.clone(),
        }
    }

    fn lease(&mut self, wanted: impl Fn(&RecipientState) -> bool) -> Leased {
        self.leased = true;
        let recipients = self.message.recipients.iter().zip(&self.states).enumerate();
        let due = recipients.filter(|(_, (_, state))| wanted(state));
        Leased {
            id: self.message.id,
            envelope: self.message.envelope.clone(),
            size: self.content.len() as u64,
            recipients: due
                .map(|(place, (recipient, state))| LeasedRecipient {
                    place,
                    forward_path: recipient.forward_path.clone(),
                    params: recipient.params.clone(),
                    attempts: state.attempts,
                    waited: state.waited,
                    delay_told: state.delay_told,
                    released: state.released,
                    diagnostic: state.diagnostic.to_string(),
                })
                .collect(),
        }
    }
}

impl Engine for Model {
    fn draw_id(&self) -> QueueId {
        QueueId::from_bits(self.now().as_nanos())
    }

    fn create_body(&self, _: QueueId) -> Result<Arc<dyn StoredFile>, QueueError> {
        Ok(Arc::new(MemoryFile(Mutex::default())))
    }

    fn discard_body(&self, _: QueueId) {}

    fn commit(&self, message: NewMessage) -> Work<'_, Result<(), QueueError>> {
        let mut content = message.headers.clone();
        match &message.body {
            NewBody::Inline(body) => content.extend_from_slice(body),
            NewBody::File { file, length, crc } => {
                let mut body = vec![0; usize::try_from(*length).unwrap()];
                file.read_at(&mut body, 0).unwrap();
                assert_eq!(crc32c::crc32c(&body), *crc);
                content.extend(body);
            }
        }
        let committed = RecipientState::committed(message.disposition, self.now());
        let entry = Entry {
            states: vec![committed; message.recipients.len()],
            content,
            leased: false,
            message,
        };
        let mut entries = self.entries.lock().unwrap();
        entries.entry(entry.message.id).or_insert(entry);
        ready(Ok(()))
    }

    fn lease(&self, max: usize) -> Work<'_, Vec<Leased>> {
        let now = self.now();
        let mut entries = self.entries.lock().unwrap();
        let mut due: Vec<(Moment, QueueId)> = entries
            .values()
            .filter(|entry| !entry.leased)
            .filter_map(|entry| Some((entry.due()?, entry.message.id)))
            .filter(|(due, _)| *due <= now)
            .collect();
        due.sort();
        due.truncate(max);
        let leased: Vec<Leased> = due
            .iter()
            .map(|(_, id)| {
                let is_due = |state: &RecipientState| state.due().is_some_and(|due| due <= now);
                entries.get_mut(id).unwrap().lease(is_due)
            })
            .collect();
        ready(leased)
    }

    fn give_back(&self, id: QueueId) {
        if let Some(entry) = self.entries.lock().unwrap().get_mut(&id) {
            entry.leased = false;
        }
    }

    fn settle(
        &self,
        id: QueueId,
        outcomes: Vec<(usize, RecipientOutcome)>,
    ) -> Work<'_, Result<Settled, QueueError>> {
        let now = self.now();
        let result = self.change(id, |entry| {
            entry.leased = false;
            for (place, outcome) in outcomes {
                entry.states[place] = entry.states[place].clone().after(outcome, now);
            }
            let finished = EntryState::of(&entry.states) == EntryState::Finished;
            Ok(Settled { finished })
        });
        if result.is_ok_and(|settled| settled.finished) {
            self.entries.lock().unwrap().remove(&id);
        }
        ready(result)
    }

    fn list(&self, query: ListQuery) -> Work<'_, Result<Listing, QueueError>> {
        let now = self.now();
        let entries = self.entries.lock().unwrap();
        let views: Vec<EntryView> = entries
            .values()
            .rev()
            .map(|entry| entry.view(now))
            .filter(|view| query.state.is_none_or(|state| view.state == state))
            .collect();
        let total = views.len();
        let entries = views
            .into_iter()
            .filter(|view| query.before.is_none_or(|before| view.id < before))
            .take(query.limit)
            .collect();
        ready(Ok(Listing { total, entries }))
    }

    fn entry(&self, id: QueueId) -> Work<'_, Result<Option<EntryView>, QueueError>> {
        let now = self.now();
        ready(Ok(self.change(id, |entry| Ok(entry.view(now))).ok()))
    }

    fn content(&self, id: QueueId) -> Work<'_, Result<Content, QueueError>> {
        let content = self.change(id, |entry| Ok(entry.content.clone()));
        ready(content.map(Content::in_memory))
    }

    fn take(&self, id: QueueId) -> Work<'_, Result<Leased, QueueError>> {
        ready(self.change(id, |entry| {
            if entry.leased {
                return Err(QueueError::Busy);
            }
            Ok(entry.lease(|state| !state.is_finished()))
        }))
    }

    fn copy_to(&self, to: Arc<dyn Storage>) -> Work<'_, std::io::Result<usize>> {
        let _ = to;
        ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn operate(&self, id: QueueId, operation: Operation) -> Work<'_, Result<(), QueueError>> {
        let now = self.now();
        let result = self.change(id, |entry| {
            if entry.leased && operation.must_be_free() {
                return Err(QueueError::Busy);
            }
            for state in &mut entry.states {
                let former = state.clone();
                *state = match &operation {
                    Operation::Release => former.released(now),
                    Operation::Retry => former.hurried(now),
                    Operation::Hold(why) => former.held(why),
                    Operation::Delete | Operation::DeleteLeased => former,
                };
            }
            Ok(())
        });
        let deletes = matches!(operation, Operation::Delete | Operation::DeleteLeased);
        if deletes && result.is_ok() {
            self.entries.lock().unwrap().remove(&id);
        }
        ready(result)
    }
}

/// The same queue twice.
struct Twins {
    spool: Queue,
    model: Queue,
    dice: Dice,
    ids: Vec<QueueId>,
}

impl Twins {
    async fn commit(&mut self) {
        let octets = if self.dice.one_in(15) {
            300_000
        } else {
            self.dice.below(5000)
        };
        let dispositions = [
            Disposition::Deliver,
            Disposition::Hold,
            Disposition::Capture,
        ];
        let mail = Mail {
            recipients: 1 + self.dice.below(3),
            disposition: dispositions[self.dice.below(5).min(2)],
            ..Mail::new(octets, &mut self.dice)
        };
        // Now and then the id of another message, perhaps of one that is gone.
        let id = if self.ids.is_empty() || !self.dice.one_in(8) {
            QueueId::from_bits(u128::from(self.dice.next()))
        } else {
            self.any_id()
        };
        if octets == 300_000 && self.ids.contains(&id) {
            return;
        }
        let of_spool = mail.commit_as(&self.spool, id).await;
        let of_model = mail.commit_as(&self.model, id).await;
        assert_eq!(of_spool, of_model);
        self.ids.push(id);
    }

    fn any_id(&mut self) -> QueueId {
        self.ids[self.dice.below(self.ids.len())]
    }

    async fn attempt(&mut self) {
        let query = ListQuery {
            state: Some(EntryState::Queued),
            before: None,
            limit: usize::MAX,
        };
        let listing = self.spool.list(query).await.unwrap();
        let is_due = |entry: &EntryView| {
            let mut recipients = entry.recipients.iter();
            recipients.any(|(_, state)| state.due().is_some_and(|due| due <= entry.now))
        };
        if !listing.entries.iter().any(is_due) {
            return;
        }
        let max = 1 + self.dice.below(4);
        let of_spool = self.spool.lease(max).await;
        let of_model = self.model.lease(max).await;
        assert_eq!(of_spool.len(), of_model.len());
        for (spools, models) in of_spool.into_iter().zip(of_model) {
            assert_eq!(spools.id(), models.id());
            assert_eq!(spools.envelope(), models.envelope());
            assert_eq!(spools.recipients(), models.recipients());
            assert_eq!(spools.size(), models.size());
            let outcomes: Vec<_> = spools.recipients().iter().map(|_| self.outcome()).collect();
            let id = spools.id();
            assert_eq!(self.spool.delete(id).await, self.model.delete(id).await);
            assert_eq!(
                self.spool.settle(spools, outcomes.clone()).await,
                self.model.settle(models, outcomes).await
            );
        }
    }

    fn outcome(&mut self) -> RecipientOutcome {
        let diagnostic = self.dice.below(100).to_string();
        match self.dice.below(6) {
            0 => RecipientOutcome::Held { diagnostic },
            1 => RecipientOutcome::Bounced { diagnostic },
            2 => RecipientOutcome::Deferred {
                after: Duration::from_secs(3600),
                diagnostic,
                delay_told: true,
            },
            3 => RecipientOutcome::Deferred {
                after: Duration::ZERO,
                diagnostic,
                delay_told: false,
            },
            _ => RecipientOutcome::Delivered,
        }
    }

    async fn administer(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let id = self.any_id();
        match self.dice.below(5) {
            0 => assert_eq!(self.spool.release(id).await, self.model.release(id).await),
            1 => assert_eq!(self.spool.retry(id).await, self.model.retry(id).await),
            2 => {
                let why = || "an operator holds it".to_owned();
                let of_model = self.model.hold(id, why()).await;
                assert_eq!(self.spool.hold(id, why()).await, of_model);
            }
            3 => assert_eq!(self.spool.delete(id).await, self.model.delete(id).await),
            _ => self.take_and_delete(id).await,
        }
    }

    async fn take_and_delete(&mut self, id: QueueId) {
        match (self.spool.take(id).await, self.model.take(id).await) {
            (Ok(of_spool), Ok(of_model)) => {
                assert_eq!(of_spool.recipients(), of_model.recipients());
                self.spool.delete_leased(of_spool).await.unwrap();
                self.model.delete_leased(of_model).await.unwrap();
            }
            (of_spool, of_model) => assert_eq!(of_spool.err(), of_model.err()),
        }
    }

    async fn compare(&mut self) {
        let states = [
            None,
            Some(EntryState::Queued),
            Some(EntryState::Held),
            Some(EntryState::Captured),
        ];
        for state in states {
            let before = self
                .dice
                .one_in(2)
                .then(|| QueueId::from_bits(u128::from(self.dice.next())));
            let limit = self.dice.below(20);
            let query = ListQuery {
                state,
                before,
                limit,
            };
            let (of_spool, of_model) = (
                self.spool.list(query).await.unwrap(),
                self.model.list(query).await.unwrap(),
            );
            assert_eq!(of_spool.total, of_model.total);
            let timeless = |listing: Listing| -> Vec<EntryView> {
                listing.entries.into_iter().map(timeless).collect()
            };
            assert_eq!(timeless(of_spool), timeless(of_model));
        }
        for id in self.ids.clone() {
            assert_eq!(read(&self.spool, id).await, read(&self.model, id).await);
        }
    }
}

/// A view without what depends on the clock.
fn timeless(mut view: EntryView) -> EntryView {
    view.now = Duration::ZERO;
    for (_, state) in &mut view.recipients {
        if state.due().is_some() {
            state.phase = Phase::Waiting(Duration::ZERO);
        }
    }
    view
}

#[tokio::test]
async fn the_spool_does_as_the_model_does() {
    for seed in 0..12 {
        let options = SpoolOptions {
            segment_octets: 64 << 10,
            ..SpoolOptions::default()
        };
        let (spool, _) = Queue::open_with(Arc::new(SimStorage::new()), options).unwrap();
        let mut twins = Twins {
            spool,
            model: Queue::with_engine(Arc::new(Model::default())),
            dice: Dice::new(seed),
            ids: Vec::new(),
        };
        for _ in 0..120 {
            match twins.dice.below(10) {
                0..5 => twins.commit().await,
                5..8 => twins.attempt().await,
                8 => twins.administer().await,
                _ => twins.compare().await,
            }
        }
        twins.compare().await;
    }
}
