//! MAIL to the end of data.

use super::{IN_CLEAR, Setting, after_hello, envelope};
use crate::client::ClientCommand;
use crate::params::Submitter;
use crate::path::Address;

const CONTENT: &[u8] = b"Subject: x\n\n.dot\n";

const ONE: Setting = Setting {
    commands: || vec![ClientCommand::Send(envelope(&["b@example.net"], CONTENT))],
    content: CONTENT,
    ..IN_CLEAR
};
const TWO: Setting = Setting {
    commands: || {
        let again = ClientCommand::Send(envelope(&["d@example.net"], b""));
        vec![
            ClientCommand::Send(envelope(&["b@example.net", "c@example.net"], CONTENT)),
            again,
        ]
    },
    ..ONE
};

#[test]
fn one_by_one_without_pipelining() {
    let dialogue = after_hello(
        &["SIZE 1000"],
        "C: MAIL FROM:<a@example.com> SIZE=20
        S: 250 2.1.0 ok
        C: RCPT TO:<b@example.net>
        S: 250 2.1.5 ok
        C: DATA
        S: 354 go
        C: Subject: x
        C:
        C: ..dot
        C: .
        S: 250 2.0.0 queued as 1",
    );
    assert_eq!(
        ONE.play(&dialogue),
        ["connected", "taken 250 2.0.0 queued as 1"]
    );
}

/// PIPE-02, RFC 2920 §3.1: MAIL, RCPT and DATA in one group; each recipient has its own outcome.
#[test]
fn pipe_02_grouped_with_pipelining() {
    let dialogue = after_hello(
        &["PIPELINING"],
        "C: MAIL FROM:<a@example.com>
        C: RCPT TO:<b@example.net>
        C: RCPT TO:<c@example.net>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 who?
        S: 250 ok
        S: 354 go
        C: Subject: x
        C:
        C: ..dot
        C: .
        S: 250 2.0.0 queued
        C: MAIL FROM:<a@example.com>
        C: RCPT TO:<d@example.net>
        C: DATA
        S: 451 4.3.0 later
        S: 503 no
        S: 503 no",
    );
    let ends = TWO.play(&dialogue);
    assert_eq!(ends[1], "refused 550 5.1.1 who?, taken 250 2.0.0 queued");
    assert_eq!(ends[2], "the server refuses MAIL: 451 4.3.0 later");
}

/// RFC 2920 §3.1: a 354 with nobody accepted is answered by the dot alone, and nothing is believed to be sent.
#[test]
fn pipe_04_nobody_accepted() {
    let beginning = "C: MAIL FROM:<a@example.com>
        C: RCPT TO:<b@example.net>
        C: RCPT TO:<c@example.net>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 who?
        S: 452 4.5.3 too many\n";
    let expected = "refused 550 5.1.1 who?, refused 452 4.5.3 too many";
    for end in [
        "S: 354 go\nC: .\nS: 554 nobody",
        "S: 354 go\nC: .\nS: 250 ok",
        "S: 503 5.5.1 nobody",
    ] {
        let rest = format!(
            "{beginning}{end}\nC: RSET\nS: 250 ok\nC: MAIL FROM:<a@example.com>\nC: RCPT TO:<d@example.net>\nC: DATA"
        );
        assert_eq!(
            TWO.play(&after_hello(&["PIPELINING"], &rest))[1],
            expected,
            "{end}"
        );
    }
    let slow = "C: MAIL FROM:<a@example.com>
        S: 250 ok
        C: RCPT TO:<b@example.net>
        S: 550 5.1.1 who?
        C: RCPT TO:<c@example.net>
        S: 452 4.5.3 too many
        C: RSET
        S: 421 bye";
    let ends = TWO.play(&after_hello(&[], slow));
    assert_eq!(ends[1], expected);
}

#[test]
fn refusals_of_the_message_are_each_recipients() {
    let beginning = "C: MAIL FROM:<a@example.com>
        S: 250 ok
        C: RCPT TO:<b@example.net>
        S: 250 ok
        C: DATA\n";
    let content = "C: Subject: x\nC:\nC: ..dot\nC: .\n";
    let rows = [
        (
            "S: 451 4.3.0 no\nC: RSET\nS: 250 ok".to_owned(),
            "refused 451 4.3.0 no",
        ),
        (
            format!("S: 354 go\n{content}S: 552 5.3.4 big"),
            "refused 552 5.3.4 big",
        ),
        (format!("S: 354 go\n{content}S: 250 ok"), "taken 250 ok"),
        (
            format!("S: 354 go\n{content}[EOF]"),
            "the server closed the connection at the end of data",
        ),
        (
            format!("S: 354 go\n{content}[600 s]"),
            "the server did not answer in time at the end of data",
        ),
        (
            format!("S: 354 go\n{content}S: 421 4.3.2 bye"),
            "the server refuses the end of data: 421 4.3.2 bye",
        ),
        (
            format!("S: 354 go\n{content}S: 354 go"),
            "the server breaks the protocol at the end of data: unexpected reply 354 go",
        ),
        (
            "S: 250 ok".to_owned(),
            "the server breaks the protocol at DATA: unexpected reply 250 ok",
        ),
        (
            "[120 s]".to_owned(),
            "the server did not answer in time at DATA",
        ),
    ];
    for (end, expected) in rows {
        let ends = ONE.play(&after_hello(&[], &format!("{beginning}{end}")));
        assert_eq!(ends[1], expected, "{end}");
    }
}

/// SMTP-08, RFC 5321 §4.5.3.1.10: 552 to RCPT as "too many" is transient; as "mailbox full" it is not.
#[test]
fn smtp_08_552_to_rcpt() {
    let rows = [
        ("552 too many", "refused 452 too many"),
        ("552 5.2.2 full", "refused 552 5.2.2 full"),
    ];
    for (reply, expected) in rows {
        let rest = format!(
            "C: MAIL FROM:<a@example.com>\nS: 250 ok\nC: RCPT TO:<b@example.net>\nS: {reply}\nC: RSET\nS: 250 ok"
        );
        assert_eq!(ONE.play(&after_hello(&[], &rest))[1], expected);
    }
}

#[test]
fn what_the_server_cannot_take_is_not_begun() {
    let too_large = ONE.play(&after_hello(&["SIZE 19"], ""));
    assert_eq!(
        too_large[1],
        "the message is larger than the 19 octets the server takes"
    );
    let eight_bit = Setting {
        commands: || vec![ClientCommand::Send(envelope(&["b@example.net"], b"\xe9"))],
        ..ONE
    };
    assert_eq!(
        eight_bit.play(&after_hello(&["SIZE"], ""))[1],
        "the message has 8-bit content and the server does not offer 8BITMIME"
    );
    let begun = eight_bit.play(&after_hello(
        &["8BITMIME"],
        "C: MAIL FROM:<a@example.com> BODY=8BITMIME",
    ));
    assert_eq!(begun, ["connected"]);
}

/// MPAR-09, CLI-11: "Never send `AUTH=` to a server that did not advertise AUTH. Encode `+`, `=` … as `+XX` upper-case".
#[test]
fn mpar_09_the_submitter() {
    const WITH: Setting = Setting {
        commands: || {
            let mut envelope = envelope(&["b@example.net"], CONTENT);
            envelope.submitter = Some(Submitter::Address(
                Address::parse("e=mc2@example.com").unwrap(),
            ));
            vec![ClientCommand::Send(envelope)]
        },
        ..ONE
    };
    WITH.play(&after_hello(&[], "C: MAIL FROM:<a@example.com>"));
    WITH.play(&after_hello(
        &["AUTH PLAIN"],
        "C: MAIL FROM:<a@example.com> AUTH=e+3Dmc2@example.com",
    ));
    // MPAR-08: "auto retries the MAIL without it once after 501/555".
    for (extensions, tail) in [
        (&["AUTH"][..], ""),
        (
            &["AUTH", "PIPELINING"],
            "C: RCPT TO:<b@example.net>\nC: DATA\n",
        ),
    ] {
        let answers = if tail.is_empty() {
            ""
        } else {
            "S: 503 no\nS: 503 no\n"
        };
        let rest = format!(
            "C: MAIL FROM:<a@example.com> AUTH=e+3Dmc2@example.com\n{tail}S: 555 5.5.4 what?\n{answers}
            C: MAIL FROM:<a@example.com>\n{tail}S: 501 5.5.4 what?\n{answers}"
        );
        assert_eq!(
            WITH.end(&after_hello(extensions, &rest)),
            "the server refuses MAIL: 501 5.5.4 what?"
        );
    }
}

/// A server that answers in the middle of the content cannot be brought back in step, but what it said counts.
#[test]
fn an_early_answer_to_the_content() {
    use crate::client::{
        ClientInput, ClientOutput, ClientProfile, ClientSession, Completed, HelloName, StartTlsUse,
    };
    let now = super::some_time();
    let profile = ClientProfile {
        start_tls: StartTlsUse::OnDemand,
        ..ClientProfile::new(HelloName::parse("client.example.com").unwrap())
    };
    let mut session = ClientSession::new(profile, None, now);
    for input in ["220 x\r\n", "250 x\r\n"] {
        session.handle(ClientInput::Bytes(input.as_bytes()), now);
    }
    session.handle(
        ClientInput::Command(ClientCommand::Send(envelope(&["b@example.net"], CONTENT))),
        now,
    );
    session.handle(ClientInput::Bytes(b"250 ok\r\n"), now);
    session.handle(ClientInput::Bytes(b"250 ok\r\n"), now);
    session.handle(ClientInput::Bytes(b"354 go\r\n"), now);
    session.handle(ClientInput::Content(b"part"), now);
    session.handle(ClientInput::Bytes(b"552 5.3.4 enough\r\n"), now);
    session.handle(ClientInput::Content(b"more"), now);
    let outputs: Vec<_> = std::iter::from_fn(|| session.poll()).collect();
    let sent = outputs.iter().find_map(|output| match output {
        ClientOutput::Done(Ok(Completed::Sent(report))) => Some(report),
        _ => None,
    });
    assert_eq!(
        sent.unwrap().recipients[0]
            .as_ref()
            .unwrap_err()
            .to_string(),
        "552 5.3.4 enough"
    );
    assert!(matches!(outputs.last(), Some(ClientOutput::Close)));
    assert!(!session.is_open());
}
