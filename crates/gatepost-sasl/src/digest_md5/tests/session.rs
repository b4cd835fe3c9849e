//! The client, with the memory of an exchange that succeeded (RFC 2831 §2.2).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::{DIGEST_MD5, DigestMd5Hashes, DigestMd5Session};
use super::resumption::Memory;
use crate::pairing::{Ending, Pairing, granted, knows, untouched};
use crate::{
    Answer, AwaitChallenge, ClientAnswer, ClientFault, ClientParams, ClientStep, LayerPolicy,
    LayerStrength, Secret, ServerParams, Verifier,
};

const CHALLENGE: &str = r#"realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8"#;

/// What comes in place of a proof when the nonce is too old.
const STALE: &str = r#"realm="elwood.innosoft.com",nonce="OA6MNEWNONCE00",qop="auth",stale=true,algorithm=md5-sess,charset=utf-8"#;

const FIRST_PROOF: &[u8] = b"rspauth=84106ee5cb85c426e7ef928db0e49bfa";
const SECOND_PROOF: &[u8] = b"rspauth=1b21a13ea6558d2547c51a5f64f83fbc";

/// RFC 2831 §4, moved to mail submission, with the next count.
const SECOND: &str = r#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000002,cnonce="OA6MHXh6VqTrRk",digest-uri="smtp/elwood.innosoft.com",response=40323efe01b9576367b6c61d84184161,qop=auth"#;

fn chris(cnonce: &str, session: &DigestMd5Session) -> ClientParams {
    ClientParams {
        initial_response: true,
        digest_md5_session: Some(session.clone()),
        ..ClientParams::new("chris", "elwood.innosoft.com", cnonce)
    }
}

/// The message it sends next, and how often it asked for the password before.
fn next(mut step: ClientStep) -> Result<(String, u32, Box<dyn AwaitChallenge>), ClientFault> {
    let mut asked = 0;
    loop {
        step = match step {
            ClientStep::Ask(_, state) => {
                asked += 1;
                state.answer(ClientAnswer::Password(Secret::new("secret")))
            }
            ClientStep::Respond(message, state) => {
                let text = String::from_utf8(message.expose().to_vec()).unwrap();
                return Ok((text, asked, state));
            }
            ClientStep::Abort(fault) => return Err(fault),
            ClientStep::Wait(_) => panic!("there is nothing to take up"),
        };
    }
}

fn waits(params: ClientParams) -> Option<Box<dyn AwaitChallenge>> {
    match (DIGEST_MD5.client)(params) {
        ClientStep::Wait(state) => Some(state),
        _ => None,
    }
}

/// A memory of the published exchange.
fn after_the_first() -> DigestMd5Session {
    let session = DigestMd5Session::default();
    let state = waits(chris("OA6MHXh6VqTrRk", &session)).unwrap();
    let (_, _, state) = next(state.challenge(CHALLENGE.as_bytes())).unwrap();
    next(state.challenge(FIRST_PROOF)).unwrap();
    session
}

// DIG-20: the published nonces with the next count, and so on.
#[test]
fn dig_20_it_begins_with_the_next_count() {
    let session = after_the_first();
    let (message, asked, state) = next((DIGEST_MD5.client)(chris("fresh", &session))).unwrap();
    assert_eq!((message.as_str(), asked), (SECOND, 1));
    let (empty, asked, state) = next(state.challenge(SECOND_PROOF)).unwrap();
    assert_eq!((empty.as_str(), asked), ("", 0));
    assert!(state.succeeded().unwrap().layer.is_none());
    let (message, ..) = next((DIGEST_MD5.client)(chris("fresh", &session))).unwrap();
    assert!(message.contains(",nc=00000003,"), "{message}");
}

// DIG-21: a new challenge is answered with nonces of its own, and the user asked only if the server does not say that he was right.
#[test]
fn dig_21_a_server_that_challenges_anew_gets_an_ordinary_exchange() {
    for (challenge, questions) in [
        (STALE.to_owned(), 0),
        (STALE.replace("stale=true,", ""), 1),
        (STALE.replace("elwood.innosoft.com", "other"), 1),
        (STALE.replace(",charset=utf-8", ""), 1),
    ] {
        let session = after_the_first();
        let (_, _, state) = next((DIGEST_MD5.client)(chris("fresh", &session))).unwrap();
        let (message, asked, state) = next(state.challenge(challenge.as_bytes())).unwrap();
        assert_eq!(asked, questions, "{challenge}");
        let own = "nonce=\"OA6MNEWNONCE00\",nc=00000001,cnonce=\"fresh\"";
        assert!(message.contains(own), "{message}");
        // Nothing is left of what the server did not take.
        assert!(waits(chris("fresh", &session)).is_some());
        assert!(matches!(
            state.challenge(b"rspauth=00000000000000000000000000000000"),
            ClientStep::Abort(ClientFault::ServerNotProven)
        ));
    }
}

// DIG-15, AUTH-21: the server proves itself every time.
#[test]
fn dig_15_a_server_that_does_not_prove_itself() {
    let resumed = || {
        let session = after_the_first();
        next((DIGEST_MD5.client)(chris("fresh", &session)))
            .unwrap()
            .2
    };
    let unproven = ClientFault::ServerNotProven;
    assert_eq!(resumed().succeeded().unwrap_err(), unproven);
    assert_eq!(next(resumed().challenge(FIRST_PROOF)).err(), Some(unproven));
    for rubbish in ["", "rspauth=12"] {
        let fault = next(resumed().challenge(rubbish.as_bytes())).err();
        assert_eq!(
            fault,
            Some(ClientFault::Malformed("algorithm")),
            "{rubbish}"
        );
    }
    // A nonce that is stale twice.
    let (_, _, state) = next(resumed().challenge(STALE.as_bytes())).unwrap();
    let fault = next(state.challenge(STALE.as_bytes())).err();
    assert_eq!(fault, Some(ClientFault::Malformed("rspauth")));
}

#[test]
fn nobody_else_takes_it_up() {
    let layers = LayerPolicy::ANY;
    let others: [fn(ClientParams) -> ClientParams; 6] = [
        |it| ClientParams {
            authcid: "joe".to_owned(),
            ..it
        },
        |it| ClientParams {
            authzid: Some("joe".to_owned()),
            ..it
        },
        |it| ClientParams {
            host: "other.example".to_owned(),
            ..it
        },
        |it| ClientParams {
            realm: Some("other".to_owned()),
            ..it
        },
        |it| ClientParams {
            layers: LayerPolicy::ANY,
            ..it
        },
        |it| ClientParams {
            initial_response: false,
            ..it
        },
    ];
    for other in others {
        let session = after_the_first();
        let params = other(chris("fresh", &session));
        assert!(waits(params.clone()).is_some(), "{params:?}");
        assert!(next((DIGEST_MD5.client)(chris("fresh", &session))).is_ok());
    }
    // Nor is one that is under way taken up on a second connection.
    let session = after_the_first();
    let first = (DIGEST_MD5.client)(chris("fresh", &session));
    assert!(waits(chris("fresh", &session)).is_some());
    assert!(next(first).is_ok());
    // The key of a layer must not come again.
    let session = DigestMd5Session::default();
    let params = ClientParams {
        layers,
        ..chris("OA6MHXh6VqTrRk", &session)
    };
    let server = Arc::new(Memory::default());
    assert!(pair(&server, "n1", params.clone()).client_is_content());
    assert!(waits(params).is_some());
    assert_eq!(format!("{session:?}"), "DigestMd5Session { kept: false }");
}

/// An exchange with a server that offers everything.
fn pair(memory: &Arc<Memory>, nonce: &str, client: ClientParams) -> Ending {
    let hashes = DigestMd5Hashes::derive("chris", ["elwood.innosoft.com"], &Secret::new("secret"));
    Pairing {
        mechanism: &DIGEST_MD5,
        server: ServerParams {
            nonce: nonce.to_owned(),
            realms: vec!["elwood.innosoft.com".to_owned()],
            layers: LayerPolicy {
                least: LayerStrength::None,
                ..LayerPolicy::ANY
            },
            resumable: Some(memory.clone()),
            ..ServerParams::default()
        },
        client,
        user: &knows("secret"),
        directory: &|_| Answer::Verifier {
            verifier: Verifier::DigestMd5(hashes.clone()),
            verdict: granted("chris"),
        },
        wire: &untouched,
    }
    .run()
}

// DIG-20, DIG-21: both sides, and a round trip less.
#[test]
fn dig_20_dig_21_client_and_server_together() {
    let (session, memory) = (DigestMd5Session::default(), Arc::new(Memory::default()));
    let messages = |number: u32| {
        let client = chris(&format!("c{number}"), &session);
        let ending = pair(&memory, &format!("n{number}"), client);
        assert!(ending.client_is_content() && ending.server_let_him_in());
        ending.messages.len()
    };
    let counts: Vec<_> = (1..4).map(messages).collect();
    assert_eq!(counts, [4, 3, 3]);
    memory.too_late.store(true, Ordering::Relaxed);
    assert_eq!(messages(4), 5);
    memory.too_late.store(false, Ordering::Relaxed);
    assert_eq!(messages(5), 3);
}
