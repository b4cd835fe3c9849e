//! Up to the first command.

use super::{IN_CLEAR, Setting, UNDER_TLS};
use crate::client::{ClientCommand, StartTlsUse};

const REQUIRED: Setting = Setting {
    start_tls: StartTlsUse::Required,
    ..IN_CLEAR
};

/// CLI-01, SMTP-01: "greet → EHLO".
#[test]
fn cli_01_greeting_then_ehlo() {
    let dialogue = "S: 220-smtp.example.com
        S: 220 ESMTP
        C: EHLO client.example.com
        S: 250-smtp.example.com
        S: 250 AUTH PLAIN";
    assert_eq!(UNDER_TLS.play(dialogue), ["connected"]);
}

/// CLI-01: "EHLO refused 5xx → HELO (then no AUTH…)".
#[test]
fn cli_01_helo_where_ehlo_is_unknown() {
    let dialogue = "S: 220 smtp.example.com
        C: EHLO client.example.com
        S: 500 what?
        C: HELO client.example.com
        S: 250 smtp.example.com";
    assert_eq!(IN_CLEAR.play(dialogue), ["connected"]);
}

/// LS-19, RFC 3207 §4.2: "The client MUST discard any knowledge obtained from the server".
#[test]
fn start_tls_then_everything_anew() {
    let dialogue = "S: 220 smtp.example.com
        C: EHLO client.example.com
        S: 250-smtp.example.com
        S: 250-AUTH LOGIN
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go ahead
        [TLS]
        C: EHLO client.example.com
        S: 250-smtp.example.com
        S: 250 AUTH PLAIN
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 235 ok";
    let setting = Setting {
        commands: || vec![ClientCommand::Authenticate(super::authentication())],
        ..REQUIRED
    };
    assert_eq!(
        setting.play(dialogue),
        ["connected", "authenticated by PLAIN"]
    );
}

/// TLS-18, T-30: not offered, refused, or offered only by a HELO server: nothing secret is said.
#[test]
fn tls_18_no_tls_no_further() {
    let not_offered = "S: 220 smtp.example.com
        C: EHLO client.example.com
        S: 250-smtp.example.com
        S: 250 AUTH PLAIN LOGIN";
    let end = "TLS is required and the server does not offer STARTTLS; perhaps somebody on the way removes it";
    assert_eq!(REQUIRED.play(not_offered), [end, "closed"]);
    let helo = "S: 220 smtp.example.com
        C: EHLO client.example.com
        S: 502 no
        C: HELO client.example.com
        S: 250 smtp.example.com";
    assert_eq!(REQUIRED.play(helo), [end, "closed"]);
    let refused = "S: 220 smtp.example.com
        C: EHLO client.example.com
        S: 250-smtp.example.com
        S: 250 STARTTLS
        C: STARTTLS
        S: 454 4.7.0 not now";
    assert_eq!(
        REQUIRED.play(refused),
        ["the server refuses STARTTLS: 454 4.7.0 not now", "closed"]
    );
}

/// TLS-05, LS-20, T-31, V-13: replies that follow the go-ahead in clear, in its segment or in a later one.
#[test]
fn tls_05_injected_replies_end_it() {
    let beginning = "S: 220 smtp.example.com
        C: EHLO client.example.com
        S: 250-smtp.example.com
        S: 250 STARTTLS
        C: STARTTLS\n";
    let end = [
        "replies in clear followed the go-ahead to STARTTLS; somebody may be tampering",
        "closed",
    ];
    for injected in [
        "S+ 220 go\nS: 250-AUTH PLAIN",
        "S+ 220 go\nS: 250 AUTH PLAIN",
        "S: 220 go\nS: 250 AUTH PLAIN",
    ] {
        assert_eq!(REQUIRED.play(&format!("{beginning}{injected}")), end);
    }
    let refusal = format!("{beginning}S+ 454 no\nS: 250 AUTH PLAIN");
    assert_eq!(
        REQUIRED.play(&refusal),
        ["the server refuses STARTTLS: 454 no", "closed"]
    );
}

/// TLS-12: the port speaks TLS from the first octet; T-48: it speaks something else.
#[test]
fn what_does_not_greet() {
    let rows = [
        (
            "S: \u{15}\u{3}\u{1}",
            "the server speaks TLS from the first octet: this is an implicit TLS port",
        ),
        (
            "[EOF]",
            "the server closed the connection before its greeting; perhaps this port expects TLS from the first octet",
        ),
        (
            "[300 s]",
            "the server did not answer in time at the greeting",
        ),
        (
            "S: 554 5.7.1 go away",
            "the server refuses the greeting: 554 5.7.1 go away",
        ),
        (
            "S: 421 4.3.2 busy",
            "the server refuses the greeting: 421 4.3.2 busy",
        ),
        (
            "S: 354 hm",
            "the server breaks the protocol at the greeting: unexpected reply 354 hm",
        ),
        (
            "S: SSH-2.0-OpenSSH_9.2",
            "the server breaks the protocol at the greeting: what came is not an SMTP reply",
        ),
        (
            "S: 554 \u{1b}[2J\u{7}",
            "the server refuses the greeting: 554 \\u{1b}[2J\\u{7}",
        ),
    ];
    for (dialogue, end) in rows {
        assert_eq!(IN_CLEAR.play(dialogue), [end, "closed"], "{dialogue}");
    }
}

/// LS-14: what comes between commands is the server's farewell, and the next command learns of it.
#[test]
fn ls_14_unasked_replies_close() {
    let setting = Setting {
        commands: || vec![ClientCommand::Reset],
        ..IN_CLEAR
    };
    let hello = "S: 220 smtp.example.com
        C: EHLO client.example.com\n";
    let dialogue = format!("{hello}S: 250 ok\nC: RSET\nS: 250 ok\nS: 421 4.4.2 idle too long");
    assert_eq!(setting.play(&dialogue), ["connected", "reset", "closed"]);
    let dialogue = format!("{hello}S: 250 ok\nC: RSET\nS: 250 ok\nS: 250 hm");
    assert_eq!(setting.play(&dialogue), ["connected", "reset", "closed"]);
}

#[test]
fn quit_ends_well_whatever_comes() {
    let setting = Setting {
        commands: || vec![ClientCommand::Quit],
        ..IN_CLEAR
    };
    for answer in ["S: 221 bye", "S: 421 bye", "S: 500 what?", "[EOF]", "[6 s]"] {
        let dialogue = format!("S: 220 x\nC: EHLO client.example.com\nS: 250 x\nC: QUIT\n{answer}");
        assert_eq!(
            setting.play(&dialogue),
            ["connected", "quit", "closed"],
            "{answer}"
        );
    }
}

/// LS-33, LS-34: long lines, many lines, trailing blanks, extensions for somebody else.
#[test]
fn ls_33_a_talkative_greeting() {
    let mut hello = "S: 220 smtp.example.com\nC: EHLO client.example.com\n".to_owned();
    for number in 0..200 {
        hello.push_str(
            &[
                "S: 250-X",
                &number.to_string(),
                &"y".repeat(number * 2),
                "\n",
            ]
            .concat(),
        );
    }
    let hello =
        hello + "S: 250-XCLIENT ADDR PORT LOGIN PROTO HELO\nS: 250-AUTH   PLAIN \t \nS: 250 X ";
    let setting = Setting {
        commands: || vec![ClientCommand::Authenticate(super::authentication())],
        ..UNDER_TLS
    };
    let dialogue = hello + "\nC: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: 235 ok";
    assert_eq!(setting.play(&dialogue)[1], "authenticated by PLAIN");
}
