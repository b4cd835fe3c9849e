//! Questions that a few lines can ask, one row each: what to say, and what the section allows as an answer.

mod clear;
mod exchange;
mod session;

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::connection::{Reply, Target};
use super::question::Question;
use super::report::{Finding, Report, Verdict};
use super::survey::Channel;

/// One question.
pub(super) struct Row {
    question: Question,
    needs: Needs,
    say: Say,
    judge: fn(&Answers) -> (Verdict, &'static str),
}

/// Where a question has a meaning.
#[derive(Clone, Copy)]
enum Needs {
    /// After EHLO, where authentication belongs.
    Hello,
    /// The same, where this mechanism is offered.
    Mechanism(&'static str),
    /// The same, unless this earlier question was answered so well that it answers this one, too.
    MechanismUnlessOk(&'static str, &'static str),
    /// Before EHLO.
    NoHello,
    /// After EHLO, before TLS, on a server that has STARTTLS.
    Clear,
    /// The same, where this mechanism is not offered in clear, but within TLS.
    OnlyWithinTls(&'static str),
}

/// What to say, a line at a time.
enum Say {
    /// As long as the answers are not negative.
    WhileWelcome(fn() -> Vec<String>),
    /// Whatever the answers are.
    Regardless(fn() -> Vec<String>),
}

/// What the server answered.
struct Answers {
    replies: Vec<Reply>,
    /// It closed the connection, or said nothing for too long, instead of the next answer.
    silence: Option<String>,
}

/// All rows, in the order of the report.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    [clear::ROWS, session::ROWS, exchange::ROWS]
        .into_iter()
        .flatten()
}

impl Row {
    /// Asks, on a connection of its own, if what was found so far gives the question a meaning.
    pub(super) fn ask(&self, target: &Target, channel: &Channel, report: &Report) -> Finding {
        if let Some(reason) = self.needs.missing(channel, report) {
            return self.question.finding(Verdict::Skipped, &reason);
        }
        let answers = match self.converse(target, channel) {
            Ok(answers) => answers,
            Err(error) => {
                return self
                    .question
                    .finding(Verdict::Fault, &format!("no session: {error}"));
            }
        };
        let (verdict, remark) = (self.judge)(&answers);
        let found = answers.shown();
        if remark.is_empty() {
            self.question.finding(verdict, &found)
        } else {
            self.question
                .finding(verdict, &format!("{found}: {remark}"))
        }
    }

    fn converse(&self, target: &Target, channel: &Channel) -> io::Result<Answers> {
        let mut connection = match self.needs {
            Needs::NoHello => {
                let mut connection = target.connect()?;
                connection.reply()?;
                connection
            }
            Needs::Clear | Needs::OnlyWithinTls(_) => target.ready(false)?,
            Needs::Hello | Needs::Mechanism(_) | Needs::MechanismUnlessOk(..) => {
                target.ready(channel.starttls)?
            }
        };
        let mut answers = Answers {
            replies: Vec::new(),
            silence: None,
        };
        let (lines, regardless) = match self.say {
            Say::WhileWelcome(lines) => (lines, false),
            Say::Regardless(lines) => (lines, true),
        };
        for line in lines() {
            match connection.ask(&line) {
                Ok(reply) => {
                    let goes_on = regardless || reply.kind('2') || reply.kind('3');
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
}

impl Needs {
    /// Why the question has no meaning on this server, if it has none.
    fn missing(self, channel: &Channel, report: &Report) -> Option<String> {
        match self {
            Self::Hello | Self::NoHello => None,
            Self::Mechanism(name) => {
                (!channel.offers(name)).then(|| format!("{name} is not offered"))
            }
            Self::MechanismUnlessOk(name, _) if !channel.offers(name) => {
                Some(format!("{name} is not offered"))
            }
            Self::MechanismUnlessOk(_, other) => {
                report.is_ok(other).then(|| format!("answered by {other}"))
            }
            Self::Clear => (!channel.starttls).then(|| "no STARTTLS here".to_owned()),
            Self::OnlyWithinTls(name) if channel.starttls && channel.offers(name) => channel
                .offers_in_clear(name)
                .then(|| format!("{name} is offered before TLS")),
            Self::OnlyWithinTls(name) => Some(format!("{name} does not wait for STARTTLS here")),
        }
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

    /// The same of the last reply.
    fn last_challenge(&self) -> Option<&str> {
        self.replies.last()?.text().strip_prefix("334")
    }

    fn negative(&self) -> bool {
        self.silence.is_none()
            && self
                .replies
                .last()
                .is_some_and(|reply| reply.kind('4') || reply.kind('5'))
    }

    /// One after the other.
    fn shown(&self) -> String {
        let silence = self.silence.as_ref();
        let silence = silence.map(|reason| format!("no answer ({reason})"));
        let replies = self.replies.iter().map(Reply::shown);
        replies.chain(silence).collect::<Vec<_>>().join(" | ")
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The beginning of a message from nobody to nobody.
fn strangers_mail() -> Vec<String> {
    lines(&[
        "MAIL FROM:<probe@example.com>",
        "RCPT TO:<probe@example.net>",
    ])
}

/// What is said to that; `hint` is for a refusal that does not say how to do better.
fn judge_stranger(it: &Answers, hint: &'static str) -> (Verdict, &'static str) {
    match () {
        () if it.last("530") => (Verdict::Ok, ""),
        () if it.negative() => (Verdict::Note, hint),
        () if it.silence.is_some() => (Verdict::Note, "refused without a reply"),
        () => (
            Verdict::Fault,
            "a stranger's recipient is accepted: an open relay",
        ),
    }
}

/// A name that nobody has, which tells who reads the server's log where it comes from; in base64.
fn nobody() -> String {
    STANDARD.encode("gatepost-probe")
}

/// A message of PLAIN from the same, with a password that is made up; in base64.
fn nobody_plain() -> String {
    STANDARD.encode("\0gatepost-probe\0gatepost-probe")
}
