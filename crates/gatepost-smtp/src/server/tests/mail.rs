use super::harness::{Driver, codes, legacy, submission};
use crate::server::{EolPolicy, Limits, Profile, Request, SessionEvent};
use crate::{Quirk, QuirkSet, Refusal, TlsFacts};

const ENVELOPE: [&str; 2] = ["MAIL FROM:<user@example.com>", "RCPT TO:<a@example.net>"];

fn in_data() -> Driver {
    in_data_with(submission())
}

fn in_data_with(profile: Profile) -> Driver {
    let mut driver = Driver::new(
        Profile {
            require_auth: false,
            ..profile
        },
        Some(TlsFacts::default()),
    );
    driver.say("EHLO x");
    assert_eq!(driver.codes(&ENVELOPE), ["250 2.1.0", "250 2.1.5"]);
    assert_eq!(driver.say("DATA"), "354 End data with <CR><LF>.<CR><LF>\n");
    driver
}

fn message(driver: &Driver) -> (&str, &str) {
    let (headers, body) = driver.committed.last().unwrap();
    (
        std::str::from_utf8(headers).unwrap(),
        std::str::from_utf8(body).unwrap(),
    )
}

// ESC-01, SMTP-17
#[test]
fn one_message_after_another() {
    let mut driver = Driver::authenticated();
    for id in ["Q1", "Q2"] {
        assert_eq!(driver.codes(&ENVELOPE), ["250 2.1.0", "250 2.1.5"]);
        driver.say("DATA");
        let reply = driver.send(b"Subject: x\r\n\r\n..dot\r\nbody\r\n.\r\n");
        assert_eq!(reply, format!("250 2.0.0 Ok: queued as {id}\n"), "SMTP-17");
        assert_eq!(message(&driver), ("Subject: x\r\n", ".dot\r\nbody\r\n"));
    }
    assert!(
        driver.events.is_empty(),
        "a committed transaction is not reset: {:?}",
        driver.events
    );
    assert_eq!(
        codes(&driver.say("RCPT TO:<a@example.net>")),
        ["503 5.5.1"],
        "T-02"
    );
}

// LC-22, LC-23, MPAR-01, MIME-01
#[test]
fn lc_22_lc_23_forms_of_mail_and_rcpt() {
    let rows = [
        ("MAIL FROM: <user@example.com>", "<user@example.com>"),
        ("mail from:user@example.com", "<user@example.com>"),
        (
            "MAIL FROM:<@relay:user@example.com> BODY=8BITMIME SIZE=100",
            "<user@example.com>",
        ),
        (
            "MAIL FROM:<user@example.com> AUTH=<user@example.com> SIZE=123",
            "<user@example.com>",
        ),
        ("MAIL FROM:<user@example.com> AUTH=<>", "<user@example.com>"),
        ("MAIL FROM:<>", "<>"),
        ("MAIL  FROM:<\"a b\"@example.com>", "<\"a b\"@example.com>"),
    ];
    for (line, expected) in rows {
        let mut driver = Driver::authenticated();
        driver.prompt = false;
        driver.say(line);
        let Some((_, Request::Mail { reverse_path, .. })) = &driver.asked else {
            panic!("{line}")
        };
        assert_eq!(reverse_path.to_string(), expected, "{line}");
        driver.answer();
        assert_eq!(driver.hear(), "250 2.1.0 Ok\n");
        for (line, expected) in [
            ("RCPT TO:  <a@example.net> ", "<a@example.net>"),
            ("RCPT TO:a@example.net", "<a@example.net>"),
            ("RCPT TO:<postmaster>", "<postmaster@mail.example.com>"),
        ] {
            driver.say(line);
            let Some((_, Request::Rcpt { forward_path, .. })) = &driver.asked else {
                panic!("{line}")
            };
            assert_eq!(forward_path.to_string(), expected, "{line}");
            driver.answer();
            assert_eq!(driver.hear(), "250 2.1.5 Ok\n");
        }
    }
}

// SMTP-04, SMTP-05, SMTP-10, SIZE-01, T-36, V-06
#[test]
fn smtp_04_smtp_05_smtp_10_size_01_t_36_refused_forms() {
    let rows = [
        ("MAIL", "501 5.1.7"),
        ("MAIL FROM", "501 5.1.7"),
        ("MAIL FROM:", "501 5.1.7"),
        ("MAIL FROM:<a@b", "501 5.1.7"),
        ("MAIL FROM:<a@b>SIZE=1", "501 5.1.7"),
        ("MAIL FROM:<a\u{1b}@b>", "501 5.1.7"),
        ("MAIL FROM:<user>", "554 5.1.8"),
        ("MAIL FROM:<us\u{e9}r@example.com>", "550 5.6.7"),
        ("MAIL FROM:<a@b> FOO=1", "555 5.5.4"),
        ("MAIL FROM:<a@b> HOLDFOR=60", "555 5.5.4"),
        ("MAIL FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4"),
        ("MAIL FROM:<a@b> AUTH=a+0D+0A@b", "501 5.5.4"),
        ("MAIL FROM:<a@b> SIZE=67108865", "552 5.3.4"),
        ("MAIL FROM:<a@b> SIZE=99999999999999999999", "552 5.3.4"),
        ("MAIL FROM:<a@b> SIZE=67108864", "250 2.1.0"),
    ];
    let mut driver = Driver::authenticated();
    for (line, expected) in rows {
        assert_eq!(codes(&driver.say(line)), [expected], "{line}");
    }
    let rows = [
        ("RCPT TO:<a@b", "501 5.1.3"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("RCPT FROM:<a@b>", "501 5.1.3"),
        ("RCPT TO:<user>", "554 5.1.2"),
        ("RCPT TO:<us\u{e9}r@example.com>", "553 5.6.7"),
        ("RCPT TO:<a@b> FOO=1", "555 5.5.4"),
        ("MAIL FROM:<a@b>", "503 5.5.1"),
    ];
    let mut driver = Driver::authenticated();
    driver.say("MAIL FROM:<a@b>");
    for (line, expected) in rows {
        assert_eq!(codes(&driver.say(line)), [expected], "{line}");
    }
    let mut driver = Driver::new(
        Profile {
            require_auth: false,
            quirks: QuirkSet::NONE,
            ..legacy()
        },
        None,
    );
    assert_eq!(
        driver.codes(&["HELO x", "MAIL FROM:<a@b> SIZE=1", "MAIL FROM:<a@b>"]),
        ["250", "555 5.5.4", "250 2.1.0"]
    );
}

// SMTP-08, SMTP-16
#[test]
fn smtp_08_smtp_16_recipients() {
    let mut driver = Driver::authenticated();
    assert_eq!(
        driver.codes(&["MAIL FROM:<a@b>", "DATA"]),
        ["250 2.1.0", "503 5.5.1"]
    );
    driver.refuse.push(("RCPT", Refusal::RelayDenied));
    assert_eq!(
        driver.say("RCPT TO:<a@b>"),
        "550 5.7.1 Relaying denied [S.2]\n"
    );
    assert_eq!(codes(&driver.say("DATA")), ["554 5.5.1"]);

    let mut driver = Driver::authenticated();
    driver.say("MAIL FROM:<a@b>");
    for _ in 0..1000 {
        assert_eq!(driver.say("RCPT TO:<a@b>"), "250 2.1.5 Ok\n");
    }
    assert_eq!(codes(&driver.say("RCPT TO:<a@b>")), ["452 4.5.3"]);
    assert_eq!(codes(&driver.say("DATA")), ["354"]);
}

// T-02, V-20
#[test]
fn t_02_after_every_end_mail_is_needed_again() {
    let no = |name, refusal| {
        let mut driver = Driver::authenticated();
        driver.refuse.push((name, refusal));
        let mut replies: String = ENVELOPE.iter().map(|line| driver.say(line)).collect();
        replies += &driver.say("DATA");
        if replies.ends_with("<CR><LF>.<CR><LF>\n") {
            replies += &driver.send(b"Subject: x\r\n\r\nbody\r\n.\r\n");
        }
        assert!(driver.committed.is_empty());
        let resets = driver
            .events
            .iter()
            .filter(|event| **event == SessionEvent::TransactionReset)
            .count();
        let refusals = driver
            .events
            .iter()
            .filter(|event| matches!(event, SessionEvent::Refused { .. }))
            .count();
        assert_eq!(refusals, 1, "{name}");
        if name != "MAIL" {
            assert_eq!(
                codes(&driver.say("MAIL FROM:<a@b>")),
                ["250 2.1.0"],
                "{name}"
            );
            driver.say("RSET");
        }
        assert_eq!(codes(&driver.say("RCPT TO:<a@b>")), ["503 5.5.1"], "{name}");
        (codes(&replies).last().unwrap().clone(), resets)
    };
    assert_eq!(
        no("CONTENT", Refusal::StorageFull),
        ("452 4.3.1".to_owned(), 1)
    );
    assert_eq!(
        no("HEADERS", Refusal::HeaderFromNotOwned),
        ("550 5.7.1".to_owned(), 1)
    );
    assert_eq!(
        no("COMMIT", Refusal::StorageFailed),
        ("451 4.3.0".to_owned(), 0),
        "the program had it all"
    );

    for end in ["RSET", "EHLO x", "HELO x"] {
        let mut driver = Driver::authenticated();
        driver.codes(&ENVELOPE);
        driver.say(end);
        assert_eq!(driver.events, [SessionEvent::TransactionReset], "{end}");
        assert_eq!(codes(&driver.say("DATA")), ["503 5.5.1"], "{end}");
    }
}

#[test]
fn a_refused_message_is_read_to_its_end_and_no_further() {
    let mut driver = in_data();
    driver.refuse.push(("HEADERS", Refusal::NoHeaderFrom));
    assert_eq!(
        driver.send(b"Subject: x\r\n\r\nbody\r\n"),
        "",
        "the refusal waits for the end of data"
    );
    assert_eq!(
        driver.events,
        [SessionEvent::TransactionReset],
        "the draft does not"
    );
    assert_eq!(
        driver.send(b"QUIT\r\nmore\r\n.\r\nNOOP\r\n"),
        "554 5.6.0 Message has no From header field [S.1]\n250 2.0.0 Ok\n"
    );
    assert!(driver.body.is_empty());
}

// SIZE-01
#[test]
fn size_01_the_real_size_counts() {
    let limits = Limits::default();
    let small = |size_limit| Profile {
        size_limit,
        limits: limits.clone(),
        ..submission()
    };
    // Header 6, empty line 2, body 3 octets; the stuffed dot and the end of data do not count.
    let input = b"A: b\r\n\r\n..\r\n.\r\n";
    assert_eq!(codes(&in_data_with(small(11)).send(input)), ["250 2.0.0"]);
    assert_eq!(codes(&in_data_with(small(10)).send(input)), ["552 5.3.4"]);
    let mut driver = in_data_with(small(1000));
    driver.send(b"A: b\r\n\r\n");
    for _ in 0..100 {
        assert_eq!(driver.send(&[b'x'; 100]), "");
    }
    assert!(
        driver.body.len() <= 1000,
        "nothing is passed on behind the limit"
    );
    assert_eq!(
        driver.say("\r\n."),
        "552 5.3.4 Message size exceeds fixed limit [S.1]\n"
    );

    let mut profile = submission();
    profile.limits.headers = 100;
    assert_eq!(
        codes(
            &in_data_with(profile)
                .send(format!("A: {}\r\n\r\nx\r\n.\r\n", "b".repeat(200)).as_bytes())
        ),
        ["552 5.3.4"]
    );
}

// LC-17
#[test]
fn lc_17_smuggling_is_one_message() {
    for middle in [
        "\n.\r\n",
        "\r\n.\n",
        "\n.\n",
        "\r.\r",
        "\r\n.\r",
        "\r\n.\r\r\n",
    ] {
        let mut driver = in_data();
        let input =
            format!("A: b\r\n\r\nbody{middle}MAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\n.\r\n");
        assert_eq!(
            codes(&driver.send(input.as_bytes())),
            ["250 2.0.0"],
            "{middle:?}"
        );
        assert_eq!(
            message(&driver).1,
            "body\r\nMAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\n",
            "{middle:?}"
        );
        assert_eq!(driver.committed.len(), 1);
    }
}

// EOL-02
#[test]
fn eol_02_reject() {
    let reject = || {
        in_data_with(Profile {
            eol: EolPolicy::Reject,
            ..submission()
        })
    };
    assert_eq!(
        codes(&reject().send(b"A: b\r\n\r\nbody\r\n.\r\n")),
        ["250 2.0.0"]
    );
    let mut driver = reject();
    assert_eq!(
        codes(&driver.send(b"A: b\r\n\r\nbo\ndy\r\n.\r\n")),
        ["550 5.5.2"]
    );
    assert!(driver.committed.is_empty() && driver.events.contains(&SessionEvent::TransactionReset));
}

// EOL-05, LC-16
#[test]
fn eol_05_lc_16_a_device_that_knows_no_cr() {
    let scan = b"Subject: scan\n\nbody\n.\n";
    let mut driver = in_data_with(legacy());
    assert_eq!(driver.send(scan), "", "not the end of data by default");
    let quirks = QuirkSet::LEGACY.with(Quirk::LineFeedEndOfData);
    let mut driver = in_data_with(Profile { quirks, ..legacy() });
    assert_eq!(driver.send(scan), "250 2.0.0 Ok: queued as Q1\n");
    assert!(
        driver
            .events
            .contains(&SessionEvent::Quirk(Quirk::LineFeedEndOfData))
    );
    assert_eq!(message(&driver), ("Subject: scan\r\n", "body\r\n"));
}

// SUBM-10
#[test]
fn subm_10_messages_without_a_body_or_headers() {
    let rows: [(&[u8], &str, &str); 4] = [
        (b".\r\n", "", ""),
        (b"A: b\r\n.\r\n", "A: b\r\n", ""),
        (b"just text\r\n.\r\n", "", "just text\r\n"),
        (
            b"From fred Mon\r\nA: b\r\n\r\nx\r\n.\r\n",
            "X-Mailbox-Line: From fred Mon\r\nA: b\r\n",
            "x\r\n",
        ),
    ];
    for (input, headers, body) in rows {
        let mut driver = in_data();
        assert_eq!(codes(&driver.send(input)), ["250 2.0.0"]);
        assert_eq!(message(&driver), (headers, body));
    }
}

// LC-26
#[test]
fn row_15_lc_26_mail_before_and_after_auth() {
    let mut driver = Driver::greeted();
    let lines = [
        "MAIL FROM:<user@example.com>",
        super::harness::PLAIN_OK,
        "MAIL FROM:<user@example.com>",
    ];
    assert_eq!(
        driver.codes(&lines),
        ["530 5.7.0", "235 2.7.0", "250 2.1.0"]
    );
    let mut driver = Driver::tls();
    assert_eq!(
        driver.codes(&["HELO x", "MAIL FROM:<user@example.com>"]),
        ["250", "530 5.7.0"],
        "LC-46"
    );
}

#[test]
fn t_36_no_control_character_comes_through_any_field() {
    for evil in ["\r", "\n", "\0", "\u{1b}", "\u{7f}", "\u{80}", "\u{2028}"] {
        let xtext = crate::xtext::encode(evil);
        let lines = [
            format!("MAIL FROM:<a{evil}b@example.com>"),
            format!("MAIL FROM:<\"a{evil}b\"@example.com>"),
            format!("MAIL FROM:<\"a\\{evil}b\"@example.com>"),
            format!("MAIL FROM:<a@ex{evil}ample.com>"),
            format!("MAIL FROM:<a@b> AUTH=a{xtext}@example.com"),
            format!("MAIL FROM:<a@b> AUTH=\"a{xtext}\"@example.com"),
        ];
        for line in lines {
            let mut driver = Driver::authenticated();
            let replies = codes(&driver.say(&line));
            assert!(
                replies.iter().all(|reply| reply.starts_with('5')),
                "{line:?}: {replies:?}"
            );
            assert_eq!(
                codes(&driver.say("RCPT TO:<a@b>")),
                ["503 5.5.1"],
                "{line:?}: no transaction began"
            );
        }
    }
}
