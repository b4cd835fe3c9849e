//! The sessions, and what each of them measures.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gatepost_client::{
    Address, Client, Connector, Credentials, Envelope, Error, MechanismChoice, SendReport,
};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinSet;

use super::report::{Report, Samples};

/// What to do.
pub(super) struct Settings {
    pub(super) connector: Connector,
    pub(super) credentials: Credentials,
    pub(super) choice: MechanismChoice,
    pub(super) sender: Address,
    pub(super) recipient: Address,
    pub(super) messages: u64,
    pub(super) per_session: u64,
    pub(super) size: usize,
    pub(super) hold: Duration,
}

/// The work that all sessions share.
pub(super) struct Load {
    settings: Settings,
    envelope: Envelope,
    message: Vec<u8>,
    taken: AtomicU64,
}

impl Load {
    pub(super) fn new(settings: Settings) -> Self {
        let message = message(&settings);
        let envelope = Envelope::new(
            settings.sender.clone(),
            [settings.recipient.clone()],
            &message,
        );
        Self {
            settings,
            envelope,
            message,
            taken: AtomicU64::new(0),
        }
    }

    /// Sends everything, by so many sessions at a time.
    pub(super) async fn run(self: Arc<Self>, sessions: u32) -> Report {
        let begun = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..sessions {
            workers.spawn(Arc::clone(&self).work());
        }
        let mut samples = Samples::default();
        while let Some(done) = workers.join_next().await {
            if let Ok(done) = done {
                samples.merge(done);
            }
        }
        Report::new(self.settings.messages, begun.elapsed(), samples)
    }

    /// One session after the other, until no message is left.
    async fn work(self: Arc<Self>) -> Samples {
        let mut samples = Samples::default();
        let mut first = self.take();
        while first {
            if let Err(error) = self.session(&mut samples).await {
                samples.fail(&error);
            }
            first = self.take();
        }
        samples
    }

    /// A session for a message that was taken. Its error is that message's.
    async fn session(&self, samples: &mut Samples) -> Result<(), Error> {
        let settings = &self.settings;
        let begun = Instant::now();
        let mut client = settings.connector.connect().await?;
        samples.connect.push(begun.elapsed());
        let begun = Instant::now();
        client
            .authenticate(&settings.credentials, settings.choice)
            .await?;
        samples.auth.push(begun.elapsed());
        let mut sent = 0;
        loop {
            self.send(&mut client, samples).await?;
            sent += 1;
            if sent == settings.per_session || !client.is_open() || !self.take() {
                break;
            }
        }
        tokio::time::sleep(settings.hold).await;
        client.quit().await;
        Ok(())
    }

    async fn send(&self, client: &mut Client, samples: &mut Samples) -> Result<(), Error> {
        let mut content = Content {
            left: &self.message,
            ended: None,
        };
        let begun = Instant::now();
        let SendReport { recipients, .. } = client.send_from(&self.envelope, &mut content).await?;
        match recipients.into_iter().next() {
            Some(Ok(_)) => {
                samples.message.push(begun.elapsed());
                if let Some(ended) = content.ended {
                    samples.end_of_data.push(ended.elapsed());
                }
            }
            Some(Err(reply)) => samples.refused(&reply),
            None => {}
        }
        Ok(())
    }

    /// Takes the next message; false when there is none left.
    fn take(&self) -> bool {
        self.taken.fetch_add(1, Ordering::Relaxed) < self.settings.messages
    }
}

/// The message's octets, and when the last of them had been read: the final dot follows at once.
struct Content<'a> {
    left: &'a [u8],
    ended: Option<Instant>,
}

impl AsyncRead for Content<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.left.split_at(self.left.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.left = later;
        if now.is_empty() {
            self.ended.get_or_insert_with(Instant::now);
        }
        Poll::Ready(Ok(()))
    }
}

/// A message of the wanted size: a short header, then lines.
fn message(settings: &Settings) -> Vec<u8> {
    const LINE: &[u8] =
        b"The quick brown fox jumps over the lazy dog, again and again and again.\r\n";
    let mut message = format!(
        "From: {}\r\nTo: {}\r\nSubject: Load\r\n\r\n",
        settings.sender, settings.recipient
    )
    .into_bytes();
    while message.len() + LINE.len() <= settings.size {
        message.extend_from_slice(LINE);
    }
    message.resize(settings.size.saturating_sub(2).max(message.len()), b'x');
    message.extend_from_slice(b"\r\n");
    message
}
