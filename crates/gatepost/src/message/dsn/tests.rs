use super::part::cut_at_line;
use super::*;

fn report(recipient: &str, reply: &str) -> Report {
    Report {
        recipient: Address::parse(recipient).unwrap(),
        original: None,
        fate: Fate::Failed,
        status: "5.1.1".to_owned(),
        next_hop: Some("mx.next.example".to_owned()),
        diagnostic: Diagnostic::Reply(reply.to_owned()),
    }
}

fn notice<'a>(to: &'a Address, reports: &'a [Report], returned: Returned<'a>) -> Notice<'a> {
    Notice {
        reporting_mta: "submit.example.com",
        unique: "N0TICE",
        now: "2026-11-21T05:56:11Z".parse().unwrap(),
        to,
        about: "QUEUEID",
        envelope_id: None,
        arrived: "2026-11-16T05:56:11Z".parse().unwrap(),
        utf8: false,
        reports,
        returned,
    }
}

fn text(notice: &Notice<'_>) -> String {
    let Rendered { header, body } = notice.render();
    header + &String::from_utf8(body).unwrap()
}

fn rendered(reports: &[Report], header: &[u8]) -> String {
    let to = Address::parse("me@own.example").unwrap();
    text(&notice(&to, reports, Returned::Header(header)))
}

// DSN-04, written out once in full: this is what people get.
#[test]
fn a_notice_in_full() {
    let expected = "\
Date: Sat, 21 Nov 2026 05:56:11 +0000
From: Mail Delivery System <MAILER-DAEMON@submit.example.com>
To: <me@own.example>
Subject: Your message could not be delivered
Message-ID: <N0TICE@submit.example.com>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary=\"=_N0TICE\"

--=_N0TICE
Content-Type: text/plain; charset=us-ascii

This is the mail server submit.example.com.

The message that you submitted on Mon, 16 Nov 2026 05:56:11 +0000
(here known as QUEUEID) could not be delivered to:

<you@next.example>
    mx.next.example said: 550 5.1.1 No such user

It will not be tried again.

Its header is attached.

--=_N0TICE
Content-Type: message/delivery-status

Reporting-MTA: dns; submit.example.com
Arrival-Date: Mon, 16 Nov 2026 05:56:11 +0000

Final-Recipient: rfc822; you@next.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.next.example
Diagnostic-Code: smtp; 550 5.1.1 No such user
Last-Attempt-Date: Sat, 21 Nov 2026 05:56:11 +0000

--=_N0TICE
Content-Type: text/rfc822-headers

Subject: hello
From: me@own.example

--=_N0TICE--
";
    let failures = [report("you@next.example", "550 5.1.1 No such user")];
    let notice = rendered(&failures, b"Subject: hello\r\nFrom: me@own.example\r\n");
    assert_eq!(notice, expected.replace('\n', "\r\n"));
}

// T-36: what a next hop says cannot add a line or reach a terminal; addresses and names cannot hold such text at all.
#[test]
fn t_36_foreign_text_stays_one_printable_line() {
    let to = Address::parse("me@own.example").unwrap();
    let clean = rendered(&[report("you@next.example", "550 ???? no")], b"A: 1\r\n");
    for hostile in [
        "\r\nX:",
        "\n\n.\n",
        "\0\0\0\0",
        "\u{1b}[2J",
        "\u{2028}\u{80}\u{e9}\u{7f}",
        "\u{202e}",
    ] {
        let mut bad = report("you@next.example", &format!("550 {hostile} no"));
        bad.status = format!("5.1.1{hostile}");
        bad.next_hop = Some(format!("mx{hostile}"));
        let reports = [bad];
        let mut notice = notice(&to, &reports, Returned::Header(b"A: 1\r\n"));
        let ascii = text(&notice);
        assert_eq!(ascii.lines().count(), clean.lines().count(), "{hostile:?}");
        let plain = |c| matches!(c, ' '..='~' | '\r' | '\n' | '\t');
        assert!(ascii.chars().all(plain), "{hostile:?}");
        notice.utf8 = true;
        let status = notice.status();
        assert_eq!(status.matches("\r\n").count(), 9, "{hostile:?}");
        let plain = |c| matches!(c, '\r' | '\n') || is_text(c);
        assert!(status.chars().all(plain), "{hostile:?}");
    }
    let long = rendered(
        &[report("you@next.example", &"x".repeat(1 << 20))],
        b"A: 1\r\n",
    );
    assert!(long.len() < 4096);
}

// DSN-01, DSN-02, DSN-04: what the sender named is called by those names.
#[test]
fn dsn_04_the_senders_own_names() {
    let to = Address::parse("me@own.example").unwrap();
    let mut named = report("you@next.example", "550 5.1.1 No such user");
    named.original = Some(OriginalRecipient::parse("rfc822;\"Y+20o+2Bu\"@first.example").unwrap());
    let reports = [named];
    let id = EnvelopeId::parse("QQ+20314159+2B").unwrap();
    let mut notice = notice(&to, &reports, Returned::Header(b""));
    notice.envelope_id = Some(&id);
    let status = notice.status();
    assert!(
        status.starts_with("Original-Envelope-Id: QQ 314159+\r\nReporting-MTA: "),
        "{status}"
    );
    assert!(
        status.contains(
            "\r\n\r\nOriginal-Recipient: rfc822; \"Y o+u\"@first.example\r\nFinal-Recipient: rfc822; you@next.example\r\n"
        ),
        "{status}"
    );
}

// DSN-03
#[test]
fn dsn_03_delays_and_relayed_recipients() {
    let to = Address::parse("me@own.example").unwrap();
    let mut delayed = report("late@next.example", "451 4.3.0 Later");
    delayed.status = "4.3.0".to_owned();
    delayed.fate = Fate::Delayed {
        tried_for: Duration::from_secs(86_400),
    };
    delayed.next_hop = Some("192.0.2.1".to_owned());
    let mut relayed = report("there@next.example", "250 2.1.5 Ok");
    relayed.status = "2.1.5".to_owned();
    relayed.fate = Fate::Relayed;
    let reports = [relayed, delayed];
    let told = text(&notice(&to, &reports, Returned::Header(b"")));
    for part in [
        "Subject: Your message has not been delivered yet\r\n",
        "(here known as QUEUEID) has not been delivered yet to:\r\n\r\n<late@next.example>\r\n",
        "    It is tried until Sun, 22 Nov 2026 05:56:11 +0000\r\n",
        "\r\nIt was passed on to a server that sends no confirmations, for:\r\n\r\n<there@next.example>\r\n",
        "Final-Recipient: rfc822; there@next.example\r\nAction: relayed\r\nStatus: 2.1.5\r\n",
        "Action: delayed\r\nStatus: 4.3.0\r\nRemote-MTA: dns; [192.0.2.1]\r\n",
        "Will-Retry-Until: Sun, 22 Nov 2026 05:56:11 +0000\r\n",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let told = text(&notice(&to, &reports[..1], Returned::Header(b"")));
    assert!(told.contains("Subject: Your message was passed on\r\n"));
}

// EAI-05, DSN-04: RFC 6533, for a message with SMTPUTF8.
#[test]
fn eai_05_a_notice_for_who_reads_utf_8() {
    let to = Address::parse("m\u{e9}@own.example").unwrap();
    let mut bad = report(
        "b\u{f6}b@b\u{fc}cher.example",
        "550 5.1.1 Unbekannt \u{2013} b\u{f6}b",
    );
    bad.original = Some(OriginalRecipient::parse("utf-8;b\\x{F6}b+2B1@x.example").unwrap());
    let reports = [bad];
    let header = "Subject: caf\u{e9}\r\n";
    let mut notice = notice(&to, &reports, Returned::Header(header.as_bytes()));
    notice.utf8 = true;
    let told = text(&notice);
    for part in [
        "To: <m\u{e9}@own.example>\r\n",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n",
        "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: quoted-printable\r\n",
        "Final-Recipient: utf-8; b=C3=B6b@b=C3=BCcher.example\r\n",
        "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSubject: caf=C3=A9\r\n",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let status = notice.status();
    assert!(
        status.contains("Original-Recipient: utf-8; b\u{f6}b\\x{2B}1@x.example\r\n"),
        "{status}"
    );
    assert!(
        status.contains("Diagnostic-Code: smtp; 550 5.1.1 Unbekannt \u{2013} b\u{f6}b\r\n"),
        "{status}"
    );
    notice.utf8 = false;
    assert!(
        notice
            .status()
            .contains("Original-Recipient: utf-8; b\\x{F6}b\\x{2B}1@x.example\r\n")
    );
}

// DSN-01: RET=FULL.
#[test]
fn dsn_01_the_whole_message_is_returned() {
    let to = Address::parse("me@own.example").unwrap();
    let reports = [report("you@next.example", "550 no")];
    let rows = [
        (
            "Subject: x\r\n\r\nbody\r\n",
            false,
            "message/rfc822\r\n\r\n",
            "",
        ),
        (
            "Subject: x\r\n\r\ncaf\u{e9}\r\n",
            false,
            "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            "8bit",
        ),
        (
            "Subject: \u{e9}\r\n\r\ncaf\u{e9}\r\n",
            true,
            "message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            "8bit",
        ),
    ];
    for (message, utf8, kind, encoding) in rows {
        let mut notice = notice(&to, &reports, Returned::Message(message.as_bytes()));
        notice.utf8 = utf8;
        let Rendered { header, body } = notice.render();
        let body = String::from_utf8(body).unwrap();
        assert!(
            body.contains(&format!(
                "Content-Type: {kind}{message}\r\n--=_N0TICE--\r\n"
            )),
            "{body}"
        );
        assert_eq!(header.contains("Encoding: 8bit"), encoding == "8bit");
        assert!(body.contains("\r\nIt is attached.\r\n"));
    }
    assert!(can_be_returned(b"A: 1\r\n\r\n"));
    assert!(!can_be_returned(b"A: 1\r\n\r\n\0"));
    assert!(!can_be_returned(&[b'x'; 999]));
}

#[test]
fn eight_bit_and_long_lines_are_encoded() {
    let long = format!("X: {}\r\n", "y".repeat(2000));
    for (header, encoded) in [
        (
            "Subject: caf\u{e9} = \r\n".as_bytes(),
            "Subject: caf=C3=A9 =3D=20\r\n",
        ),
        (b"Subject: \xff\r\n", "Subject: =FF\r\n"),
        (long.as_bytes(), "yyy=\r\nyyy"),
    ] {
        let notice = rendered(&[report("a@b.example", "550 no")], header);
        assert!(
            notice.is_ascii() && notice.contains("Content-Transfer-Encoding: quoted-printable")
        );
        assert!(notice.contains(encoded), "{notice}");
        assert!(notice.split("\r\n").all(|line| line.len() <= MAX_LINE));
    }
}

// T-45: a long header is cut at a line, a short one not at all.
#[test]
fn the_returned_header_is_bounded() {
    let header = "X-Filler: 0123456789\r\n".repeat(10_000);
    let kept = cut_at_line(header.as_bytes());
    assert!(
        kept.len() <= MAX_RETURNED && kept.len() > MAX_RETURNED - 100 && kept.ends_with(b"\r\n")
    );
    assert_eq!(cut_at_line(b"A: 1\r\n"), b"A: 1\r\n");
    assert_eq!(cut_at_line(&vec![b'x'; MAX_RETURNED + 1]), b"");
}
