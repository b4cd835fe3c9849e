//! OAUTHBEARER and XOAUTH2 against the published messages and each other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;
use crate::mechanism::{OAUTHBEARER, XOAUTH2};
use crate::pairing::{Pairing, granted, untouched};
use crate::{ClientParams, Identity, Needs, ServerParams, Verdict};

const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
const GATEPOST_OAUTHBEARER_ERROR: &str = "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJzbXRwIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20vLndlbGwta25vd24vb3BlbmlkLWNvbmZpZ3VyYXRpb24ifQ==";
const GATEPOST_XOAUTH2_ERROR: &str =
    "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJzbXRwIn0=";
/// Ends in LF.
const GOOGLE_ERROR: &str = "eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdvb2dsZS5jb20vIn0K";

/// authzid, token, host and port of a question.
type Asked = (Option<String>, String, Option<String>, Option<u16>);

fn asked(step: ServerStep) -> Result<Asked, Refusal> {
    match step {
        ServerStep::Ask(
            Question::Token {
                authzid,
                token,
                host,
                port,
                ..
            },
            _,
        ) => Ok((
            authzid.map(|name| name.as_str().to_owned()),
            String::from_utf8(token.expose().to_vec()).unwrap(),
            host,
            port,
        )),
        ServerStep::Done(Outcome::Refused(refusal)) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn said(mechanism: &Mechanism, message: &[u8]) -> Result<Asked, Refusal> {
    asked((mechanism.server)(ServerParams::default(), Some(message)))
}

fn row(authzid: &str, token: &str, host: &str, port: Option<u16>) -> Asked {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(authzid), token.to_owned(), some(host), port)
}

// OAB-01, OAB-02, OAB-03, XOA-01: RFC 7628 §4.1, §4.3 and §4.4, Google's and MailKit's documents.
#[test]
fn published_messages() {
    for (mechanism, blob, expected) in [
        (
            &OAUTHBEARER,
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
            row("user@example.com", TOKEN, "server.example.com", Some(587)),
        ),
        (
            &OAUTHBEARER,
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
            row("user@example.com", TOKEN, "server.example.com", Some(143)),
        ),
        // §4.3: no token; the answer is the error document.
        (
            &OAUTHBEARER,
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9AQE=",
            row("user@example.com", "", "server.example.com", Some(143)),
        ),
        // §4.4: `user=` where the grammar has `a=`.
        (
            &OAUTHBEARER,
            "bix1c2VyPXNvbWV1c2VyQGV4YW1wbGUuY29tLAFhdXRoPUJlYXJlciB2RjlkZnQ0cW1UYzJOdmIzUmxja0JoZEhSaGRtbHpkR0V1WTI5dENnPT0BAQ==",
            row(
                "someuser@example.com",
                "vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==",
                "",
                None,
            ),
        ),
        (
            &OAUTHBEARER,
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9bWFpbC5leGFtcGxlLmNvbQFwb3J0PTU4NwFhdXRoPUJlYXJlciB5YTI5LnRvawEB",
            row(
                "user@example.com",
                "ya29.tok",
                "mail.example.com",
                Some(587),
            ),
        ),
        (
            &OAUTHBEARER,
            "biwsAWF1dGg9QmVhcmVyIHlhMjkudG9rAQE=",
            row("", "ya29.tok", "", None),
        ),
        (
            &XOAUTH2,
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==",
            row(
                "someuser@example.com",
                "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
                "",
                None,
            ),
        ),
        (
            &XOAUTH2,
            "dXNlcj11c2VybmFtZQFhdXRoPUJlYXJlciBwYXNzd29yZAEB",
            row("username", "password", "", None),
        ),
        (
            &XOAUTH2,
            "dXNlcj11c2VyQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHlhMjkudG9rAQE=",
            row("user@example.com", "ya29.tok", "", None),
        ),
        (
            &XOAUTH2,
            "dXNlcj11c2VyQGV4YW1wbGUuY29tAWF1dGg9YmVhcmVyIHlhMjkudG9rAQE=",
            row("user@example.com", "ya29.tok", "", None),
        ),
    ] {
        let message = BASE64.decode(blob).unwrap();
        assert_eq!(said(mechanism, &message), Ok(expected), "{blob}");
    }
}

// OAB-01, OAB-02, OAB-03, XOA-01.
#[test]
fn what_clients_may_write_differently() {
    for (mechanism, message, expected) in [
        (
            &OAUTHBEARER,
            "y,,\u{1}auth=Bearer t\u{1}\u{1}",
            row("", "t", "", None),
        ),
        (
            &OAUTHBEARER,
            "n,a=a=2Cb=3Dc,\u{1}auth=bEARER t\u{1}port=25\u{1}host=h\u{1}\u{1}",
            row("a,b=c", "t", "h", Some(25)),
        ),
        (
            &OAUTHBEARER,
            "n,,\u{1}qs=x=y\u{1}mthd=POST\u{1}qs=z\u{1}auth=Bearer t\u{1}\u{1}",
            row("", "t", "", None),
        ),
        (&OAUTHBEARER, "n,,\u{1}\u{1}", row("", "", "", None)),
        (
            &OAUTHBEARER,
            "n,,\u{1}auth=MAC id=\"x\"\u{1}\u{1}",
            row("", "", "", None),
        ),
        (
            &OAUTHBEARER,
            "n,,\u{1}auth=Bearer  t\u{1}\u{1}",
            row("", "t", "", None),
        ),
        (
            &XOAUTH2,
            "auth=Bearer t\u{1}x=y\u{1}user=u\u{1}\u{1}",
            row("u", "t", "", None),
        ),
        (&XOAUTH2, "auth=Bearer t\u{1}\u{1}", row("", "", "", None)),
        (
            &XOAUTH2,
            "user=\u{1}auth=Bearer t\u{1}\u{1}",
            row("", "", "", None),
        ),
        (&XOAUTH2, "user=u\u{1}\u{1}", row("u", "", "", None)),
    ] {
        assert_eq!(
            said(mechanism, message.as_bytes()),
            Ok(expected),
            "{message:?}"
        );
    }
}

// OAB-02, OAB-03, XOA-01, AUTH-05, PREP-06.
#[test]
fn messages_that_are_refused_without_a_question() {
    use Refusal::{CredentialsEmpty, Malformed};
    let rows: &[(&Mechanism, &[u8], Refusal)] = &[
        (&OAUTHBEARER, b"", CredentialsEmpty),
        (&OAUTHBEARER, b"\x01", CredentialsEmpty),
        (&OAUTHBEARER, b"\x01\x01", Malformed),
        (&OAUTHBEARER, b"n,,", Malformed),
        (&OAUTHBEARER, b"n,,\x01", Malformed),
        (&OAUTHBEARER, b"n,\x01auth=Bearer t\x01\x01", Malformed),
        (&OAUTHBEARER, b"auth=Bearer t\x01\x01", Malformed),
        (
            &OAUTHBEARER,
            b"p=tls-exporter,,\x01auth=Bearer t\x01\x01",
            Malformed,
        ),
        (&OAUTHBEARER, b"x,,\x01auth=Bearer t\x01\x01", Malformed),
        (&OAUTHBEARER, b"n,b=u,\x01auth=Bearer t\x01\x01", Malformed),
        (&OAUTHBEARER, b"n,a=,\x01auth=Bearer t\x01\x01", Malformed),
        (
            &OAUTHBEARER,
            b"n,a=u=2F,\x01auth=Bearer t\x01\x01",
            Malformed,
        ),
        (&OAUTHBEARER, b"n,a=u,x\x01auth=Bearer t\x01\x01", Malformed),
        (
            &OAUTHBEARER,
            b"n,a=u\0,\x01auth=Bearer t\x01\x01",
            Malformed,
        ),
        (&OAUTHBEARER, b"n,,\x01auth=Bearer t\x01", Malformed),
        (&OAUTHBEARER, b"n,,\x01auth=Bearer t", Malformed),
        (&OAUTHBEARER, b"n,,\x01auth=Bearer t\x01\x01\x01", Malformed),
        (&OAUTHBEARER, b"n,,\x01auth\x01\x01", Malformed),
        (
            &OAUTHBEARER,
            b"n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01",
            Malformed,
        ),
        (&OAUTHBEARER, b"n,,\x01auth=Bearer t u\x01\x01", Malformed),
        (&OAUTHBEARER, b"n,,\x01auth=Bearer t\r\n\x01\x01", Malformed),
        (
            &OAUTHBEARER,
            b"n,,\x01auth=Bearer \xc3\xa4\x01\x01",
            Malformed,
        ),
        (&OAUTHBEARER, b"n,,\x01auth=Bearer \xff\x01\x01", Malformed),
        (
            &OAUTHBEARER,
            b"n,,\x01port=65536\x01auth=Bearer t\x01\x01",
            Malformed,
        ),
        (
            &OAUTHBEARER,
            b"n,,\x01port=\x01auth=Bearer t\x01\x01",
            Malformed,
        ),
        (&XOAUTH2, b"", CredentialsEmpty),
        (&XOAUTH2, b"\x01", CredentialsEmpty),
        (&XOAUTH2, b"user=u\x01auth=Bearer t\x01", Malformed),
        (&XOAUTH2, b"user=u\x01auth=Bearer t", Malformed),
        (
            &XOAUTH2,
            b"user=u\x01user=v\x01auth=Bearer t\x01\x01",
            Malformed,
        ),
        (&XOAUTH2, b"user=u\0v\x01auth=Bearer t\x01\x01", Malformed),
        (&XOAUTH2, b"\0user\0password", Malformed),
        (&XOAUTH2, b"n,,\x01auth=Bearer t\x01\x01", Malformed),
    ];
    for (mechanism, message, refusal) in rows {
        let shown = message.escape_ascii();
        assert_eq!(
            said(mechanism, message),
            Err(*refusal),
            "{mechanism} {shown}"
        );
    }
}

// XOA-02, AUTH-04.
#[test]
fn with_and_without_initial_response_the_question_is_the_same() {
    for (mechanism, message) in [
        (&OAUTHBEARER, &b"n,a=u,\x01auth=Bearer t\x01\x01"[..]),
        (&XOAUTH2, b"user=u\x01auth=Bearer t\x01\x01"),
    ] {
        let begun = (mechanism.server)(ServerParams::default(), None);
        let ServerStep::Challenge(challenge, state) = begun else {
            panic!("the client is to speak");
        };
        assert_eq!(challenge, b"");
        assert_eq!(asked(state.respond(message)), said(mechanism, message));
    }
}

/// A dialogue of our client and our server.
struct Talk {
    mechanism: &'static Mechanism,
    authcid: &'static str,
    authzid: Option<&'static str>,
}

impl Talk {
    fn run(&self, answer: &dyn Fn() -> Answer) -> crate::pairing::Ending {
        Pairing {
            mechanism: self.mechanism,
            server: ServerParams::default(),
            client: ClientParams {
                authzid: self.authzid.map(str::to_owned),
                port: Some(587),
                ..ClientParams::new(self.authcid, "server.example.com", "unused")
            },
            user: &|question| match question {
                ClientQuestion::Token => ClientAnswer::Token(Secret::new(TOKEN)),
                _ => ClientAnswer::Unavailable,
            },
            directory: &|_| answer(),
            wire: &untouched,
        }
        .run()
    }
}

const TALKS: [Talk; 2] = [
    Talk {
        mechanism: &OAUTHBEARER,
        authcid: "user@example.com",
        authzid: None,
    },
    Talk {
        mechanism: &XOAUTH2,
        authcid: "user@example.com",
        authzid: None,
    },
];

fn document(blob: &str) -> Answer {
    Answer::TokenRefused {
        document: BASE64.decode(blob).unwrap(),
    }
}

// OAB-01, OAB-08, XOA-01, SASL-03: RFC 7628 §4.1, from our client.
#[test]
fn our_client_writes_what_the_documents_print() {
    let ending = TALKS[0].run(&|| Answer::Verdict(granted("user@example.com")));
    let printed = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
    assert_eq!(ending.messages, [BASE64.decode(printed).unwrap()]);
    assert!(ending.client_is_content());
    let Some(Outcome::Authenticated(success)) = &ending.server else {
        panic!("he is let in");
    };
    let identity: &Identity = &success.identity;
    assert_eq!(identity.authcid().as_str(), "user@example.com");
    assert_eq!(identity.mechanism(), &OAUTHBEARER);

    let ending = TALKS[1].run(&|| Answer::Verdict(granted("user@example.com")));
    let message = format!("user=user@example.com\u{1}auth=Bearer {TOKEN}\u{1}\u{1}");
    assert_eq!(ending.messages, [message.into_bytes()]);
    assert!(ending.server_let_him_in() && ending.client_is_content());
    for mechanism in [&OAUTHBEARER, &XOAUTH2] {
        assert!(mechanism.requires_tls() && mechanism.needs == Needs::Token);
    }
}

#[test]
fn names_that_need_it_are_escaped_and_none_is_left_out() {
    for (authcid, authzid, written) in [
        ("a,b=c", None, "n,a=a=2Cb=3Dc,\u{1}"),
        ("user", Some("shared"), "n,a=shared,\u{1}"),
        ("", None, "n,,\u{1}"),
    ] {
        let talk = Talk {
            mechanism: &OAUTHBEARER,
            authcid,
            authzid,
        };
        let ending = talk.run(&|| Answer::Verdict(granted("user")));
        assert!(
            ending.messages[0].starts_with(written.as_bytes()),
            "{written:?}"
        );
        assert!(ending.server_let_him_in());
    }
}

// OAB-04, OAB-05, OAB-06, OAB-11, XOA-04: the error document goes round, then the exchange is lost.
#[test]
fn a_refused_token_costs_one_more_round() {
    for (talk, blob, acknowledgement) in [
        (&TALKS[0], GATEPOST_OAUTHBEARER_ERROR, &b"\x01"[..]),
        (&TALKS[1], GATEPOST_XOAUTH2_ERROR, b""),
        (&TALKS[1], GOOGLE_ERROR, b""),
    ] {
        let ending = talk.run(&|| document(blob));
        assert_eq!(ending.messages.len(), 3);
        assert_eq!(ending.messages[1], BASE64.decode(blob).unwrap());
        assert_eq!(ending.messages[2], acknowledgement);
        assert_eq!(ending.refusal(), Some(Refusal::CredentialsInvalid));
    }
}

fn judged(message: &[u8], answer: Answer) -> ServerStep {
    match (OAUTHBEARER.server)(ServerParams::default(), Some(message)) {
        ServerStep::Ask(_, state) => state.answer(answer),
        other => panic!("{other:?}"),
    }
}

// OAB-03, OAB-05: whatever follows the document, it is over; asking for the document was no guess.
#[test]
fn every_acknowledgement_ends_it() {
    for (message, refusal) in [
        (
            &b"n,,\x01auth=Bearer t\x01\x01"[..],
            Refusal::CredentialsInvalid,
        ),
        (b"n,,\x01auth=\x01\x01", Refusal::CredentialsEmpty),
        (b"n,,\x01\x01", Refusal::CredentialsEmpty),
    ] {
        for acknowledgement in [&b"\x01"[..], b"", b"QUIT", b"n,,\x01auth=Bearer t\x01\x01"] {
            let step = judged(message, document(GATEPOST_OAUTHBEARER_ERROR));
            let ServerStep::Challenge(_, state) = step else {
                panic!("{step:?}");
            };
            let step = state.respond(acknowledgement);
            assert!(
                matches!(step, ServerStep::Done(Outcome::Refused(r)) if r == refusal),
                "{step:?}"
            );
        }
    }
}

// SASL-07, CODE-09, OAB-09: only a judgement on a token lets anybody in; an outage is none.
#[test]
fn whatever_is_no_grant_is_no_success() {
    let with = b"n,,\x01auth=Bearer t\x01\x01";
    let without = b"n,,\x01auth=\x01\x01";
    for (message, answer, refusal) in [
        (&with[..], Answer::Unavailable, Refusal::Unavailable),
        (with, Answer::SecretKept, Refusal::Unavailable),
        (with, Answer::Verdict(granted("")), Refusal::Unavailable),
        (
            with,
            Answer::Verdict(Verdict::Refused(Refusal::AccountDisabled)),
            Refusal::AccountDisabled,
        ),
        (
            without,
            Answer::Verdict(granted("user")),
            Refusal::Unavailable,
        ),
    ] {
        let step = judged(message, answer);
        assert!(
            matches!(step, ServerStep::Done(Outcome::Refused(r)) if r == refusal),
            "{step:?}"
        );
    }
}

/// The state of a client that has sent its token.
fn sent(mechanism: &Mechanism) -> Box<dyn AwaitChallenge> {
    let ClientStep::Ask(_, state) = (mechanism.client)(ClientParams::new("u", "h", "unused"))
    else {
        panic!("the token is asked for");
    };
    match state.answer(ClientAnswer::Token(Secret::new("t"))) {
        ClientStep::Respond(_, state) => state,
        other => panic!("{other:?}"),
    }
}

// OAB-06: "decode JSON (ignore undecodable), remember status".
#[test]
fn the_status_of_the_error_document_is_told() {
    for (document, told) in [
        (
            &b"{\"status\":\"invalid_token\",\"scope\":\"smtp\"}"[..],
            Some("invalid_token"),
        ),
        (
            b"{\"schemes\" : \"bearer\" , \"status\"\n: \"401\"}\n",
            Some("401"),
        ),
        (
            b"{\"x\":{\"status\":\"no\"},\"status\":\"yes\"}",
            Some("yes"),
        ),
        (
            b"{\"x\":[\"status\",\"no\"],\"status\":\"yes\"}",
            Some("yes"),
        ),
        (b"{\"x\":\"status\",\"y\":\"no\"}", None),
        (
            b"{\"x\":\"\\\"status\\\":\",\"status\":\"a.b-c_d\"}",
            Some("a.b-c_d"),
        ),
        (b"{\"status\":401}", None),
        (b"{\"status\":\"two words\"}", None),
        (b"{\"status\":\"\\u001b[2J\"}", None),
        (b"{\"status\":\"\"}", None),
        (b"{\"status\":\"invalid", None),
        (b"[\"status\",\"x\"]", None),
        (b"}}}}", None),
        (b"\xff\xfe", None),
        (b"not JSON", None),
    ] {
        let shown = document.escape_ascii().to_string();
        let step = sent(&XOAUTH2).challenge(document);
        let ClientStep::Respond(octets, state) = step else {
            panic!("{step:?}");
        };
        assert_eq!(octets.expose(), b"");
        let told = told.map(|status| ClientFault::TokenRefused(status.to_owned()));
        assert_eq!(state.refused(), told, "{shown}");
    }
    let long = format!("{{\"status\":\"{}\"}}", "x".repeat(MAX_STATUS + 1));
    assert_eq!(status(long.as_bytes()), None);
}

// AUTH-21, AUTH-22.
#[test]
fn a_success_behind_an_error_document_is_not_believed() {
    for (challenge, believed) in [
        (&b""[..], true),
        (b"{\"status\":\"401\"}", false),
        (b"x", false),
    ] {
        for mechanism in [&OAUTHBEARER, &XOAUTH2] {
            let ClientStep::Respond(_, state) = sent(mechanism).challenge(challenge) else {
                panic!("a response");
            };
            assert_eq!(state.succeeded().is_ok(), believed);
            let ClientStep::Respond(_, state) = sent(mechanism).challenge(challenge) else {
                panic!("a response");
            };
            assert!(matches!(
                state.challenge(b""),
                ClientStep::Abort(ClientFault::UnexpectedChallenge)
            ));
        }
    }
}

#[test]
fn the_client_does_not_send_what_cannot_be_sent() {
    for (mechanism, name) in [
        (&OAUTHBEARER, "a\u{1}b"),
        (&XOAUTH2, "a\u{1}b"),
        (&XOAUTH2, ""),
    ] {
        let step = (mechanism.client)(ClientParams::new(name, "h", "unused"));
        assert!(matches!(step, ClientStep::Abort(ClientFault::NameUnusable)));
    }
    let step = (OAUTHBEARER.client)(ClientParams::new("u", "h\u{1}", "unused"));
    assert!(matches!(step, ClientStep::Abort(ClientFault::NameUnusable)));
    for token in ["", "a b", "a\u{1}b", "a\r\nb", "\u{e4}"] {
        let ClientStep::Ask(_, state) = (XOAUTH2.client)(ClientParams::new("u", "h", "unused"))
        else {
            panic!("the token is asked for");
        };
        let step = state.answer(ClientAnswer::Token(Secret::new(token)));
        assert!(
            matches!(step, ClientStep::Abort(ClientFault::TokenUnusable)),
            "{token:?}"
        );
    }
}
