//! Within an exchange: what the server asks, and what it makes of answers that are none.

use super::session::LONGEST;
use super::{Answers, Needs, Row, Say, lines, nobody};
use crate::cli::probe::question::Question;
use crate::cli::probe::report::Verdict;

/// `Username:` and `Password:`.
const ASKS_NAME: &str = " VXNlcm5hbWU6";
const ASKS_PASSWORD: &str = " UGFzc3dvcmQ6";

/// Of both prompts of LOGIN.
const PROMPT_BREAKS: &str =
    "Xerox printers say QUIT to another prompt, Outlook 2016 gives up without the colon";

/// Of both ways to cancel.
const CANCEL_BREAKS: &str =
    "a client that cannot go on cannot try another mechanism on the same connection";

pub(super) static ROWS: &[Row] = &[
    Row {
        question: Question {
            name: "empty-challenge",
            section: "RFC 4954 §4",
            requirement: "AUTH-04",
            breaks: "clients wait for `334 ` with one space: SOGo fails without it, Vert.x with two",
        },
        needs: Needs::Mechanism("PLAIN"),
        say: Say::WhileWelcome(|| lines(&["AUTH PLAIN"])),
        judge: |it| match it.challenge() {
            Some(" ") => (Verdict::Ok, ""),
            Some("") => (
                Verdict::Note,
                "there must be a space behind 334; some clients wait for it",
            ),
            _ => (Verdict::Fault, "must be an empty challenge, `334 `"),
        },
    },
    Row {
        question: Question {
            name: "login-prompt",
            section: "draft-murchison",
            requirement: "LOG-01",
            breaks: PROMPT_BREAKS,
        },
        needs: Needs::Mechanism("LOGIN"),
        say: Say::WhileWelcome(|| lines(&["AUTH LOGIN"])),
        judge: |it| match it.challenge() {
            Some(ASKS_NAME) => (Verdict::Ok, ""),
            _ => (
                Verdict::Note,
                "old devices wait for exactly `334 VXNlcm5hbWU6` (Username:)",
            ),
        },
    },
    Row {
        question: Question {
            name: "login-password",
            section: "draft-murchison",
            requirement: "LOG-01",
            breaks: PROMPT_BREAKS,
        },
        needs: Needs::Mechanism("LOGIN"),
        say: Say::WhileWelcome(|| vec!["AUTH LOGIN".to_owned(), nobody()]),
        judge: |it| match it.last_challenge() {
            Some(ASKS_PASSWORD) => (Verdict::Ok, ""),
            _ => (
                Verdict::Note,
                "old devices wait for exactly `334 UGFzc3dvcmQ6` (Password:)",
            ),
        },
    },
    Row {
        question: Question {
            name: "login-initial",
            section: "MS-XLOGIN",
            requirement: "LOG-03",
            breaks: ".NET, Python's smtplib and Go programs send the name behind AUTH LOGIN, and cannot log in",
        },
        needs: Needs::Mechanism("LOGIN"),
        say: Say::WhileWelcome(|| vec![format!("AUTH LOGIN {}", nobody())]),
        judge: |it| match it.challenge() {
            Some(ASKS_NAME) => (Verdict::Note, "the name is thrown away and asked for again"),
            Some(_) => (Verdict::Ok, ""),
            None => (Verdict::Note, "the name behind AUTH LOGIN is refused"),
        },
    },
    Row {
        question: Question {
            name: "cancel",
            section: "RFC 4954 §4",
            requirement: "AUTH-10",
            breaks: CANCEL_BREAKS,
        },
        needs: Needs::Mechanism("PLAIN"),
        say: Say::WhileWelcome(|| lines(&["AUTH PLAIN", "*"])),
        judge: cancelled,
    },
    Row {
        question: Question {
            name: "cancel-login",
            section: "RFC 4954 §4",
            requirement: "LOG-08",
            breaks: CANCEL_BREAKS,
        },
        needs: Needs::Mechanism("LOGIN"),
        say: Say::WhileWelcome(|| lines(&["AUTH LOGIN", "*"])),
        judge: cancelled,
    },
    Row {
        question: Question {
            name: "equals",
            section: "RFC 4954 §4",
            requirement: "AUTH-05",
            breaks: "a client of EXTERNAL, whose first response is often empty, cannot log in",
        },
        needs: Needs::Mechanism("PLAIN"),
        say: Say::WhileWelcome(|| lines(&["AUTH PLAIN ="])),
        judge: |it| match () {
            () if it.last("535") || it.last("501") => (Verdict::Ok, ""),
            () => (
                Verdict::Fault,
                "`=` is an empty response, which PLAIN has to refuse",
            ),
        },
    },
    Row {
        question: Question {
            name: "bad-base64",
            section: "RFC 4954 §4",
            requirement: "AUTH-11",
            breaks: "a fault of the program is taken for a wrong password: people are asked for theirs, again and again",
        },
        needs: Needs::Mechanism("PLAIN"),
        say: Say::WhileWelcome(|| lines(&["AUTH PLAIN", "&&&&"])),
        judge: |it| match () {
            () if it.last("501") => (Verdict::Ok, ""),
            () => (Verdict::Fault, "must be 501: this is no wrong password"),
        },
    },
    Row {
        question: Question {
            name: "longest-response",
            section: "RFC 4954 §4",
            requirement: "AUTH-13",
            breaks: "long tokens and Kerberos tickets cannot be sent, in no way",
        },
        // A name that long is a failed login to many: asked only where it is in doubt.
        needs: Needs::MechanismUnlessOk("LOGIN", "longest-line"),
        say: Say::WhileWelcome(|| vec!["AUTH LOGIN".to_owned(), longest_name(), "*".to_owned()]),
        judge: |it| match () {
            () if it.last("500") || it.silence.is_some() => {
                (Verdict::Fault, "12288 octets must be taken")
            }
            () => (Verdict::Ok, ""),
        },
    },
    Row {
        question: Question {
            name: "initial-response",
            section: "RFC 4954 §4",
            requirement: "AUTH-09",
            breaks: "a client does not learn that it has to wait for the challenge",
        },
        needs: Needs::Mechanism("CRAM-MD5"),
        // An empty one: fewer servers take that for a failed login.
        say: Say::WhileWelcome(|| lines(&["AUTH CRAM-MD5 =", "*"])),
        judge: |it| match () {
            () if it.first("501") => (Verdict::Ok, ""),
            () if it.first("334") => (
                Verdict::Fault,
                "CRAM-MD5 has no initial response: it must be refused",
            ),
            () => (
                Verdict::Fault,
                "must be 501: the server's challenge comes first",
            ),
        },
    },
];

fn cancelled(it: &Answers) -> (Verdict, &'static str) {
    match () {
        () if !it.first("334") => (Verdict::Fault, "no challenge to cancel"),
        () if it.last("501") => (Verdict::Ok, ""),
        () => (Verdict::Fault, "`*` must be answered with 501"),
    }
}

/// A name as long as a line may be, in base64.
fn longest_name() -> String {
    "A".repeat((LONGEST - 2) / 4 * 4)
}
