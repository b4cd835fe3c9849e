//! SCRAM (RFC 5802 with SHA-1, RFC 7677 with SHA-256, and by analogy with SHA-512), both sides, over any [`Hash`].
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

use crate::client::{ClientParams, ClientStep};
use crate::hash::Hash;
use crate::mechanism::{InitialResponse, Mechanism, Needs, VerifierKind};
use crate::server::ServerParams;
use crate::step::ServerStep;

mod client;
pub(crate) mod derive;
mod keys;
mod message;
mod server;
pub(crate) mod verifier;

#[cfg(test)]
mod tests;

/// SCRAM-SHA-1 (RFC 5802): for clients that know no other.
pub static SCRAM_SHA_1: Mechanism = unbound(
    Hash::Sha1,
    46,
    |params, initial_response| server::begin(&SHA_1, params, initial_response),
    |params| client::begin(&SHA_1, params),
);

/// SCRAM-SHA-1-PLUS (RFC 5802): bound to the channel.
pub static SCRAM_SHA_1_PLUS: Mechanism = bound(
    Hash::Sha1,
    96,
    |params, initial_response| server::begin(&SHA_1_PLUS, params, initial_response),
    |params| client::begin(&SHA_1_PLUS, params),
);

/// SCRAM-SHA-256 (RFC 7677).
pub static SCRAM_SHA_256: Mechanism = unbound(
    Hash::Sha256,
    50,
    |params, initial_response| server::begin(&SHA_256, params, initial_response),
    |params| client::begin(&SHA_256, params),
);

/// SCRAM-SHA-256-PLUS (RFC 7677): bound to the channel.
pub static SCRAM_SHA_256_PLUS: Mechanism = bound(
    Hash::Sha256,
    98,
    |params, initial_response| server::begin(&SHA_256_PLUS, params, initial_response),
    |params| client::begin(&SHA_256_PLUS, params),
);

/// SCRAM-SHA-512: not in an RFC; as RFC 7677, with the other hash.
pub static SCRAM_SHA_512: Mechanism = unbound(
    Hash::Sha512,
    54,
    |params, initial_response| server::begin(&SHA_512, params, initial_response),
    |params| client::begin(&SHA_512, params),
);

/// SCRAM-SHA-512-PLUS: as SCRAM-SHA-512, bound to the channel.
pub static SCRAM_SHA_512_PLUS: Mechanism = bound(
    Hash::Sha512,
    100,
    |params, initial_response| server::begin(&SHA_512_PLUS, params, initial_response),
    |params| client::begin(&SHA_512_PLUS, params),
);

static SHA_1: Variant = Variant {
    mechanism: &SCRAM_SHA_1,
    hash: Hash::Sha1,
};
static SHA_1_PLUS: Variant = Variant {
    mechanism: &SCRAM_SHA_1_PLUS,
    hash: Hash::Sha1,
};
static SHA_256: Variant = Variant {
    mechanism: &SCRAM_SHA_256,
    hash: Hash::Sha256,
};
static SHA_256_PLUS: Variant = Variant {
    mechanism: &SCRAM_SHA_256_PLUS,
    hash: Hash::Sha256,
};
static SHA_512: Variant = Variant {
    mechanism: &SCRAM_SHA_512,
    hash: Hash::Sha512,
};
static SHA_512_PLUS: Variant = Variant {
    mechanism: &SCRAM_SHA_512_PLUS,
    hash: Hash::Sha512,
};

/// The form of a hash that is not bound to the channel.
const fn unbound(
    hash: Hash,
    strength: u8,
    server: fn(ServerParams, Option<&[u8]>) -> ServerStep,
    client: fn(ClientParams) -> ClientStep,
) -> Mechanism {
    Mechanism {
        name: hash.scram_name(),
        standard: hash.scram_standard(),
        strength,
        initial_response: InitialResponse::Optional,
        exposes_password: false,
        quit_aborts: false,
        layer: false,
        binds_channel: false,
        long_lines: false,
        needs: Needs::Verifier(VerifierKind::Scram(hash)),
        server,
        client,
    }
}

/// The form that is: the same machines under another name.
const fn bound(
    hash: Hash,
    strength: u8,
    server: fn(ServerParams, Option<&[u8]>) -> ServerStep,
    client: fn(ClientParams) -> ClientStep,
) -> Mechanism {
    Mechanism {
        name: hash.scram_plus_name(),
        binds_channel: true,
        ..unbound(hash, strength, server, client)
    }
}

/// One SCRAM mechanism: what the machines need to know of it.
struct Variant {
    /// Whether its exchanges are bound to the channel (`-PLUS`) is `mechanism.binds_channel`.
    mechanism: &'static Mechanism,
    hash: Hash,
}
