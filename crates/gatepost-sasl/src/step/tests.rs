//! What the contract promises whatever the mechanism: nothing shown, nothing given away.

use super::*;
use crate::mechanism::{self, CRAM_MD5, PLAIN};
use crate::pairing::granted;
use crate::server::ServerParams;

fn authcid() -> Authcid {
    Authcid::parse("user").unwrap()
}

// AUTH-26: whatever carries a secret can be logged by mistake and shows nothing.
#[test]
fn debug_output_of_questions_shows_names_only() {
    let questions = [
        Question::Password {
            mechanism: &PLAIN,
            authcid: authcid(),
            authzid: None,
            password: Secret::new("pencil"),
        },
        Question::PassThrough {
            mechanism: &PLAIN,
            message: Some(b"\0user\0pencil".to_vec()),
        },
        Question::Response {
            mechanism: &CRAM_MD5,
            authcid: authcid(),
            authzid: None,
            challenge: b"pencil".to_vec(),
            response: b"pencil".to_vec(),
        },
        Question::Token {
            mechanism: &PLAIN,
            authzid: None,
            token: Secret::new("pencil"),
            host: None,
            port: None,
        },
    ];
    // What the octets of "pencil" look like as text and as a list of numbers.
    for question in questions {
        let shown = format!("{question:?} {:?}", question.clone());
        assert!(
            !shown.contains("pencil") && !shown.contains("112, 101"),
            "{shown}"
        );
    }
    let answer = Answer::PassThrough(PassThroughStep::Challenge(b"pencil".to_vec()));
    assert_eq!(format!("{answer:?}"), "PassThrough(Challenge(6 octets))");
}

#[test]
fn a_refusal_carries_neither_data_nor_layer() {
    let refused = Outcome::of(
        &PLAIN,
        authcid(),
        Verdict::Refused(Refusal::AccountDisabled),
    )
    .with_final_data(Some(b"v=".to_vec()))
    .with_layer(None);
    assert!(matches!(
        refused,
        Outcome::Refused(Refusal::AccountDisabled)
    ));
}

/// A directory that gives everybody what he needs to be let in, if only his proof is right.
fn generous(question: &Question) -> Answer {
    let password = Secret::new("a password that nobody guesses");
    match question {
        Question::Verifier { mechanism, .. } if *mechanism == &CRAM_MD5 => Answer::Verifier {
            verifier: Verifier::CramMd5(crate::HmacMd5Contexts::derive(&password)),
            verdict: granted("user"),
        },
        Question::Verifier { .. } => Answer::Verifier {
            verifier: Verifier::Scram(
                crate::verifier::fake_scram(&password, "user", crate::Hash::Sha256, 4096).unwrap(),
            ),
            verdict: granted("user"),
        },
        _ => Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid)),
    }
}

fn params() -> ServerParams {
    ServerParams {
        host: "h".to_owned(),
        nonce: "n".to_owned(),
        ..ServerParams::default()
    }
}

proptest::proptest! {
    /// SASL-07: whatever a client says to a server, the exchange ends, without panic and without success.
    #[test]
    fn no_noise_is_a_proof(
        which in 0..mechanism::ALL.len(),
        early in proptest::bool::ANY,
        responses in proptest::collection::vec(
            "\\PC{0,30}|[a-zA-Z0-9=+/,\u{0} ]{0,40}|n,,n=[a-z]{1,4},r=[a-z]{1,4}|c=biws,r=[a-z]{0,4}n,p=[A-Za-z0-9+/]{43}=|[a-z ]{1,9} [0-9a-f]{32}",
            1..4,
        ),
    ) {
        let mut responses = responses.iter();
        let initial = if early { responses.next() } else { None };
        let mut step = (mechanism::ALL[which].server)(params(), initial.map(String::as_bytes));
        for _ in 0..20 {
            step = match step {
                ServerStep::Challenge(_, state) => {
                    state.respond(responses.next().map_or(&b""[..], |response| response.as_bytes()))
                }
                ServerStep::Ask(question, state) => {
                    let answer = generous(&question);
                    state.answer(answer)
                }
                ServerStep::Done(outcome) => {
                    proptest::prop_assert!(matches!(outcome, Outcome::Refused(_)), "{:?}", outcome);
                    return Ok(());
                }
            };
        }
        proptest::prop_assert!(false, "the exchange does not end: {:?}", step);
    }

    /// The same for octets that are no text.
    #[test]
    fn no_octets_are_a_proof(
        which in 0..mechanism::ALL.len(),
        response in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
    ) {
        let mut step = (mechanism::ALL[which].server)(params(), None);
        for _ in 0..20 {
            step = match step {
                ServerStep::Challenge(_, state) => state.respond(&response),
                ServerStep::Ask(question, state) => {
                    let answer = generous(&question);
                    state.answer(answer)
                }
                ServerStep::Done(outcome) => {
                    proptest::prop_assert!(matches!(outcome, Outcome::Refused(_)), "{:?}", outcome);
                    return Ok(());
                }
            };
        }
        proptest::prop_assert!(false, "the exchange does not end: {:?}", step);
    }
}
