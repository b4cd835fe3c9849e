//! One SHA digest of the password, with or without salt behind it: `{SHA}` of old htpasswd files, `{SSHA}` of LDAP
//! servers, and their longer kin.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, Algorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::ForeignHashFault;

/// A digest and what was hashed behind the password.
#[derive(Clone)]
pub(super) struct Digest {
    algorithm: &'static Algorithm,
    /// The digest, then the salt.
    stored: Zeroizing<Vec<u8>>,
}

impl Digest {
    /// Reads the value of this scheme, upper case, perhaps with Dovecot's `.HEX` or `.B64` behind it.
    pub(super) fn parse(scheme: &str, value: &str) -> Result<Self, ForeignHashFault> {
        let (name, encoding) = scheme.split_once('.').unwrap_or((scheme, "B64"));
        let (algorithm, salted) = match name {
            "SHA" | "SHA1" => (&digest::SHA1_FOR_LEGACY_USE_ONLY, false),
            "SSHA" => (&digest::SHA1_FOR_LEGACY_USE_ONLY, true),
            "SHA256" => (&digest::SHA256, false),
            "SSHA256" => (&digest::SHA256, true),
            "SHA512" => (&digest::SHA512, false),
            "SSHA512" => (&digest::SHA512, true),
            _ => return Err(ForeignHashFault::UnknownScheme),
        };
        let stored = match encoding {
            "HEX" => unhex(value),
            "B64" | "BASE64" => BASE64.decode(value).ok(),
            _ => return Err(ForeignHashFault::UnknownScheme),
        };
        let stored = Zeroizing::new(stored.ok_or(ForeignHashFault::Syntax)?);
        let salt = stored.len().checked_sub(algorithm.output_len());
        match salt {
            Some(0) if !salted => {}
            Some(1..=1024) if salted => {}
            _ => return Err(ForeignHashFault::Syntax),
        }
        Ok(Self { algorithm, stored })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let Some((hash, salt)) = self.stored.split_at_checked(self.algorithm.output_len()) else {
            return false;
        };
        let mut context = digest::Context::new(self.algorithm);
        context.update(password);
        context.update(salt);
        verify_slices_are_equal(context.finish().as_ref(), hash).is_ok()
    }
}

/// Octets written in hexadecimal.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |octet: u8| char::from(octet).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}
