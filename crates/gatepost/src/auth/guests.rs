//! Guests: whether somebody is let in who does not say who he is (ANONYMOUS), and as whom.
//!
//! Only on a listener that names an account for them. They act as that account and may do less than it: what they submit goes to the
//! account's own addresses and nowhere else (`policy/relay.rs`).

use gatepost_sasl::{Answer, Mechanism, Needs, Question, Refusal, Verdict};

use super::account_grant::AccountGrants;
use super::channel::Channel;
use super::directory::{Answering, Asker, Directory};

/// What logs and routes call the credential of a guest.
const PROOF: &str = "anonymous";

/// Lets guests in where a listener has an account for them.
pub struct GuestDirectory {
    grants: AccountGrants,
}

impl GuestDirectory {
    /// Guests of these accounts.
    pub fn new(grants: AccountGrants) -> Self {
        Self { grants }
    }
}

impl Directory for GuestDirectory {
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a> {
        Box::pin(async move {
            match (question, &asker.channel.anonymous_account) {
                (Question::Anonymous { .. }, Some(account)) => {
                    Answer::Verdict(self.grants.proven(account, PROOF, None))
                }
                (Question::Anonymous { .. }, None) => {
                    Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid))
                }
                _ => Answer::Unavailable,
            }
        })
    }

    fn completes(&self, mechanism: &Mechanism, channel: &Channel) -> bool {
        let account = channel.anonymous_account.as_deref();
        mechanism.needs == Needs::Nothing && account.is_some_and(|it| self.grants.is_enabled(it))
    }
}
