//! A message that is being received: nothing of it is kept until it is committed, and dropping it leaves nothing behind.
//!
//! Headers and the first [`INLINE_LIMIT`] octets stay in memory. A larger body goes to a file of its own while it arrives, in pieces
//! of that size with one being filled and one being written: a message of 1 GiB takes no more memory than one of 1 MiB, and a disk
//! that is slower than the peer slows the peer down.

use std::io::{self, IoSlice};
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::engine::{Engine, NewBody, NewMessage, QueueError};
use super::entry::Disposition;
use super::envelope::{Envelope, Recipient};
use super::id::QueueId;
use super::storage::StoredFile;

/// Octets of a body that are kept in memory and written into the log; what is larger has a file of its own.
pub const INLINE_LIMIT: usize = 256 << 10;

/// A message that is being received.
pub struct Draft {
    id: QueueId,
    envelope: Envelope,
    disposition: Disposition,
    headers: Vec<u8>,
    /// What is not in the file yet.
    pending: Vec<u8>,
    file: Option<BodyFile>,
    engine: Arc<dyn Engine>,
}

impl Draft {
    pub(super) fn new(engine: Arc<dyn Engine>, id: QueueId, envelope: Envelope) -> Self {
        Self {
            id,
            envelope,
            disposition: Disposition::default(),
            headers: Vec::new(),
            pending: Vec::new(),
            file: None,
            engine,
        }
    }

    /// The id the message will have.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// The envelope, to complete it while the message arrives.
    pub fn envelope_mut(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    /// Says what is to be done with the message; [`Disposition::Deliver`] unless told otherwise.
    pub fn disposition(&mut self, disposition: Disposition) {
        self.disposition = disposition;
    }

    /// Sets the front of the content: completed headers with their line ends, at most 1 MiB. The empty line belongs either to them or to
    /// the body: content is the one followed by the other, octet for octet.
    pub fn set_headers(&mut self, headers: Vec<u8>) {
        self.headers = headers;
    }

    /// Octets of the content so far.
    pub fn size(&self) -> u64 {
        let written = self.file.as_ref().map_or(0, |file| file.length);
        written + (self.headers.len() + self.pending.len()) as u64
    }

    /// Appends to the content, and waits while the disk is behind. After an error the draft can only be dropped.
    pub async fn append(&mut self, mut octets: &[u8]) -> Result<(), QueueError> {
        loop {
            let room = INLINE_LIMIT.saturating_sub(self.pending.len());
            let (now, rest) = octets.split_at_checked(room).unwrap_or((octets, &[]));
            self.pending.extend_from_slice(now);
            if rest.is_empty() {
                return Ok(());
            }
            octets = rest;
            self.spill().await?;
        }
    }

    /// Hands what is pending to the file, which is made the first time.
    async fn spill(&mut self) -> Result<(), QueueError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BodyFile {
                file: self.engine.create_body(self.id)?,
                length: 0,
                crc: 0,
                writing: None,
            }),
        };
        let empty = file.settle().await?;
        file.write(std::mem::replace(&mut self.pending, empty));
        Ok(())
    }

    /// Commits the message to these recipients.
    pub(super) async fn commit(mut self, recipients: Vec<Recipient>) -> Result<(), QueueError> {
        if self.file.is_some() && !self.pending.is_empty() {
            self.spill().await?;
        }
        let body = match &mut self.file {
            None => NewBody::Inline(std::mem::take(&mut self.pending)),
            Some(file) => {
                file.settle().await?;
                NewBody::File {
                    file: file.file.clone(),
                    length: file.length,
                    crc: file.crc,
                }
            }
        };
        let message = NewMessage {
            id: self.id,
            envelope: std::mem::take(&mut self.envelope),
            recipients,
            disposition: self.disposition,
            headers: std::mem::take(&mut self.headers),
            body,
        };
        // Once the engine has been asked, the file is the engine's, whatever becomes of this future.
        self.file = None;
        let engine = self.engine.clone();
        engine.commit(message).await
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let (engine, id) = (self.engine.clone(), self.id);
            off_the_runtime(move || engine.discard_body(id));
        }
    }
}

/// Runs blocking work where it disturbs nobody: on the blocking pool, or here when there is no runtime to disturb.
fn off_the_runtime(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

/// The buffer of a piece that was written, and the CRC32C of all up to its end.
type Written = (Vec<u8>, u32);

/// A body on its way into a file; at most one piece is being written.
struct BodyFile {
    file: Arc<dyn StoredFile>,
    /// Octets handed over for writing.
    length: u64,
    /// CRC32C of what was written.
    crc: u32,
    writing: Option<JoinHandle<io::Result<Written>>>,
}

impl BodyFile {
    /// Waits for the piece being written, and gives back its buffer, emptied.
    async fn settle(&mut self) -> Result<Vec<u8>, QueueError> {
        let Some(writing) = &mut self.writing else {
            return Ok(Vec::with_capacity(INLINE_LIMIT));
        };
        let result = writing.await;
        self.writing = None;
        let (mut buffer, crc) = result.map_err(|_| QueueError::Failed)??;
        self.crc = crc;
        buffer.clear();
        Ok(buffer)
    }

    /// Begins to write a piece behind what was written.
    fn write(&mut self, piece: Vec<u8>) {
        let (file, offset, crc) = (self.file.clone(), self.length, self.crc);
        self.length += piece.len() as u64;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            file.write_at(&mut [IoSlice::new(&piece)], offset)?;
            let crc = crc32c::crc32c_append(crc, &piece);
            Ok((piece, crc))
        }));
    }
}
