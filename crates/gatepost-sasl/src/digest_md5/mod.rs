//! DIGEST-MD5 (RFC 2831, made historic by RFC 6331): a keyed digest over nonces of both sides, an answer that proves the
//! server, and a security layer behind it.
//!
//! It rests on MD5, its list of protections is not protected itself, and what the server stores is as good as the
//! password in its realms: for old programs only, which is why a server has to be told to offer it.
//!
//! The server speaks first. `server` and `client` are the two machines, `message` the grammar on top of `directive`,
//! `keys` the arithmetic, `hashes` what a server stores, `layer` and `cipher` the protection afterwards. `resumption` and
//! `session` are the two sides of an exchange that takes up an earlier one. Failure: a
//! message out of order, with a directive too many or too few, ends the exchange; a frame that does not open ends the
//! connection.
//!
//! Standards: RFC 2831; draft-ietf-sasl-rfc2831bis-12 where it settles what RFC 2831 leaves open (each time said so).

mod cipher;
mod client;
mod directive;
mod hashes;
mod keys;
mod layer;
mod message;
mod protection;
mod resumption;
mod server;
mod session;

use crate::mechanism::{InitialResponse, Mechanism, Needs, VerifierKind};

pub use hashes::DigestMd5Hashes;
pub use resumption::{ExchangeId, ResumableExchanges, TakenUp};
pub use session::DigestMd5Session;

/// DIGEST-MD5.
pub static DIGEST_MD5: Mechanism = Mechanism {
    name: "DIGEST-MD5",
    standard: "RFC 2831",
    strength: 15,
    initial_response: InitialResponse::Resumes,
    exposes_password: false,
    quit_aborts: false,
    layer: true,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Verifier(VerifierKind::DigestMd5),
    server: server::begin,
    client: client::begin,
};

/// The service name of mail submission, on every port (RFC 4954 §4, AUTH-25).
const SERVICE: &str = "smtp";

/// The count of a nonce that is used for the first time (RFC 2831 §2.1.2).
const FIRST_USE: u32 = 1;

/// Largest protected buffer we take, in octets behind the length; the default of RFC 2831 §2.1.1, and announced all the same.
const MAXBUF: u32 = 65_536;

#[cfg(test)]
mod tests;
