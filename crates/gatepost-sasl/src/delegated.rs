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

use crate::mechanism::Mechanism;
use crate::step::{
    Answer, AwaitAnswer, AwaitResponse, Outcome, PassThroughStep, Question, Refusal, ServerStep,
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
                Outcome::named_by_grant(self.mechanism, verdict)
                    .with_final_data(final_data)
                    .with_layer(layer),
            ),
            _ => ServerStep::refused(Refusal::Unavailable),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::layer::{LayerFault, SecurityLayer};
    use crate::mechanism::SCRAM_SHA_256;
    use crate::pairing::granted;

    fn asked(step: ServerStep) -> (Option<Vec<u8>>, Box<dyn AwaitAnswer>) {
        match step {
            ServerStep::Ask(Question::PassThrough { message, .. }, state) => (message, state),
            other => panic!("{other:?}"),
        }
    }

    struct Toy;

    impl SecurityLayer for Toy {
        fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFault> {
            wire.extend_from_slice(plain);
            Ok(())
        }

        fn open(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<usize, LayerFault> {
            plain.extend_from_slice(wire);
            Ok(wire.len())
        }

        fn describe(&self) -> &'static str {
            "toy"
        }
    }

    #[test]
    fn messages_go_to_the_directory_in_order_and_its_verdict_is_the_outcome() {
        let (message, state) = asked(server(&SCRAM_SHA_256, None));
        assert_eq!(message, None);
        let step = state.answer(Answer::PassThrough(PassThroughStep::Challenge(
            b"one".to_vec(),
        )));
        let ServerStep::Challenge(challenge, state) = step else {
            panic!("{step:?}");
        };
        assert_eq!(challenge, b"one");
        let (message, state) = asked(state.respond(b""));
        assert_eq!(message.as_deref(), Some(&b""[..]));
        let step = state.answer(Answer::PassThrough(PassThroughStep::Done {
            verdict: granted("user@EXAMPLE.COM"),
            final_data: Some(b"last".to_vec()),
            layer: Some(Box::new(Toy)),
        }));
        let ServerStep::Done(Outcome::Authenticated(success)) = step else {
            panic!("{step:?}");
        };
        assert_eq!(success.identity.authcid().as_str(), "user@EXAMPLE.COM");
        assert_eq!(success.final_data.as_deref(), Some(&b"last"[..]));
        assert_eq!(
            success
                .layer
                .map(|layer| layer.describe().to_owned())
                .as_deref(),
            Some("toy")
        );
    }

    #[test]
    fn an_initial_response_is_the_first_message() {
        assert_eq!(
            asked(server(&SCRAM_SHA_256, Some(b"hello"))).0.as_deref(),
            Some(&b"hello"[..])
        );
    }

    // SASL-07, CODE-09.
    #[test]
    fn whatever_is_no_grant_is_no_success() {
        let done = |verdict| {
            Answer::PassThrough(PassThroughStep::Done {
                verdict,
                final_data: Some(b"data".to_vec()),
                layer: Some(Box::new(Toy)),
            })
        };
        for (answer, refusal) in [
            (
                done(Verdict::Refused(Refusal::CredentialsInvalid)),
                Refusal::CredentialsInvalid,
            ),
            (done(granted("")), Refusal::Unavailable),
            (Answer::Unavailable, Refusal::Unavailable),
            (Answer::Verdict(granted("user")), Refusal::Unavailable),
        ] {
            let (_, state) = asked(server(&SCRAM_SHA_256, Some(b"x")));
            let step = state.answer(answer);
            assert!(
                matches!(step, ServerStep::Done(Outcome::Refused(r)) if r == refusal),
                "{step:?}"
            );
        }
    }
}
