//! Tells the sender what became of his message: that a recipient will not get it, that it takes long, or that it went to
//! where nobody will tell, each if the sender wants to hear it (NOTIFY, RFC 3461 §4.1; DSN-03).
//!
//! - Failure is told unless NOTIFY leaves it out; delay likewise, once, at the age `retry.warn_after`.
//! - Success is told only if asked for, and only where the next hop does not offer DSN: one that does has taken over the
//!   duty. What is held or captured is neither success nor failure.
//! - The message comes back whole if a recipient failed and RET=FULL asks for it, up to [`MAX_WHOLE`]; otherwise its header.
//!
//! One notice for all recipients of one attempt, queued like any other message before their outcomes are recorded: a crash
//! in between makes a second notice, never none. About a message with a null reverse-path, such as a notice, there is none
//! (RFC 5321 §6.1): [`relay::for_notice`] does not grant it. The identity that submitted the message is not in it.

use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_smtp::dsn::{Notify, Ret};
use gatepost_smtp::params::Body;
use gatepost_smtp::path::ReversePath;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::route::{self, Origin};
use crate::config::resolved::{RetrySchedule, Route};
use crate::message::dsn::{Fate, MAX_RETURNED, Notice, Report, Returned, can_be_returned};
use crate::observe::Observer;
use crate::observe::event::NoticeQueued;
use crate::policy::relay::{self, RelayGrants};
use crate::queue::engine::LeasedRecipient;
use crate::queue::{Envelope, Lease, Queue, QueueError, RecipientOutcome, SubmissionFacts};

/// The largest message that a notice returns whole, in octets: RET=FULL asks for it, but a notice is held in memory, and one
/// that no mailbox takes tells nobody. Beyond it the header is returned.
pub const MAX_WHOLE: u64 = 1 << 20;

/// Whether the sender is to be told now that a recipient whose attempt has failed for now takes long.
pub fn tells_delay(recipient: &LeasedRecipient, retry: &RetrySchedule) -> bool {
    wishes(recipient).delay() && !recipient.delay_told && recipient.waited >= retry.warn_after
}

/// What the sender is told of a recipient with this outcome, if anything. `dsn` says that the next hop offers DSN.
pub fn fate(
    recipient: &LeasedRecipient,
    outcome: &RecipientOutcome,
    dsn: bool,
    retry: &RetrySchedule,
) -> Option<Fate> {
    match outcome {
        RecipientOutcome::Bounced { .. } if wishes(recipient).failure() => Some(Fate::Failed),
        RecipientOutcome::Delivered if wishes(recipient).success() && !dsn => Some(Fate::Relayed),
        RecipientOutcome::Deferred {
            delay_told: true, ..
        }
        | RecipientOutcome::Postponed {
            delay_told: true, ..
        } => Some(Fate::Delayed {
            tried_for: retry.give_up.saturating_sub(recipient.waited),
        }),
        _ => None,
    }
}

fn wishes(recipient: &LeasedRecipient) -> Notify {
    recipient.params.notify.unwrap_or(Notify::DEFAULT)
}

/// Queues notices.
pub struct Notifier {
    /// Where notices are queued.
    pub queue: Queue,
    /// Our name.
    pub hostname: String,
    /// The routes, which apply to notices as well.
    pub routes: std::sync::Arc<[Route]>,
    /// Where the event goes.
    pub observer: Observer,
}

impl Notifier {
    /// Queues a notice with these reports about a message, unless nobody is to be told. When it returns `Ok`, the notice is
    /// on stable storage.
    pub async fn tell(&self, lease: &Lease, reports: &[Report]) -> Result<(), QueueError> {
        let about = lease.envelope();
        let path = &about.reverse_path;
        let (Some(grant), Some(sender)) = (relay::for_notice(path), path.address()) else {
            return Ok(());
        };
        if reports.is_empty() {
            return Ok(());
        }
        let original = Original::read(lease, reports).await;
        let now = now_ms();
        let mut draft = self.queue.begin(envelope(now, &self.hostname));
        let notice = Notice {
            reporting_mta: &self.hostname,
            unique: &draft.id().to_string(),
            now: timestamp(now),
            to: sender,
            about: &lease.id().to_string(),
            envelope_id: about.envelope_id.as_ref(),
            arrived: timestamp(about.submission.received_ms),
            utf8: about.smtputf8,
            reports,
            returned: original.returned(),
        };
        let rendered = notice.render();
        let envelope = draft.envelope_mut();
        envelope.smtputf8 = !rendered.header.is_ascii();
        if !(rendered.body.is_ascii() && rendered.header.is_ascii()) {
            envelope.body = Body::EightBitMime;
        }
        draft.set_headers(rendered.header.into_bytes());
        draft.append(&rendered.body).await?;
        let grants = RelayGrants::from(grant);
        let origin = Origin {
            account: "",
            credential: "",
            reverse_path: &ReversePath::Null,
        };
        draft.disposition(route::disposition(
            &self.routes,
            origin,
            grants.recipients(),
        ));
        let committed = self.queue.commit(draft, grants).await?;
        let count =
            |fate: fn(&Fate) -> bool| reports.iter().filter(|report| fate(&report.fate)).count();
        self.observer.emit(NoticeQueued {
            id: committed.id.to_string(),
            about: lease.id().to_string(),
            recipient: sender.to_string(),
            failed: count(|fate| matches!(fate, Fate::Failed)),
            delayed: count(|fate| matches!(fate, Fate::Delayed { .. })),
            relayed: count(|fate| matches!(fate, Fate::Relayed)),
        });
        Ok(())
    }
}

/// What a notice returns of a message.
struct Original {
    octets: Vec<u8>,
    whole: bool,
}

impl Original {
    /// Reads what the sender wants back. A damaged message is reported without anything of it.
    async fn read(lease: &Lease, reports: &[Report]) -> Self {
        // RFC 3461 §4.3: RET is about notices of failure.
        let wanted = lease.envelope().ret == Some(Ret::Full)
            && lease.size() <= MAX_WHOLE
            && reports.iter().any(|report| report.fate == Fate::Failed);
        if wanted
            && let Ok(content) = lease.content().await
            && let Some(octets) = whole(content).await
        {
            return Self {
                octets,
                whole: true,
            };
        }
        Self {
            octets: match lease.content().await {
                Ok(content) => header_of(content).await,
                Err(_) => Vec::new(),
            },
            whole: false,
        }
    }

    fn returned(&self) -> Returned<'_> {
        if self.whole {
            Returned::Message(&self.octets)
        } else {
            Returned::Header(&self.octets)
        }
    }
}

fn envelope(now: u64, hostname: &str) -> Envelope {
    Envelope {
        submission: SubmissionFacts {
            received_ms: now,
            helo: hostname.to_owned(),
            ..SubmissionFacts::default()
        },
        ..Envelope::default()
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn timestamp(milliseconds: u64) -> Timestamp {
    i64::try_from(milliseconds)
        .ok()
        .and_then(|value| Timestamp::from_millisecond(value).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A whole message, if it can be read and be part of a notice.
async fn whole(content: impl AsyncRead) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let read = std::pin::pin!(content).read_to_end(&mut octets).await;
    (read.is_ok() && can_be_returned(&octets)).then_some(octets)
}

/// The header section of a message, as much of it as a notice returns and one octet more, so that it is cut at a line.
async fn header_of(content: impl AsyncRead) -> Vec<u8> {
    let mut octets = Vec::new();
    let limit = MAX_RETURNED as u64 + 1;
    // What could be read before an error is as good a header as any.
    let _ = std::pin::pin!(content)
        .take(limit)
        .read_to_end(&mut octets)
        .await;
    if let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
        octets.truncate(end + 2);
    }
    octets
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatepost_smtp::params::RcptParams;
    use gatepost_smtp::path::Address;

    use super::*;

    fn recipient(notify: Option<&str>) -> LeasedRecipient {
        LeasedRecipient {
            place: 0,
            forward_path: Address::parse("you@next.example").unwrap().into(),
            params: RcptParams {
                notify: notify.map(|text| Notify::parse(text).unwrap()),
                original_recipient: None,
            },
            attempts: 3,
            waited: Duration::from_secs(4 * 60 * 60),
            delay_told: false,
            released: false,
            diagnostic: String::new(),
        }
    }

    // DSN-03: in the order failed, held, delivered, delivered to a hop with DSN.
    #[test]
    fn dsn_03_what_is_told_of_which_outcome() {
        let retry = RetrySchedule::default();
        let diagnostic = String::new;
        let outcomes = [
            (
                RecipientOutcome::Bounced {
                    diagnostic: diagnostic(),
                },
                false,
            ),
            (
                RecipientOutcome::Held {
                    diagnostic: diagnostic(),
                },
                false,
            ),
            (RecipientOutcome::Delivered, false),
            (RecipientOutcome::Delivered, true),
        ];
        let (failed, relayed) = (Some(Fate::Failed), Some(Fate::Relayed));
        for (notify, expected) in [
            (None, [failed, None, None, None]),
            (Some("NEVER"), [None, None, None, None]),
            (Some("FAILURE"), [failed, None, None, None]),
            (Some("SUCCESS"), [None, None, relayed, None]),
            (Some("DELAY"), [None, None, None, None]),
            (Some("SUCCESS,FAILURE,DELAY"), [failed, None, relayed, None]),
        ] {
            let told = outcomes
                .each_ref()
                .map(|(outcome, dsn)| fate(&recipient(notify), outcome, *dsn, &retry));
            assert_eq!(told, expected, "{notify:?}");
        }
    }

    #[test]
    fn a_delay_is_told_at_its_age_and_once() {
        let retry = RetrySchedule::default();
        for (notify, told) in [
            (None, true),
            (Some("DELAY"), true),
            (Some("FAILURE"), false),
        ] {
            assert_eq!(tells_delay(&recipient(notify), &retry), told, "{notify:?}");
        }
        let young = LeasedRecipient {
            waited: Duration::from_secs(4 * 60 * 60 - 1),
            ..recipient(None)
        };
        let warned = LeasedRecipient {
            delay_told: true,
            ..recipient(None)
        };
        assert!(!tells_delay(&young, &retry) && !tells_delay(&warned, &retry));
    }
}
