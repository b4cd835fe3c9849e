//! A file of the log.
//!
//! Its name is `<number>-<nonce>.log`: segments are read in the order of their numbers, which are never used twice, and the nonce tells
//! this segment's records from those of the file's former life. Nothing inside the file is needed to know what it is, so no damage
//! inside it can make the rest of it unreadable. A dead segment becomes a `<number>.spare`, whose blocks the next one takes over.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::record::HEADER;
use crate::queue::storage::{Area, Storage, StoredFile};

const SUFFIX: &str = ".log";
/// What is no header, behind the last record.
static END_MARK: [u8; HEADER] = [0; HEADER];
/// How the name of a segment kept for reuse ends.
pub(super) const SPARE_SUFFIX: &str = ".spare";

/// A segment and its open file.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) nonce: u64,
    pub(super) file: Arc<dyn StoredFile>,
    /// Octets that are allocated.
    pub(super) capacity: u64,
}

impl Segment {
    /// Makes a segment of `capacity` octets from a spare file, or from nothing. Nothing is durable yet. After an error the name may exist.
    pub(super) fn create(
        storage: &dyn Storage,
        number: u64,
        nonce: u64,
        capacity: u64,
        spare: Option<&str>,
    ) -> io::Result<Self> {
        let name = name(number, nonce);
        let file = match spare {
            Some(spare) => {
                storage.rename(Area::Log, spare, &name)?;
                storage.open(Area::Log, &name)?
            }
            None => storage.create(Area::Log, &name)?,
        };
        file.preallocate(capacity)?;
        Ok(Self {
            number,
            nonce,
            file,
            capacity,
        })
    }

    /// Opens the segment that a directory entry names; `None` when the name is not one of a segment.
    pub(super) fn open(storage: &dyn Storage, entry: &str) -> io::Result<Option<Self>> {
        let Some((number, nonce)) = parse_name(entry) else {
            return Ok(None);
        };
        let file = storage.open(Area::Log, entry)?;
        let capacity = file.length()?;
        Ok(Some(Self {
            number,
            nonce,
            file,
            capacity,
        }))
    }

    /// The file's name.
    pub(super) fn name(&self) -> String {
        name(self.number, self.nonce)
    }

    /// Writes records at `offset`, with a mark of the end behind them where there is room, and makes them durable.
    pub(super) fn write(&self, mut parts: Vec<IoSlice<'_>>, offset: u64) -> io::Result<()> {
        let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if offset + length + HEADER as u64 <= self.capacity {
            parts.push(IoSlice::new(&END_MARK));
        }
        self.file.write_at(&mut parts, offset)?;
        self.file.sync()
    }
}

/// The name of a segment's file.
pub(super) fn name(number: u64, nonce: u64) -> String {
    format!("{number:016x}-{nonce:016x}{SUFFIX}")
}

fn parse_name(entry: &str) -> Option<(u64, u64)> {
    let (number, nonce) = entry.strip_suffix(SUFFIX)?.split_once('-')?;
    let parsed = (
        u64::from_str_radix(number, 16).ok()?,
        u64::from_str_radix(nonce, 16).ok()?,
    );
    (name(parsed.0, parsed.1) == entry).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_number_and_nonce_and_nothing_else_is_a_name() {
        assert_eq!(parse_name(&name(7, u64::MAX)), Some((7, u64::MAX)));
        for entry in ["lock", "7-8.log", "0000000000000001.spare", "-.log", ".log"] {
            assert_eq!(parse_name(entry), None, "{entry}");
        }
    }
}
