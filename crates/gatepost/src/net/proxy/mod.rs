//! The header that a proxy puts before a connection to say whose it is: PROXY protocol, versions 1 and 2. Pure.
//!
//! [`parse`] is asked again with more octets until it knows. A header is taken to the letter or not at all (PRX-02, PRX-03): octets that a
//! lenient reader would let pass are where two readers disagree about who the client is.
//!
//! ```text
//! octets ──> need more ──> Header and its length | Fault, at the first octet that cannot be right
//! ```
//!
//! Whether a connection begins with a header at all is never guessed: the listener's configuration says so, and whose word is taken.
//!
//! Standard: The PROXY protocol, versions 1 & 2 (Tarreau, 2020-03-05).

mod version1;
mod version2;

use std::net::SocketAddr;

/// Octets of the longest header taken: a version 2 header whose extensions hold a client's certificate stays below it.
pub const LONGEST: usize = 16 << 10;

/// What a proxy says about a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The client and the address it connected to. None: the connection is the proxy's own (a health check), or the proxy does not
    /// know; then the addresses of the connection count.
    pub addresses: Option<Addresses>,
    /// TLS between client and proxy, where the client used TLS.
    pub tls: Option<ProxiedTls>,
    /// Application protocol the client negotiated.
    pub alpn: Option<String>,
    /// Host name the client asked for.
    pub authority: Option<String>,
}

/// Both ends of the connection to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// TLS between client and proxy, as the proxy tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxiedTls {
    /// Version, as the proxy writes it: `TLSv1.3`.
    pub version: Option<String>,
    /// Cipher suite, as the proxy writes it.
    pub cipher: Option<String>,
    /// Common name of the client's certificate, which the proxy has verified.
    pub client_name: Option<String>,
}

/// Why octets are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// They begin like neither version.
    #[error("no PROXY header")]
    Absent,
    /// A version 1 line that breaks the grammar.
    #[error("malformed PROXY line")]
    Line,
    /// A version 2 header with a version, command, family or length that is not taken.
    #[error("unsupported or malformed PROXY v2 header")]
    Binary,
    /// Extensions of a version 2 header that do not add up.
    #[error("malformed extensions of a PROXY v2 header")]
    Extensions,
    /// The checksum of a version 2 header is wrong.
    #[error("wrong checksum of a PROXY v2 header")]
    Checksum,
    /// A header longer than [`LONGEST`], or a line longer than 107 octets.
    #[error("PROXY header too long")]
    TooLong,
}

/// Reads a header from the first octets of a connection: the header and its length, or `None` while there are not enough of them.
pub fn parse(octets: &[u8]) -> Result<Option<(Header, usize)>, HeaderFault> {
    if version2::begins(octets) {
        version2::parse(octets)
    } else if version1::begins(octets) {
        version1::parse(octets)
    } else {
        Err(HeaderFault::Absent)
    }
}

/// Whether one is the beginning of the other.
fn agree(octets: &[u8], beginning: &[u8]) -> bool {
    octets
        .iter()
        .zip(beginning)
        .all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests;
