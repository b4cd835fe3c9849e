//! How a connection to a server is protected, and which port goes with it when only one of the two is said.

use clap::ValueEnum;

/// The port of implicit TLS (RFC 8314 §7.3).
const IMPLICIT_TLS_PORT: u16 = 465;

/// The submission port (RFC 6409 §3.1).
const SUBMISSION_PORT: u16 = 587;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Protection {
    /// STARTTLS, required
    Starttls,
    /// TLS from the first octet
    Implicit,
    /// Clear text, passwords included
    None,
}

impl Protection {
    /// What a port says of the protection, if anything.
    pub(in crate::cli) fn implied_by(port: u16) -> Option<Self> {
        (port == IMPLICIT_TLS_PORT).then_some(Self::Implicit)
    }

    /// The port when none is named.
    pub(in crate::cli) fn default_port(given: Option<Self>) -> u16 {
        match given {
            Some(Self::Implicit) => IMPLICIT_TLS_PORT,
            _ => SUBMISSION_PORT,
        }
    }
}
