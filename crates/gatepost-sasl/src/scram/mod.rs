//! SCRAM (RFC 5802, RFC 7677), both sides, over any [`Hash`](crate::Hash).

pub(crate) mod derive;
pub(crate) mod verifier;
