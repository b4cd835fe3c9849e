//! What a server must not let pass.

use super::super::keys::{auth_message, client_proof};
use super::*;
use crate::{ClientFault, ClientStep, Outcome, Question, Refusal, ServerStep, Verdict};

/// Drives the server of `mechanism` with messages of our own, against the verifier of `user`/`pencil`.
fn server_says(
    mechanism: &'static Mechanism,
    params: ServerParams,
    client_first: &[u8],
    client_final: &str,
) -> Outcome {
    let verifier = rfc_7677().verifier();
    let mut step = (mechanism.server)(params, Some(client_first));
    loop {
        step = match step {
            ServerStep::Ask(_, state) => state.answer(Answer::Verifier {
                verifier: Verifier::Scram(verifier.clone()),
                verdict: granted("user"),
            }),
            ServerStep::Challenge(_, state) => state.respond(client_final.as_bytes()),
            ServerStep::Done(outcome) => return outcome,
        }
    }
}

#[track_caller]
fn refused_for(outcome: &Outcome, refusal: Refusal, case: &str) {
    assert!(
        matches!(outcome, Outcome::Refused(r) if *r == refusal),
        "{case}: {outcome:?}"
    );
}

/// The proof that a client who knows the password would send for these messages.
fn proof_for(client_first_bare: &str, without_proof: &str) -> String {
    let message = auth_message(
        client_first_bare,
        &format!("r={CLIENT_NONCE}{SERVER_NONCE},s={SALT},i=4096"),
        without_proof,
    );
    let salted = salted(Hash::Sha256, b"pencil", &BASE64.decode(SALT).unwrap(), 4096);
    BASE64.encode(client_proof(Hash::Sha256, &salted, &message))
}

// SCR-03, SCR-16.
#[test]
fn malformed_first_messages_are_refused() {
    for message in [
        "n,,n=,r=abc",
        "n,,n=a=2,r=abc",
        "n,,n=a=2x,r=abc",
        "n,,n=a=3d,r=abc",
        "n,,m=x,n=user,r=abc",
        "n,,n=user,r=abc,m=x",
        "n,,n=user,r=",
        "n,,n=user",
        "n,,r=abc,n=user",
        "n,,n=user,n=user,r=abc",
        "n,,n=user,r=abc,r=abc",
        "n,,n=user,r=abc,x=1,x=2",
        "n,,n=user,r=abc,x",
        "n,,n=user,r=abc,x=a\0b",
        "n,,n=user,r=a\u{e9}c",
        "n,,n=user,r=a c",
        "n,,n=user\0,r=abc",
        "n,,n=user,r=abc\0",
        "n,,n=us\ter,r=abc",
        "n,,n=\u{ad},r=abc",
        "n,a=,n=user,r=abc",
        "n,b=x,n=user,r=abc",
        "F,,n=user,r=abc",
        "N,,n=user,r=abc",
        ",,n=user,r=abc",
        "p=,n=user,r=abc",
        "n=user,r=abc",
        "n",
        "QUIT",
    ] {
        refused_at_once(message.as_bytes(), Refusal::Malformed);
    }
    refused_at_once(b"n,,n=\xff,r=abc", Refusal::Malformed);
    // AUTH-05.
    refused_at_once(b"", Refusal::CredentialsEmpty);
}

/// Without a question to the directory.
#[track_caller]
fn refused_at_once(client_first: &[u8], refusal: Refusal) {
    match (SCRAM_SHA_256.server)(rfc_7677().server(), Some(client_first)) {
        ServerStep::Done(outcome) => {
            refused_for(&outcome, refusal, &String::from_utf8_lossy(client_first));
        }
        other => panic!("{}: {other:?}", String::from_utf8_lossy(client_first)),
    }
}

// SCR-03: unknown optional extensions are read and ignored, on both sides and in every message.
#[test]
fn optional_extensions_change_nothing() {
    let bare = format!("n=user,r={CLIENT_NONCE},x=1,Y=a=b");
    let without_proof = format!("c=biws,r={CLIENT_NONCE}{SERVER_NONCE},z=3");
    let proof = proof_for(&bare, &without_proof);
    let outcome = server_says(
        &SCRAM_SHA_256,
        rfc_7677().server(),
        format!("n,,{bare}").as_bytes(),
        &format!("{without_proof},p={proof}"),
    );
    assert!(matches!(outcome, Outcome::Authenticated(_)), "{outcome:?}");
}

// PREP-08: the name as received goes into the hash, prepared or not. xdg-go/scram testdata/good, a client without SASLprep.
#[test]
fn a_client_that_does_not_prepare_its_name_gets_in() {
    let salt = BASE64.decode("c2FsdFNBTFRzYWx0").unwrap();
    let key = salted(Hash::Sha256, "p\u{212b}ssword".as_bytes(), &salt, 4096);
    let verifier = ScramVerifier::from_salted_password(Hash::Sha256, &key, salt, 4096).unwrap();
    let params = ServerParams {
        nonce: "serverNONCE".to_owned(),
        ..ServerParams::default()
    };
    let first = "n,,n=ramo\u{301}n,r=clientNONCE";
    let ServerStep::Ask(question, state) = (SCRAM_SHA_256.server)(params, Some(first.as_bytes()))
    else {
        panic!("the verifier is asked for");
    };
    assert_eq!(question.authcid().unwrap().as_str(), "ramo\u{301}n");
    let ServerStep::Challenge(_, state) = state.answer(Answer::Verifier {
        verifier: Verifier::Scram(verifier),
        verdict: granted("ram\u{f3}n"),
    }) else {
        panic!("the salt is sent");
    };
    let last = b"c=biws,r=clientNONCEserverNONCE,p=oTfTL+YxW2HglmsPRO5VLdQk+oVt48HHrKppt+kYP2Y=";
    let ServerStep::Done(Outcome::Authenticated(success)) = state.respond(last) else {
        panic!("he is let in");
    };
    assert_eq!(
        success.final_data.as_deref(),
        Some(&b"v=mtXS1UbPSI9Ks9flMJwHBDfnmwcUwjpI8A/NlAT5c98="[..])
    );
}

// SCR-07, SCR-09, T-16, V-43: each with the proof that is right for what is sent, so that only the named check can refuse.
#[test]
fn wrong_final_messages_are_refused_though_the_proof_fits_them() {
    let bare = format!("n=user,r={CLIENT_NONCE}");
    let nonce = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    let say = |without_proof: &str, proof: &str| {
        server_says(
            &SCRAM_SHA_256,
            rfc_7677().server(),
            format!("n,,{bare}").as_bytes(),
            &format!("{without_proof},p={proof}"),
        )
    };
    for without_proof in [
        format!("c=eSws,r={nonce}"),
        format!("c=,r={nonce}"),
        format!("c=biwsAA==,r={nonce}"),
        format!("c=biwt,r={nonce}"),
        format!("c=biws,r={CLIENT_NONCE}"),
        format!("c=biws,r={nonce}x"),
        format!("c=biws,r={}", &nonce[..nonce.len() - 1]),
        format!("c=biws,r={SERVER_NONCE}"),
    ] {
        let outcome = say(&without_proof, &proof_for(&bare, &without_proof));
        refused_for(&outcome, Refusal::CredentialsInvalid, &without_proof);
    }

    let good = format!("c=biws,r={nonce}");
    assert!(matches!(
        say(&good, &proof_for(&bare, &good)),
        Outcome::Authenticated(_)
    ));
    for proof in [
        BASE64.encode([0; 32]),
        BASE64.encode([0; 31]),
        BASE64.encode([0; 64]),
        String::new(),
    ] {
        refused_for(&say(&good, &proof), Refusal::CredentialsInvalid, &proof);
    }
    for proof in ["%", "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ", "dHzb"] {
        assert!(matches!(say(&good, proof), Outcome::Refused(_)), "{proof}");
    }
    for malformed in [
        format!("r={nonce},c=biws"),
        format!("c=biws,c=biws,r={nonce}"),
        "c=biws".to_owned(),
    ] {
        let outcome = say(&malformed, &proof_for(&bare, &malformed));
        refused_for(&outcome, Refusal::Malformed, &malformed);
    }
}

// SCR-12, SCR-14, SCR-15, CB-01, CB-05, T-16.
#[test]
fn the_binding_flag_must_fit_the_connection() {
    let say = |mechanism: &'static Mechanism,
               flag: &str,
               cb: &[u8],
               bindings: ChannelBindings,
               plus_offered| {
        let bare = format!("n=user,r={CLIENT_NONCE}");
        let c = BASE64.encode([format!("{flag},,").as_bytes(), cb].concat());
        let without_proof = format!("c={c},r={CLIENT_NONCE}{SERVER_NONCE}");
        let params = ServerParams {
            channel_bindings: bindings,
            plus_offered,
            ..rfc_7677().server()
        };
        let client_final = format!("{without_proof},p={}", proof_for(&bare, &without_proof));
        server_says(
            mechanism,
            params,
            format!("{flag},,{bare}").as_bytes(),
            &client_final,
        )
    };
    let cb: Vec<u8> = (0..32).collect();
    let (plain, plus) = (&SCRAM_SHA_256, &SCRAM_SHA_256_PLUS);
    let none = ChannelBindings::default;
    for (mechanism, flag, cb, bindings, plus_offered) in [
        (plain, "n", &[][..], none(), false),
        (plain, "n", &[], exporter(), true),
        (plain, "y", &[], none(), false),
        (plain, "p=tls-exporter", &cb, exporter(), false),
        (plus, "p=tls-exporter", &cb, exporter(), true),
    ] {
        let outcome = say(mechanism, flag, cb, bindings, plus_offered);
        assert!(
            matches!(outcome, Outcome::Authenticated(_)),
            "{mechanism} {flag}: {outcome:?}"
        );
    }
    for (mechanism, flag, cb, bindings, plus_offered) in [
        (plain, "y", &[][..], exporter(), true),
        (plain, "p=tls-exporter", &cb, none(), false),
        (plain, "p=tls-unique", &cb, exporter(), false),
        (plain, "p=tls-bogus", &cb, exporter(), false),
        (plain, "p=tls-exporter", &cb[1..], exporter(), false),
        (plain, "p=tls-exporter", &[0; 32], exporter(), false),
        (plus, "n", &[], exporter(), true),
        (plus, "y", &[], exporter(), true),
        (plus, "p=tls-exporter", &[], exporter(), true),
    ] {
        let outcome = say(mechanism, flag, cb, bindings, plus_offered);
        refused_for(
            &outcome,
            Refusal::CredentialsInvalid,
            &format!("{mechanism} {flag}"),
        );
    }
}

// SCR-18, SCR-19, AUTH-27: nothing the client sees before its proof is refused depends on whether the name is known.
#[test]
fn an_unknown_user_sees_what_a_known_one_sees() {
    let key = Secret::new([7; 32]);
    let fake = |name: &str| crate::verifier::fake_scram(&key, name, Hash::Sha256, 4096).unwrap();
    let ending = |verifier: ScramVerifier, verdict: Verdict| {
        Pairing {
            mechanism: &SCRAM_SHA_256,
            server: rfc_7677().server(),
            client: rfc_7677().client(),
            user: &knows("wrong"),
            directory: &|_| Answer::Verifier {
                verifier: Verifier::Scram(verifier.clone()),
                verdict: verdict.clone(),
            },
            wire: &untouched,
        }
        .run()
    };
    let known = ending(rfc_7677().verifier(), granted("user"));
    let unknown = ending(fake("user"), Verdict::Refused(Refusal::CredentialsInvalid));
    for ending in [&known, &unknown] {
        assert_eq!(ending.refusal(), Some(Refusal::CredentialsInvalid));
    }
    let lengths = |ending: &Ending| ending.messages.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(&known), lengths(&unknown));

    assert_eq!(fake("user").salt(), fake("user").salt());
    assert_ne!(fake("user").salt(), fake("other").salt());
    let other_key =
        crate::verifier::fake_scram(&Secret::new([8; 32]), "user", Hash::Sha256, 4096).unwrap();
    assert_ne!(fake("user").salt(), other_key.salt());
}

// SASL-07: a right proof does not overrule the directory, and a directory that is down is no judgement (CODE-09).
#[test]
fn the_directory_has_the_last_word() {
    for refusal in [
        Refusal::AccountDisabled,
        Refusal::PasswordExpired,
        Refusal::CredentialsInvalid,
    ] {
        let ending = Pairing {
            mechanism: &SCRAM_SHA_256,
            server: rfc_7677().server(),
            client: rfc_7677().client(),
            user: &knows("pencil"),
            directory: &|_| Answer::Verifier {
                verifier: Verifier::Scram(rfc_7677().verifier()),
                verdict: Verdict::Refused(refusal),
            },
            wire: &untouched,
        }
        .run();
        assert_eq!(ending.refusal(), Some(refusal));
        assert_eq!(
            ending.messages.len(),
            3,
            "no server signature for a refusal"
        );
    }
    let answers: [fn() -> Answer; 5] = [
        || Answer::Unavailable,
        || Answer::SecretKept,
        || Answer::Verdict(granted("user")),
        || Answer::Verifier {
            verifier: Verifier::CramMd5(crate::HmacMd5Contexts::of_key(b"pencil")),
            verdict: granted("user"),
        },
        || {
            let salt = [1; 16];
            Answer::Verifier {
                verifier: Verifier::Scram(
                    ScramVerifier::derive(Hash::Sha512, &Secret::new("pencil"), salt, 4096)
                        .unwrap(),
                ),
                verdict: granted("user"),
            }
        },
    ];
    for answer in answers {
        let ServerStep::Ask(question, state) =
            (SCRAM_SHA_256.server)(rfc_7677().server(), Some(b"n,a=x,n=user,r=abc"))
        else {
            panic!("a question is asked");
        };
        assert!(
            matches!(&question, Question::Verifier { authcid, authzid: Some(authzid), .. }
            if authcid.as_str() == "user" && authzid.as_str() == "x")
        );
        assert!(matches!(
            state.answer(answer()),
            ServerStep::Done(Outcome::Refused(Refusal::Unavailable))
        ));
    }
}

// SASL-08, V-42: a driver that forgets to draw a nonce gets no exchange, on either side.
#[test]
fn an_unusable_nonce_ends_the_exchange() {
    for nonce in ["", "a,b", "a b", "\u{e9}"] {
        let params = ServerParams {
            nonce: nonce.to_owned(),
            ..rfc_7677().server()
        };
        assert!(matches!(
            (SCRAM_SHA_256.server)(params, None),
            ServerStep::Done(Outcome::Refused(Refusal::Unavailable))
        ));
        let step = (SCRAM_SHA_256.client)(ClientParams::new("user", "host", nonce));
        assert!(matches!(
            step,
            ClientStep::Abort(ClientFault::NonceUnusable)
        ));
    }
}

// PREP-08, SCR-17, SCR-25: Elytron's exchange under SHA-1. Its client prepares authzid and password, and not the user name, whose octets
// count as they came; one of its characters is unassigned in Unicode 3.2.
#[test]
fn names_are_unescaped_and_count_as_they_came() {
    let verifier = Row {
        password: "strange=password, \\\u{438}\u{4f60}\u{1f0a1}\u{bd}\u{b4}",
        ..rfc_5802("", "", "")
    }
    .verifier();
    let params = rfc_5802("", "", "").server();
    let first = "n,a=strange=3Dadmin=2C \\\u{438}\u{4f60}\u{1f0a1}1\u{2044}2 \u{301},\
        n=strange=3Duser=2C \\\u{438}\u{4f60}\u{1f0a1}\u{bd}\u{b4},r=fyko+d2lbbFgONRv9qkxdawL";
    let ServerStep::Ask(question, state) = (SCRAM_SHA_1.server)(params, Some(first.as_bytes()))
    else {
        panic!("the verifier is asked for");
    };
    let asked = |name: Option<&str>| name.map(str::to_owned);
    assert_eq!(
        asked(question.authcid().map(crate::Authcid::as_str)),
        asked(Some("strange=user, \\\u{438}\u{4f60}\u{1f0a1}\u{bd}\u{b4}"))
    );
    assert_eq!(
        asked(question.authzid().map(crate::Authzid::as_str)),
        asked(Some(
            "strange=admin, \\\u{438}\u{4f60}\u{1f0a1}1\u{2044}2 \u{301}"
        ))
    );
    let step = state.answer(Answer::Verifier {
        verifier: Verifier::Scram(verifier),
        verdict: granted("strange"),
    });
    let ServerStep::Challenge(_, state) = step else {
        panic!("{step:?}");
    };
    let last = "c=bixhPXN0cmFuZ2U9M0RhZG1pbj0yQyBc0LjkvaDwn4KhMeKBhDIgzIEs,\
        r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=ZWpaDThPD7OErOz+6Q+n9msNhMQ=";
    match state.respond(last.as_bytes()) {
        ServerStep::Done(Outcome::Authenticated(success)) => assert_eq!(
            success.final_data.as_deref(),
            Some(&b"v=k1gWxds6QP4FdDqmsLtaxIl38NM="[..])
        ),
        other => panic!("{other:?}"),
    }
}
