//! The questions, one row each: what to say, and what the section allows as an answer.

use std::io;

use super::connection::{Reply, Target};
use super::report::{Finding, Verdict};
use super::survey::Channel;

/// Octets of the longest AUTH command that every server must take, line end included (RFC 4954 §4).
const LONGEST_AUTH: usize = 12_288;

/// Octets that no server has to take.
const FAR_TOO_LONG: usize = 70_000;

/// One question.
pub(super) struct Row {
    question: &'static str,
    section: &'static str,
    needs: Needs,
    /// What to say, a line at a time, as long as the answers are not negative.
    lines: fn() -> Vec<String>,
    judge: fn(&Answers) -> (Verdict, &'static str),
}

/// Where a question has a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// After EHLO, where authentication belongs.
    Hello,
    /// The same, where this mechanism is offered.
    Mechanism(&'static str),
    /// Before EHLO.
    NoHello,
}

/// What the server answered.
struct Answers {
    replies: Vec<Reply>,
    /// It closed the connection, or said nothing for too long, instead of the next answer.
    silence: Option<String>,
}

impl Row {
    /// Asks, on a connection of its own.
    pub(super) fn ask(&self, target: &Target, channel: &Channel) -> Finding {
        if let Needs::Mechanism(name) = self.needs
            && !channel.mechanisms.iter().any(|offered| offered == name)
        {
            return self.finding(Verdict::Skipped, &format!("{name} is not offered"));
        }
        let answers = match self.converse(target, channel) {
            Ok(answers) => answers,
            Err(error) => return self.finding(Verdict::Fault, &format!("no session: {error}")),
        };
        let (verdict, remark) = (self.judge)(&answers);
        let found = answers.shown();
        if remark.is_empty() {
            self.finding(verdict, &found)
        } else {
            self.finding(verdict, &format!("{found}: {remark}"))
        }
    }

    fn converse(&self, target: &Target, channel: &Channel) -> io::Result<Answers> {
        let mut connection = if self.needs == Needs::NoHello {
            let mut connection = target.connect()?;
            connection.reply()?;
            connection
        } else {
            target.ready(channel.starttls)?
        };
        let mut answers = Answers {
            replies: Vec::new(),
            silence: None,
        };
        for line in (self.lines)() {
            match connection.ask(&line) {
                Ok(reply) => {
                    let goes_on = reply.kind('2') || reply.kind('3');
                    answers.replies.push(reply);
                    if !goes_on {
                        break;
                    }
                }
                Err(error) => {
                    answers.silence = Some(error.to_string());
                    break;
                }
            }
        }
        // In the middle of an exchange this is no command; closing ends both.
        let _ = connection.say("QUIT\r\n");
        Ok(answers)
    }

    fn finding(&self, verdict: Verdict, found: &str) -> Finding {
        Finding::new(verdict, self.question, self.section, found)
    }
}

impl Answers {
    fn last(&self, start: &str) -> bool {
        self.silence.is_none() && self.replies.last().is_some_and(|reply| reply.is(start))
    }

    fn first(&self, start: &str) -> bool {
        self.replies.first().is_some_and(|reply| reply.is(start))
    }

    /// What stands behind the code of the first reply, if that is a challenge.
    fn challenge(&self) -> Option<&str> {
        self.replies.first()?.text().strip_prefix("334")
    }

    fn negative(&self) -> bool {
        self.silence.is_none()
            && self
                .replies
                .last()
                .is_some_and(|reply| reply.kind('4') || reply.kind('5'))
    }

    fn shown(&self) -> String {
        match (&self.silence, self.replies.last()) {
            (Some(silence), _) => format!("no answer ({silence})"),
            (None, Some(reply)) => reply.text().to_owned(),
            (None, None) => String::new(),
        }
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// All questions, in the order of the report.
pub(super) static ROWS: &[Row] = &[
    Row {
        question: "early-auth",
        section: "RFC 4954 §4",
        needs: Needs::NoHello,
        lines: || lines(&["AUTH PLAIN", "*"]),
        judge: |it| match () {
            // 530 where TLS comes first, whatever else is missing.
            () if it.first("503") || it.first("530") => (Verdict::Ok, ""),
            () if it.negative() && !it.first("334") => (Verdict::Note, "before EHLO, 503 is usual"),
            () => (Verdict::Note, "AUTH is taken before EHLO"),
        },
    },
    Row {
        question: "early-mail",
        section: "RFC 4954 §6",
        needs: Needs::Hello,
        lines: || {
            lines(&[
                "MAIL FROM:<probe@example.com>",
                "RCPT TO:<probe@example.net>",
            ])
        },
        judge: |it| match () {
            () if it.last("530") => (Verdict::Ok, ""),
            () if it.negative() => (
                Verdict::Note,
                "refused, but 530 tells a client to authenticate",
            ),
            () if it.silence.is_some() => (Verdict::Note, "refused without a reply"),
            () => (
                Verdict::Fault,
                "a stranger's recipient is accepted: an open relay",
            ),
        },
    },
    Row {
        question: "unknown-mechanism",
        section: "RFC 4954 §4",
        needs: Needs::Hello,
        lines: || lines(&["AUTH X-GATEPOST-PROBE"]),
        judge: |it| match () {
            () if it.last("504") => (Verdict::Ok, ""),
            () => (
                Verdict::Fault,
                "must be 504, so that a client tries another mechanism",
            ),
        },
    },
    Row {
        question: "no-mechanism",
        section: "RFC 4954 §4",
        needs: Needs::Hello,
        lines: || lines(&["AUTH"]),
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
        question: "lower-case",
        section: "RFC 5321 §2.4",
        needs: Needs::Mechanism("PLAIN"),
        lines: || lines(&["auth plain", "*"]),
        judge: |it| match () {
            () if it.first("334") => (Verdict::Ok, ""),
            () => (Verdict::Fault, "commands and mechanism names have no case"),
        },
    },
    Row {
        question: "empty-challenge",
        section: "RFC 4954 §4",
        needs: Needs::Mechanism("PLAIN"),
        lines: || lines(&["AUTH PLAIN"]),
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
        question: "login-prompt",
        section: "draft-murchison",
        needs: Needs::Mechanism("LOGIN"),
        lines: || lines(&["AUTH LOGIN"]),
        judge: |it| match it.challenge() {
            Some(" VXNlcm5hbWU6") => (Verdict::Ok, ""),
            _ => (
                Verdict::Note,
                "old devices wait for exactly `334 VXNlcm5hbWU6` (Username:)",
            ),
        },
    },
    Row {
        question: "cancel",
        section: "RFC 4954 §4",
        needs: Needs::Mechanism("PLAIN"),
        lines: || lines(&["AUTH PLAIN", "*"]),
        judge: cancelled,
    },
    Row {
        question: "cancel-login",
        section: "RFC 4954 §4",
        needs: Needs::Mechanism("LOGIN"),
        lines: || lines(&["AUTH LOGIN", "*"]),
        judge: cancelled,
    },
    Row {
        question: "equals",
        section: "RFC 4954 §4",
        needs: Needs::Mechanism("PLAIN"),
        lines: || lines(&["AUTH PLAIN ="]),
        judge: |it| match () {
            () if it.last("535") || it.last("501") => (Verdict::Ok, ""),
            () => (
                Verdict::Fault,
                "`=` is an empty response, which PLAIN has to refuse",
            ),
        },
    },
    Row {
        question: "bad-base64",
        section: "RFC 4954 §4",
        needs: Needs::Mechanism("PLAIN"),
        lines: || lines(&["AUTH PLAIN", "&&&&"]),
        judge: |it| match () {
            () if it.last("501") => (Verdict::Ok, ""),
            () => (Verdict::Fault, "must be 501: this is no wrong password"),
        },
    },
    Row {
        question: "longest-line",
        section: "RFC 4954 §4",
        needs: Needs::Mechanism("PLAIN"),
        lines: || vec![long_auth(LONGEST_AUTH - 2)],
        judge: |it| match () {
            () if it.last("500") => (Verdict::Fault, "12288 octets must be taken"),
            () if it.negative() => (Verdict::Ok, ""),
            () => (Verdict::Fault, "12288 octets must be taken"),
        },
    },
    Row {
        question: "long-line",
        section: "RFC 4954 §4",
        needs: Needs::Mechanism("PLAIN"),
        lines: || vec![long_auth(FAR_TOO_LONG)],
        judge: |it| match () {
            () if it.last("500") => (Verdict::Ok, ""),
            () if it.negative() || it.silence.is_some() => {
                (Verdict::Note, "with 500 5.5.6 a client knows why")
            }
            () => (Verdict::Fault, "a line without bounds is taken"),
        },
    },
    Row {
        question: "quit",
        section: "RFC 5321 §4.1.1.10",
        needs: Needs::Hello,
        lines: || lines(&["QUIT"]),
        judge: |it| match () {
            () if it.last("221") => (Verdict::Ok, ""),
            () => (Verdict::Fault, "must be 221"),
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

/// An AUTH command of so many octets, with a response that is base64 and no message of PLAIN.
fn long_auth(octets: usize) -> String {
    let start = "AUTH PLAIN ";
    let response = (octets - start.len()) / 4 * 4;
    format!("{start}{}", "A".repeat(response))
}
