//! Octets from the server → replies.
//!
//! Tolerant in form, strict in size: lines end in LF with or without CR (LS-33), a last line may be a bare code (CODE-12), any octet
//! may stand in the text (it is data, shown escaped), but one reply is at most [`REPLY_LIMIT`] octets however it is cut into lines,
//! and each octet is looked at once. A server that breaks these rules is not understood any further: the fault is final.
//!
//! Standards: RFC 5321 §4.2, RFC 2034 §4 (enhanced codes), CLI-03.

use std::borrow::Cow;

use crate::reply::{EnhancedCode, Reply, ReplyCode};

/// Most octets of one reply, all its lines with their ends together. RFC 5321 §4.5.3.1.5 allows 512 a line; EHLO lists and
/// explanations with links are longer in the field.
pub const REPLY_LIMIT: usize = 64 * 1024;

/// Why the server's octets are not a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyFault {
    /// A line does not begin with three digits of which the first is 2 to 5: whoever speaks there does not speak SMTP.
    NotAReply,
    /// The reply is longer than [`REPLY_LIMIT`].
    TooLong,
}

impl std::fmt::Display for ReplyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotAReply => "what came is not an SMTP reply",
            Self::TooLong => "a reply of more than 64 KiB",
        })
    }
}

/// Collects octets and hands out whole replies.
#[derive(Debug, Default)]
pub(super) struct ReplyDecoder {
    buffer: Vec<u8>,
    /// Octets of `buffer` already handed out as lines.
    taken: usize,
    /// Octets of `buffer` known to hold no line end.
    scanned: usize,
    /// Finished lines of the reply that is still coming in.
    lines: Vec<Cow<'static, str>>,
    /// Octets of those lines.
    size: usize,
    enhanced: Option<EnhancedCode>,
}

impl ReplyDecoder {
    /// Takes octets as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.scanned -= self.taken;
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole reply, if one is there. A fault repeats on every later call.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, ReplyFault> {
        while let Some(line) = self.take_line()? {
            let (code, last, text) = split_line(&line)?;
            self.size += line.len();
            if self.size > REPLY_LIMIT {
                return Err(ReplyFault::TooLong);
            }
            let text = String::from_utf8_lossy(text);
            let (enhanced, text) = EnhancedCode::split(code, &text);
            self.enhanced = self.enhanced.or(enhanced);
            self.lines.push(Cow::Owned(text.to_owned()));
            if last {
                self.size = 0;
                return Ok(Some(Reply {
                    code,
                    enhanced: self.enhanced.take(),
                    lines: std::mem::take(&mut self.lines),
                }));
            }
        }
        Ok(None)
    }

    /// Whether octets are left that belong to no reply handed out so far.
    pub(super) fn holds_more(&self) -> bool {
        self.taken < self.buffer.len() || !self.lines.is_empty()
    }

    /// Gives back everything not handed out yet, as it came: what follows a reply may be spoken through a security layer.
    pub(super) fn into_rest(mut self) -> Vec<u8> {
        self.buffer.drain(..self.taken);
        self.buffer
    }

    /// The octets at hand before any reply was made of them.
    pub(super) fn peek(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    fn take_line(&mut self) -> Result<Option<Vec<u8>>, ReplyFault> {
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(at) = unseen.iter().position(|octet| *octet == b'\n') else {
            self.scanned = self.buffer.len();
            let partial = self.scanned - self.taken;
            return if self.size + partial > REPLY_LIMIT {
                Err(ReplyFault::TooLong)
            } else {
                Ok(None)
            };
        };
        let end = self.scanned + at;
        let line = self.buffer.get(self.taken..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.taken = end + 1;
        self.scanned = self.taken;
        Ok(Some(line))
    }
}

/// Code, whether the line is the reply's last, text after the separator.
fn split_line(line: &[u8]) -> Result<(ReplyCode, bool, &[u8]), ReplyFault> {
    let (digits, rest) = line.split_at_checked(3).ok_or(ReplyFault::NotAReply)?;
    let code = ReplyCode::parse(digits).ok_or(ReplyFault::NotAReply)?;
    match rest.split_first() {
        None => Ok((code, true, rest)),
        Some((b'-', text)) => Ok((code, false, text)),
        Some((b' ' | b'\t', text)) => Ok((code, true, text)),
        Some(_) => Err(ReplyFault::NotAReply),
    }
}

#[cfg(test)]
mod tests {
    use super::{REPLY_LIMIT, ReplyDecoder, ReplyFault};

    fn all(wire: &[u8]) -> Vec<(u16, Option<String>, Vec<String>)> {
        let mut decoder = ReplyDecoder::default();
        decoder.push(wire);
        let mut replies = Vec::new();
        while let Some(reply) = decoder.next().unwrap() {
            let enhanced = reply.enhanced.map(|code| code.to_string());
            replies.push((
                reply.code.value(),
                enhanced,
                reply.lines.iter().map(ToString::to_string).collect(),
            ));
        }
        replies
    }

    fn one(wire: &[u8]) -> (u16, Option<String>, Vec<String>) {
        let mut replies = all(wire);
        assert_eq!(replies.len(), 1);
        replies.remove(0)
    }

    /// CODE-10, CODE-12, SMTP-19, CLI-03, LS-04, LS-05, LS-33: forms seen in the field. V-23: codes without text.
    #[test]
    fn forms_of_the_field() {
        type Row = (
            &'static [u8],
            u16,
            Option<&'static str>,
            &'static [&'static str],
        );
        let rows: &[Row] = &[
            (b"250 ok\r\n", 250, None, &["ok"]),
            (b"334\r\n", 334, None, &[""]),
            (b"334 \r\n", 334, None, &[""]),
            (b"334  \r\n", 334, None, &[" "]),
            (b"334\tYQ==\r\n", 334, None, &["YQ=="]),
            (b"250\n", 250, None, &[""]),
            (b"250-a\n250 b\n", 250, None, &["a", "b"]),
            (
                b"535-5.7.8 No.\r\n535 5.7.8 See http://x/\r\n",
                535,
                Some("5.7.8"),
                &["No.", "See http://x/"],
            ),
            (b"250 4.7.0 odd\r\n", 250, None, &["4.7.0 odd"]),
            (b"550 5.7.1.2 odd\r\n", 550, None, &["5.7.1.2 odd"]),
            (b"550 5.7001.1 odd\r\n", 550, None, &["5.7001.1 odd"]),
            (b"250 2.0.0\r\n", 250, Some("2.0.0"), &[""]),
            (b"550 5.7\r\n", 550, None, &["5.7"]),
            (b"550 5.7.1\r\n", 550, Some("5.7.1"), &[""]),
            (b"550-\r\n550\r\n", 550, None, &["", ""]),
            (b"250-a\r\n451 b\r\n", 451, None, &["a", "b"]),
            (b"220 caf\xe9\r\n", 220, None, &["caf\u{fffd}"]),
        ];
        for (wire, code, enhanced, lines) in rows {
            let (got_code, got_enhanced, got_lines) = one(wire);
            assert_eq!(
                (got_code, got_enhanced.as_deref(), got_lines),
                (
                    *code,
                    *enhanced,
                    lines.iter().map(ToString::to_string).collect()
                )
            );
        }
    }

    #[test]
    fn what_is_no_reply_is_a_fault() {
        for wire in [
            &b"HTTP/1.1 400 Bad\r\n"[..],
            b"25\r\n",
            b"2500 x\r\n",
            b"150 x\r\n",
            b"650 x\r\n",
            b"\r\n",
            b"250_x\r\n",
            b"\x15\x03\x01\x00\x02\n",
        ] {
            let mut decoder = ReplyDecoder::default();
            decoder.push(wire);
            assert_eq!(
                decoder.next().unwrap_err(),
                ReplyFault::NotAReply,
                "{}",
                wire.escape_ascii()
            );
        }
    }

    #[test]
    fn splitting_changes_nothing() {
        let wire = b"220-a\r\n220 b\r\n334\r\n250 2.1.0 c\n";
        for cut in 0..=wire.len() {
            let mut decoder = ReplyDecoder::default();
            let mut count = 0;
            for piece in [&wire[..cut], &wire[cut..]] {
                decoder.push(piece);
                while decoder.next().unwrap().is_some() {
                    count += 1;
                }
            }
            assert_eq!(count, 3, "cut at {cut}");
            assert!(!decoder.holds_more());
        }
    }

    /// CLI-03, T-48: 64 KiB a reply, in one line or in a million, ended or not.
    #[test]
    fn a_reply_has_an_end() {
        let rows: [(Vec<u8>, bool); 4] = [
            (
                [b"250 ".as_slice(), &vec![b'x'; REPLY_LIMIT - 4], b"\r\n"].concat(),
                true,
            ),
            (
                [b"250 ".as_slice(), &vec![b'x'; REPLY_LIMIT], b"\r\n"].concat(),
                false,
            ),
            (b"250-x\r\n".repeat(1_000_000), false),
            (vec![b'2'; REPLY_LIMIT + 1], false),
        ];
        for (wire, good) in rows {
            let mut decoder = ReplyDecoder::default();
            let mut ended = Ok(None);
            for piece in wire.chunks(8192) {
                decoder.push(piece);
                ended = decoder.next();
                if ended != Ok(None) {
                    break;
                }
            }
            assert_eq!(ended.as_ref().is_ok_and(Option::is_some), good, "{ended:?}");
            assert!(decoder.peek().len() <= REPLY_LIMIT + 8192);
        }
    }
}
