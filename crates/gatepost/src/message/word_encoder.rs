//! Writes text outside of ASCII as encoded words (RFC 2047), and lines of header fields that hold them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest line of a field that is written anew (RFC 5322 §2.1.1).
const MAX_LINE: usize = 78;

/// The longest encoded word (RFC 2047 §2).
const MAX_WORD: usize = 75;

/// A field being written.
#[derive(Debug)]
pub struct Line {
    written: Vec<u8>,
    /// Where the current line begins.
    start: usize,
}

impl Line {
    /// A field that begins with this.
    pub fn new(begin: &[u8]) -> Self {
        let mut line = Self {
            written: Vec::new(),
            start: 0,
        };
        line.raw(begin);
        line
    }

    /// The octets written, without a final line end unless one was written.
    pub fn finish(self) -> Vec<u8> {
        self.written
    }

    /// Appends octets as they are.
    pub fn raw(&mut self, octets: &[u8]) {
        if let Some(end) = octets.iter().rposition(|&octet| octet == b'\n') {
            self.start = self.written.len() + end + 1;
        }
        self.written.extend_from_slice(octets);
    }

    /// Appends text as encoded words, at least one unless the text is empty. Text that is not UTF-8 is in `unknown-8bit` (RFC 1428 §3).
    pub fn words(&mut self, text: &[u8]) {
        let (charset, pieces) = match std::str::from_utf8(text) {
            Ok(text) => ("utf-8", Pieces::Characters(text)),
            Err(_) => ("unknown-8bit", Pieces::Octets(text)),
        };
        let in_q = text.iter().map(|&octet| q_length(octet)).sum::<usize>();
        // Base64 where the text would not be readable anyway.
        let encoding = if in_q <= text.len().div_ceil(3) * 8 {
            'Q'
        } else {
            'B'
        };
        let room = MAX_WORD - "=????=".len() - charset.len() - 1;
        for (number, piece) in pieces.cut(encoding, room).into_iter().enumerate() {
            let mut word = format!("=?{charset}?{encoding}?").into_bytes();
            if encoding == 'Q' {
                for &octet in piece {
                    push_q(octet, &mut word);
                }
            } else {
                word.extend_from_slice(STANDARD.encode(piece).as_bytes());
            }
            word.extend_from_slice(b"?=");
            if number > 0 {
                self.raw(b" ");
            }
            self.fold_before(word.len());
            self.raw(&word);
        }
    }

    /// Puts what comes next on a new line, if there is white space to fold at and the line would become too long.
    pub fn fold_before(&mut self, length: usize) {
        let line = self.written.get(self.start..).unwrap_or_default();
        let text = line.trim_ascii_end().len();
        // A line of nothing but white space must not come about (RFC 5322 §3.2.2).
        if line.len() + length <= MAX_LINE || text == line.len() || text == 0 {
            return;
        }
        let at = self.start + text;
        self.written.splice(at..at, *b"\r\n");
        self.start = at + 2;
    }
}

enum Pieces<'a> {
    Characters(&'a str),
    Octets(&'a [u8]),
}

impl<'a> Pieces<'a> {
    /// Pieces of whole characters (RFC 2047 §5) that fit into a word each.
    fn cut(self, encoding: char, room: usize) -> Vec<&'a [u8]> {
        let (text, ends): (&[u8], Box<dyn Iterator<Item = usize> + '_>) = match self {
            Self::Characters(text) => (
                text.as_bytes(),
                Box::new(text.char_indices().map(|(at, it)| at + it.len_utf8())),
            ),
            Self::Octets(text) => (text, Box::new(1..=text.len())),
        };
        let (mut pieces, mut begin, mut end, mut used) = (Vec::new(), 0, 0, 0);
        for next in ends {
            let more: usize = text
                .get(end..next)
                .unwrap_or_default()
                .iter()
                .map(|&it| q_length(it))
                .sum();
            let fits = match encoding {
                'Q' => used + more <= room,
                _ => (next - begin).div_ceil(3) * 4 <= room,
            };
            if !fits {
                pieces.push(text.get(begin..end).unwrap_or_default());
                (begin, used) = (end, 0);
            }
            used += more;
            end = next;
        }
        pieces.extend(text.get(begin..end).filter(|last| !last.is_empty()));
        pieces
    }
}

/// RFC 2047 §5 (3): what a word in a phrase may hold as it is.
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!*+-/".contains(&octet)
}

fn q_length(octet: u8) -> usize {
    if is_plain(octet) || octet == b' ' {
        1
    } else {
        3
    }
}

fn push_q(octet: u8, word: &mut Vec<u8>) {
    match octet {
        b' ' => word.push(b'_'),
        _ if is_plain(octet) => word.push(octet),
        _ => word.extend_from_slice(format!("={octet:02X}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::shown::shown;

    #[test]
    fn words_are_short_and_show_the_text() {
        let long = "Grüße aus Zürich,".repeat(20);
        let chinese = "你好，世界".repeat(30);
        for text in ["é", "a_b =?x? é\t\"<@>\"", &long, &chinese, "\u{1f600}"] {
            let mut line = Line::new(b"Subject: ");
            line.words(text.as_bytes());
            let field = line.finish();
            assert!(field.is_ascii());
            for line in field.split(|octet| *octet == b'\n') {
                assert!(line.len() <= MAX_LINE + 1, "{}", line.escape_ascii());
            }
            assert_eq!(
                shown(&field["Subject: ".len()..]),
                text.replace('\t', " "),
                "{}",
                field.escape_ascii()
            );
        }
    }

    #[test]
    fn text_of_an_unknown_charset_is_called_so() {
        let mut line = Line::new(b"");
        line.words(b"M\xfcller");
        assert_eq!(line.finish(), b"=?unknown-8bit?Q?M=FCller?=");
    }
}
