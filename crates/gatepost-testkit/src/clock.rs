//! Time that passes when a test says so.

use std::time::{Duration, Instant};

/// A clock that stands still until it is moved.
#[derive(Clone, Copy, Debug)]
pub struct FakeClock(Instant);

impl FakeClock {
    /// A clock at some moment; which one does not matter, because nothing compares it with another clock.
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// The moment it stands at.
    pub fn now(&self) -> Instant {
        self.0
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        self.0 += time;
    }

    /// Lets time pass until `moment`, unless it is over already.
    pub fn pass_until(&mut self, moment: Instant) {
        self.0 = self.0.max(moment);
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}
