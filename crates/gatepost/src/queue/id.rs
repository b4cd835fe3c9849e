//! The name of a queued message.
//!
//! 128 bits: 16 of shard, 48 of time, 64 random. Ids of one process are strictly increasing, so that their order is the order of
//! arrival; the random half makes them unguessable (T-44). Printed in a fixed alphabet with one spelling only: what parses is safe
//! in a log line, a URL and a file name.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u` to misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of an id: 128 bits in fives.
const DIGITS: usize = 26;
const TICK_BITS: u64 = 48;

/// The name of a queued message, unique for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(u128);

impl QueueId {
    /// The id with these 128 bits, as a record on disk holds them.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// When the id was drawn, in milliseconds since 1970, by the clock of that moment.
    pub fn drawn_at_ms(self) -> u64 {
        let ticks = u64::try_from((self.0 >> 64) & ((1 << TICK_BITS) - 1)).unwrap_or(0);
        (ticks << 4) / 1000
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..DIGITS).rev().try_for_each(|digit| {
            let value = usize::try_from((self.0 >> (digit * 5)) & 31).unwrap_or(0);
            let letter = ALPHABET.get(value).copied().unwrap_or(b'0');
            fmt::Write::write_char(out, char::from(letter))
        })
    }
}

impl fmt::Debug for QueueId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The text is not a queue id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a queue id: 26 characters of 0-9 and a-z without i, l, o and u are expected")]
pub struct NotAQueueId;

impl FromStr for QueueId {
    type Err = NotAQueueId;

    fn from_str(text: &str) -> Result<Self, NotAQueueId> {
        if text.len() != DIGITS {
            return Err(NotAQueueId);
        }
        let mut bits: u128 = 0;
        for letter in text.bytes() {
            let value = ALPHABET
                .iter()
                .position(|known| *known == letter)
                .ok_or(NotAQueueId)?;
            if bits >> 123 != 0 {
                return Err(NotAQueueId);
            }
            bits = (bits << 5) | value as u128;
        }
        Ok(Self(bits))
    }
}

/// Draws ids for one process.
#[derive(Debug)]
pub(crate) struct IdSource {
    shard: u16,
    last_tick: AtomicU64,
}

impl IdSource {
    /// A source for the node `shard`.
    pub(crate) fn new(shard: u16) -> Self {
        Self {
            shard,
            last_tick: AtomicU64::new(0),
        }
    }

    /// A new id. `random` is 64 fresh random bits.
    ///
    /// Time counts in ticks of 16 µs (48 bits last until 2112). A clock that stands still or jumps back does not make ids go back:
    /// the next tick is then the last one plus one.
    pub(crate) fn draw(&self, now: SystemTime, random: u64) -> QueueId {
        let micros = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_micros());
        let clock = u64::try_from(micros >> 4).unwrap_or(u64::MAX) & ((1 << TICK_BITS) - 1);
        let previous = self
            .last_tick
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(clock.max(last + 1))
            })
            .unwrap_or(0);
        let tick = clock.max(previous + 1) & ((1 << TICK_BITS) - 1);
        QueueId(u128::from(self.shard) << 112 | u128::from(tick) << 64 | u128::from(random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ids_keep_the_order_of_arrival_even_when_the_clock_jumps_back() {
        let source = IdSource::new(7);
        let noon = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let first = source.draw(noon, u64::MAX);
        let same_tick = source.draw(noon, 0);
        let clock_back = source.draw(noon - Duration::from_secs(315_360_000), 0);
        assert!(first < same_tick && same_tick < clock_back);
        assert_eq!(first.bits() >> 112, 7);
        assert_eq!(first.drawn_at_ms(), 1_800_000_000_000);
    }

    #[test]
    fn every_id_has_one_spelling() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            let id = QueueId::from_bits(bits);
            let text = id.to_string();
            assert_eq!(text.len(), 26);
            assert_eq!(text.parse(), Ok(id));
            let shouted = text.to_uppercase();
            assert_eq!(shouted.parse() == Ok(id), shouted == text);
        }
    }

    /// T-44: an id from outside is never a path, and nothing but its one spelling is taken.
    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "../../../../../../etc/passwd",
            "0000000000000000000000000\0",
            "0000000000000000000000000",
            "000000000000000000000000000",
            "8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "0000000000000000000000000o",
            "0000000000000000000000000é",
        ] {
            assert_eq!(text.parse::<QueueId>(), Err(NotAQueueId), "{text:?}");
        }
    }
}
