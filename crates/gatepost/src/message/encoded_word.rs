//! What an encoded word (RFC 2047) would show, as far as it may mislead a reader about an address.
//!
//! RFC 2047 §6.2 has readers decode *after* parsing addresses, but some decode first. A word that hides a character with a
//! meaning in an address list is then read differently by the two kinds, so [`shown_ascii`] yields the ASCII characters a
//! word decodes to and [`super::mailbox`] decides. Only single octets below 0x80 matter: parts of multi-octet characters
//! are skipped.

/// The ASCII characters that the encoded words in `text` decode to; `None` when a word uses a charset in which that
/// cannot be told (UTF-7, UTF-16, UTF-32) or is so broken that readers will differ.
pub fn shown_ascii(text: &[u8]) -> Option<Vec<u8>> {
    let mut shown = Vec::new();
    let mut left = text;
    while let Some(start) = find(left, b"=?") {
        left = left.get(start + 2..).unwrap_or_default();
        let Some((charset, encoding, text)) = split_start(left) else {
            continue;
        };
        // Without an end there is no word here nor further on: going on searching would be quadratic.
        let Some((encoded, after)) = split_once(text, b"?=") else {
            break;
        };
        let decoded = match encoding {
            b"q" | b"Q" => decode_q(encoded),
            b"b" | b"B" => decode_b(encoded)?,
            _ => return None,
        };
        append_ascii(charset, &decoded, &mut shown)?;
        left = after;
    }
    Some(shown)
}

/// The charset and encoding of a word, and what follows their question marks.
pub(super) fn split_start(word: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (charset, left) = split_once(word, b"?")?;
    let (encoding, text) = split_once(left, b"?")?;
    (encoding.len() == 1 && charset.iter().all(u8::is_ascii_graphic))
        .then_some((charset, encoding, text))
}

pub(super) fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

pub(super) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

pub(super) fn decode_q(encoded: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut octets = encoded.iter().copied();
    while let Some(octet) = octets.next() {
        let mut ahead = octets.clone();
        let digits = (
            ahead.next().and_then(hex_value),
            ahead.next().and_then(hex_value),
        );
        if let (b'=', (Some(high), Some(low))) = (octet, digits) {
            decoded.push(high << 4 | low);
            octets = ahead;
        } else {
            decoded.push(if octet == b'_' { b' ' } else { octet });
        }
    }
    decoded
}

pub(super) fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn decode_b(encoded: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::DecodePaddingMode;
    use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    LENIENT.decode(encoded).ok()
}

/// Appends what is ASCII in `decoded`, leaving out the trail octets of East Asian charsets, which reuse ASCII values.
fn append_ascii(charset: &[u8], decoded: &[u8], shown: &mut Vec<u8>) -> Option<()> {
    let charset = charset.to_ascii_lowercase();
    if [
        b"utf-7".as_slice(),
        b"utf7",
        b"utf-16",
        b"utf16",
        b"utf-32",
        b"utf32",
        b"unicode",
    ]
    .iter()
    .any(|odd| charset.starts_with(odd))
    {
        return None;
    }
    let shifted = charset.starts_with(b"iso-2022");
    let has_trail = [
        b"gb".as_slice(),
        b"big5",
        b"shift",
        b"sjis",
        b"cp936",
        b"cp932",
        b"windows-31j",
        b"euc",
        b"ks_c",
        b"johab",
    ]
    .iter()
    .any(|prefix| charset.starts_with(prefix));
    let mut in_ascii = true;
    let mut octets = decoded.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        if shifted && octet == 0x1b {
            // ESC ( B and ESC ( J return to single octets, every other designation leaves them.
            in_ascii = octets.next() == Some(b'(') && matches!(octets.next(), Some(b'B' | b'J'));
        } else if octet >= 0x80 {
            if has_trail {
                octets.next();
            }
        } else if in_ascii {
            shown.push(octet);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_show_their_ascii_part() {
        let table: &[(&str, Option<&str>)] = &[
            ("no words", Some("")),
            ("=?utf-8?q?M=C3=BCller?=", Some("Mller")),
            (
                "=?utf-8?Q?a=40b_c?= x =?US-ASCII?b?PHg+?=",
                Some("a@b c<x>"),
            ),
            ("=?utf-8?B?PHg+", Some("")),
            ("=?utf-8?B?!!!?=", None),
            ("=?utf-7?Q?+AEA-?=", None),
            ("=?UTF-16?B?AEA=?=", None),
            ("=?x?y?z?=", None),
            ("=?gb2312?B?gUCBQA==?=", Some("")),
            ("=?iso-2022-jp?B?GyRCPkA8QBsoQg==?=", Some("")),
            ("=?iso-2022-jp?Q?=1B(B=40?=", Some("@")),
            ("=?utf-8?Q?=4?= =?utf-8?Q?=?=", Some("=4=")),
            ("=?a b?Q?=40?=", Some("")),
        ];
        for (text, expected) in table {
            let shown = shown_ascii(text.as_bytes()).map(|shown| String::from_utf8(shown).unwrap());
            assert_eq!(shown.as_deref(), *expected, "{text}");
        }
    }
}
