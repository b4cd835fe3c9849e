//! What crypt(3) and Apache write: `$id$…$hash`.

use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use zeroize::Zeroizing;

use super::ForeignHashFault;
use super::md5_crypt::Md5Crypt;

/// Most rounds of SHA-crypt.
pub const MAX_SHA_CRYPT_ROUNDS: u32 = 1_000_000;
/// Highest cost of bcrypt.
pub const MAX_BCRYPT_COST: u32 = 14;

/// Octets of a bcrypt string.
const BCRYPT_LEN: usize = 60;
/// Octets of a traditional crypt(3) string.
const DES_LEN: usize = 13;

#[derive(Clone)]
pub(super) enum Crypt {
    Md5(Md5Crypt),
    /// `$5$` or `$6$`: the whole text.
    Sha(Zeroizing<String>),
    /// The whole text.
    Bcrypt(Zeroizing<String>),
}

impl Crypt {
    pub(super) fn parse(text: &str) -> Result<Self, ForeignHashFault> {
        let whole = || Zeroizing::new(text.to_owned());
        match text.split('$').nth(1) {
            Some("1" | "apr1") => Md5Crypt::parse(text).map(Self::Md5),
            Some("5") => check_sha(text, 43).map(|()| Self::Sha(whole())),
            Some("6") => check_sha(text, 86).map(|()| Self::Sha(whole())),
            Some("2a" | "2b" | "2y") => check_bcrypt(text).map(|()| Self::Bcrypt(whole())),
            None if text.len() == DES_LEN && text.bytes().all(is_crypt64) => {
                Err(ForeignHashFault::Des)
            }
            _ => Err(ForeignHashFault::UnknownScheme),
        }
    }

    /// Dovecot's name of it.
    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Self::Md5(_) => "MD5-CRYPT",
            Self::Sha(text) if text.starts_with("$5$") => "SHA256-CRYPT",
            Self::Sha(_) => "SHA512-CRYPT",
            Self::Bcrypt(_) => "BLF-CRYPT",
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Md5(hash) => hash.matches(password),
            Self::Sha(text) => ShaCrypt::default()
                .verify_password(password, text.as_str())
                .is_ok(),
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        }
    }
}

/// `$6$salt$hash` or `$6$rounds=N$salt$hash`.
fn check_sha(text: &str, hash_len: usize) -> Result<(), ForeignHashFault> {
    let mut fields = text.split('$').skip(2).peekable();
    if let Some(rounds) = fields
        .peek()
        .and_then(|field| field.strip_prefix("rounds="))
    {
        let rounds: u32 = rounds.parse().map_err(|_| ForeignHashFault::Syntax)?;
        if rounds > MAX_SHA_CRYPT_ROUNDS {
            return Err(ForeignHashFault::TooCostly);
        }
        if rounds < sha_crypt::Params::ROUNDS_MIN {
            return Err(ForeignHashFault::Syntax);
        }
        fields.next();
    }
    match (fields.next(), fields.next(), fields.next()) {
        (Some(salt), Some(hash), None)
            if !salt.is_empty() && hash.len() == hash_len && hash.bytes().all(is_crypt64) =>
        {
            Ok(())
        }
        _ => Err(ForeignHashFault::Syntax),
    }
}

/// `$2y$10$` and 53 letters.
fn check_bcrypt(text: &str) -> Result<(), ForeignHashFault> {
    let cost = text.split('$').nth(2).unwrap_or_default();
    let cost: u32 = cost.parse().map_err(|_| ForeignHashFault::Syntax)?;
    if text.len() != BCRYPT_LEN || !text.bytes().all(|b| b == b'$' || is_crypt64(b)) {
        return Err(ForeignHashFault::Syntax);
    }
    if cost > MAX_BCRYPT_COST {
        return Err(ForeignHashFault::TooCostly);
    }
    Ok(())
}

/// A digit of crypt(3)'s base 64.
pub(super) fn is_crypt64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'/')
}
