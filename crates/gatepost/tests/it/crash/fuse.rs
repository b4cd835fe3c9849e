//! When the process dies: after so many acknowledgements, at the next moment of a kind, and a little later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::chance::Chance;

/// What the process is doing for somebody when it dies. It is doing many other things for the other sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Taking a message: part of its content has been sent.
    Accept,
    /// Making a message durable: its end of data is being sent.
    Commit,
    /// Handing a message on: the next hop is being given its envelope or content.
    Attempt,
    /// Recording an outcome: the next hop has just said 250 or 451.
    Outcome,
}

impl Moment {
    pub(super) const ALL: [Self; 4] = [Self::Accept, Self::Commit, Self::Attempt, Self::Outcome];
}

/// The end of one life of the process.
#[derive(Debug)]
pub(super) struct Fuse {
    process: Pid,
    moment: Moment,
    /// Acknowledgements until it is lit.
    remaining: AtomicU64,
    /// From the moment to the kill.
    delay: Duration,
    blown: AtomicBool,
}

impl Fuse {
    /// For this process, after an average of `acknowledgements`, a fifth more or less.
    pub(super) fn new(
        process: Pid,
        moment: Moment,
        acknowledgements: u64,
        chance: &mut Chance,
    ) -> Arc<Self> {
        let spread = acknowledgements / 5;
        let remaining = chance.between(acknowledgements - spread, acknowledgements + spread);
        Arc::new(Self {
            process,
            moment,
            remaining: AtomicU64::new(remaining),
            delay: Duration::from_micros(chance.between(0, 3_000)),
            blown: AtomicBool::new(false),
        })
    }

    /// A client has read its 250.
    pub(super) fn acknowledged(&self) {
        let _ = self
            .remaining
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |remaining| {
                remaining.checked_sub(1)
            });
    }

    /// The process has come to this moment.
    pub(super) fn at(self: &Arc<Self>, moment: Moment) {
        if moment != self.moment
            || self.remaining.load(Ordering::Acquire) > 0
            || self.blown.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let fuse = Arc::clone(self);
        // The delay is no wait for anything: it spreads the kills over what follows the moment.
        tokio::task::spawn_blocking(move || {
            std::thread::sleep(fuse.delay);
            kill_process(fuse.process, Signal::KILL).expect("the process has died before its time");
        });
    }

    pub(super) fn is_blown(&self) -> bool {
        self.blown.load(Ordering::Acquire)
    }
}
