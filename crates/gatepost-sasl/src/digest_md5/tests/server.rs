//! The server: the exchange of RFC 2831, everything a client may do wrong with its exact refusal, and old clients.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::{DIGEST_MD5, DigestMd5Hashes};
use crate::pairing::granted;
use crate::verifier::fake_digest;
use crate::{
    Answer, LayerPolicy, LayerStrength, Outcome, Question, Refusal, Secret, ServerParams,
    ServerStep, Verdict, Verifier,
};

const NONCE: &str = "OA6MG9tEQGm2hh";

/// RFC 2831 §4, moved to mail submission.
const RESPONSE: &str = r#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="smtp/elwood.innosoft.com",response=52ff44907f72314481b5c098c708ebf3,qop=auth"#;

fn elwood() -> ServerParams {
    ServerParams {
        nonce: NONCE.to_owned(),
        realms: vec!["elwood.innosoft.com".to_owned()],
        ..ServerParams::default()
    }
}

fn holds(username: &str, realm: &str, password: &str) -> Answer {
    let hashes = DigestMd5Hashes::derive(username, [realm], &Secret::new(password));
    Answer::Verifier {
        verifier: Verifier::DigestMd5(hashes),
        verdict: granted(username),
    }
}

fn chris() -> Answer {
    holds("chris", "elwood.innosoft.com", "secret")
}

/// What becomes of this response to our challenge.
fn outcome(params: ServerParams, response: &[u8], answer: impl Fn(&Question) -> Answer) -> Outcome {
    let ServerStep::Challenge(_, state) = (DIGEST_MD5.server)(params, None) else {
        panic!("the server speaks first");
    };
    let mut step = state.respond(response);
    loop {
        step = match step {
            ServerStep::Ask(question, state) => {
                let answer = answer(&question);
                state.answer(answer)
            }
            ServerStep::Done(outcome) => return outcome,
            ServerStep::Challenge(..) => panic!("one challenge is enough"),
        };
    }
}

fn refusal(response: &[u8]) -> Option<Refusal> {
    match outcome(elwood(), response, |_| chris()) {
        Outcome::Refused(refusal) => Some(refusal),
        Outcome::Authenticated(_) => None,
    }
}

// V-40: each `=`, `,` and `"` of the response taken away, and the response cut off at each octet. Without a qop it is a good one.
#[test]
fn v_40_a_response_that_lacks_a_sign_lets_nobody_in() {
    assert_eq!(refusal(RESPONSE.as_bytes()), None);
    let octets = RESPONSE.as_bytes();
    let without_qop = RESPONSE.find(",qop=auth").unwrap();
    for (place, octet) in octets.iter().enumerate() {
        let cut = refusal(&octets[..place]);
        assert!(cut.is_some() || place >= without_qop, "{place}");
        if b"=,\"".contains(octet) {
            let without = [&octets[..place], &octets[place + 1..]].concat();
            let text = String::from_utf8_lossy(&without);
            assert!(
                matches!(
                    refusal(&without),
                    Some(Refusal::Malformed | Refusal::CredentialsInvalid)
                ),
                "{text}"
            );
        }
    }
}

// DIG-01, DIG-14, AUTH-25: the messages of the published exchange, as base64.
#[test]
fn dig_14_the_exchange_of_rfc_2831() {
    let ServerStep::Challenge(challenge, _) = (DIGEST_MD5.server)(elwood(), None) else {
        panic!("the server speaks first");
    };
    assert_eq!(
        String::from_utf8(challenge).unwrap(),
        r#"realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",charset=utf-8,algorithm=md5-sess"#
    );
    let response = BASE64
        .decode("Y2hhcnNldD11dGYtOCx1c2VybmFtZT0iY2hyaXMiLHJlYWxtPSJlbHdvb2QuaW5ub3NvZnQuY29tIixub25jZT0iT0E2TUc5dEVRR20yaGgiLG5jPTAwMDAwMDAxLGNub25jZT0iT0E2TUhYaDZWcVRyUmsiLGRpZ2VzdC11cmk9InNtdHAvZWx3b29kLmlubm9zb2Z0LmNvbSIscmVzcG9uc2U9NTJmZjQ0OTA3ZjcyMzE0NDgxYjVjMDk4YzcwOGViZjMscW9wPWF1dGg=")
        .unwrap();
    assert_eq!(response, RESPONSE.as_bytes());
    let Outcome::Authenticated(success) = outcome(elwood(), &response, |question| {
        assert!(
            matches!(question, Question::Verifier { authcid, authzid: None, .. } if authcid.as_str() == "chris")
        );
        chris()
    }) else {
        panic!("the published exchange succeeds");
    };
    assert_eq!(success.identity.login(), "chris");
    assert!(success.layer.is_none());
    assert_eq!(
        BASE64.encode(success.final_data.unwrap()),
        "cnNwYXV0aD04NDEwNmVlNWNiODVjNDI2ZTdlZjkyOGRiMGU0OWJmYQ=="
    );
}

// DIG-03, DIG-05, DIG-08, DIG-10, DIG-11, DIG-13, DIG-25: every way to be refused, and by what.
#[test]
fn dig_05_dig_08_dig_10_dig_13_each_fault_has_its_refusal() {
    for (from, to, expected) in [
        ("", "", None),
        ("52ff", "52fe", Some(Refusal::CredentialsInvalid)),
        (
            "=\"OA6MG9tEQGm2hh\"",
            "=\"OA6MG9tEQGm2hi\"",
            Some(Refusal::CredentialsInvalid),
        ),
        (
            "nc=00000001",
            "nc=00000002",
            Some(Refusal::CredentialsInvalid),
        ),
        (
            "nc=00000001",
            "nc=00000000",
            Some(Refusal::CredentialsInvalid),
        ),
        (
            "realm=\"elwood.",
            "realm=\"other.",
            Some(Refusal::CredentialsInvalid),
        ),
        (
            "realm=\"elwood.innosoft.com\",",
            "",
            Some(Refusal::CredentialsInvalid),
        ),
        (
            "OA6MHXh6VqTrRk",
            "OA6MHXh6VqTrRl",
            Some(Refusal::CredentialsInvalid),
        ),
        (
            "smtp/elwood",
            "smtp/other",
            Some(Refusal::CredentialsInvalid),
        ),
        ("smtp/elwood", "imap/elwood", Some(Refusal::Malformed)),
        ("smtp/elwood", "elwood", Some(Refusal::Malformed)),
        ("qop=auth", "qop=auth-int", Some(Refusal::Malformed)),
        (
            "qop=auth",
            "qop=auth-conf,cipher=rc4",
            Some(Refusal::Malformed),
        ),
        (
            "username=\"chris\"",
            "username=\"\"",
            Some(Refusal::CredentialsEmpty),
        ),
        (
            "username=\"chris\"",
            "username=\"ch\tris\"",
            Some(Refusal::Malformed),
        ),
        ("nc=00000001,", "", Some(Refusal::Malformed)),
        (RESPONSE, "", Some(Refusal::CredentialsEmpty)),
        (RESPONSE, "rubbish", Some(Refusal::Malformed)),
    ] {
        let response = RESPONSE.replacen(from, to, 1);
        assert_eq!(refusal(response.as_bytes()), expected, "{response}");
    }
    let not_utf8 = [RESPONSE.as_bytes(), b",authzid=\"\xe9\""].concat();
    assert_eq!(refusal(&not_utf8), Some(Refusal::Malformed));
}

// DIG-25, AUTH-27: a name nobody has is asked for and computed like any other.
#[test]
fn dig_25_an_unknown_user_is_refused_after_the_same_work() {
    let key = Secret::new([7; 32]);
    let outcome = outcome(elwood(), RESPONSE.as_bytes(), |_| Answer::Verifier {
        verifier: Verifier::DigestMd5(fake_digest(&key, "chris", ["elwood.innosoft.com"])),
        verdict: Verdict::Refused(Refusal::CredentialsInvalid),
    });
    assert!(matches!(
        outcome,
        Outcome::Refused(Refusal::CredentialsInvalid)
    ));
}

// CODE-07: that the account is disabled is told to nobody but its owner.
#[test]
fn code_07_a_refusal_of_the_directory_comes_after_the_digest() {
    let disabled = |password: &str| Answer::Verifier {
        verifier: Verifier::DigestMd5(DigestMd5Hashes::derive(
            "chris",
            ["elwood.innosoft.com"],
            &Secret::new(password),
        )),
        verdict: Verdict::Refused(Refusal::AccountDisabled),
    };
    for (password, expected) in [
        ("secret", Refusal::AccountDisabled),
        ("other", Refusal::CredentialsInvalid),
    ] {
        let outcome = outcome(elwood(), RESPONSE.as_bytes(), |_| disabled(password));
        assert!(
            matches!(&outcome, Outcome::Refused(refusal) if *refusal == expected),
            "{outcome:?}"
        );
    }
}

/// The response of `José` with the password `contraseña`, N and C the nonces.
fn jose(head: &[u8], digest: &str) -> Vec<u8> {
    [
        head,
        br#",realm="example.com",nonce="N",nc=00000001,cnonce="C",digest-uri="smtp/mail.example.com",response="#,
        digest.as_bytes(),
    ]
    .concat()
}

// DIG-06, LC-40: brought down to ISO-8859-1, left in UTF-8, and in ISO-8859-1 without a word on the character set.
#[test]
fn dig_06_lc_40_all_readings_of_a_latin_1_name_come_in() {
    let params = || ServerParams {
        nonce: "N".to_owned(),
        ..ServerParams::default()
    };
    let down = "cd18182839f19bd9aca5dc19fff4beff";
    let raw = "73c98e0f95a7681190681fb9a50fa4ce";
    let utf8 = "charset=utf-8,username=\"José\"".as_bytes();
    let silent = b"username=\"Jos\xe9\"";
    for (head, digest) in [(utf8, down), (utf8, raw), (silent, down)] {
        let outcome = outcome(params(), &jose(head, digest), |question| {
            assert_eq!(question.authcid().unwrap().as_str(), "José");
            holds("José", "example.com", "contraseña")
        });
        assert!(matches!(outcome, Outcome::Authenticated(_)), "{digest}");
    }
}

// DIG-12: an empty authzid counts in the digest and asks for nothing; another one is asked for.
#[test]
fn dig_12_an_authzid_is_asked_for_and_counted() {
    use super::super::keys::{SessionKey, Side, Terms};
    for (authzid, asked) in [("", None), ("george", Some("george"))] {
        let terms = Terms {
            authzid: Some(authzid.into()),
            ..super::smtp()
        };
        let digest = SessionKey::new(&super::chris(), &terms).digest(&terms, Side::Client);
        let right = format!("{:032x}", u128::from_be_bytes(digest));
        let text = RESPONSE.replace("52ff44907f72314481b5c098c708ebf3", &right);
        let outcome = outcome(
            elwood(),
            format!("{text},authzid=\"{authzid}\"").as_bytes(),
            |question| {
                assert_eq!(question.authzid().map(crate::Authzid::as_str), asked);
                chris()
            },
        );
        assert!(matches!(outcome, Outcome::Authenticated(_)), "{authzid:?}");
    }
}

// DIG-20, LC-41: an initial response for a nonce that nobody remembers gets a new challenge, whatever it says.
#[test]
fn dig_20_lc_41_an_initial_response_is_answered_by_a_challenge() {
    for initial in [RESPONSE.as_bytes(), b"", b"rubbish"] {
        let ServerStep::Challenge(challenge, state) = (DIGEST_MD5.server)(elwood(), Some(initial))
        else {
            panic!("a challenge is due");
        };
        assert!(challenge.starts_with(b"realm=\"elwood.innosoft.com\",nonce="));
        assert!(matches!(
            state.respond(RESPONSE.as_bytes()),
            ServerStep::Ask(..)
        ));
    }
}

// A directory that keeps its secrets judges the whole response and gives the proof; it cannot key a layer.
#[test]
fn a_directory_that_keeps_its_secrets() {
    let checked = |proof: Option<&[u8]>, verdict| {
        outcome(elwood(), RESPONSE.as_bytes(), |question| match question {
            Question::Response {
                challenge,
                response,
                ..
            } => {
                assert!(challenge.starts_with(b"realm="));
                assert_eq!(response, RESPONSE.as_bytes());
                Answer::Checked {
                    verdict: Verdict::clone(&verdict),
                    proof: proof.map(<[u8]>::to_vec),
                }
            }
            _ => Answer::SecretKept,
        })
    };
    let refused = Verdict::Refused(Refusal::CredentialsInvalid);
    let Outcome::Authenticated(success) = checked(Some(b"rspauth=x"), granted("chris")) else {
        panic!("the directory said yes");
    };
    assert_eq!(success.final_data.as_deref(), Some(&b"rspauth=x"[..]));
    for (outcome, expected) in [
        (checked(None, granted("chris")), Refusal::Unavailable),
        (checked(None, refused), Refusal::CredentialsInvalid),
        (
            outcome(elwood(), RESPONSE.as_bytes(), |_| Answer::Unavailable),
            Refusal::Unavailable,
        ),
        (
            outcome(
                ServerParams {
                    layers: LayerPolicy::ANY,
                    ..elwood()
                },
                RESPONSE.replace("qop=auth", "qop=auth-int").as_bytes(),
                |_| Answer::SecretKept,
            ),
            Refusal::Unavailable,
        ),
    ] {
        assert!(
            matches!(&outcome, Outcome::Refused(refusal) if *refusal == expected),
            "{outcome:?}"
        );
    }
}

// LAYER-07, DIG-23: what was not offered cannot be chosen.
#[test]
fn layer_07_dig_23_only_what_was_offered_can_be_chosen() {
    let outcome_with = |layers, choice: &str| {
        let params = ServerParams { layers, ..elwood() };
        let text = RESPONSE.replace("qop=auth", choice);
        match outcome(params, text.as_bytes(), |_| chris()) {
            Outcome::Refused(refusal) => refusal,
            Outcome::Authenticated(_) => panic!("the digest is of another qop"),
        }
    };
    // The digest is wrong for another qop: whatever may be chosen gets as far as that.
    let wrong = Refusal::CredentialsInvalid;
    let integrity = LayerPolicy::exactly(LayerStrength::Integrity);
    for (layers, choice, expected) in [
        (LayerPolicy::NEVER, "qop=auth-int", Refusal::Malformed),
        (LayerPolicy::ANY, "qop=auth-int", wrong),
        (LayerPolicy::ANY, "qop=auth-conf,cipher=rc4", wrong),
        (
            LayerPolicy::ANY,
            "qop=auth-conf,cipher=rc4-40",
            Refusal::Malformed,
        ),
        (integrity, "qop=auth", Refusal::Malformed),
        (integrity, "qop=auth-int", wrong),
        (integrity, "qop=auth-conf,cipher=rc4", Refusal::Malformed),
    ] {
        assert_eq!(
            outcome_with(layers, choice),
            expected,
            "{layers:?} {choice}"
        );
    }
}

#[test]
fn without_a_nonce_there_is_no_exchange() {
    for nonce in ["", "a b", "\u{e9}"] {
        let params = ServerParams {
            nonce: nonce.to_owned(),
            ..elwood()
        };
        assert!(matches!(
            (DIGEST_MD5.server)(params, None),
            ServerStep::Done(Outcome::Refused(Refusal::Unavailable))
        ));
    }
}
