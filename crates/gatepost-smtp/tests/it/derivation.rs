//! A key derivation that takes long: the server chooses its length, so the client must be able to stop (SCR-05, AUTH-23).

use std::time::Duration;

use gatepost_sasl::mechanism::{PLAIN, SCRAM_SHA_256};
use gatepost_sasl::{ClientAnswer, ClientQuestion, Progress};
use gatepost_smtp::client::{ClientInput, QuestionId};
use gatepost_testkit::loopback::Loopback;
use gatepost_testkit::split::Cuts;

use crate::bench::{authenticate, client, server};

/// A client in the middle of SCRAM, asked to derive a key, and the name of the question.
fn asked(iterations: u32) -> (Loopback, QuestionId, gatepost_sasl::Derivation) {
    let mut server = server(&[&SCRAM_SHA_256, &PLAIN]);
    server.program.directory.scram = Some(("W22ZaJ0SNY7soEsUEjb6gQ==".to_owned(), iterations));
    // An unknown user gets as many iterations as a known one, and nobody here has to compute them.
    server.program.directory.accounts.clear();
    let mut pair = Loopback::new(server, client([authenticate(&SCRAM_SHA_256)]), &Cuts::Whole);
    pair.client.slow = true;
    assert!(pair.run());
    loop {
        match pair.client.asked.take() {
            Some((id, ClientQuestion::Derive(derivation))) => return (pair, id, derivation),
            Some((id, question)) => {
                let answer = pair.client.user.answer(&question);
                pair.client.handle(ClientInput::Answer(id, answer));
                assert!(pair.run());
            }
            None => panic!("no derivation was asked for: {}", pair.client.last_end()),
        }
    }
}

#[test]
fn a_slow_derivation_is_done_in_slices_and_can_be_dropped() {
    let (mut pair, id, derivation) = asked(10_000_000);
    assert_eq!(derivation.iterations, 10_000_000);
    let mut work = derivation.start();
    for slice in 0..3 {
        work = match work.run(100) {
            Progress::Working(rest) => rest,
            Progress::Done(_) => panic!("done in {slice} slices of 100"),
        };
    }
    // The user has closed the window: the work is dropped, the exchange cancelled, the connection of further use.
    drop(work);
    pair.client
        .handle(ClientInput::Answer(id, ClientAnswer::Unavailable));
    assert!(pair.run());
    assert!(String::from_utf8_lossy(&pair.from_client).ends_with("\r\n*\r\n"));
    assert_eq!(
        pair.client.last_end(),
        "AUTH SCRAM-SHA-256 was given up: the secret is not available"
    );
    assert!(pair.client.session.is_open());

    pair.server.program.directory =
        gatepost_testkit::directory::FakeDirectory::with("user@example.com", "secret");
    pair.client.slow = false;
    pair.client
        .handle(ClientInput::Command(authenticate(&PLAIN)));
    assert!(pair.run());
    assert_eq!(pair.client.last_end(), "authenticated by PLAIN");
}

/// The whole authentication has one deadline, whatever the server makes the client compute.
#[test]
fn a_derivation_that_outlasts_the_authentication_is_void() {
    let (mut pair, id, derivation) = asked(10_000_000);
    let work = derivation.start();
    pair.client.pass(Duration::from_secs(10 * 60));
    assert_eq!(
        pair.client.last_end(),
        "the server did not answer in time at AUTH"
    );
    drop(work);
    let ends = pair.client.ends.len();
    let late = ClientAnswer::Derived(gatepost_sasl::Secret::new([0; 32]));
    pair.client.handle(ClientInput::Answer(id, late));
    assert!(pair.run());
    assert_eq!(pair.client.ends.len(), ends);
}

/// An answer names its question: one that comes a second time is not taken for the answer to the next question.
#[test]
fn an_answer_to_an_earlier_question_has_no_effect() {
    let mut pair = Loopback::new(
        server(&[&SCRAM_SHA_256]),
        client([authenticate(&SCRAM_SHA_256)]),
        &Cuts::Whole,
    );
    pair.client.slow = true;
    assert!(pair.run());
    let password = pair.client.asked.as_ref().unwrap().0;
    pair.client.answer();
    assert!(pair.run());
    assert!(matches!(
        pair.client.asked,
        Some((_, ClientQuestion::Derive(_)))
    ));
    pair.client
        .handle(ClientInput::Answer(password, ClientAnswer::Unavailable));
    assert!(pair.run());
    assert!(!pair.from_client.ends_with(b"*\r\n"));
    pair.client.answer();
    assert!(pair.run());
    assert_eq!(pair.client.last_end(), "authenticated by SCRAM-SHA-256");
}

/// In slices or at once: the same key.
#[test]
fn slices_add_up() {
    let (_, _, derivation) = asked(4096);
    let mut work = derivation.start();
    let key = loop {
        match work.run(1000) {
            Progress::Working(rest) => work = rest,
            Progress::Done(key) => break key,
        }
    };
    assert!(key.ct_eq(&derivation.run()));
}
