//! What a server stores for SCRAM: salt, iteration count, StoredKey and ServerKey (RFC 5802 §3), and its text form
//! (RFC 5803).
//!
//! The SaltedPassword is never kept: it would be as good as the password (SCR-20).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, Zeroizing};

use crate::hash::Hash;
use crate::prep;
use crate::scram::derive::Derivation;
use crate::secret::Secret;

/// Fewest iterations to store, to announce, or to accept from a server (RFC 5802 §5.1, RFC 7677 §4).
pub const MIN_SCRAM_ITERATIONS: u32 = 4096;
/// Iterations for new verifiers.
pub const DEFAULT_SCRAM_ITERATIONS: u32 = 10_000;
/// Most iterations to accept from a server or from an import: seconds of one core.
pub const MAX_SCRAM_ITERATIONS: u32 = 10_000_000;

/// Keys of one password for one SCRAM hash. Wiped on drop; never shown in debug output.
#[derive(Clone)]
pub struct ScramVerifier {
    hash: Hash,
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl ScramVerifier {
    /// Derives the keys of `password`, which is prepared here (SASLprep, or raw where that fails). Slow: `iterations`
    /// HMACs. `salt` is at least 16 octets from a CSPRNG, fresh per password and hash.
    pub fn derive(
        hash: Hash,
        password: &Secret,
        salt: impl Into<Vec<u8>>,
        iterations: u32,
    ) -> Result<Self, VerifierFault> {
        let derivation = Derivation {
            hash,
            password: prep::key_password(password.expose()),
            salt: salt.into(),
            iterations: check_iterations(iterations)?,
        };
        Self::from_salted_password(hash, &derivation.run(), derivation.salt, iterations)
    }

    /// Makes the keys from a finished [`Derivation`].
    pub fn from_salted_password(
        hash: Hash,
        salted_password: &Secret,
        salt: impl Into<Vec<u8>>,
        iterations: u32,
    ) -> Result<Self, VerifierFault> {
        let client_key = Zeroizing::new(hash.hmac(salted_password.expose(), b"Client Key"));
        let server_key = hash.hmac(salted_password.expose(), b"Server Key");
        Self::new(
            hash,
            iterations,
            salt.into(),
            hash.digest(&client_key),
            server_key,
        )
    }

    /// Puts stored parts together again; they are checked as in an import (RFC 5803 §3).
    pub fn new(
        hash: Hash,
        iterations: u32,
        salt: Vec<u8>,
        stored_key: Vec<u8>,
        server_key: Vec<u8>,
    ) -> Result<Self, VerifierFault> {
        check_iterations(iterations)?;
        if salt.is_empty() || salt.len() > MAX_SALT_OCTETS {
            return Err(VerifierFault::Salt);
        }
        if stored_key.len() != hash.output_len() || server_key.len() != hash.output_len() {
            return Err(VerifierFault::KeyLength);
        }
        Ok(Self {
            hash,
            iterations,
            salt,
            stored_key,
            server_key,
        })
    }

    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (RFC 5803 §3).
    pub fn parse(text: &str) -> Result<Self, VerifierFault> {
        let (scheme, rest) = text.split_once('$').ok_or(VerifierFault::Syntax)?;
        let (auth_info, keys) = rest.split_once('$').ok_or(VerifierFault::Syntax)?;
        let (iterations, salt) = auth_info.split_once(':').ok_or(VerifierFault::Syntax)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(VerifierFault::Syntax)?;
        Self::from_fields(scheme, [iterations, salt, stored_key, server_key])
    }

    /// Reads what Dovecot keeps: `{SCRAM-SHA-256}<iterations>,<salt>,<StoredKey>,<ServerKey>`.
    pub fn parse_dovecot(text: &str) -> Result<Self, VerifierFault> {
        let (scheme, fields) = text
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .ok_or(VerifierFault::Syntax)?;
        let fields: Vec<_> = fields.split(',').collect();
        let fields = fields.try_into().map_err(|_| VerifierFault::Syntax)?;
        Self::from_fields(&scheme.to_ascii_uppercase(), fields)
    }

    fn from_fields(scheme: &str, fields: [&str; 4]) -> Result<Self, VerifierFault> {
        let [iterations, salt, stored_key, server_key] = fields;
        let hash = Hash::ALL
            .into_iter()
            .find(|hash| hash.scram_name() == scheme)
            .ok_or(VerifierFault::UnknownScheme)?;
        let decode = |field: &str| BASE64.decode(field).map_err(|_| VerifierFault::Syntax);
        let iterations = parse_iterations(iterations).ok_or(VerifierFault::Syntax)?;
        let iterations = u32::try_from(iterations).map_err(|_| VerifierFault::Iterations)?;
        Self::new(
            hash,
            iterations,
            decode(salt)?,
            decode(stored_key)?,
            decode(server_key)?,
        )
    }

    /// Whether these are the keys of `password`. As slow as [`Self::derive`]; compared in constant time.
    pub fn matches(&self, password: &Secret) -> bool {
        Self::derive(self.hash, password, self.salt.clone(), self.iterations)
            .is_ok_and(|keys| keys.stored_key.ct_eq(&self.stored_key).into())
    }

    /// Writes the text form of RFC 5803 §3. It holds the keys: store it like a password hash.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{}${}:{}${}:{}",
            self.hash.scram_name(),
            self.iterations,
            BASE64.encode(&self.salt),
            BASE64.encode(&self.stored_key),
            BASE64.encode(&self.server_key)
        ))
    }

    /// The hash the keys are for.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Iteration count announced to clients.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Salt announced to clients.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// StoredKey of RFC 5802 §3.
    pub fn stored_key(&self) -> &[u8] {
        &self.stored_key
    }

    /// ServerKey of RFC 5802 §3.
    pub fn server_key(&self) -> &[u8] {
        &self.server_key
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl Drop for ScramVerifier {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

/// Longest salt to store or to accept, in octets: a bound on what an import or a server can make us carry.
pub(crate) const MAX_SALT_OCTETS: usize = 1024;

/// A `posit-number` of RFC 5802 §7: digits without a leading zero. `None` when it is none; saturates beyond `u64`.
pub(crate) fn parse_iterations(text: &str) -> Option<u64> {
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && text.bytes().next().is_some_and(|b| b != b'0');
    canonical.then(|| text.parse().unwrap_or(u64::MAX))
}

fn check_iterations(iterations: u32) -> Result<u32, VerifierFault> {
    if (MIN_SCRAM_ITERATIONS..=MAX_SCRAM_ITERATIONS).contains(&iterations) {
        Ok(iterations)
    } else {
        Err(VerifierFault::Iterations)
    }
}

/// Why stored parts are not a verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifierFault {
    /// Not the form of RFC 5803.
    Syntax,
    /// A scheme this crate does not know.
    UnknownScheme,
    /// Outside of [`MIN_SCRAM_ITERATIONS`] to [`MAX_SCRAM_ITERATIONS`].
    Iterations,
    /// Empty, or longer than 1024 octets.
    Salt,
    /// A key whose length is not that of the hash.
    KeyLength,
}

impl fmt::Display for VerifierFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not of the form SCHEME$iterations:salt$StoredKey:ServerKey",
            Self::UnknownScheme => {
                "unknown scheme; known are SCRAM-SHA-1, SCRAM-SHA-256 and SCRAM-SHA-512"
            }
            Self::Iterations => "the iteration count is outside of 4096 to 10000000",
            Self::Salt => "the salt is empty or longer than 1024 octets",
            Self::KeyLength => "a key has not the length of the hash",
        })
    }
}

impl std::error::Error for VerifierFault {}
