//! What a directory hands to a mechanism that checks the proof itself, and fakes for those it does not know.
//!
//! A fake is a keyed hash of the name: the same name gets the same fake today, tomorrow and after a restart, so that an
//! unknown user cannot be told from a known one (RFC 5802 §5.1, RFC 4422 §3.6). No proof fits a fake but by guessing a
//! 256-bit value, and the directory's verdict beside it is a refusal anyway.

use crate::hash::Hash;
use crate::mechanism::VerifierKind;
use crate::secret::Secret;

pub use crate::digest_md5::DigestMd5Hashes;
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
    /// For DIGEST-MD5.
    DigestMd5(DigestMd5Hashes),
}

impl Verifier {
    /// Which mechanisms it serves.
    pub fn kind(&self) -> VerifierKind {
        match self {
            Self::Scram(verifier) => VerifierKind::Scram(verifier.hash()),
            Self::CramMd5(_) => VerifierKind::CramMd5,
            Self::DigestMd5(_) => VerifierKind::DigestMd5,
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

/// DIGEST-MD5 hashes in these realms for a name that has none; `key` and `name` as in [`fake_scram`].
pub fn fake_digest<'a>(
    key: &Secret,
    name: &str,
    realms: impl IntoIterator<Item = &'a str>,
) -> DigestMd5Hashes {
    let password = fake(Hash::Sha256, key, &["DIGEST-MD5", "password", name]);
    DigestMd5Hashes::derive(name, realms, &Secret::new(password))
}

/// Keyed hash of the labels; NUL, which is in no label, keeps them apart.
fn fake(hash: Hash, key: &Secret, labels: &[&str]) -> Vec<u8> {
    hash.hmac(key.expose(), labels.join("\0").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Needs;
    use crate::mechanism::{CRAM_MD5, DIGEST_MD5};
    use crate::pairing::unhex;

    fn key() -> Secret {
        Secret::new([7; 32])
    }

    // SCR-18, CRAM-09, AUTH-27: pinned, because a fake that changed with a release would tell unknown names from known.
    #[test]
    fn fakes_are_the_same_for_ever() {
        for (hash, text) in [
            (
                Hash::Sha1,
                "SCRAM-SHA-1$10000:daVh9eXA3beqB6lL8aNeKA==$C19ej+ZZn4hgeCftmBichI1uzPY=:BScjIeR6u2Iy72l2J4dCmFYB3pI=",
            ),
            (
                Hash::Sha256,
                "SCRAM-SHA-256$10000:QEQGIOBubNBC5POChio0QQ==$n5PZIaF6YuAbAX9P3ZHAEfEZQiOTH2H+f6JguDARLVk=:+uNHTixgHJrT0NbRy9gVSgfxNXH503neX71/WAIpZAA=",
            ),
            (
                Hash::Sha512,
                "SCRAM-SHA-512$10000:G/GSH7ZNs6IV1EEHOzil3A==$8g2jsR2iQuWOhTgxnR1jiEiTfLupW2vxUtx0zlJuIz5qhdJZf/YnboBs7W2JgTMKhsJYoi4N2yyNSug4T+lEAw==:Tps/yD/kJhU3BXvw4Wdd4zn9gNciYOlpXF2RbB+dkLWLHb6LcXvG7lmCYliNTkdIYi5DqTtIxCMFTF2SM1Zrcg==",
            ),
        ] {
            let scram = fake_scram(&key(), "nobody@example.com", hash, 10_000).unwrap();
            assert_eq!(scram.to_text().as_str(), text);
        }
        let cram = fake_cram(&key(), "nobody@example.com").to_bytes();
        assert_eq!(
            cram.as_slice(),
            unhex("95e9b2a156da4686604b1394aa3087af300cec70aebaf6ea59e46a27048e28e1")
        );
    }

    #[test]
    fn fakes_differ_by_name_and_key() {
        let salt = |key: &Secret, name| {
            fake_scram(key, name, Hash::Sha256, 10_000)
                .unwrap()
                .salt()
                .to_vec()
        };
        assert_eq!(salt(&key(), "a").len(), SALT_OCTETS);
        assert_ne!(salt(&key(), "a"), salt(&key(), "b"));
        assert_ne!(salt(&key(), "a"), salt(&Secret::new([8; 32]), "a"));
        assert_ne!(
            fake_cram(&key(), "a").to_bytes(),
            fake_cram(&key(), "b").to_bytes()
        );
        let other_hash = fake_scram(&key(), "a", Hash::Sha512, 10_000).unwrap();
        assert_ne!(salt(&key(), "a"), other_hash.salt());
    }

    #[test]
    fn a_verifier_names_the_mechanisms_it_serves() {
        let cram = Verifier::CramMd5(fake_cram(&key(), "a"));
        assert_eq!(CRAM_MD5.needs, Needs::Verifier(cram.kind()));
        let digest = Verifier::DigestMd5(fake_digest(&key(), "a", ["example.com"]));
        assert_eq!(DIGEST_MD5.needs, Needs::Verifier(digest.kind()));
        let scram = Verifier::Scram(fake_scram(&key(), "a", Hash::Sha256, 10_000).unwrap());
        assert_eq!(
            crate::mechanism::SCRAM_SHA_256.needs,
            Needs::Verifier(scram.kind())
        );
    }
}
