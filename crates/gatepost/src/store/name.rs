//! How account names are compared.
//!
//! Two names are the same account when their prepared forms are equal: SASLprep (RFC 4013; which folds width and
//! compatibility forms), then Unicode lower case, and the domain of an address by IDNA, so that `müller@bücher.example` is the
//! same account when a program writes `xn--bcher-kva.example`. Names outside SASLprep, such as those with spaces or emoji that LOGIN
//! and CRAM-MD5 users have, are only lower-cased (PREP-05). Preparing never fails, so that an unknown or odd name takes
//! the same path as a known one.

use gatepost_sasl::prep;

/// Longest account name in octets. Longer names are compared as they are, and never match.
pub const MAX_NAME: usize = 255;

/// The form of a name that is compared and looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookupName(String);

impl LookupName {
    /// Prepares a name.
    pub fn prepare(name: &str) -> Self {
        if name.is_ascii() {
            // SASLprep leaves printable ASCII alone; a control character makes it fail and leaves it alone too.
            return Self(name.to_ascii_lowercase());
        }
        let prepared = prep::saslprep_query(name).unwrap_or_else(|_| name.to_owned());
        let lower = prepared.to_lowercase();
        let Some((local, domain)) = lower.rsplit_once('@') else {
            return Self(lower);
        };
        match idna::domain_to_ascii(domain) {
            Ok(domain) if !domain.is_empty() => Self(format!("{local}@{domain}")),
            _ => Self(lower),
        }
    }

    /// The prepared text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a new account may have this name.
pub(super) fn acceptable(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name.trim() == name
        && !name.chars().any(char::is_control)
        && !LookupName::prepare(name).as_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    // PREP-05.
    #[test]
    fn spellings_of_one_name_are_one_account() {
        for (one, other) in [
            ("Fred", "fred"),
            ("Fred@Example.COM", "fred@example.com"),
            ("ＦＲＥＤ", "fred"),
            ("I\u{ad}X", "ix"),
            ("Müller", "MÜLLER"),
            ("Mu\u{308}ller", "müller"),
            ("John Q Public", "john q public"),
            ("fred@B\u{fc}cher.example", "fred@XN--bcher-kva.example"),
            (
                "m\u{fc}ller@b\u{fc}cher.example",
                "M\u{dc}LLER@xn--bcher-kva.example",
            ),
            (
                "fred@bu\u{308}cher\u{3002}example",
                "fred@b\u{fc}cher.example",
            ),
        ] {
            assert_eq!(
                LookupName::prepare(one),
                LookupName::prepare(other),
                "{one} {other}"
            );
        }
        assert_ne!(LookupName::prepare("fred"), LookupName::prepare("fred "));
    }

    #[test]
    fn a_name_outside_saslprep_is_still_a_name() {
        assert_eq!(LookupName::prepare("🦊Fox").as_str(), "🦊fox");
        // Nor is a domain that IDNA does not know.
        let odd = LookupName::prepare("fred@\u{fc}\u{200b}_ .example");
        assert_eq!(odd, LookupName::prepare("FRED@\u{dc}\u{200b}_ .example"));
    }

    #[test]
    fn names_that_cannot_be_told_apart_or_typed_are_not_accepted() {
        for name in ["", " fred", "fred\n", "fr\0ed", "\u{ad}", &"x".repeat(256)] {
            assert!(!acceptable(name), "{name:?}");
        }
        for name in ["fred", "John Q Public", "fred@example.com", "müller"] {
            assert!(acceptable(name), "{name:?}");
        }
    }
}
