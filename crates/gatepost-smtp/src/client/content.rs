//! Content on its way out: any line ends in, strict SMTP data out.
//!
//! [`ContentEncoder`] turns message octets, fed in pieces of any size, into the octets between `354` and the final dot, or, without
//! dots, into those of chunks. What leaves it obeys RFC 5321 §2.3.8 and §4.5.2 whatever came in: every line ends in CRLF, a leading dot is doubled, no bare CR or LF and no
//! NUL remains (a NUL becomes `?`), and the only `CRLF.CRLF` is the one [`finish`](ContentEncoder::finish) writes. A message that
//! ended a transaction early in a laxer server (SMTP smuggling) therefore cannot pass through us.
//!
//! [`ContentMeter`] counts what `SIZE=` and `BODY=` of the MAIL command must say about the same octets (RFC 1870 §5: after the
//! rewriting of line ends, without doubled dots and without the final dot).

use crate::params::Body;

/// Where the encoder stands between two octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the first octet of a line.
    LineStart,
    /// Inside a line.
    InLine,
    /// After a CR whose line end is already written: an LF that follows belongs to it.
    AfterCr,
}

/// Encodes message content for DATA, in pieces and with no memory of its own.
#[derive(Debug)]
pub struct ContentEncoder {
    place: Place,
    /// Leading dots are doubled and the end is a dot: for DATA, not for BDAT.
    dots: bool,
}

impl ContentEncoder {
    /// An encoder that stands before the first octet.
    pub fn new() -> Self {
        Self {
            place: Place::LineStart,
            dots: true,
        }
    }

    /// An encoder for BDAT, where a length says what ends where (RFC 3030 §2): dots mean nothing, line ends what they always mean.
    pub fn for_chunks() -> Self {
        Self {
            dots: false,
            ..Self::new()
        }
    }

    /// Appends the encoded form of `content` to `wire`: at most twice as many octets.
    pub fn encode(&mut self, content: &[u8], wire: &mut Vec<u8>) {
        let mut rest = content;
        while let Some((&first, tail)) = rest.split_first() {
            match first {
                b'\n' if self.place == Place::AfterCr => {
                    self.place = Place::LineStart;
                    rest = tail;
                }
                b'\r' | b'\n' => {
                    wire.extend_from_slice(b"\r\n");
                    self.place = if first == b'\r' {
                        Place::AfterCr
                    } else {
                        Place::LineStart
                    };
                    rest = tail;
                }
                0 => {
                    wire.push(b'?');
                    self.place = Place::InLine;
                    rest = tail;
                }
                _ => {
                    let (run, after) = rest.split_at(run_length(rest));
                    if self.dots && first == b'.' && self.place != Place::InLine {
                        wire.push(b'.');
                    }
                    wire.extend_from_slice(run);
                    self.place = Place::InLine;
                    rest = after;
                }
            }
        }
    }

    /// Ends the last line if it is open and, for DATA, writes the final dot.
    pub fn finish(self, wire: &mut Vec<u8>) {
        if self.place == Place::InLine {
            wire.extend_from_slice(b"\r\n");
        }
        if self.dots {
            wire.extend_from_slice(b".\r\n");
        }
    }
}

impl Default for ContentEncoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts what the MAIL command must declare about content that a [`ContentEncoder`] will send.
#[derive(Debug, Clone)]
pub struct ContentMeter {
    octets: u64,
    eight_bit: bool,
    place: Place,
}

impl ContentMeter {
    /// A meter that has seen nothing.
    pub fn new() -> Self {
        Self {
            octets: 0,
            eight_bit: false,
            place: Place::LineStart,
        }
    }

    /// Measures `content` whole.
    pub fn of(content: &[u8]) -> Self {
        let mut meter = Self::new();
        meter.add(content);
        meter
    }

    /// Takes the next piece into account.
    pub fn add(&mut self, content: &[u8]) {
        for &octet in content {
            self.eight_bit |= octet >= 0x80;
            match octet {
                b'\n' if self.place == Place::AfterCr => self.place = Place::LineStart,
                b'\r' => (self.octets, self.place) = (self.octets + 2, Place::AfterCr),
                b'\n' => (self.octets, self.place) = (self.octets + 2, Place::LineStart),
                _ => (self.octets, self.place) = (self.octets + 1, Place::InLine),
            }
        }
    }

    /// Octets on the wire, as `SIZE=` counts them (RFC 1870 §5).
    pub fn octets(&self) -> u64 {
        if self.place == Place::InLine {
            self.octets + 2
        } else {
            self.octets
        }
    }

    /// What `BODY=` has to say: with an octet above 127 the server must offer 8BITMIME (RFC 6152).
    pub fn body(&self) -> Body {
        if self.eight_bit {
            Body::EightBitMime
        } else {
            Body::SevenBit
        }
    }
}

impl Default for ContentMeter {
    fn default() -> Self {
        Self::new()
    }
}

/// Octets of `content` before the next one that needs rewriting.
fn run_length(content: &[u8]) -> usize {
    content
        .iter()
        .position(|octet| matches!(octet, b'\r' | b'\n' | 0))
        .unwrap_or(content.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Body, ContentEncoder, ContentMeter};

    fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = ContentEncoder::new();
        let mut wire = Vec::new();
        for piece in pieces {
            encoder.encode(piece, &mut wire);
        }
        encoder.finish(&mut wire);
        wire
    }

    /// EOL-04: "Output: CRLF only, dot-stuffed; no bare CR/LF, no NUL".
    #[test]
    fn eol_04_every_line_end_becomes_crlf_and_dots_are_doubled() {
        let rows: &[(&[u8], &[u8])] = &[
            (b"", b".\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a\nb\n", b"a\r\nb\r\n.\r\n"),
            (b"a\rb", b"a\r\nb\r\n.\r\n"),
            (b"a\r\r\nb", b"a\r\n\r\nb\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b"..x\r\n.y", b"...x\r\n..y\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\0b", b"a?b\r\n.\r\n"),
            (b"\0.", b"?.\r\n.\r\n"),
            (b"a.b", b"a.b\r\n.\r\n"),
        ];
        for (content, wire) in rows {
            assert_eq!(
                encoded(&[content]),
                *wire,
                "{:?}",
                content.escape_ascii().to_string()
            );
        }
    }

    /// V-51: "body of all 3-letter words over {CR, LF, `.`} up to 9 → round trip", as a server that knows CRLF alone reads it.
    #[test]
    fn v_51_every_word_of_dots_and_line_ends_arrives() {
        for length in 0..=9 {
            for word in 0..3_usize.pow(length) {
                let letter = |place| b"\r\n."[word / 3_usize.pow(place) % 3];
                let content: Vec<u8> = (0..length).map(letter).collect();
                let wire = String::from_utf8(encoded(&[&content])).unwrap();
                let read: String = wire
                    .split_inclusive("\r\n")
                    .take_while(|line| *line != ".\r\n")
                    .map(|line| line.strip_prefix('.').unwrap_or(line))
                    .collect();
                let text = String::from_utf8(content).unwrap();
                let mut meant = text
                    .replace("\r\n", "\n")
                    .replace('\r', "\n")
                    .replace('\n', "\r\n");
                if !meant.is_empty() && !meant.ends_with("\r\n") {
                    meant.push_str("\r\n");
                }
                assert_eq!(read, meant, "{text:?}");
            }
        }
    }

    #[test]
    fn splitting_changes_nothing() {
        let content = b"a\r\n.b\n..\r.\r\n\0\n.\n";
        for cut in 0..=content.len() {
            let (left, right) = content.split_at(cut);
            assert_eq!(encoded(&[left, right]), encoded(&[content]), "cut at {cut}");
        }
    }

    proptest! {
        /// T-35: nothing that comes in can end the data early, and SIZE= is exact (SIZE-02).
        #[test]
        fn the_only_end_of_data_is_ours(content in prop::collection::vec(prop::sample::select(b"\r\n.\0ab\xe9".to_vec()), 0..60)) {
            let wire = encoded(&[&content]);
            let body = wire.strip_suffix(b".\r\n").unwrap();
            prop_assert!(!body.starts_with(b".\r\n"));
            prop_assert!(!body.windows(5).any(|window| window == b"\r\n.\r\n"));
            let mut unstuffed = 0;
            for line in body.split_inclusive(|octet| *octet == b'\n') {
                prop_assert!(line.ends_with(b"\r\n"));
                let text = &line[..line.len() - 2];
                prop_assert!(!text.contains(&b'\r') && !text.contains(&0));
                unstuffed += line.len() - usize::from(text.starts_with(b"."));
            }
            let meter = ContentMeter::of(&content);
            prop_assert_eq!(meter.octets(), unstuffed as u64);
            prop_assert_eq!(meter.body() == Body::EightBitMime, content.contains(&0xe9));
        }
    }
}
