//! Preparation of names and passwords: which spellings are the same.
//!
//! - [`saslprep_query`] and [`saslprep_stored`]: RFC 4013 over stringprep (RFC 3454, Unicode 3.2). The stored form refuses
//!   code points unassigned in Unicode 3.2, the query form keeps them.
//! - [`opaque`]: OpaqueString of RFC 8265 §4.2.
//! - [`password_forms`]: what to try when a client shows a password.
//!
//! ASCII without control characters comes out of all of them unchanged.

use std::fmt;

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;

use crate::secret::Secret;

/// SASLprep of a query string: unassigned code points are let through (RFC 3454 §7).
pub fn saslprep_query(text: &str) -> Result<String, PrepFault> {
    if is_printable_ascii(text) {
        return Ok(text.to_owned());
    }
    // RFC 4013 §2.1-2.2: map, then normalise.
    let prepared: String = text
        .chars()
        .filter(|c| {
            !tables::commonly_mapped_to_nothing(*c) || tables::non_ascii_space_character(*c)
        })
        .map(|c| {
            if tables::non_ascii_space_character(c) {
                ' '
            } else {
                c
            }
        })
        .nfkc()
        .collect();
    if prepared.chars().any(is_prohibited) {
        return Err(PrepFault::Prohibited);
    }
    if breaks_bidi_rule(&prepared) {
        return Err(PrepFault::Bidirectional);
    }
    Ok(prepared)
}

/// SASLprep of a stored string: unassigned code points are refused (RFC 4013 §2.5).
pub fn saslprep_stored(text: &str) -> Result<String, PrepFault> {
    let prepared = saslprep_query(text)?;
    if prepared.chars().any(tables::unassigned_code_point) {
        return Err(PrepFault::Unassigned);
    }
    Ok(prepared)
}

/// OpaqueString (RFC 8265 §4.2.2): non-ASCII spaces become SP, then NFC; empty and control characters are refused.
///
/// Code points that are unassigned, or ignorable, are not looked for: this is a form in which to try a password, not a
/// rule for choosing one.
pub fn opaque(text: &str) -> Result<String, PrepFault> {
    if text.is_empty() {
        return Err(PrepFault::Empty);
    }
    if is_printable_ascii(text) {
        return Ok(text.to_owned());
    }
    let prepared: String = text
        .chars()
        .map(|c| if is_space_separator(c) { ' ' } else { c })
        .nfc()
        .collect();
    if prepared.chars().any(char::is_control) {
        return Err(PrepFault::Prohibited);
    }
    Ok(prepared)
}

/// The forms in which a password shown by a client may have been stored, in the order to try them: as received,
/// SASLprep, OpaqueString; and, where the octets are not UTF-8, what they say in Windows-1252 (PREP-03, PREP-04, PREP-07).
///
/// No form comes twice: an ASCII password yields one.
pub fn password_forms(password: &[u8]) -> Vec<Secret> {
    let mut forms = vec![Secret::new(password)];
    let mut add = |form: String| {
        let form = Secret::new(form);
        if !form.expose().is_empty() && !forms.iter().any(|known| known.ct_eq(&form)) {
            forms.push(form);
        }
    };
    let text = match std::str::from_utf8(password) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => windows_1252(password).inspect(|text| add(text.clone())),
    };
    if let Some(text) = text {
        saslprep_query(&text).into_iter().for_each(&mut add);
        opaque(&text).into_iter().for_each(&mut add);
    }
    forms
}

/// The password that keys are derived from: SASLprep of it, or the octets as they are where that fails (PREP-04).
pub(crate) fn key_password(password: &[u8]) -> Secret {
    std::str::from_utf8(password)
        .ok()
        .and_then(|text| saslprep_query(text).ok())
        .filter(|prepared| !prepared.is_empty())
        .map_or_else(|| Secret::new(password), Secret::new)
}

/// A name from a client that may not send UTF-8: UTF-8 if it is, else Windows-1252.
pub(crate) fn name_text(octets: &[u8]) -> Option<String> {
    match std::str::from_utf8(octets) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => windows_1252(octets),
    }
}

/// Why a string cannot be prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrepFault {
    /// Nothing is left, or nothing was there.
    Empty,
    /// A prohibited character (RFC 4013 §2.3).
    Prohibited,
    /// The rule for right-to-left text is broken (RFC 3454 §6).
    Bidirectional,
    /// A code point unassigned in Unicode 3.2 (RFC 4013 §2.5).
    Unassigned,
}

impl fmt::Display for PrepFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing is left after preparation",
            Self::Prohibited => "it holds a prohibited character",
            Self::Bidirectional => "it mixes left-to-right and right-to-left text",
            Self::Unassigned => "it holds a character that is unassigned in Unicode 3.2",
        })
    }
}

impl std::error::Error for PrepFault {}

/// What nothing of all this changes or refuses, and almost every name and password is: looking each character up in the tables
/// would be nine tenths of an exchange of PLAIN.
fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|octet| matches!(octet, b' '..=b'~'))
}

/// RFC 4013 §2.3.
fn is_prohibited(c: char) -> bool {
    tables::non_ascii_space_character(c)
        || tables::ascii_control_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::surrogate_code(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
}

/// RFC 3454 §6: right-to-left text stands alone, and begins and ends the string.
fn breaks_bidi_rule(text: &str) -> bool {
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
        return false;
    };
    text.contains(tables::bidi_r_or_al)
        && (text.contains(tables::bidi_l)
            || !tables::bidi_r_or_al(first)
            || !tables::bidi_r_or_al(last))
}

/// General category Zs beyond U+0020.
fn is_space_separator(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Reads Windows-1252, which is ISO-8859-1 for all that is not a control character there. `None` when an octet is
/// undefined in it.
fn windows_1252(octets: &[u8]) -> Option<String> {
    octets
        .iter()
        .map(|octet| windows_1252_char(*octet))
        .collect()
}

fn windows_1252_char(octet: u8) -> Option<char> {
    /// 0x80 to 0x9F; U+FFFD stands for undefined.
    const C1: [char; 32] = [
        '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
        '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ',
        '\u{fffd}', 'ž', 'Ÿ',
    ];
    let c = match octet.checked_sub(0x80) {
        Some(index) => C1
            .get(usize::from(index))
            .copied()
            .unwrap_or(char::from(octet)),
        None => char::from(octet),
    };
    (c != '\u{fffd}').then_some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    // PREP-02: RFC 4013 §3, all seven, and the space of C.1.2.
    #[test]
    fn published_saslprep_examples() {
        for prepare in [saslprep_query, saslprep_stored] {
            for (text, prepared) in [
                ("I\u{ad}X", Ok("IX")),
                ("user", Ok("user")),
                ("USER", Ok("USER")),
                ("\u{aa}", Ok("a")),
                ("\u{2168}", Ok("IX")),
                ("\u{7}", Err(PrepFault::Prohibited)),
                ("\u{627}\u{31}", Err(PrepFault::Bidirectional)),
                ("a\u{a0}b", Ok("a b")),
                ("\u{200b}", Ok(" ")),
                ("\u{ad}", Ok("")),
                ("", Ok("")),
                ("\u{e000}", Err(PrepFault::Prohibited)),
                ("\u{627}\u{31}\u{628}", Ok("\u{627}\u{31}\u{628}")),
                ("\u{627}a\u{628}", Err(PrepFault::Bidirectional)),
            ] {
                assert_eq!(prepare(text), prepared.map(str::to_owned), "{text:?}");
            }
        }
    }

    // PREP-02: what follows the character is mapped to nothing, and takes the long way through the tables.
    #[test]
    fn the_short_way_of_ascii_comes_to_what_the_long_one_does() {
        for c in ' '..='~' {
            let short = saslprep_query(&c.to_string());
            assert_eq!(short, saslprep_query(&format!("{c}\u{ad}")), "{c:?}");
            assert_eq!(short, Ok(c.to_string()));
            let long = opaque(&format!("{c}\u{e9}")).unwrap();
            assert_eq!(opaque(&c.to_string()).unwrap(), long.replace('\u{e9}', ""));
        }
    }

    // PREP-02, PREP-04: U+1F0A1 is unassigned in Unicode 3.2; Elytron's published name passes as a query.
    #[test]
    fn unassigned_code_points_pass_only_as_a_query() {
        assert_eq!(
            saslprep_query("strange=admin, \u{438}\u{4f60}\u{1f0a1}\u{bd}\u{b4}").unwrap(),
            "strange=admin, \u{438}\u{4f60}\u{1f0a1}1\u{2044}2 \u{301}"
        );
        assert_eq!(saslprep_stored("\u{1f0a1}"), Err(PrepFault::Unassigned));
    }

    // PREP-03: RFC 8265 §4.3.
    #[test]
    fn published_opaque_string_examples() {
        for (text, prepared) in [
            (
                "correct horse battery staple",
                Ok("correct horse battery staple"),
            ),
            (
                "Correct Horse Battery Staple",
                Ok("Correct Horse Battery Staple"),
            ),
            ("\u{3c0}\u{df}\u{e5}", Ok("\u{3c0}\u{df}\u{e5}")),
            ("Jack of \u{2666}s", Ok("Jack of \u{2666}s")),
            ("foo\u{1680}bar", Ok("foo bar")),
            ("", Err(PrepFault::Empty)),
            ("my cat is a \u{9}by", Err(PrepFault::Prohibited)),
            ("\u{aa}", Ok("\u{aa}")),
            ("e\u{301}", Ok("\u{e9}")),
        ] {
            assert_eq!(opaque(text), prepared.map(str::to_owned), "{text:?}");
        }
    }

    fn forms(password: &[u8]) -> Vec<Vec<u8>> {
        password_forms(password)
            .iter()
            .map(|form| form.expose().to_vec())
            .collect()
    }

    // PREP-03, PREP-04, PREP-07, LC-11.
    #[test]
    fn passwords_are_tried_in_order_and_once() {
        let text = |forms: &[&str]| {
            forms
                .iter()
                .map(|form| form.as_bytes().to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(forms(b"secret"), text(&["secret"]));
        assert_eq!(
            forms(b"s\xe9cret"),
            [b"s\xe9cret".to_vec(), "s\u{e9}cret".into()]
        );
        assert_eq!(forms("s\u{e9}cret".as_bytes()), text(&["s\u{e9}cret"]));
        assert_eq!(forms("e\u{301}".as_bytes()), text(&["e\u{301}", "\u{e9}"]));
        assert_eq!(forms("\u{aa}".as_bytes()), text(&["\u{aa}", "a"]));
        assert_eq!(
            forms("\u{2168}e\u{301}".as_bytes()),
            text(&["\u{2168}e\u{301}", "IX\u{e9}", "\u{2168}\u{e9}"])
        );
        assert_eq!(forms("\u{1f0a1}".as_bytes()), text(&["\u{1f0a1}"]));
        assert_eq!(forms("\u{ad}".as_bytes()), text(&["\u{ad}"]));
        assert_eq!(forms(b"\x80"), [b"\x80".to_vec(), "\u{20ac}".into()]);
        assert_eq!(forms(b"\x81"), [b"\x81".to_vec()]);
        assert_eq!(forms(b"a\tb"), text(&["a\tb"]));
    }

    // PREP-04: keys fall back to the octets as they are.
    #[test]
    fn keys_are_derived_from_the_prepared_password_or_from_the_octets() {
        for (password, key) in [
            (&b"pencil"[..], &b"pencil"[..]),
            ("I\u{ad}X".as_bytes(), b"IX"),
            ("\u{1f0a1}".as_bytes(), "\u{1f0a1}".as_bytes()),
            ("\u{627}1".as_bytes(), "\u{627}1".as_bytes()),
            ("\u{ad}".as_bytes(), "\u{ad}".as_bytes()),
            (b"\xe9", b"\xe9"),
        ] {
            assert_eq!(key_password(password).expose(), key);
        }
    }

    proptest::proptest! {
        /// Where the stringprep crate, which knows only stored strings, has an opinion, it is ours.
        #[test]
        fn agrees_with_another_implementation(text in "\\PC{0,12}|[ -~\u{a0}-\u{6ff}\u{2000}-\u{20ff}]{0,12}") {
            let theirs = stringprep::saslprep(&text).ok().map(std::borrow::Cow::into_owned);
            proptest::prop_assert_eq!(saslprep_stored(&text).ok(), theirs);
        }

        #[test]
        fn printable_ascii_is_never_changed(text in "[ -~]{1,40}") {
            proptest::prop_assert_eq!(saslprep_query(&text), Ok(text.clone()));
            proptest::prop_assert_eq!(opaque(&text), Ok(text.clone()));
            proptest::prop_assert_eq!(forms(text.as_bytes()), [text.into_bytes()]);
        }
    }
}
