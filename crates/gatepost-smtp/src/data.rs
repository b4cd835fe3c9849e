//! Octets behind DATA → message: dot-unstuffing, line ends, and the one and only end of data.
//!
//! States: at the start of a line, inside one, behind CRs whose LF may follow, behind a dot that
//! began a line, ended.
//!
//! A line ends in CRLF; LF and CR alone (and CRs before CRLF) are *bare* line ends, which become
//! CRLF. Data ends at a line that is a lone dot, if this line *and the one before it* end in CRLF,
//! and nowhere else. A lone dot beside a bare line end is dropped: it is neither the end nor
//! content, so that no other reader of the message can take it for an end (EOL-01..03, as Postfix
//! `smtpd_forbid_bare_newline = normalize`). Every other line that begins with a dot loses it.
//!
//! A first line `From ` (with any number of `>` before it) becomes `X-Mailbox-Line:`, and white
//! space before the first header field gets an empty line before it (EOL-03).
//!
//! Streaming: what is not changed is copied in runs across lines; nothing is buffered.
//!
//! Standards: RFC 5321 §4.5.2, §2.3.8.

use memchr::memchr2;

/// Decodes one message.
#[derive(Debug)]
pub(crate) struct DataDecoder {
    state: State,
    /// The line before this one ended in CRLF, as the DATA command itself did.
    after_crlf: bool,
    bare: BareLineEnds,
    crlf_seen: bool,
    lf_end_of_data: bool,
    preamble: Preamble,
}

/// Whether bare line ends were met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BareLineEnds {
    None,
    Met,
}

/// What [`DataDecoder::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Octets of the input that are done with: all of them, unless the data ended.
    pub(crate) used: usize,
    /// How the data ended, if it did.
    pub(crate) end: Option<EndOfData>,
}

/// How data ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndOfData {
    /// CRLF.CRLF
    Standard,
    /// LF.LF from a device that may (EOL-05).
    LineFeed,
}

#[derive(Clone, Copy, Debug)]
enum State {
    LineStart,
    Inside,
    /// Behind this many CRs that followed content.
    Cr(u64),
    /// Behind a dot that began a line.
    Dot,
    /// Behind this many CRs that followed a lone dot.
    DotCr(u64),
}

impl DataDecoder {
    /// `lf_end_of_data`: LF.LF ends a message that has LF alone everywhere, if nothing follows it
    /// (EOL-05).
    pub(crate) fn new(lf_end_of_data: bool) -> Self {
        Self {
            state: State::LineStart,
            after_crlf: true,
            bare: BareLineEnds::None,
            crlf_seen: false,
            lf_end_of_data,
            preamble: Preamble::default(),
        }
    }

    /// Whether the message had line ends that are not CRLF.
    pub(crate) fn bare_line_ends(&self) -> BareLineEnds {
        self.bare
    }

    /// Decodes `input`, appending to `out`. Not to be called again after the end.
    pub(crate) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Decoded {
        out.reserve(input.len());
        let mut position = 0;
        while let Some(&octet) = input.get(position) {
            position += match self.state {
                State::LineStart if octet == b'.' => self.enter(State::Dot, 1),
                State::LineStart | State::Inside => {
                    self.run(input.get(position..).unwrap_or_default(), out)
                }
                State::Cr(count) if octet == b'\r' => self.enter(State::Cr(count + 1), 1),
                State::Cr(count) if octet == b'\n' => {
                    self.end_line(count == 1, out);
                    1
                }
                State::Cr(count) => self.bare_carriage_returns(count, out),
                State::Dot if octet == b'\r' => self.enter(State::DotCr(1), 1),
                State::Dot if octet == b'\n' => {
                    if self.is_line_feed_end(position + 1 == input.len()) {
                        return self.ended(position + 1, EndOfData::LineFeed, out);
                    }
                    self.drop_lone_dot(false);
                    1
                }
                State::Dot => self.enter(State::Inside, 0),
                State::DotCr(count) if octet == b'\r' => self.enter(State::DotCr(count + 1), 1),
                State::DotCr(count) if octet == b'\n' => {
                    if count == 1 && self.after_crlf {
                        return self.ended(position + 1, EndOfData::Standard, out);
                    }
                    self.drop_lone_dot(count == 1);
                    1
                }
                State::DotCr(count) => {
                    self.drop_lone_dot(false);
                    self.bare_carriage_returns(count - 1, out)
                }
            };
        }
        Decoded {
            used: position,
            end: None,
        }
    }

    fn enter(&mut self, state: State, used: usize) -> usize {
        self.state = state;
        used
    }

    /// Copies whole lines as long as they end in CRLF and begin with no dot. Returns how many
    /// octets it took.
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        self.state = State::Inside;
        let mut position = 0;
        while let Some(found) = memchr2(b'\r', b'\n', input.get(position..).unwrap_or_default()) {
            let end = position + found;
            match input.get(end..) {
                Some([b'\r', b'\n', next @ ..]) => {
                    self.crlf_seen = true;
                    self.after_crlf = true;
                    position = end + 2;
                    if matches!(next, [b'.', ..] | []) {
                        self.state = State::LineStart;
                        break;
                    }
                }
                Some([b'\r', ..]) => {
                    self.emit(input.get(..end).unwrap_or_default(), out);
                    return self.enter(State::Cr(1), end + 1);
                }
                _ => {
                    self.emit(input.get(..end).unwrap_or_default(), out);
                    self.end_line(false, out);
                    return end + 1;
                }
            }
        }
        let taken = if matches!(self.state, State::LineStart) {
            position
        } else {
            input.len()
        };
        self.emit(input.get(..taken).unwrap_or_default(), out);
        taken
    }

    fn end_line(&mut self, clean: bool, out: &mut Vec<u8>) {
        self.emit(b"\r\n", out);
        self.line_ended(clean);
    }

    fn line_ended(&mut self, clean: bool) {
        self.state = State::LineStart;
        self.after_crlf = clean;
        if clean {
            self.crlf_seen = true;
        } else {
            self.bare = BareLineEnds::Met;
        }
    }

    /// CRs that no LF followed: each ends a line.
    fn bare_carriage_returns(&mut self, count: u64, out: &mut Vec<u8>) -> usize {
        for _ in 0..count {
            self.end_line(false, out);
        }
        // A CR is no LF: such a message is not one of LF alone.
        self.crlf_seen = true;
        0
    }

    fn drop_lone_dot(&mut self, clean: bool) {
        self.line_ended(clean);
        self.bare = BareLineEnds::Met;
    }

    fn is_line_feed_end(&self, nothing_follows: bool) -> bool {
        self.lf_end_of_data && !self.crlf_seen && nothing_follows
    }

    fn ended(&mut self, used: usize, end: EndOfData, out: &mut Vec<u8>) -> Decoded {
        self.preamble.finish(out);
        Decoded {
            used,
            end: Some(end),
        }
    }

    fn emit(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match self.preamble {
            Preamble::Done => out.extend_from_slice(octets),
            _ => self.preamble.pass(octets, out),
        }
    }
}

/// The rules for the first line, applied to decoded octets.
#[derive(Clone, Copy, Debug)]
enum Preamble {
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
    fn pass(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for (position, &octet) in octets.iter().enumerate() {
            match *self {
                Self::Held { angles, matched: 0 } if octet == b'>' => {
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
    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Self::Held { angles, matched } = *self {
            out.extend(std::iter::repeat_n(b'>', angles));
            out.extend_from_slice(FROM.get(..matched).unwrap_or_default());
        }
        *self = Self::Done;
    }
}

#[cfg(test)]
mod tests;
