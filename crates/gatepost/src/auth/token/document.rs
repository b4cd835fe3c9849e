//! The error document that a client gets before its exchange fails (pure).
//!
//! It says what any client may know: what is wanted and where to get it. Whatever is wrong with a token, the document is the same,
//! but for a scope that is too small.
//!
//! Standards: RFC 7628 §3.2.2; Google's and Microsoft's documents for XOAUTH2 (OAB-11).

use gatepost_sasl::Mechanism;
use gatepost_sasl::mechanism::XOAUTH2;
use serde_json::json;

/// What is said of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// There is none.
    NoToken,
    /// The message names another server.
    InvalidRequest,
    /// It is not one of ours, or not any more.
    InvalidToken,
    /// It is right, and not for this.
    InsufficientScope,
}

/// The document; `issuer_metadata` is where a client learns how to get a token.
pub(super) fn error_document(
    mechanism: &Mechanism,
    status: Status,
    scope: &[String],
    issuer_metadata: &str,
) -> Vec<u8> {
    let scope = scope.join(" ");
    let mut document = if mechanism == &XOAUTH2 {
        json!({
            "status": match status {
                Status::NoToken | Status::InvalidRequest => "400",
                Status::InvalidToken => "401",
                Status::InsufficientScope => "403",
            },
            "schemes": "bearer",
        })
    } else {
        json!({
            "status": match status {
                Status::InvalidRequest => "invalid_request",
                // RFC 7628 §4.3 says this to a client without one.
                Status::NoToken | Status::InvalidToken => "invalid_token",
                Status::InsufficientScope => "insufficient_scope",
            },
            "openid-configuration": issuer_metadata,
        })
    };
    if let Some(members) = document.as_object_mut().filter(|_| !scope.is_empty()) {
        members.insert("scope".to_owned(), scope.into());
    }
    document.to_string().into_bytes()
}
