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
