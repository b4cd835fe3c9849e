//! The hash functions SCRAM runs on, chosen by value: digest, HMAC, and their length.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// A hash function a SCRAM mechanism is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hash {
    /// SHA-1 (RFC 5802). What breaks it elsewhere, collisions, does not help against HMAC.
    Sha1,
    /// SHA-256 (RFC 7677).
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// All of them, weakest first.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    /// Length of its output in octets.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Name of the SCRAM mechanism on this hash, without `-PLUS`; it is also the scheme name of RFC 5803.
    pub const fn scram_name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// Name of the SCRAM mechanism on this hash that is bound to the channel.
    pub const fn scram_plus_name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1-PLUS",
            Self::Sha256 => "SCRAM-SHA-256-PLUS",
            Self::Sha512 => "SCRAM-SHA-512-PLUS",
        }
    }

    /// The document that defines SCRAM on this hash.
    pub(crate) const fn scram_standard(self) -> &'static str {
        match self {
            Self::Sha1 => "RFC 5802",
            Self::Sha256 => "RFC 7677",
            Self::Sha512 => "RFC 5802, draft-melnikov-scram-sha-512",
        }
    }

    /// `H(data)` of RFC 5802 §2.2.
    pub(crate) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// `HMAC(key, data)` of RFC 5802 §2.2.
    pub(crate) fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => tag::<Sha1>(key, data),
            Self::Sha256 => tag::<Sha256>(key, data),
            Self::Sha512 => tag::<Sha512>(key, data),
        }
    }
}

fn tag<D: hmac::EagerHash>(key: &[u8], data: &[u8]) -> Vec<u8>
where
    Hmac<D>: KeyInit + Mac,
{
    let mac = keyed::<D>(key).chain_update(data);
    mac.finalize().into_bytes().to_vec()
}

/// An HMAC under `key`, ready for data.
#[expect(
    clippy::expect_used,
    reason = "RFC 2104 §2 admits keys of any length; the error type exists for other MACs"
)]
pub(crate) fn keyed<D: hmac::EagerHash>(key: &[u8]) -> Hmac<D>
where
    Hmac<D>: KeyInit,
{
    Hmac::<D>::new_from_slice(key).expect("HMAC takes keys of any length")
}
