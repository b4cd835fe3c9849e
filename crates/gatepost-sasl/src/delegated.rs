//! Any mechanism, passed through: the directory speaks it (a Kerberos library, a running Dovecot), we carry messages.
//!
//! Use it as the sides of a [`Mechanism`]:
//!
//! ```text
//! fn server(_: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
//!     delegated::server(&THIS_MECHANISM, initial_response)
//! }
//! fn client(params: ClientParams) -> ClientStep {
//!     delegated::client(&THIS_MECHANISM, params)
//! }
//! ```
//!
//! Invariants: one question per message of the peer, in order. A server exchange succeeds only with the directory's
//! verdict; it also names the authcid, because only the directory understood the messages. A client exchange
//! succeeds only after its side has sent what it calls its last message.

use crate::client::{
    AwaitChallenge, AwaitClientAnswer, ClientAnswer, ClientFault, ClientParams,
    ClientPassThroughStep, ClientQuestion, ClientStep, ClientSuccess,
};
use crate::layer::{LayerPolicy, SecurityLayer};
use crate::mechanism::Mechanism;
use crate::step::{
    Answer, AwaitAnswer, AwaitResponse, Outcome, PassThroughStep, Question, Refusal, ServerStep,
};

/// Begins a passed-through exchange. Without an initial response the directory is asked what to say first.
pub fn server(mechanism: &'static Mechanism, initial_response: Option<&[u8]>) -> ServerStep {
    ask(mechanism, initial_response.map(<[u8]>::to_vec))
}

/// A passed-through exchange that begins with this challenge, of which the directory need not know.
pub fn challenge(mechanism: &'static Mechanism, challenge: Vec<u8>) -> ServerStep {
    ServerStep::Challenge(challenge, Box::new(AwaitClient { mechanism }))
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
            Answer::PassThrough(PassThroughStep::Challenge(octets)) => {
                challenge(self.mechanism, octets)
            }
            Answer::PassThrough(PassThroughStep::Done {
                verdict,
                authcid,
                authzid: _,
                final_data,
                layer,
            }) => {
                let outcome = match authcid {
                    Some(authcid) => Outcome::of(self.mechanism, authcid, verdict),
                    None => Outcome::named_by_grant(self.mechanism, verdict),
                };
                ServerStep::Done(outcome.with_final_data(final_data).with_layer(layer))
            }
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

/// Begins a passed-through exchange of a client that speaks first.
pub fn client(mechanism: &'static Mechanism, params: ClientParams) -> ClientStep {
    Exchange {
        mechanism,
        host: params.host,
        authzid: params.authzid,
        layers: params.layers,
    }
    .ask(None)
}

/// What a client's exchange is about.
struct Exchange {
    mechanism: &'static Mechanism,
    host: String,
    authzid: Option<String>,
    layers: LayerPolicy,
}

impl Exchange {
    fn ask(self, message: Option<Vec<u8>>) -> ClientStep {
        let question = ClientQuestion::PassThrough {
            mechanism: self.mechanism,
            host: self.host.clone(),
            authzid: self.authzid.clone(),
            layers: self.layers,
            message,
        };
        ClientStep::Ask(question, Box::new(AwaitOwnSide { exchange: self }))
    }
}

struct AwaitOwnSide {
    exchange: Exchange,
}

impl AwaitClientAnswer for AwaitOwnSide {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        match answer {
            ClientAnswer::PassThrough(ClientPassThroughStep::Respond(response)) => {
                let state = AwaitServer {
                    exchange: self.exchange,
                };
                ClientStep::respond(response, state)
            }
            ClientAnswer::PassThrough(ClientPassThroughStep::Last { response, layer }) => {
                let state = AwaitVerdict {
                    layer,
                    asked_again: false,
                };
                ClientStep::respond(response, state)
            }
            ClientAnswer::PassThrough(ClientPassThroughStep::Abort(fault)) => {
                ClientStep::Abort(fault)
            }
            _ => ClientStep::Abort(ClientFault::Unavailable),
        }
    }
}

struct AwaitServer {
    exchange: Exchange,
}

impl AwaitChallenge for AwaitServer {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        self.exchange.ask(Some(challenge.to_vec()))
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}

/// Everything is said. Some servers want one more, empty message before they give their verdict (AUTH-22, LS-27).
struct AwaitVerdict {
    layer: Option<Box<dyn SecurityLayer>>,
    asked_again: bool,
}

impl AwaitChallenge for AwaitVerdict {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        if self.asked_again || !challenge.is_empty() {
            return ClientStep::Abort(ClientFault::UnexpectedChallenge);
        }
        let state = Self {
            asked_again: true,
            ..*self
        };
        ClientStep::respond(Vec::new(), state)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess { layer: self.layer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerFault;
    use crate::mechanism::SCRAM_SHA_256;
    use crate::pairing::granted;
    use crate::{Authcid, Verdict};

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
            verdict: granted("user@example.com"),
            authcid: Some(Authcid::parse("user@EXAMPLE.COM").unwrap()),
            authzid: None,
            final_data: Some(b"last".to_vec()),
            layer: Some(Box::new(Toy)),
        }));
        let ServerStep::Done(Outcome::Authenticated(success)) = step else {
            panic!("{step:?}");
        };
        assert_eq!(success.identity.authcid().as_str(), "user@EXAMPLE.COM");
        assert_eq!(success.identity.login(), "user@example.com");
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

    fn own_side(step: ClientStep) -> (Option<Vec<u8>>, Box<dyn AwaitClientAnswer>) {
        match step {
            ClientStep::Ask(ClientQuestion::PassThrough { message, .. }, state) => (message, state),
            other => panic!("{other:?}"),
        }
    }

    fn waiting(step: ClientStep) -> Box<dyn AwaitChallenge> {
        match step {
            ClientStep::Respond(_, state) => state,
            other => panic!("{other:?}"),
        }
    }

    /// A client that has sent its last message.
    fn last() -> Box<dyn AwaitChallenge> {
        let (_, state) = own_side(client(
            &SCRAM_SHA_256,
            ClientParams::new("user", "host", "nonce"),
        ));
        waiting(
            state.answer(ClientAnswer::PassThrough(ClientPassThroughStep::Last {
                response: b"last".to_vec(),
                layer: Some(Box::new(Toy)),
            })),
        )
    }

    // AUTH-21.
    #[test]
    fn a_client_believes_no_success_before_its_last_message() {
        let (message, state) = own_side(client(
            &SCRAM_SHA_256,
            ClientParams::new("user", "host", "nonce"),
        ));
        assert_eq!(message, None);
        let respond =
            || ClientAnswer::PassThrough(ClientPassThroughStep::Respond(b"first".to_vec()));
        let early = waiting(state.answer(respond())).succeeded();
        assert_eq!(early.unwrap_err(), ClientFault::ServerNotProven);
        let (_, state) = own_side(client(
            &SCRAM_SHA_256,
            ClientParams::new("user", "host", "nonce"),
        ));
        let (message, _) = own_side(waiting(state.answer(respond())).challenge(b"server"));
        assert_eq!(message.as_deref(), Some(&b"server"[..]));
        assert!(last().succeeded().unwrap().layer.is_some());
    }

    /// AUTH-22, LS-27: "extra empty 334 after COMPLETE → empty line".
    #[test]
    fn ls_27_one_more_empty_challenge_is_answered_by_an_empty_line() {
        let again = waiting(last().challenge(b""));
        assert!(again.succeeded().unwrap().layer.is_some());
        for step in [
            waiting(last().challenge(b"")).challenge(b""),
            last().challenge(b"more"),
        ] {
            assert!(
                matches!(step, ClientStep::Abort(ClientFault::UnexpectedChallenge)),
                "{step:?}"
            );
        }
    }

    #[test]
    fn a_client_gives_up_when_its_own_side_does() {
        let no_ticket = ClientFault::Context("no ticket".to_owned());
        for (answer, fault) in [
            (
                ClientAnswer::PassThrough(ClientPassThroughStep::Abort(no_ticket.clone())),
                no_ticket,
            ),
            (ClientAnswer::Unavailable, ClientFault::Unavailable),
        ] {
            let (_, state) = own_side(client(
                &SCRAM_SHA_256,
                ClientParams::new("user", "host", "nonce"),
            ));
            let step = state.answer(answer);
            assert!(
                matches!(&step, ClientStep::Abort(it) if *it == fault),
                "{step:?}"
            );
        }
    }

    // SASL-07, CODE-09.
    #[test]
    fn whatever_is_no_grant_is_no_success() {
        let done = |verdict| {
            Answer::PassThrough(PassThroughStep::Done {
                verdict,
                authcid: None,
                authzid: None,
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
