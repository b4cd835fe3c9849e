//! BDAT: answers stay in step whatever is refused, and a message comes together whatever its chunks.

use super::harness::{Driver, codes, submission};
use crate::server::{EolPolicy, Limits, Profile, SessionEvent};
use crate::{Refusal, TlsFacts};

const MAIL: &str = "MAIL FROM:<user@example.com>";
const RCPT: &str = "RCPT TO:<a@example.net>";

fn in_transaction() -> Driver {
    let mut driver = Driver::authenticated();
    driver.codes(&[MAIL, RCPT]);
    driver
}

/// Inside TLS, with these settings, no identity needed, behind RCPT.
fn with(profile: Profile) -> Driver {
    let profile = Profile {
        require_auth: false,
        ..profile
    };
    let mut driver = Driver::new(profile, Some(TlsFacts::default()));
    driver.codes(&["EHLO x", MAIL, RCPT]);
    driver
}

fn chunk(octets: &[u8], last: &str) -> Vec<u8> {
    [
        format!("BDAT {}{last}\r\n", octets.len()).as_bytes(),
        octets,
    ]
    .concat()
}

/// The replies to `input`, once whole, and expected to be the same octet by octet.
fn replies(prepare: impl Fn() -> Driver, input: &[u8]) -> (Vec<String>, Driver) {
    let mut whole = prepare();
    let expected = codes(&whole.send(input));
    let mut pieces = prepare();
    let text: String = input.iter().map(|octet| pieces.send(&[*octet])).collect();
    assert_eq!(codes(&text), expected, "octet by octet");
    assert_eq!(pieces.committed, whole.committed);
    assert_eq!(pieces.closed, whole.closed);
    (expected, whole)
}

// BDAT-01, BDAT-04, EOL-07, V-04
#[test]
fn bdat_01_bdat_04_eol_07_a_message_in_chunks() {
    let message = b"A: b\r\nC: d\r\n\r\n.\r\n..\r\nbody\r\n.\r\nlast";
    for size in 1..=message.len() {
        let mut driver = in_transaction();
        let mut replies = String::new();
        for piece in message.chunks(size) {
            replies += &driver.send(&chunk(piece, ""));
        }
        replies += &driver.say("BDAT 0 LAST");
        let replies = codes(&replies);
        assert!(
            replies.iter().all(|code| code == "250 2.0.0"),
            "{replies:?}"
        );
        assert_eq!(replies.len(), message.len().div_ceil(size) + 1, "each one");
        assert_eq!(
            driver.committed,
            [(
                b"A: b\r\nC: d\r\n".to_vec(),
                b".\r\n..\r\nbody\r\n.\r\nlast\r\n".to_vec()
            )]
        );
        assert_eq!(codes(&driver.say(RCPT)), ["503 5.5.1"], "MAIL is needed");
    }
    let mut driver = in_transaction();
    assert_eq!(
        driver.send(&chunk(b"A: b\r\n", "")),
        "250 2.0.0 Ok: 6 octets\n"
    );
    assert_eq!(
        driver.send(&chunk(b"\r\nx", " last")),
        "250 2.0.0 Ok: queued as Q1\n"
    );
}

// BDAT-01, V-04: "After an error read and discard chunk(s) before replying; further BDATs of the pipeline also discarded".
#[test]
fn bdat_01_a_refused_chunk_is_read_and_so_are_those_behind_it() {
    let commands = b"RSET\r\nQUIT\r\n";
    let pipeline = [
        &chunk(b"A: b\r\n\r\nRSET\r\n", "")[..],
        &chunk(commands, ""),
        &chunk(commands, " LAST"),
        b"NOOP\r\n",
    ]
    .concat();
    let rows = [
        ("CONTENT", Refusal::StorageFull, "452 4.3.1"),
        ("HEADERS", Refusal::HeaderFromNotOwned, "550 5.7.1"),
    ];
    for (request, refusal, code) in rows {
        let prepare = || {
            let mut driver = in_transaction();
            driver.refuse.push((request, refusal));
            driver
        };
        let (codes, driver) = replies(prepare, &pipeline);
        assert_eq!(codes, [code, "503 5.5.1", "503 5.5.1", "250 2.0.0"]);
        assert!(driver.committed.is_empty() && !driver.closed);
    }
    // Without MAIL, without RCPT, with no RCPT accepted.
    let (codes, _) = replies(Driver::authenticated, &pipeline);
    assert_eq!(codes, ["503 5.5.1", "503 5.5.1", "503 5.5.1", "250 2.0.0"]);
    let no_recipient = || {
        let mut driver = Driver::authenticated();
        driver.say(MAIL);
        driver
    };
    let (codes, mut driver) = replies(no_recipient, &chunk(commands, " LAST"));
    assert_eq!(codes, ["503 5.5.1"]);
    assert_eq!(driver.codes(&[RCPT]), ["503 5.5.1"], "MAIL is needed again");
    let none_accepted = || {
        let mut driver = Driver::authenticated();
        driver.refuse.push(("RCPT", Refusal::RelayDenied));
        driver.codes(&[MAIL, RCPT]);
        driver
    };
    let (codes, _) = replies(none_accepted, &chunk(b"", " LAST"));
    assert_eq!(codes, ["554 5.5.1"]);
    // TLS first, AUTH first.
    let mut driver = Driver::new(Profile::submission("mail.example.com"), None);
    assert_eq!(codes_of(&mut driver, &chunk(commands, "")), ["530 5.7.0"]);
    assert_eq!(driver.codes(&["NOOP"]), ["250 2.0.0"]);
}

fn codes_of(driver: &mut Driver, octets: &[u8]) -> Vec<String> {
    codes(&driver.send(octets))
}

// BDAT-02
#[test]
fn bdat_02_what_may_stand_between_chunks() {
    let rows = [
        ("DATA", "503 5.5.1"),
        (RCPT, "503 5.5.1"),
        (MAIL, "503 5.5.1"),
        ("NOOP", "250 2.0.0"),
        ("VRFY x", "252 2.1.5"),
        ("AUTH PLAIN", "503 5.5.1"),
    ];
    for (line, code) in rows {
        let mut driver = in_transaction();
        driver.send(&chunk(b"A: b\r\n", ""));
        assert_eq!(driver.codes(&[line]), [code], "{line}");
        assert_eq!(
            codes_of(&mut driver, &chunk(b"\r\nx", " LAST")),
            ["250 2.0.0"],
            "{line}: the message goes on"
        );
    }
    for line in ["RSET", "EHLO x", "HELO x"] {
        let mut driver = in_transaction();
        driver.send(&chunk(b"A: b\r\n", ""));
        driver.say(line);
        assert_eq!(driver.events, [SessionEvent::TransactionReset], "{line}");
        assert_eq!(codes_of(&mut driver, &chunk(b"x", " LAST")), ["503 5.5.1"]);
        driver.codes(&[MAIL, RCPT]);
        assert_eq!(
            codes_of(&mut driver, &chunk(b"C: d\r\n", " LAST")),
            ["250 2.0.0"]
        );
        assert_eq!(driver.committed.last().unwrap().0, b"C: d\r\n");
    }
    // Behind LAST, and behind DATA.
    let mut driver = in_transaction();
    driver.send(&chunk(b"A: b\r\n", " LAST"));
    assert_eq!(codes_of(&mut driver, &chunk(b"x", "")), ["503 5.5.1"]);
}

// BDAT-02: "Syntax error in n: cannot resync".
#[test]
fn bdat_02_a_chunk_of_unknown_size_ends_the_connection() {
    let long = format!("BDAT {} LAST", "0".repeat(5000));
    for line in [
        "BDAT",
        "BDAT x",
        "BDAT -1",
        "BDAT 5 LAST x",
        "bdat 18446744073709551616",
        " BDAT 5 \0",
        "BDAT 5 LAST\r",
        &long,
    ] {
        let mut driver = in_transaction();
        let reply = driver.send(format!("{line}\r\nNOOP\r\n").as_bytes());
        assert_eq!(codes(&reply), ["501 5.5.4"], "{line:?}");
        assert!(driver.closed, "{line:?}");
        assert!(driver.events.contains(&SessionEvent::TransactionReset));
    }
    // A line end that is not tolerated.
    let mut driver = with(Profile {
        quirks: crate::QuirkSet::NONE,
        ..submission()
    });
    assert_eq!(codes_of(&mut driver, b"BDAT 5\nNOOP\r\n"), ["501 5.5.4"]);
    assert!(driver.closed);
}

// BDAT-05, SIZE-01
#[test]
fn bdat_05_size_01_too_large_is_known_before_it_comes() {
    let prepare = || {
        with(Profile {
            size_limit: 20,
            ..submission()
        })
    };
    let (codes, driver) = replies(
        prepare,
        &[
            &chunk(b"A: b\r\n\r\n", "")[..],
            &chunk(b"0123456789", ""),
            &chunk(b"QUIT\r\n", " LAST"),
            b"NOOP\r\n",
        ]
        .concat(),
    );
    assert_eq!(codes, ["250 2.0.0", "250 2.0.0", "552 5.3.4", "250 2.0.0"]);
    assert!(driver.committed.is_empty());
    let (codes, _) = replies(prepare, &chunk(&[b'x'; 21], " LAST"));
    assert_eq!(codes, ["552 5.3.4"]);
    // To the limit, and larger only by the line ends we put right.
    let (codes, _) = replies(prepare, &chunk(b"A: b\r\n\r\n0123456789\r\n", " LAST"));
    assert_eq!(codes, ["250 2.0.0"]);
    let (codes, _) = replies(prepare, &chunk(b"A: b\n\n0123456789012\n", " LAST"));
    assert_eq!(codes, ["552 5.3.4"]);
    let mut driver = prepare();
    let huge = format!("BDAT {} LAST", u64::MAX);
    assert_eq!(driver.say(&huge), "", "it waits for its chunk");
    assert_eq!(codes_of(&mut driver, &[b'x'; 1000]), [""; 0]);
}

// EOL-02
#[test]
fn eol_02_bare_line_ends_in_chunks_are_repaired_or_refused() {
    let message = [
        &chunk(b"A: b\n\nbody\r", "")[..],
        &chunk(b"\nmore\r", " LAST"),
    ]
    .concat();
    let (codes, driver) = replies(in_transaction, &message);
    assert_eq!(codes, ["250 2.0.0", "250 2.0.0"]);
    assert_eq!(
        driver.committed,
        [(b"A: b\r\n".to_vec(), b"body\r\nmore\r\n".to_vec())]
    );
    let strict = || {
        with(Profile {
            eol: EolPolicy::Reject,
            ..submission()
        })
    };
    let (codes, driver) = replies(strict, &message);
    assert_eq!(codes, ["250 2.0.0", "550 5.5.2"], "at LAST");
    assert!(driver.committed.is_empty());
    let (codes, _) = replies(strict, &chunk(b"A: b\r\n\r\nno end", " LAST"));
    assert_eq!(codes, ["250 2.0.0"], "EOL-07: appended");
}

// T-37, V-21
#[test]
fn t_37_v_21_empty_and_refused_chunks_are_counted_others_are_not() {
    let impatient = || {
        let limits = Limits {
            idle_commands: 10,
            ..Limits::default()
        };
        Profile {
            limits,
            ..submission()
        }
    };
    let mut driver = with(impatient());
    for _ in 0..100 {
        assert_eq!(codes_of(&mut driver, &chunk(b"x", "")), ["250 2.0.0"]);
    }
    assert!(!driver.closed);
    for refused in [false, true] {
        let mut driver = with(impatient());
        if refused {
            driver.say("RSET");
        }
        let text = driver.send("BDAT 0\r\n".repeat(100).as_bytes());
        assert_eq!(codes(&text).last().unwrap(), "421 4.7.0");
        assert!(driver.closed && codes(&text).len() <= 11);
    }
}

// PIPE-01, SMTP-09
#[test]
fn a_chunk_waits_for_the_draft_and_for_the_answer_to_its_headers() {
    let mut driver = in_transaction();
    driver.prompt = false;
    let pipeline = [
        &chunk(b"A: b\r\n\r\nx", "")[..],
        &chunk(b"y", " LAST"),
        b"NOOP\r\n",
    ]
    .concat();
    for asked in ["CONTENT", "HEADERS", "COMMIT"] {
        if asked == "CONTENT" {
            driver.send(&pipeline);
        }
        let (_, request) = driver.asked.as_ref().expect(asked);
        assert_eq!(super::harness::request_name(request), asked);
        if asked == "CONTENT" || asked == "HEADERS" {
            assert_eq!(driver.hear(), "");
        }
        driver.answer();
    }
    assert_eq!(
        codes(&driver.hear()),
        ["250 2.0.0", "250 2.0.0", "250 2.0.0"]
    );
    assert_eq!(driver.committed[0].1, b"xy\r\n");

    // The program does not answer in time.
    let mut driver = in_transaction();
    driver.prompt = false;
    driver.send(&chunk(b"RSET\r\nRSET", ""));
    assert_eq!(codes(&driver.wait(100)), ["451 4.3.0"]);
    assert!(!driver.closed);
}

// T-32
#[test]
fn t_32_a_chunk_that_is_cut_off_leaves_nothing() {
    let message = chunk(b"A: b\r\n\r\nbody\r\n", " LAST");
    for end in 0..message.len() {
        let mut driver = in_transaction();
        driver.send(&message[..end]);
        driver.handle(crate::server::Input::Eof);
        assert!(driver.closed && driver.committed.is_empty(), "{end}");
        assert!(driver.events.contains(&SessionEvent::TransactionReset));
    }
    // LEG-17: a message that is complete is kept.
    let mut driver = in_transaction();
    driver.prompt = false;
    driver.send(&message);
    driver.handle(crate::server::Input::Eof);
    driver.prompt = true;
    driver.answer();
    assert_eq!(driver.committed.len(), 1);
}

const BINARY: &str = "MAIL FROM:<user@example.com> BODY=BINARYMIME";

fn binary() -> Driver {
    let mut driver = Driver::authenticated();
    assert_eq!(driver.codes(&[BINARY, RCPT]), ["250 2.1.0", "250 2.1.5"]);
    driver
}

// BDAT-03, MIME-01
#[test]
fn bdat_03_mime_01_a_binary_body_is_kept_octet_for_octet() {
    let body: Vec<u8> = (0..=255).chain(*b"\r\r\n\n.\r\n.\r").collect();
    let message = [b"A: b\r\nFrom x\r\n\r\n", &body[..]].concat();
    for seam in 0..=message.len() {
        let (first, second) = message.split_at(seam);
        let mut driver = binary();
        assert_eq!(driver.codes(&["DATA"]), ["503 5.5.1"]);
        driver.send(&chunk(first, ""));
        assert_eq!(
            codes_of(&mut driver, &chunk(second, " LAST")),
            ["250 2.0.0"]
        );
        // A line that is no field begins the body.
        let kept = [b"From x\r\n\r\n", &body[..]].concat();
        assert_eq!(driver.committed, [(b"A: b\r\n".to_vec(), kept)]);
    }
    // The next message is text again.
    let mut driver = binary();
    driver.codes(&["RSET", MAIL, RCPT]);
    driver.send(&chunk(b"A: b\r\n\r\nx\ny", " LAST"));
    assert_eq!(driver.committed[0].1, b"x\r\ny\r\n");
}

/// What one reader takes for a line end, another one does not: a header section must be clear.
#[test]
fn bdat_03_the_header_section_of_a_binary_message_is_lines() {
    for message in [
        &b"From: a@b\nFrom: c@d\r\n\r\nx"[..],
        b"From: a@b\rFrom: c@d\r\n\r\nx",
        b"From: a@b\r\r\n\r\nx",
        b"From: a@b\nFrom: c@d\n\nx",
        b"From: a@b\r",
        b"From: a@b",
    ] {
        let mut driver = binary();
        let reply = driver.send(&chunk(message, " LAST"));
        assert_eq!(codes(&reply), ["554 5.6.0"], "{}", message.escape_ascii());
    }
    let mut driver = binary();
    driver.send(&chunk(b"From: a@b\r\n\nTo: x", " LAST"));
    assert_eq!(
        driver.committed,
        [(b"From: a@b\r\n".to_vec(), b"\nTo: x".to_vec())]
    );
}
