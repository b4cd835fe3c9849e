//! What a password is checked against where it is shown: our own hash, or for a while another program's.

use super::error::StoreError;
use super::foreign_hash::{ForeignHash, ForeignHashFault};
use super::password_hash::{PasswordHash, Workspace};

/// A stored form of a password, not the password.
#[derive(Debug, Clone)]
pub enum StoredPassword {
    /// Argon2id, as new passwords get it.
    Own(PasswordHash),
    /// As another program made it; replaced at the first login with the right password.
    Foreign(ForeignHash),
}

impl StoredPassword {
    /// Reads a PHC string of argon2id, with or without Dovecot's `{ARGON2ID}`, or a foreign hash.
    pub fn parse(text: &str) -> Result<Self, ForeignHashFault> {
        let bare = match text.split_once('}') {
            Some((scheme, value)) if scheme.eq_ignore_ascii_case("{ARGON2ID") => value,
            _ => text,
        };
        if bare.starts_with("$argon2id$") {
            let hash = PasswordHash::parse(bare).ok_or(ForeignHashFault::Syntax)?;
            return Ok(Self::Own(hash));
        }
        ForeignHash::parse(text).map(Self::Foreign)
    }

    /// The text that [`Self::parse`] reads.
    pub fn to_text(&self) -> Result<String, StoreError> {
        match self {
            Self::Own(hash) => hash.to_phc(),
            Self::Foreign(hash) => Ok(hash.as_text().to_owned()),
        }
    }

    /// The scheme as administrators know it.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Own(_) => "ARGON2ID",
            Self::Foreign(hash) => hash.scheme(),
        }
    }

    /// Whether it is a form of `password`; compared in constant time, and as slow as a login.
    pub fn matches(&self, password: &[u8], workspace: &mut Workspace) -> Result<bool, StoreError> {
        match self {
            Self::Own(hash) => hash.matches(password, workspace),
            Self::Foreign(hash) => Ok(hash.matches(password)),
        }
    }
}
