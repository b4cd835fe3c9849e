//! What a session counts: refusals for their short ids, and everything a hostile peer could repeat
//! for ever (T-37).

use super::Limits;
use crate::quirk::{Quirk, QuirkSet};

/// Counters of one session.
#[derive(Debug, Default)]
pub(super) struct Tally {
    refusals: u32,
    /// Protocol errors since the last good thing.
    errors: u32,
    /// Commands, other than RCPT, since the last good thing.
    commands: u32,
    guesses: u32,
    control_lines: u32,
    quirks: QuirkSet,
    /// The last response was refused and its length is one at which encoders wrap (AUTH-28).
    pub(super) wrapped_base64: bool,
}

/// Whether a count has passed its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Left,
    Gone,
}

impl Tally {
    /// The number of the next refusal.
    pub(super) fn next_refusal(&mut self) -> u32 {
        self.refusals = self.refusals.saturating_add(1);
        self.refusals
    }

    pub(super) fn error(&mut self, limits: &Limits) -> Patience {
        count(&mut self.errors, limits.errors)
    }

    pub(super) fn command(&mut self, limits: &Limits) -> Patience {
        count(&mut self.commands, limits.idle_commands)
    }

    /// A wrong password (AUTH-18).
    pub(super) fn guess(&mut self, limits: &Limits) -> Patience {
        count(&mut self.guesses, limits.auth_failures)
    }

    /// A command line with NUL or CR in it (EOL-09): the last one allowed is also the last line.
    pub(super) fn control_line(&mut self, limits: &Limits) -> Patience {
        count(
            &mut self.control_lines,
            limits.control_lines.saturating_sub(1),
        )
    }

    /// A message was taken or an identity proven: patience is new.
    pub(super) fn good_thing_happened(&mut self) {
        self.errors = 0;
        self.commands = 0;
    }

    /// Whether `quirk` is met for the first time.
    pub(super) fn is_new(&mut self, quirk: Quirk) -> bool {
        self.quirks.insert(quirk)
    }
}

fn count(counter: &mut u32, limit: u32) -> Patience {
    *counter = counter.saturating_add(1);
    if *counter > limit {
        Patience::Gone
    } else {
        Patience::Left
    }
}
