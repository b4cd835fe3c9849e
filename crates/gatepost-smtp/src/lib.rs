//! SMTP submission sessions, server and client, without I/O.
//!
//! [`server::ServerSession`] takes octets and facts and gives back octets and requests. There is no
//! socket, clock, random number or log in this crate: whole dialogues run in microseconds, and
//! every state can be reached by a test.
//!
//! [`client::ClientSession`] is the same from the other side.
//!
//! The grammar that both sides share stands beside them: [`reply`] (the only home of reply codes),
//! [`path`], [`params`], [`dsn`], [`xtext`], [`trace`] and [`quirk`].
//!
//! Standards: RFC 5321, RFC 6409, RFC 4954, RFC 3207, RFC 2920, RFC 1870, RFC 6152, RFC 3030,
//! RFC 2034, RFC 3461, RFC 6531, RFC 9422.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod bdat;
mod command;
mod data;
mod ehlo;
mod line;
mod preamble;

pub mod client;
pub mod dsn;
pub mod params;
pub mod path;
pub mod quirk;
pub mod reply;
pub mod server;
pub mod short_id;
pub mod tls_facts;
pub mod trace;
pub mod xtext;

pub use dsn::{EnvelopeId, Notify, OriginalRecipient, Ret};
pub use params::{Body, MailParams, RcptParams, Submitter};
pub use path::{Address, AddressFault, ForwardPath, ReversePath};
pub use quirk::{Quirk, QuirkSet};
pub use reply::{EnhancedCode, Refusal, Reply, ReplyCode};
pub use short_id::{SessionId, ShortId};
pub use tls_facts::TlsFacts;
