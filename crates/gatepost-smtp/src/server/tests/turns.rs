use super::harness::{Driver, PLAIN_OK, codes, request_name, submission};
use crate::server::{AbortCause, Answer, AuthEnd, Input, Profile, RequestId, SessionEvent};
use crate::{Refusal, TlsFacts};

/// One whole dialogue that asks every kind of request.
const DIALOGUE: &str = "EHLO x\r\nAUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0\r\nMAIL FROM:<user@example.com>\r\n\
     RCPT TO:<a@example.net>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSubject: x\r\n\r\n..body\r\n.\r\nNOOP\r\nQUIT\r\n";
const REPLIES: [&str; 9] = [
    "250",
    "235 2.7.0",
    "250 2.1.0",
    "250 2.1.5",
    "250 2.1.5",
    "354",
    "250 2.0.0",
    "250 2.0.0",
    "221 2.0.0",
];
const REQUESTS: [&str; 9] = [
    "EHLO", "AUTH", "SASL", "MAIL", "RCPT", "RCPT", "CONTENT", "HEADERS", "COMMIT",
];

// PIPE-01
#[test]
fn pipe_01_late_answers_to_every_request_keep_the_order() {
    let mut driver = Driver::tls();
    driver.prompt = false;
    let mut replies = driver.send(DIALOGUE.as_bytes());
    for expected in REQUESTS {
        assert_eq!(request_name(&driver.asked.as_ref().unwrap().1), expected);
        let before = replies.len();
        replies += &driver.wait(1);
        assert_eq!(
            replies.len(),
            before,
            "nothing is replied before the answer to {expected}"
        );
        driver.answer();
        replies += &driver.hear();
    }
    assert_eq!(codes(&replies), REPLIES);
    assert_eq!(
        driver.committed,
        [(b"Subject: x\r\n".to_vec(), b".body\r\n".to_vec())]
    );
    assert!(driver.closed);
}

#[test]
fn late_answers_and_pieces_of_every_size() {
    for size in 1..DIALOGUE.len() {
        for prompt in [true, false] {
            let mut driver = Driver::tls();
            driver.prompt = prompt;
            let mut replies = String::new();
            for piece in DIALOGUE.as_bytes().chunks(size) {
                replies += &driver.send(piece);
            }
            while driver.asked.is_some() {
                driver.answer();
                replies += &driver.hear();
            }
            assert_eq!(codes(&replies), REPLIES, "pieces of {size}");
            assert_eq!(
                driver.committed,
                [(b"Subject: x\r\n".to_vec(), b".body\r\n".to_vec())]
            );
        }
    }
}

#[test]
fn back_pressure_while_an_answer_is_awaited() {
    let mut driver = Driver::authenticated();
    driver.prompt = false;
    driver.say("MAIL FROM:<a@b>");
    assert!(driver.session.wants_input());
    driver.send(&vec![b'x'; 70_000]);
    assert!(!driver.session.wants_input());
    driver.answer();
    assert!(driver.session.wants_input());
    assert_eq!(codes(&driver.send(b"\r\n")), ["250 2.1.0", "500 5.5.2"]);
}

#[test]
fn answers_that_do_not_fit() {
    let mut driver = Driver::greeted();
    driver.prompt = false;
    driver.say(PLAIN_OK);
    let (id, _) = driver.asked.take().unwrap();
    driver.handle(Input::Answer(RequestId(id.0 + 7), Answer::Proceed));
    assert_eq!(driver.hear(), "", "not the request that was asked");
    driver.handle(Input::Answer(id, Answer::Proceed));
    assert_eq!(
        codes(&driver.hear()),
        ["454 4.7.0"],
        "an answer of the wrong kind fails closed"
    );
    driver.handle(Input::Answer(id, Answer::Proceed));
    assert_eq!(driver.hear(), "", "a second answer is ignored");

    let mut driver = Driver::authenticated();
    driver.prompt = false;
    driver.say("MAIL FROM:<a@b>");
    let (id, _) = driver.asked.take().unwrap();
    driver.handle(Input::Answer(id, Answer::Committed { id: "Q1".into() }));
    assert_eq!(codes(&driver.hear()), ["451 4.3.0"]);
}

// AUTH-23
#[test]
fn auth_23_silence_of_the_client() {
    let mut driver = Driver::authenticated();
    assert_eq!(driver.wait(299), "");
    assert_eq!(codes(&driver.say("NOOP")), ["250 2.0.0"]);
    driver.send(b"NOO");
    assert_eq!(driver.wait(299), "");
    assert_eq!(
        driver.wait(1),
        "421 4.4.2 Timeout, closing connection [S.1]\n",
        "half a line is still silence"
    );
    assert!(driver.closed && driver.session.deadline().is_none());

    let mut driver = Driver::greeted();
    driver.say("AUTH LOGIN");
    assert_eq!(codes(&driver.wait(300)), ["421 4.4.2"]);
    let aborted = AuthEnd::Aborted(AbortCause::Timeout);
    assert!(matches!(&driver.events[..], [SessionEvent::AuthEnded { end, .. }] if *end == aborted));
}

// AUTH-23
#[test]
fn auth_23_an_exchange_takes_ten_minutes_at_most() {
    let mut driver = Driver::greeted();
    driver.say("AUTH LOGIN");
    driver.wait(290);
    driver.say("dXNlckBleGFtcGxlLmNvbQ==");
    driver.wait(290);
    assert!(!driver.closed);
    assert_eq!(codes(&driver.wait(20)), ["421 4.4.2"]);
}

// T-38
#[test]
fn t_38_a_message_that_dribbles_stands_still() {
    let mut driver = Driver::authenticated();
    driver.codes(&["MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA"]);
    let mut seconds = 0;
    while !driver.closed {
        driver.send(b"x");
        driver.wait(10);
        seconds += 10;
        assert!(seconds <= 310, "one octet in ten seconds is not a pace");
    }
    // At the pace of a slow modem it may take as long as it takes.
    let mut driver = Driver::authenticated();
    driver.codes(&["MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA"]);
    for _ in 0..360 {
        driver.send("x".repeat(998).as_bytes());
        assert_eq!(driver.wait(10), "");
        driver.send(b"\r\n");
    }
    assert!(!driver.closed);
}

// T-38
#[test]
fn t_38_who_never_authenticates_does_not_stay() {
    let mut driver = Driver::greeted();
    for _ in 0..5 {
        assert_eq!(driver.wait(119), "");
        driver.say("NOOP");
    }
    assert_eq!(codes(&driver.wait(5)), ["421 4.4.2"]);
    let mut driver = Driver::authenticated();
    for _ in 0..10 {
        assert_eq!(driver.wait(119), "");
        driver.say("NOOP");
    }
}

#[test]
fn a_message_that_stands_still() {
    let mut driver = Driver::authenticated();
    driver.codes(&["MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA"]);
    driver.wait(200);
    driver.send("A line of twenty...\r\n".repeat(640).as_bytes());
    assert_eq!(driver.wait(299), "");
    assert_eq!(codes(&driver.wait(1)), ["421 4.4.2"]);
    assert!(driver.events.contains(&SessionEvent::TransactionReset) && driver.committed.is_empty());
}

// SMTP-09
#[test]
fn smtp_09_silence_of_the_program() {
    let rows = [
        ("EHLO x", "EHLO", "451 4.3.0"),
        (PLAIN_OK, "AUTH", "454 4.7.0"),
        (PLAIN_OK, "SASL", "454 4.7.0"),
    ];
    for (line, request, code) in rows {
        let mut driver = Driver::greeted();
        driver.prompt = false;
        driver.say(line);
        while request_name(&driver.asked.as_ref().unwrap().1) != request {
            driver.answer();
        }
        assert_eq!(driver.wait(99), "");
        assert_eq!(codes(&driver.wait(1)), [code], "{request}");
        assert_eq!(driver.cancelled.len(), 1);
        driver.prompt = true;
        assert_eq!(
            codes(&driver.say(PLAIN_OK)),
            ["235 2.7.0"],
            "{request}: the session goes on"
        );
    }
}

#[test]
fn a_commit_is_never_given_up() {
    let mut driver = until("COMMIT");
    assert!(driver.session.deadline().is_none());
    assert_eq!(driver.wait(10_000), "");
    driver.handle(Input::Eof);
    assert!(
        !driver.closed,
        "LEG-17: the client is gone, the message is not"
    );
    driver.prompt = true;
    driver.answer();
    assert_eq!(codes(&driver.hear()), ["250 2.0.0"]);
    assert!(driver.closed && driver.committed.len() == 1);
}

/// A session that waits for the answer to `request`.
fn until(request: &str) -> Driver {
    let mut driver = Driver::tls();
    driver.prompt = false;
    let end = DIALOGUE.find("NOOP").unwrap();
    driver.send(&DIALOGUE.as_bytes()[..end]);
    while request_name(&driver.asked.as_ref().unwrap().1) != request {
        driver.answer();
    }
    driver.hear();
    driver.events.clear();
    driver
}

#[test]
fn end_of_input_while_an_answer_is_awaited() {
    let mut driver = Driver::greeted();
    driver.prompt = false;
    driver.say(PLAIN_OK);
    driver.answer();
    driver.handle(Input::Eof);
    assert!(driver.closed && driver.cancelled.len() == 1);
    let aborted = AuthEnd::Aborted(AbortCause::Disconnected);
    assert!(
        matches!(&driver.events[..], [SessionEvent::AuthEnded { end, told: None, .. }] if *end == aborted)
    );

    let mut driver = until("MAIL");
    driver.handle(Input::Eof);
    assert!(!driver.closed, "what was pipelined is worked off");
    driver.prompt = true;
    driver.answer();
    assert_eq!(
        codes(&driver.hear()),
        ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354", "250 2.0.0"],
        "LC-43"
    );
    assert!(driver.closed && driver.committed.len() == 1);
}

// SMTP-18
#[test]
fn smtp_18_a_message_without_its_end_is_dropped() {
    let mut driver = Driver::authenticated();
    driver.codes(&["MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA"]);
    driver.send(b"Subject: x\r\n\r\nbody\r\n.\r");
    driver.handle(Input::Eof);
    assert!(driver.closed && driver.committed.is_empty());
    assert_eq!(driver.events, [SessionEvent::TransactionReset]);
    assert_eq!(driver.hear(), "");
}

#[test]
fn draining_ends_at_the_next_command_boundary() {
    let shutting_down = "421 4.3.2 Service shutting down, try again later [S.1]\n";
    let mut driver = Driver::authenticated();
    driver.handle(Input::Drain);
    assert_eq!(driver.hear(), shutting_down);
    assert!(driver.closed);

    let mut driver = Driver::authenticated();
    driver.codes(&["MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA"]);
    driver.handle(Input::Drain);
    assert_eq!(driver.send(b"Subject: x\r\n\r\n"), "");
    assert_eq!(
        driver.send(b"body\r\n.\r\n"),
        format!("250 2.0.0 Ok: queued as Q1\n{shutting_down}")
    );
    assert!(driver.closed);
}

#[test]
fn an_idle_session_is_small() {
    let mut driver = Driver::authenticated();
    driver.say("NOOP");
    *driver.session.pending_output() = Vec::new();
    assert!(
        size_of_val(&driver.session) <= 400,
        "{}",
        size_of_val(&driver.session)
    );
    assert_eq!(driver.session.buffered(), 0);
}

#[test]
fn a_program_may_close_by_its_answer() {
    let mut driver = Driver::new(
        Profile {
            require_auth: false,
            ..submission()
        },
        Some(TlsFacts::default()),
    );
    driver.say("EHLO x");
    driver.refuse.push(("MAIL", Refusal::ShuttingDown));
    assert_eq!(codes(&driver.say("MAIL FROM:<a@b>")), ["421 4.3.2"]);
    assert!(driver.closed);
}
