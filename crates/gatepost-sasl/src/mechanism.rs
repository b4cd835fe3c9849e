//! Mechanisms as values: a name, what a protocol must know of each, and how to begin an exchange.
//!
//! A protocol's AUTH loop holds no mechanism name. What it must know is a field here, so that a new mechanism is one new
//! file and one entry in [`ALL`].
//!
//! Standards: RFC 4422 §5 (what a mechanism specification says), RFC 4954 §4 (initial responses).

use std::fmt;

use crate::client::{ClientParams, ClientStep};
use crate::hash::Hash;
use crate::server::ServerParams;
use crate::step::ServerStep;

pub use crate::anonymous::ANONYMOUS;
pub use crate::cram_md5::CRAM_MD5;
pub use crate::digest_md5::DIGEST_MD5;
pub use crate::external::EXTERNAL;
pub use crate::gssapi::GSSAPI;
pub use crate::login::LOGIN;
pub use crate::oauthbearer::OAUTHBEARER;
pub use crate::plain::PLAIN;
pub use crate::scram::{
    SCRAM_SHA_1, SCRAM_SHA_1_PLUS, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, SCRAM_SHA_512,
    SCRAM_SHA_512_PLUS,
};
pub use crate::xoauth2::XOAUTH2;

/// Every mechanism of this crate, in the order to prefer them over verified TLS.
pub static ALL: &[&Mechanism] = &[
    &EXTERNAL,
    &OAUTHBEARER,
    &XOAUTH2,
    &SCRAM_SHA_512_PLUS,
    &SCRAM_SHA_256_PLUS,
    &SCRAM_SHA_1_PLUS,
    &SCRAM_SHA_512,
    &SCRAM_SHA_256,
    &SCRAM_SHA_1,
    &GSSAPI,
    &PLAIN,
    &LOGIN,
    &DIGEST_MD5,
    &CRAM_MD5,
    &ANONYMOUS,
];

/// The mechanism of that name, in any case (RFC 4954 §8).
pub fn by_name(name: &str) -> Option<&'static Mechanism> {
    ALL.iter()
        .copied()
        .find(|mechanism| mechanism.name.eq_ignore_ascii_case(name))
}

/// One SASL mechanism, both sides. Two are equal when their names are.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent yes/no facts, each read alone"
)]
pub struct Mechanism {
    /// Registered name, upper case.
    pub name: &'static str,
    /// The document that defines it.
    pub standard: &'static str,
    /// Order of preference over verified TLS; higher is stronger.
    pub strength: u8,
    /// What to make of data on the AUTH line.
    pub initial_response: InitialResponse,
    /// The peer, and whoever reads the channel, sees the password, or the token, which is as good as one.
    pub exposes_password: bool,
    /// A response line `QUIT` means that the client gives up (Xerox devices do so in LOGIN).
    pub quit_aborts: bool,
    /// It can agree on a security layer.
    pub layer: bool,
    /// It binds the exchange to the TLS channel: offer it only where a binding can be computed.
    pub binds_channel: bool,
    /// Its messages can be longer than 12288 octets in base64 (tokens, tickets).
    pub long_lines: bool,
    /// What a directory must be able to answer.
    pub needs: Needs,
    /// Begins a server exchange. The second argument is the initial response: `None` = there was none,
    /// `Some(b"")` = an empty one was sent (`=` in SMTP).
    pub server: fn(ServerParams, Option<&[u8]>) -> ServerStep,
    /// Begins a client exchange.
    pub client: fn(ClientParams) -> ClientStep,
}

impl Mechanism {
    /// The client proves that it knows a password, in whatever way.
    pub fn proves_password(&self) -> bool {
        matches!(self.needs, Needs::Password | Needs::Verifier(_))
    }

    /// It must not run in clear, not even where passwords may: a bearer token opens more than this server (RFC 7628 §4,
    /// RFC 6750 §5.3).
    pub fn requires_tls(&self) -> bool {
        self.needs == Needs::Token
    }
}

impl fmt::Debug for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Mechanism {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Mechanism {}

/// What data on the AUTH line means to a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialResponse {
    /// The client speaks first; the data is its first message, and `=` is an empty one.
    Optional,
    /// As `Optional`, but `=` means that there is none (LOGIN).
    EqualsMeansAbsent,
    /// The server speaks first: data is an error (RFC 4954 §4).
    Refused,
    /// The server speaks first, and data takes up an earlier exchange (DIGEST-MD5, RFC 2831 §2.2).
    Resumes,
}

/// What a directory must be able to answer for a mechanism to be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Needs {
    /// [`Question::Password`](crate::Question::Password).
    Password,
    /// [`Question::Verifier`](crate::Question::Verifier) of this kind, or `Response` where the mechanism can ask it.
    Verifier(VerifierKind),
    /// [`Question::Token`](crate::Question::Token).
    Token,
    /// [`Question::Certificate`](crate::Question::Certificate).
    Certificate,
    /// [`Question::PassThrough`](crate::Question::PassThrough).
    PassThrough,
    /// Nothing about the client: whether guests are let in ([`Question::Anonymous`](crate::Question::Anonymous)).
    Nothing,
}

/// Kinds of stored verifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerifierKind {
    /// Salt, iteration count, StoredKey and ServerKey for this hash (RFC 5802 §3).
    Scram(Hash),
    /// The two HMAC-MD5 contexts (RFC 2195 §3).
    CramMd5,
    /// `H(user:realm:password)` for each realm (RFC 2831 §2.1.2.1).
    DigestMd5,
}

#[cfg(test)]
mod tests {
    use super::*;

    // AUTH-01.
    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(by_name("pLaIn"), Some(&PLAIN));
        assert_eq!(by_name("login"), Some(&LOGIN));
        assert_eq!(by_name("cram-MD5"), Some(&CRAM_MD5));
        assert_eq!(by_name("Digest-md5"), Some(&DIGEST_MD5));
        assert_eq!(by_name("Scram-Sha-256"), Some(&SCRAM_SHA_256));
        assert_eq!(by_name("scram-sha-1"), Some(&SCRAM_SHA_1));
        assert_eq!(by_name("scram-sha-512"), Some(&SCRAM_SHA_512));
        assert_eq!(by_name("external"), Some(&EXTERNAL));
        assert_eq!(by_name("Anonymous"), Some(&ANONYMOUS));
        assert_eq!(by_name("scram-sha-1-plus"), Some(&SCRAM_SHA_1_PLUS));
        assert_eq!(by_name("Scram-Sha-256-Plus"), Some(&SCRAM_SHA_256_PLUS));
        assert_eq!(by_name("SCRAM-SHA-512-PLUS"), Some(&SCRAM_SHA_512_PLUS));
        assert_eq!(by_name("SCRAM-SHA-256-PLUSS"), None);
        assert_eq!(by_name("OAuthBearer"), Some(&OAUTHBEARER));
        assert_eq!(by_name("xoauth2"), Some(&XOAUTH2));
        assert_eq!(by_name("FOOBAR"), None);
        assert_eq!(by_name(""), None);
    }

    // SASL-01, SASL-09.
    #[test]
    fn all_are_listed_strongest_first_under_names_that_fit_the_grammar() {
        assert!(
            ALL.windows(2)
                .all(|pair| pair[0].strength > pair[1].strength)
        );
        for mechanism in ALL {
            // RFC 4422 §3.1: 1 to 20 characters of A-Z, 0-9, hyphen and underscore.
            assert!((1..=20).contains(&mechanism.name.len()));
            assert!(
                mechanism
                    .name
                    .bytes()
                    .all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_'))
            );
        }
    }
}
