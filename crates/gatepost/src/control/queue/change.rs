//! Changes that somebody wants of queued messages.

use gatepost_smtp::dsn::Notify;
use tokio::task::JoinSet;

use super::filter::Filter;
use super::{Asker, CHUNK, Changed, QueueDesk, Refused, What, parse_id};
use crate::control::command::Failure;
use crate::delivery::notify::Notifier;
use crate::message::dsn::{Diagnostic, Fate, Report};
use crate::observe::event::QueueChanged;
use crate::queue::engine::LeasedRecipient;
use crate::queue::entry::Phase;
use crate::queue::{EntryView, QueueId};

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "held",
            Self::Release => "released",
            Self::Retry => "retried",
            Self::Delete { bounce: false } => "deleted",
            Self::Delete { bounce: true } => "returned",
        }
    }

    /// Why it would change nothing of this message, if so.
    fn is_pointless_for(self, entry: &EntryView) -> Option<&'static str> {
        let mut recipients = entry.recipients.iter();
        let mut any = |wanted: fn(&Phase) -> bool| recipients.any(|(_, one)| wanted(&one.phase));
        match self {
            Self::Hold | Self::Retry => {
                let waits = any(|phase| matches!(phase, Phase::Waiting(_)));
                (!waits).then_some("none of its recipients waits for an attempt: it is held (release it) or captured (it is never sent)")
            }
            Self::Release => {
                let held = any(|phase| matches!(phase, Phase::Held));
                (!held).then_some("none of its recipients is held")
            }
            Self::Delete { .. } => None,
        }
    }
}

impl QueueDesk {
    /// Changes all messages that fit, or counts them. What would not change is not counted.
    pub(super) async fn change_matching(
        &self,
        what: What,
        filter: &Filter,
        count_only: bool,
        asker: &Asker,
    ) -> Result<Changed, Failure> {
        let mut ids = Vec::new();
        self.walk(filter, None, |entry| {
            if what.is_pointless_for(&entry).is_none() {
                ids.push(entry.id.to_string());
            }
            true
        })
        .await?;
        if count_only {
            return Ok(Changed {
                matched: ids.len(),
                changed: 0,
                refused: Vec::new(),
            });
        }
        Ok(self.change(what, ids, asker).await)
    }

    pub(super) async fn change(&self, what: What, ids: Vec<String>, asker: &Asker) -> Changed {
        let mut changed = Changed {
            matched: ids.len(),
            changed: 0,
            refused: Vec::new(),
        };
        for some in ids.chunks(CHUNK) {
            // Together, so that they share the engine's syncs.
            let mut running = JoinSet::new();
            for id in some {
                let (desk, id, asker) = (self.clone(), id.clone(), asker.clone());
                running.spawn(async move {
                    let done = desk.change_one(what, &id, &asker).await;
                    done.map_err(|Failure(why)| Refused { id, why })
                });
            }
            for done in running.join_all().await {
                match done {
                    Ok(()) => changed.changed += 1,
                    Err(refused) => changed.refused.push(refused),
                }
            }
        }
        changed.refused.sort_by(|a, b| a.id.cmp(&b.id));
        changed
    }

    async fn change_one(&self, what: What, id: &str, asker: &Asker) -> Result<(), Failure> {
        let id = parse_id(id)?;
        // What cannot be read any more can still be deleted.
        if what != (What::Delete { bounce: false }) {
            let entry = self.existing(&id.to_string()).await?;
            if let Some(why) = what.is_pointless_for(&entry) {
                return Err(Failure(why.to_owned()));
            }
        }
        match what {
            What::Hold => {
                let why = format!("held by {}", asker.operator);
                self.queue.hold(id, why).await?;
            }
            What::Release => self.queue.release(id).await?,
            What::Retry => self.queue.retry(id).await?,
            What::Delete { bounce: false } => self.queue.delete(id).await?,
            What::Delete { bounce: true } => self.give_back(id).await?,
        }
        self.observer.emit(QueueChanged {
            id: id.to_string(),
            act: what.as_str(),
            by: asker.by,
            operator: asker.operator.clone(),
        });
        Ok(())
    }

    /// Deletes a message and tells its sender, who may have said that he does not want to hear it. The notice is on stable storage first.
    async fn give_back(&self, id: QueueId) -> Result<(), Failure> {
        let lease = self.queue.take(id).await?;
        let recipients = lease.recipients().iter();
        let reports: Vec<Report> = recipients.filter_map(given_up).collect();
        let settings = self.settings.borrow().clone();
        let notifier = Notifier {
            queue: self.queue.clone(),
            hostname: settings.hostname,
            routes: settings.routes,
            observer: self.observer.clone(),
        };
        notifier.tell(&lease, &reports).await?;
        Ok(self.queue.delete_leased(lease).await?)
    }
}

fn given_up(recipient: &LeasedRecipient) -> Option<Report> {
    let wishes = recipient.params.notify.unwrap_or(Notify::DEFAULT);
    wishes.failure().then(|| Report {
        recipient: recipient.forward_path.address().clone(),
        original: recipient.params.original_recipient.clone(),
        fate: Fate::Failed,
        status: "5.0.0".to_owned(),
        next_hop: None,
        diagnostic: Diagnostic::Ours("the administrator has stopped its delivery".to_owned()),
    })
}
