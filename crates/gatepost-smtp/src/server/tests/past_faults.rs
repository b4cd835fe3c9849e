//! What went wrong in other servers, in one session each (docs/past-cves.md).

use super::harness::{Driver, PLAIN_OK, codes};

/// Lengths around each limit, and many short ones.
fn lengths() -> impl Iterator<Item = usize> {
    let around = |limit: usize| limit - 8..limit + 8;
    (1..=130)
        .chain(around(512))
        .chain(around(1024))
        .chain(around(2048))
        .chain(around(12_288))
        .chain(around(65_536))
        .chain(69_990..=70_000)
}

// V-02: a backslash that escapes nothing.
#[test]
fn v_02_a_backslash_at_the_end() {
    for (line, expected) in [
        ("MAIL FROM:<\"a\\", "501 5.1.7"),
        ("MAIL FROM:<\"a\\\"@b>", "501 5.1.7"),
        ("MAIL FROM:<a@b\\>", "501 5.1.7"),
        ("MAIL FROM:<a@b>\\", "501 5.1.7"),
        ("MAIL FROM:<a@b> AUTH=\\", "501 5.5.4"),
        ("AUTH PLAIN \\", "503 5.5.1"),
        ("\\", "500 5.5.1"),
        ("EHLO client\\", "250"),
        ("MAIL FROM:<user@example.com>", "250 2.1.0"),
        ("RCPT TO:<\"a\\", "501 5.1.3"),
        ("RCPT TO:<\"a\\\"@b>", "501 5.1.3"),
        ("RCPT TO:<a@b\\>", "501 5.1.3"),
        ("RCPT TO:<a@b> ORCPT=rfc822;\\", "250 2.1.5"),
        ("DATA", "354"),
    ] {
        let mut driver = Driver::authenticated();
        if line.starts_with("RCPT") || line == "DATA" {
            driver.say("MAIL FROM:<user@example.com>");
        }
        if line == "DATA" {
            driver.say("RCPT TO:<a@example.net>");
        }
        assert_eq!(codes(&driver.say(line)), [expected], "{line}");
        if line == "DATA" {
            let end = driver.send(b"From: user@example.com\r\nSubject: \\\r\n\r\n\\\r\n.\r\n");
            assert_eq!(codes(&end), ["250 2.0.0"]);
            assert!(driver.committed[0].0.ends_with(b"Subject: \\\r\n"));
        }
    }
}

// V-03: base64 of any length, and a name of any length.
#[test]
fn v_03_lengths_that_are_off_by_some() {
    for length in lengths() {
        let mut driver = Driver::greeted();
        driver.say("AUTH PLAIN");
        let reply = codes(&driver.say(&"A".repeat(length))).remove(0);
        assert!(
            ["501 5.5.2", "500 5.5.6"].contains(&reply.as_str()),
            "{length}: {reply}"
        );
        let line = format!("EHLO {}", "x".repeat(length));
        let reply = codes(&driver.say(&line)).remove(0);
        assert!(
            ["250", "501 5.5.4", "500 5.5.2"].contains(&reply.as_str()),
            "{length}: {reply}"
        );
        if !(2100..12_288).contains(&length) {
            assert_eq!(reply == "500 5.5.2", length > 2100, "{length}");
        }
        assert_eq!(codes(&driver.say("NOOP")), ["250 2.0.0"], "{length}");
    }
}

// V-07: every prefix of a command, and a header of a million lines.
#[test]
fn v_07_beginnings_of_commands_and_endless_folding() {
    let whole = "MAIL FROM:<>=\"";
    for end in 1..=whole.len() {
        let line = &whole[..end];
        let expected = match line {
            "MAIL FROM:<>" => "250 2.1.0",
            _ if end < 4 => "500 5.5.1",
            _ => "501 5.1.7",
        };
        let mut driver = Driver::authenticated();
        assert_eq!(codes(&driver.say(line)), [expected], "{line}");
    }
    let mut driver = Driver::authenticated();
    driver.codes(&["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"]);
    driver.send(b"From: a@b\r\nSubject: x\r\n");
    for _ in 0..1000 {
        driver.send(&b" y\r\n".repeat(1000));
    }
    assert_eq!(codes(&driver.send(b"\r\n.\r\n")), ["552 5.3.4"]);
    assert!(driver.committed.is_empty());
}

// V-19, V-59: whatever an exchange left behind, the next one begins anew; no question has anything of the other in it.
#[test]
fn v_19_an_exchange_that_failed_leaves_nothing() {
    let failures: [&[&str]; 8] = [
        &["AUTH PLAIN", "*"],
        &["AUTH PLAIN", "!"],
        &["AUTH PLAIN AGEAYg=="],
        &["AUTH LOGIN", "*"],
        &["AUTH LOGIN", "YQ==", "*"],
        &["AUTH LOGIN YQ==", "Yg=="],
        &["AUTH CRAM-MD5", "*"],
        &["AUTH CRAM-MD5", "eA=="],
    ];
    let successes: [&[&str]; 4] = [
        &[PLAIN_OK],
        &["AUTH PLAIN", "AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0"],
        &["AUTH LOGIN dXNlckBleGFtcGxlLmNvbQ==", "c2VjcmV0"],
        &["AUTH LOGIN", "dXNlckBleGFtcGxlLmNvbQ==", "c2VjcmV0"],
    ];
    for failure in failures {
        for other in failures {
            for success in successes {
                let mut driver = Driver::greeted();
                let mut last = |lines: &[&str]| driver.codes(lines).pop().unwrap();
                for failure in [failure, other] {
                    let code = last(failure);
                    assert!(code.starts_with('5'), "{failure:?}: {code}");
                }
                assert_eq!(last(success), "235 2.7.0", "{failure:?}, {other:?}");
                assert_eq!(last(&["MAIL FROM:<user@example.com>"]), "250 2.1.0");
            }
        }
    }
}

// V-28: a message that is empty, a name that is no UTF-8 or is cut in it, an empty quoted string, and leaving midway.
#[test]
fn v_28_messages_of_nothing() {
    for (lines, expected) in [
        (&["AUTH PLAIN", ""][..], "535 5.7.8"),
        (&["AUTH LOGIN", "", ""], "535 5.7.8"),
        (&["AUTH LOGIN", "/w==", "eA=="], "535 5.7.8"),
        (&["AUTH PLAIN AMMAeA=="], "535 5.7.8"),
        (&["AUTH CRAM-MD5", ""], "535 5.7.8"),
        (&["AUTH LOGIN", "eA==", "*"], "501 5.7.0"),
        (&[PLAIN_OK, "MAIL FROM:<>", "RCPT TO:<\"\"@h>"], "250 2.1.5"),
    ] {
        let mut driver = Driver::greeted();
        assert_eq!(driver.codes(lines).pop().unwrap(), expected, "{lines:?}");
        assert_eq!(codes(&driver.say("NOOP")), ["250 2.0.0"], "{lines:?}");
    }
}
