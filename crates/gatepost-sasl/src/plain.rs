//! PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`, in one message.
//!
//! Server: exactly two NULs, or the message is malformed; an empty authcid or password is refused without asking, but for
//! [`ServerParams::authzid_without_authcid`]. Octets that are not UTF-8 come from old clients: a name is then read as
//! Windows-1252, a password goes on as received.
//! Client: asks for the password, sends one message, and accepts nothing more from the server but its verdict.

use crate::client::{
    AwaitClientAnswer, AwaitOutcome, ClientAnswer, ClientFault, ClientParams, ClientQuestion,
    ClientStep,
};
use crate::identity::{Authcid, Authzid};
use crate::mechanism::{InitialResponse, Mechanism, Needs};
use crate::prep;
use crate::secret::Secret;
use crate::server::{AwaitVerdict, MAX_PASSWORD_OCTETS, ServerParams, client_first};
use crate::step::{Question, Refusal, ServerStep};

/// PLAIN.
pub static PLAIN: Mechanism = Mechanism {
    name: "PLAIN",
    standard: "RFC 4616",
    strength: 30,
    initial_response: InitialResponse::Optional,
    exposes_password: true,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Password,
    server,
    client,
};

fn server(params: ServerParams, initial_response: Option<&[u8]>) -> ServerStep {
    client_first(initial_response, move |message| check(&params, message))
}

fn check(params: &ServerParams, message: &[u8]) -> ServerStep {
    match parse(params, message) {
        Ok((authcid, question)) => ServerStep::Ask(
            question,
            Box::new(AwaitVerdict {
                mechanism: &PLAIN,
                authcid,
            }),
        ),
        Err(refusal) => ServerStep::refused(refusal),
    }
}

fn parse(params: &ServerParams, message: &[u8]) -> Result<(Authcid, Question), Refusal> {
    // An empty message is well-formed base64 and no message of ours: not a syntax error in the protocol above (AUTH-05).
    if message.is_empty() {
        return Err(Refusal::CredentialsEmpty);
    }
    let mut fields = message.split(|octet| *octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Refusal::Malformed);
    };
    // PLAIN-08: what is asked for is then the same as by `NUL name NUL password`.
    let (authzid, authcid) = match authcid {
        [] if params.authzid_without_authcid => (authcid, authzid),
        _ => (authzid, authcid),
    };
    if authcid.is_empty() || password.is_empty() {
        return Err(Refusal::CredentialsEmpty);
    }
    if password.len() > MAX_PASSWORD_OCTETS {
        return Err(Refusal::Malformed);
    }
    let authcid = Authcid::parse(&name(authcid)?).map_err(|_| Refusal::Malformed)?;
    // RFC 4616 §2: an empty authzid asks for the one that belongs to the authcid.
    let authzid = match authzid {
        [] => None,
        octets => Some(Authzid::parse(&name(octets)?).map_err(|_| Refusal::Malformed)?),
    };
    let question = Question::Password {
        mechanism: &PLAIN,
        authcid: authcid.clone(),
        authzid,
        password: Secret::new(password),
    };
    Ok((authcid, question))
}

fn name(octets: &[u8]) -> Result<String, Refusal> {
    prep::name_text(octets).ok_or(Refusal::Malformed)
}

fn client(params: ClientParams) -> ClientStep {
    let authzid = params.authzid.unwrap_or_default();
    let names_fit = Authcid::parse(&params.authcid).is_ok()
        && (authzid.is_empty() || Authzid::parse(&authzid).is_ok());
    if !names_fit {
        return ClientStep::Abort(ClientFault::NameUnusable);
    }
    let state = AwaitPassword {
        names: format!("{authzid}\0{}\0", params.authcid),
    };
    ClientStep::Ask(ClientQuestion::Password, Box::new(state))
}

struct AwaitPassword {
    /// The message up to the password.
    names: String,
}

impl AwaitClientAnswer for AwaitPassword {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        let ClientAnswer::Password(password) = answer else {
            return ClientStep::Abort(ClientFault::Unavailable);
        };
        if password.expose().is_empty() || password.expose().contains(&0) {
            return ClientStep::Abort(ClientFault::PasswordUnusable);
        }
        let message = [self.names.as_bytes(), password.expose()].concat();
        ClientStep::respond(message, AwaitOutcome)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;
    use crate::client::AwaitChallenge;
    use crate::pairing::{Pairing, granted, knows, untouched};
    use crate::{Answer, Outcome, Verdict};

    /// authzid, authcid and password of the question, or the refusal.
    fn asked(step: ServerStep) -> Result<(Option<String>, String, Vec<u8>), Refusal> {
        match step {
            ServerStep::Ask(
                Question::Password {
                    authcid,
                    authzid,
                    password,
                    ..
                },
                _,
            ) => Ok((
                authzid.map(|name| name.as_str().to_owned()),
                authcid.as_str().to_owned(),
                password.expose().to_vec(),
            )),
            ServerStep::Done(Outcome::Refused(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    fn said(message: &[u8]) -> Result<(Option<String>, String, Vec<u8>), Refusal> {
        asked((PLAIN.server)(ServerParams::default(), Some(message)))
    }

    fn said_base64(blob: &str) -> Result<(Option<String>, String, Vec<u8>), Refusal> {
        said(&BASE64.decode(blob).unwrap())
    }

    // PLAIN-01, SASL-02: RFC 4954 §4.1, RFC 4616 §4, and forms seen in the field. The directory gets both names.
    #[test]
    fn published_messages() {
        for (blob, authzid, authcid, password) in [
            ("dGVzdAB0ZXN0ADEyMzQ=", Some("test"), "test", "1234"),
            (
                "AHRpbQB0YW5zdGFhZnRhbnN0YWFm",
                None,
                "tim",
                "tanstaaftanstaaf",
            ),
            (
                "VXJzZWwAS3VydAB4aXBqM3BsbXE=",
                Some("Ursel"),
                "Kurt",
                "xipj3plmq",
            ),
            (
                "AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0",
                None,
                "user@example.com",
                "secret",
            ),
            (
                "c2hhcmVkQGV4YW1wbGUuY29tAHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0",
                Some("shared@example.com"),
                "user@example.com",
                "secret",
            ),
            (
                "AHVzZXJAZXhhbXBsZS5jb20Ac8OpY3JldA==",
                None,
                "user@example.com",
                "s\u{e9}cret",
            ),
        ] {
            let expected = (
                authzid.map(str::to_owned),
                authcid.to_owned(),
                password.as_bytes().to_vec(),
            );
            assert_eq!(said_base64(blob), Ok(expected), "{blob}");
        }
    }

    // PREP-07: the password goes on as received; a name is read as Windows-1252.
    #[test]
    fn octets_that_are_not_utf_8() {
        let expected = (None, "user@example.com".to_owned(), b"s\xe9cret".to_vec());
        assert_eq!(
            said_base64("AHVzZXJAZXhhbXBsZS5jb20Ac+ljcmV0"),
            Ok(expected)
        );
        assert_eq!(said(b"\0J\xfcrgen\0x").unwrap().1, "J\u{fc}rgen");
        assert_eq!(said(b"\0a\x81b\0x"), Err(Refusal::Malformed));
    }

    // PLAIN-02, PLAIN-08, AUTH-05, LC-10.
    #[test]
    fn messages_that_are_refused_without_a_question() {
        for (blob, refusal) in [
            ("dXNlckBleGFtcGxlLmNvbQBzZWNyZXQ=", Refusal::Malformed),
            ("AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0AA==", Refusal::Malformed),
            ("c2VjcmV0", Refusal::Malformed),
            ("AAAA", Refusal::Malformed),
            (
                "dXNlckBleGFtcGxlLmNvbQAAc2VjcmV0",
                Refusal::CredentialsEmpty,
            ),
            ("AABzZWNyZXQ=", Refusal::CredentialsEmpty),
            ("AHVzZXIA", Refusal::CredentialsEmpty),
            ("AAA=", Refusal::CredentialsEmpty),
            ("", Refusal::CredentialsEmpty),
        ] {
            assert_eq!(said_base64(blob), Err(refusal), "{blob}");
        }
        assert_eq!(said(b"\0us\ter\0x"), Err(Refusal::Malformed), "PREP-06");
        assert_eq!(said(b"a\rb\0user\0x"), Err(Refusal::Malformed), "PREP-06");
    }

    // PLAIN-08, LC-10: the switch changes who is asked for, and nothing that has a name in its proper place.
    #[test]
    fn an_authzid_alone_is_both_names_where_that_is_tolerated() {
        let tolerant = ServerParams {
            authzid_without_authcid: true,
            ..ServerParams::default()
        };
        let said = |blob: &str| {
            let message = BASE64.decode(blob).unwrap();
            let ServerStep::Challenge(_, late) = (PLAIN.server)(tolerant.clone(), None) else {
                panic!("the client is to speak");
            };
            let early = asked((PLAIN.server)(tolerant.clone(), Some(&message)));
            assert_eq!(asked(late.respond(&message)), early, "{blob}");
            early
        };
        let user = |authzid: Option<&str>| {
            Ok((
                authzid.map(str::to_owned),
                "user@example.com".to_owned(),
                b"secret".to_vec(),
            ))
        };
        for (blob, expected) in [
            ("dXNlckBleGFtcGxlLmNvbQAAc2VjcmV0", user(None)),
            ("AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0", user(None)),
            (
                "c2hhcmVkQGV4YW1wbGUuY29tAHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0",
                user(Some("shared@example.com")),
            ),
            ("dXNlckBleGFtcGxlLmNvbQAA", Err(Refusal::CredentialsEmpty)),
            ("AABzZWNyZXQ=", Err(Refusal::CredentialsEmpty)),
            ("AAA=", Err(Refusal::CredentialsEmpty)),
        ] {
            assert_eq!(said(blob), expected, "{blob}");
        }
    }

    // PLAIN-01: at least 255 octets in each field; ours end at 1024.
    #[test]
    fn long_fields() {
        let message = |octets: usize| ["z", "c", "p"].map(|field| field.repeat(octets)).join("\0");
        for octets in [255, 1024] {
            assert!(said(message(octets).as_bytes()).is_ok());
        }
        assert_eq!(said(message(1025).as_bytes()), Err(Refusal::Malformed));
        assert_eq!(
            said(format!("\0u\0{}", "p".repeat(1025)).as_bytes()),
            Err(Refusal::Malformed)
        );
    }

    // PLAIN-03, PLAIN-04.
    #[test]
    fn with_and_without_initial_response_the_question_is_the_same() {
        let ServerStep::Challenge(challenge, state) = (PLAIN.server)(ServerParams::default(), None)
        else {
            panic!("the client is to speak");
        };
        assert_eq!(challenge, b"");
        let late = asked(state.respond(b"\0tim\0tanstaaftanstaaf"));
        assert_eq!(late, said_base64("AHRpbQB0YW5zdGFhZnRhbnN0YWFm"));
    }

    // SASL-03, SASL-07, CODE-09.
    #[test]
    fn the_outcome_is_the_directorys() {
        let run = |answer: &dyn Fn() -> Answer| {
            Pairing {
                mechanism: &PLAIN,
                server: ServerParams::default(),
                client: ClientParams {
                    authzid: Some("Ursel".to_owned()),
                    ..ClientParams::new("Kurt", "h", "unused")
                },
                user: &knows("xipj3plmq"),
                directory: &|_| answer(),
                wire: &untouched,
            }
            .run()
        };
        let ending = run(&|| Answer::Verdict(granted("kurt")));
        assert_eq!(
            ending.messages,
            [BASE64.decode("VXJzZWwAS3VydAB4aXBqM3BsbXE=").unwrap()]
        );
        assert!(ending.client_is_content());
        let Some(Outcome::Authenticated(success)) = ending.server else {
            panic!("he is let in");
        };
        assert_eq!(success.identity.mechanism(), &PLAIN);
        assert_eq!(success.identity.authcid().as_str(), "Kurt");
        assert_eq!(
            (success.identity.login(), success.identity.acts_as()),
            ("kurt", "kurt")
        );
        assert!(success.final_data.is_none() && success.layer.is_none());

        for refusal in [Refusal::CredentialsInvalid, Refusal::AccountDisabled] {
            let ending = run(&|| Answer::Verdict(Verdict::Refused(refusal)));
            assert_eq!(ending.refusal(), Some(refusal));
        }
        for unfitting in [|| Answer::Unavailable, || Answer::SecretKept] {
            assert_eq!(run(&unfitting).refusal(), Some(Refusal::Unavailable));
        }
    }

    /// The state of a client that has sent its message.
    fn after_message() -> Box<dyn AwaitChallenge> {
        let ClientStep::Ask(_, state) = (PLAIN.client)(ClientParams::new("tim", "h", "unused"))
        else {
            panic!("the password is asked for");
        };
        match state.answer(ClientAnswer::Password(Secret::new("x"))) {
            ClientStep::Respond(_, state) => state,
            other => panic!("{other:?}"),
        }
    }

    // PLAIN-07.
    #[test]
    fn the_client_says_nothing_more() {
        let step = after_message().challenge(b"");
        assert!(matches!(
            step,
            ClientStep::Abort(ClientFault::UnexpectedChallenge)
        ));
        assert!(after_message().succeeded().is_ok());
    }

    #[test]
    fn the_client_does_not_send_what_cannot_be_sent() {
        for (authcid, authzid) in [("", None), ("a\0b", None), ("a", Some("b\0c"))] {
            let params = ClientParams {
                authzid: authzid.map(str::to_owned),
                ..ClientParams::new(authcid, "h", "unused")
            };
            assert!(matches!(
                (PLAIN.client)(params),
                ClientStep::Abort(ClientFault::NameUnusable)
            ));
        }
        for (answer, fault) in [
            (
                ClientAnswer::Password(Secret::new("")),
                ClientFault::PasswordUnusable,
            ),
            (
                ClientAnswer::Password(Secret::new("a\0b")),
                ClientFault::PasswordUnusable,
            ),
            (ClientAnswer::Unavailable, ClientFault::Unavailable),
        ] {
            let ClientStep::Ask(_, state) = (PLAIN.client)(ClientParams::new("tim", "h", "unused"))
            else {
                panic!("the password is asked for");
            };
            assert!(matches!(state.answer(answer), ClientStep::Abort(f) if f == fault));
        }
    }
}
