//! Records of the log: the header that frames one, and what each kind carries.
//!
//! ```text
//! offset 0  magic         4   F5 'G' 'Q' 01 (the last octet is the format's version)
//!        4  kind          1   then 3 octets of zero
//!        8  nonce         8   of the segment: a record of the file's former life has another one
//!       16  id           16   of the message
//!       32  meta length   4
//!       36  meta CRC32C   4
//!       40  content length 4
//!       44  content CRC32C 4
//!       48  zero         12
//!       60  header CRC32C 4   of the 60 octets before it
//!       64  meta, then content
//! ```
//!
//! Header, meta and content have a checksum each: a damaged content costs that message only, and the log can be read without reading
//! contents. A record's place (segment number, offset) is its sequence number: what comes later overrides.
//! The nonce is 64 random bits that no peer sees, so nobody can plant octets in a message that pass for a record.

use super::bytes::{Put, Reader};
use crate::queue::id::QueueId;

/// Octets of a record's header; a header of zeros marks the end of what was written.
pub(super) const HEADER: usize = 64;
const MAGIC: [u8; 4] = [0xf5, b'G', b'Q', 1];
const CHECKED: usize = HEADER - 4;
/// No meta is larger: what claims to be is damaged.
const META_LIMIT: u32 = 32 << 20;
/// No content is larger: headers of 1 MiB and the inline part of a body.
const CONTENT_LIMIT: u32 = 64 << 20;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// First record of a segment: ranges of the log that do not count ([`Void`]).
    Open,
    /// A message: recipients and envelope, then headers and body.
    Message,
    /// A message whose body is a file of its own; the content is its headers only.
    BodyRef,
    /// The recipients of a message as they are now, all of them.
    Patch,
    /// The message is finished.
    Done,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Open,
        Self::Message,
        Self::BodyRef,
        Self::Patch,
        Self::Done,
    ];

    fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Message => 2,
            Self::BodyRef => 3,
            Self::Patch => 4,
            Self::Done => 5,
        }
    }
}

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) id: QueueId,
    pub(super) meta_length: u32,
    pub(super) meta_crc: u32,
    pub(super) content_length: u32,
    pub(super) content_crc: u32,
}

impl Header {
    /// Octets of the whole record.
    pub(super) fn record_length(&self) -> u64 {
        HEADER as u64 + u64::from(self.meta_length) + u64::from(self.content_length)
    }

    /// The header as written in the segment with this nonce.
    pub(super) fn encode(&self, nonce: u64) -> [u8; HEADER] {
        let mut octets = Vec::with_capacity(HEADER);
        octets.extend_from_slice(&MAGIC);
        octets.extend_from_slice(&[self.kind.code(), 0, 0, 0]);
        octets.put_u64(nonce);
        octets.extend_from_slice(&self.id.bits().to_le_bytes());
        octets.put_u32(self.meta_length);
        octets.put_u32(self.meta_crc);
        octets.put_u32(self.content_length);
        octets.put_u32(self.content_crc);
        octets.resize(CHECKED, 0);
        octets.put_u32(crc32c::crc32c(&octets));
        octets.try_into().unwrap_or([0; HEADER])
    }

    /// The header at the front of `octets`, if they are one of the segment with this nonce and nothing in it is damaged.
    pub(super) fn decode(octets: &[u8], nonce: u64) -> Option<Self> {
        let mut reader = Reader::new(octets);
        if reader.take(4)? != MAGIC {
            return None;
        }
        let code = reader.u8()?;
        reader.take(3)?;
        if reader.u64()? != nonce {
            return None;
        }
        let id = QueueId::from_bits(reader.u128()?);
        let header = Self {
            kind: Kind::ALL.into_iter().find(|kind| kind.code() == code)?,
            id,
            meta_length: reader.u32()?,
            meta_crc: reader.u32()?,
            content_length: reader.u32()?,
            content_crc: reader.u32()?,
        };
        reader.take(12)?;
        let intact = reader.u32()? == crc32c::crc32c(octets.get(..CHECKED)?)
            && header.meta_length <= META_LIMIT
            && header.content_length <= CONTENT_LIMIT;
        intact.then_some(header)
    }
}

/// Finds the first place in `octets` where a record may begin.
pub(super) fn find_magic(octets: &[u8]) -> Option<usize> {
    memchr::memmem::find(octets, &MAGIC)
}

/// Where a large body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyFile {
    pub(super) length: u64,
    pub(super) crc: u32,
}

/// The meta of a `Message` or `BodyRef` record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageMeta<'a> {
    /// Only in a `BodyRef`.
    pub(super) body: Option<BodyFile>,
    /// Octets at the front of the content that are the message's headers.
    pub(super) headers_length: u32,
    /// The recipients' states ([`super::state`]).
    pub(super) states: &'a [u8],
    /// Envelope and recipients ([`crate::queue::envelope`]).
    pub(super) envelope: &'a [u8],
}

impl<'a> MessageMeta<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(20 + self.states.len() + self.envelope.len());
        let body = self.body.unwrap_or(BodyFile { length: 0, crc: 0 });
        octets.put_u64(body.length);
        octets.put_u32(body.crc);
        octets.put_u32(self.headers_length);
        octets.put_counted(self.states);
        octets.extend_from_slice(self.envelope);
        octets
    }

    pub(super) fn decode(kind: Kind, meta: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(meta);
        let file = BodyFile {
            length: reader.u64()?,
            crc: reader.u32()?,
        };
        Some(Self {
            body: (kind == Kind::BodyRef).then_some(file),
            headers_length: reader.u32()?,
            states: reader.counted()?,
            envelope: reader.rest(),
        })
    }
}

/// A range of a segment that does not count: a write that failed and was refused, a torn tail, damage that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Void {
    pub(super) segment: u64,
    pub(super) from: u64,
    /// Exclusive; `u64::MAX` for the rest of the segment.
    pub(super) to: u64,
}

/// The meta of an `Open` record.
pub(super) fn encode_voids(voids: &[Void]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(voids.len() * 24);
    for void in voids {
        octets.put_u64(void.segment);
        octets.put_u64(void.from);
        octets.put_u64(void.to);
    }
    octets
}

pub(super) fn decode_voids(meta: &[u8]) -> Option<Vec<Void>> {
    meta.chunks(24)
        .map(|octets| {
            let mut reader = Reader::new(octets);
            Some(Void {
                segment: reader.u64()?,
                from: reader.u64()?,
                to: reader.u64()?,
            })
        })
        .collect()
}

/// The meta of a `Done` record: the segment with the message it finishes, so that a collector knows when the record is no longer needed.
pub(super) fn encode_done(message_segment: u64) -> Vec<u8> {
    message_segment.to_le_bytes().to_vec()
}

pub(super) fn decode_done(meta: &[u8]) -> Option<u64> {
    Reader::new(meta).u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: Kind::Patch,
            id: QueueId::from_bits(u128::MAX / 3),
            meta_length: 17,
            meta_crc: 0xdead_beef,
            content_length: 8192,
            content_crc: 1,
        }
    }

    #[test]
    fn a_header_survives_the_round_trip_for_every_kind() {
        for kind in Kind::ALL {
            let header = Header { kind, ..header() };
            assert_eq!(Header::decode(&header.encode(42), 42), Some(header));
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_makes_a_header_invalid() {
        let octets = header().encode(42);
        for bit in 0..HEADER * 8 {
            let mut damaged = octets;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&damaged, 42), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_of_the_files_former_life_is_not_one_of_this() {
        assert_eq!(Header::decode(&header().encode(41), 42), None);
        assert_eq!(Header::decode(&[0; HEADER], 0), None);
        assert_eq!(Header::decode(&header().encode(42)[..60], 42), None);
    }

    #[test]
    fn voids_survive_the_round_trip_and_torn_ones_do_not_decode() {
        let voids = vec![
            Void {
                segment: 1,
                from: 64,
                to: u64::MAX,
            },
            Void {
                segment: 2,
                from: 0,
                to: 3,
            },
        ];
        let octets = encode_voids(&voids);
        assert_eq!(decode_voids(&octets), Some(voids));
        assert_eq!(decode_voids(&octets[..47]), None);
        assert_eq!(decode_voids(&[]), Some(Vec::new()));
    }
}
