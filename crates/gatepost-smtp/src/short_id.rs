//! The short id at the end of every refusal: what a person reads out on the phone to find the one
//! log line that says why.

use std::fmt;

/// Name of one session: up to ten characters of base32, drawn by the driver.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId {
    octets: [u8; Self::MAX],
    length: u8,
}

impl SessionId {
    /// Most characters a name may have.
    pub const MAX: usize = 10;

    /// `None` unless `name` is one to ten ASCII letters and digits.
    pub fn new(name: &str) -> Option<Self> {
        let plain = name.bytes().all(|octet| octet.is_ascii_alphanumeric());
        let length = u8::try_from(name.len())
            .ok()
            .filter(|&length| length > 0 && plain)?;
        let mut octets = [0; Self::MAX];
        octets
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self { octets, length })
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        let name = self
            .octets
            .get(..usize::from(self.length))
            .unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Name of one refusal: the session and a number that counts the session's refusals from 1, as
/// `K7Q2M4XA.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShortId {
    /// The session.
    pub session: SessionId,
    /// Which refusal of the session.
    pub number: u32,
}

impl fmt::Display for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_one_to_ten_letters_and_digits() {
        assert_eq!(SessionId::new("K7Q2M4XA").unwrap().as_str(), "K7Q2M4XA");
        for name in ["", "ABCDEFGHIJK", "A B", "A]", "\u{e9}"] {
            assert!(SessionId::new(name).is_none(), "{name}");
        }
        let session = SessionId::new("ABCDEFGHIJ").unwrap();
        assert_eq!(ShortId { session, number: 3 }.to_string(), "ABCDEFGHIJ.3");
    }
}
