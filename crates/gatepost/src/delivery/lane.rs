//! Whether a next hop is being tried at the moment (pure; takes the time).
//!
//! ```text
//! Open --unreachable--> Down     messages are deferred without trying, each by its own schedule
//! Open --refused us---> Broken   messages stay as they are: our credential or TLS is at fault, not they
//! Down | Broken --time is up: one attempt probes--> Open | Down | Broken, for longer
//! Broken --password or certificate changed--> Open
//! ```
//!
//! One dead smarthost then costs one connection attempt per pause instead of one per message, and a wrong password is
//! presented seldom enough not to lock the account there (CLI-06).

use std::time::{Duration, Instant};

use crate::observe::reason::Reason;

/// The first and the longest pause of a next hop that cannot be reached.
const DOWN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5 * 60));

/// The first and the longest pause of a next hop that refuses us.
const BROKEN: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(60 * 60));

/// How long a probe may take before another one is allowed.
const PROBE: Duration = Duration::from_secs(10 * 60);

/// The state of one next hop.
#[derive(Debug, Default)]
pub struct LaneState {
    pause: Option<Pause>,
}

/// Why nothing is being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneFault {
    /// What kind of fault.
    pub kind: FaultKind,
    /// Why, for log and metrics.
    pub reason: Reason,
    /// What exactly, for people. No secrets.
    pub text: String,
}

/// What a fault of the lane means for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It cannot be reached or is not serving: messages are deferred and expire in the end.
    Down,
    /// It does not take us, or we do not trust it: messages wait for an operator and are never returned for it.
    Broken,
}

#[derive(Debug)]
struct Pause {
    fault: LaneFault,
    /// The generation of the credential at the time.
    generation: u64,
    until: Instant,
    length: Duration,
    probing: bool,
}

impl LaneState {
    /// May a message be tried now? `Ok` of a paused lane makes the caller its probe.
    pub fn gate(&mut self, now: Instant, generation: u64) -> Result<(), LaneFault> {
        match &mut self.pause {
            None => Ok(()),
            Some(pause)
                if pause.fault.kind == FaultKind::Broken && pause.generation != generation =>
            {
                self.pause = None;
                Ok(())
            }
            Some(pause) if now >= pause.until => {
                pause.probing = true;
                pause.until = now + PROBE;
                Ok(())
            }
            Some(pause) => Err(pause.fault.clone()),
        }
    }

    /// The next hop took part in a transaction.
    pub fn worked(&mut self) {
        self.pause = None;
    }

    /// An attempt found the lane unusable. Returns whether this is news, to be told to the operator.
    pub fn failed(&mut self, now: Instant, generation: u64, fault: LaneFault) -> bool {
        let (first, longest) = match fault.kind {
            FaultKind::Down => DOWN,
            FaultKind::Broken => BROKEN,
        };
        let length = match &self.pause {
            // Attempts that were under way when the lane was paused add nothing.
            Some(pause) if !pause.probing && pause.fault.kind == fault.kind => return false,
            Some(pause) if pause.fault.kind == fault.kind => (pause.length * 2).min(longest),
            _ => first,
        };
        self.pause = Some(Pause {
            fault,
            generation,
            until: now + length,
            length,
            probing: false,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind) -> LaneFault {
        LaneFault {
            kind,
            reason: Reason::Unreachable,
            text: "no".to_owned(),
        }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_dead_lane_is_probed_by_one_attempt_at_growing_intervals() {
        let start = Instant::now();
        let mut lane = LaneState::default();
        assert_eq!(lane.gate(start, 0), Ok(()));
        assert!(lane.failed(start, 0, fault(FaultKind::Down)));
        assert!(
            !lane.failed(start, 0, fault(FaultKind::Down)),
            "attempts under way add nothing"
        );
        assert!(lane.gate(after(start, 9), 0).is_err());
        assert_eq!(lane.gate(after(start, 10), 0), Ok(()));
        assert!(
            lane.gate(after(start, 10), 0).is_err(),
            "one probe at a time"
        );
        assert!(lane.failed(after(start, 11), 0, fault(FaultKind::Down)));
        assert!(lane.gate(after(start, 30), 0).is_err());
        assert_eq!(lane.gate(after(start, 31), 0), Ok(()));
        lane.worked();
        assert_eq!(lane.gate(after(start, 31), 0), Ok(()));
        assert_eq!(lane.gate(after(start, 31), 0), Ok(()));
    }

    #[test]
    fn pauses_stop_growing_and_a_lost_probe_is_replaced() {
        let mut now = Instant::now();
        let mut lane = LaneState::default();
        for _ in 0..20 {
            assert_eq!(lane.gate(now, 0), Ok(()));
            lane.failed(now, 0, fault(FaultKind::Broken));
            assert!(lane.gate(now + BROKEN.0.mul_f32(0.99), 0).is_err());
            now += BROKEN.1;
        }
        assert_eq!(lane.gate(now, 0), Ok(()));
        assert!(lane.gate(now + PROBE.mul_f32(0.99), 0).is_err());
        assert_eq!(lane.gate(now + PROBE, 0), Ok(()));
    }

    // CLI-06: "password change resets".
    #[test]
    fn a_new_password_opens_a_broken_lane_and_not_a_dead_one() {
        let now = Instant::now();
        let mut lane = LaneState::default();
        lane.failed(now, 1, fault(FaultKind::Broken));
        assert!(lane.gate(now, 1).is_err());
        assert_eq!(lane.gate(now, 2), Ok(()));
        lane.failed(now, 2, fault(FaultKind::Down));
        assert!(lane.gate(now, 3).is_err());
    }
}
