//! Queued mail as commands see and change it.
//!
//! An id comes as a text from outside; what is no id is answered like one that is not queued (T-44). Every change is told to the
//! observer with the id, what was done, and who asked. Lists and counts read the messages' records a page at a time, so that a long
//! queue is never held in memory, nor any lock over a page's reading.

pub mod filter;
pub mod stats;
pub mod view;

mod change;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;

use self::filter::Filter;
use self::stats::Stats;
use self::view::{MessageDetails, MessageLine};
use super::command::Failure;
use crate::delivery;
use crate::observe::Observer;
use crate::queue::{EntryView, ListQuery, Queue, QueueError, QueueId};

/// The most messages in one answer.
pub const MAX_PAGE: usize = 10_000;

/// Messages read at a time: their headers are in memory together.
const CHUNK: usize = 128;

/// Octets of a message in one answer.
const PART: u64 = 1 << 20;

/// What may be asked of the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum QueueAct {
    /// A page of the list, newest first.
    List {
        /// Which messages.
        filter: Filter,
        /// Only those older than this one.
        before: Option<String>,
        /// At most so many; never more than [`MAX_PAGE`].
        limit: usize,
    },
    /// Everything about one message but its body.
    Show {
        /// Its id.
        id: String,
    },
    /// Some octets of a message.
    Read {
        /// Its id.
        id: String,
        /// From this octet on.
        from: u64,
    },
    /// Change messages.
    Change {
        /// What to do.
        what: What,
        /// To which.
        which: Which,
    },
    /// How much is queued, for whom and since when.
    Stats {},
}

/// What is done to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum What {
    /// Keep it until someone releases it.
    Hold,
    /// Send what is held, whatever held it.
    Release,
    /// Try now what waits for its next attempt.
    Retry,
    /// Forget it.
    Delete {
        /// Tell the sender.
        bounce: bool,
    },
}

/// Which messages are changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Which {
    /// These.
    Ids(Vec<String>),
    /// All that fit.
    Matching {
        /// The condition.
        filter: Filter,
        /// Only count them, and change nothing.
        count_only: bool,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueDone {
    /// A page.
    List(Page),
    /// A message.
    Message(Box<MessageDetails>),
    /// Octets of a message.
    Part(Part),
    /// What was changed.
    Changed(Changed),
    /// Figures.
    Stats(Stats),
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// How many messages are in the state asked for, whatever else the filter says.
    pub total: usize,
    /// The messages that fit, newest first.
    pub messages: Vec<MessageLine>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
}

/// Octets of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// In base64.
    pub octets: String,
    /// The end of the message is reached.
    pub is_last: bool,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// How many messages were meant.
    pub matched: usize,
    /// How many were changed.
    pub changed: usize,
    /// Why the others were not.
    pub refused: Vec<Refused>,
}

/// A message that was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its id, as it was asked for.
    pub id: String,
    /// Why, and what next.
    pub why: String,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The way it came: `command`, `socket`.
    pub by: &'static str,
    /// The name of the person as the command knows it.
    pub operator: String,
}

/// Does what is asked of the queue. Clones are the same.
#[derive(Clone)]
pub struct QueueDesk {
    queue: Queue,
    settings: watch::Receiver<delivery::Settings>,
    observer: Observer,
}

impl QueueDesk {
    /// For this queue; the settings say where a notice goes.
    pub fn new(
        queue: Queue,
        settings: watch::Receiver<delivery::Settings>,
        observer: Observer,
    ) -> Self {
        Self {
            queue,
            settings,
            observer,
        }
    }

    pub(in crate::control) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Does one act.
    pub async fn run(&self, act: QueueAct, asker: &Asker) -> Result<QueueDone, Failure> {
        match act {
            QueueAct::List {
                filter,
                before,
                limit,
            } => self.list(&filter, before.as_deref(), limit).await,
            QueueAct::Show { id } => {
                let entry = self.existing(&id).await?;
                Ok(QueueDone::Message(Box::new(MessageDetails::of(&entry))))
            }
            QueueAct::Read { id, from } => self.read(&id, from).await,
            QueueAct::Change { what, which } => {
                let changed = match which {
                    Which::Ids(ids) => self.change(what, ids, asker).await,
                    Which::Matching { filter, count_only } => {
                        self.change_matching(what, &filter, count_only, asker)
                            .await?
                    }
                };
                Ok(QueueDone::Changed(changed))
            }
            QueueAct::Stats {} => {
                let mut stats = Stats::default();
                self.walk(&Filter::default(), None, |entry| {
                    stats.count(&entry);
                    true
                })
                .await?;
                Ok(QueueDone::Stats(stats.sorted()))
            }
        }
    }

    async fn list(
        &self,
        filter: &Filter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<QueueDone, Failure> {
        let before = before.map(parse_id).transpose()?;
        let limit = limit.clamp(1, MAX_PAGE);
        let query = ListQuery {
            state: filter.entry_state(),
            before: None,
            limit: 0,
        };
        let total = self.queue.list(query).await?.total;
        let mut messages = Vec::new();
        // One more than fits says whether there is a next page.
        self.walk(filter, before, |entry| {
            messages.push(MessageLine::of(&entry));
            messages.len() <= limit
        })
        .await?;
        let more = messages.len() > limit;
        messages.truncate(limit);
        let next = messages.last().filter(|_| more).map(|last| last.id.clone());
        Ok(QueueDone::List(Page {
            total,
            messages,
            next,
        }))
    }

    /// Shows every message that fits, newest first, until `visit` has enough.
    async fn walk(
        &self,
        filter: &Filter,
        mut before: Option<QueueId>,
        mut visit: impl FnMut(EntryView) -> bool,
    ) -> Result<(), Failure> {
        let matcher = filter.matcher();
        loop {
            let query = ListQuery {
                state: filter.entry_state(),
                before,
                limit: CHUNK,
            };
            let entries = self.queue.list(query).await?.entries;
            let Some(last) = entries.last() else {
                return Ok(());
            };
            before = Some(last.id);
            for entry in entries {
                if matcher.fits(&entry) && !visit(entry) {
                    return Ok(());
                }
            }
        }
    }

    async fn read(&self, id: &str, from: u64) -> Result<QueueDone, Failure> {
        let mut content = self.queue.content(parse_id(id)?).await?;
        let unreadable = |_| Failure::from(QueueError::Damaged);
        let mut passed = (&mut content).take(from);
        tokio::io::copy(&mut passed, &mut tokio::io::sink())
            .await
            .map_err(unreadable)?;
        let mut octets = Vec::new();
        let read = content.take(PART).read_to_end(&mut octets).await;
        read.map_err(unreadable)?;
        Ok(QueueDone::Part(Part {
            is_last: (octets.len() as u64) < PART,
            octets: BASE64.encode(octets),
        }))
    }

    async fn existing(&self, id: &str) -> Result<EntryView, Failure> {
        let entry = self.queue.entry(parse_id(id)?).await?;
        entry.ok_or_else(|| QueueError::Unknown.into())
    }
}

fn parse_id(text: &str) -> Result<QueueId, Failure> {
    text.parse().map_err(|_| QueueError::Unknown.into())
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self(
            match error {
                QueueError::Unknown => {
                    "no such message is queued: it may have been delivered; `gatepost queue list` shows what is"
                }
                QueueError::Busy => {
                    "it is being delivered at this moment: see what comes of it, and try again"
                }
                QueueError::Full => {
                    "the disk of the queue is full: make room, nothing was changed"
                }
                QueueError::Failed => {
                    "the disk of the queue failed: the log of the server and of the kernel say more"
                }
                QueueError::Damaged => {
                    "what is stored of it is damaged: it is held, and can be deleted"
                }
            }
            .to_owned(),
        )
    }
}
