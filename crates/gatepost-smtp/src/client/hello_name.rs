//! The name a client gives with EHLO.

use std::fmt;
use std::net::IpAddr;

/// Longest name: a domain (RFC 5321 §4.5.3.1.2).
const LIMIT: usize = 255;

/// A domain or address literal, safe to stand on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloName(String);

/// Why a name cannot be given with EHLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelloNameFault {
    /// It is empty.
    Empty,
    /// It is longer than 255 octets.
    TooLong,
    /// It holds a space, a control character, `<`, `>` or something outside of ASCII.
    Character,
}

impl HelloName {
    /// Accepts 1 to 255 visible ASCII characters except `<` and `>`: nothing that could end or extend the command.
    pub fn parse(name: &str) -> Result<Self, HelloNameFault> {
        if name.is_empty() {
            Err(HelloNameFault::Empty)
        } else if name.len() > LIMIT {
            Err(HelloNameFault::TooLong)
        } else if name
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>'))
        {
            Ok(Self(name.to_owned()))
        } else {
            Err(HelloNameFault::Character)
        }
    }

    /// The literal of an address, for hosts without a name of their own (RFC 5321 §4.1.3, CLI-02).
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(format!("[{address}]")),
            IpAddr::V6(address) => Self(format!("[IPv6:{address}]")),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HelloNameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty",
            Self::TooLong => "the name is longer than 255 octets",
            Self::Character => "the name holds a character that cannot stand in EHLO",
        })
    }
}

impl std::error::Error for HelloNameFault {}

#[cfg(test)]
mod tests {
    use super::{HelloName, HelloNameFault};

    /// V-50: commands smuggled through the EHLO name.
    #[test]
    fn nothing_that_could_leave_its_place() {
        for name in [
            "a\r\nMAIL FROM:<x@y>",
            "a\n",
            "a\r",
            "a b",
            "a\0",
            "a>",
            "<a",
            "b\u{fc}cher.example",
            "a\tb",
            "\u{7f}",
        ] {
            assert_eq!(
                HelloName::parse(name),
                Err(HelloNameFault::Character),
                "{name:?}"
            );
        }
        assert_eq!(HelloName::parse(""), Err(HelloNameFault::Empty));
        assert_eq!(
            HelloName::parse(&"a".repeat(256)),
            Err(HelloNameFault::TooLong)
        );
        assert_eq!(
            HelloName::parse("client_1.example.com").unwrap().as_str(),
            "client_1.example.com"
        );
    }

    /// CLI-02: "else address literal `[192.0.2.1]`/`[IPv6:…]`".
    #[test]
    fn cli_02_address_literals() {
        let name = |text: &str| {
            HelloName::of_address(text.parse().unwrap())
                .as_str()
                .to_owned()
        };
        assert_eq!(name("192.0.2.1"), "[192.0.2.1]");
        assert_eq!(name("::ffff:192.0.2.1"), "[192.0.2.1]");
        assert_eq!(name("2001:db8::1"), "[IPv6:2001:db8::1]");
    }
}
