//! Names as the peer gave them, and the identity an exchange proved.
//!
//! [`Authcid`] and [`Authzid`] are made by parsing only. An [`Identity`] is made only by
//! [`Outcome::authenticated`](crate::Outcome::authenticated): holding one means that an exchange succeeded.
//!
//! Standards: RFC 4422 §2 (identity concepts), §3.4.1 (NUL is never part of a name).

use std::fmt;

use crate::mechanism::Mechanism;

/// Longest authcid or authzid in octets. RFC 4616 §2 asks for at least 255.
pub const MAX_NAME_OCTETS: usize = 1024;

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFault {
    /// No octets at all.
    Empty,
    /// More than [`MAX_NAME_OCTETS`].
    TooLong,
    /// A control character (NUL, CR, LF, TAB, …).
    ControlCharacter,
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty",
            Self::TooLong => "the name is longer than 1024 octets",
            Self::ControlCharacter => "the name holds a control character",
        })
    }
}

impl std::error::Error for NameFault {}

/// Authentication identity: whose credentials are presented, as sent (not prepared).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authcid(String);

impl Authcid {
    /// Accepts 1 to [`MAX_NAME_OCTETS`] octets without control characters.
    pub fn parse(name: &str) -> Result<Self, NameFault> {
        check_name(name).map(|()| Self(name.to_owned()))
    }

    /// The name as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Authcid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Authorization identity: whom the client asks to act as, as sent (not prepared). Absent when the client left it empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authzid(String);

impl Authzid {
    /// Accepts 1 to [`MAX_NAME_OCTETS`] octets without control characters.
    pub fn parse(name: &str) -> Result<Self, NameFault> {
        check_name(name).map(|()| Self(name.to_owned()))
    }

    /// The name as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Authzid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_name(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        Err(NameFault::Empty)
    } else if name.len() > MAX_NAME_OCTETS {
        Err(NameFault::TooLong)
    } else if name.chars().any(char::is_control) {
        Err(NameFault::ControlCharacter)
    } else {
        Ok(())
    }
}

/// A directory's yes: who proved himself, and as whom the session acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Account whose credential was proven.
    pub login: String,
    /// Account the session acts for; equal to `login` unless an authzid was granted (RFC 4422 §3.4.1).
    pub acts_as: String,
    /// Identifier or label of the credential that was proven.
    pub credential: String,
}

/// A proven identity. The only source is [`Outcome::authenticated`](crate::Outcome::authenticated).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    mechanism: &'static Mechanism,
    authcid: Authcid,
    grant: Grant,
}

impl Identity {
    pub(crate) fn assertion(mechanism: &'static Mechanism, authcid: Authcid, grant: Grant) -> Self {
        Self {
            mechanism,
            authcid,
            grant,
        }
    }

    /// The mechanism that proved it.
    pub fn mechanism(&self) -> &'static Mechanism {
        self.mechanism
    }

    /// The name the client presented, as sent.
    pub fn authcid(&self) -> &Authcid {
        &self.authcid
    }

    /// Account whose credential was proven.
    pub fn login(&self) -> &str {
        &self.grant.login
    }

    /// Account the session acts for.
    pub fn acts_as(&self) -> &str {
        &self.grant.acts_as
    }

    /// Identifier or label of the credential that was proven.
    pub fn credential(&self) -> &str {
        &self.grant.credential
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PREP-06.
    #[test]
    fn a_name_is_never_empty_nor_holds_control_characters() {
        assert_eq!(Authcid::parse(""), Err(NameFault::Empty));
        for bad in ["a\0b", "a\r", "a\n", "a\tb", "\u{85}"] {
            assert_eq!(
                Authcid::parse(bad),
                Err(NameFault::ControlCharacter),
                "{bad:?}"
            );
            assert_eq!(
                Authzid::parse(bad),
                Err(NameFault::ControlCharacter),
                "{bad:?}"
            );
        }
        assert_eq!(
            Authcid::parse("John Q Public").unwrap().as_str(),
            "John Q Public"
        );
    }

    // PLAIN-01.
    #[test]
    fn names_up_to_1024_octets_are_accepted() {
        assert!(Authcid::parse(&"u".repeat(255)).is_ok());
        assert!(Authcid::parse(&"u".repeat(1024)).is_ok());
        assert_eq!(Authcid::parse(&"u".repeat(1025)), Err(NameFault::TooLong));
    }
}
