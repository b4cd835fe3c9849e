//! Octets of a named charset as text, for showing mail; never for deciding anything about it.
//!
//! UTF-8, US-ASCII, ISO-8859-1 and -15 and Windows-1252: what nearly all mail of programs and devices uses. Text of any other
//! charset is shown as if it were one of these, which keeps its ASCII readable. Nothing fails: what is not text becomes `U+FFFD`.

/// The text of these octets. `name` is the charset as the mail gives it, in any case; `None` when it gives none.
pub fn decode(name: Option<&[u8]>, octets: &[u8]) -> String {
    let name = name.unwrap_or_default().to_ascii_lowercase();
    match name.as_slice() {
        b"utf-8" | b"utf8" => String::from_utf8_lossy(octets).into_owned(),
        b"iso-8859-15" | b"latin-9" | b"latin9" => octets.iter().map(|&it| latin_9(it)).collect(),
        // Software that says Latin-1 mostly means Windows-1252, and no mail wants the C1 controls.
        b"iso-8859-1" | b"latin1" | b"latin-1" | b"windows-1252" | b"cp1252" => {
            windows_1252(octets)
        }
        _ => std::str::from_utf8(octets).map_or_else(|_| windows_1252(octets), str::to_owned),
    }
}

fn windows_1252(octets: &[u8]) -> String {
    octets
        .iter()
        .map(|&octet| match octet {
            0x80..=0x9f => WINDOWS_1252_HIGH
                .get(usize::from(octet - 0x80))
                .copied()
                .unwrap_or(char::REPLACEMENT_CHARACTER),
            _ => char::from(octet),
        })
        .collect()
}

/// 0x80 to 0x9F of Windows-1252.
const WINDOWS_1252_HIGH: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
    '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}',
    'ž', 'Ÿ',
];

fn latin_9(octet: u8) -> char {
    match octet {
        0x80..=0x9f => char::REPLACEMENT_CHARACTER,
        0xa4 => '€',
        0xa6 => 'Š',
        0xa8 => 'š',
        0xb4 => 'Ž',
        0xb8 => 'ž',
        0xbc => 'Œ',
        0xbd => 'œ',
        0xbe => 'Ÿ',
        _ => char::from(octet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_charset_gives_its_own_text() {
        let table: &[(Option<&str>, &[u8], &str)] = &[
            (Some("UTF-8"), b"M\xc3\xbcller", "Müller"),
            (Some("utf-8"), b"M\xfcller", "M\u{fffd}ller"),
            (Some("ISO-8859-1"), b"M\xfcller \x80", "Müller €"),
            (Some("windows-1252"), b"\x93a\x94 \x81", "“a” \u{fffd}"),
            (Some("iso-8859-15"), b"\xa4 \xe4 \x80", "€ ä \u{fffd}"),
            (None, b"M\xc3\xbcller", "Müller"),
            (None, b"M\xfcller", "Müller"),
            (Some("us-ascii"), b"plain", "plain"),
            (Some("unheard-of"), b"plain \xe4", "plain ä"),
        ];
        for (name, octets, expected) in table {
            assert_eq!(
                decode(name.map(str::as_bytes), octets),
                *expected,
                "{name:?}"
            );
        }
    }
}
