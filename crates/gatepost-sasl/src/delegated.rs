//! Any mechanism, passed through: the directory speaks it (a Kerberos library, a running Dovecot), we carry messages.
//!
//! Use it as the server side of a [`Mechanism`]:
//!
//! ```text
//! fn server(_: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
//!     delegated::server(&THIS_MECHANISM, initial_response)
//! }
//! ```
//!
//! Invariants: one question per client message, in order; success only with the directory's verdict, whose grant also
//! names the authcid, because only the directory understood the messages.

use crate::identity::Authcid;
use crate::mechanism::Mechanism;
use crate::step::{
    Answer, AwaitAnswer, AwaitResponse, Outcome, PassThroughStep, Question, Refusal, ServerStep,
    Verdict,
};

/// Begins a passed-through exchange. Without an initial response the directory is asked what to say first.
pub fn server(mechanism: &'static Mechanism, initial_response: Option<&[u8]>) -> ServerStep {
    ask(mechanism, initial_response.map(<[u8]>::to_vec))
}

fn ask(mechanism: &'static Mechanism, message: Option<Vec<u8>>) -> ServerStep {
    ServerStep::Ask(
        Question::PassThrough { mechanism, message },
        Box::new(AwaitDirectory { mechanism }),
    )
}

struct AwaitDirectory {
    mechanism: &'static Mechanism,
}

impl AwaitAnswer for AwaitDirectory {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        match answer {
            Answer::PassThrough(PassThroughStep::Challenge(challenge)) => {
                let state = AwaitClient {
                    mechanism: self.mechanism,
                };
                ServerStep::Challenge(challenge, Box::new(state))
            }
            Answer::PassThrough(PassThroughStep::Done {
                verdict,
                final_data,
                layer,
            }) => ServerStep::Done(
                outcome(self.mechanism, verdict)
                    .with_final_data(final_data)
                    .with_layer(layer),
            ),
            _ => ServerStep::refused(Refusal::Unavailable),
        }
    }
}

fn outcome(mechanism: &'static Mechanism, verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Refused(refusal) => Outcome::Refused(refusal),
        Verdict::Accepted(grant) => match Authcid::parse(&grant.login) {
            Ok(authcid) => Outcome::authenticated(mechanism, authcid, grant),
            Err(_) => Outcome::Refused(Refusal::Unavailable),
        },
    }
}

struct AwaitClient {
    mechanism: &'static Mechanism,
}

impl AwaitResponse for AwaitClient {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        ask(self.mechanism, Some(response.to_vec()))
    }
}
