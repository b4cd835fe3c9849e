//! The server's session.

mod event;
mod profile;
mod request;

pub use event::{AbortCause, AuthEnd, SessionEvent};
pub use profile::{EolPolicy, Limits, Profile, TlsPolicy};
pub use request::{Answer, Input, Output, Request, RequestId};
