//! What an identity may do. Pure: no clock, no I/O, nothing awaited.
//!
//! Each function takes facts and returns either what is granted or a [`Decision`] that says why not. The order on the
//! way of a message:
//!
//! 1. [`sender`]: MAIL. May this account use this reverse-path?
//! 2. [`submitter`]: MAIL. What of `AUTH=` is believed and passed on?
//! 3. [`relay`]: RCPT. A [`relay::RelayGrant`] for this recipient; the queue takes recipients in no other form.
//! 4. [`content`]: the end of the headers. Is every author an address of the account? If so, the completed header.

pub mod actor;
pub mod content;
pub mod decision;
mod notice;
pub mod relay;
pub mod sender;
pub mod submitter;

#[cfg(test)]
pub(crate) mod fixture;
