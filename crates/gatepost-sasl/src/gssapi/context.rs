//! What RFC 4752 asks of a GSS-API library: the calls of RFC 2743 in their smallest form.

use std::fmt;

/// A security context of either side. Its first calls are [`establish`](Self::establish), until both sides have one.
///
/// An implementation asks for mutual authentication, integrity and sequence detection, never for channel bindings
/// (RFC 4752 §3.1), and treats a replayed or misplaced token as a fault.
pub trait SecurityContext: Send {
    /// Takes the peer's token, which is empty for the initiator's first call. May read files, ask a key distribution centre
    /// and take seconds.
    fn establish(&mut self, token: &[u8]) -> Result<Establishing, ContextFault>;

    /// Who stands at the ends of an established context.
    fn names(&self) -> Result<Names, ContextFault>;

    /// Whether an established context can protect messages so.
    fn provides(&self, protection: Protection) -> bool;

    /// Protects a message (`GSS_Wrap`).
    fn wrap(&mut self, message: &[u8], protection: Protection) -> Result<Vec<u8>, ContextFault>;

    /// Opens a protected message, and says how it was protected (`GSS_Unwrap`).
    fn unwrap(&mut self, token: &[u8]) -> Result<(Vec<u8>, Protection), ContextFault>;

    /// The longest message whose token is not longer than `token_octets` (`GSS_Wrap_size_limit`); 0 when there is none.
    fn wrap_size_limit(
        &mut self,
        protection: Protection,
        token_octets: u32,
    ) -> Result<u32, ContextFault>;
}

/// How far an establishment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Establishing {
    /// The token for the peer; empty when there is none.
    pub token: Vec<u8>,
    /// Our side of the context stands.
    pub established: bool,
}

/// Principals, as `name@REALM`, with a backslash before each octet that would be read otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Who showed a ticket.
    pub initiator: String,
    /// Whom it was for.
    pub target: String,
}

/// How a message is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Altered, lost, repeated and misplaced messages are noticed.
    Integrity,
    /// In addition the message is encrypted.
    Confidentiality,
}

/// Why a context cannot be established or used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextFault {
    /// The peer's token is not valid: forged, repeated, expired, for another service. The text says which, for our log.
    Rejected(String),
    /// The fault is on our side: no key, no ticket, no room. The text says which.
    Unavailable(String),
}

impl fmt::Display for ContextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ContextFault {}
