//! Octets behind BDAT → message: chunks of announced size, one after the other.
//!
//! States: inside a chunk, between two chunks, behind the last one.
//!
//! A chunk has no end mark, and no dot means anything in it. Its octets are content as they are if
//! the message is binary (`BODY=BINARYMIME`). Otherwise they are text: bare line ends become CRLF as
//! behind DATA, over the seams between chunks too, and what stands behind the last line end gets
//! one (EOL-02, EOL-07).
//!
//! Streaming: memory does not depend on how many chunks there are or how large (T-37).
//!
//! Standards: RFC 3030 §2 and §3.

use memchr::memchr2;

use crate::data::{BareLineEnds, MAX_CRS};
use crate::preamble::Preamble;

/// What a BDAT command announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) octets: u64,
    /// The message ends with it.
    pub(crate) last: bool,
}

impl Chunk {
    /// Reads the argument of BDAT: a number, and perhaps `LAST`.
    pub(crate) fn parse(argument: &[u8]) -> Option<Self> {
        let mut words = argument
            .split(|octet| matches!(octet, b' ' | b'\t'))
            .filter(|word| !word.is_empty());
        let octets = number(words.next()?)?;
        let last = match words.next() {
            None => false,
            Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
            Some(_) => return None,
        };
        words.next().is_none().then_some(Self { octets, last })
    }
}

/// Digits and nothing else; `None` for a number no counter can hold.
fn number(word: &[u8]) -> Option<u64> {
    let digits = word.iter().all(u8::is_ascii_digit);
    let text = digits.then(|| std::str::from_utf8(word).ok()).flatten()?;
    text.parse().ok()
}

/// Decodes one message.
#[derive(Debug)]
pub(crate) struct ChunkDecoder {
    chunk: Chunk,
    /// Octets of the chunk that are still to come.
    left: u64,
    /// Octets announced so far, this chunk's too.
    announced: u64,
    /// What repairs the line ends; nothing does if the message is binary.
    text: Option<TextLines>,
}

impl ChunkDecoder {
    /// A message that begins with this chunk.
    pub(crate) fn new(chunk: Chunk, binary: bool) -> Self {
        Self {
            chunk,
            left: chunk.octets,
            announced: chunk.octets,
            text: (!binary).then(TextLines::default),
        }
    }

    /// The next chunk is announced, behind one that is over.
    pub(crate) fn begin(&mut self, chunk: Chunk) {
        self.chunk = chunk;
        self.left = chunk.octets;
        self.announced = self.announced.saturating_add(chunk.octets);
    }

    pub(crate) fn chunk(&self) -> Chunk {
        self.chunk
    }

    /// Octets announced by all chunks so far.
    pub(crate) fn announced(&self) -> u64 {
        self.announced
    }

    /// All octets of the chunk have come.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn is_binary(&self) -> bool {
        self.text.is_none()
    }

    /// Whether the message had line ends that are not CRLF, where that matters.
    pub(crate) fn bare_line_ends(&self) -> BareLineEnds {
        self.text
            .as_ref()
            .map_or(BareLineEnds::None, |text| text.bare)
    }

    /// Decodes as much of `input` as belongs to the chunk, appending to `out`. Returns how much that
    /// is.
    pub(crate) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let used = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        // Widening: a usize always fits.
        self.left = self.left.saturating_sub(used as u64);
        let octets = input.get(..used).unwrap_or_default();
        match &mut self.text {
            Some(text) => text.pass(octets, out),
            None => out.extend_from_slice(octets),
        }
        used
    }

    /// The last chunk is over: gives out what is held back.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(text) = &mut self.text {
            text.finish(out);
        }
    }
}

/// Repairs line ends.
#[derive(Debug)]
struct TextLines {
    place: Place,
    bare: BareLineEnds,
    preamble: Preamble,
}

/// Where the text stands between two octets.
#[derive(Clone, Copy, Debug)]
enum Place {
    LineStart,
    Inside,
    /// Behind this many CRs.
    Cr(u64),
}

impl Default for TextLines {
    fn default() -> Self {
        Self {
            place: Place::LineStart,
            bare: BareLineEnds::None,
            preamble: Preamble::default(),
        }
    }
}

impl TextLines {
    fn pass(&mut self, mut rest: &[u8], out: &mut Vec<u8>) {
        out.reserve(rest.len());
        while let Some(&octet) = rest.first() {
            let used = match self.place {
                Place::Cr(count) if octet == b'\r' && count < MAX_CRS => {
                    self.place = Place::Cr(count + 1);
                    1
                }
                Place::Cr(count) if octet == b'\n' => {
                    self.end_line(count == 1, out);
                    1
                }
                Place::Cr(count) => {
                    self.bare_carriage_returns(count, out);
                    0
                }
                Place::LineStart | Place::Inside => self.run(rest, out),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Copies lines as long as they end in CRLF. Returns how many octets it took.
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut position = 0;
        while let Some(found) = memchr2(b'\r', b'\n', input.get(position..).unwrap_or_default()) {
            let end = position + found;
            match input.get(end..) {
                Some([b'\r', b'\n', ..]) => position = end + 2,
                Some([b'\r', ..]) => {
                    self.emit(input.get(..end).unwrap_or_default(), out);
                    self.place = Place::Cr(1);
                    return end + 1;
                }
                _ => {
                    self.emit(input.get(..end).unwrap_or_default(), out);
                    self.end_line(false, out);
                    return end + 1;
                }
            }
        }
        self.emit(input, out);
        self.place = if position == input.len() {
            Place::LineStart
        } else {
            Place::Inside
        };
        input.len()
    }

    fn end_line(&mut self, clean: bool, out: &mut Vec<u8>) {
        self.emit(b"\r\n", out);
        self.place = Place::LineStart;
        if !clean {
            self.bare = BareLineEnds::Met;
        }
    }

    /// CRs that no LF followed: each ends a line.
    fn bare_carriage_returns(&mut self, count: u64, out: &mut Vec<u8>) {
        for _ in 0..count {
            self.end_line(false, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self.place {
            Place::LineStart => {}
            // A last line without its end is complete: nothing is bare about it.
            Place::Inside => self.end_line(true, out),
            Place::Cr(count) => self.bare_carriage_returns(count, out),
        }
        self.preamble.finish(out);
    }

    fn emit(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match self.preamble {
            Preamble::Done => out.extend_from_slice(octets),
            _ => self.preamble.pass(octets, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataDecoder;
    use proptest::prelude::*;

    fn decode(chunks: &[&[u8]], binary: bool) -> (Vec<u8>, BareLineEnds) {
        let announce = |octets: &[u8], last| Chunk {
            octets: octets.len() as u64,
            last,
        };
        let mut decoder = ChunkDecoder::new(announce(&[], false), binary);
        let mut out = Vec::new();
        for chunk in chunks {
            decoder.begin(announce(chunk, false));
            assert_eq!(decoder.decode(chunk, &mut out), chunk.len());
            assert!(decoder.is_over());
        }
        decoder.finish(&mut out);
        (out, decoder.bare_line_ends())
    }

    // BDAT-02
    #[test]
    fn bdat_02_what_bdat_announces() {
        let chunk = |octets, last| Some(Chunk { octets, last });
        let rows: [(&[u8], Option<Chunk>); 15] = [
            (b"0", chunk(0, false)),
            (b"86", chunk(86, false)),
            (b"0086", chunk(86, false)),
            (b"0 LAST", chunk(0, true)),
            (b"1 last", chunk(1, true)),
            (b"1 \t Last", chunk(1, true)),
            (b"18446744073709551615", chunk(u64::MAX, false)),
            (b"18446744073709551616", None),
            (b"", None),
            (b"LAST", None),
            (b"-1", None),
            (b"+1", None),
            (b"0x1", None),
            (b"1 LAST 1", None),
            (b"1 END", None),
        ];
        for (argument, expected) in rows {
            assert_eq!(
                Chunk::parse(argument),
                expected,
                "{}",
                argument.escape_ascii()
            );
        }
    }

    // BDAT-01
    #[test]
    fn bdat_01_a_chunk_takes_what_was_announced_and_no_more() {
        let chunk = Chunk {
            octets: 5,
            last: true,
        };
        let mut decoder = ChunkDecoder::new(chunk, true);
        let mut out = Vec::new();
        assert_eq!(decoder.decode(b"abc", &mut out), 3);
        assert!(!decoder.is_over());
        assert_eq!(decoder.decode(b"deQUIT\r\n", &mut out), 2);
        assert!(decoder.is_over());
        assert_eq!(decoder.decode(b"QUIT\r\n", &mut out), 0);
        assert_eq!(out, b"abcde");
        decoder.begin(Chunk {
            octets: u64::MAX,
            last: true,
        });
        assert_eq!(decoder.announced(), u64::MAX, "no overflow");
    }

    // BDAT-04, EOL-02, EOL-07
    #[test]
    fn bdat_04_eol_02_eol_07_line_ends_are_repaired_and_dots_are_not() {
        use BareLineEnds::{Met, None};
        let rows: [(&[u8], &[u8], BareLineEnds); 13] = [
            (b"", b"", None),
            (b"A: b\r\n", b"A: b\r\n", None),
            (b"A: b", b"A: b\r\n", None),
            (b"A: b\nc\n", b"A: b\r\nc\r\n", Met),
            (b"A: b\rc", b"A: b\r\nc\r\n", Met),
            (b"A: b\r", b"A: b\r\n", Met),
            (b"A: b\r\r\nc", b"A: b\r\nc\r\n", Met),
            (b"A: b\r\rc", b"A: b\r\n\r\nc\r\n", Met),
            (
                b"A: b\r\n.\r\n..\r\n",
                b"A: b\r\n.\r\n..\r\n",
                BareLineEnds::None,
            ),
            (b"A: b\n.\nc", b"A: b\r\n.\r\nc\r\n", Met),
            (b"From x\r\n", b"X-Mailbox-Line: From x\r\n", None),
            (b" x\r\n", b"\r\n x\r\n", None),
            (b">>", b">>\r\n", None),
        ];
        for (input, expected, bare) in rows {
            for cut in 0..=input.len() {
                let (left, right) = input.split_at(cut);
                assert_eq!(
                    decode(&[left, right], false),
                    (expected.to_vec(), bare),
                    "{} cut at {cut}",
                    input.escape_ascii()
                );
            }
        }
    }

    // BDAT-03
    #[test]
    fn bdat_03_binary_octets_stay_as_they_are() {
        let all: Vec<u8> = (0..=255).chain(*b"\r\r\n\n.\r\n.\r").collect();
        assert_eq!(
            decode(&[&all, b"", &all], true),
            ([&all[..], &all].concat(), BareLineEnds::None)
        );
    }

    #[test]
    fn t_37_octets_held_back_do_not_pile_up() {
        for octet in [b'\r', b'>'] {
            let mut text = TextLines::default();
            let (mut out, mut given_out) = (Vec::new(), 0);
            for _ in 0..100 {
                text.pass(&[octet; 1000], &mut out);
                given_out += out.len();
                out.clear();
            }
            assert!(given_out > 98_000, "{given_out}");
            text.pass(b"x", &mut out);
            assert!(out.len() < 3000);
        }
    }

    proptest! {
        /// T-34: text comes out of BDAT as it comes out of DATA, except that dots are content.
        #[test]
        fn t_34_text_is_the_same_behind_bdat_and_data(
            input in proptest::collection::vec(prop::sample::select(b"\r\nx> F".to_vec()), 0..60),
            cuts in proptest::collection::vec(0_usize..60, 0..6),
        ) {
            let mut data = DataDecoder::new(false);
            let mut expected = Vec::new();
            data.decode(&[&input[..], b"\r\n.\r\n"].concat(), &mut expected);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let mut chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();
            chunks.push(b"\r\n");
            prop_assert_eq!(decode(&chunks, false), (expected, data.bare_line_ends()));
        }
    }
}
