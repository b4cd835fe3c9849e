//! The recipients of a message, as `Message` and `Patch` records hold them: all of them, in the order of the envelope.
//!
//! ```text
//! count 4, then per recipient: phase 1 · attempts 4 · waited in ms 8 · due in ms since 1970 8 · diagnostic (counted)
//! ```
//!
//! The highest bit of the phase says that the sender has been told of the delay, the next one that someone released it.
//!
//! On disk a due time is wall-clock time, in memory it is a [`Moment`] of the engine's monotonic clock. A due time that a jumping
//! clock has moved is taken back into `now ..= now + longest`: a retry comes at most one interval late (T-43).

use std::time::Duration;

use super::bytes::{Put, Reader};
use crate::queue::entry::{Moment, Phase, RecipientState};

/// The same instant on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    /// Time since the engine was opened.
    pub(super) monotonic: Moment,
    /// Milliseconds since 1970.
    pub(super) wall_ms: u64,
}

/// The bit in the octet of the phase that says that the sender was told of the delay.
const DELAY_TOLD: u8 = 0x80;
/// The bit in the octet of the phase that says that someone released it.
const RELEASED: u8 = 0x40;

/// Encodes the recipients at this instant.
pub(super) fn encode(recipients: &[RecipientState], clocks: Clocks) -> Vec<u8> {
    let mut octets = Vec::with_capacity(4 + recipients.len() * 32);
    octets.put_u32(u32::try_from(recipients.len()).unwrap_or(u32::MAX));
    for one in recipients {
        let (code, due_ms) = match one.phase {
            Phase::Waiting(due) => (0, wall_ms(due, clocks)),
            Phase::Delivered => (1, 0),
            Phase::Bounced => (2, 0),
            Phase::Held => (3, 0),
            Phase::Captured => (4, 0),
        };
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        octets.push(code | flag(one.delay_told, DELAY_TOLD) | flag(one.released, RELEASED));
        octets.put_u32(one.attempts);
        octets.put_u64(milliseconds(one.waited));
        octets.put_u64(due_ms);
        octets.put_counted(one.diagnostic.as_bytes());
    }
    octets
}

/// Decodes recipients at this instant; `longest` bounds how far ahead a due time may be. `None`: these octets are not recipients.
pub(super) fn decode(
    octets: &[u8],
    clocks: Clocks,
    longest: Duration,
) -> Option<Box<[RecipientState]>> {
    let mut reader = Reader::new(octets);
    let count = reader.u32()?;
    (0..count)
        .map(|_| decode_one(&mut reader, clocks, longest))
        .collect()
}

fn decode_one(
    reader: &mut Reader<'_>,
    clocks: Clocks,
    longest: Duration,
) -> Option<RecipientState> {
    let octet = reader.u8()?;
    let attempts = reader.u32()?;
    let waited = Duration::from_millis(reader.u64()?);
    let due_ms = reader.u64()?;
    let diagnostic = std::str::from_utf8(reader.counted()?).ok()?.into();
    let phase = match octet & !(DELAY_TOLD | RELEASED) {
        0 => {
            let ahead = Duration::from_millis(due_ms.saturating_sub(clocks.wall_ms));
            Phase::Waiting(clocks.monotonic.saturating_add(ahead.min(longest)))
        }
        1 => Phase::Delivered,
        2 => Phase::Bounced,
        3 => Phase::Held,
        4 => Phase::Captured,
        _ => return None,
    };
    Some(RecipientState {
        phase,
        attempts,
        waited,
        delay_told: octet & DELAY_TOLD != 0,
        released: octet & RELEASED != 0,
        diagnostic,
    })
}

fn wall_ms(due: Moment, clocks: Clocks) -> u64 {
    let ahead = due.saturating_sub(clocks.monotonic);
    clocks.wall_ms.saturating_add(milliseconds(ahead))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::entry::{Disposition, RecipientOutcome};

    const HOUR: Duration = Duration::from_secs(3600);
    const TEN_YEARS_MS: u64 = 315_360_000_000;
    const WRITTEN: Clocks = Clocks {
        monotonic: Duration::from_secs(500),
        wall_ms: 1_800_000_000_000,
    };

    fn recipients() -> Vec<RecipientState> {
        let waiting = RecipientState::committed(Disposition::Deliver, WRITTEN.monotonic);
        let deferred = waiting.clone().after(
            RecipientOutcome::Deferred {
                after: HOUR / 2,
                diagnostic: "451 4.3.0 später".to_owned(),
                delay_told: true,
            },
            WRITTEN.monotonic,
        );
        vec![
            deferred,
            waiting
                .clone()
                .after(RecipientOutcome::Delivered, WRITTEN.monotonic),
            RecipientState::committed(Disposition::Hold, WRITTEN.monotonic),
            RecipientState::committed(Disposition::Capture, WRITTEN.monotonic),
            RecipientState::committed(Disposition::Hold, WRITTEN.monotonic)
                .released(WRITTEN.monotonic),
        ]
    }

    fn reread_at(wall_ms: u64) -> Box<[RecipientState]> {
        let clocks = Clocks {
            monotonic: Duration::from_secs(3),
            wall_ms,
        };
        decode(&encode(&recipients(), WRITTEN), clocks, HOUR).unwrap()
    }

    #[test]
    fn states_survive_a_restart_with_the_rest_of_their_delay() {
        let reread = reread_at(WRITTEN.wall_ms + 600_000);
        assert_eq!(reread[0].due(), Some(Duration::from_secs(3 + 1200)));
        assert_eq!(
            (reread[0].attempts, reread[0].waited, &*reread[0].diagnostic),
            (1, HOUR / 2, "451 4.3.0 später")
        );
        assert_eq!(reread[1].phase, Phase::Delivered);
        assert_eq!(reread[2].phase, Phase::Held);
        assert_eq!(reread[3].phase, Phase::Captured);
        assert_eq!(reread[4].due(), Some(Duration::from_secs(3)));
        let told_and_released: Vec<_> = reread
            .iter()
            .map(|one| (one.delay_told, one.released))
            .collect();
        assert_eq!(told_and_released[0], (true, false));
        assert_eq!(told_and_released[4], (false, true));
    }

    /// T-43: a clock that jumped ten years either way delays a retry by one interval at most, and ages nothing.
    #[test]
    fn a_jumping_clock_delays_by_one_interval_at_most() {
        for wall_ms in [
            WRITTEN.wall_ms - TEN_YEARS_MS,
            WRITTEN.wall_ms + TEN_YEARS_MS,
            0,
        ] {
            let reread = reread_at(wall_ms);
            let due = reread[0].due().unwrap();
            assert!(due >= Duration::from_secs(3) && due <= Duration::from_secs(3) + HOUR);
            assert_eq!(reread[0].waited, HOUR / 2);
        }
    }

    #[test]
    fn cut_octets_are_not_recipients() {
        let octets = encode(&recipients(), WRITTEN);
        for length in 0..octets.len() {
            assert_eq!(decode(&octets[..length], WRITTEN, HOUR), None, "{length}");
        }
    }
}
