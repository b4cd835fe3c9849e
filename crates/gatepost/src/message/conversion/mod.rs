//! A message for a next hop that can take less than the message needs (RFC 6409 §8.4, RFC 6152 §3, RFC 3030 §3).
//!
//! ```text
//! needed(Needs, HopAbilities) -> Goal        nothing to do: the message goes out as it is
//! Survey over the whole content -> Plan      which part gets which encoding; or that it is impossible
//! Conversion over the whole content -> what the next hop gets
//! ```
//!
//! The content is read twice, in pieces, since the encoding of a part stands before its body: a message of any size takes the memory
//! of one header section. Each part is encoded by itself, so that nothing is encoded that need not be:
//!
//! - text with octets above 127 or lines of more than 998 octets: quoted-printable, or base64 where that is shorter;
//! - everything else, and what has NUL, bare CR or bare LF: base64;
//! - headers with octets above 127: encoded words and RFC 2231 parameters ([`super::header_encoding`]).
//!
//! What is signed or encrypted is never changed (SUBM-04, SUBM-07). When it would have to be, the message is
//! [`Impossible`] for this next hop. Long lines alone are no ground for that: signed mail with long lines goes out as it came.
//!
//! A DKIM signature over a converted body no longer verifies, as with every server that converts. For a next hop without 8BITMIME there
//! is no other way; a message that has one is not touched for its long lines.

use memchr::memchr;

mod rewrite;
mod survey;
mod walk;

pub use self::rewrite::Conversion;
pub use self::survey::{Impossible, Plan, Survey};

/// The longest line that every server takes, its line end not counted (RFC 5321 §4.5.3.1.6, SMTP-06).
pub const MAX_LINE: u64 = 998;

/// Finds lines that not every server takes, in a content that comes in pieces.
#[derive(Debug, Clone, Copy, Default)]
pub struct LineMeter {
    /// Octets of the current line.
    current: u64,
    longest: u64,
}

impl LineMeter {
    /// Takes the next piece.
    pub fn add(&mut self, octets: &[u8]) {
        let mut left = octets;
        while let Some(end) = memchr(b'\n', left) {
            let (line, rest) = left.split_at(end + 1);
            // The line feed does not count, nor does the CR before it.
            let length = (self.current + line.len() as u64).saturating_sub(2);
            (self.longest, self.current) = (self.longest.max(length), 0);
            left = rest;
        }
        self.current += left.len() as u64;
    }

    /// Whether a line was longer than [`MAX_LINE`].
    pub fn has_long_line(self) -> bool {
        self.longest.max(self.current) > MAX_LINE
    }
}

/// What a message is made of, as its envelope says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The octets of its content.
    pub octets: Octets,
    /// A line is longer than [`MAX_LINE`].
    pub long_lines: bool,
    /// Its headers have UTF-8 and say so (RFC 6532).
    pub utf8_headers: bool,
}

/// Which octets a content has, or may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Octets {
    /// Up to 127, in lines.
    SevenBit,
    /// Any but NUL, in lines.
    EightBit,
    /// Any.
    Binary,
}

/// What a next hop can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HopAbilities {
    /// Its octets: 8BITMIME, or BINARYMIME with CHUNKING.
    pub octets: Octets,
    /// SMTPUTF8.
    pub utf8_headers: bool,
}

/// What a conversion must bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    /// The octets that the message may have.
    from: Octets,
    /// The octets of the result.
    to: Octets,
    /// No line is longer than [`MAX_LINE`].
    short_lines: bool,
    /// Headers are ASCII.
    ascii_headers: bool,
}

impl Goal {
    /// The next hop takes fewer kinds of octets than the message may have.
    fn lowers(self) -> bool {
        self.to < self.from
    }

    /// NUL, bare CR and bare LF must not remain.
    fn makes_lines(self) -> bool {
        self.lowers() && self.from == Octets::Binary
    }

    /// Octets above 127 must not remain.
    fn makes_ascii(self) -> bool {
        self.lowers() && self.to == Octets::SevenBit
    }
}

/// What has to be done for this message to be taken by this next hop; `None` when nothing has to be.
pub fn needed(needs: Needs, hop: HopAbilities) -> Option<Goal> {
    let mut goal = Goal {
        from: needs.octets,
        to: needs.octets.min(hop.octets),
        short_lines: needs.long_lines,
        ascii_headers: needs.utf8_headers,
    };
    goal.short_lines &= goal.to != Octets::Binary;
    goal.ascii_headers |= goal.makes_ascii();
    goal.ascii_headers &= !hop.utf8_headers;
    (goal.lowers() || goal.short_lines || goal.ascii_headers).then_some(goal)
}

#[cfg(test)]
mod tests;
