//! What commands and pages may see and do, and nothing else.
//!
//! [`command`] names what may be asked and has it done ([`account`], [`queue`]); [`socket`] carries it from a command line to the running server;
//! [`snapshot`] and [`messages`] hold what the pages show. Whoever needs a new act or view adds it here, so that command line, pages
//! and socket cannot differ.

pub mod account;
pub mod backup;
pub mod command;
pub mod health;
pub mod messages;
pub mod portable;
pub mod queue;
pub mod snapshot;
pub mod socket;
pub mod token_issuer;
pub mod wire_secret;
