//! Octets behind DATA → message: dot-unstuffing, line ends, and the one and only end of data.
//!
//! States: at the start of a line, inside one, behind CRs whose LF may follow, behind a dot that
//! began a line, ended.
//!
//! A line ends in CRLF; LF and CR alone (and CRs before CRLF) are *bare* line ends, which become
//! CRLF. Data ends at the octets CRLF.CRLF, and nowhere else. A lone dot beside a bare line end is
//! dropped: it is neither the end nor content, so that no other reader of the message can take it
//! for an end (EOL-01..03, as Postfix `smtpd_forbid_bare_newline = normalize`). Every other line
//! that begins with a dot loses it.
//!
//! What stands before the first header field is repaired by [`Preamble`].
//!
//! Streaming: what is not changed is copied in runs across lines; nothing is buffered but the
//! number of CRs that stand together, which is bounded (T-37).
//!
//! Standards: RFC 5321 §4.5.2, §2.3.8.

use memchr::memchr2;

use crate::preamble::Preamble;

/// CRs that may stand together and still wait for their LF. With more they are line ends, each of them:
/// what waits is in no count of octets, and must not grow.
pub(crate) const MAX_CRS: u64 = 1000;

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
                State::Cr(count) if octet == b'\r' && count < MAX_CRS => {
                    self.enter(State::Cr(count + 1), 1)
                }
                State::Cr(count) if octet == b'\n' => {
                    self.carriage_returns_dropped(count - 1);
                    self.end_line(true, out);
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
                State::DotCr(count) if octet == b'\r' && count < MAX_CRS => {
                    self.enter(State::DotCr(count + 1), 1)
                }
                State::DotCr(count) if octet == b'\n' => {
                    if count == 1 && self.after_crlf {
                        return self.ended(position + 1, EndOfData::Standard, out);
                    }
                    self.drop_lone_dot(true);
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

    /// CRs before CRLF belong to that line end.
    fn carriage_returns_dropped(&mut self, count: u64) {
        if count > 0 {
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

#[cfg(test)]
mod tests;
