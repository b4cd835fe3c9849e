//! How much is queued, for whom and since when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::view::{moment, received_ms};
use crate::queue::entry::Phase;
use crate::queue::{EntryState, EntryView};

/// Rows of each table.
const ROWS: usize = 20;

/// Figures of the queue. Recipients that are finished do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Messages being delivered or waiting for it.
    pub queued: usize,
    /// Messages held.
    pub held: usize,
    /// Messages captured.
    pub captured: usize,
    /// Recipients that wait, of messages in any state.
    pub recipients_waiting: usize,
    /// Those of them whose last attempt failed.
    pub recipients_deferred: usize,
    /// Recipients that are held.
    pub recipients_held: usize,
    /// Octets of all contents.
    pub octets: u64,
    /// When the oldest message came, RFC 3339; captured ones do not count.
    pub oldest: Option<String>,
    /// Domains with the most recipients that wait or are held, most first.
    pub domains: Vec<Share>,
    /// Accounts with the most messages that wait or are held, most first.
    pub accounts: Vec<Share>,
    #[serde(skip)]
    by_domain: BTreeMap<String, usize>,
    #[serde(skip)]
    by_account: BTreeMap<String, usize>,
    #[serde(skip)]
    oldest_ms: Option<u64>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// A domain or an account.
    pub name: String,
    /// How many.
    pub count: usize,
}

impl Stats {
    /// Counts one message.
    pub(super) fn count(&mut self, entry: &EntryView) {
        self.octets += entry.size;
        match entry.state {
            EntryState::Queued => self.queued += 1,
            EntryState::Held => self.held += 1,
            EntryState::Captured => {
                self.captured += 1;
                return;
            }
            EntryState::Finished => return,
        }
        let received = received_ms(entry);
        self.oldest_ms = Some(
            self.oldest_ms
                .map_or(received, |oldest| oldest.min(received)),
        );
        let auth = entry.envelope.submission.auth.as_ref();
        if let Some(auth) = auth {
            *self.by_account.entry(auth.account.clone()).or_default() += 1;
        }
        for (path, state) in &entry.recipients {
            match state.phase {
                Phase::Waiting(_) => {
                    self.recipients_waiting += 1;
                    self.recipients_deferred += usize::from(state.attempts > 0);
                }
                Phase::Held => self.recipients_held += 1,
                Phase::Delivered | Phase::Bounced | Phase::Captured => continue,
            }
            let domain = path.address().domain().to_ascii_lowercase();
            *self.by_domain.entry(domain).or_default() += 1;
        }
    }

    /// The figures, ready to be shown.
    pub(super) fn sorted(mut self) -> Self {
        self.oldest = self.oldest_ms.take().map(moment);
        self.domains = largest(std::mem::take(&mut self.by_domain));
        self.accounts = largest(std::mem::take(&mut self.by_account));
        self
    }
}

fn largest(counts: BTreeMap<String, usize>) -> Vec<Share> {
    let mut shares: Vec<Share> = counts
        .into_iter()
        .map(|(name, count)| Share { name, count })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.count));
    shares.truncate(ROWS);
    shares
}
