//! GSSAPI (RFC 4752): Kerberos V5 tokens, then a short negotiation of a security layer under their protection.
//!
//! The tokens are understood by a library that talks to files and servers, so both sides of the mechanism are passed
//! through ([`delegated`](crate::delegated)): whoever drives an exchange keeps an [`Acceptor`] or an [`Initiator`] for as
//! long as it lasts and hands it each message. Those two hold everything RFC 4752 says beside the tokens; what the library
//! must do for them is the trait [`SecurityContext`].
//!
//! ```text
//! initiator                                     acceptor
//!   token ─────────────────────────────────────>  establishing
//!   <───────────────────────────────────── token  (until both contexts stand)
//!   empty, or the last token ──────────────────>
//!   <──────── wrapped: layers offered, our limit  the offer
//!   wrapped: layer chosen, our limit, authzid ─>  agreed
//! ```
//!
//! Failure behaviour: whatever does not follow this order ends the exchange; neither state survives its own fault.
//!
//! Standards: RFC 4752, RFC 2743 (the calls), RFC 4422 §3.7 (the layer's frames).

mod acceptor;
mod context;
mod initiator;
mod layer;
mod negotiation;
#[cfg(test)]
mod tests;

use crate::client::{ClientParams, ClientStep};
use crate::delegated;
use crate::mechanism::{InitialResponse, Mechanism, Needs};
use crate::server::ServerParams;
use crate::step::ServerStep;

pub use acceptor::{Acceptor, AcceptorFault, AcceptorStep, Agreement};
pub use context::{ContextFault, Establishing, Names, Protection, SecurityContext};
pub use initiator::{Initiator, InitiatorFault, InitiatorStep};
pub use layer::MAX_FRAME;
pub use negotiation::LayerSet;

/// GSSAPI with Kerberos V5.
pub static GSSAPI: Mechanism = Mechanism {
    name: "GSSAPI",
    standard: "RFC 4752",
    strength: 40,
    initial_response: InitialResponse::Optional,
    exposes_password: false,
    quit_aborts: false,
    layer: true,
    binds_channel: false,
    long_lines: true,
    needs: Needs::PassThrough,
    server,
    client,
};

/// RFC 4752 §3: the client speaks first, so that nobody need be asked for the empty challenge.
fn server(_params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    match initial_response {
        Some(_) => delegated::server(&GSSAPI, initial_response),
        None => delegated::challenge(&GSSAPI, Vec::new()),
    }
}

fn client(params: ClientParams) -> ClientStep {
    delegated::client(&GSSAPI, params)
}
