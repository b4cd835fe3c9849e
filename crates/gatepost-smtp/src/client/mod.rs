//! The client's side of an SMTP submission session, without I/O.
//!
//! ```text
//! Greeting → Hello → [StartTls → Tls → Hello] → Ready ⇄ {Authenticating, Sending, Resetting} → Leaving → Closed
//! ```
//!
//! [`ClientSession`] is driven like the server's session: hand in an [`ClientInput`] and the time, then take outputs with
//! [`poll`](ClientSession::poll) until there is none, write and clear [`pending_output`](ClientSession::pending_output), and come back
//! with [`ClientInput::Tick`] at the [`deadline`](ClientSession::deadline). The session begins by itself (greeting, EHLO, STARTTLS as
//! the profile demands) and ends that first job, like every later [`ClientCommand`], with exactly one [`ClientOutput::Done`].
//!
//! Invariants: a password leaves only over TLS (which the driver has verified) unless the profile allows otherwise · nothing
//! learned in clear is believed inside TLS · success of AUTH is the mechanism's verdict, not only the server's code · the code of a
//! reply decides, its text is data · after a protocol fault nothing more is sent.
//!
//! Failure: [`ClientFailure`] says whose fault it was. Where the dialogue is still in step the session stays usable
//! ([`is_open`](ClientSession::is_open)); otherwise it asks for [`ClientOutput::Close`].
//!
//! Standards: RFC 5321, RFC 4954, RFC 3207, RFC 2920, RFC 1870, RFC 6152, RFC 3030, RFC 3461,
//! RFC 6531, RFC 9422.

mod attempts;
mod auth;
mod authentication;
mod capabilities;
mod choice;
mod chunks;
mod content;
mod dialogue;
mod envelope;
mod failure;
mod handshake;
mod hello_name;
mod link;
mod reply_decoder;
mod retry;
mod selection;
mod session;
#[cfg(test)]
mod tests;
mod timeouts;
mod transaction;
mod wire;

pub use authentication::{Authentication, InitialResponsePolicy, Means, MechanismChoice};
pub use capabilities::{Capabilities, Extension, Limits};
pub use content::{ContentEncoder, ContentMeter};
pub use envelope::{Envelope, Recipient, SendReport};
pub use failure::{
    ChannelFault, ClientFailure, CredentialFault, ExchangeFault, Lack, ProtocolFault, Stage,
};
pub use hello_name::{HelloName, HelloNameFault};
pub use reply_decoder::{REPLY_LIMIT, ReplyFault};
pub use session::{
    Chunking, ClientCommand, ClientInput, ClientOutput, ClientProfile, ClientSession, Completed,
    QuestionId, StartTlsUse,
};
pub use timeouts::Timeouts;
