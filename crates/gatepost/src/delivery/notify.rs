//! Tells the sender about recipients that will not get his message.
//!
//! One notice for all recipients that failed in one attempt, queued like any other message before their failure is
//! recorded: a crash in between makes a second notice, never none. About a message with a null reverse-path, such as a
//! notice, there is none (RFC 5321 §6.1): [`relay::for_notice`] does not grant it.

use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_smtp::params::Submitter;
use gatepost_smtp::path::ReversePath;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::route::{self, Origin};
use crate::config::resolved::Route;
use crate::message::dsn::{Failure, MAX_RETURNED, Notice};
use crate::observe::Observer;
use crate::observe::event::NoticeQueued;
use crate::policy::relay::{self, RelayGrants};
use crate::queue::{Envelope, Lease, Queue, QueueError, SubmissionFacts};

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
    /// Queues a notice about the failed recipients of a message, unless nobody is to be told. When it returns `Ok`, the
    /// notice is on stable storage.
    pub async fn tell(&self, lease: &Lease, failures: &[Failure]) -> Result<(), QueueError> {
        let about = &lease.envelope().reverse_path;
        let (Some(grant), Some(sender)) = (relay::for_notice(about), about.address()) else {
            return Ok(());
        };
        if failures.is_empty() {
            return Ok(());
        }
        let header = match lease.content().await {
            Ok(content) => header_of(content).await,
            // A damaged message is reported without its header.
            Err(_) => Vec::new(),
        };
        let now = now_ms();
        let mut draft = self.queue.begin(envelope(now, &self.hostname));
        let notice = Notice {
            reporting_mta: &self.hostname,
            unique: &draft.id().to_string(),
            now: timestamp(now),
            to: sender.as_str(),
            about: &lease.id().to_string(),
            arrived: timestamp(lease.envelope().submission.received_ms),
            failures,
            header: &header,
        };
        let rendered = notice.render();
        let body_at = end_of_header(&rendered).unwrap_or(rendered.len());
        let (header, body) = rendered.split_at(body_at);
        draft.set_headers(header.to_vec());
        draft.append(body).await?;
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
        self.observer.emit(NoticeQueued {
            id: committed.id.to_string(),
            about: lease.id().to_string(),
            recipient: sender.to_string(),
            failed: failures.len(),
        });
        Ok(())
    }
}

fn envelope(now: u64, hostname: &str) -> Envelope {
    Envelope {
        reverse_path: ReversePath::Null,
        submitter: Submitter::Unknown,
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

/// The header section of a message, as much of it as a notice returns and one octet more, so that it is cut at a line.
async fn header_of(content: impl AsyncRead) -> Vec<u8> {
    let mut octets = Vec::new();
    let limit = MAX_RETURNED as u64 + 1;
    // What could be read before an error is as good a header as any.
    let _ = std::pin::pin!(content)
        .take(limit)
        .read_to_end(&mut octets)
        .await;
    if let Some(end) = end_of_header(&octets) {
        octets.truncate(end.saturating_sub(2));
    }
    octets
}

/// Where the body begins: behind the empty line.
fn end_of_header(octets: &[u8]) -> Option<usize> {
    octets
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}
