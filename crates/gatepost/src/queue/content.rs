//! Reads the content of a queued message.
//!
//! What is in memory has been checked against its checksum already. A large body is read in pieces and checked on the way: when it
//! does not match, the *last* piece is withheld and the read ends with [`io::ErrorKind::InvalidData`] instead of the end of the
//! content. Whoever passes the octets on must then break off, and must not complete the message.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinHandle;

use super::storage::StoredFile;
use super::unread::Unread;

/// Octets of a large body read at a time.
const PIECE: u64 = 256 << 10;

/// The content of a message, to be read once from front to end.
pub struct Content {
    length: u64,
    piece: Unread,
    body: Option<BodyReader>,
}

impl Content {
    /// A content that is in memory and checked.
    pub fn in_memory(octets: Vec<u8>) -> Self {
        Self {
            length: octets.len() as u64,
            piece: Unread::from(octets),
            body: None,
        }
    }

    /// A content whose rest is a file with this length and CRC32C. `on_damage` is called when it does not match.
    pub fn with_body_file(
        headers: Vec<u8>,
        file: Arc<dyn StoredFile>,
        length: u64,
        crc: u32,
        on_damage: Box<dyn FnOnce() + Send + Sync>,
    ) -> Self {
        Self {
            length: headers.len() as u64 + length,
            piece: Unread::from(headers),
            body: Some(BodyReader {
                file,
                position: 0,
                length,
                crc_so_far: 0,
                crc,
                reading: None,
                on_damage: Some(on_damage),
            }),
        }
    }

    /// Octets from front to end.
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl AsyncRead for Content {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let this = &mut *self;
            if this.piece.hand_out(buffer) {
                return Poll::Ready(Ok(()));
            }
            let Some(body) = &mut this.body else {
                return Poll::Ready(Ok(()));
            };
            match ready!(body.poll_piece(context))? {
                Some(piece) => this.piece = Unread::from(piece),
                None => this.body = None,
            }
        }
    }
}

/// Octets, and the CRC32C of all up to their end.
type Piece = (Vec<u8>, u32);

struct BodyReader {
    file: Arc<dyn StoredFile>,
    position: u64,
    length: u64,
    crc_so_far: u32,
    crc: u32,
    reading: Option<JoinHandle<io::Result<Piece>>>,
    on_damage: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl BodyReader {
    /// The next piece; `None` after the last.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Vec<u8>>>> {
        if self.on_damage.is_none() {
            return Poll::Ready(Err(damaged()));
        }
        if self.position == self.length {
            return Poll::Ready(Ok(None));
        }
        let reading = self.reading.get_or_insert_with(|| {
            let (file, position, crc) = (self.file.clone(), self.position, self.crc_so_far);
            let count = PIECE.min(self.length - position);
            tokio::task::spawn_blocking(move || read_piece(&*file, position, count, crc))
        });
        let result = ready!(Pin::new(reading).poll(context)).map_err(io::Error::other)?;
        self.reading = None;
        Poll::Ready(
            result
                .and_then(|(piece, crc)| self.accept(piece, crc))
                .map(Some),
        )
    }

    /// Takes a piece, unless it is the last one and shows that the body is damaged. A damaged body never ends, it only fails.
    fn accept(&mut self, piece: Vec<u8>, crc: u32) -> io::Result<Vec<u8>> {
        self.position += piece.len() as u64;
        self.crc_so_far = crc;
        let is_short = piece.is_empty();
        if is_short || self.position == self.length && crc != self.crc {
            if let Some(on_damage) = self.on_damage.take() {
                on_damage();
            }
            return Err(damaged());
        }
        Ok(piece)
    }
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the stored body does not match its checksum",
    )
}

/// Reads a piece, which is empty only when the file is too short, and extends the checksum over it.
fn read_piece(file: &dyn StoredFile, position: u64, count: u64, crc: u32) -> io::Result<Piece> {
    let mut piece = vec![0; usize::try_from(count).map_err(io::Error::other)?];
    let read = file.read_at(&mut piece, position)?;
    piece.truncate(read);
    let crc = crc32c::crc32c_append(crc, &piece);
    Ok((piece, crc))
}
