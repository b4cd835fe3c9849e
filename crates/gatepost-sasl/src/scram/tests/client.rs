//! What a client must not believe.

use super::*;
use crate::{ClientAnswer, ClientFault, ClientQuestion, ClientStep};

/// What the client makes of this server-first.
fn client_says(server_first: &str) -> ClientStep {
    let ClientStep::Respond(_, state) = (SCRAM_SHA_256.client)(rfc_7677().client()) else {
        panic!("the client speaks first");
    };
    state.challenge(server_first.as_bytes())
}

// SCR-04, SCR-05: refused before anything is asked or derived.
#[test]
fn the_client_refuses_bad_server_first_messages() {
    let nonce = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    assert!(matches!(
        client_says(&format!("r={nonce},s={SALT},i=4096,x=1")),
        ClientStep::Ask(ClientQuestion::Password, _)
    ));
    for (iterations, n) in [
        ("1", 1),
        ("4095", 4095),
        ("10000001", 10_000_001),
        ("99999999999999999999999", u64::MAX),
    ] {
        let step = client_says(&format!("r={nonce},s={SALT},i={iterations}"));
        assert!(
            matches!(step, ClientStep::Abort(ClientFault::IterationsOutOfBounds(i)) if i == n),
            "{step:?}"
        );
    }
    for bad in ["0", "04096", "+4096", "4096 ", "-1", "4e3", ""] {
        let step = client_says(&format!("r={nonce},s={SALT},i={bad}"));
        assert!(
            matches!(
                step,
                ClientStep::Abort(ClientFault::Malformed("iteration count"))
            ),
            "{bad}: {step:?}"
        );
    }
    for bad in [
        CLIENT_NONCE,
        SERVER_NONCE,
        "x",
        &nonce[1..],
        &CLIENT_NONCE[..5],
    ] {
        let step = client_says(&format!("r={bad},s={SALT},i=4096"));
        assert!(
            matches!(step, ClientStep::Abort(ClientFault::NonceMismatch)),
            "{bad}: {step:?}"
        );
    }
    for bad in [
        format!("r={nonce},s=,i=4096"),
        format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ,i=4096"),
        format!("r={nonce},s={},i=4096", BASE64.encode([0; 1025])),
        format!("r={nonce},i=4096,s={SALT}"),
        format!("m=x,r={nonce},s={SALT},i=4096"),
        format!("r={nonce},s={SALT},i=4096,m=x"),
        format!("r={nonce},s={SALT},i=4096,i=4096"),
        String::new(),
    ] {
        assert!(
            matches!(
                client_says(&bad),
                ClientStep::Abort(ClientFault::Malformed(_))
            ),
            "{bad}"
        );
    }
}

// SCR-04: the bounds are the caller's.
#[test]
fn iteration_bounds_can_be_set() {
    let params = ClientParams {
        min_iterations: 1,
        max_iterations: 4095,
        ..rfc_7677().client()
    };
    let nonce = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    for (i, accepted) in [(1, true), (4095, true), (4096, false)] {
        let ClientStep::Respond(_, state) = (SCRAM_SHA_256.client)(params.clone()) else {
            panic!("the client speaks first");
        };
        let step = state.challenge(format!("r={nonce},s={SALT},i={i}").as_bytes());
        assert_eq!(matches!(step, ClientStep::Ask(..)), accepted, "{i}");
    }
}

// AUTH-21, SCR-11, SCR-24: wrong, missing and refused server proofs.
#[test]
fn the_client_believes_only_the_server_signature() {
    let at_the_end = || {
        let nonce = format!("{CLIENT_NONCE}{SERVER_NONCE}");
        let mut step = client_says(&format!("r={nonce},s={SALT},i=4096"));
        loop {
            step = match step {
                ClientStep::Ask(question, state) => state.answer(knows("pencil")(question)),
                ClientStep::Respond(_, state) => return state,
                other => panic!("{other:?}"),
            }
        }
    };
    let right = format!("v={}", rfc_7677().v);
    let step = at_the_end().challenge(right.as_bytes());
    let ClientStep::Respond(empty, state) = step else {
        panic!("{step:?}");
    };
    assert_eq!(empty.expose(), b"");
    assert!(state.succeeded().is_ok());

    assert_eq!(
        at_the_end().succeeded().unwrap_err(),
        ClientFault::ServerNotProven
    );
    for (message, fault) in [
        (
            format!("v={}", BASE64.encode([0; 32])),
            ClientFault::ServerNotProven,
        ),
        (
            format!("v={}", BASE64.encode([0; 31])),
            ClientFault::ServerNotProven,
        ),
        ("v=".to_owned(), ClientFault::ServerNotProven),
        (String::new(), ClientFault::Malformed("server signature")),
        (format!("{right},v=x"), ClientFault::Malformed("extension")),
        (
            right.replace('=', ""),
            ClientFault::Malformed("server signature"),
        ),
        ("e=invalid-proof".to_owned(), ClientFault::ProofRefused),
        ("e=unknown-user".to_owned(), ClientFault::ProofRefused),
        (
            "e=no-resources".to_owned(),
            ClientFault::ServerError("no-resources"),
        ),
        (
            "e=channel-bindings-dont-match".to_owned(),
            ClientFault::ServerError("channel-bindings-dont-match"),
        ),
        (
            "e=something of its own".to_owned(),
            ClientFault::ServerError("other-error"),
        ),
    ] {
        let step = at_the_end().challenge(message.as_bytes());
        assert!(
            matches!(&step, ClientStep::Abort(f) if *f == fault),
            "{message}: {step:?}"
        );
    }
    assert!(matches!(
        client_says("e=other-error"),
        ClientStep::Abort(ClientFault::ServerError("other-error"))
    ));

    // Success that comes before the proof was even asked for.
    let ClientStep::Respond(_, state) = (SCRAM_SHA_256.client)(rfc_7677().client()) else {
        panic!("the client speaks first");
    };
    assert_eq!(state.succeeded().unwrap_err(), ClientFault::ServerNotProven);
}

// SCR-13: the flag says what we could and what the server offers.
#[test]
fn the_client_flags_what_it_can() {
    let flag = |mechanism: &'static Mechanism, channel_bindings: ChannelBindings, plus_offered| {
        let params = ClientParams {
            channel_bindings,
            plus_offered,
            ..rfc_7677().client()
        };
        match (mechanism.client)(params) {
            ClientStep::Respond(message, _) => String::from_utf8(message.expose().to_vec())
                .unwrap()
                .split(',')
                .next()
                .unwrap()
                .to_owned(),
            ClientStep::Abort(fault) => format!("{fault:?}"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(flag(&SCRAM_SHA_256, ChannelBindings::default(), false), "n");
    assert_eq!(flag(&SCRAM_SHA_256, ChannelBindings::default(), true), "n");
    assert_eq!(flag(&SCRAM_SHA_256, exporter(), false), "y");
    assert_eq!(flag(&SCRAM_SHA_256, exporter(), true), "n");
    assert_eq!(
        flag(&SCRAM_SHA_256_PLUS, exporter(), true),
        "p=tls-exporter"
    );
    assert_eq!(
        flag(&SCRAM_SHA_256_PLUS, ChannelBindings::default(), true),
        "BindingUnavailable"
    );
}

#[test]
fn the_client_aborts_when_its_own_side_fails() {
    for name in ["", "\u{ad}", "us\0er", "\u{627}1"] {
        let step = (SCRAM_SHA_256.client)(ClientParams::new(name, "host", CLIENT_NONCE));
        assert!(
            matches!(step, ClientStep::Abort(ClientFault::NameUnusable)),
            "{name:?}"
        );
    }
    let nonce = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    let server_first = format!("r={nonce},s={SALT},i=4096");
    let mut after_password = Vec::new();
    for (password, fault) in [
        (ClientAnswer::Unavailable, Some(ClientFault::Unavailable)),
        (
            ClientAnswer::Token(Secret::new("t")),
            Some(ClientFault::Unavailable),
        ),
        (
            ClientAnswer::Password(Secret::new("")),
            Some(ClientFault::PasswordUnusable),
        ),
        (ClientAnswer::Password(Secret::new("pencil")), None),
        (ClientAnswer::Password(Secret::new("pencil")), None),
    ] {
        let ClientStep::Ask(ClientQuestion::Password, state) = client_says(&server_first) else {
            panic!("the password is asked for");
        };
        match (state.answer(password), fault) {
            (ClientStep::Abort(got), Some(fault)) => assert_eq!(got, fault),
            (ClientStep::Ask(ClientQuestion::Derive(_), state), None) => after_password.push(state),
            (step, _) => panic!("{step:?}"),
        }
    }
    for answer in [
        ClientAnswer::Unavailable,
        ClientAnswer::Derived(Secret::new([0; 31])),
    ] {
        let step = after_password.pop().unwrap().answer(answer);
        assert!(
            matches!(step, ClientStep::Abort(ClientFault::Unavailable)),
            "{step:?}"
        );
    }
}
