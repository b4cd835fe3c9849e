//! Before TLS, on a server with STARTTLS.

use super::{Needs, Row, Say, judge_stranger, lines, strangers_mail};
use crate::cli::probe::question::Question;
use crate::cli::probe::report::Verdict;

pub(super) static ROWS: &[Row] = &[
    Row {
        question: Question {
            name: "clear-auth",
            section: "RFC 4954 §4",
            requirement: "CODE-05",
            breaks: "a program that skips STARTTLS shows its password to the network, and nobody notices",
        },
        needs: Needs::OnlyWithinTls("PLAIN"),
        say: Say::WhileWelcome(|| lines(&["AUTH PLAIN", "*"])),
        judge: |it| match () {
            () if it.first("334") => (
                Verdict::Fault,
                "PLAIN is taken before TLS, though it is not offered there",
            ),
            () if ["530", "538", "504", "523", "524"]
                .iter()
                .any(|code| it.last(code)) =>
            {
                (Verdict::Ok, "")
            }
            () if it.negative() => (
                Verdict::Note,
                "refused, but 530 or 538 tells a client that TLS is missing",
            ),
            () => (Verdict::Note, "refused without a reply"),
        },
    },
    Row {
        question: Question {
            name: "clear-mail",
            section: "RFC 3207 §4",
            requirement: "TLS-06",
            breaks: "a program that skips STARTTLS is not told so, or sends its mail in clear text",
        },
        needs: Needs::Clear,
        say: Say::WhileWelcome(strangers_mail),
        judge: |it| judge_stranger(it, "refused, but 530 tells a client what is missing"),
    },
];
