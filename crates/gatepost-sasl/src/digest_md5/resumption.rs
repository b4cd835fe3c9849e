//! Subsequent authentication on the server (RFC 2831 §2.2): a client that has proven itself begins with the nonce of that
//! exchange and the next count, and so saves a round trip.
//!
//! What was proven before is kept in [`ResumableExchanges`], under an id that has the secret in it: after a change of the password
//! there is no such exchange. So nobody learns here whether a password is right who has not proven the very same one before.
//!
//! An initial response is answered
//!
//! - by our proof, if it is right, without a layer, and its count is the next one;
//! - by a challenge with `stale=true`, if it is right otherwise: the client need not ask its user again;
//! - by a challenge without, in all other cases, malformed ones included.
//!
//! **Never with a layer.** Its keys follow from nonce and cnonce, and its frames count from 0 again: RC4 would repeat its key stream
//! on the second connection, and frames of the first would fit into it.
//!
//! The count goes up only with a right digest (DIG-20), so that nobody can put a client out of step.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::FIRST_USE;
use super::keys::{Terms, UserHash};
use super::protection::Protection;
use super::server::{Attempt, challenge};
use crate::server::ServerParams;
use crate::step::{Answer, AwaitAnswer, Refusal, ServerStep};
use crate::verifier::Verifier;

/// A server's memory of exchanges that clients may take up again. How many it keeps and how long is its own affair; what it has
/// forgotten costs a client one round trip.
pub trait ResumableExchanges: fmt::Debug + Send + Sync {
    /// A client has proven itself for the first time in this exchange.
    fn remember(&self, exchange: ExchangeId);

    /// A client has proven itself in this exchange once more, for the `count`-th time. The count is stored if it is the next one, and
    /// the exchange may go on; in one step, so that of two connections with the same count one is taken.
    fn take_up(&self, exchange: ExchangeId, count: u32) -> TakenUp;
}

/// Whether an exchange goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenUp {
    /// It is not known, or not any more.
    Unknown,
    /// It is known, but not to be taken up with this count, or at this time.
    Stale,
    /// It goes on.
    Next,
}

/// Stands for an exchange: its nonces, its protection, and the secret that was proven in it, none of which can be read from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExchangeId([u8; 32]);

impl ExchangeId {
    pub(super) fn of(user: &UserHash, terms: &Terms) -> Self {
        let mut hash = Sha256::new();
        hash.update(user.as_slice());
        for part in [
            terms.nonce.as_slice(),
            &terms.cnonce,
            terms.protection.describe().as_bytes(),
        ] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// An id of these octets, for tests of a memory.
impl From<[u8; 32]> for ExchangeId {
    fn from(octets: [u8; 32]) -> Self {
        Self(octets)
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangeId(..)")
    }
}

/// An exchange that begins with this initial response.
pub(super) fn begin(params: ServerParams, initial_response: &[u8]) -> ServerStep {
    match Attempt::read(initial_response, params.layers) {
        Ok(attempt) if params.resumable.is_some() => ServerStep::Ask(
            attempt.verifier_question(),
            Box::new(Resuming { attempt, params }),
        ),
        _ => challenge(params, false),
    }
}

/// A response with the nonce of an earlier exchange, waiting for the user's hashes.
struct Resuming {
    attempt: Attempt,
    params: ServerParams,
}

impl AwaitAnswer for Resuming {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            Answer::Verifier {
                verifier: Verifier::DigestMd5(hashes),
                verdict,
            } => match self.attempt.fitting(&hashes) {
                Some((user, key)) => {
                    match self.take_up(ExchangeId::of(user, &self.attempt.terms)) {
                        TakenUp::Next => self.attempt.proven(&key, verdict),
                        TakenUp::Stale => challenge(self.params, true),
                        TakenUp::Unknown => challenge(self.params, false),
                    }
                }
                None => challenge(self.params, false),
            },
            // Only it can tell, and it has not seen our challenge.
            Answer::SecretKept => challenge(self.params, false),
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}

impl Resuming {
    fn take_up(&self, exchange: ExchangeId) -> TakenUp {
        let Some(exchanges) = &self.params.resumable else {
            return TakenUp::Unknown;
        };
        let count = match self.attempt.terms.protection {
            Protection::None => self.attempt.terms.count(),
            // A count that is used already.
            Protection::Integrity | Protection::Confidentiality(_) => FIRST_USE,
        };
        exchanges.take_up(exchange, count)
    }
}
