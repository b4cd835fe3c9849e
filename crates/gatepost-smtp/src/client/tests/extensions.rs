//! What goes with MAIL and RCPT, and only to servers that know it.

use super::{IN_CLEAR, Setting, after_hello, envelope};
use crate::client::{ClientCommand, Envelope, SendReport};
use crate::dsn::{EnvelopeId, Notify, OriginalRecipient, Ret};
use crate::path::Address;
use crate::reply::{Reply, ReplyCode};

fn with_dsn() -> Envelope {
    let mut envelope = envelope(&["b@example.net", "c@example.net"], b"");
    envelope.ret = Some(Ret::Headers);
    envelope.envelope_id = Some(EnvelopeId::parse("QQ+2B314+3D159").unwrap());
    let first = envelope.recipients.first_mut().unwrap();
    first.notify = Some(Notify::Never);
    first.original_recipient = Some(OriginalRecipient::parse("rfc822;B+2Bx@Example.net").unwrap());
    envelope
}

const WITH_DSN: Setting = Setting {
    commands: || vec![ClientCommand::Send(with_dsn())],
    ..IN_CLEAR
};

/// DSN-02, DSN-03: "pass unchanged to DSN-capable hop"; a server that does not know the parameters never sees them.
#[test]
fn dsn_03_parameters_go_to_servers_that_offer_dsn() {
    WITH_DSN.play(&after_hello(
        &["PIPELINING", "DSN"],
        "C: MAIL FROM:<a@example.com> RET=HDRS ENVID=QQ+2B314+3D159
        C: RCPT TO:<b@example.net> NOTIFY=NEVER ORCPT=rfc822;B+2Bx@Example.net
        C: RCPT TO:<c@example.net>
        C: DATA",
    ));
    WITH_DSN.play(&after_hello(
        &["PIPELINING"],
        "C: MAIL FROM:<a@example.com>
        C: RCPT TO:<b@example.net>
        C: RCPT TO:<c@example.net>
        C: DATA",
    ));
}

fn addressed(reverse_path: &str, recipient: &str) -> Envelope {
    let address = |text: &str| Address::parse(text).unwrap();
    Envelope::new(address(reverse_path), [address(recipient)], b"")
}

const FOREIGN_SENDER: Setting = Setting {
    commands: || {
        vec![ClientCommand::Send(addressed(
            "j\u{f6}rg@example.com",
            "b@example.net",
        ))]
    },
    ..IN_CLEAR
};
const FOREIGN_RECIPIENT: Setting = Setting {
    commands: || {
        vec![ClientCommand::Send(addressed(
            "a@example.com",
            "j\u{f6}rg@b\u{fc}cher.example",
        ))]
    },
    ..IN_CLEAR
};
const FOREIGN_HEADER: Setting = Setting {
    commands: || {
        vec![ClientCommand::Send(Envelope {
            smtputf8: true,
            ..addressed("a@example.com", "b@example.net")
        })]
    },
    ..IN_CLEAR
};

/// EAI-04: a server without SMTPUTF8 is not given the message, and that is known before MAIL.
#[test]
fn eai_04_internationalized_mail() {
    let with = &["SMTPUTF8", "8BITMIME"];
    FOREIGN_SENDER.play(&after_hello(
        with,
        "C: MAIL FROM:<j\u{f6}rg@example.com> SMTPUTF8",
    ));
    FOREIGN_HEADER.play(&after_hello(with, "C: MAIL FROM:<a@example.com> SMTPUTF8"));
    FOREIGN_RECIPIENT.play(&after_hello(
        with,
        "C: MAIL FROM:<a@example.com> SMTPUTF8
        S: 250 ok
        C: RCPT TO:<j\u{f6}rg@b\u{fc}cher.example>",
    ));
    for setting in [FOREIGN_SENDER, FOREIGN_RECIPIENT, FOREIGN_HEADER] {
        assert_eq!(
            setting.end(&after_hello(&["8BITMIME"], "")),
            "the message has addresses or header fields outside of ASCII and the server does not offer SMTPUTF8"
        );
    }
}

const FIVE: Setting = Setting {
    commands: || {
        let recipients = [
            "a@example.net",
            "b@example.net",
            "c@example.net",
            "d@example.net",
            "e@example.net",
        ];
        vec![ClientCommand::Send(envelope(&recipients, b""))]
    },
    ..IN_CLEAR
};

/// LIM-02: "Respect RCPTMAX by splitting; on 452 4.5.3 split & continue": who is left over is reported so.
#[test]
fn lim_02_what_a_transaction_leaves_over() {
    let transaction = |extensions: &[&str], third: &str, end: &str| {
        after_hello(
            extensions,
            &format!(
                "C: MAIL FROM:<a@example.com>
                S: 250 ok
                C: RCPT TO:<a@example.net>
                S: 250 ok
                C: RCPT TO:<b@example.net>
                S: 550 5.1.1 who?
                C: RCPT TO:<c@example.net>
                S: {third}
                C: DATA
                S: 354 go
                C: .
                S: {end}"
            ),
        )
    };
    let not_tried = "refused 452 4.5.3 Not tried: the server takes no more recipients at a time";
    let limit = &["LIMITS RCPTMAX=3"];
    let rows = [
        (
            "250 ok",
            "250 ok",
            "taken 250 ok",
            "taken 250 ok",
            "left over: [3, 4]",
        ),
        // Refused as one too many: worth another transaction if this one went well.
        (
            "452 4.5.3 too many",
            "250 ok",
            "taken 250 ok",
            "refused 452 4.5.3 too many",
            "left over: [2, 3, 4]",
        ),
        (
            "552 too many",
            "250 ok",
            "taken 250 ok",
            "refused 452 too many",
            "left over: [2, 3, 4]",
        ),
        (
            "452 4.5.3 too many",
            "451 4.3.0 no",
            "refused 451 4.3.0 no",
            "refused 452 4.5.3 too many",
            "left over: [3, 4]",
        ),
        // A full mailbox stays full.
        (
            "452 4.2.2 full",
            "250 ok",
            "taken 250 ok",
            "refused 452 4.2.2 full",
            "left over: [3, 4]",
        ),
    ];
    for (third, end, first_outcome, third_outcome, left_over) in rows {
        let told = FIVE.end(&transaction(limit, third, end));
        let expected = format!(
            "{first_outcome}, refused 550 5.1.1 who?, {third_outcome}, {not_tried}, {not_tried}, {left_over}"
        );
        assert_eq!(told, expected, "{third} {end}");
    }
}

/// Two transactions add up to one report, and nobody's outcome is another's.
#[test]
fn lim_02_reports_add_up() {
    let reply = |text: &'static str| Reply {
        code: ReplyCode::OK,
        enhanced: None,
        lines: vec![text.into()],
    };
    let first = SendReport {
        recipients: vec![
            Err(reply("a")),
            Ok(reply("b")),
            Err(reply("c waits")),
            Err(reply("d waits")),
            Err(reply("e waits")),
        ],
        final_reply: Some(reply("first")),
        left_over: vec![2, 3, 4],
    };
    let Some(ClientCommand::Send(envelope)) = (FIVE.commands)().pop() else {
        panic!("a message is sent");
    };
    let rest = envelope.left_over(&first).unwrap();
    let paths: Vec<_> = rest
        .recipients
        .iter()
        .map(|recipient| recipient.path.to_string())
        .collect();
    assert_eq!(
        paths,
        ["<c@example.net>", "<d@example.net>", "<e@example.net>"]
    );
    let second = SendReport {
        recipients: vec![Ok(reply("c")), Err(reply("d waits")), Err(reply("e"))],
        final_reply: None,
        left_over: vec![1],
    };
    let sum = first.followed_by(second);
    let expected = [
        Err(reply("a")),
        Ok(reply("b")),
        Ok(reply("c")),
        Err(reply("d waits")),
        Err(reply("e")),
    ];
    assert_eq!(sum.recipients, expected);
    assert_eq!(
        (sum.left_over.as_slice(), sum.final_reply.clone()),
        (&[3][..], Some(reply("first")))
    );
    let done = SendReport {
        left_over: Vec::new(),
        ..sum
    };
    assert!(envelope.left_over(&done).is_none());
}

/// RFC 9422 §4.1: a server that announced how many transactions it takes is not asked for one more.
#[test]
fn a_connection_that_is_used_up() {
    let mut play = FIVE.begin((FIVE.commands)());
    play.lines(&after_hello(&["LIMITS MAILMAX=1"], ""), usize::MAX);
    assert!(!play.session.takes_another_message() && play.session.is_open());
    let mut play = FIVE.begin((FIVE.commands)());
    play.lines(&after_hello(&["LIMITS MAILMAX=2"], ""), usize::MAX);
    assert!(play.session.takes_another_message());
}
