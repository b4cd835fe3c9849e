//! What is inside a message: header fields, their completion, and our own notices.
//!
//! Everything here is pure: octets and facts in, octets and facts out. No clock, no randomness, no I/O; the caller
//! passes the time and the names that must be unique.
//!
//! - [`headers`]: where each field begins and ends, in one linear pass.
//! - [`mailbox`]: which addresses a `From` field names, or that readers may disagree about it.
//! - [`fixup`]: what a submission server completes and removes (RFC 6409 §8).
//! - [`completion`]: addresses without a domain (RFC 6409 §8).
//! - [`dsn`]: delivery status notifications (RFC 3464).
//! - [`header_encoding`]: header fields in ASCII (RFC 2047, RFC 2231), with [`address_tokens`] and [`word_encoder`].
//! - [`shown`]: a field's value as a reader sees it (RFC 2047).
//! - [`entity`]: what headers say about the body below them (RFC 2045).
//! - [`text_part`]: the first text of a message (RFC 2046), with its [`transfer_encoding`] and [`charset`] undone.
//! - [`conversion`]: a message for a next hop that can take less than it needs; [`transfer_encoder`]: its encodings.

pub mod address_tokens;
pub mod charset;
pub mod completion;
pub mod conversion;
pub mod dsn;
pub mod encoded_word;
pub mod entity;
pub mod fixup;
pub mod header_encoding;
pub mod headers;
pub mod mailbox;
pub mod shown;
pub mod text_part;
pub mod transfer_encoder;
pub mod transfer_encoding;
pub mod word_encoder;
