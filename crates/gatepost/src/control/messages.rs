//! The captured messages, as the pages show them.
//!
//! Only mail that a route captures is seen here: it was taken in order to be looked at. Mail on its way to somebody is nobody's to
//! read. Ids come as texts from outside; what is not the id of a captured message is [`ViewError::Absent`], whatever else it may be
//! (T-44).
//!
//! Parsing is bounded: of a message at most [`MAX_READ`] octets, and it runs where it keeps nobody waiting (T-39).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use gatepost_smtp::path::Address;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::task::JoinSet;

use crate::message::headers::HeaderSection;
use crate::message::shown::shown;
use crate::message::text_part::first_text;
use crate::queue::{
    Content, EntryState, EntryView, ListQuery, Listing, Queue, QueueError, QueueId,
};

/// The largest page of the list.
pub const MAX_PAGE: usize = 10_000;

/// Octets of a message that are read to show it; the rest is in the raw message.
pub const MAX_READ: u64 = 2 << 20;

/// Messages taken from the queue at a time: their headers are in memory together.
const CHUNK: usize = 16;

/// The captured messages. Clones are the same.
#[derive(Clone)]
pub struct Messages {
    queue: Queue,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// There is no such message here.
    #[error("no such message")]
    Absent,
    /// The queue could not be read or written; its own events say why.
    #[error("the queue's storage failed")]
    Failed,
}

/// A page of the list, newest first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MessagePage {
    /// How many captured messages there are.
    pub total: usize,
    /// The page.
    pub messages: Vec<Summary>,
}

/// A message in the list.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// When its content was complete.
    #[serde(serialize_with = "as_text")]
    pub received: Timestamp,
    /// The reverse-path, empty for the null one.
    pub mail_from: String,
    /// The forward-paths.
    pub rcpt_to: Vec<String>,
    /// The subject for a reader; empty when there is none.
    pub subject: String,
    /// Octets of the content.
    pub size: u64,
    /// How its sender proved who he is; absent where that is not asked.
    pub auth: Option<SubmittedBy>,
}

/// How the sender of a message proved who he is.
#[derive(Debug, Clone, Serialize)]
pub struct SubmittedBy {
    /// SASL name of the mechanism.
    pub mechanism: String,
    /// Authentication identity, as sent.
    pub authcid: String,
    /// Authorization identity, as sent.
    pub authzid: Option<String>,
    /// TLS version and cipher; absent in clear text.
    pub tls: Option<String>,
}

/// One message.
#[derive(Debug, Clone, Serialize)]
pub struct MessageView {
    /// What the list shows of it.
    #[serde(flatten)]
    pub summary: Summary,
    /// Its header fields in their order, values for a reader.
    pub headers: Vec<HeaderView>,
    /// Its text: the first `text/plain` part, or the first other text. Absent when there is none.
    pub text: Option<String>,
    /// The media type of the text.
    pub text_type: Option<String>,
    /// Whether the text may go on in what was not read.
    pub text_cut: bool,
}

/// A header field.
#[derive(Debug, Clone, Serialize)]
pub struct HeaderView {
    /// Its name as written.
    pub name: String,
    /// Its value, unfolded and decoded.
    pub value: String,
}

/// A message octet by octet.
pub struct RawMessage {
    content: Content,
}

impl Messages {
    /// The captured messages of this queue.
    pub fn new(queue: Queue) -> Self {
        Self { queue }
    }

    /// How many there are.
    pub async fn count(&self) -> Result<usize, ViewError> {
        Ok(self.listing(None, 0).await?.total)
    }

    /// A page, newest first: at most `limit` messages (and never more than [`MAX_PAGE`]), all older than `before` if it is given.
    pub async fn list(&self, limit: usize, before: Option<&str>) -> Result<MessagePage, ViewError> {
        let mut before = before.map(parse_id).transpose()?;
        let total = self.count().await?;
        let wanted = limit.min(total).min(MAX_PAGE);
        let mut messages = Vec::with_capacity(wanted);
        while messages.len() < wanted {
            let count = CHUNK.min(wanted - messages.len());
            let entries = self.listing(before, count).await?.entries;
            let Some(last) = entries.last() else {
                break;
            };
            before = Some(last.id);
            messages
                .extend(aside(move || entries.iter().map(Summary::of).collect::<Vec<_>>()).await?);
        }
        Ok(MessagePage { total, messages })
    }

    /// One message.
    pub async fn message(&self, id: &str) -> Result<MessageView, ViewError> {
        let entry = self.captured(id).await?;
        let content = self.queue.content(entry.id).await?;
        let is_cut = content.length() > MAX_READ;
        let mut front = Vec::new();
        content
            .take(MAX_READ)
            .read_to_end(&mut front)
            .await
            .map_err(|_| ViewError::Failed)?;
        aside(move || MessageView::of(&entry, &front, is_cut)).await
    }

    /// The octets of one message.
    pub async fn raw(&self, id: &str) -> Result<RawMessage, ViewError> {
        let entry = self.captured(id).await?;
        let content = self.queue.content(entry.id).await?;
        Ok(RawMessage { content })
    }

    /// Forgets all messages captured so far and says how many they were.
    pub async fn delete_all(&self) -> Result<usize, ViewError> {
        let mut deleted = 0;
        let mut before = None;
        loop {
            let entries = self.listing(before, CHUNK).await?.entries;
            let Some(last) = entries.last() else {
                return Ok(deleted);
            };
            before = Some(last.id);
            // Together, so that they share the engine's syncs.
            let mut deletions = JoinSet::new();
            for entry in entries {
                let queue = self.queue.clone();
                deletions.spawn(async move { queue.delete(entry.id).await });
            }
            while let Some(done) = deletions.join_next().await {
                match done.map_err(|_| ViewError::Failed)? {
                    Ok(()) => deleted += 1,
                    // Somebody else was faster.
                    Err(QueueError::Unknown) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    async fn listing(&self, before: Option<QueueId>, limit: usize) -> Result<Listing, ViewError> {
        let query = ListQuery {
            state: Some(EntryState::Captured),
            before,
            limit,
        };
        Ok(self.queue.list(query).await?)
    }

    async fn captured(&self, id: &str) -> Result<EntryView, ViewError> {
        let entry = self.queue.entry(parse_id(id)?).await?;
        entry
            .filter(|entry| entry.state == EntryState::Captured)
            .ok_or(ViewError::Absent)
    }
}

impl From<QueueError> for ViewError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Unknown => Self::Absent,
            QueueError::Full | QueueError::Failed | QueueError::Damaged | QueueError::Busy => {
                Self::Failed
            }
        }
    }
}

fn parse_id(text: &str) -> Result<QueueId, ViewError> {
    text.parse().map_err(|_| ViewError::Absent)
}

/// Runs computing work on a thread that may take its time.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ViewError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| ViewError::Failed)
}

impl Summary {
    fn of(entry: &EntryView) -> Self {
        let submission = &entry.envelope.submission;
        let received_ms = match submission.received_ms {
            0 => entry.id.drawn_at_ms(),
            known => known,
        };
        Self {
            id: entry.id.to_string(),
            received: i64::try_from(received_ms)
                .ok()
                .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                .unwrap_or_default(),
            mail_from: entry
                .envelope
                .reverse_path
                .address()
                .map_or_else(String::new, Address::to_string),
            rcpt_to: entry
                .recipients
                .iter()
                .map(|(path, _)| path.address().to_string())
                .collect(),
            subject: subject(&entry.headers),
            size: entry.size,
            auth: submission.auth.as_ref().map(|auth| SubmittedBy {
                mechanism: auth.mechanism.clone(),
                authcid: auth.authcid.clone(),
                authzid: auth.authzid.clone(),
                tls: submission.tls.clone(),
            }),
        }
    }
}

fn subject(headers: &[u8]) -> String {
    let section = HeaderSection::scan(headers).ok();
    let field = section
        .as_ref()
        .and_then(|section| section.named("Subject").next());
    field.map_or_else(String::new, |field| shown(field.value()))
}

impl MessageView {
    fn of(entry: &EntryView, front: &[u8], is_cut: bool) -> Self {
        let headers = HeaderSection::scan(&entry.headers).map_or_else(
            |_| Vec::new(),
            |section| {
                let fields = section.fields().iter().map(|field| HeaderView {
                    name: String::from_utf8_lossy(field.name()).into_owned(),
                    value: shown(field.value()),
                });
                fields.collect()
            },
        );
        let (text, text_type) = first_text(front)
            .map(|part| (part.text, part.media_type))
            .unzip();
        Self {
            summary: Summary::of(entry),
            headers,
            text_cut: is_cut && text.is_some(),
            text,
            text_type,
        }
    }
}

impl RawMessage {
    /// Octets from front to end.
    pub fn length(&self) -> u64 {
        self.content.length()
    }
}

impl AsyncRead for RawMessage {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.content).poll_read(context, buffer)
    }
}

/// RFC 3339, in UTC.
fn as_text<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}
