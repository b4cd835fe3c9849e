//! Each question taken back: the directory is too slow, the client goes away, the user cannot answer (AUTH-17, AUTH-23, CODE-09).

use std::time::Duration;

use gatepost_sasl::mechanism::{CRAM_MD5, LOGIN, PLAIN, SCRAM_SHA_256};
use gatepost_sasl::{Answer as Judgement, ClientAnswer, Grant, Mechanism, Question, Verdict};
use gatepost_smtp::Refusal;
use gatepost_smtp::client::ClientInput;
use gatepost_smtp::server::{AbortCause, Answer, AuthEnd, Input, Request, RequestId, SessionEvent};
use gatepost_testkit::loopback::Loopback;
use gatepost_testkit::probe::{self, CERTIFICATE, PASS_THROUGH, STRANGER, TOKEN};
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::split::Cuts;

use crate::bench::{NAME, authenticate, base64, client, codes, greeted, hear, say, server};

/// A server that waits for the answer to a question: of each kind one.
fn asking() -> Vec<(&'static str, ServerBench)> {
    let scram = base64("n,,n=user@example.com,r=rOprNGfwEbeRWgbNEkqO");
    let cram = base64("user@example.com 00000000000000000000000000000000");
    let rows: [(&str, &'static Mechanism, Vec<String>); 6] = [
        (
            "Password",
            &PLAIN,
            vec![format!(
                "AUTH PLAIN {}",
                base64("\0user@example.com\0secret")
            )],
        ),
        (
            "Verifier",
            &SCRAM_SHA_256,
            vec![format!("AUTH SCRAM-SHA-256 {scram}")],
        ),
        (
            "Response",
            &CRAM_MD5,
            vec!["AUTH CRAM-MD5".to_owned(), cram],
        ),
        (
            "PassThrough",
            &PASS_THROUGH,
            vec!["AUTH X-PASS-THROUGH".to_owned()],
        ),
        (
            "Token",
            &TOKEN,
            vec![format!("AUTH X-TOKEN {}", base64("t0ken"))],
        ),
        (
            "Certificate",
            &CERTIFICATE,
            vec!["AUTH X-CERTIFICATE =".to_owned()],
        ),
    ];
    rows.into_iter()
        .map(|(kind, mechanism, lines)| {
            let mut bench = greeted(&[mechanism, &PLAIN]);
            bench.program.directory.keeps_secrets = kind == "Response";
            bench.slow = true;
            for line in lines {
                bench.send(format!("{line}\r\n").as_bytes());
                while bench
                    .asked
                    .as_ref()
                    .is_some_and(|(_, request)| !asks(request, kind))
                {
                    bench.answer();
                }
            }
            assert!(bench.asked.is_some(), "{kind} is asked");
            bench.take_output();
            (kind, bench)
        })
        .collect()
}

fn asks(request: &Request, kind: &str) -> bool {
    matches!(request, Request::Sasl(question) if kind_of(question) == kind)
}

fn kind_of(question: &Question) -> &'static str {
    match question {
        Question::Password { .. } => "Password",
        Question::Verifier { .. } => "Verifier",
        Question::Response { .. } => "Response",
        Question::PassThrough { .. } => "PassThrough",
        Question::Token { .. } => "Token",
        Question::Certificate { .. } => "Certificate",
        Question::Anonymous { .. } => "Anonymous",
    }
}

fn waiting(bench: &ServerBench) -> RequestId {
    bench
        .asked
        .as_ref()
        .map(|(id, _)| *id)
        .expect("a request waits")
}

fn yes() -> Answer {
    Answer::Sasl(Judgement::Verdict(Verdict::Accepted(Grant {
        login: NAME.to_owned(),
        acts_as: NAME.to_owned(),
        credential: "late".to_owned(),
    })))
}

fn ends(bench: &ServerBench) -> Vec<&AuthEnd> {
    let ends = bench.events.iter().filter_map(|event| match event {
        SessionEvent::AuthEnded { end, .. } => Some(end),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_directory_that_is_too_slow_has_not_said_no() {
    for (kind, mut bench) in asking() {
        let id = waiting(&bench);
        bench.pass(Duration::from_secs(99));
        assert_eq!(hear(&mut bench), "", "{kind}");
        bench.pass(Duration::from_secs(1));
        assert_eq!(codes(&hear(&mut bench)), ["454 4.7.0"], "{kind}");
        assert_eq!(bench.cancelled, [id], "{kind}");
        assert_eq!(
            ends(&bench),
            [&AuthEnd::Lost(Refusal::DirectoryUnavailable)],
            "{kind}"
        );

        // The answer that comes at last is nobody's.
        bench.handle(Input::Answer(id, yes()));
        assert_eq!(hear(&mut bench), "", "{kind}");
        assert_eq!(bench.session.identity(), None, "{kind}");

        // And the session goes on.
        bench.slow = false;
        let again = format!("AUTH PLAIN {}", base64("\0user@example.com\0secret"));
        assert_eq!(codes(&say(&mut bench, &again)), ["235 2.7.0"], "{kind}");
    }
}

/// The yes to a question that was given up comes while another one waits, perhaps about somebody else: it is not taken for its answer.
#[test]
fn a_late_answer_is_not_the_answer_to_the_next_question() {
    for (kind, mut bench) in asking() {
        let late = waiting(&bench);
        bench.pass(Duration::from_secs(100));
        assert_eq!(codes(&hear(&mut bench)), ["454 4.7.0"], "{kind}");

        let guess = format!("AUTH PLAIN {}\r\n", base64("\0user@example.com\0guess"));
        bench.send(guess.as_bytes());
        bench.answer();
        assert!(waiting(&bench) > late, "{kind}");
        bench.handle(Input::Answer(late, yes()));
        assert_eq!(hear(&mut bench), "", "{kind}");
        assert_eq!(bench.session.identity(), None, "{kind}");
        bench.answer();
        assert_eq!(codes(&hear(&mut bench)), ["535 5.7.8"], "{kind}");
    }
}

#[test]
fn a_client_that_goes_away_takes_its_question_back() {
    for (kind, mut bench) in asking() {
        let id = waiting(&bench);
        bench.handle(Input::Eof);
        bench.handle(Input::Tick);
        assert!(bench.closed, "{kind}");
        assert_eq!(bench.cancelled, [id], "{kind}");
        assert_eq!(
            ends(&bench),
            [&AuthEnd::Aborted(AbortCause::Disconnected)],
            "{kind}"
        );
        bench.handle(Input::Answer(id, yes()));
        assert_eq!(bench.session.identity(), None, "{kind}");
        assert_eq!(ends(&bench).len(), 1, "{kind}");
    }
}

#[test]
fn an_answer_to_another_question_is_no_answer() {
    for (kind, mut bench) in asking() {
        let id = waiting(&bench);
        bench.asked = None;
        let misfit = if kind == "PassThrough" {
            yes()
        } else {
            Answer::Sasl(Judgement::SecretKept)
        };
        let misfit = if kind == "Verifier" {
            Answer::Proceed
        } else {
            misfit
        };
        bench.handle(Input::Answer(id, misfit));
        assert_eq!(codes(&hear(&mut bench)), ["454 4.7.0"], "{kind}");
        assert_eq!(
            ends(&bench),
            [&AuthEnd::Lost(Refusal::DirectoryUnavailable)],
            "{kind}"
        );
        assert_eq!(bench.session.identity(), None, "{kind}");
    }
}

/// Every question of a client's mechanism, unanswerable: the exchange is given up, the connection is not (AUTH-08).
#[test]
fn a_user_who_cannot_answer() {
    let mechanisms = [
        &PLAIN,
        &LOGIN,
        &CRAM_MD5,
        &SCRAM_SHA_256,
        &TOKEN,
        &PASS_THROUGH,
        &STRANGER,
    ];
    for mechanism in mechanisms {
        let (server, client) = (
            server(&[mechanism, &PLAIN]),
            client([authenticate(mechanism)]),
        );
        let mut pair = Loopback::new(server, client, &Cuts::Whole);
        pair.client.slow = true;
        assert!(pair.run());
        while let Some((id, _)) = pair.client.asked.take() {
            pair.client
                .handle(ClientInput::Answer(id, ClientAnswer::Unavailable));
            assert!(pair.run());
        }
        let end = pair.client.last_end();
        assert_eq!(
            end,
            format!("AUTH {mechanism} was given up: the secret is not available")
        );
        assert!(
            pair.client.session.is_open() && !pair.server.closed,
            "{mechanism}"
        );
        assert_eq!(pair.server.session.identity(), None);

        pair.client.slow = false;
        let again = gatepost_smtp::client::ClientInput::Command(authenticate(&PLAIN));
        pair.client.handle(again);
        assert!(pair.run());
        assert_eq!(
            pair.client.last_end(),
            "authenticated by PLAIN",
            "after {mechanism}"
        );
    }
    assert_eq!(
        probe::ALL.len(),
        4,
        "a new probe asks something: it belongs above"
    );
}

/// Out of time while the user thinks: the job ends, and the answer that comes late is nobody's.
#[test]
fn a_user_who_is_too_slow() {
    for mechanism in [&PLAIN, &SCRAM_SHA_256] {
        let (server, client) = (server(&[mechanism]), client([authenticate(mechanism)]));
        let mut pair = Loopback::new(server, client, &Cuts::Whole);
        pair.client.slow = true;
        assert!(pair.run());
        assert!(pair.client.asked.is_some());
        pair.client.pass(Duration::from_secs(10 * 60));
        assert_eq!(
            pair.client.last_end(),
            "the server did not answer in time at AUTH"
        );
        let ends = pair.client.ends.len();
        pair.client.answer();
        assert!(pair.run());
        assert_eq!(pair.client.ends.len(), ends, "{mechanism}");
        assert_eq!(pair.server.session.identity(), None);
    }
}
