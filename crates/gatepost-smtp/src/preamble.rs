//! What some mailers put before the first header field, made harmless.
//!
//! A first line `From ` (with any number of `>` before it) becomes `X-Mailbox-Line:`, and white
//! space before the first header field gets an empty line before it (EOL-03). Applied to decoded
//! octets, in pieces of any size; nothing is buffered but the number of `>`s, which is bounded
//! (T-37).

/// `>`s before `From ` that are still taken for quoting: what is held back is in no count of
/// octets, and must not grow.
const MAX_ANGLES: usize = 64;

/// Where the message stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Preamble {
    /// At the beginning of a line: this many `>`, then this many characters of `From `, are held
    /// back.
    Held { angles: usize, matched: usize },
    /// Inside a line that was renamed.
    MailboxLine,
    /// The header section has begun.
    Done,
}

const FROM: &[u8] = b"From ";

impl Default for Preamble {
    fn default() -> Self {
        Self::Held {
            angles: 0,
            matched: 0,
        }
    }
}

impl Preamble {
    /// Appends `octets` to `out`, repaired.
    pub(crate) fn pass(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for (position, &octet) in octets.iter().enumerate() {
            match *self {
                Self::Held { angles, matched: 0 } if octet == b'>' && angles < MAX_ANGLES => {
                    *self = Self::Held {
                        angles: angles + 1,
                        matched: 0,
                    }
                }
                Self::Held { angles, matched } if FROM.get(matched) == Some(&octet) => {
                    *self = Self::Held {
                        angles,
                        matched: matched + 1,
                    };
                    if matched + 1 == FROM.len() {
                        out.extend_from_slice(b"X-Mailbox-Line: ");
                        self.finish(out);
                        *self = Self::MailboxLine;
                    }
                }
                Self::MailboxLine => {
                    out.push(octet);
                    if octet == b'\n' {
                        *self = Self::default();
                    }
                }
                Self::Held { angles, matched } => {
                    if angles + matched == 0 && matches!(octet, b' ' | b'\t') {
                        out.extend_from_slice(b"\r\n");
                    }
                    self.finish(out);
                    return out.extend_from_slice(octets.get(position..).unwrap_or_default());
                }
                Self::Done => {
                    return out.extend_from_slice(octets.get(position..).unwrap_or_default());
                }
            }
        }
    }

    /// Gives out what is held back.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Self::Held { angles, matched } = *self {
            out.extend(std::iter::repeat_n(b'>', angles));
            out.extend_from_slice(FROM.get(..matched).unwrap_or_default());
        }
        *self = Self::Done;
    }
}
