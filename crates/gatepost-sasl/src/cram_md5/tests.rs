//! Published CRAM-MD5 exchanges and what devices make of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;
use crate::pairing::{Ending, Pairing, granted, knows, untouched};
use crate::verifier::fake_cram;
use crate::{Secret, Verdict};

fn at(nonce: &str, host: &str) -> ServerParams {
    ServerParams {
        nonce: nonce.to_owned(),
        host: host.to_owned(),
        ..ServerParams::default()
    }
}

fn reston() -> ServerParams {
    at("1896.697170952", "postoffice.reston.mci.net")
}

fn holds(password: &str) -> Answer {
    Answer::Verifier {
        verifier: Verifier::CramMd5(HmacMd5Contexts::derive(&Secret::new(password))),
        verdict: granted("tim"),
    }
}

fn exchange(
    server: ServerParams,
    user: &str,
    password: &str,
    directory: &dyn Fn(Question) -> Answer,
) -> Ending {
    Pairing {
        mechanism: &CRAM_MD5,
        server,
        client: ClientParams::new(user, "mail.example.com", "unused"),
        user: &knows(password),
        directory,
        wire: &untouched,
    }
    .run()
}

// CRAM-01, CRAM-02, CRAM-03: RFC 2195 §2, RFC 2554 §4, RFC 4954 §4.1, draft-ietf-sasl-crammd5-09, and names with spaces.
#[test]
fn published_exchanges() {
    let long = "p".repeat(80);
    for (user, password, nonce, host, digest) in [
        (
            "tim",
            "tanstaaftanstaaf",
            "1896.697170952",
            "postoffice.reston.mci.net",
            "b913a602c7eda7a495b4e6e7334d3890",
        ),
        (
            "fred",
            "flintstone",
            "CByLEDBhSCgnhMZ+N23F6w",
            "elwood.innosoft.com",
            "9e95aee09c40af2b84a0c2b3bbae786e",
        ),
        (
            "rjs3",
            "1234",
            "4192942341.12828472",
            "sourcefour.andrew.cmu.edu",
            "ec3a59fed395aba1ec6367c4f4b41ac0",
        ),
        (
            "joe",
            "tanstaaftanstaaf",
            "1896.697170952",
            "postoffice.example.net",
            "3dbc88f0624776a737b39093f6eb6427",
        ),
        (
            "Ali Baba",
            "Open, Sesame",
            "68451038525716401353.0",
            "localhost",
            "6fa32b6e768f073132588e3418e00f71",
        ),
        (
            "Al\u{aa}dd\u{ad}in\u{ae}",
            "Open, Sesame",
            "92230559549732219941.0",
            "localhost",
            "9950ea407844a71e2f0cd3284cbd912d",
        ),
        (
            "joe",
            "tanstaaftanstaaf",
            "2262304172.6455022",
            "gw2.gestalt.entity.net",
            "2aa383bf320a941d8209a7001ef6aeb6",
        ),
        (
            "user@example.com",
            &long,
            "1.2",
            "mail.example.com",
            "2448ab5ea699cf6557ca1fdc0bf910ff",
        ),
        (
            "John Q Public",
            "tanstaaftanstaaf",
            "1.2",
            "mail.example.com",
            "fc95cd0f8f10af76433fdcf9b7cffc3e",
        ),
    ] {
        let sent_name = user.replace('\u{aa}', "a").replace('\u{ad}', "");
        let ending = exchange(at(nonce, host), user, password, &|question| {
            assert!(
                matches!(&question, Question::Verifier { authcid, authzid: None, .. } if authcid.as_str() == sent_name)
            );
            holds(password)
        });
        let [challenge, response] = &ending.messages[..] else {
            panic!("{ending:?}");
        };
        assert_eq!(
            String::from_utf8_lossy(challenge),
            format!("<{nonce}@{host}>")
        );
        assert_eq!(
            String::from_utf8_lossy(response),
            format!("{sent_name} {digest}")
        );
        assert!(ending.server_let_him_in() && ending.client_is_content());
    }
}

/// What the server does with this response, in base64, to the challenge of RFC 2195.
fn server_says(response: &str, answer: impl Fn() -> Answer) -> ServerStep {
    let ServerStep::Challenge(challenge, state) = (CRAM_MD5.server)(reston(), None) else {
        panic!("the server speaks first");
    };
    assert_eq!(
        BASE64.encode(challenge),
        "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    );
    let mut step = state.respond(&BASE64.decode(response).unwrap());
    while let ServerStep::Ask(_, state) = step {
        step = state.answer(answer());
    }
    step
}

// CRAM-04, LC-13: upper-case digits, trailing line ends and NULs.
#[test]
fn devices_write_the_digest_their_own_way() {
    let response = "tim b913a602c7eda7a495b4e6e7334d3890";
    for spelled in [
        "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw".to_owned(),
        "dGltIEI5MTNBNjAyQzdFREE3QTQ5NUI0RTZFNzMzNEQzODkw".to_owned(),
        "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkwDQo=".to_owned(),
        BASE64.encode(format!("{response}\n")),
        BASE64.encode(format!("{response}\0")),
        BASE64.encode(format!("{response}\r\n\0")),
    ] {
        let step = server_says(&spelled, || holds("tanstaaftanstaaf"));
        assert!(
            matches!(step, ServerStep::Done(Outcome::Authenticated(_))),
            "{spelled}: {step:?}"
        );
    }
}

#[track_caller]
fn refused_for(step: &ServerStep, refusal: Refusal) {
    assert!(
        matches!(step, ServerStep::Done(Outcome::Refused(r)) if *r == refusal),
        "{step:?}"
    );
}

// CRAM-04: every digit counts.
#[test]
fn a_digest_with_one_wrong_bit_is_refused() {
    let digest = 0xb913_a602_c7ed_a7a4_95b4_e6e7_334d_3890_u128;
    for bit in 0..128 {
        let response = BASE64.encode(format!("tim {:032x}", digest ^ (1 << bit)));
        let step = server_says(&response, || holds("tanstaaftanstaaf"));
        refused_for(&step, Refusal::CredentialsInvalid);
    }
}

#[test]
fn malformed_responses_are_refused_without_a_question() {
    for response in [
        "tim",
        "tim ",
        "tim b913a602",
        "tim b913a602c7eda7a495b4e6e7334d38900",
        "tim b913a602c7eda7a495b4e6e7334d389g",
        "tim b913a602c7eda7a495b4e6e7334d3890 ",
        "tim +913a602c7eda7a495b4e6e7334d3890",
        "t\u{0}im b913a602c7eda7a495b4e6e7334d3890",
        "b913a602c7eda7a495b4e6e7334d3890",
    ] {
        refused_for(
            &server_says(&BASE64.encode(response), || {
                panic!("{response} is not to be asked about")
            }),
            Refusal::Malformed,
        );
    }
    for empty in ["", "\r\n", " b913a602c7eda7a495b4e6e7334d3890"] {
        refused_for(
            &server_says(&BASE64.encode(empty), || panic!("not to be asked about")),
            Refusal::CredentialsEmpty,
        );
    }
}

// CRAM-05, AUTH-09.
#[test]
fn an_initial_response_is_refused() {
    refused_for(
        &(CRAM_MD5.server)(reston(), Some(b"tim")),
        Refusal::Malformed,
    );
    refused_for(&(CRAM_MD5.server)(reston(), Some(b"")), Refusal::Malformed);
    assert_eq!(CRAM_MD5.initial_response, InitialResponse::Refused);
}

// CRAM-01, SASL-08: nothing that would not be a msg-id is sent.
#[test]
fn an_unusable_nonce_or_host_ends_the_exchange() {
    for (nonce, host) in [
        ("", "h"),
        ("n", ""),
        ("a b", "h"),
        ("a>b", "h"),
        ("n", "h@h"),
        ("n", "h\r\n"),
    ] {
        refused_for(
            &(CRAM_MD5.server)(at(nonce, host), None),
            Refusal::Unavailable,
        );
    }
}

// CRAM-09, AUTH-27, V-41.
#[test]
fn an_unknown_user_sees_what_a_known_one_sees() {
    let known = exchange(reston(), "tim", "wrong", &|_| holds("tanstaaftanstaaf"));
    let unknown = exchange(reston(), "tim", "wrong", &|_| Answer::Verifier {
        verifier: Verifier::CramMd5(fake_cram(&Secret::new([7; 32]), "tim")),
        verdict: Verdict::Refused(Refusal::CredentialsInvalid),
    });
    assert_eq!(known.messages, unknown.messages);
    assert_eq!(known.refusal(), Some(Refusal::CredentialsInvalid));
    assert_eq!(unknown.refusal(), Some(Refusal::CredentialsInvalid));
}

#[test]
fn a_directory_that_keeps_its_secrets_checks_the_response_itself() {
    for (verdict, let_in) in [
        (granted("tim"), true),
        (Verdict::Refused(Refusal::CredentialsInvalid), false),
    ] {
        let ending = exchange(
            reston(),
            "tim",
            "tanstaaftanstaaf",
            &|question| match question {
                Question::Verifier { .. } => Answer::SecretKept,
                Question::Response {
                    authcid,
                    challenge,
                    response,
                    ..
                } => {
                    assert_eq!(authcid.as_str(), "tim");
                    assert_eq!(challenge, b"<1896.697170952@postoffice.reston.mci.net>");
                    assert_eq!(response, b"tim b913a602c7eda7a495b4e6e7334d3890");
                    Answer::Checked {
                        verdict: verdict.clone(),
                        proof: None,
                    }
                }
                other => panic!("{other:?}"),
            },
        );
        assert_eq!(ending.server_let_him_in(), let_in);
    }
}

// SASL-07, CODE-09: an answer that does not fit is no success, and no judgement either.
#[test]
fn answers_that_do_not_fit_end_the_exchange() {
    let answers: [fn() -> Answer; 4] = [
        || Answer::Unavailable,
        || Answer::Verdict(granted("tim")),
        || Answer::Checked {
            verdict: granted("tim"),
            proof: None,
        },
        || {
            let fake = crate::verifier::fake_scram(
                &Secret::new([7; 32]),
                "tim",
                crate::Hash::Sha256,
                4096,
            );
            Answer::Verifier {
                verifier: Verifier::Scram(fake.unwrap()),
                verdict: granted("tim"),
            }
        },
    ];
    for answer in answers {
        let step = server_says("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw", answer);
        refused_for(&step, Refusal::Unavailable);
    }
    let ending = exchange(
        reston(),
        "tim",
        "tanstaaftanstaaf",
        &|question| match question {
            Question::Verifier { .. } => Answer::SecretKept,
            _ => holds("tanstaaftanstaaf"),
        },
    );
    assert_eq!(ending.refusal(), Some(Refusal::Unavailable));
}

// CRAM-01: the client does not look into the challenge, but there must be one.
#[test]
fn the_client_answers_any_challenge() {
    let wait = || match (CRAM_MD5.client)(ClientParams::new("tim", "h", "unused")) {
        ClientStep::Wait(state) => state,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        wait().challenge(b"no msg-id"),
        ClientStep::Ask(ClientQuestion::Password, _)
    ));
    assert!(matches!(
        wait().challenge(b""),
        ClientStep::Abort(ClientFault::Malformed(_))
    ));
    for (answer, fault) in [
        (ClientAnswer::Unavailable, ClientFault::Unavailable),
        (
            ClientAnswer::Password(Secret::new("")),
            ClientFault::PasswordUnusable,
        ),
    ] {
        let ClientStep::Ask(_, state) = wait().challenge(b"<1@2>") else {
            panic!("the password is asked for");
        };
        assert!(matches!(state.answer(answer), ClientStep::Abort(f) if f == fault));
    }
}
