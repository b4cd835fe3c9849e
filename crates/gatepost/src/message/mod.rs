//! What is inside a message: header fields, their completion, and our own notices.
//!
//! Everything here is pure: octets and facts in, octets and facts out. No clock, no randomness, no I/O; the caller
//! passes the time and the names that must be unique.
//!
//! - [`headers`]: where each field begins and ends, in one linear pass.
//! - [`mailbox`]: which addresses a `From` field names, or that readers may disagree about it.
//! - [`fixup`]: what a submission server completes and removes (RFC 6409 §8).
//! - [`dsn`]: delivery status notifications (RFC 3464).
//! - [`shown`]: a field's value as a reader sees it (RFC 2047).
//! - [`text_part`]: the first text of a message (RFC 2045, RFC 2046), with its [`transfer_encoding`] and [`charset`] undone.

pub mod charset;
pub mod dsn;
pub mod encoded_word;
pub mod fixup;
pub mod headers;
pub mod mailbox;
pub mod shown;
pub mod text_part;
pub mod transfer_encoding;
