//! The arithmetic of RFC 2831 §2.1.2.1, §2.3 and §2.4: from user, realm and password to the digests on the wire and the
//! keys of the layer.

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::protection::{Cipher, Protection};

/// `H({username ":" realm ":" password})`: as good as the password in this realm.
pub(super) type UserHash = Zeroizing<[u8; 16]>;

/// The parts are octets in the character set in which they are to be hashed.
pub(super) fn user_hash(username: &[u8], realm: &[u8], password: &[u8]) -> UserHash {
    hash(&[username, b":", realm, b":", password])
}

/// A text as it is hashed under `charset=utf-8`: ISO-8859-1 where it fits, else UTF-8 (RFC 2831 §2.1.2.1; DIG-06).
pub(super) fn down_converted(text: &str) -> Zeroizing<Vec<u8>> {
    latin_1(text).unwrap_or_else(|| Zeroizing::new(text.as_bytes().to_vec()))
}

/// A text in ISO-8859-1, if it fits.
pub(super) fn latin_1(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Its final size from the start: growing would leave copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len()));
    for character in text.chars() {
        octets.push(u8::try_from(character).ok()?);
    }
    Some(octets)
}

/// What both sides chose for one exchange.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) nonce: Vec<u8>,
    pub(super) cnonce: Vec<u8>,
    /// Eight hexadecimal digits.
    pub(super) nonce_count: Vec<u8>,
    pub(super) protection: Protection,
    pub(super) digest_uri: Vec<u8>,
    /// As sent, also when empty (DIG-12).
    pub(super) authzid: Option<Vec<u8>>,
}

impl Terms {
    /// The count as a number.
    pub(super) fn count(&self) -> u32 {
        let digits = std::str::from_utf8(&self.nonce_count);
        digits
            .ok()
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .unwrap_or_default()
    }
}

/// Whose digest it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// `H(A1)`: the secret of one exchange.
pub(super) struct SessionKey(Zeroizing<[u8; 16]>);

impl SessionKey {
    pub(super) fn new(user: &UserHash, terms: &Terms) -> Self {
        let mut parts = vec![user.as_slice(), b":", &terms.nonce, b":", &terms.cnonce];
        if let Some(authzid) = &terms.authzid {
            parts.extend([b":", authzid.as_slice()]);
        }
        Self(hash(&parts))
    }

    /// The value of `response` or of `rspauth`.
    pub(super) fn digest(&self, terms: &Terms, side: Side) -> [u8; 16] {
        let method: &[u8] = match side {
            Side::Client => b"AUTHENTICATE:",
            Side::Server => b":",
        };
        // RFC 2831 §2.1.2.1: where the rest will be protected, the hash of a body that SASL does not have.
        let body: &[u8] = match terms.protection {
            Protection::None => b"",
            Protection::Integrity | Protection::Confidentiality(_) => {
                b":00000000000000000000000000000000"
            }
        };
        let a2 = hash(&[method, &terms.digest_uri, body]);
        *hash(&[
            hex(&self.0).as_bytes(),
            b":",
            &terms.nonce,
            b":",
            &terms.nonce_count,
            b":",
            &terms.cnonce,
            b":",
            terms.protection.qop().as_bytes(),
            b":",
            hex(&a2).as_bytes(),
        ])
    }

    /// The key that `side` signs what it sends with (RFC 2831 §2.3).
    pub(super) fn signing(&self, side: Side) -> Zeroizing<[u8; 16]> {
        hash(&[
            self.0.as_slice(),
            match side {
                Side::Client => {
                    b"Digest session key to client-to-server signing key magic constant"
                }
                Side::Server => {
                    b"Digest session key to server-to-client signing key magic constant"
                }
            },
        ])
    }

    /// The key that `side` encrypts what it sends with (RFC 2831 §2.4).
    pub(super) fn sealing(&self, side: Side, cipher: Cipher) -> Zeroizing<[u8; 16]> {
        let material = self.0.get(..cipher.key_material()).unwrap_or_default();
        hash(&[
            material,
            match side {
                Side::Client => b"Digest H(A1) to client-to-server sealing key magic constant",
                Side::Server => b"Digest H(A1) to server-to-client sealing key magic constant",
            },
        ])
    }
}

fn hash(parts: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    Zeroizing::new(md5.finalize().into())
}

fn hex(digest: &[u8; 16]) -> Zeroizing<String> {
    Zeroizing::new(format!("{:032x}", u128::from_be_bytes(*digest)))
}
