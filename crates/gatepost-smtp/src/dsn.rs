//! The parameters by which a sender says what he wants to hear about delivery: RET, ENVID, NOTIFY and ORCPT.
//!
//! The same values serve the server (which parses them), the queue (which keeps them), the client (which passes them on) and
//! our own notices. They exist by parsing only. Texts are held decoded and without control characters, line and paragraph
//! separators included, so that nothing written from them can begin a line (T-36).
//!
//! On the wire hexadecimal digits are written in upper case and read in either (DSN-02).
//!
//! Standards: RFC 3461 §4, RFC 6533 §3.

use std::fmt::{self, Write as _};

use crate::path::is_text;
use crate::xtext;

/// Most characters of ENVID's value on the wire (RFC 3461 §4.4).
const MAX_ENVELOPE_ID: usize = 100;
/// Most octets of ORCPT's value on the wire (RFC 3461 §4.2).
const MAX_ORIGINAL_RECIPIENT: usize = 500;
/// The address type of internationalized mail (RFC 6533 §3).
const UTF_8: &str = "utf-8";

/// A value that is none of the parameter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DsnFault;

impl fmt::Display for DsnFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a value of this parameter (RFC 3461)")
    }
}

impl std::error::Error for DsnFault {}

/// `RET=`: how much of the message a notice of failure returns (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// `FULL`: all of it.
    Full,
    /// `HDRS`: its header section.
    Headers,
}

impl Ret {
    /// Reads the value, in any case.
    pub fn parse(value: &str) -> Result<Self, DsnFault> {
        [Self::Full, Self::Headers]
            .into_iter()
            .find(|ret| value.eq_ignore_ascii_case(ret.to_wire()))
            .ok_or(DsnFault)
    }

    /// The value as on the wire.
    pub const fn to_wire(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

/// `ENVID=`: the sender's own name for the message (RFC 3461 §4.4). Printable ASCII. Displayed decoded, as a notice quotes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvelopeId(Box<str>);

impl EnvelopeId {
    /// Reads the value: xtext, 1 to 100 characters.
    pub fn parse(value: &str) -> Result<Self, DsnFault> {
        if !(1..=MAX_ENVELOPE_ID).contains(&value.len()) {
            return Err(DsnFault);
        }
        printable(value).map(Self)
    }

    /// Decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value as on the wire.
    pub fn to_wire(&self) -> String {
        xtext::encode(&self.0)
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `NOTIFY=`: what the sender wants to be told about a recipient (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// `NEVER`.
    Never,
    /// A list; at least one is wanted, or it is written as `NEVER`.
    On {
        /// `SUCCESS`: that the message has arrived, or has passed to where nobody will tell.
        success: bool,
        /// `FAILURE`: that it never will.
        failure: bool,
        /// `DELAY`: that it takes unusually long.
        delay: bool,
    },
}

impl Notify {
    /// What holds where the sender said nothing: failures and, at our choice, delays (RFC 3461 §4.1).
    pub const DEFAULT: Self = Self::On {
        success: false,
        failure: true,
        delay: true,
    };

    /// Reads the value: `NEVER`, or a list of the others, in any case.
    pub fn parse(value: &str) -> Result<Self, DsnFault> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Ok(Self::Never);
        }
        let (mut success, mut failure, mut delay) = (false, false, false);
        for word in value.split(',') {
            let wanted = match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => &mut success,
                "FAILURE" => &mut failure,
                "DELAY" => &mut delay,
                _ => return Err(DsnFault),
            };
            *wanted = true;
        }
        Ok(Self::On {
            success,
            failure,
            delay,
        })
    }

    /// The value as on the wire.
    pub fn to_wire(self) -> String {
        let words = [
            (self.success(), "SUCCESS"),
            (self.failure(), "FAILURE"),
            (self.delay(), "DELAY"),
        ];
        let wanted: Vec<&str> = words
            .into_iter()
            .filter_map(|(wanted, word)| wanted.then_some(word))
            .collect();
        if wanted.is_empty() {
            "NEVER".to_owned()
        } else {
            wanted.join(",")
        }
    }

    /// Whether success is to be told.
    pub const fn success(self) -> bool {
        matches!(self, Self::On { success: true, .. })
    }

    /// Whether failure is to be told.
    pub const fn failure(self) -> bool {
        matches!(self, Self::On { failure: true, .. })
    }

    /// Whether delay is to be told.
    pub const fn delay(self) -> bool {
        matches!(self, Self::On { delay: true, .. })
    }
}

/// `ORCPT=`: the recipient as the sender first named it, before any rewriting (RFC 3461 §4.2). Printable ASCII, or any text
/// without control characters where the type is `utf-8` (RFC 6533).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalRecipient {
    address_type: Box<str>,
    address: Box<str>,
}

impl OriginalRecipient {
    /// Reads the value: a type, a semicolon and an address as xtext or, if the type is `utf-8`, in one of the forms of
    /// RFC 6533 §3; 500 octets at most. Raw UTF-8 is legal on the wire inside a transaction with SMTPUTF8 only: that is for
    /// the caller to see to.
    pub fn parse(value: &str) -> Result<Self, DsnFault> {
        let (address_type, address) = value.split_once(';').ok_or(DsnFault)?;
        let atom = !address_type.is_empty() && address_type.bytes().all(is_atom);
        if value.len() > MAX_ORIGINAL_RECIPIENT || !atom || address.is_empty() {
            return Err(DsnFault);
        }
        let address = if address_type.eq_ignore_ascii_case(UTF_8) {
            decode_utf_8(address)?
        } else {
            printable(address)?
        };
        Ok(Self {
            address_type: address_type.into(),
            address,
        })
    }

    /// The type of the address: `rfc822`, `utf-8`, …
    pub fn address_type(&self) -> &str {
        &self.address_type
    }

    /// The address, decoded.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The value as on the wire. Text outside ASCII is written as it is if `utf8` says that the transaction has SMTPUTF8, and
    /// as `\x{…}` otherwise (RFC 6533 §3).
    pub fn to_wire(&self, utf8: bool) -> String {
        let address = if self.address_type.eq_ignore_ascii_case(UTF_8) {
            encode_utf_8(&self.address, utf8)
        } else {
            xtext::encode(&self.address)
        };
        format!("{};{address}", self.address_type)
    }
}

/// Decodes xtext that must be printable ASCII, space included.
fn printable(value: &str) -> Result<Box<str>, DsnFault> {
    let octets = xtext::decode(value).map_err(|_| DsnFault)?;
    if !octets.iter().all(|octet| matches!(octet, b' '..=b'~')) {
        return Err(DsnFault);
    }
    String::from_utf8(octets)
        .map(String::into_boxed_str)
        .map_err(|_| DsnFault)
}

/// RFC 3461 §4.2: an address type is an atom (RFC 5322 §3.2.3).
fn is_atom(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*-/?^_`{|}~".contains(&octet)
}

/// Decodes `utf-8-addr-xtext` or `utf-8-addr-unitext` (RFC 6533 §3). Characters written as `+XX`, as the xtext of RFC 3461,
/// are taken as well: senders that know only that do so.
fn decode_utf_8(value: &str) -> Result<Box<str>, DsnFault> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        match character {
            '\\' => {
                let inside = rest.strip_prefix("\\x{").ok_or(DsnFault)?;
                let (digits, _) = inside.split_once('}').ok_or(DsnFault)?;
                let mut buffer = [0; 4];
                decoded.extend_from_slice(hex_point(digits)?.encode_utf8(&mut buffer).as_bytes());
                length = "\\x{}".len() + digits.len();
            }
            '+' => {
                length = "+XX".len();
                let octet = rest.get(..length).ok_or(DsnFault)?;
                decoded.extend(xtext::decode(octet).map_err(|_| DsnFault)?);
            }
            '=' | ' ' => return Err(DsnFault),
            plain => decoded.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = rest.get(length..).ok_or(DsnFault)?;
    }
    let decoded = String::from_utf8(decoded).map_err(|_| DsnFault)?;
    if decoded.chars().all(is_text) {
        Ok(decoded.into())
    } else {
        Err(DsnFault)
    }
}

/// One to six hexadecimal digits that name a character.
fn hex_point(digits: &str) -> Result<char, DsnFault> {
    let plain =
        (1..=6).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).map_err(|_| DsnFault)?;
    char::from_u32(code).filter(|_| plain).ok_or(DsnFault)
}

fn encode_utf_8(address: &str, utf8: bool) -> String {
    let mut text = String::with_capacity(address.len());
    for character in address.chars() {
        match character {
            '\\' | '+' | '=' | ' ' => push_point(&mut text, character),
            plain if utf8 || plain.is_ascii() => text.push(plain),
            other => push_point(&mut text, other),
        }
    }
    text
}

fn push_point(text: &mut String, character: char) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{{{:02X}}}", u32::from(character));
}

#[cfg(test)]
mod tests {
    use super::*;

    // DSN-01
    #[test]
    fn dsn_01_notify_is_never_or_a_list_of_the_others() {
        let on = |success, failure, delay| Notify::On {
            success,
            failure,
            delay,
        };
        let good = [
            ("never", Notify::Never, "NEVER"),
            ("SUCCESS", on(true, false, false), "SUCCESS"),
            ("delay,Failure", on(false, true, true), "FAILURE,DELAY"),
            (
                "SUCCESS,FAILURE,DELAY",
                on(true, true, true),
                "SUCCESS,FAILURE,DELAY",
            ),
            ("FAILURE,FAILURE", on(false, true, false), "FAILURE"),
        ];
        for (value, notify, wire) in good {
            assert_eq!(Notify::parse(value), Ok(notify), "{value}");
            assert_eq!(notify.to_wire(), wire);
        }
        for value in [
            "",
            ",",
            "SUCCESS,",
            "NEVER,FAILURE",
            "SUCCESS,NEVER",
            "ALWAYS",
            "SUCCESS;FAILURE",
        ] {
            assert_eq!(Notify::parse(value), Err(DsnFault), "{value}");
        }
        assert_eq!(on(false, false, false).to_wire(), "NEVER");
    }

    // DSN-01
    #[test]
    fn dsn_01_ret_and_envid() {
        assert_eq!(Ret::parse("full"), Ok(Ret::Full));
        assert_eq!(Ret::parse("HDRS"), Ok(Ret::Headers));
        assert_eq!(Ret::parse("HEADERS"), Err(DsnFault));
        let id = EnvelopeId::parse("QQ+20314159+2b").unwrap();
        assert_eq!(
            (id.as_str(), id.to_wire().as_str()),
            ("QQ 314159+", "QQ+20314159+2B")
        );
        assert!(EnvelopeId::parse(&"x".repeat(100)).is_ok());
        for value in ["", &"x".repeat(101), "+", "a=b", "\u{e9}", "+C3+A9", "+7F"] {
            assert_eq!(EnvelopeId::parse(value), Err(DsnFault), "{value}");
        }
    }

    // DSN-01, DSN-02
    #[test]
    fn dsn_01_dsn_02_original_recipients() {
        let rows = [
            ("rfc822;Bob@Example.COM", "Bob@Example.COM"),
            ("rfc822;a+2Bb+3dc@d", "a+b=c@d"),
            ("RFC822;\"a+20b\"@c", "\"a b\"@c"),
            ("x-fax;+2B49+2030", "+49 30"),
        ];
        for (value, address) in rows {
            let parsed = OriginalRecipient::parse(value).unwrap();
            assert_eq!(parsed.address(), address, "{value}");
            assert_eq!(parsed.to_wire(true), value.replace("+3d", "+3D"));
        }
        let longest = format!("rfc822;{}", "x".repeat(493));
        assert!(OriginalRecipient::parse(&longest).is_ok());
        for value in [
            "",
            "rfc822",
            ";a@b",
            "rfc822;",
            "rfc 822;a@b",
            "rfc822;a=b",
            "rfc822;\u{e9}",
            "rfc822;+C3+A9@d",
            &format!("{longest}x"),
        ] {
            assert_eq!(OriginalRecipient::parse(value), Err(DsnFault), "{value}");
        }
    }

    // EAI-05
    #[test]
    fn eai_05_addresses_of_type_utf_8() {
        let forms = [
            "utf-8;fr\\x{E9}d\\x{5C}+2B@\\x{4F8B}.example",
            "UTF-8;fr\u{e9}d\\x{5c}\\x{2B}@\u{4f8b}.example",
            "utf-8;fr+C3+A9d+5C+2b@+E4+BE+8B.example",
        ];
        for form in forms {
            let parsed = OriginalRecipient::parse(form).unwrap();
            assert_eq!(parsed.address(), "fr\u{e9}d\\+@\u{4f8b}.example", "{form}");
            let wire = |utf8| parsed.to_wire(utf8).to_ascii_lowercase();
            assert_eq!(
                wire(false),
                "utf-8;fr\\x{e9}d\\x{5c}\\x{2b}@\\x{4f8b}.example"
            );
            assert_eq!(wire(true), "utf-8;fr\u{e9}d\\x{5c}\\x{2b}@\u{4f8b}.example");
            assert_eq!(
                OriginalRecipient::parse(&parsed.to_wire(false)).unwrap(),
                parsed
            );
        }
        for value in [
            "utf-8;",
            "utf-8;a=b",
            "utf-8;a\\b",
            "utf-8;\\x{}",
            "utf-8;\\x{110000}",
            "utf-8;\\x{D800}",
            "utf-8;\\x{0000041}",
            "utf-8;\\x{41",
            "utf-8;\\x{+41}",
            "utf-8;+C3",
            "utf-8;+\u{e9}9",
        ] {
            assert_eq!(OriginalRecipient::parse(value), Err(DsnFault), "{value}");
        }
    }

    // T-36
    #[test]
    fn t_36_no_value_holds_a_control_character() {
        for (xtext, point) in [
            ("+0D", "D"),
            ("+0A", "A"),
            ("+00", "0"),
            ("+1B", "1B"),
            ("+E2+80+A8", "2028"),
            ("+C2+80", "80"),
            ("+80", "7F"),
        ] {
            assert_eq!(EnvelopeId::parse(&format!("a{xtext}b")), Err(DsnFault));
            for value in [
                format!("rfc822;a{xtext}b"),
                format!("utf-8;a{xtext}b"),
                format!("utf-8;a\\x{{{point}}}b"),
            ] {
                assert_eq!(OriginalRecipient::parse(&value), Err(DsnFault), "{value}");
            }
        }
    }
}
