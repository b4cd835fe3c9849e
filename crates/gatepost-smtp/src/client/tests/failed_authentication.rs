//! AUTH that fails: what is tried next, what is never tried, and what is reported.

use super::{IN_CLEAR, Setting, TRUSTED_WIRE, UNDER_TLS, authentication};
use crate::client::{Authentication, ClientCommand, InitialResponsePolicy};

const TLS: Setting = Setting {
    commands: || vec![ClientCommand::Authenticate(authentication())],
    ..UNDER_TLS
};
const CLEAR: Setting = Setting {
    commands: TLS.commands,
    ..IN_CLEAR
};
const WIRE: Setting = Setting {
    commands: TLS.commands,
    ..TRUSTED_WIRE
};

const SCRAM: &str = "C: AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n";
const SCRAM_TO_PROOF: &str = "C: AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=
    S: 334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRixzPU1ERXlNelExTmpjNE9XRmlZMlJsWmc9PSxpPTQwOTY=
    C: Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYscD1DckRoTUpDTng0RVNJd3lMNUJJMnpLRzJKZXJXNGZjN3g1eUQvOEZoMUJVPQ==\n";
const PLAIN: &str = "C: AUTH PLAIN AHVzZXIAc2VjcmV0\n";

fn offering(line: &str, rest: &str) -> String {
    format!("S: 220 x\nC: EHLO client.example.com\nS: 250-x\nS: 250 {line}\n{rest}")
}

#[test]
fn cap_12_nothing_to_authenticate_with() {
    assert_eq!(
        TLS.end(&offering("SIZE", "")),
        "the server offers no AUTH on this port"
    );
    let end = "none of the mechanisms offered can be used: PLAIN LOGIN (a secret is not sent without TLS)";
    assert_eq!(CLEAR.end(&offering("AUTH PLAIN LOGIN", "")), end);
    // A hostile list does not reach the terminal.
    let hostile = TLS.end(&offering("AUTH \u{1b}[2JX", ""));
    assert_eq!(
        hostile,
        "none of the mechanisms offered can be used: \\u{1b}[2JX"
    );
}

/// AUTH-21, LS-26: "235 arrives while the mechanism still expects server data, or the value is wrong": unsuccessful, and the end
/// of the connection. CLI-12, T-17: nothing weaker is tried.
#[test]
fn auth_21_an_unproven_server_gets_nothing_further() {
    let end = "AUTH SCRAM-SHA-256 was given up: the server did not prove knowledge of the password";
    let wrong = "S: 334 dj0zZXZBN1h4dU1VNnRzUVJMQWY3U3cxTHJQeG9rdmJxOVlCellBNWQ2VXJVPQ==\nC: *\n";
    let rows = [
        format!("{SCRAM_TO_PROOF}S: 235 2.7.0 welcome"),
        format!("{SCRAM}S: 235 2.7.0 welcome"),
        format!("{SCRAM_TO_PROOF}{wrong}S: 501 5.7.0 cancelled"),
        format!("{SCRAM_TO_PROOF}{wrong}S: 454 4.7.0 hm"),
        format!("{SCRAM_TO_PROOF}{wrong}[EOF]"),
        format!("{SCRAM_TO_PROOF}{wrong}S: 421 4.7.0 bye"),
    ];
    for rest in rows {
        for setting in [TLS, WIRE] {
            let ends = setting.play(&offering("AUTH PLAIN LOGIN SCRAM-SHA-256", &rest));
            assert_eq!(ends, ["connected", end, "closed"], "{rest}");
        }
    }
    // Success after our cancel is none either.
    let ends = TLS.play(&offering(
        "AUTH PLAIN SCRAM-SHA-256",
        &format!("{SCRAM_TO_PROOF}{wrong}S: 235 welcome"),
    ));
    assert_eq!(
        ends,
        [
            "connected",
            "the server breaks the protocol at AUTH: unexpected reply 235 welcome",
            "closed"
        ]
    );
    // Garbage in place of the proof.
    let garbage = format!("{SCRAM_TO_PROOF}S: 334 !\nC: *\nS: 501 no");
    let ends = TLS.play(&offering("AUTH PLAIN SCRAM-SHA-256", &garbage));
    assert_eq!(
        ends,
        [
            "connected",
            "AUTH SCRAM-SHA-256 was given up: the server's challenge is not base64: 334 !"
        ]
    );
}

/// T-15, SCR-04, SCR-05: refused before anything is computed, and nothing weaker is tried.
#[test]
fn t_15_hostile_parameters() {
    let rows = [
        (
            "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRixzPU1ERXlNelExTmpjNE9XRmlZMlJsWmc9PSxpPTE=",
            "1 iterations",
        ),
        (
            "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRixzPU1ERXlNelExTmpjNE9XRmlZMlJsWmc9PSxpPTIxNDc0ODM2NDc=",
            "2147483647 iterations",
        ),
        (
            "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRixzPU1ERXlNelExTmpjNE9XRmlZMlJsWmc9PSxpPTEwMDAwMDAx",
            "10000001 iterations",
        ),
        (
            "cj1YT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRixzPU1ERXlNelExTmpjNE9XRmlZMlJsWmc9PSxpPTQwOTY=",
            "does not continue",
        ),
    ];
    for (server_first, expected) in rows {
        let dialogue = offering(
            "AUTH PLAIN SCRAM-SHA-256",
            &format!("{SCRAM}S: 334 {server_first}\nC: *\nS: 501 cancelled"),
        );
        let ends = TLS.play(&dialogue);
        assert!(ends.len() == 2 && ends[1].contains(expected), "{ends:?}");
    }
}

/// AUTH-29: "one retry only when the first was a hash mechanism against a server also offering PLAIN/LOGIN under verified TLS".
#[test]
fn auth_29_one_further_try_and_only_under_tls() {
    let refused = format!("{SCRAM_TO_PROOF}S: 535 5.7.8 no\n");
    let under_tls = offering(
        "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256",
        &format!("{refused}{PLAIN}S: 535 5.7.8 really no"),
    );
    assert_eq!(
        TLS.end(&under_tls),
        "the server refuses AUTH PLAIN: 535 5.7.8 really no"
    );
    let works = offering(
        "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256",
        &format!("{refused}{PLAIN}S: 235 ok"),
    );
    assert_eq!(TLS.end(&works), "authenticated by PLAIN");
    for setting in [CLEAR, WIRE] {
        let in_clear = offering("AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", &refused);
        assert_eq!(
            setting.end(&in_clear),
            "the server refuses AUTH SCRAM-SHA-256: 535 5.7.8 no"
        );
    }
    // SCR-11, LS-15: the same in SCRAM's own words.
    let e = format!("{SCRAM_TO_PROOF}S: 334 ZT1pbnZhbGlkLXByb29m\nC: *\nS: 535 5.7.8 no\n");
    let dialogue = offering("AUTH SCRAM-SHA-256", &e);
    assert_eq!(
        TLS.end(&dialogue),
        "AUTH SCRAM-SHA-256 was given up: the server refuses the user name or password"
    );
    let plain = offering("AUTH PLAIN LOGIN", &format!("{PLAIN}S: 535 5.7.8 no"));
    assert_eq!(
        TLS.end(&plain),
        "the server refuses AUTH PLAIN: 535 5.7.8 no"
    );
}

/// AUTH-29, LS-11, LS-12, CODE-03, CODE-04, CODE-06: what the first refusal of the strongest mechanism leads to.
#[test]
fn code_03_what_a_refusal_means() {
    enum Then {
        Plain,
        Nothing,
    }
    let rows = [
        ("504 5.5.4 unknown", Then::Plain),
        ("534 5.7.9 too weak", Then::Plain),
        (
            "535 5.7.8 Error: authentication failed: Invalid authentication mechanism",
            Then::Plain,
        ),
        ("554 5.7.8 no such mechanism", Then::Plain),
        ("454 4.7.0 unsupported", Then::Plain),
        ("432 4.7.12 transition", Then::Plain),
        ("435 later", Then::Nothing),
        ("453 later", Then::Nothing),
        ("455 4.3.0 later", Then::Nothing),
        ("451 4.3.0 later", Then::Nothing),
    ];
    for (refusal, then) in rows {
        let (next, end) = match then {
            Then::Plain => (
                format!("{PLAIN}S: 235 ok"),
                "authenticated by PLAIN".to_owned(),
            ),
            Then::Nothing => (
                String::new(),
                format!("the server refuses AUTH SCRAM-SHA-256: {refusal}"),
            ),
        };
        let dialogue = offering(
            "AUTH SCRAM-SHA-256 PLAIN",
            &format!("{SCRAM}S: {refusal}\n{next}"),
        );
        assert_eq!(TLS.end(&dialogue), end, "{refusal}");
    }
    // CODE-09: with the password out, "not now" is not asked twice.
    let down = offering(
        "AUTH PLAIN LOGIN",
        &format!("{PLAIN}S: 454 4.7.0 directory down"),
    );
    assert_eq!(
        TLS.end(&down),
        "the server refuses AUTH PLAIN: 454 4.7.0 directory down"
    );
}

/// A refusal of the credentials tells more than a later refusal of a mechanism, and "not now" more than "not this one".
#[test]
fn the_failure_that_tells_most_is_reported() {
    let dialogue = offering(
        "AUTH SCRAM-SHA-256 PLAIN",
        &format!("{SCRAM_TO_PROOF}S: 535 5.7.8 no\n{PLAIN}S: 504 5.5.4 unknown"),
    );
    assert_eq!(
        TLS.end(&dialogue),
        "the server refuses AUTH SCRAM-SHA-256: 535 5.7.8 no"
    );
    let dialogue = offering(
        "AUTH SCRAM-SHA-256 PLAIN",
        &format!("{SCRAM}S: 454 4.7.0 later\n{PLAIN}S: 504 5.5.4 unknown"),
    );
    assert_eq!(
        TLS.end(&dialogue),
        "the server refuses AUTH SCRAM-SHA-256: 454 4.7.0 later"
    );
}

/// AUTH-30, LS-14, LS-29: EOF, 421 or a second reply after the refusal do not hide it, and nothing is sent into them.
#[test]
fn auth_30_a_server_that_closes_after_its_refusal() {
    let end = "the server refuses AUTH SCRAM-SHA-256: 535 5.7.8 no";
    for close in ["[EOF]", "S: 421 4.7.0 too many errors"] {
        let dialogue = offering(
            "AUTH SCRAM-SHA-256 PLAIN",
            &format!("{SCRAM_TO_PROOF}S: 535 5.7.8 no\n{PLAIN}{close}"),
        );
        assert_eq!(TLS.play(&dialogue), ["connected", end, "closed"], "{close}");
    }
    let both = offering(
        "AUTH SCRAM-SHA-256 PLAIN",
        &format!("{SCRAM_TO_PROOF}S+ 535 5.7.8 no\nS: 455 4.3.0 closing"),
    );
    assert_eq!(
        TLS.play_once(&both, usize::MAX),
        ["connected", end, "closed"]
    );
    let form = offering(
        "AUTH SCRAM-SHA-256",
        &format!("{SCRAM}S+ 501 5.5.2 what?\nS: 421 4.7.0 bye"),
    );
    assert_eq!(
        TLS.play_once(&form, usize::MAX),
        [
            "connected",
            "the server refuses AUTH SCRAM-SHA-256: 501 5.5.2 what?",
            "closed"
        ]
    );
    // 421 in place of the refusal is temporary.
    let instead = offering("AUTH PLAIN", &format!("{PLAIN}S: 421 4.7.0 too many"));
    assert_eq!(
        TLS.play(&instead)[1],
        "the server refuses AUTH: 421 4.7.0 too many"
    );
}

/// AUTH-08, LS-06, CLI-10, LS-30: what is not base64, on one line, is cancelled; then the next mechanism.
#[test]
fn auth_08_cancel_and_go_on() {
    for challenge in ["334 Rubbish", "334 ", "334", "334 PDFAeD4"] {
        let rest = format!(
            "C: AUTH CRAM-MD5\nS: {challenge}\nC: *\nS: 501 5.7.0 cancelled\nC: AUTH LOGIN"
        );
        let dialogue = offering("AUTH CRAM-MD5 LOGIN", &rest);
        assert_eq!(WIRE.play(&dialogue), ["connected"], "{challenge}");
    }
    let rest = "C: AUTH CRAM-MD5\nS: 334-PDFAeD4=\nS: 334 PDFAeD4=\nC: *\nS: 501 no";
    let end = WIRE.end(&offering("AUTH CRAM-MD5", rest));
    assert_eq!(
        end,
        "AUTH CRAM-MD5 was given up: the server's challenge is not base64: 334 PDFAeD4= PDFAeD4="
    );
}

/// PLAIN-07, LS-13: a further 334 after the password is cancelled, its text reported, and the password goes nowhere else.
#[test]
fn plain_07_a_334_after_the_password() {
    let text = "334 5.7.8 This account requires multi-factor authentication";
    let dialogue = offering(
        "AUTH PLAIN LOGIN",
        &format!("{PLAIN}S: {text}\nC: *\nS: 501 5.7.0 no"),
    );
    assert_eq!(
        TLS.end(&dialogue),
        format!("AUTH PLAIN was given up: the server's challenge is not base64: {text}")
    );
    let dialogue = offering(
        "AUTH PLAIN LOGIN",
        &format!("{PLAIN}S: 334 \nC: *\nS: 501 5.7.0 no"),
    );
    assert_eq!(
        TLS.end(&dialogue),
        "AUTH PLAIN was given up: the server goes on after the exchange was over"
    );
}

/// AUTH-23, T-15, T-48: challenges without end; LS-28: success by another code than 235.
#[test]
fn a_hostile_exchange_ends() {
    let hostile = ["250 ok", "220 hi", "354 go", "350 more"];
    for reply in hostile {
        let ends = TLS.play(&offering("AUTH PLAIN", &format!("{PLAIN}S: {reply}")));
        assert_eq!(
            ends[1..],
            [
                format!("the server breaks the protocol at AUTH: unexpected reply {reply}"),
                "closed".to_owned()
            ]
        );
    }
    let ends = TLS.play(&offering("AUTH LOGIN", "C: AUTH LOGIN\n[600 s]"));
    assert_eq!(
        ends[1..],
        ["the server did not answer in time at AUTH", "closed"]
    );
    // Attempts are bounded whatever the server says.
    let setting = Setting {
        commands: || {
            let initial_response = InitialResponsePolicy::Eager;
            vec![ClientCommand::Authenticate(Authentication {
                initial_response,
                ..authentication()
            })]
        },
        ..UNDER_TLS
    };
    let dialogue = offering(
        "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256",
        &format!(
            "{SCRAM}S: 501 a\nC: AUTH SCRAM-SHA-256\nS: 501 b\n{PLAIN}S: 501 c\nC: AUTH PLAIN\nS: 501 d\nC: AUTH LOGIN dXNlcg==\nS: 501 e"
        ),
    );
    assert_eq!(
        setting.play(&dialogue)[1..],
        ["the server refuses AUTH LOGIN: 501 e"]
    );
}
