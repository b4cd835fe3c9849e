use super::harness::{Driver, codes, legacy, origin, submission};
use crate::server::{Input, Profile, ServerSession, SessionEvent, TlsPolicy};
use crate::{Quirk, QuirkSet, Refusal, SessionId, TlsFacts};

// CAP-10
#[test]
fn cap_10_what_ehlo_announces() {
    let mut driver = Driver::tls();
    assert_eq!(
        driver.say("EHLO client.example.com"),
        "250-mail.example.com\n250-PIPELINING\n250-SIZE 67108864\n250-8BITMIME\n250-CHUNKING\n250-BINARYMIME\n250-ENHANCEDSTATUSCODES\n250-DSN\n250-SMTPUTF8\n\
         250-LIMITS RCPTMAX=1000\n250-AUTH CRAM-MD5 PLAIN LOGIN\n250 HELP\n"
    );
    let facts = driver.session.greeting_facts();
    assert_eq!(
        (facts.helo, facts.protocol(false).keyword()),
        ("client.example.com", "ESMTPS")
    );
}

// LC-19, LC-20, SMTP-02
#[test]
fn lc_19_lc_20_odd_names() {
    let names = [
        "_",
        "my_host",
        "localhost",
        "192.168.1.70",
        "[192.168.1.70]",
        "a.b.",
        "PC de Zo\u{e9}",
        "\u{1b}[1m",
    ];
    for name in names {
        assert_eq!(
            codes(&Driver::tls().say(&format!("EHLO {name}"))),
            ["250"],
            "{name}"
        );
    }
    let mut driver = Driver::tls();
    driver.say(&format!("EHLO {}", "x".repeat(300)));
    assert_eq!(driver.session.greeting_facts().helo.len(), 255);
    driver.send(b"EHLO a\x1b[1m\xff\r\n");
    assert_eq!(
        driver.session.greeting_facts().helo,
        "a?[1m\u{fffd}",
        "T-36"
    );

    let mut driver = Driver::legacy();
    assert_eq!(driver.say("HELO "), "250 mail.example.com\n");
    assert_eq!(driver.session.greeting_facts().helo, "unknown");
    assert_eq!(codes(&Driver::tls().say("EHLO ")), ["501 5.5.4"]);
}

// SMTP-13, SMTP-20, CODE-01
#[test]
fn simple_commands() {
    let mut driver = Driver::authenticated();
    let rows = [
        ("NOOP", "250 2.0.0 Ok\n"),
        ("NOOP with an argument", "250 2.0.0 Ok\n"),
        ("RSET", "250 2.0.0 Ok\n"),
        (
            "HELP",
            "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\n",
        ),
        (
            "VRFY fred",
            "252 2.1.5 Cannot verify, but will accept the message and attempt delivery\n",
        ),
        ("EXPN list", "502 5.5.1 Command not implemented [S.1]\n"),
        ("ETRN x", "502 5.5.1 Command not implemented [S.2]\n"),
        ("TURN", "502 5.5.1 Command not implemented [S.3]\n"),
        ("ATRN", "502 5.5.1 Command not implemented [S.4]\n"),
        ("", "500 5.5.2 Empty command line [S.5]\n"),
        ("FOO", "500 5.5.1 Command not recognized [S.6]\n"),
        ("STARTTLS", "503 5.5.1 STARTTLS not possible now [S.7]\n"),
        ("QUIT", "221 2.0.0 Bye\n"),
    ];
    for (line, reply) in rows {
        assert_eq!(driver.say(line), reply, "{line}");
    }
    assert!(driver.closed);
    assert_eq!(driver.events.len(), 7, "each refusal once");
}

// AUTH-19
#[test]
fn auth_19_what_may_come_before_auth() {
    let mut driver = Driver::greeted();
    let lines = [
        "NOOP",
        "RSET",
        "HELP",
        "VRFY x",
        "MAIL FROM:<a@b>",
        "RCPT TO:<a@b>",
        "DATA",
    ];
    let expected = [
        "250 2.0.0",
        "250 2.0.0",
        "214 2.0.0",
        "530 5.7.0",
        "530 5.7.0",
        "530 5.7.0",
        "503 5.5.1",
    ];
    assert_eq!(driver.codes(&lines), expected);
}

// SMTP-06, EOL-09
#[test]
fn smtp_06_eol_09_lines_that_cannot_be_read() {
    let mut driver = Driver::greeted();
    assert_eq!(
        driver.say(&format!("NOOP {}", "x".repeat(5000))),
        "500 5.5.2 Line too long [S.1]\n"
    );
    assert_eq!(
        driver.send(b"NOOP\rNOOP\r\n"),
        "500 5.5.2 Control character in command line [S.2]\n"
    );
    assert_eq!(
        driver.send(b"NOOP\0\r\n"),
        "500 5.5.2 Control character in command line [S.3]\n"
    );
    assert_eq!(
        codes(&driver.send(b"NO\0OP\r\nNOOP\r\n")),
        ["421 4.7.0"],
        "closed after three"
    );
    assert!(driver.closed);
}

// EOL-06
#[test]
fn eol_06_bare_line_feeds() {
    let mut driver = Driver::legacy();
    assert_eq!(
        codes(&driver.send(b"EHLO scanner\nAUTH LOGIN\n")),
        ["250", "334"],
        "LC-16"
    );
    assert_eq!(
        driver.events,
        [SessionEvent::Quirk(Quirk::BareLineFeed)],
        "reported once"
    );
    let mut driver = Driver::with_quirks(legacy(), QuirkSet::NONE);
    assert_eq!(codes(&driver.send(b"EHLO scanner\n")), ["500 5.5.2"]);
}

// SMTP-15
#[test]
fn smtp_15_twenty_errors_then_421() {
    let mut driver = Driver::greeted();
    for _ in 0..20 {
        assert_eq!(codes(&driver.say("FOO")), ["500 5.5.1"]);
    }
    assert_eq!(codes(&driver.say("FOO")), ["421 4.7.0"]);
    assert!(driver.closed && !driver.session.wants_input());
    assert_eq!(driver.say("NOOP"), "");
}

#[test]
fn t_37_commands_for_ever() {
    for line in ["NOOP", "RSET", "EHLO x", "HELP", "MAIL FROM:<nobody>"] {
        let mut driver = Driver::authenticated();
        let mut count = 0;
        while !driver.closed {
            driver.say(line);
            count += 1;
            assert!(count <= 1_001, "{line}");
        }
    }
}

// LC-39, LC-38
#[test]
fn lc_39_http_and_lc_38_tls_on_the_port() {
    let mut driver = Driver::legacy();
    let request = b"GET / HTTP/1.1\r\nHost: mail.example.com\r\n\r\n";
    assert_eq!(
        driver.send(request),
        "421 4.7.0 This is an SMTP server, closing connection [S.1]\n"
    );
    assert!(driver.closed);
    let mut driver = Driver::legacy();
    assert_eq!(
        codes(&driver.send(b"\x16\x03\x01\x02\x00\x01")),
        ["554 5.7.0"]
    );
    assert!(driver.closed);
    let refusal = ServerSession::refuse(Refusal::ImplicitTlsExpected, SessionId::new("S").unwrap());
    assert_eq!(refusal, b"554 5.7.0 TLS required on this port [S.1]\r\n");
}

// SMTP-01
#[test]
fn smtp_01_who_talks_before_the_greeting_is_heard_behind_it() {
    let mut session = ServerSession::new(
        std::sync::Arc::new(submission()),
        SessionId::new("S").unwrap(),
        Some(TlsFacts::default()),
        origin(),
    );
    session.handle(Input::Bytes(b"NOOP\r\n"), origin());
    assert_eq!(
        session.pending_output(),
        b"220 mail.example.com ESMTP server ready\r\n250 2.0.0 Ok\r\n"
    );
}

// TLS-02, TLS-04, T-31, V-14: "in one segment, split at every byte", and with a bare LF.
#[test]
fn tls_02_tls_04_t_31_v_14_starttls() {
    let driver = || {
        Driver::new(
            Profile {
                tls: TlsPolicy::StartTlsRequired,
                ..submission()
            },
            None,
        )
    };
    assert_eq!(codes(&driver().say("STARTTLS x")), ["501 5.5.4"]);
    assert_eq!(codes(&driver().say("starttls")), ["220 2.0.0"]);

    for attack in [
        &b"STARTTLS\r\nEHLO x\r\n"[..],
        b"STARTTLS\nEHLO x\r\n",
        b"STARTTLS\r\nQUIT\r\nNOOP\r\n",
    ] {
        for cut in 0..attack.len() {
            let mut driver = driver();
            let mut replies = driver.send(&attack[..cut]);
            replies += &driver.send(&attack[cut..]);
            let expected: &[&[&str]] = &[&["554 5.5.0"], &["220 2.0.0", "554 5.5.0"]];
            let codes = codes(&replies);
            assert!(
                expected
                    .iter()
                    .any(|codes_expected| codes == *codes_expected),
                "cut at {cut}: {codes:?}"
            );
            assert!(driver.closed);
        }
    }
}

// TLS-04
#[test]
fn tls_04_a_handshake_that_came_early_is_handed_over() {
    let mut driver = Driver::new(submission(), None);
    assert_eq!(
        codes(&driver.send(b"EHLO x\r\nSTARTTLS\r\n\x16\x03\x01")),
        ["250", "220 2.0.0"]
    );
    assert_eq!(driver.early_tls.as_deref(), Some(&b"\x16\x03\x01"[..]));
    assert!(!driver.session.wants_input());
    driver.handle(Input::TlsStarted(TlsFacts::default()));
    let ehlo = driver.say("EHLO x");
    assert!(
        !ehlo.contains("STARTTLS") && ehlo.contains("AUTH"),
        "TLS-03, TLS-07: {ehlo}"
    );
}

// TLS-08
#[test]
fn tls_08_starttls_ends_the_transaction() {
    let mut driver = Driver::new(
        Profile {
            require_auth: false,
            ..submission()
        },
        None,
    );
    assert_eq!(
        driver.codes(&["EHLO x", "MAIL FROM:<a@b>", "STARTTLS"]),
        ["250", "250 2.1.0", "220 2.0.0"]
    );
    assert_eq!(driver.events, [SessionEvent::TransactionReset]);
    driver.handle(Input::TlsStarted(TlsFacts::default()));
    assert_eq!(
        driver.codes(&["EHLO x", "RCPT TO:<a@b>"]),
        ["250", "503 5.5.1"]
    );
}
