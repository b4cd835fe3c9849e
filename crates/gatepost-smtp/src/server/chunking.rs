//! BDAT: a message in chunks of announced size.
//!
//! Every BDAT is answered, behind its chunk: also one that is refused, whose chunk is read and thrown
//! away, so that client and server stay in step. A refused one ends the transaction, and those that
//! the client has sent behind it find none. Where nobody can tell how long the chunk is, its octets
//! might be taken for commands: there the connection ends.
//!
//! Between two chunks the message waits in the transaction and ends with it.
//!
//! Standards: RFC 3030, RFC 1870 §6.

use super::content::Content;
use super::tally::Patience;
use super::transaction::Form;
use super::{Pending, Request, ServerSession};
use crate::bdat::Chunk;
use crate::command::Verb;
use crate::reply::{Positive, Refusal};

impl ServerSession {
    /// `BDAT octets [LAST]`
    pub(super) fn bdat(&mut self, argument: &[u8]) {
        let Some(chunk) = Chunk::parse(argument) else {
            self.reset();
            return self.fault(Verb::Bdat, Refusal::ChunkSyntax);
        };
        if let Err(refusal) = self.chunk_allowed(chunk) {
            return self.refuse_chunk(chunk, refusal);
        }
        match self.waiting_content() {
            Some(mut content) => {
                content.next_chunk(chunk);
                self.content_goes_on(content);
            }
            None => self.ask(Request::Content, Pending::Content(Form::Chunks(chunk))),
        }
    }

    /// BDAT-05: what is too large is known before it comes.
    fn chunk_allowed(&self, chunk: Chunk) -> Result<(), Refusal> {
        self.standing().allows(Verb::Bdat)?;
        let waiting = self
            .transaction
            .as_ref()
            .and_then(|transaction| transaction.content.as_ref());
        let too_large = match waiting {
            Some(content) => content.has_no_room_for(chunk),
            None => chunk.octets > self.profile.size_limit,
        };
        if too_large {
            Err(Refusal::MessageTooLarge)
        } else {
            Ok(())
        }
    }

    fn waiting_content(&mut self) -> Option<Box<Content>> {
        self.transaction
            .as_mut()
            .and_then(|transaction| transaction.content.take())
    }

    /// The program has a draft for the message that begins with this chunk.
    pub(super) fn first_chunk(&mut self, chunk: Chunk) {
        let stage = self.standing().transaction;
        let binary = stage.is_some_and(|stage| stage.kind.binary);
        let content = Content::chunks(&self.profile, chunk, binary);
        self.content_goes_on(Box::new(content));
    }

    /// The chunk is in the draft; another one has to follow. An empty one is no progress (T-37).
    pub(super) fn chunk_taken(&mut self, content: Box<Content>, octets: u64) {
        if octets == 0 && self.has_no_patience() {
            self.reset();
            return self.decline(Verb::Bdat, Refusal::TooManyErrors);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.content = Some(content);
        }
        self.approve(Positive::ChunkTaken, format_args!("{octets} octets"));
    }

    /// A chunk that may not come. No protocol error: a client that does not wait for replies has sent
    /// all its chunks before it hears of the first refusal.
    fn refuse_chunk(&mut self, chunk: Chunk, refusal: Refusal) {
        self.reset();
        if self.has_no_patience() {
            return self.decline(Verb::Bdat, Refusal::TooManyErrors);
        }
        self.swallow(chunk, refusal);
    }

    /// BDAT-01: reads a chunk, throws it away, and refuses it then.
    pub(super) fn swallow(&mut self, chunk: Chunk, refusal: Refusal) {
        let content = Content::unwanted(&self.profile, chunk, refusal);
        self.content_goes_on(Box::new(content));
    }

    fn has_no_patience(&mut self) -> bool {
        self.tally.command(&self.profile.limits) == Patience::Gone
    }
}
