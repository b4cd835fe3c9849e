//! SASL exchanges, both sides: messages are the pieces of the input between octets FF, behind one that chooses the mechanism.

use gatepost_sasl::{
    AwaitChallenge, ClientAnswer, ClientParams, ClientQuestion, ClientStep, Mechanism, Outcome,
    Secret, ServerParams, ServerStep, mechanism,
};
use gatepost_testkit::directory::FakeDirectory;

/// No seed holds it. A fuzzer that watches comparisons finds it all the same: who says it knows it, and proves nothing ([`chosen`]).
const PASSWORD: &str = "Tr0ub4dor";
const ROUNDS: usize = 20;

fn chosen(octets: &[u8]) -> Option<(&'static Mechanism, bool, Vec<&[u8]>)> {
    if octets
        .windows(PASSWORD.len())
        .any(|part| part == PASSWORD.as_bytes())
    {
        return None;
    }
    let (&choice, rest) = octets.split_first()?;
    let number = usize::from(choice & 0x7f) % mechanism::ALL.len();
    let messages = rest.split(|&octet| octet == 0xff).take(ROUNDS).collect();
    Some((mechanism::ALL.get(number)?, choice & 0x80 == 0, messages))
}

/// A client that does not know the password is nobody, after any messages; the exchange has an end (V-46).
pub fn server(octets: &[u8]) {
    let Some((mechanism, initial, messages)) = chosen(octets) else {
        return;
    };
    let directory = FakeDirectory {
        tokens: vec![(PASSWORD.to_owned(), "user@example.com".to_owned())],
        token_error: Some(br#"{"status":"invalid_token","scope":"smtp"}"#.to_vec()),
        ..FakeDirectory::with("user@example.com", PASSWORD)
    };
    let params = ServerParams {
        host: "mail.example.com".to_owned(),
        nonce: "3rfcNHYJY1ZVvWVs7jfuzz".to_owned(),
        ..ServerParams::default()
    };
    let mut messages = messages.into_iter();
    let first = if initial { messages.next() } else { None };
    let mut step = (mechanism.server)(params, first);
    loop {
        step = match step {
            ServerStep::Challenge(challenge, next) => {
                assert!(challenge.len() <= 12 << 10);
                let Some(message) = messages.next() else {
                    return;
                };
                next.respond(message)
            }
            ServerStep::Ask(question, next) => {
                assert!(!format!("{question:?}").contains(PASSWORD));
                next.answer(directory.answer(&question))
            }
            ServerStep::Done(outcome) => {
                let refused = matches!(outcome, Outcome::Refused(_));
                assert!(refused, "{} let somebody in", mechanism.name);
                return;
            }
        };
    }
}

/// A server that does not know the password never proves itself to SCRAM or DIGEST-MD5, and is shown it by no mechanism that says it does not show it.
pub fn client(octets: &[u8]) {
    let Some((mechanism, initial, challenges)) = chosen(octets) else {
        return;
    };
    let params = ClientParams {
        initial_response: initial,
        max_iterations: 4096,
        ..ClientParams::new(
            "user@example.com",
            "mail.example.com",
            "fyko+d2lbbFgONRv9qkxdawL",
        )
    };
    let mut challenges = challenges.into_iter();
    let mut step = (mechanism.client)(params);
    loop {
        step = match step {
            ClientStep::Respond(response, next) => {
                let octets = response.expose();
                let shows = octets
                    .windows(PASSWORD.len())
                    .any(|part| part == PASSWORD.as_bytes());
                assert!(
                    mechanism.exposes_password || !shows,
                    "{} shows it",
                    mechanism.name
                );
                match challenges.next() {
                    Some(challenge) => next.challenge(challenge),
                    None => return succeed(mechanism, next),
                }
            }
            ClientStep::Wait(next) => match challenges.next() {
                Some(challenge) => next.challenge(challenge),
                None => return succeed(mechanism, next),
            },
            ClientStep::Ask(question, next) => next.answer(match question {
                ClientQuestion::Password => ClientAnswer::Password(Secret::new(PASSWORD)),
                ClientQuestion::Token => ClientAnswer::Token(Secret::new(PASSWORD)),
                ClientQuestion::PassThrough { .. } => ClientAnswer::Unavailable,
                ClientQuestion::Derive(work) => {
                    assert!(work.iterations <= 4096);
                    ClientAnswer::Derived(work.run())
                }
            }),
            ClientStep::Abort(fault) => {
                assert!(!fault.to_string().contains(char::is_control));
                return;
            }
        };
    }
}

/// A client whose token is refused with this document answers with what its mechanism says and ends with a fault that can be shown.
pub(crate) fn refused_token(document: &[u8]) {
    for (mechanism, acknowledgement) in [
        (&mechanism::OAUTHBEARER, &b"\x01"[..]),
        (&mechanism::XOAUTH2, &b""[..]),
    ] {
        let params = ClientParams::new("user@example.com", "mail.example.com", "unused");
        let ClientStep::Ask(ClientQuestion::Token, next) = (mechanism.client)(params) else {
            unreachable!("the token is asked for");
        };
        let ClientStep::Respond(_, next) =
            next.answer(ClientAnswer::Token(Secret::new("ya29.tok")))
        else {
            unreachable!("the token is sent");
        };
        let ClientStep::Respond(heard, next) = next.challenge(document) else {
            continue;
        };
        assert_eq!(heard.expose(), acknowledgement);
        let shown = next.refused().map(|fault| fault.to_string());
        assert!(!shown.unwrap_or_default().contains(char::is_control));
    }
}

fn succeed(mechanism: &Mechanism, state: Box<dyn AwaitChallenge>) {
    let taken = state.succeeded().is_ok();
    assert!(
        !(taken && (mechanism.name.starts_with("SCRAM") || mechanism.name == "DIGEST-MD5")),
        "a server proved nothing"
    );
}
