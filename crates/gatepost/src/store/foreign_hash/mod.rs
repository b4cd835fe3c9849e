//! Password hashes that other programs made: read at an import, checked until the first login, then replaced by our own.
//!
//! **Form.** As Dovecot writes them, `{SCHEME}value`; `{CRYPT}` and a bare value are told apart by their prefix. Known are
//! SHA, SHA256, SHA512 and their salted forms (base64, or hexadecimal with the suffix `.HEX`), MD5-CRYPT, Apache's
//! `$apr1$`, SHA256-CRYPT, SHA512-CRYPT, BLF-CRYPT (bcrypt) and PBKDF2 (of SHA-1).
//!
//! **Bounds.** A hash says what a check of it costs. One that costs more than [`MAX_SHA_CRYPT_ROUNDS`],
//! [`MAX_BCRYPT_COST`] or [`MAX_PBKDF2_ROUNDS`], each about a second of one core, is not read: it would let whoever knows
//! the name keep a core busy.

mod crypt;
mod digest;
mod md5_crypt;
mod pbkdf2_sha1;

use std::fmt;

use crypt::Crypt;
use digest::Digest;
use pbkdf2_sha1::Pbkdf2Sha1;
use zeroize::Zeroizing;

pub use crypt::{MAX_BCRYPT_COST, MAX_SHA_CRYPT_ROUNDS};
pub use pbkdf2_sha1::MAX_ROUNDS as MAX_PBKDF2_ROUNDS;

/// A password hash of another program. Debug shows its scheme only.
#[derive(Clone)]
pub struct ForeignHash {
    /// `{SCHEME}value`.
    text: Zeroizing<String>,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Digest(Digest),
    Crypt(Crypt),
    Pbkdf2(Pbkdf2Sha1),
}

/// Why a text is not a hash that can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForeignHashFault {
    /// The scheme is not known.
    #[error(
        "its scheme is not known; known are SHA, SSHA, SHA256, SSHA256, SHA512, SSHA512, MD5-CRYPT, SHA256-CRYPT, SHA512-CRYPT, BLF-CRYPT, ARGON2ID, PBKDF2, SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-512, CRAM-MD5, DIGEST-MD5 and PLAIN"
    )]
    UnknownScheme,
    /// Traditional crypt(3): eight characters of the password, 4096 salts.
    #[error(
        "it is a DES crypt hash, which knows no more than 8 characters of the password: give this account a new password"
    )]
    Des,
    /// It is not of its scheme's form.
    #[error("it is damaged: not of the form of its scheme")]
    Syntax,
    /// A check would take too long.
    #[error("checking it once would cost more than a second of processor time")]
    TooCostly,
}

impl ForeignHash {
    /// Reads `{SCHEME}value`, or a bare crypt(3) string.
    pub fn parse(text: &str) -> Result<Self, ForeignHashFault> {
        let (scheme, value) = match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((scheme, value)) => (scheme.to_ascii_uppercase(), value),
            None => ("CRYPT".to_owned(), text),
        };
        let form = match scheme.as_str() {
            "CRYPT" | "MD5-CRYPT" | "MD5" | "SHA256-CRYPT" | "SHA512-CRYPT" | "BLF-CRYPT" => {
                Form::Crypt(Crypt::parse(value)?)
            }
            "PBKDF2" => Form::Pbkdf2(Pbkdf2Sha1::parse(value)?),
            _ => Form::Digest(Digest::parse(&scheme, value)?),
        };
        let scheme = match &form {
            Form::Crypt(crypt) => crypt.scheme(),
            Form::Digest(_) | Form::Pbkdf2(_) => &scheme,
        };
        Ok(Self {
            text: Zeroizing::new(format!("{{{scheme}}}{value}")),
            form,
        })
    }

    /// `{SCHEME}value`.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// The scheme, upper case: `SHA512-CRYPT`.
    pub fn scheme(&self) -> &str {
        let scheme = self.text.strip_prefix('{');
        scheme
            .and_then(|rest| rest.split_once('}'))
            .map_or("", |(scheme, _)| scheme)
    }

    /// Whether this is the hash of `password`; compared in constant time. As slow as the scheme: never on an async
    /// thread.
    pub fn matches(&self, password: &[u8]) -> bool {
        match &self.form {
            Form::Digest(digest) => digest.matches(password),
            Form::Crypt(crypt) => crypt.matches(password),
            Form::Pbkdf2(pbkdf2) => pbkdf2.matches(password),
        }
    }
}

impl fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignHash({})", self.scheme())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl passwd`, by libxcrypt's crypt(3), and by hashlib of Python.
    const OF_PENCIL: &[(&str, &str)] = &[
        ("$1$G3.RZjl6$Knwtig3z5oxxq7KbzoRCW/", "MD5-CRYPT"),
        ("{MD5-CRYPT}$1$saltst$wiMdGOR8RFHfsC4Cn4q/m1", "MD5-CRYPT"),
        ("$apr1$ijbEOF5Z$2ZW8P4BUe/saPn5oCcdJT.", "MD5-CRYPT"),
        (
            "$5$QJLDhSlvwToLjqMu$Um2Nru4CqkMJxV7QuWxlJyOC7wwLlplCJUQXziCVk8/",
            "SHA256-CRYPT",
        ),
        (
            "{SHA256-CRYPT}$5$rounds=1000$saltstring$IDMRVjjzM7pxdq5saV3T0Syncing1KAt3iS2GewFZH1",
            "SHA256-CRYPT",
        ),
        (
            "$6$eTtkqMzNT18N0.ox$ZwDS51hYFs8Ot.wsPpMRzDDkZ2SOZqdqzIUU13HPRVkwvoq6W8knijSQJJmU7ldFRTjMioGe6eLp3XsCt7hXT/",
            "SHA512-CRYPT",
        ),
        (
            "{CRYPT}$6$saltstring$Wspbkvh9VR9k.5FhrEX5QuXIhny1ZR6t1JcW7cUaNNlvGeocueB2IYFN40CbfZ4cl/WePSJC5pA/G1VTFwAkU.",
            "SHA512-CRYPT",
        ),
        (
            "{BLF-CRYPT}$2y$06$abcdefghijklmnopqrstuuyArqUBJVSIMVbdg4fB3J/SF1FiZkxJ.",
            "BLF-CRYPT",
        ),
        (
            "$2a$06$abcdefghijklmnopqrstuuyArqUBJVSIMVbdg4fB3J/SF1FiZkxJ.",
            "BLF-CRYPT",
        ),
        (
            "$2b$06$abcdefghijklmnopqrstuuyArqUBJVSIMVbdg4fB3J/SF1FiZkxJ.",
            "BLF-CRYPT",
        ),
        ("{SHA}0vxRJJChUDZGC1SJQBQ51tpUB/o=", "SHA"),
        ("{ssha}+eDIu+wRPCviIM6uJB9itmNpR8hzYWx0eQ==", "SSHA"),
        (
            "{SHA256}E4CWaPtDY4Zwb2fcsFLtWEoEuhaowCoX1m00ww/O2iE=",
            "SHA256",
        ),
        (
            "{SSHA256.HEX}07876fa4b68e329f9c3c97a39397f3fdcb398037a8bc80cc2b4ccd917b7d004273616c7479",
            "SSHA256.HEX",
        ),
        (
            "{SHA512.hex}19df01aab828f8d50836ba75709713aed227335df8e186439185c06c917a2a7d3771ab76e307cfa3b6b89ef1a6682d6681ddf11884870e5de13e793fb955eeeb",
            "SHA512.HEX",
        ),
        (
            "{SSHA512.b64}+hBsGHrh/0NWZXuD2vVXgwbEucSluUh+PpTDKkEku+y1NXOdfZcQ7g6rjZuNRKxx1dbPBE0mv8jrF8OuomAVl3NhbHR5",
            "SSHA512.B64",
        ),
        (
            "{PBKDF2}$1$0123456789abcdef$5000$0b862ca1b8c91d5430ccce722f268f244b248db6",
            "PBKDF2",
        ),
    ];

    #[test]
    fn sto_01_hashes_of_other_programs_know_their_password_and_no_other() {
        for (text, scheme) in OF_PENCIL {
            let hash = ForeignHash::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(hash.scheme(), *scheme, "{text}");
            assert!(hash.matches(b"pencil"), "{text}");
            for wrong in ["Pencil", "pencil ", "pencils", ""] {
                assert!(!hash.matches(wrong.as_bytes()), "{text} {wrong:?}");
            }
            let again = ForeignHash::parse(hash.as_text()).unwrap();
            assert_eq!(again.as_text(), hash.as_text());
            assert!(again.matches(b"pencil"), "{text}");
            assert_eq!(format!("{hash:?}"), format!("ForeignHash({scheme})"));
        }
    }

    #[test]
    fn what_is_no_hash_is_refused_with_the_reason() {
        use ForeignHashFault::{Des, Syntax, TooCostly, UnknownScheme};
        for (text, fault) in [
            ("{NTLM}8846F7EAEE8FB117AD06BDD830B7586C", UnknownScheme),
            (
                "{ARGON2I}$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA",
                UnknownScheme,
            ),
            ("pencil", UnknownScheme),
            ("", UnknownScheme),
            ("!", UnknownScheme),
            ("$y$j9T$5Nqa$abc", UnknownScheme),
            ("rl.3StKT.4T8M", Des),
            ("{CRYPT}rl.3StKT.4T8M", Des),
            ("{SSHA}!", Syntax),
            ("{SSHA}AAAA", Syntax),
            ("{SHA256.HEX}zz", Syntax),
            ("$6$salt$short", Syntax),
            ("$6$salt", Syntax),
            ("$1$$", Syntax),
            ("$2y$10$tooshort", Syntax),
            (
                "$2y$17$0Bnw4kzdSFjsjQAhzWgQr.XKIEJPXTCvKUZSQqRwLqQIdKcQpXjJi",
                TooCostly,
            ),
            (
                "$6$rounds=9999999$salt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
                TooCostly,
            ),
            (
                "{PBKDF2}$1$salt$5000001$0c60c80f961f0e71f3a9b524af6012062fe037a6",
                TooCostly,
            ),
            ("{PBKDF2}$1$salt$5000$0c60", Syntax),
            (
                "{PBKDF2}$2$salt$5000$0c60c80f961f0e71f3a9b524af6012062fe037a6",
                Syntax,
            ),
        ] {
            assert_eq!(ForeignHash::parse(text).unwrap_err(), fault, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_read_makes_a_check_panic(
            text in "(\\{[A-Z0-9.-]{1,12}\\})?[$./0-9A-Za-z,=+]{0,90}",
            password in proptest::collection::vec(proptest::num::u8::ANY, 0..70),
        ) {
            // Costly ones are covered by the bounds; a thousand cases of a second each are not wanted here.
            if let Ok(hash) = ForeignHash::parse(&text)
                && !text.contains("$2") && !text.contains("PBKDF2")
            {
                let _ = hash.matches(&password);
            }
        }
    }
}
