//! Keeps events that strangers cause at will from filling the log (T-38).
//!
//! Of each such kind so many lines are written in a second; what goes beyond is counted, and the count is written when the second is
//! over and something is logged. The metrics count every event all the same.

use std::time::{Duration, SystemTime};

use crate::observe::event::Event;

/// Lines of one kind in one window.
const LINES: u64 = 100;

const WINDOW: Duration = Duration::from_secs(1);

/// What a peer can cause without having authenticated, at the cost of one connection or less.
const KINDS: [&str; 4] = [
    "connection-refused",
    "connection-closed",
    "tls-failed",
    "refused",
];

/// Which of them an event is.
fn kind(event: &Event) -> Option<usize> {
    match event {
        Event::ConnectionRefused(_) => Some(0),
        Event::ConnectionClosed(_) => Some(1),
        Event::TlsFailed(_) => Some(2),
        Event::CommandRefused(it) if it.account.is_none() => Some(3),
        _ => None,
    }
}

/// Counts of the current window.
#[derive(Debug, Default)]
pub(super) struct Flood {
    begun: Option<SystemTime>,
    seen: [u64; KINDS.len()],
}

impl Flood {
    /// Whether the event is to be written, and which kinds were left out before, how often.
    pub(super) fn admit(
        &mut self,
        at: SystemTime,
        event: &Event,
    ) -> (bool, Vec<(&'static str, u64)>) {
        let left_out = self.turn(at);
        let admitted = match kind(event).and_then(|kind| self.seen.get_mut(kind)) {
            Some(seen) => {
                *seen += 1;
                *seen <= LINES
            }
            None => true,
        };
        (admitted, left_out)
    }

    fn turn(&mut self, at: SystemTime) -> Vec<(&'static str, u64)> {
        let begun = *self.begun.get_or_insert(at);
        // A clock that was set back begins a new window as well.
        if at.duration_since(begun).is_ok_and(|passed| passed < WINDOW) {
            return Vec::new();
        }
        self.begun = Some(at);
        let seen = std::mem::take(&mut self.seen);
        KINDS
            .into_iter()
            .zip(seen)
            .filter_map(|(kind, seen)| Some((kind, seen.checked_sub(LINES)?)))
            .filter(|(_, left_out)| *left_out > 0)
            .collect()
    }
}
