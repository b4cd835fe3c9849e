//! SMTPUTF8 and the DSN parameters, as a session takes them.

use super::harness::{Driver, codes};
use crate::Quirk;
use crate::server::{Request, SessionEvent};

/// An authenticated session that has agreed to this MAIL.
fn after(mail: &str) -> Driver {
    let mut driver = Driver::authenticated();
    assert_eq!(codes(&driver.say(mail)), ["250 2.1.0"], "{mail}");
    driver
}

// EAI-01, EAI-02
#[test]
fn eai_01_eai_02_addresses_beyond_ascii_need_smtputf8() {
    let rows: [(&[u8], &str); 6] = [
        (
            "MAIL FROM:<us\u{e9}r@example.com>\r\n".as_bytes(),
            "550 5.6.7",
        ),
        (b"MAIL FROM:<us\xe9r@example.com>\r\n", "550 5.6.7"),
        (b"MAIL FROM:<us\xe9r@example.com> SMTPUTF8\r\n", "501 5.1.7"),
        (
            b"MAIL FROM:<user@example.com> SMTPUTF8=yes\r\n",
            "501 5.5.4",
        ),
        (
            "MAIL FROM:<user@\u{e9}..example> SMTPUTF8\r\n".as_bytes(),
            "501 5.1.7",
        ),
        (
            "MAIL FROM:<us\u{e9}r@b\u{fc}cher.example> BODY=8BITMIME SMTPUTF8\r\n".as_bytes(),
            "250 2.1.0",
        ),
    ];
    let mut driver = Driver::authenticated();
    for (line, expected) in rows {
        let reply = driver.send(line);
        assert_eq!(codes(&reply), [expected], "{}", line.escape_ascii());
        assert!(reply.is_ascii(), "EAI-03");
    }
    let beyond = "RCPT TO:<b\u{f6}b@b\u{fc}cher.example>";
    assert_eq!(codes(&driver.say(beyond)), ["250 2.1.5"]);
    assert_eq!(
        codes(&driver.send(b"RCPT TO:<b\xf6b@example.net>\r\n")),
        ["501 5.1.3"]
    );
    // The permission ends with its transaction.
    driver.say("RSET");
    assert_eq!(
        codes(&driver.say("MAIL FROM:<user@example.com>")),
        ["250 2.1.0"]
    );
    assert_eq!(codes(&driver.say(beyond)), ["553 5.6.7"]);
    assert_eq!(
        codes(&driver.send(b"RCPT TO:<b\xf6b@example.net>\r\n")),
        ["553 5.6.7"]
    );
}

// DSN-01, DSN-02
#[test]
fn dsn_01_dsn_02_what_the_program_is_asked() {
    let mut driver = Driver::authenticated();
    driver.prompt = false;
    driver.say("MAIL FROM:<user@example.com> RET=HDRS ENVID=QQ+20314159+2b");
    let Some((_, Request::Mail { params, .. })) = &driver.asked else {
        panic!("MAIL asks")
    };
    assert_eq!(params.envelope_id.as_ref().unwrap().as_str(), "QQ 314159+");
    assert!(params.ret.is_some());
    driver.answer();
    driver.hear();
    driver.say("RCPT TO:<a@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40c");
    let Some((_, Request::Rcpt { params, .. })) = &driver.asked else {
        panic!("RCPT asks")
    };
    assert!(params.notify.unwrap().delay());
    assert_eq!(params.original_recipient.as_ref().unwrap().address(), "b@c");
    assert!(
        driver
            .events
            .iter()
            .any(|event| matches!(event, SessionEvent::Quirk(Quirk::LowerCaseXtext)))
    );
}

// DSN-01, V-06
#[test]
fn dsn_01_bad_values_and_the_wrong_command() {
    let mail = [
        "RET=ALL",
        "RET",
        "RET=FULL RET=HDRS",
        "ENVID=",
        "ENVID=a ENVID=a",
        "ENVID=a+0Ab",
        "ENVID=+",
        "NOTIFY=FAILURE",
        "ORCPT=rfc822;a@b",
    ];
    let mut driver = Driver::authenticated();
    for params in mail {
        let line = format!("MAIL FROM:<user@example.com> {params}");
        assert_eq!(codes(&driver.say(&line)), ["501 5.5.4"], "{line}");
    }
    let rcpt = [
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=",
        "NOTIFY=NEVER NOTIFY=NEVER",
        "ORCPT=a@b",
        "ORCPT=rfc822;a=b",
        "ORCPT=rfc822;a+0D+0Ab",
        "ORCPT=utf-8;\u{e9}@b",
        "RET=FULL",
        "ENVID=x",
    ];
    let mut driver = after("MAIL FROM:<user@example.com>");
    for params in rcpt {
        let line = format!("RCPT TO:<a@example.net> {params}");
        assert_eq!(codes(&driver.say(&line)), ["501 5.5.4"], "{line}");
        if driver.closed {
            driver = after("MAIL FROM:<user@example.com>");
        }
    }
    let mut driver = after("MAIL FROM:<user@example.com> SMTPUTF8");
    assert_eq!(
        codes(&driver.say("RCPT TO:<a@example.net> ORCPT=utf-8;\u{e9}@b")),
        ["250 2.1.5"],
        "EAI-05"
    );
}

// EAI-06: "252 plain", with the parameter and without.
#[test]
fn eai_06_vrfy_takes_smtputf8() {
    let rows = [
        ("VRFY fred", "252 2.1.5"),
        ("VRFY fred smtputf8", "252 2.1.5"),
        ("VRFY fr\u{e9}d SMTPUTF8", "252 2.1.5"),
        ("VRFY fr\u{e9}d", "553 5.6.7"),
        ("VRFY SMTPUTF8\u{e9}", "553 5.6.7"),
        ("VRFY fred SMTPUTF8X", "252 2.1.5"),
        ("VRFY fred SMTPUTF8=1", "501 5.5.4"),
        ("EXPN list SMTPUTF8", "502 5.5.1"),
    ];
    let mut driver = Driver::authenticated();
    for (line, expected) in rows {
        assert_eq!(codes(&driver.say(line)), [expected], "{line}");
    }
}

// T-36: every string of an envelope, with everything that ends a line or changes a terminal: 501, or a refusal of the line.
#[test]
fn t_36_no_string_of_the_envelope_takes_a_control_character() {
    let hostile: [(&[u8], &str, &str); 6] = [
        (b"\r", "+0D", "D"),
        (b"\n", "+0A", "A"),
        (b"\0", "+00", "0"),
        (b"\x1b", "+1B", "1B"),
        ("\u{2028}".as_bytes(), "+E2+80+A8", "2028"),
        (b"\x80", "+80", "80"),
    ];
    let mut refused = 0;
    for (raw, xtext, point) in hostile {
        let encoded = [
            format!("MAIL FROM:<user@example.com> SMTPUTF8 AUTH=a{xtext}b@example.com"),
            format!("MAIL FROM:<user@example.com> SMTPUTF8 AUTH=\"a{xtext}b\"@example.com"),
            format!("MAIL FROM:<user@example.com> SMTPUTF8 ENVID=a{xtext}b"),
            format!("RCPT TO:<a@example.net> ORCPT=rfc822;a{xtext}b"),
            format!("RCPT TO:<a@example.net> ORCPT=utf-8;a{xtext}b"),
            format!("RCPT TO:<a@example.net> ORCPT=utf-8;a\\x{{{point}}}b"),
        ];
        let mut lines: Vec<Vec<u8>> = encoded.map(String::into_bytes).to_vec();
        // A line end in a command ends the command; what stands behind it is another one.
        for (before, behind) in [
            ("MAIL FROM:<\"a", "b\"@example.com> SMTPUTF8"),
            ("MAIL FROM:<a", "b@example.com> SMTPUTF8"),
            ("MAIL FROM:<a@ex", "ample.com> SMTPUTF8"),
            ("MAIL FROM:<user@example.com> SMTPUTF8 ENVID=a", "b"),
            ("MAIL FROM:<user@example.com> SMTPUTF8 AUTH=a", "b@c"),
            ("RCPT TO:<\"a", "b\"@example.net>"),
            ("RCPT TO:<a@example.net> ORCPT=utf-8;a", "b"),
        ] {
            if raw != b"\n" {
                lines.push([before.as_bytes(), raw, behind.as_bytes()].concat());
            }
        }
        for line in lines {
            let mut driver = if line.starts_with(b"RCPT") {
                after("MAIL FROM:<user@example.com> SMTPUTF8")
            } else {
                Driver::authenticated()
            };
            driver.prompt = false;
            let reply = driver.send(&[&line[..], b"\r\n"].concat());
            assert!(driver.asked.is_none(), "{}: {reply}", line.escape_ascii());
            assert!(
                reply.starts_with("501 ")
                    || (reply.starts_with("500 ") && matches!(raw, b"\r" | b"\0")),
                "{}: {reply}",
                line.escape_ascii()
            );
            assert!(reply.is_ascii() && reply.matches('\n').count() == 1);
            refused += 1;
        }
    }
    assert_eq!(refused, 6 * 6 + 5 * 7);
}
