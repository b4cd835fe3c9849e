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

// DSN-01
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
