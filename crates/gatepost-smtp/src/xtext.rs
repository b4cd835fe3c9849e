//! xtext: parameter values with `+XX` for what may not stand in a parameter (RFC 3461 §4, RFC 4954
//! §8).
//!
//! Decoding yields octets; whoever makes a value of them parses it into a type that holds no
//! control characters (T-36: `+0D+0A` is an attack, not a line end).

use std::fmt::Write as _;

/// A `+` without two hexadecimal digits, or a character that may not stand in a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XtextFault;

/// Decodes xtext. Either case of the hexadecimal digits is accepted (RFC 4954 §8; MPAR-02).
pub fn decode(text: &str) -> Result<Vec<u8>, XtextFault> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'+' => {
                let high = octets.next().and_then(hex_value).ok_or(XtextFault)?;
                let low = octets.next().and_then(hex_value).ok_or(XtextFault)?;
                high << 4 | low
            }
            b'=' | ..=b' ' | 0x7f.. => return Err(XtextFault),
            other => other,
        });
    }
    Ok(decoded)
}

/// Encodes a value; hexadecimal digits in upper case (RFC 3461 §4).
pub fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet {
            b'+' | b'=' | ..=b' ' | 0x7f.. => {
                // Writing to a String cannot fail.
                let _ = write!(text, "+{octet:02X}");
            }
            plain => text.push(char::from(plain)),
        }
    }
    text
}

/// Whether the text has hexadecimal digits in lower case, which RFC 3461 §4 does not allow.
pub(crate) fn has_lower_case_digits(text: &str) -> bool {
    text.split('+').skip(1).any(|behind| {
        behind
            .bytes()
            .take(2)
            .any(|digit| matches!(digit, b'a'..=b'f'))
    })
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // MPAR-02
    #[test]
    fn mpar_02_decodes_either_case() {
        assert_eq!(decode("e+3Dmc2@example.com").unwrap(), b"e=mc2@example.com");
        assert_eq!(decode("e+3dmc2@example.com").unwrap(), b"e=mc2@example.com");
        assert_eq!(decode("<>").unwrap(), b"<>");
        assert_eq!(decode("").unwrap(), b"");
    }

    // MPAR-02
    #[test]
    fn mpar_02_refuses_what_is_no_xtext() {
        for text in ["+", "+4", "+4g", "a=b", "a b", "a\tb", "a\u{7f}", "\u{e9}"] {
            assert_eq!(decode(text), Err(XtextFault), "{text:?}");
        }
    }

    // DSN-02
    #[test]
    fn dsn_02_lower_case_is_noticed() {
        assert!(has_lower_case_digits("a+2b") && has_lower_case_digits("+B0+e9"));
        assert!(!has_lower_case_digits("abc+2Babc") && !has_lower_case_digits("ab"));
    }

    // MPAR-09
    #[test]
    fn mpar_09_encodes_with_upper_case() {
        assert_eq!(encode("e=mc2@example.com"), "e+3Dmc2@example.com");
        assert_eq!(encode("\"a b\"@example.com"), "\"a+20b\"@example.com");
        assert_eq!(encode("\u{e9}@example.com"), "+C3+A9@example.com");
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        for value in ["", "<>", "a+b=c d", "\r\n\0", "\u{2028}"] {
            assert_eq!(decode(&encode(value)).unwrap(), value.as_bytes());
        }
    }
}
