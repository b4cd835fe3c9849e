//! Faults of deciding: a directory that says no to who is right.
//!
//! Only answers that let somebody in are changed, so that what is refused is refused as always. The exchange runs as it should and ends
//! otherwise: with SCRAM, the client's proof is checked first.

use std::sync::Arc;

use gatepost_sasl::{Answer, Mechanism, Question, Refusal, Secret, Verdict};

use super::Faults;
use super::kind::Decision;
use crate::auth::channel::Channel;
use crate::auth::directory::{Answering, Asker, Directory};

/// A token that nobody has issued.
const NO_TOKEN: &str = "withdrawn";

/// The directory, and what it is to decide otherwise.
pub(super) struct Misjudging {
    pub(super) directory: Box<dyn Directory>,
    pub(super) faults: Arc<Faults>,
}

impl Directory for Misjudging {
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a> {
        Box::pin(async move {
            let answer = self.directory.answer(question, asker).await;
            if !lets_in(&answer) {
                return answer;
            }
            match self.faults.decision(question.mechanism()) {
                None => answer,
                Some(Decision::Unavailable) => refused(answer, Refusal::Unavailable),
                Some(Decision::Refused) => refused(answer, Refusal::CredentialsInvalid),
                // What is said of a token that is none, with the document that belongs to it.
                Some(Decision::TokenRefused) => {
                    self.directory.answer(&without_token(question), asker).await
                }
            }
        })
    }

    fn completes(&self, mechanism: &Mechanism, channel: &Channel) -> bool {
        self.directory.completes(mechanism, channel)
    }

    fn realms(&self) -> &[String] {
        self.directory.realms()
    }
}

fn lets_in(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Verdict(Verdict::Accepted(_))
            | Answer::Verifier {
                verdict: Verdict::Accepted(_),
                ..
            }
            | Answer::Checked {
                verdict: Verdict::Accepted(_),
                ..
            }
    )
}

fn refused(answer: Answer, refusal: Refusal) -> Answer {
    let verdict = Verdict::Refused(refusal);
    match answer {
        Answer::Verdict(_) => Answer::Verdict(verdict),
        Answer::Verifier { verifier, .. } => Answer::Verifier { verifier, verdict },
        Answer::Checked { proof, .. } => Answer::Checked { verdict, proof },
        other => other,
    }
}

fn without_token(question: &Question) -> Question {
    let mut question = question.clone();
    if let Question::Token { token, .. } = &mut question {
        *token = Secret::new(NO_TOKEN);
    }
    question
}
