//! Content by BDAT: cut into chunks, each answered by itself (RFC 3030 §2).
//!
//! Text has its line ends made CRLF and its NULs replaced as for DATA, but no dots doubled; binary content goes as it is. A chunk is
//! written whole, so that the dialogue stays in step whatever the server says to it: after a refusal no further chunk is sent, the
//! replies to those already out are awaited, and RSET follows. Memory is one chunk and what the caller hands in at once, as long
//! as he heeds [`wants_more`](Chunks::wants_more).

use std::io::Write as _;

use super::content::ContentEncoder;
use super::failure::Stage;
use super::link::Link;
use crate::reply::Reply;

/// Octets of a chunk. Large enough that its reply costs nothing, small enough to be held.
const CHUNK: usize = 64 * 1024;

pub(super) struct Chunks {
    /// `None` for binary content.
    encoder: Option<ContentEncoder>,
    /// Encoded octets that are not sent yet.
    held: Vec<u8>,
    /// The caller has no more.
    complete: bool,
    /// The chunk that says LAST is out.
    last_sent: bool,
    /// Chunks whose replies are to come.
    outstanding: usize,
    /// Most of those at a time.
    window: usize,
    /// The first refusal.
    refusal: Option<Reply>,
}

/// Where the content stands after a reply to a chunk.
pub(super) enum Answered {
    /// Further replies are to come, or content is.
    Going,
    /// This is the reply to the whole.
    Taken(Reply),
    /// The server does not want it, and has answered everything that was sent.
    Refused(Reply),
}

impl Chunks {
    /// `window`: how many chunks may be ahead of their replies.
    pub(super) fn new(binary: bool, window: usize) -> Self {
        Self {
            encoder: (!binary).then(ContentEncoder::for_chunks),
            held: Vec::new(),
            complete: false,
            last_sent: false,
            outstanding: 0,
            window,
            refusal: None,
        }
    }

    /// Whether content handed in now is sent on before long.
    pub(super) fn wants_more(&self) -> bool {
        !self.complete && self.refusal.is_none() && self.held.len() < CHUNK
    }

    pub(super) fn add(&mut self, content: &[u8], link: &mut Link) {
        match &mut self.encoder {
            Some(encoder) => encoder.encode(content, &mut self.held),
            None => self.held.extend_from_slice(content),
        }
        self.send(link);
    }

    pub(super) fn end(&mut self, link: &mut Link) {
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(&mut self.held);
        }
        self.complete = true;
        self.send(link);
    }

    /// A reply to the oldest chunk that has none.
    pub(super) fn answered(&mut self, reply: Reply, link: &mut Link) -> Answered {
        self.outstanding = self.outstanding.saturating_sub(1);
        if !reply.code.is_positive() && self.refusal.is_none() {
            self.refusal = Some(reply);
            self.held = Vec::new();
            return self.concluded();
        }
        if self.refusal.is_some() {
            return self.concluded();
        }
        if self.last_sent && self.outstanding == 0 {
            return Answered::Taken(reply);
        }
        self.send(link);
        Answered::Going
    }

    /// The refusal that decides, if there is one.
    pub(super) fn refusal(&self) -> Option<&Reply> {
        self.refusal.as_ref()
    }

    fn concluded(&mut self) -> Answered {
        match self.refusal.take() {
            Some(refusal) if self.outstanding == 0 => Answered::Refused(refusal),
            refusal => {
                self.refusal = refusal;
                Answered::Going
            }
        }
    }

    /// Sends what makes a chunk, as far as the window allows.
    fn send(&mut self, link: &mut Link) {
        let mut sent = 0;
        while self.outstanding < self.window && self.refusal.is_none() && !self.last_sent {
            let rest = self.held.get(sent..).unwrap_or_default();
            let last = self.complete && rest.len() <= CHUNK;
            if rest.len() < CHUNK && !last {
                break;
            }
            let chunk = rest.get(..CHUNK).unwrap_or(rest);
            link.wire.send_with(|wire| {
                // A `Vec` takes everything.
                let _ = write!(
                    wire,
                    "BDAT {}{}\r\n",
                    chunk.len(),
                    if last { " LAST" } else { "" }
                );
                wire.extend_from_slice(chunk);
            });
            sent += chunk.len();
            self.outstanding += 1;
            self.last_sent = last;
        }
        self.held.drain(..sent);
        link.wait(if self.last_sent {
            Stage::EndOfData
        } else {
            Stage::Content
        });
    }
}
