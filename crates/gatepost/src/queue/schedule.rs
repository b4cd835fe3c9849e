//! When a deferred recipient is tried again (pure).
//!
//! Delays double from the first to the longest. Age is the time a recipient has *waited*, summed up from delays that a monotonic
//! clock measured, never a difference of wall clocks: a clock that jumps ten years gives nothing up early and holds nothing back
//! (T-43). Time during which the program did not run does not count.

use std::time::Duration;

use crate::config::resolved::RetrySchedule;

/// What to do with a recipient whose attempt failed for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after this delay.
    Retry(Duration),
    /// Return the message to its sender.
    GiveUp,
}

/// Decides about a recipient that has now failed `attempts` times (this one included) and waited for `waited` in total.
///
/// `jitter` is any random number: it shortens the delay by up to a fifth, so that what failed together does not return together.
pub fn after_failure(
    schedule: &RetrySchedule,
    attempts: u32,
    waited: Duration,
    jitter: u32,
) -> Next {
    if waited >= schedule.give_up {
        return Next::GiveUp;
    }
    let doublings = attempts.saturating_sub(1).min(30);
    let full = schedule
        .first
        .saturating_mul(1 << doublings)
        .min(schedule.longest);
    Next::Retry(shortened(full, jitter))
}

/// Decides about a recipient that was not tried, since its next hop is known to be down: as if the delays so far had been those of
/// attempts, of which each is as long as all before it together.
pub fn after_pause(schedule: &RetrySchedule, waited: Duration, jitter: u32) -> Next {
    if waited >= schedule.give_up {
        return Next::GiveUp;
    }
    let full = schedule.first.saturating_add(waited).min(schedule.longest);
    Next::Retry(shortened(full, jitter))
}

fn shortened(full: Duration, jitter: u32) -> Duration {
    let per_mille = 1000 - jitter % 201;
    full.saturating_mul(per_mille) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(jitter: u32) -> Vec<Duration> {
        let schedule = RetrySchedule::default();
        let mut waited = Duration::ZERO;
        let mut delays = Vec::new();
        while let Next::Retry(delay) = after_failure(
            &schedule,
            u32::try_from(delays.len()).unwrap() + 1,
            waited,
            jitter,
        ) {
            waited += delay;
            delays.push(delay);
        }
        delays
    }

    #[test]
    fn delays_double_from_a_minute_to_an_hour_for_five_days() {
        let minutes: Vec<u64> = delays(0).iter().map(|delay| delay.as_secs() / 60).collect();
        assert_eq!(minutes[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        let total: Duration = delays(0).iter().sum();
        let give_up = RetrySchedule::default().give_up;
        assert!(
            total >= give_up && total < give_up + Duration::from_secs(3600),
            "{total:?}"
        );
    }

    #[test]
    fn a_next_hop_that_is_down_is_asked_for_as_often() {
        let schedule = RetrySchedule::default();
        let (mut waited, mut pauses) = (Duration::ZERO, Vec::new());
        while let Next::Retry(delay) = after_pause(&schedule, waited, 0) {
            waited += delay;
            pauses.push(delay);
        }
        let tries = delays(0);
        assert_eq!((&pauses[..6], pauses.len()), (&tries[..6], tries.len()));
    }

    #[test]
    fn jitter_only_shortens_and_by_a_fifth_at_most() {
        for jitter in [1, 200, 201, u32::MAX] {
            for (full, jittered) in delays(0).iter().zip(delays(jitter)) {
                assert!(jittered <= *full && jittered >= *full * 4 / 5);
            }
        }
    }

    #[test]
    fn no_number_of_attempts_overflows() {
        let schedule = RetrySchedule {
            first: Duration::MAX,
            ..RetrySchedule::default()
        };
        let next = after_failure(&schedule, u32::MAX, Duration::ZERO, 0);
        assert_eq!(next, Next::Retry(schedule.longest));
    }
}
