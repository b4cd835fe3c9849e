//! What a directory hands to a mechanism that checks the proof itself, and fakes for those it does not know.
//!
//! A fake is a keyed hash of the name: the same name gets the same fake today, tomorrow and after a restart, so that an
//! unknown user cannot be told from a known one (RFC 5802 §5.1, RFC 4422 §3.6). No proof fits a fake but by guessing a
//! 256-bit value, and the directory's verdict beside it is a refusal anyway.

use crate::hash::Hash;
use crate::mechanism::VerifierKind;
use crate::secret::Secret;

pub use crate::hmac_md5::HmacMd5Contexts;
pub use crate::scram::verifier::{
    DEFAULT_SCRAM_ITERATIONS, MAX_SCRAM_ITERATIONS, MIN_SCRAM_ITERATIONS, ScramVerifier,
    VerifierFault,
};

/// A stored verifier.
#[derive(Debug, Clone)]
pub enum Verifier {
    /// For SCRAM mechanisms.
    Scram(ScramVerifier),
    /// For CRAM-MD5.
    CramMd5(HmacMd5Contexts),
}

impl Verifier {
    /// Which mechanisms it serves.
    pub fn kind(&self) -> VerifierKind {
        match self {
            Self::Scram(verifier) => VerifierKind::Scram(verifier.hash()),
            Self::CramMd5(_) => VerifierKind::CramMd5,
        }
    }
}

/// Octets of a fake salt: those of a real one, which must have as many.
pub const SALT_OCTETS: usize = 16;

/// A SCRAM verifier for a name that has none, with a salt of [`SALT_OCTETS`].
///
/// `key` is secret and lives as long as the accounts do. `name` is the name as prepared for lookup: spellings that find
/// the same account must yield the same fake. `iterations` are those of new verifiers.
pub fn fake_scram(
    key: &Secret,
    name: &str,
    hash: Hash,
    iterations: u32,
) -> Result<ScramVerifier, VerifierFault> {
    let mut salt = fake(Hash::Sha256, key, &[hash.scram_name(), "salt", name]);
    salt.truncate(SALT_OCTETS);
    let stored_key = fake(hash, key, &[hash.scram_name(), "StoredKey", name]);
    let server_key = fake(hash, key, &[hash.scram_name(), "ServerKey", name]);
    ScramVerifier::new(hash, iterations, salt, stored_key, server_key)
}

/// CRAM-MD5 contexts for a name that has none; `key` and `name` as in [`fake_scram`].
pub fn fake_cram(key: &Secret, name: &str) -> HmacMd5Contexts {
    HmacMd5Contexts::of_key(&fake(Hash::Sha256, key, &["CRAM-MD5", "key", name]))
}

/// Keyed hash of the labels; NUL, which is in no label, keeps them apart.
fn fake(hash: Hash, key: &Secret, labels: &[&str]) -> Vec<u8> {
    hash.hmac(key.expose(), labels.join("\0").as_bytes())
}
