//! Subsequent authentication on the client (RFC 2831 §2.2): an exchange that succeeded is taken up again on the next connection, with
//! the next count of its nonce as initial response.
//!
//! States: asks for the password → `AwaitResumed` → outcome. A server that challenges anew gets an ordinary exchange: without
//! asking for the password again if it says `stale=true` (DIG-21).
//!
//! Only exchanges without a layer are kept: the keys of a layer follow from the nonces, and two connections must not share them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subtle::ConstantTimeEq;

use super::client::{self, Choice, Credentials, Identity, Manner, User};
use super::keys::{Side, Terms};
use super::message::ResponseAuth;
use super::protection::Protection;
use crate::client::{
    AwaitChallenge, AwaitClientAnswer, ClientAnswer, ClientFault, ClientQuestion, ClientStep,
    ClientSuccess,
};

/// What a client remembers of its last DIGEST-MD5 exchange with a server, empty at first. Clones are the same memory: keep one, and give a
/// clone to every exchange with that server. No password is in it.
#[derive(Clone, Default)]
pub struct DigestMd5Session(Arc<Mutex<Option<Kept>>>);

/// An exchange that succeeded.
struct Kept {
    /// Whose it was; nobody else takes it up.
    identity: Identity,
    manner: Manner,
    nonces: Nonces,
}

/// What both sides chose at random, and how often it was used.
#[derive(Clone)]
pub(super) struct Nonces {
    pub(super) nonce: Vec<u8>,
    pub(super) cnonce: Vec<u8>,
    pub(super) count: u32,
}

impl DigestMd5Session {
    pub(super) fn keep(&self, identity: &Identity, manner: &Manner, terms: &Terms) {
        if terms.protection != Protection::None {
            return;
        }
        *self.kept() = Some(Kept {
            identity: identity.clone(),
            manner: manner.clone(),
            nonces: Nonces {
                nonce: terms.nonce.clone(),
                cnonce: terms.cnonce.clone(),
                count: terms.count(),
            },
        });
    }

    /// Takes out what can be taken up, with the next count: one that fails, or is under way on another connection, is not used again.
    fn take(&self, identity: &Identity) -> Option<Kept> {
        let mut kept = self.kept().take_if(|kept| kept.identity == *identity)?;
        kept.nonces.count = kept.nonces.count.checked_add(1)?;
        Some(kept)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DigestMd5Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept().is_some();
        f.debug_struct("DigestMd5Session")
            .field("kept", &kept)
            .finish()
    }
}

/// Takes up the last exchange, or lets the server begin.
pub(super) fn begin(user: User) -> ClientStep {
    let session = user.session.as_ref();
    match session.and_then(|session| session.take(&user.identity)) {
        Some(kept) => ClientStep::Ask(
            ClientQuestion::Password,
            Box::new(Resuming {
                user,
                manner: kept.manner,
                nonces: kept.nonces,
            }),
        ),
        None => client::wait(user),
    }
}

struct Resuming {
    user: User,
    manner: Manner,
    nonces: Nonces,
}

impl AwaitClientAnswer for Resuming {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let ClientAnswer::Password(password) = answer else {
            return ClientStep::Abort(ClientFault::Unavailable);
        };
        let identity = &self.user.identity;
        let credentials = match self.manner.credentials(identity, password.expose()) {
            Ok(credentials) => credentials,
            Err(fault) => return ClientStep::Abort(fault),
        };
        let terms = identity.terms(self.nonces, Protection::None);
        let (message, key) = credentials.respond(&terms);
        let state = AwaitResumed {
            proof: key.digest(&terms, Side::Server),
            user: self.user,
            credentials,
            terms,
        };
        ClientStep::respond(message, state)
    }
}

/// Waits for the server's proof, or for a challenge in its place.
struct AwaitResumed {
    proof: [u8; 16],
    user: User,
    credentials: Credentials,
    terms: Terms,
}

impl AwaitChallenge for AwaitResumed {
    fn challenge(self: Box<Self>, octets: &[u8]) -> ClientStep {
        match ResponseAuth::parse(octets) {
            Ok(proof) if proof.ct_eq(&self.proof).into() => {
                if let Some(session) = &self.user.session {
                    session.keep(&self.user.identity, &self.credentials.manner, &self.terms);
                }
                client::proven(None)
            }
            Ok(_) => ClientStep::Abort(ClientFault::ServerNotProven),
            Err(_) => match Choice::of(self.user, octets) {
                Ok(choice) if choice.takes(&self.credentials) => {
                    choice.respond(self.credentials, true)
                }
                Ok(choice) => choice.ask(),
                Err(fault) => ClientStep::Abort(fault),
            },
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}
