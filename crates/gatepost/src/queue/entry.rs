//! The life of one recipient of a queued message (pure).
//!
//! ```text
//! Waiting(due) --attempt--> Delivered | Bounced | Waiting(later) | Held
//! Waiting(due) --retry----> Waiting(now)
//! Waiting(due) --hold-----> Held
//! Held         --release--> Waiting(now), and no route holds it again
//! Captured     (kept and shown, never sent)
//! ```
//!
//! A recipient that is being tried is in state `Waiting`, and its message is leased: a crash in the middle of an attempt leaves it
//! waiting. An entry is finished, and its message may be forgotten, when every recipient is `Delivered` or `Bounced`.

use std::time::Duration;

/// Where committed mail goes, decided by its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disposition {
    /// Try to deliver it at once.
    #[default]
    Deliver,
    /// Keep it until someone releases it.
    Hold,
    /// Keep it and show it; it is never sent.
    Capture,
}

/// A moment of the engine's own monotonic clock: time since the engine was opened.
pub type Moment = Duration;

/// One recipient's state and history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientState {
    /// Where it stands.
    pub phase: Phase,
    /// Attempts that ended in a deferral.
    pub attempts: u32,
    /// Delays waited through so far, the current one included.
    pub waited: Duration,
    /// The sender has been told that it takes long: that is said once.
    pub delay_told: bool,
    /// Someone released it: a route that holds does not hold it again.
    pub released: bool,
    /// What the next hop last said, for notices and for the operator; empty before the first attempt.
    pub diagnostic: Box<str>,
}

/// Where a recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// To be tried at that moment.
    Waiting(Moment),
    /// Taken over by the next hop.
    Delivered,
    /// Given up; its sender has been told.
    Bounced,
    /// Stopped until someone releases it.
    Held,
    /// Kept and shown, never sent.
    Captured,
}

/// How an attempt ended for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientOutcome {
    /// The next hop took responsibility.
    Delivered,
    /// Try again after this delay.
    Deferred {
        /// How long to wait, from [`super::schedule`].
        after: Duration,
        /// What the next hop said.
        diagnostic: String,
        /// The sender was told now that it takes long.
        delay_told: bool,
    },
    /// Try again after this delay, for nothing that speaks against the recipient: its next hop was not asked, or does not take us.
    Postponed {
        /// How long to wait.
        after: Duration,
        /// What stands in the way.
        diagnostic: String,
        /// The delay counts towards the age at which the recipient is given up.
        ages: bool,
        /// As of a deferral.
        delay_told: bool,
    },
    /// Given up.
    Bounced {
        /// What the next hop said.
        diagnostic: String,
    },
    /// Stop until someone releases it.
    Held {
        /// Why.
        diagnostic: String,
    },
}

impl RecipientState {
    /// The state of a recipient just committed at `now`.
    pub fn committed(disposition: Disposition, now: Moment) -> Self {
        let phase = match disposition {
            Disposition::Deliver => Phase::Waiting(now),
            Disposition::Hold => Phase::Held,
            Disposition::Capture => Phase::Captured,
        };
        Self {
            phase,
            attempts: 0,
            waited: Duration::ZERO,
            delay_told: false,
            released: false,
            diagnostic: Box::default(),
        }
    }

    /// When it wants to be tried; `None` when it does not.
    pub fn due(&self) -> Option<Moment> {
        match self.phase {
            Phase::Waiting(due) => Some(due),
            _ => None,
        }
    }

    /// Whether nothing remains to be done for it.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Delivered | Phase::Bounced)
    }

    /// The state after an attempt that ended at `now`. A recipient that was not waiting stays as it is.
    #[must_use]
    pub fn after(self, outcome: RecipientOutcome, now: Moment) -> Self {
        if self.due().is_none() {
            return self;
        }
        let (mut delay_told, mut attempts) = (self.delay_told, self.attempts);
        let (phase, waited, diagnostic) = match outcome {
            RecipientOutcome::Delivered => (Phase::Delivered, self.waited, String::new()),
            RecipientOutcome::Bounced { diagnostic } => (Phase::Bounced, self.waited, diagnostic),
            RecipientOutcome::Held { diagnostic } => (Phase::Held, self.waited, diagnostic),
            RecipientOutcome::Deferred {
                after,
                diagnostic,
                delay_told: told_now,
            } => {
                delay_told |= told_now;
                attempts = attempts.saturating_add(1);
                let waited = self.waited.saturating_add(after);
                (
                    Phase::Waiting(now.saturating_add(after)),
                    waited,
                    diagnostic,
                )
            }
            RecipientOutcome::Postponed {
                after,
                diagnostic,
                ages,
                delay_told: told_now,
            } => {
                delay_told |= told_now;
                let aged = if ages { after } else { Duration::ZERO };
                let waited = self.waited.saturating_add(aged);
                (
                    Phase::Waiting(now.saturating_add(after)),
                    waited,
                    diagnostic,
                )
            }
        };
        Self {
            phase,
            waited,
            attempts,
            delay_told,
            released: self.released && phase != Phase::Held,
            diagnostic: diagnostic.into_boxed_str(),
        }
    }

    /// The state after someone wanted it tried at `now`. Only a recipient that waits for later changes.
    #[must_use]
    pub fn hurried(self, now: Moment) -> Self {
        match self.phase {
            Phase::Waiting(due) => Self {
                phase: Phase::Waiting(due.min(now)),
                ..self
            },
            _ => self,
        }
    }

    /// The state after someone held it, and why. Only a waiting recipient changes.
    #[must_use]
    pub fn held(self, why: &str) -> Self {
        match self.phase {
            Phase::Waiting(_) => Self {
                phase: Phase::Held,
                released: false,
                diagnostic: why.into(),
                ..self
            },
            _ => self,
        }
    }

    /// The state after someone released it at `now`. Only a held recipient changes.
    #[must_use]
    pub fn released(self, now: Moment) -> Self {
        match self.phase {
            Phase::Held => Self {
                phase: Phase::Waiting(now),
                released: true,
                ..self
            },
            _ => self,
        }
    }
}

/// What an entry is, seen as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryState {
    /// At least one recipient is waiting for an attempt.
    Queued,
    /// None waits, at least one is held.
    Held,
    /// Kept and shown, never sent.
    Captured,
    /// Nothing remains to be done.
    Finished,
}

impl EntryState {
    /// The state of an entry with these recipients.
    pub fn of(recipients: &[RecipientState]) -> Self {
        let any = |wanted: fn(&Phase) -> bool| recipients.iter().any(|one| wanted(&one.phase));
        if any(|phase| matches!(phase, Phase::Waiting(_))) {
            Self::Queued
        } else if any(|phase| matches!(phase, Phase::Held)) {
            Self::Held
        } else if any(|phase| matches!(phase, Phase::Captured)) {
            Self::Captured
        } else {
            Self::Finished
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Duration::from_secs(100);
    const MINUTE: Duration = Duration::from_secs(60);

    fn deferred(after: Duration) -> RecipientOutcome {
        RecipientOutcome::Deferred {
            after,
            diagnostic: "451 4.3.0 later".to_owned(),
            delay_told: false,
        }
    }

    #[test]
    fn a_delay_once_told_stays_told() {
        let told = RecipientOutcome::Deferred {
            after: MINUTE,
            diagnostic: String::new(),
            delay_told: true,
        };
        let state = RecipientState::committed(Disposition::Deliver, NOW).after(told, NOW);
        assert!(state.delay_told);
        assert!(state.after(deferred(MINUTE), NOW).delay_told);
    }

    #[test]
    fn a_deferral_counts_the_attempt_and_the_wait() {
        let state = RecipientState::committed(Disposition::Deliver, NOW);
        assert_eq!(state.due(), Some(NOW));
        let state = state.after(deferred(MINUTE), NOW);
        let state = state.after(deferred(2 * MINUTE), NOW + MINUTE);
        assert_eq!(state.due(), Some(NOW + 3 * MINUTE));
        assert_eq!((state.attempts, state.waited), (2, 3 * MINUTE));
        assert_eq!(&*state.diagnostic, "451 4.3.0 later");
    }

    // A next hop that refuses us for a week must not make the message expire at the first trouble after it.
    #[test]
    fn a_postponement_is_no_attempt_and_ages_only_where_it_says_so() {
        let postponed = |ages| RecipientOutcome::Postponed {
            after: MINUTE,
            diagnostic: "535 5.7.8 no".to_owned(),
            ages,
            delay_told: false,
        };
        let state = RecipientState::committed(Disposition::Deliver, NOW);
        let state = state.after(postponed(false), NOW);
        assert_eq!((state.attempts, state.waited), (0, Duration::ZERO));
        let state = state.after(postponed(true), NOW + MINUTE);
        assert_eq!((state.attempts, state.waited), (0, MINUTE));
        assert_eq!(state.due(), Some(NOW + 2 * MINUTE));
        assert_eq!(&*state.diagnostic, "535 5.7.8 no");
    }

    #[test]
    fn what_is_finished_held_or_captured_takes_no_outcome() {
        let waiting = RecipientState::committed(Disposition::Deliver, NOW);
        let delivered = waiting.after(RecipientOutcome::Delivered, NOW);
        let held = RecipientState::committed(Disposition::Hold, NOW);
        let captured = RecipientState::committed(Disposition::Capture, NOW);
        for state in [delivered, held, captured] {
            assert_eq!(state.clone().after(deferred(MINUTE), NOW), state);
        }
    }

    #[test]
    fn only_a_held_recipient_is_released() {
        let held = RecipientState::committed(Disposition::Hold, NOW);
        assert_eq!(held.released(2 * NOW).due(), Some(2 * NOW));
        let captured = RecipientState::committed(Disposition::Capture, NOW);
        assert_eq!(captured.clone().released(2 * NOW), captured);
        let waiting = RecipientState::committed(Disposition::Deliver, NOW);
        assert_eq!(waiting.clone().released(2 * NOW), waiting);
    }

    #[test]
    fn only_a_waiting_recipient_is_held_or_hurried() {
        let later =
            RecipientState::committed(Disposition::Deliver, NOW).after(deferred(MINUTE), NOW);
        assert_eq!(later.clone().hurried(NOW).due(), Some(NOW));
        assert_eq!(
            later.clone().hurried(9 * NOW).due(),
            Some(NOW + MINUTE),
            "it is due already"
        );
        let held = later.held("an operator holds it");
        assert_eq!(
            (held.phase, &*held.diagnostic, held.attempts),
            (Phase::Held, "an operator holds it", 1)
        );
        let captured = RecipientState::committed(Disposition::Capture, NOW);
        for state in [held, captured] {
            assert_eq!(state.clone().hurried(NOW), state);
            assert_eq!(state.clone().held("again"), state);
        }
    }

    #[test]
    fn a_release_counts_until_it_is_held_anew() {
        let released = RecipientState::committed(Disposition::Hold, NOW).released(NOW);
        assert!(released.released);
        let deferred = released.after(deferred(MINUTE), NOW);
        assert!(deferred.released, "a failed attempt does not take it back");
        let outcome = RecipientOutcome::Held {
            diagnostic: String::new(),
        };
        assert!(!deferred.clone().after(outcome, NOW).released);
        assert!(!deferred.held("an operator").released);
    }

    #[test]
    fn an_entry_is_what_its_busiest_recipient_is() {
        let of = |disposition| RecipientState::committed(disposition, NOW);
        let delivered = of(Disposition::Deliver).after(RecipientOutcome::Delivered, NOW);
        let (waiting, held) = (of(Disposition::Deliver), of(Disposition::Hold));
        assert_eq!(
            EntryState::of(&[delivered.clone(), held.clone(), waiting]),
            EntryState::Queued
        );
        assert_eq!(EntryState::of(&[delivered.clone(), held]), EntryState::Held);
        assert_eq!(EntryState::of(&[delivered]), EntryState::Finished);
        assert_eq!(EntryState::of(&[]), EntryState::Finished);
    }
}
