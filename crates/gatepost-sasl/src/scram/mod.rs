//! SCRAM (RFC 5802, RFC 7677), both sides, over any [`Hash`].
//!
//! ```text
//! C: n,,n=user,r=<client nonce>                        client-first
//! S: r=<client nonce><server nonce>,s=<salt>,i=<n>     server-first
//! C: c=biws,r=<both nonces>,p=<proof>                  client-final
//! S: v=<server signature>                              server-final: additional data with success
//! ```
//!
//! `message` holds the grammar, `keys` the two proofs, `derive` the slow function, `verifier` what is stored; `server` and
//! `client` are the two machines. A [`Variant`] says on which hash they run and whether they bind the channel.
//!
//! Invariants: proofs are over the octets as transmitted, never over something printed again; nonces, binding and proof
//! are all compared in constant time before any verdict; the client ends well only after the server's signature.

use crate::hash::Hash;
use crate::mechanism::{InitialResponse, Mechanism, Needs, VerifierKind};

mod client;
pub(crate) mod derive;
mod keys;
mod message;
mod server;
pub(crate) mod verifier;

#[cfg(test)]
mod tests;

/// SCRAM-SHA-256 (RFC 7677).
pub static SCRAM_SHA_256: Mechanism = Mechanism {
    name: Hash::Sha256.scram_name(),
    strength: 50,
    initial_response: InitialResponse::Optional,
    exposes_password: false,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Verifier(VerifierKind::Scram(Hash::Sha256)),
    server: |params, initial_response| server::begin(&SHA_256, params, initial_response),
    client: |params| client::begin(&SHA_256, params),
};

static SHA_256: Variant = Variant {
    mechanism: &SCRAM_SHA_256,
    hash: Hash::Sha256,
};

/// One SCRAM mechanism: what the machines need to know of it.
struct Variant {
    /// Whether its exchanges are bound to the channel (`-PLUS`) is `mechanism.binds_channel`.
    mechanism: &'static Mechanism,
    hash: Hash,
}
