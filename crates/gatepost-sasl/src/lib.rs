//! SASL mechanisms, both sides, without I/O, clock or randomness of their own.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod delegated;
pub mod mechanism;
pub mod prep;
pub mod verifier;

mod channel_binding;
mod client;
mod cram_md5;
mod hash;
mod hmac_md5;
mod identity;
mod layer;
mod login;
#[cfg(test)]
mod pairing;
mod plain;
mod scram;
mod secret;
mod server;
mod step;

pub use channel_binding::ChannelBindings;
pub use client::{
    AwaitChallenge, AwaitClientAnswer, ClientAnswer, ClientFault, ClientParams, ClientQuestion,
    ClientStep, ClientSuccess,
};
pub use hash::Hash;
pub use identity::{Authcid, Authzid, Grant, Identity, MAX_NAME_OCTETS, NameFault};
pub use layer::{LayerFault, SecurityLayer};
pub use mechanism::{InitialResponse, Mechanism, Needs, VerifierKind};
pub use scram::derive::{Derivation, DerivationWork, Progress};
pub use secret::Secret;
pub use server::ServerParams;
pub use step::{
    Answer, Authenticated, AwaitAnswer, AwaitResponse, Outcome, PassThroughStep, Question, Refusal,
    ServerStep, Verdict,
};
pub use verifier::{HmacMd5Contexts, ScramVerifier, Verifier};
