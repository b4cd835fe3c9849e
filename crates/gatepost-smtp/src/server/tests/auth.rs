use std::sync::LazyLock;

use gatepost_sasl::{AwaitResponse, Mechanism, ServerStep};

use super::harness::{Driver, PLAIN_OK, PLAIN_WRONG, codes, legacy, submission};
use crate::server::{AbortCause, AuthEnd, Profile, SessionEvent, TlsPolicy};
use crate::{Quirk, QuirkSet, Refusal, ShortId};

fn auth_ends(driver: &Driver) -> Vec<&AuthEnd> {
    let ends = driver.events.iter().filter_map(|event| match event {
        SessionEvent::AuthEnded { end, .. } => Some(end),
        _ => None,
    });
    ends.collect()
}

// LC-01, LC-09, AUTH-01, AUTH-02, AUTH-03, AUTH-04, AUTH-07, AUTH-12, CODE-08, LEG-02, LEG-03,
// LEG-04
#[test]
fn lc_01_to_lc_09_forms_that_succeed() {
    let dialogues: [&[(&str, &str)]; 8] = [
        &[
            ("AUTH login dXNlckBleGFtcGxlLmNvbQ==", "334 UGFzc3dvcmQ6\n"),
            ("c2VjcmV0", "235 2.7.0 Authentication successful\n"),
        ],
        &[
            ("AUTH LOGIN", "334 VXNlcm5hbWU6\n"),
            ("dXNlckBleGFtcGxlLmNvbQ==", "334 UGFzc3dvcmQ6\n"),
            ("c2VjcmV0", "235 2.7.0 Authentication successful\n"),
        ],
        &[
            ("AUTH LOGIN =", "334 VXNlcm5hbWU6\n"),
            ("dXNlckBleGFtcGxlLmNvbQ==", "334 UGFzc3dvcmQ6\n"),
            ("c2VjcmV0", "235 2.7.0 Authentication successful\n"),
        ],
        &[
            ("AUTH PLAIN", "334 \n"),
            (
                "AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0",
                "235 2.7.0 Authentication successful\n",
            ),
        ],
        &[(
            "AUTH PLAIN  AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0",
            "235 2.7.0 Authentication successful\n",
        )],
        &[
            ("AUTH PLAIN ", "334 \n"),
            (
                "AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0 ",
                "235 2.7.0 Authentication successful\n",
            ),
        ],
        &[(
            "auth pLaIn AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0",
            "235 2.7.0 Authentication successful\n",
        )],
        &[(
            "AUTH PLAIN dXNlckBleGFtcGxlLmNvbQB1c2VyQGV4YW1wbGUuY29tAHNlY3JldA==",
            "235 2.7.0 Authentication successful\n",
        )],
    ];
    for dialogue in dialogues {
        let mut driver = Driver::greeted();
        for (line, reply) in dialogue {
            assert_eq!(driver.say(line), *reply, "{line}");
        }
        assert!(matches!(auth_ends(&driver)[..], [AuthEnd::Won(_)]));
        assert_eq!(
            driver.session.identity().unwrap().login(),
            "user@example.com"
        );
    }
}

// LC-05
#[test]
fn lc_05_a_second_try_and_the_events_of_both() {
    let mut driver = Driver::greeted();
    assert_eq!(
        driver.say(PLAIN_WRONG),
        "535 5.7.8 Authentication credentials invalid [S.1]\n"
    );
    let id = ShortId {
        session: driver.session.id(),
        number: 1,
    };
    assert!(
        matches!(&driver.events[..], [SessionEvent::AuthEnded { end: AuthEnd::Lost(Refusal::CredentialsInvalid), told: Some((Refusal::CredentialsInvalid, shown)), .. }] if *shown == id)
    );
    assert_eq!(codes(&driver.say(PLAIN_OK)), ["235 2.7.0"]);
    assert_eq!(
        driver.events.len(),
        2,
        "one event per attempt and nothing else"
    );
}

// AUTH-05, AUTH-09, AUTH-11, AUTH-17, CODE-09
#[test]
fn the_table_of_auth_events_on_the_wire() {
    let rows = [
        (
            "row 3",
            "AUTH PLAIN AGRvd24AeA==",
            "454 4.7.0 Temporary authentication failure [S.1]\n",
        ),
        (
            "row 4",
            "AUTH FOOBAR",
            "504 5.5.4 Unrecognized authentication mechanism [S.1]\n",
        ),
        (
            "row 6",
            "AUTH PLAIN =AAA",
            "501 5.5.2 Invalid base64 [S.1]\n",
        ),
        (
            "row 6",
            "AUTH PLAIN AAA=BBB",
            "501 5.5.2 Invalid base64 [S.1]\n",
        ),
        (
            "row 8",
            "AUTH CRAM-MD5 dGlt",
            "501 5.7.0 Mechanism does not take an initial response [S.1]\n",
        ),
        (
            "row 13",
            "AUTH",
            "501 5.5.4 Syntax: AUTH mechanism [initial-response] [S.1]\n",
        ),
        (
            "row 13",
            "AUTH PLAIN a b",
            "501 5.5.4 Syntax: AUTH mechanism [initial-response] [S.1]\n",
        ),
        (
            "row 22",
            "AUTH THIS-NAME-IS-TOO-LONG",
            "501 5.5.4 Syntax: AUTH mechanism [initial-response] [S.1]\n",
        ),
        (
            "PLAIN-02",
            "AUTH PLAIN AAAA",
            "501 5.5.2 Malformed authentication response [S.1]\n",
        ),
        (
            "AUTH-05",
            "AUTH PLAIN =",
            "535 5.7.8 Authentication credentials invalid [S.1]\n",
        ),
        (
            "LC-45",
            "AUTH PLAIN AAA=",
            "535 5.7.8 Authentication credentials invalid [S.1]\n",
        ),
    ];
    for (row, line, reply) in rows {
        let mut driver = Driver::greeted();
        assert_eq!(driver.say(line), reply, "{row}: {line}");
        assert_eq!(driver.events.len(), 1, "{row}");
        assert_eq!(
            codes(&driver.say(PLAIN_OK)),
            ["235 2.7.0"],
            "{row}: AUTH-17, the session is as before"
        );
    }
}

// CODE-05, CAP-03
#[test]
fn row_5_row_14_mechanisms_without_tls() {
    let mut driver = Driver::new(submission(), None);
    driver.mechanisms = Vec::new();
    assert!(driver.say("EHLO x").contains("250-STARTTLS\n"));
    let expected = "538 5.7.11 Encryption required for requested authentication mechanism [S.1]\n";
    assert_eq!(driver.say(PLAIN_OK), expected);
    assert!(
        matches!(
            &driver.events[..],
            [
                SessionEvent::PasswordExposed { .. },
                SessionEvent::Refused { .. }
            ]
        ),
        "LC-32"
    );
    assert_eq!(codes(&driver.say("AUTH FOOBAR")), ["504 5.5.4"]);

    let mut driver = Driver::legacy();
    driver.mechanisms = Vec::new();
    assert!(!driver.say("EHLO x").contains("AUTH"), "CAP-03");
    assert_eq!(codes(&driver.say(PLAIN_OK)), ["503 5.5.1"]);
}

// TLS-06, CAP-13
#[test]
fn tls_06_where_tls_is_required_auth_is_not_looked_at() {
    let mut driver = Driver::new(Profile::submission("mail.example.com"), None);
    driver.say("EHLO x");
    assert_eq!(
        driver.say(PLAIN_OK),
        "530 5.7.0 Must issue a STARTTLS command first [S.1]\n"
    );
    assert_eq!(
        driver.say(PLAIN_WRONG),
        "530 5.7.0 Must issue a STARTTLS command first [S.2]\n"
    );
    let refused = driver
        .events
        .iter()
        .filter(|event| matches!(event, SessionEvent::Refused { .. }))
        .count();
    let exposed = driver
        .events
        .iter()
        .filter(|event| matches!(event, SessionEvent::PasswordExposed { .. }))
        .count();
    assert_eq!((refused, exposed), (2, 2), "CAP-13");
}

// AUTH-10, AUTH-24, PIPE-03, LEG-16
#[test]
fn auth_10_auth_24_leaving_an_exchange() {
    let mut driver = Driver::greeted();
    driver.say("AUTH LOGIN");
    assert_eq!(driver.say("*"), "501 5.7.0 Authentication aborted [S.1]\n");
    driver.say("AUTH LOGIN");
    assert_eq!(
        driver.say("user@example.com"),
        "501 5.5.2 Invalid base64 [S.2]\n",
        "LC-34"
    );
    driver.say("AUTH PLAIN");
    assert_eq!(
        driver.say("MAIL FROM:<a@b>"),
        "501 5.5.2 Invalid base64 [S.3]\n",
        "PIPE-03"
    );
    driver.say("AUTH LOGIN");
    assert_eq!(
        driver.say("quit"),
        "501 5.7.0 Authentication aborted [S.4]\n221 2.0.0 Bye\n",
        "LC-03"
    );
    assert!(driver.closed);
    let aborted = [
        AbortCause::Cancelled,
        AbortCause::NotBase64,
        AbortCause::NotBase64,
        AbortCause::Quit,
    ];
    assert_eq!(
        auth_ends(&driver),
        aborted.map(AuthEnd::Aborted).iter().collect::<Vec<_>>()
    );
    assert!(
        driver
            .events
            .contains(&SessionEvent::Quirk(Quirk::QuitInExchange))
    );
}

// AUTH-13, LEG-19
#[test]
fn auth_13_long_lines() {
    let line = |length: usize| {
        format!(
            "AUTH PLAIN {}",
            "A".repeat(length - "AUTH PLAIN \r\n".len())
        )
    };
    let mut driver = Driver::greeted();
    assert_eq!(
        codes(&driver.say(&line(12_288 + 12))),
        ["500 5.5.6"],
        "longer than PLAIN may be"
    );
    assert_eq!(
        codes(&driver.say(&line(70_000))),
        ["500 5.5.6"],
        "longer than any may be"
    );
    assert_eq!(codes(&driver.say("AUTH PLAIN")), ["334"]);
    assert_eq!(codes(&driver.say(&"A".repeat(12_287))), ["500 5.5.6"]);
    assert!(matches!(
        auth_ends(&driver)[..],
        [AuthEnd::Aborted(AbortCause::LineUnreadable)]
    ));
    assert_eq!(codes(&driver.say("AUTH PLAIN")), ["334"]);
    let name_of_255 = "AHUHuHuHuHuH".repeat(28);
    assert_ne!(codes(&driver.say(&name_of_255)), ["500 5.5.6"], "PLAIN-01");
    assert_eq!(codes(&driver.say("NOOP")), ["250 2.0.0"]);
}

// AUTH-15, AUTH-16, CAP-04, SMTP-03, LEG-14
#[test]
fn auth_15_auth_16_once_and_not_in_a_transaction() {
    let mut driver = Driver::authenticated();
    assert_eq!(
        driver.say(PLAIN_OK),
        "503 5.5.1 Already authenticated [S.1]\n"
    );
    let ehlo = driver.say("EHLO client.example.com");
    assert!(!ehlo.contains("AUTH"), "CAP-04: {ehlo}");
    assert_eq!(
        driver.codes(&["RSET", "MAIL FROM:<user@example.com>", PLAIN_OK]),
        ["250 2.0.0", "250 2.1.0", "503 5.5.1"],
        "LC-24, LC-25"
    );

    let mut driver = Driver::new(
        Profile {
            require_auth: false,
            ..legacy()
        },
        None,
    );
    assert_eq!(
        driver.codes(&["EHLO x", "MAIL FROM:<a@b.example>", PLAIN_OK]),
        ["250", "250 2.1.0", "503 5.5.1"]
    );
    assert_eq!(
        driver.codes(&["RSET", PLAIN_OK]),
        ["250 2.0.0", "235 2.7.0"]
    );
}

// AUTH-18
#[test]
fn auth_18_the_fourth_guess_gets_421_in_place_of_535() {
    let mut driver = Driver::greeted();
    let wrong = [PLAIN_WRONG; 4];
    assert_eq!(
        driver.codes(&wrong),
        ["535 5.7.8", "535 5.7.8", "535 5.7.8", "421 4.7.0"]
    );
    assert!(driver.closed);
    assert_eq!(auth_ends(&driver).len(), 4);
}

// AUTH-28, LC-12
#[test]
fn auth_28_lc_12_wrapped_base64() {
    let mut driver = Driver::greeted();
    let first = "AUTH PLAIN AHZlcnktbG9uZy11c2VyLW5hbWVAZXhhbXBsZS5jb20AYS12ZXJ5LWxvbmct";
    assert_eq!(codes(&driver.say(first)), ["535 5.7.8"]);
    assert_eq!(
        driver.say("cGFzc3dvcmQ="),
        "500 5.5.2 Command not recognized; base64 must be on one line [S.2]\n"
    );
    assert!(
        driver
            .events
            .contains(&SessionEvent::Quirk(Quirk::WrappedBase64))
    );
    assert_eq!(
        codes(&driver.say("cGFzc3dvcmQ=")),
        ["500 5.5.1"],
        "only the next line"
    );
}

// LEG-12, LC-18, CAP-11
#[test]
fn leg_12_lc_18_auth_after_helo() {
    let mut driver = Driver::legacy();
    assert_eq!(
        driver.codes(&["EHLO localhost", "HELO localhost", "AUTH LOGIN"]),
        ["250", "250", "334"]
    );
    let mut driver = Driver::with_quirks(legacy(), QuirkSet::NONE);
    assert_eq!(
        driver.say("HELO localhost"),
        "250 mail.example.com\n",
        "CAP-11"
    );
    assert_eq!(
        driver.say("AUTH LOGIN"),
        "503 5.5.1 Send EHLO first [S.1]\n"
    );
    assert_eq!(
        codes(&Driver::legacy().say(PLAIN_OK)),
        ["503 5.5.1"],
        "row 12"
    );
}

// LC-21
#[test]
fn lc_21_the_old_auth_line() {
    let mut driver = Driver::with_quirks(legacy(), QuirkSet::LEGACY.with(Quirk::AuthEqualsLine));
    let ehlo = driver.say("EHLO x");
    assert!(
        ehlo.contains("250-AUTH=CRAM-MD5 PLAIN LOGIN\n250-AUTH CRAM-MD5 PLAIN LOGIN\n"),
        "{ehlo}"
    );
}

// LC-35, LC-36, LEG-15
#[test]
fn lc_35_lc_36_blind_pipelining() {
    let mut driver = Driver::greeted();
    let blind =
        b"AUTH LOGIN\r\ndXNlckBleGFtcGxlLmNvbQ==\r\nc2VjcmV0\r\nMAIL FROM:<user@example.com>\r\n";
    assert_eq!(
        codes(&driver.send(blind)),
        ["334", "334", "235 2.7.0", "250 2.1.0"]
    );

    let envelope = "MAIL FROM:<user@example.com>\r\nRCPT TO:<a@example.net>\r\nDATA\r\n";
    let mut driver = Driver::greeted();
    let replies = driver.send(format!("{PLAIN_OK}\r\n{envelope}").as_bytes());
    assert_eq!(
        codes(&replies),
        ["235 2.7.0", "250 2.1.0", "250 2.1.5", "354"]
    );
    let mut driver = Driver::greeted();
    let replies = driver.send(format!("{PLAIN_WRONG}\r\n{envelope}").as_bytes());
    assert_eq!(
        codes(&replies),
        ["535 5.7.8", "530 5.7.0", "530 5.7.0", "503 5.5.1"]
    );
}

#[test]
fn the_program_may_refuse_to_begin() {
    let mut driver = Driver::greeted();
    driver.refuse.push(("AUTH", Refusal::DirectoryUnavailable));
    assert_eq!(codes(&driver.say(PLAIN_OK)), ["454 4.7.0"]);
    assert!(
        matches!(
            &driver.events[..],
            [SessionEvent::Refused {
                command: "AUTH",
                ..
            }]
        ),
        "no exchange began, none ends"
    );
    assert_eq!(codes(&driver.say(PLAIN_OK)), ["235 2.7.0"]);
}

#[test]
fn starttls_forgets_the_identity() {
    let mut driver = Driver::new(
        Profile {
            tls: TlsPolicy::StartTlsOptional,
            ..legacy()
        },
        None,
    );
    assert_eq!(
        driver.codes(&["EHLO x", PLAIN_OK, "STARTTLS"]),
        ["250", "235 2.7.0", "220 2.0.0"]
    );
    driver.handle(crate::server::Input::TlsStarted(crate::TlsFacts::default()));
    assert!(driver.session.identity().is_none(), "TLS-08");
    assert_eq!(
        driver.codes(&["MAIL FROM:<a@b>", "EHLO x", "MAIL FROM:<a@b>", PLAIN_OK]),
        ["503 5.5.1", "250", "530 5.7.0", "235 2.7.0"]
    );
}

// CODE-07
#[test]
fn rows_16_to_19_code_07_what_is_told_of_an_account() {
    let plain = |name: &str| {
        let message = crate::server::response::to_base64(format!("\0{name}\0x").as_bytes());
        format!("AUTH PLAIN {message}")
    };
    let rows = [
        (
            "weak",
            "534 5.7.9 Authentication mechanism is too weak [S.1]\n",
            None,
        ),
        (
            "transition",
            "432 4.7.12 A password transition is needed [S.1]\n",
            None,
        ),
        (
            "disabled",
            "525 5.7.13 User account disabled [S.1]\n",
            Some(Refusal::AccountDisabled),
        ),
        (
            "expired",
            "535 5.7.8 Authentication failed: password expired [S.1]\n",
            Some(Refusal::PasswordExpired),
        ),
    ];
    for (name, reply, hidden) in rows {
        let mut driver = Driver::greeted();
        assert_eq!(driver.say(&plain(name)), reply);
        let Some(refusal) = hidden else { continue };
        let mut driver = Driver::legacy();
        driver.say("EHLO x");
        let reply = driver.say(&plain(name));
        assert_eq!(
            reply, "535 5.7.8 Authentication credentials invalid [S.1]\n",
            "{name} in clear"
        );
        assert_eq!(
            auth_ends(&driver),
            [&AuthEnd::Lost(refusal)],
            "the operator hears the truth"
        );
    }
}

// AUTH-23
#[test]
fn auth_23_an_exchange_has_at_most_twenty_rounds() {
    let mut driver = Driver::legacy();
    driver.mechanisms = vec![&*ENDLESS];
    assert_eq!(driver.codes(&["EHLO x", "AUTH X-ENDLESS"]), ["250", "334"]);
    for _ in 1..20 {
        assert_eq!(driver.say(""), "334 \n");
    }
    assert_eq!(
        driver.say(""),
        "501 5.7.0 Authentication exchange too long [S.1]\n"
    );
    assert_eq!(
        auth_ends(&driver),
        [&AuthEnd::Aborted(AbortCause::TooManyRounds)]
    );
}

struct Again;

impl AwaitResponse for Again {
    fn respond(self: Box<Self>, _: &[u8]) -> ServerStep {
        ServerStep::Challenge(Vec::new(), self)
    }
}

static ENDLESS: LazyLock<Mechanism> = LazyLock::new(|| Mechanism {
    name: "X-ENDLESS",
    server: |_, _| ServerStep::Challenge(Vec::new(), Box::new(Again)),
    ..*super::harness::mechanism("PLAIN")
});

// LEG-13: clients take 503 to AUTH for "authenticated already".
#[test]
fn leg_13_where_auth_gets_503_without_an_identity_mail_is_refused() {
    let standings: [&[&str]; 2] = [&[], &["HELO x"]];
    for before in standings {
        let mut driver = Driver::tls();
        driver.codes(before);
        assert_eq!(driver.codes(&[PLAIN_OK]), ["503 5.5.1"], "{before:?}");
        let mail = driver.codes(&["MAIL FROM:<user@example.com>"]);
        assert!(mail == ["503 5.5.1"] || mail == ["530 5.7.0"], "{mail:?}");
    }
    let mut driver = Driver::greeted();
    for line in ["AUTH FOOBAR", "AUTH", "AUTH PLAIN !", "AUTH PLAIN AAA="] {
        let codes = driver.codes(&[line]);
        assert!(!codes[0].starts_with("503"), "{line}: {codes:?}");
    }
}
