//! Octets → lines, with limits. States: collecting, skipping a line that is too long.
//!
//! A line ends in CRLF or in a lone LF; which of them is said, and the caller decides whether a
//! lone LF is tolerated (EOL-06). A line beyond its limit is swallowed to its end and reported
//! once, so that the session stays in step (SMTP-06, AUTH-13). Nothing is copied here and no octet
//! is looked at twice, however small the pieces it comes in.

use memchr::memchr;

use crate::reply::Refusal;

/// How long a line may be, and what is said to a longer one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineLimit {
    /// With the line end.
    pub(crate) octets: usize,
    pub(crate) refusal: Refusal,
}

/// Finds line ends in a buffer that grows at its end.
#[derive(Debug, Default)]
pub(crate) struct LineDecoder {
    /// Octets at the beginning of the buffer that are known to hold no LF.
    scanned: usize,
    /// Inside a line that has passed its limit, and what is to be said at its end.
    skipping: Option<Refusal>,
}

/// What stands at the beginning of the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan<'a> {
    /// A line. `used` octets of the buffer are done with.
    Line {
        content: &'a [u8],
        ending: LineEnd,
        used: usize,
    },
    /// The end of a line that was too long.
    TooLong { refusal: Refusal, used: usize },
    /// No line end yet. `used` octets (of a line that is too long) are done with.
    Partial { used: usize },
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    CrLf,
    Lf,
}

impl LineDecoder {
    /// Looks for the next line.
    pub(crate) fn scan<'a>(&mut self, buffer: &'a [u8], limit: LineLimit) -> Scan<'a> {
        let unseen = buffer.get(self.scanned..).unwrap_or_default();
        match memchr(b'\n', unseen) {
            Some(position) => {
                let end = self.scanned + position;
                self.scanned = 0;
                self.complete(buffer.get(..end).unwrap_or_default(), limit)
            }
            None if self.skipping.is_some() || buffer.len() >= limit.octets => {
                *self = Self {
                    scanned: 0,
                    skipping: self.skipping.or(Some(limit.refusal)),
                };
                Scan::Partial { used: buffer.len() }
            }
            None => {
                self.scanned = buffer.len();
                Scan::Partial { used: 0 }
            }
        }
    }

    fn complete<'a>(&mut self, line: &'a [u8], limit: LineLimit) -> Scan<'a> {
        let used = line.len() + 1;
        let too_long = (used > limit.octets).then_some(limit.refusal);
        if let Some(refusal) = self.skipping.take().or(too_long) {
            return Scan::TooLong { refusal, used };
        }
        match line.strip_suffix(b"\r") {
            Some(content) => Scan::Line {
                content,
                ending: LineEnd::CrLf,
                used,
            },
            None => Scan::Line {
                content: line,
                ending: LineEnd::Lf,
                used,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `size` octets and writes down what came out.
    fn lines(input: &[u8], limit: usize, size: usize) -> Vec<String> {
        let limit = LineLimit {
            octets: limit,
            refusal: Refusal::LineTooLong,
        };
        let mut decoder = LineDecoder::default();
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        for piece in input.chunks(size) {
            buffer.extend_from_slice(piece);
            loop {
                let (used, partial) = match decoder.scan(&buffer, limit) {
                    Scan::Line {
                        content,
                        ending,
                        used,
                    } => {
                        seen.push(format!("{:?} {}", ending, content.escape_ascii()));
                        (used, false)
                    }
                    Scan::TooLong { used, .. } => {
                        seen.push("too long".to_owned());
                        (used, false)
                    }
                    Scan::Partial { used } => (used, true),
                };
                buffer.drain(..used);
                if partial {
                    assert!(
                        buffer.len() < limit.octets,
                        "nothing beyond the limit is kept"
                    );
                    break;
                }
            }
        }
        seen
    }

    // EOL-06, SMTP-06
    #[test]
    fn eol_06_smtp_06_lines_and_limits_do_not_depend_on_the_pieces() {
        let input =
            b"EHLO x\r\nNOOP\n\r\n\n12345678\r\n123456789\r\n12345678901234567890\nQUIT\r\n";
        let expected = [
            "CrLf EHLO x",
            "Lf NOOP",
            "CrLf ",
            "Lf ",
            "CrLf 12345678",
            "too long",
            "too long",
            "CrLf QUIT",
        ];
        for size in 1..=input.len() {
            assert_eq!(lines(input, 10, size), expected, "pieces of {size}");
        }
    }

    // EOL-09
    #[test]
    fn eol_09_a_carriage_return_inside_a_line_stays_visible() {
        assert_eq!(
            lines(b"A\rB\r\nC\r\r\n", 100, 1),
            ["CrLf A\\rB", "CrLf C\\r"]
        );
    }

    #[test]
    fn t_37_a_line_of_any_length_takes_no_memory() {
        let limit = LineLimit {
            octets: 100,
            refusal: Refusal::AuthLineTooLong,
        };
        let mut decoder = LineDecoder::default();
        for _ in 0..10_000 {
            assert_eq!(
                decoder.scan(&[b'x'; 100], limit),
                Scan::Partial { used: 100 }
            );
        }
        assert_eq!(
            decoder.scan(b"\r\n", limit),
            Scan::TooLong {
                refusal: Refusal::AuthLineTooLong,
                used: 2
            }
        );
    }
}
