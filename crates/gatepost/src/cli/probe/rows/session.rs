//! Commands in and out of their order, on the channel where authentication belongs.

use super::{Answers, Needs, Row, Say, judge_stranger, lines, nobody_plain, strangers_mail};
use crate::cli::probe::question::Question;
use crate::cli::probe::report::Verdict;

/// Octets of the longest line that has to be taken in an exchange, line end included (RFC 4954 §4).
pub(super) const LONGEST: usize = 12_288;

/// Octets that no server has to take.
const FAR_TOO_LONG: usize = 70_000;

/// A mechanism that nobody has. Naming it with a long response asks for the limit of lines without giving anything to judge.
const UNKNOWN: &str = "AUTH X-GATEPOST-PROBE";

pub(super) static ROWS: &[Row] = &[
    Row {
        question: Question {
            name: "early-auth",
            section: "RFC 5321 §4.1.4",
            requirement: "LEG-12",
            breaks: "a program that forgets EHLO is not told so, and fails at other servers",
        },
        needs: Needs::NoHello,
        say: Say::WhileWelcome(|| lines(&["AUTH PLAIN", "*"])),
        judge: |it| match () {
            // 530 where TLS comes first, whatever else is missing.
            () if it.first("503") || it.first("530") => (Verdict::Ok, ""),
            () if it.negative() && !it.first("334") => (Verdict::Note, "before EHLO, 503 is usual"),
            () => (Verdict::Note, "AUTH is taken before EHLO"),
        },
    },
    Row {
        question: Question {
            name: "early-mail",
            section: "RFC 4954 §6",
            requirement: "SMTP-10",
            breaks: "a program without a password reports a wrong address instead of asking for one",
        },
        needs: Needs::Hello,
        say: Say::WhileWelcome(strangers_mail),
        judge: |it| judge_stranger(it, "refused, but 530 tells a client to authenticate"),
    },
    Row {
        question: Question {
            name: "second-hello",
            section: "RFC 5321 §4.1.4",
            requirement: "SMTP-03",
            breaks: "proxies, and clients that say EHLO once more to be sure, cannot go on",
        },
        needs: Needs::Hello,
        say: Say::WhileWelcome(|| lines(&["EHLO [127.0.0.1]"])),
        judge: |it| match () {
            () if it.last("250") => (Verdict::Ok, ""),
            () => (Verdict::Fault, "EHLO may come at any time"),
        },
    },
    Row {
        question: Question {
            name: "unknown-mechanism",
            section: "RFC 4954 §4",
            requirement: "CODE-05",
            breaks: "clients take it for a wrong password: they ask the user or give up, instead of trying another mechanism",
        },
        needs: Needs::Hello,
        say: Say::WhileWelcome(|| lines(&[UNKNOWN])),
        judge: |it| match () {
            () if it.last("504") => (Verdict::Ok, ""),
            () => (
                Verdict::Fault,
                "must be 504, so that a client tries another mechanism",
            ),
        },
    },
    Row {
        question: Question {
            name: "no-mechanism",
            section: "RFC 4954 §4",
            requirement: "AUTH-01",
            breaks: "whoever looks for the fault of a client is led to the mechanism instead of the command",
        },
        needs: Needs::Hello,
        say: Say::WhileWelcome(|| lines(&["AUTH"])),
        judge: |it| match () {
            () if it.last("501") => (Verdict::Ok, ""),
            () if it.negative() => (Verdict::Note, "a missing argument is answered with 501"),
            () => (
                Verdict::Fault,
                "a command without its argument must be refused",
            ),
        },
    },
    Row {
        question: Question {
            name: "lower-case",
            section: "RFC 5321 §2.4",
            requirement: "AUTH-01",
            breaks: ".NET programs and scanners say `AUTH login`, and cannot log in",
        },
        needs: Needs::Mechanism("PLAIN"),
        say: Say::WhileWelcome(|| lines(&["auth plain", "*"])),
        judge: |it| match () {
            () if it.first("334") => (Verdict::Ok, ""),
            () => (Verdict::Fault, "commands and mechanism names have no case"),
        },
    },
    Row {
        question: Question {
            name: "longest-line",
            section: "RFC 4954 §4",
            requirement: "AUTH-13",
            breaks: "programs that put a long token behind AUTH, as PHPMailer and Thunderbird did, cannot log in",
        },
        needs: Needs::Hello,
        say: Say::WhileWelcome(|| vec![long_command(LONGEST - 2)]),
        judge: |it| match () {
            () if it.last("500") || it.silence.is_some() => (
                Verdict::Note,
                "12288 octets are taken by others, though only 512 must be",
            ),
            () => (Verdict::Ok, ""),
        },
    },
    Row {
        question: Question {
            name: "long-line",
            section: "RFC 4954 §4",
            requirement: "AUTH-13",
            breaks: "a client with a response that is too long does not learn why it fails, and asks for the password",
        },
        needs: Needs::Hello,
        say: Say::WhileWelcome(|| vec![long_command(FAR_TOO_LONG)]),
        judge: |it| match () {
            () if it.last("500") => (Verdict::Ok, ""),
            () if it.negative() || it.silence.is_some() => {
                (Verdict::Note, "with 500 5.5.6 a client knows why")
            }
            () => (Verdict::Fault, "a line without bounds is taken"),
        },
    },
    Row {
        question: Question {
            name: "wrong-password",
            section: "RFC 4954 §6",
            requirement: "AUTH-17",
            breaks: "a client tries a wrong password for ever, or cannot try again on this connection",
        },
        needs: Needs::Mechanism("PLAIN"),
        say: Say::Regardless(|| vec![format!("AUTH PLAIN {}", nobody_plain()), "NOOP".to_owned()]),
        judge: after_failure,
    },
    Row {
        question: Question {
            name: "quit",
            section: "RFC 5321 §4.1.1.10",
            requirement: "SMTP-18",
            breaks: "clients report an error after their mail was taken, and send it again",
        },
        needs: Needs::Hello,
        say: Say::WhileWelcome(|| lines(&["QUIT"])),
        judge: |it| match () {
            () if it.last("221") => (Verdict::Ok, ""),
            () => (Verdict::Fault, "must be 221"),
        },
    },
];

/// Judges the answers to a login that cannot be right, and to the command behind it.
fn after_failure(it: &Answers) -> (Verdict, &'static str) {
    match () {
        () if it.first("235") => (
            Verdict::Fault,
            "a name and a password that were made up are taken",
        ),
        () if !it.first("535") => (Verdict::Fault, "must begin with 535 for a wrong password"),
        () if it.last("250") => (Verdict::Ok, ""),
        () => (
            Verdict::Note,
            "after one wrong password the session should go on as before",
        ),
    }
}

/// An AUTH command of so many octets.
fn long_command(octets: usize) -> String {
    let response = (octets - UNKNOWN.len() - 1) / 4 * 4;
    format!("{UNKNOWN} {}", "A".repeat(response))
}
