//! Applies the transfer encodings of MIME (RFC 2045 §6.7, §6.8) to a body that arrives in pieces.
//!
//! Each encoder keeps less than one line in memory and writes to the end of a buffer of its caller. What comes out is ASCII in lines of
//! at most 76 characters that end in CRLF; NUL, bare CR and bare LF are encoded like any other octet that is no text.
//!
//! Two encoders repair instead: [`Encoder::repair_quoted_printable`] and [`Encoder::rewrap_base64`] take a body that has the encoding
//! already and bring its lines and octets within the bounds, without changing what it decodes to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest line of an encoded body, its line end not counted (RFC 2045 §6.7 rule 5, §6.8).
const MAX_LINE: usize = 76;

/// Octets that fill a line of base64.
const BASE64_LINE: usize = MAX_LINE / 4 * 3;

/// Encodes one body.
#[derive(Debug)]
pub struct Encoder {
    form: Form,
}

#[derive(Debug)]
enum Form {
    QuotedPrintable(QuotedPrintable),
    Base64(Base64),
    Rewrap { column: usize },
}

impl Encoder {
    /// Quoted-printable: for text, most of which stays readable.
    pub fn quoted_printable() -> Self {
        Self {
            form: Form::QuotedPrintable(QuotedPrintable::default()),
        }
    }

    /// For a body that is quoted-printable but has octets above 127 or lines that are too long.
    pub fn repair_quoted_printable() -> Self {
        Self {
            form: Form::QuotedPrintable(QuotedPrintable {
                keeps_escapes: true,
                ..QuotedPrintable::default()
            }),
        }
    }

    /// Base64: for everything that is no text.
    pub fn base64() -> Self {
        Self {
            form: Form::Base64(Base64::default()),
        }
    }

    /// For a body that is base64 but in lines that are too long, or with octets that readers skip (RFC 2045 §6.8).
    pub fn rewrap_base64() -> Self {
        Self {
            form: Form::Rewrap { column: 0 },
        }
    }

    /// Encodes the next piece.
    pub fn push(&mut self, octets: &[u8], written: &mut Vec<u8>) {
        match &mut self.form {
            Form::QuotedPrintable(encoder) => encoder.push(octets, written),
            Form::Base64(encoder) => encoder.push(octets, written),
            Form::Rewrap { column } => rewrap(octets, column, written),
        }
    }

    /// Ends the body. The last line has no line end of its own where `line_end_follows`.
    pub fn finish(self, line_end_follows: bool, written: &mut Vec<u8>) {
        let is_open = match self.form {
            Form::QuotedPrintable(encoder) => {
                encoder.finish(written);
                return;
            }
            Form::Base64(encoder) => encoder.finish(written),
            Form::Rewrap { column } => column > 0,
        };
        if is_open && !line_end_follows {
            written.extend_from_slice(b"\r\n");
        }
    }
}

#[derive(Debug, Default)]
struct QuotedPrintable {
    column: usize,
    /// White space that stands at the end of the line, as far as is known.
    space: Option<u8>,
    /// A CR that may begin a line end.
    carriage_return: bool,
    keeps_escapes: bool,
    /// Hexadecimal digits of a kept escape that are still to come: no line breaks before them.
    digits: u8,
}

impl QuotedPrintable {
    fn push(&mut self, octets: &[u8], written: &mut Vec<u8>) {
        for &octet in octets {
            if std::mem::take(&mut self.carriage_return) {
                if octet == b'\n' {
                    self.end_line(written);
                    continue;
                }
                self.settle_space(written);
                self.escape(b'\r', written);
            }
            match octet {
                b'\r' => self.carriage_return = true,
                b' ' | b'\t' => {
                    self.settle_space(written);
                    self.space = Some(octet);
                }
                _ => {
                    self.settle_space(written);
                    self.octet(octet, written);
                }
            }
        }
    }

    fn finish(mut self, written: &mut Vec<u8>) {
        if self.carriage_return {
            self.settle_space(written);
            self.escape(b'\r', written);
        }
        if let Some(space) = self.space.take() {
            self.escape(space, written);
        }
    }

    /// Rule 3: white space at the end of a line is encoded, since it is lost on the way otherwise.
    fn end_line(&mut self, written: &mut Vec<u8>) {
        if let Some(space) = self.space.take() {
            self.escape(space, written);
        }
        written.extend_from_slice(b"\r\n");
        (self.column, self.digits) = (0, 0);
    }

    fn settle_space(&mut self, written: &mut Vec<u8>) {
        if let Some(space) = self.space.take() {
            self.literal(space, 1, written);
        }
    }

    fn octet(&mut self, octet: u8, written: &mut Vec<u8>) {
        match octet {
            b'=' if self.keeps_escapes => {
                self.literal(b'=', 3, written);
                self.digits = 2;
            }
            b'=' | 0..0x20 | 0x7f.. => self.escape(octet, written),
            _ if self.digits > 0 => {
                self.digits -= 1;
                self.literal(octet, 0, written);
            }
            _ => self.literal(octet, 1, written),
        }
    }

    fn escape(&mut self, octet: u8, written: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        self.make_room(3, written);
        written.extend_from_slice(&[b'=', digit(octet >> 4), digit(octet & 15)]);
        self.column += 3;
    }

    /// Writes an octet as it is, which needs `room` on the line together with what must follow it there.
    fn literal(&mut self, octet: u8, room: usize, written: &mut Vec<u8>) {
        self.make_room(room, written);
        written.push(octet);
        self.column += 1;
    }

    /// Rule 5: a soft line break, for which one column is kept free.
    fn make_room(&mut self, room: usize, written: &mut Vec<u8>) {
        if self.column + room > MAX_LINE - 1 && room > 0 {
            written.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
    }
}

#[derive(Debug, Default)]
struct Base64 {
    /// Less than a line.
    left: Vec<u8>,
    has_lines: bool,
}

impl Base64 {
    fn push(&mut self, octets: &[u8], written: &mut Vec<u8>) {
        self.left.extend_from_slice(octets);
        let whole = self.left.len() - self.left.len() % BASE64_LINE;
        // The last line waits for more, so that no line end has to be taken back.
        let whole = if whole == self.left.len() {
            whole.saturating_sub(BASE64_LINE)
        } else {
            whole
        };
        for line in self.left.drain(..whole).as_slice().chunks(BASE64_LINE) {
            encode_line(line, &mut self.has_lines, written);
        }
    }

    /// Whether the last line is open.
    fn finish(mut self, written: &mut Vec<u8>) -> bool {
        if !self.left.is_empty() {
            encode_line(&self.left, &mut self.has_lines, written);
        }
        self.has_lines
    }
}

fn encode_line(line: &[u8], has_lines: &mut bool, written: &mut Vec<u8>) {
    if std::mem::replace(has_lines, true) {
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(STANDARD.encode(line).as_bytes());
}

fn rewrap(octets: &[u8], column: &mut usize, written: &mut Vec<u8>) {
    let digits = octets.iter().filter(
        |octet| matches!(octet, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'='),
    );
    for &digit in digits {
        if *column == MAX_LINE {
            written.extend_from_slice(b"\r\n");
            *column = 0;
        }
        written.push(digit);
        *column += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::transfer_encoding;

    /// Encodes in pieces of every size, which must not matter.
    fn encoded(make: fn() -> Encoder, body: &[u8]) -> Vec<u8> {
        let in_pieces = |size: usize| {
            let (mut encoder, mut written) = (make(), Vec::new());
            for piece in body.chunks(size) {
                encoder.push(piece, &mut written);
            }
            encoder.finish(true, &mut written);
            written
        };
        let whole = in_pieces(body.len().max(1));
        for size in 1..body.len().min(80) {
            assert_eq!(in_pieces(size), whole, "pieces of {size}");
        }
        whole
    }

    #[test]
    fn quoted_printable_as_its_rules_say() {
        let long = "a".repeat(80);
        let table = [
            ("plain\r\n", "plain\r\n".to_owned()),
            ("a = b\r\n", "a =3D b\r\n".to_owned()),
            ("Müller\r\n", "M=C3=BCller\r\n".to_owned()),
            ("end \r\n\t\r\n", "end=20\r\n=09\r\n".to_owned()),
            ("end ", "end=20".to_owned()),
            ("a\rb\nc\0\r", "a=0Db=0Ac=00=0D".to_owned()),
            (&long, format!("{}=\r\n{}", "a".repeat(75), "a".repeat(5))),
            ("", String::new()),
        ];
        for (body, expected) in table {
            let written = encoded(Encoder::quoted_printable, body.as_bytes());
            assert_eq!(String::from_utf8(written).unwrap(), expected, "{body:?}");
        }
    }

    #[test]
    fn what_is_encoded_already_is_only_repaired() {
        let long = "=C3=BC".repeat(40);
        let body = format!("soft=\r\nü {long}\r\n");
        let repaired = encoded(Encoder::repair_quoted_printable, body.as_bytes());
        assert!(repaired.is_ascii() && repaired.split(|it| *it == b'\n').all(|it| it.len() <= 77));
        assert_eq!(
            transfer_encoding::quoted_printable(&repaired),
            "softü "
                .to_owned()
                .into_bytes()
                .into_iter()
                .chain("ü".repeat(40).bytes())
                .chain(*b"\r\n")
                .collect::<Vec<u8>>()
        );
        let line = STANDARD.encode([7; 300]);
        let body = format!("{line}\u{e9}");
        let rewrapped = encoded(Encoder::rewrap_base64, body.as_bytes());
        assert!(rewrapped.split(|it| *it == b'\n').all(|it| it.len() <= 77));
        assert_eq!(transfer_encoding::base64(&rewrapped), [7; 300]);
    }

    #[test]
    fn base64_ends_its_last_line_only_where_nobody_else_does() {
        for (length, lines) in [(0, 0), (1, 1), (57, 1), (58, 2), (114, 2)] {
            for follows in [true, false] {
                let (mut encoder, mut written) = (Encoder::base64(), Vec::new());
                encoder.push(&vec![b'x'; length], &mut written);
                encoder.finish(follows, &mut written);
                let ends = written.windows(2).filter(|two| two == b"\r\n").count();
                let expected: usize = if follows {
                    lines - usize::from(lines > 0)
                } else {
                    lines
                };
                assert_eq!(ends, expected, "{length} {follows}");
            }
        }
    }

    proptest! {
        /// SMTP-06, EOL-04: whatever the octets, what is written is ASCII in short lines and decodes to them.
        #[test]
        fn every_body_survives(body in prop::collection::vec(prop::sample::select(b"\r\n =.a\t\0\xe9\xff".to_vec()), 0..300)) {
            for make in [Encoder::quoted_printable, Encoder::base64] {
                let written = encoded(make, &body);
                prop_assert!(written.is_ascii() && !written.contains(&0));
                for line in written.split(|octet| *octet == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    prop_assert!(line.len() <= MAX_LINE && !line.contains(&b'\r'));
                }
            }
            let decoded = transfer_encoding::base64(&encoded(Encoder::base64, &body));
            prop_assert_eq!(&decoded, &body);
            let decoded = transfer_encoding::quoted_printable(&encoded(Encoder::quoted_printable, &body));
            prop_assert_eq!(&decoded, &body);
        }
    }
}
