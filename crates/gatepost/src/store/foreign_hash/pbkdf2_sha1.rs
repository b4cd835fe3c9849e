//! Dovecot's `{PBKDF2}`: `$1$salt$rounds$` and twenty octets in hexadecimal, PBKDF2 (RFC 8018) with HMAC-SHA-1.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1};
use zeroize::Zeroizing;

use super::ForeignHashFault;
use super::digest::unhex;

/// Most rounds.
pub const MAX_ROUNDS: u32 = 2_000_000;
const HASH_LEN: usize = 20;

#[derive(Clone)]
pub(super) struct Pbkdf2Sha1 {
    salt: String,
    rounds: NonZeroU32,
    hash: Zeroizing<Vec<u8>>,
}

impl Pbkdf2Sha1 {
    pub(super) fn parse(value: &str) -> Result<Self, ForeignHashFault> {
        let mut fields = value
            .strip_prefix("$1$")
            .ok_or(ForeignHashFault::Syntax)?
            .split('$');
        let (Some(salt), Some(rounds), Some(hash), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(ForeignHashFault::Syntax);
        };
        let rounds: NonZeroU32 = rounds.parse().map_err(|_| ForeignHashFault::Syntax)?;
        if rounds.get() > MAX_ROUNDS {
            return Err(ForeignHashFault::TooCostly);
        }
        let hash = unhex(hash)
            .filter(|hash| hash.len() == HASH_LEN)
            .ok_or(ForeignHashFault::Syntax)?;
        Ok(Self {
            salt: salt.to_owned(),
            rounds,
            hash: Zeroizing::new(hash),
        })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        pbkdf2::verify(
            PBKDF2_HMAC_SHA1,
            self.rounds,
            self.salt.as_bytes(),
            password,
            &self.hash,
        )
        .is_ok()
    }
}
