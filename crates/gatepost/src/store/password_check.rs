//! What a shown password can be compared with when a credential has no password hash, and the choice among what it has.
//!
//! Every verifier knows its password (STO-01): SCRAM keys by deriving them again, CRAM-MD5 contexts and DIGEST-MD5 hashes likewise. So an
//! import that brought only those still serves PLAIN, and its first success makes the other verifiers.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use gatepost_sasl::{DigestMd5Hashes, HmacMd5Contexts, ScramVerifier, Secret};

use super::error::StoreError;
use super::password_hash::Workspace;
use super::stored_password::StoredPassword;

/// One thing a password is compared with.
#[derive(Debug, Clone)]
pub enum PasswordCheck {
    /// A password hash.
    Stored(StoredPassword),
    /// The keys of a SCRAM hash.
    Scram(ScramVerifier),
    /// CRAM-MD5 contexts.
    CramMd5(HmacMd5Contexts),
    /// DIGEST-MD5 hashes.
    DigestMd5(DigestMd5Hashes),
}

impl PasswordCheck {
    /// Whether a check costs what the dummy of unknown names costs; another one is followed by the dummy (T-12).
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Stored(StoredPassword::Own(_)))
    }

    /// Compares in constant time. Slow: never on an async thread.
    pub fn matches(
        &self,
        password: &Secret,
        workspace: &mut Workspace,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Stored(stored) => stored.matches(password.expose(), workspace),
            Self::Scram(verifier) => Ok(verifier.matches(password)),
            Self::CramMd5(contexts) => {
                let derived = HmacMd5Contexts::derive(password).to_bytes();
                let kept = contexts.to_bytes();
                Ok(verify_slices_are_equal(derived.as_ref(), kept.as_ref()).is_ok())
            }
            Self::DigestMd5(hashes) => Ok(hashes.are_of(password)),
        }
    }
}
