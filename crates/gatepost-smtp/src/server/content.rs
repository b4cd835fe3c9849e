//! The message on its way from the decoder to the draft.
//!
//! States: in the header section, which is kept until it is complete; in the body, which is passed
//! on as it comes; discarding, when the message is refused but not yet at its end. How the octets
//! come, behind DATA or behind BDAT, makes no difference to what is done with them.
//!
//! The header section ends at the first empty line, or before the first line that can be no header
//! field; such a line begins the body, as if an empty line stood before it (SUBM-10).

use memchr::memchr;

use super::Profile;
use crate::bdat::{Chunk, ChunkDecoder};
use crate::command::Verb;
use crate::data::{BareLineEnds, DataDecoder, Decoded, EndOfData};
use crate::reply::Refusal;

/// One message on its way.
pub(super) struct Content {
    source: Source,
    phase: Phase,
    /// Decoded octets that nobody has taken yet.
    decoded: Vec<u8>,
    /// Octets of the message so far, as RFC 1870 §5 counts them.
    size: u64,
    size_limit: u64,
    ended: bool,
}

/// How the octets come.
enum Source {
    Data(DataDecoder),
    Chunks(ChunkDecoder),
}

enum Phase {
    Headers(HeaderSection),
    Body,
    Discarding(Refusal),
}

/// What is to be done next.
pub(super) enum Progress {
    /// Nothing: more octets are needed.
    Waiting,
    /// The chunk, of this many octets, is over, and another one is needed.
    ChunkTaken(u64),
    /// Ask about the header section. What follows waits for the answer.
    Headers { headers: Vec<u8>, has_body: bool },
    /// Pass these octets on.
    Body(Vec<u8>),
    /// Refuse the message.
    Refused(Refusal),
    /// The message is complete, or was refused and is over now.
    Ended(Option<Refusal>),
}

impl Content {
    /// Behind DATA.
    pub(super) fn data(profile: &Profile, line_feed_end: bool) -> Self {
        Self::new(profile, Source::Data(DataDecoder::new(line_feed_end)))
    }

    /// Behind the first BDAT.
    pub(super) fn chunks(profile: &Profile, chunk: Chunk, binary: bool) -> Self {
        let mut content = Self::new(profile, Source::Chunks(ChunkDecoder::new(chunk, binary)));
        content.end_if_last();
        content
    }

    /// A chunk that is read only to be thrown away (BDAT-01).
    pub(super) fn unwanted(profile: &Profile, chunk: Chunk, refusal: Refusal) -> Self {
        let mut content = Self::chunks(profile, chunk, true);
        content.discard(refusal);
        content
    }

    fn new(profile: &Profile, source: Source) -> Self {
        Self {
            source,
            phase: Phase::Headers(HeaderSection::new(profile.limits.headers)),
            decoded: Vec::new(),
            size: 0,
            size_limit: profile.size_limit,
            ended: false,
        }
    }

    /// The next BDAT.
    pub(super) fn next_chunk(&mut self, chunk: Chunk) {
        if let Source::Chunks(decoder) = &mut self.source {
            decoder.begin(chunk);
            self.end_if_last();
        }
    }

    /// The message with this chunk would be larger than announced (BDAT-05).
    pub(super) fn has_no_room_for(&self, chunk: Chunk) -> bool {
        match &self.source {
            Source::Data(_) => false,
            Source::Chunks(decoder) => {
                decoder.announced().saturating_add(chunk.octets) > self.size_limit
            }
        }
    }

    /// The command the message came behind.
    pub(super) fn verb(&self) -> Verb {
        match self.source {
            Source::Data(_) => Verb::Data,
            Source::Chunks(_) => Verb::Bdat,
        }
    }

    pub(super) fn decode(&mut self, octets: &[u8]) -> (usize, Option<EndOfData>) {
        let before = self.decoded.len();
        let (used, end) = match &mut self.source {
            Source::Data(decoder) => {
                let Decoded { used, end } = decoder.decode(octets, &mut self.decoded);
                self.ended = end.is_some();
                (used, end)
            }
            Source::Chunks(decoder) => (decoder.decode(octets, &mut self.decoded), None),
        };
        self.count(before);
        self.end_if_last();
        (used, end)
    }

    /// The last chunk may be over, if it has no octets even before the first one.
    fn end_if_last(&mut self) {
        if let Source::Chunks(decoder) = &mut self.source
            && decoder.is_over()
            && decoder.chunk().last
            && !self.ended
        {
            let before = self.decoded.len();
            decoder.finish(&mut self.decoded);
            self.ended = true;
            self.count(before);
        }
    }

    /// Counts what was decoded behind `before`.
    fn count(&mut self, before: usize) {
        let added = self.decoded.len() - before;
        // Widening: a usize always fits.
        self.size = self.size.saturating_add(added as u64);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Nothing more comes before the next command.
    fn is_over(&self) -> bool {
        match &self.source {
            Source::Data(_) => self.ended,
            Source::Chunks(decoder) => decoder.is_over(),
        }
    }

    pub(super) fn has_bare_line_ends(&self) -> bool {
        let bare = match &self.source {
            Source::Data(decoder) => decoder.bare_line_ends(),
            Source::Chunks(decoder) => decoder.bare_line_ends(),
        };
        bare == BareLineEnds::Met
    }

    /// From here on the rest of the message, or of the chunk, is thrown away.
    pub(super) fn discard(&mut self, refusal: Refusal) {
        self.phase = Phase::Discarding(refusal);
    }

    pub(super) fn progress(&mut self) -> Progress {
        let decoded = std::mem::take(&mut self.decoded);
        match &mut self.phase {
            Phase::Discarding(refusal) => {
                let refusal = *refusal;
                if self.is_over() {
                    Progress::Ended(Some(refusal))
                } else {
                    Progress::Waiting
                }
            }
            _ if self.size > self.size_limit => self.refused(Refusal::MessageTooLarge),
            Phase::Body if !decoded.is_empty() => Progress::Body(decoded),
            Phase::Body if self.ended => Progress::Ended(None),
            Phase::Body => self.waiting(),
            Phase::Headers(section) => match section.take(decoded, self.ended) {
                Section::Partial => self.waiting(),
                Section::TooLarge => self.refused(Refusal::HeadersTooLarge),
                Section::Complete { headers, .. } if self.is_unclear(&headers) => {
                    self.refused(Refusal::MessageMalformed)
                }
                Section::Complete { headers, body } => {
                    self.phase = Phase::Body;
                    let has_body = body.is_some();
                    self.decoded = body.unwrap_or_default();
                    Progress::Headers { headers, has_body }
                }
            },
        }
    }

    fn waiting(&self) -> Progress {
        match &self.source {
            Source::Chunks(decoder) if decoder.is_over() => {
                Progress::ChunkTaken(decoder.chunk().octets)
            }
            _ => Progress::Waiting,
        }
    }

    /// Line ends in the header section of a binary message are not repaired, and what one reader
    /// takes for a line end, another one does not: such a section is refused.
    fn is_unclear(&self, headers: &[u8]) -> bool {
        let binary = matches!(&self.source, Source::Chunks(decoder) if decoder.is_binary());
        binary && !is_lines(headers)
    }

    /// A message that is over already is refused at once, another one at its end.
    fn refused(&mut self, refusal: Refusal) -> Progress {
        self.phase = Phase::Discarding(refusal);
        if self.is_over() {
            Progress::Ended(Some(refusal))
        } else {
            Progress::Refused(refusal)
        }
    }
}

/// Nothing, or lines that end in CRLF and hold no other CR or LF.
fn is_lines(octets: &[u8]) -> bool {
    let mut behind_cr = false;
    for &octet in octets {
        if behind_cr != (octet == b'\n') {
            return false;
        }
        behind_cr = octet == b'\r';
    }
    matches!(octets, [] | [.., b'\n'])
}

/// Collects header lines until the section is complete.
struct HeaderSection {
    octets: Vec<u8>,
    /// Where the line that is not complete begins.
    line_start: usize,
    limit: usize,
}

enum Section {
    Partial,
    TooLarge,
    Complete {
        headers: Vec<u8>,
        /// What follows, if the section did not end with the message.
        body: Option<Vec<u8>>,
    },
}

impl HeaderSection {
    fn new(limit: usize) -> Self {
        Self {
            octets: Vec::new(),
            line_start: 0,
            limit,
        }
    }

    fn take(&mut self, decoded: Vec<u8>, ended: bool) -> Section {
        let mut scan_from = self.octets.len();
        if self.octets.is_empty() {
            self.octets = decoded;
        } else {
            self.octets.extend(decoded);
        }
        while let Some(found) = memchr(b'\n', self.octets.get(scan_from..).unwrap_or_default()) {
            let end = scan_from + found + 1;
            let line = self.octets.get(self.line_start..end).unwrap_or_default();
            if line == b"\r\n" {
                return self.split(end);
            }
            if !is_header_line(line, self.line_start == 0) {
                return self.split(self.line_start);
            }
            self.line_start = end;
            scan_from = end;
        }
        if self.octets.len() > self.limit {
            Section::TooLarge
        } else if ended {
            Section::Complete {
                headers: std::mem::take(&mut self.octets),
                body: None,
            }
        } else {
            Section::Partial
        }
    }

    /// The body begins at `body`, the header section has ended at `line_start`.
    fn split(&mut self, body: usize) -> Section {
        let mut headers = std::mem::take(&mut self.octets);
        let body = headers.split_off(body.min(headers.len()));
        headers.truncate(self.line_start);
        if headers.len() > self.limit {
            Section::TooLarge
        } else {
            Section::Complete {
                headers,
                body: Some(body),
            }
        }
    }
}

/// RFC 5322 §2.2, with the white space before the colon of §4.5: a field, or the continuation of
/// one.
fn is_header_line(line: &[u8], first: bool) -> bool {
    if matches!(line, [b' ' | b'\t', ..]) {
        return !first;
    }
    let Some(colon) = memchr(b':', line) else {
        return false;
    };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    !name.is_empty() && name.iter().all(|octet| matches!(octet, b'!'..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(message: &str) -> (String, Option<String>) {
        let expected = split_pieces(message, message.len().max(1));
        for size in 1..message.len() {
            assert_eq!(split_pieces(message, size), expected, "pieces of {size}");
        }
        expected
    }

    fn split_pieces(message: &str, size: usize) -> (String, Option<String>) {
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        let mut section = HeaderSection::new(1000);
        for (position, piece) in message.as_bytes().chunks(size).enumerate() {
            if let Section::Complete { headers, body } = section.take(piece.to_vec(), false) {
                let rest = &message[((position + 1) * size).min(message.len())..];
                return (text(headers), body.map(|body| text(body) + rest));
            }
        }
        match section.take(Vec::new(), true) {
            Section::Complete { headers, body } => (text(headers), body.map(text)),
            _ => panic!("not complete at the end"),
        }
    }

    // SUBM-10
    #[test]
    fn subm_10_where_the_header_section_ends() {
        let rows = [
            ("A: b\r\n\r\nbody\r\n", "A: b\r\n", Some("body\r\n")),
            (
                "A: b\r\n c\r\nD : e\r\n\r\n",
                "A: b\r\n c\r\nD : e\r\n",
                Some(""),
            ),
            ("A: b\r\n", "A: b\r\n", None),
            ("", "", None),
            ("\r\nbody\r\n", "", Some("body\r\n")),
            (
                "no header\r\nat: all\r\n",
                "",
                Some("no header\r\nat: all\r\n"),
            ),
            (
                "A: b\r\nhello world\r\n\r\nx\r\n",
                "A: b\r\n",
                Some("hello world\r\n\r\nx\r\n"),
            ),
            ("A: b\r\nh\u{e9}: x\r\n", "A: b\r\n", Some("h\u{e9}: x\r\n")),
        ];
        for (message, headers, body) in rows {
            assert_eq!(
                split(message),
                (headers.to_owned(), body.map(str::to_owned)),
                "{message:?}"
            );
        }
    }

    #[test]
    fn a_header_section_has_a_limit() {
        let mut section = HeaderSection::new(10);
        assert!(matches!(
            section.take(b"A: 3456789".to_vec(), false),
            Section::Partial
        ));
        assert!(matches!(
            section.take(b"0".to_vec(), false),
            Section::TooLarge
        ));
        let mut section = HeaderSection::new(10);
        assert!(matches!(
            section.take(b"A: 3456789012\r\n\r\n".to_vec(), true),
            Section::TooLarge
        ));
    }
}
