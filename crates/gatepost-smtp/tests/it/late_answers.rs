//! Late answers while commands are pipelined: replies stay in order, nothing is lost, nothing is done too early (PIPE-01, PIPE-03).

use gatepost_sasl::mechanism::PLAIN;
use gatepost_smtp::Refusal;
use gatepost_smtp::server::{Answer, Input, Request};
use gatepost_testkit::program::kind_of;
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::split::{Cuts, Splitter};
use gatepost_testkit::transcript::RequestKind;

use crate::bench::{codes, hear, server};

const SESSION: &str = "EHLO client.example.com\r\n\
    AUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0\r\n\
    MAIL FROM:<user@example.com>\r\n\
    RCPT TO:<a@example.net>\r\n\
    RCPT TO:<b@example.net>\r\n\
    DATA\r\n\
    From: user@example.com\r\n\
    Subject: one\r\n\
    \r\n\
    first\r\n\
    .\r\n\
    MAIL FROM:<user@example.com>\r\n\
    RCPT TO:<c@example.net>\r\n\
    DATA\r\n\
    Subject: two\r\n\
    .\r\n\
    NOOP\r\n\
    QUIT\r\n";

/// The requests of that session, in order, and the reply that follows the answer to each.
const STEPS: &[(RequestKind, &[&str])] = &[
    (RequestKind::Ehlo, &["250"]),
    (RequestKind::Auth, &[]),
    (RequestKind::Question, &["235 2.7.0"]),
    (RequestKind::Mail, &["250 2.1.0"]),
    (RequestKind::Rcpt, &["250 2.1.5"]),
    (RequestKind::Rcpt, &["250 2.1.5"]),
    (RequestKind::Content, &["354"]),
    (RequestKind::Headers, &[]),
    (RequestKind::Commit, &["250 2.0.0"]),
    (RequestKind::Mail, &["250 2.1.0"]),
    (RequestKind::Rcpt, &["250 2.1.5"]),
    (RequestKind::Content, &["354"]),
    (RequestKind::Headers, &[]),
    (
        RequestKind::Commit,
        &["250 2.0.0", "250 2.0.0", "221 2.0.0"],
    ),
];

fn asked(bench: &ServerBench) -> Option<RequestKind> {
    bench.asked.as_ref().map(|(_, request)| kind_of(request))
}

fn begin() -> ServerBench {
    let mut bench = server(&[&PLAIN]);
    assert_eq!(codes(&hear(&mut bench)), ["220"]);
    bench.slow = true;
    bench
}

/// Everything is there before the first answer is given.
#[test]
fn pipe_01_each_reply_waits_for_its_answer() {
    for cuts in [Cuts::Whole, Cuts::Octets, Cuts::Random(1), Cuts::Random(2)] {
        let mut bench = begin();
        for piece in Splitter::new(cuts.clone()).pieces(SESSION.as_bytes()) {
            bench.send(piece);
        }
        for (step, (request, replies)) in STEPS.iter().enumerate() {
            assert_eq!(asked(&bench), Some(*request), "step {step}, {cuts:?}");
            assert_eq!(
                hear(&mut bench),
                "",
                "step {step}: nothing is said before the answer"
            );
            bench.answer();
            assert_eq!(codes(&hear(&mut bench)), *replies, "step {step}, {cuts:?}");
        }
        assert!(bench.closed);
        let messages: Vec<_> = bench.program.messages.into_iter().collect();
        let first: &[u8] = b"From: user@example.com\r\nSubject: one\r\n\r\nfirst\r\n";
        assert_eq!(messages, [first, b"Subject: two\r\n"]);
    }
}

/// The answer to each request in turn comes only after all the input, the others at once: nothing changes but the time.
#[test]
fn pipe_01_one_late_answer_at_each_place() {
    for late in 0..STEPS.len() {
        let mut bench = begin();
        let mut given = 0;
        let mut replies = String::new();
        for piece in SESSION.as_bytes().chunks(7) {
            bench.send(piece);
            while bench.asked.is_some() && given != late {
                bench.answer();
                given += 1;
            }
            replies += &hear(&mut bench);
        }
        assert_eq!(asked(&bench), Some(STEPS[late].0));
        let before: Vec<&str> = STEPS[..late]
            .iter()
            .flat_map(|(_, replies)| replies.iter().copied())
            .collect();
        assert_eq!(codes(&replies), before, "late answer {late}");
        bench.slow = false;
        bench.answer();
        while bench.asked.is_some() {
            bench.answer();
        }
        replies += &hear(&mut bench);
        let all: Vec<&str> = STEPS
            .iter()
            .flat_map(|(_, replies)| replies.iter().copied())
            .collect();
        assert_eq!(codes(&replies), all, "late answer {late}");
        assert_eq!(bench.program.messages.len(), 2);
    }
}

/// A late "no" counts for what was pipelined behind it, as if it had come at once.
#[test]
fn pipe_03_a_late_no() {
    let rows: [(usize, &[&str]); 5] = [
        // MAIL: no recipient and no message of it is taken; its text is read as commands.
        (3, &["550 5.7.1", "503 5.5.1", "503 5.5.1", "503 5.5.1"]),
        (4, &["550 5.7.1", "250 2.1.5", "354"]),
        (6, &["550 5.7.1"]),
        // The header section: the rest is read and thrown away, the refusal stands behind the dot, and the session goes on.
        (7, &["550 5.7.1", "250 2.1.0"]),
        (8, &["550 5.7.1", "250 2.1.0"]),
    ];
    for (refused, replies) in rows {
        let mut bench = begin();
        bench.send(SESSION.as_bytes());
        for _ in 0..refused {
            bench.answer();
        }
        hear(&mut bench);
        let (id, request) = bench.asked.take().unwrap();
        assert_eq!(kind_of(&request), STEPS[refused].0);
        bench.handle(Input::Answer(id, Answer::Refuse(Refusal::SenderNotOwned)));
        while bench.asked.is_some() {
            bench.answer();
        }
        let heard = hear(&mut bench);
        assert_eq!(
            codes(&heard)[..replies.len()],
            *replies,
            "refused {refused}: {heard}"
        );
        let kept = bench.program.messages.len();
        assert_eq!(kept, if refused == 4 { 2 } else { 1 }, "refused {refused}");
    }
}

/// STARTTLS is a pause as well: what was asked before it is answered before it.
#[test]
fn requests_name_what_they_are_about() {
    let mut bench = begin();
    bench.send(SESSION.as_bytes());
    let mut recipients = Vec::new();
    while let Some((_, request)) = &bench.asked {
        if let Request::Rcpt { forward_path, .. } = request {
            recipients.push(forward_path.to_string());
        }
        bench.answer();
    }
    assert_eq!(
        recipients,
        ["<a@example.net>", "<b@example.net>", "<c@example.net>"]
    );
}
