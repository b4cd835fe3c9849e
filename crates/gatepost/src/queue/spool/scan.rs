//! Reads a segment from front to end, over damage.
//!
//! Where a valid header should stand and none does, the scan looks for the next one that is valid. Found: what lies between is a gap,
//! a torn write or damage. Not found: the log of this segment ends there. Contents are skipped unless asked for.

use std::io;

use super::record::{self, HEADER, Header, Void};
use super::segment::Segment;

/// Octets read at a time.
const WINDOW: usize = 256 << 10;

/// What a scan meets.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A record whose header and meta are right, and its content too if that was checked.
    Record { header: Header, meta: &'a [u8] },
    /// A record whose meta does not match its checksum.
    BadMeta { header: Header },
    /// A record whose content does not match its checksum.
    BadContent { header: Header },
    /// Octets that are no record, with records after them.
    Gap { to: u64 },
    /// Octets that are no record, with none after them: a torn write.
    TornTail,
}

/// Reads a segment. `visit` gets the offset and what is there. Returns where the records end.
pub(super) fn scan(
    segment: &Segment,
    voids: &[Void],
    from: u64,
    check_contents: bool,
    visit: &mut dyn FnMut(u64, Found<'_>) -> io::Result<Flow>,
) -> io::Result<u64> {
    let mut reader = Reader::new(segment);
    let mut offset = from;
    loop {
        if let Some(void) = covering(voids, segment.number, offset) {
            if void.to >= segment.capacity {
                return Ok(offset);
            }
            offset = void.to;
            continue;
        }
        let Some(head) = reader.exactly(offset, HEADER)? else {
            return Ok(offset);
        };
        let flow = if let Some(header) = Header::decode(head, segment.nonce)
            .filter(|header| offset + header.record_length() <= segment.capacity)
        {
            let found = reader.record(offset, header, check_contents)?;
            let flow = visit(offset, found)?;
            offset += header.record_length();
            flow
        } else {
            let blank = head.iter().all(|octet| *octet == 0);
            let Some(next) = reader.resync(offset + 1)? else {
                if !blank {
                    visit(offset, Found::TornTail)?;
                }
                return Ok(offset);
            };
            let flow = visit(offset, Found::Gap { to: next })?;
            offset = next;
            flow
        };
        if flow == Flow::Stop {
            return Ok(offset);
        }
    }
}

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Stop,
}

fn covering(voids: &[Void], segment: u64, offset: u64) -> Option<&Void> {
    voids
        .iter()
        .find(|void| void.segment == segment && (void.from..void.to).contains(&offset))
}

/// Reads the content of the record at `offset`; `None` when it does not match its checksum.
pub(super) fn read_content(
    segment: &Segment,
    offset: u64,
    header: &Header,
) -> io::Result<Option<Vec<u8>>> {
    let start = offset + HEADER as u64 + u64::from(header.meta_length);
    let mut content = vec![0; header.content_length as usize];
    let read = segment.file.read_at(&mut content, start)?;
    let intact = read == content.len() && crc32c::crc32c(&content) == header.content_crc;
    Ok(intact.then_some(content))
}

/// A window on a segment's file.
struct Reader<'a> {
    segment: &'a Segment,
    window: Vec<u8>,
    start: u64,
}

impl<'a> Reader<'a> {
    fn new(segment: &'a Segment) -> Self {
        Self {
            segment,
            window: Vec::new(),
            start: 0,
        }
    }

    /// The octets at `offset`; `None` when the file ends before.
    fn exactly(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if self.place(offset, count).is_none() {
            self.window = vec![0; count.max(WINDOW)];
            let read = self.segment.file.read_at(&mut self.window, offset)?;
            self.window.truncate(read);
            self.start = offset;
        }
        let place = self.place(offset, count);
        Ok(place.and_then(|place| self.window.get(place..place + count)))
    }

    /// Where in the window the octets are, if all of them are there.
    fn place(&self, offset: u64, count: usize) -> Option<usize> {
        let place = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        (place + count <= self.window.len()).then_some(place)
    }

    fn record(
        &mut self,
        offset: u64,
        header: Header,
        check_contents: bool,
    ) -> io::Result<Found<'_>> {
        if check_contents && read_content(self.segment, offset, &header)?.is_none() {
            return Ok(Found::BadContent { header });
        }
        let meta = self.exactly(offset + HEADER as u64, header.meta_length as usize)?;
        Ok(match meta {
            Some(meta) if crc32c::crc32c(meta) == header.meta_crc => Found::Record { header, meta },
            _ => Found::BadMeta { header },
        })
    }

    /// The offset of the next valid record at or after `offset`.
    fn resync(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
        loop {
            let Some(octets) = self.window_at(offset)? else {
                return Ok(None);
            };
            let candidate = record::find_magic(octets);
            let length = octets.len() as u64;
            let Some(place) = candidate else {
                // The last three octets may begin a header that the window cuts.
                offset += length.saturating_sub(3).max(1);
                continue;
            };
            offset += place as u64;
            let nonce = self.segment.nonce;
            let capacity = self.segment.capacity;
            let Some(head) = self.exactly(offset, HEADER)? else {
                return Ok(None);
            };
            if Header::decode(head, nonce)
                .is_some_and(|header| offset + header.record_length() <= capacity)
            {
                return Ok(Some(offset));
            }
            offset += 1;
        }
    }

    /// What the window has from `offset` on, at least a header's worth; `None` when the file ends before.
    fn window_at(&mut self, offset: u64) -> io::Result<Option<&[u8]>> {
        if self.exactly(offset, HEADER)?.is_none() {
            return Ok(None);
        }
        let place = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.window.get(place..))
    }
}
