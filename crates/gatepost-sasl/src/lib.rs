//! SASL mechanisms (RFC 4422), both sides, without I/O, clock or randomness of their own.
//!
//! A protocol such as SMTP (RFC 4954) carries the messages; a directory knows the users; this crate knows what the messages
//! mean. It is driven step by step:
//!
//! - **Server.** [`Mechanism::server`] and every state it leads to return a [`ServerStep`]: send a challenge, answer a
//!   [`Question`], or done. A mechanism never looks anything up: the caller answers the question from memory, from a
//!   database, or from another machine, now or later. Success is an [`Outcome::Authenticated`] and nothing else.
//! - **Client.** [`Mechanism::client`] returns a [`ClientStep`]: send a response, wait for the server, answer a
//!   [`ClientQuestion`], or give up. When the server reports success, [`AwaitChallenge::succeeded`] says whether it may.
//!
//! Messages are octets; base64 is the protocol's affair. A state is consumed by stepping it; dropping it cancels the
//! exchange and wipes the secrets in it. What the protocol must know of a mechanism (is there an initial response? does it
//! show the password?) is a field of [`Mechanism`].
//!
//! | module | holds |
//! |---|---|
//! | [`mechanism`] | the mechanisms: EXTERNAL, OAUTHBEARER, XOAUTH2, SCRAM-SHA-512, -256 and -1 (each also bound to the channel, -PLUS), GSSAPI, PLAIN, LOGIN, DIGEST-MD5, CRAM-MD5, ANONYMOUS |
//! | [`verifier`] | what a server stores, and fakes for names it does not know |
//! | [`prep`] | which spellings of names and passwords are the same |
//! | [`delegated`] | mechanisms that a directory speaks itself |
//! | [`gssapi`] | RFC 4752 around a Kerberos library's contexts |
//!
//! # A server exchange and a client exchange talk to each other
//!
//! ```
//! use gatepost_sasl::mechanism::SCRAM_SHA_256;
//! use gatepost_sasl::{
//!     Answer, ClientAnswer, ClientParams, ClientQuestion, ClientStep, Grant, Hash, Outcome, Question, ScramVerifier,
//!     Secret, ServerParams, ServerStep, Verdict, Verifier,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // When the password was set; the salt comes from a CSPRNG.
//! let stored = ScramVerifier::derive(Hash::Sha256, &Secret::new("pencil"), [0x5b; 16], 10_000)?;
//!
//! // The directory.
//! let directory = |question: Question| match question {
//!     Question::Verifier { authcid, .. } if authcid.as_str() == "user" => Answer::Verifier {
//!         verifier: Verifier::Scram(stored.clone()),
//!         verdict: Verdict::Accepted(Grant {
//!             login: "user".to_owned(),
//!             acts_as: "user".to_owned(),
//!             credential: "password".to_owned(),
//!         }),
//!     },
//!     _ => Answer::Unavailable, // a real one answers for unknown names with `verifier::fake_scram`
//! };
//! // The user at the client. A real client runs the derivation in slices, off its event loop.
//! let user = |question: ClientQuestion| match question {
//!     ClientQuestion::Password => ClientAnswer::Password(Secret::new("pencil")),
//!     ClientQuestion::Derive(derivation) => ClientAnswer::Derived(derivation.run()),
//!     _ => ClientAnswer::Unavailable,
//! };
//!
//! let mut client = (SCRAM_SHA_256.client)(ClientParams::new("user", "mail.example.com", "rOprNGfwEbeRWgbNEkqO"));
//! let ClientStep::Respond(initial_response, mut waiting) = client else {
//!     unreachable!("SCRAM clients speak first");
//! };
//! let params = ServerParams { nonce: "hvYDpWUa2RaTCAfuxFIlj".to_owned(), ..ServerParams::default() };
//! let mut server = (SCRAM_SHA_256.server)(params, Some(initial_response.expose()));
//!
//! let identity = loop {
//!     // The server goes on until it has something to send or is done.
//!     let (challenge, state) = loop {
//!         server = match server {
//!             ServerStep::Ask(question, state) => state.answer(directory(question)),
//!             ServerStep::Challenge(octets, state) => break (octets, Ok(state)),
//!             ServerStep::Done(Outcome::Authenticated(success)) => {
//!                 // SCRAM has the last word: the server's own proof.
//!                 break (success.final_data.unwrap_or_default(), Err(success.identity));
//!             }
//!             ServerStep::Done(Outcome::Refused(refusal)) => panic!("refused: {refusal:?}"),
//!         };
//!     };
//!     // The client answers.
//!     client = waiting.challenge(&challenge);
//!     let response = loop {
//!         client = match client {
//!             ClientStep::Ask(question, state) => state.answer(user(question)),
//!             ClientStep::Respond(octets, state) => {
//!                 waiting = state;
//!                 break octets;
//!             }
//!             ClientStep::Wait(_) => unreachable!("only as the first step"),
//!             ClientStep::Abort(fault) => return Err(fault.into()),
//!         };
//!     };
//!     server = match state {
//!         Ok(state) => state.respond(response.expose()),
//!         Err(identity) => break identity,
//!     };
//! };
//! // The server's success reply arrives; the client has checked that the server knows the password, too.
//! waiting.succeeded()?;
//! assert_eq!(identity.acts_as(), "user");
//! # Ok(())
//! # }
//! ```
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
pub mod gssapi;
pub mod mechanism;
pub mod prep;
pub mod verifier;

mod anonymous;
mod bearer;
mod channel_binding;
mod client;
mod cram_md5;
mod digest_md5;
mod external;
mod hash;
mod hmac_md5;
mod identity;
mod layer;
mod login;
mod oauthbearer;
#[cfg(test)]
mod pairing;
mod plain;
mod saslname;
mod scram;
mod secret;
mod server;
mod step;
mod xoauth2;

pub use channel_binding::ChannelBindings;
pub use client::{
    AwaitChallenge, AwaitClientAnswer, ClientAnswer, ClientFault, ClientParams,
    ClientPassThroughStep, ClientQuestion, ClientStep, ClientSuccess,
};
pub use digest_md5::{DigestMd5Session, ExchangeId, ResumableExchanges, TakenUp};
pub use hash::Hash;
pub use identity::{Authcid, Authzid, Grant, Identity, MAX_NAME_OCTETS, NameFault};
pub use layer::{LayerFault, LayerPolicy, LayerStrength, SecurityLayer};
pub use mechanism::{InitialResponse, Mechanism, Needs, VerifierKind};
pub use scram::derive::{Derivation, DerivationWork, Progress};
pub use secret::Secret;
pub use server::ServerParams;
pub use step::{
    Answer, Authenticated, AwaitAnswer, AwaitResponse, Outcome, PassThroughStep, Question, Refusal,
    ServerStep, Verdict,
};
pub use verifier::{DigestMd5Hashes, HmacMd5Contexts, ScramVerifier, Verifier};
