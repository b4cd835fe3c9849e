//! The value of a header field as a reader sees it: unfolded, its encoded words (RFC 2047) decoded.
//!
//! For showing only; decisions use the octets. One pass, whatever the value. Control characters become `U+FFFD`, so that no
//! text acts where it is shown.

use super::charset;
use super::encoded_word::{decode_q, find, split_once, split_start};
use super::transfer_encoding::base64;

/// The text of a value as [`super::headers::Field::value`] gives it.
pub fn shown(value: &[u8]) -> String {
    // RFC 5322 §2.2.3: unfolding removes the line ends; the white space behind them stays.
    let unfolded: Vec<u8> = value
        .iter()
        .copied()
        .filter(|octet| !matches!(octet, b'\r' | b'\n'))
        .collect();
    let mut text = Text::default();
    let mut left = unfolded.as_slice();
    while let Some(start) = find(left, b"=?") {
        let (before, word) = left.split_at_checked(start).unwrap_or((left, &[]));
        let inner = word.get(2..).unwrap_or_default();
        let Some((charset, encoding, rest)) = split_start(inner) else {
            text.literal(before);
            text.literal(b"=?");
            left = inner;
            continue;
        };
        // Without an end there is no word here nor further on.
        let Some((encoded, after)) = split_once(rest, b"?=") else {
            break;
        };
        text.literal(before);
        match encoding {
            b"q" | b"Q" => text.word(charset, &decode_q(encoded)),
            b"b" | b"B" => text.word(charset, &base64(encoded)),
            _ => {
                let length = word.len() - after.len();
                text.literal(word.get(..length).unwrap_or_default());
            }
        }
        left = after;
    }
    text.literal(left);
    text.finish()
}

/// Text put together from literal octets and encoded words.
#[derive(Default)]
struct Text {
    shown: String,
    /// White space behind a word: dropped when another word follows (RFC 2047 §6.2).
    gap: Vec<u8>,
    /// Charset and octets of the words last seen. Kept as octets: mailers cut characters in two between words.
    words: Option<(Vec<u8>, Vec<u8>)>,
}

impl Text {
    fn literal(&mut self, octets: &[u8]) {
        if self.words.is_some() && octets.iter().all(u8::is_ascii_whitespace) {
            self.gap.extend_from_slice(octets);
            return;
        }
        self.end_words();
        self.shown.push_str(&charset::decode(None, octets));
    }

    fn word(&mut self, charset: &[u8], octets: &[u8]) {
        // RFC 2231 §5: a language may follow the charset.
        let charset = charset
            .split(|&octet| octet == b'*')
            .next()
            .unwrap_or_default();
        self.gap.clear();
        match &mut self.words {
            Some((current, words)) if current.eq_ignore_ascii_case(charset) => {
                words.extend_from_slice(octets);
            }
            _ => {
                self.end_words();
                self.words = Some((charset.to_owned(), octets.to_owned()));
            }
        }
    }

    fn end_words(&mut self) {
        if let Some((charset, words)) = self.words.take() {
            self.shown
                .push_str(&charset::decode(Some(&charset), &words));
        }
        let gap = std::mem::take(&mut self.gap);
        self.shown.push_str(&charset::decode(None, &gap));
    }

    fn finish(mut self) -> String {
        self.end_words();
        let visible = |character: char| match character {
            '\t' => ' ',
            _ if character.is_control() => char::REPLACEMENT_CHARACTER,
            _ => character,
        };
        self.shown.trim().chars().map(visible).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 2047 §8 has most of these.
    #[test]
    fn encoded_words_are_decoded() {
        let table: &[(&[u8], &str)] = &[
            (b" Hello", "Hello"),
            (b" one\r\n two\r\n\tthree", "one two three"),
            (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
            (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            (b"(=?ISO-8859-1?Q?a?=  \r\n   =?ISO-8859-1?Q?b?=)", "(ab)"),
            (b"=?ISO-8859-1?Q?a_b?= =?ISO-8859-2?Q?_c?=", "a b c"),
            (b"=?utf-8?B?R3LDvMOfZQ==?=", "Gr\u{fc}\u{df}e"),
            (b"=?UTF-8?B?ww==?= =?utf-8?B?vA==?=", "\u{fc}"),
            (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "\u{fc}"),
            (b"=?utf-8*en?q?=C3=BC?= x", "\u{fc} x"),
            (b"M\xc3\xbcller", "M\u{fc}ller"),
            (b"M\xfcller", "M\u{fc}ller"),
            (b"=?x?y?z?= =?utf-8?q?a?=", "=?x?y?z?= a"),
            (b"a =? b", "a =? b"),
            (b"a =?utf-8?q?b", "a =?utf-8?q?b"),
            (b"=?a b?q?c?=", "=?a b?q?c?="),
            (
                b"=?utf-8?q?=1B[31m=0D=0A=00?=\x07",
                "\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            (b"", ""),
        ];
        for (value, expected) in table {
            assert_eq!(shown(value), *expected, "{}", value.escape_ascii());
        }
    }
}
