//! The client: the exchange of RFC 2831, what it chooses, and servers that do not prove themselves.

use super::super::DIGEST_MD5;
use crate::{
    AwaitChallenge, ClientAnswer, ClientFault, ClientParams, ClientQuestion, ClientStep,
    LayerPolicy, LayerStrength, Secret,
};

/// The challenge of RFC 2831 §4.
const CHALLENGE: &str = r#"realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8"#;

fn chris() -> ClientParams {
    ClientParams::new("chris", "elwood.innosoft.com", "OA6MHXh6VqTrRk")
}

/// The response to `challenge`, and the state behind it.
fn respond(
    params: ClientParams,
    password: &[u8],
    challenge: &str,
) -> Result<(String, Box<dyn AwaitChallenge>), ClientFault> {
    let state = match (DIGEST_MD5.client)(params) {
        ClientStep::Wait(state) => state,
        ClientStep::Abort(fault) => return Err(fault),
        other => panic!("the server speaks first: {other:?}"),
    };
    let mut step = state.challenge(challenge.as_bytes());
    loop {
        step = match step {
            ClientStep::Ask(ClientQuestion::Password, state) => {
                state.answer(ClientAnswer::Password(Secret::new(password)))
            }
            ClientStep::Respond(message, state) => {
                let text = String::from_utf8_lossy(message.expose()).into_owned();
                return Ok((text, state));
            }
            ClientStep::Abort(fault) => return Err(fault),
            other => panic!("{other:?}"),
        };
    }
}

fn fault(params: ClientParams, password: &[u8], challenge: &str) -> Option<ClientFault> {
    respond(params, password, challenge).err()
}

// DIG-08, DIG-09, DIG-15: the published exchange, moved to mail submission.
#[test]
fn dig_08_dig_09_dig_15_the_exchange_of_rfc_2831() {
    let (response, state) = respond(chris(), b"secret", CHALLENGE).unwrap();
    assert_eq!(
        response,
        r#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="smtp/elwood.innosoft.com",response=52ff44907f72314481b5c098c708ebf3,qop=auth"#
    );
    let ClientStep::Respond(empty, state) =
        state.challenge(b"rspauth=84106ee5cb85c426e7ef928db0e49bfa")
    else {
        panic!("the proof is right");
    };
    assert!(empty.expose().is_empty());
    // AUTH-22: some servers want one more empty line.
    let ClientStep::Respond(empty, state) = state.challenge(b"") else {
        panic!("an empty challenge behind the proof is answered once");
    };
    assert!(empty.expose().is_empty());
    assert!(state.succeeded().unwrap().layer.is_none());
}

// DIG-15, LS-26, AUTH-21: without the right proof there is no success.
#[test]
fn dig_15_ls_26_a_server_that_does_not_prove_itself() {
    let state = || respond(chris(), b"secret", CHALLENGE).unwrap().1;
    assert_eq!(
        state().succeeded().unwrap_err(),
        ClientFault::ServerNotProven
    );
    for (challenge, fault) in [
        (
            "rspauth=84106ee5cb85c426e7ef928db0e49bfb",
            ClientFault::ServerNotProven,
        ),
        ("rspauth=84", ClientFault::Malformed("rspauth")),
        ("", ClientFault::Malformed("rspauth")),
        (CHALLENGE, ClientFault::Malformed("rspauth")),
    ] {
        let step = state().challenge(challenge.as_bytes());
        assert!(
            matches!(&step, ClientStep::Abort(got) if *got == fault),
            "{challenge}: {step:?}"
        );
    }
    let ClientStep::Wait(state) = (DIGEST_MD5.client)(chris()) else {
        panic!("the server speaks first");
    };
    assert_eq!(state.succeeded().unwrap_err(), ClientFault::ServerNotProven);
}

// DIG-21: a stale nonce is answered again without asking for the password; once, and not in another realm.
#[test]
fn dig_21_a_stale_nonce_is_answered_again() {
    let fresh = CHALLENGE.replace("OA6MG9tEQGm2hh", "OA6MNEWNONCE00") + ",stale=true";
    let (_, state) = respond(chris(), b"secret", CHALLENGE).unwrap();
    let ClientStep::Respond(message, state) = state.challenge(fresh.as_bytes()) else {
        panic!("answered again");
    };
    let (expected, _) = respond(chris(), b"secret", &fresh).unwrap();
    assert_eq!(message.expose(), expected.as_bytes());
    assert!(matches!(
        state.challenge(fresh.as_bytes()),
        ClientStep::Abort(ClientFault::Malformed("rspauth"))
    ));

    let (_, state) = respond(chris(), b"secret", CHALLENGE).unwrap();
    let elsewhere = fresh.replace("elwood", "other");
    assert!(matches!(
        state.challenge(elsewhere.as_bytes()),
        ClientStep::Abort(ClientFault::Malformed("realm"))
    ));
}

// DIG-04, LS-25.
#[test]
fn dig_04_ls_25_the_realm_it_takes() {
    let user = |name| ClientParams::new(name, "mail.example.com", "c");
    let taken = |name, realms: &str| {
        let challenge = format!("{realms}nonce=\"n\",algorithm=md5-sess");
        respond(user(name), b"secret", &challenge).unwrap().0
    };
    let two = "realm=\"a.example\",realm=\"B.example\",";
    assert!(taken("joe", two).contains("realm=\"a.example\""));
    assert!(taken("joe@b.example", two).contains("realm=\"B.example\""));
    assert!(taken("joe@c.example", two).contains("realm=\"a.example\""));
    assert!(!taken("joe", "").contains("realm="));
    assert!(!taken("joe", "realm=\"\",").contains("realm="));

    // Whoever knows which is told none other, as the server spells it.
    let wants = |realm: &str, realms: &str| {
        let params = ClientParams {
            realm: Some(realm.to_owned()),
            ..user("joe@a.example")
        };
        let challenge = format!("{realms}nonce=\"n\",algorithm=md5-sess");
        respond(params, b"secret", &challenge).unwrap().0
    };
    assert!(wants("b.example", two).contains("realm=\"B.example\""));
    assert!(wants("c.example", two).contains("realm=\"c.example\""));
    assert!(wants("c.example", "").contains("realm=\"c.example\""));
    assert!(!wants("", two).contains("realm="));
}

// LAYER-08, DIG-23: the strongest that both sides allow; nothing unless it is asked for.
#[test]
fn layer_08_dig_23_what_it_chooses() {
    let chosen = |layers, offer: &str| {
        let params = ClientParams { layers, ..chris() };
        let challenge = format!("nonce=\"n\",algorithm=md5-sess,{offer}");
        let response = respond(params, b"secret", &challenge)?.0;
        Ok(response.split_once(",qop=").unwrap().1.to_owned())
    };
    let all = r#"qop="auth,auth-int,auth-conf",cipher="rc4-40,rc4-56,rc4,des,3des""#;
    let three = r#"qop="auth-conf",cipher="rc4-40,des,3des""#;
    let weak = r#"qop="auth,auth-int,auth-conf",cipher="rc4-40,des""#;
    let any = LayerPolicy::ANY;
    let any_weak = LayerPolicy {
        weak_ciphers: true,
        ..any
    };
    let no = ClientFault::LayerUnavailable;
    for (layers, offer, expected) in [
        (LayerPolicy::NEVER, all, Ok("auth")),
        (LayerPolicy::NEVER, r#"qop="auth-int""#, Err(no.clone())),
        (any, all, Ok("auth-conf,cipher=rc4,maxbuf=65536")),
        (any, three, Ok("auth-conf,cipher=3des,maxbuf=65536")),
        (any, weak, Ok("auth-int,maxbuf=65536")),
        (any_weak, weak, Ok("auth-conf,cipher=des,maxbuf=65536")),
        (any, r#"qop="auth,auth-int""#, Ok("auth-int,maxbuf=65536")),
        (any, r#"qop="auth""#, Ok("auth")),
        (any, "x=y", Ok("auth")),
        (any, r#"qop="auth-zip""#, Err(no.clone())),
        (
            LayerPolicy::exactly(LayerStrength::Integrity),
            all,
            Ok("auth-int,maxbuf=65536"),
        ),
        (
            LayerPolicy::exactly(LayerStrength::Confidentiality),
            r#"qop="auth,auth-int""#,
            Err(no.clone()),
        ),
        (any, r#"qop="auth-conf",cipher="3des",maxbuf=24"#, Err(no)),
    ] {
        assert_eq!(
            chosen(layers, offer),
            expected.map(str::to_owned),
            "{layers:?} {offer}"
        );
    }
}

// DIG-06: brought down to ISO-8859-1 in the hash, UTF-8 on the wire; without charset there is nothing but ISO-8859-1.
#[test]
fn dig_06_names_beyond_ascii() {
    let user = |name: &str| ClientParams::new(name, "mail.example.com", "C");
    let offer = "realm=\"example.com\",nonce=\"N\",algorithm=md5-sess";
    let password = "contraseña".as_bytes();
    let (response, _) = respond(user("José"), password, &format!("{offer},charset=utf-8")).unwrap();
    assert!(response.contains("username=\"José\""), "{response}");
    assert!(response.contains("response=cd18182839f19bd9aca5dc19fff4beff"));
    let (response, _) = respond(user("José"), password, offer).unwrap();
    assert!(!response.contains("charset"));
    assert!(response.contains("response=cd18182839f19bd9aca5dc19fff4beff"));
    assert_eq!(
        fault(user("и"), password, offer),
        Some(ClientFault::NameUnusable)
    );
    assert_eq!(
        fault(user("jose"), "и".as_bytes(), offer),
        Some(ClientFault::PasswordUnusable)
    );
}

// DIG-12: never an empty authzid; another one is sent and counted.
#[test]
fn dig_12_the_authzid_it_sends() {
    let with = |authzid: &str| {
        let params = ClientParams {
            authzid: Some(authzid.to_owned()),
            ..ClientParams::new("chris", "elwood.innosoft.com", "OA9BSuZWMSpW8m")
        };
        let challenge = CHALLENGE.replace("OA6MG9tEQGm2hh", "OA9BSXrbuRhWay");
        respond(params, b"secret", &challenge).unwrap().0
    };
    assert!(!with("").contains("authzid"));
    assert!(with("chris").ends_with(",authzid=\"chris\""));
    assert_ne!(
        with("").split_once("response=").unwrap().1.get(..32),
        with("chris").split_once("response=").unwrap().1.get(..32)
    );
}

#[test]
fn what_cannot_be_sent_is_not() {
    let ok = CHALLENGE;
    let nonce = |nonce: &str| ClientParams::new("chris", "h", nonce);
    for (params, password, challenge, expected) in [
        (
            ClientParams::new("", "h", "n"),
            "p",
            ok,
            ClientFault::NameUnusable,
        ),
        (
            ClientParams::new("a\0b", "h", "n"),
            "p",
            ok,
            ClientFault::NameUnusable,
        ),
        (nonce(""), "p", ok, ClientFault::NonceUnusable),
        (nonce("a b"), "p", ok, ClientFault::NonceUnusable),
        (chris(), "", ok, ClientFault::PasswordUnusable),
        (chris(), "p", "", ClientFault::Malformed("algorithm")),
        (
            chris(),
            "p",
            "algorithm=md5-sess",
            ClientFault::Malformed("nonce"),
        ),
    ] {
        assert_eq!(
            fault(params, password.as_bytes(), challenge),
            Some(expected),
            "{challenge}"
        );
    }
}
