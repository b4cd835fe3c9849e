//! What a server does after a login: the rules of RFC 4954 §4 for a session that has an identity.

use std::io;

use super::connection::{Connection, Reply, Target};
use super::login::Login;
use super::question::Question;
use super::report::{Finding, Report, Verdict};
use super::survey::Channel;

const SECOND_AUTH: Question = Question {
    name: "second-auth",
    section: "RFC 4954 §4",
    requirement: "AUTH-15",
    breaks: "one session sends as several users, and its mail is counted for the wrong one",
};

const HELLO_AFTER_AUTH: Question = Question {
    name: "hello-after-auth",
    section: "RFC 5321 §4.1.4",
    requirement: "SMTP-03",
    breaks: "clients that say EHLO once more after AUTH are told to log in, though they are",
};

const IN_TRANSACTION: Question = Question {
    name: "auth-in-transaction",
    section: "RFC 4954 §4",
    requirement: "AUTH-16",
    breaks: "the sender of a message is judged by one identity and its recipients by another",
};

/// Asks a session that is logged in.
pub(super) fn ask(login: &Login<'_>, report: &mut Report) {
    report.add(settled(&SECOND_AUTH, second_auth(login)));
    report.add(settled(&HELLO_AFTER_AUTH, hello_after_auth(login)));
}

/// AUTH behind MAIL: from a stranger, or from the user where MAIL is not taken from strangers.
pub(super) fn in_transaction(
    target: &Target,
    channel: &Channel,
    login: Option<&Login<'_>>,
) -> Finding {
    let stranger = target
        .ready(channel.starttls)
        .and_then(|session| auth_behind_mail(session, "<probe@example.com>", channel.first()));
    let asked = match (stranger, login) {
        (Ok((Verdict::Skipped, _)), Some(login)) => login
            .open()
            .and_then(|session| auth_behind_mail(session, &sender(login), login.mechanism.name)),
        (stranger, _) => stranger,
    };
    settled(&IN_TRANSACTION, asked)
}

type Judged = (Verdict, String);

fn auth_behind_mail(mut session: Connection, sender: &str, mechanism: &str) -> io::Result<Judged> {
    let taken = session.ask(&format!("MAIL FROM:{sender}"))?;
    if !taken.is("250") {
        return Ok((Verdict::Skipped, format!("no MAIL: {}", taken.text())));
    }
    let reply = session.ask(&format!("AUTH {mechanism}"))?;
    Ok(out_of_order(&reply))
}

fn second_auth(login: &Login<'_>) -> io::Result<Judged> {
    let mut session = login.open()?;
    let reply = session.ask(&format!("AUTH {}", login.mechanism))?;
    Ok(out_of_order(&reply))
}

fn hello_after_auth(login: &Login<'_>) -> io::Result<Judged> {
    let mut session = login.open()?;
    let hello = session.hello()?;
    if !hello.is("250") {
        let found = format!("{}: EHLO may come at any time", hello.text());
        return Ok((Verdict::Fault, found));
    }
    let mail = session.ask(&format!("MAIL FROM:{}", sender(login)))?;
    let found = mail.text();
    Ok(match () {
        () if mail.is("250") => (Verdict::Ok, found.to_owned()),
        () if mail.is("530") => (
            Verdict::Fault,
            format!("{found}: EHLO must not end the login"),
        ),
        () => (
            Verdict::Note,
            format!("{found}: the sender is refused, perhaps not because of EHLO"),
        ),
    })
}

/// Judges the answer to an AUTH that must not come here.
fn out_of_order(reply: &Reply) -> Judged {
    let found = reply.text();
    match () {
        () if reply.is("503") => (Verdict::Ok, found.to_owned()),
        () if reply.kind('4') || reply.kind('5') => {
            (Verdict::Note, format!("{found}: refused, but 503 says why"))
        }
        () => (Verdict::Fault, format!("{found}: must be 503")),
    }
}

/// Whom to send as: what the user may surely be.
fn sender(login: &Login<'_>) -> String {
    if login.user.contains('@') {
        format!("<{}>", login.user)
    } else {
        "<>".to_owned()
    }
}

fn settled(question: &Question, asked: io::Result<Judged>) -> Finding {
    match asked {
        Ok((verdict, found)) => question.finding(verdict, &found),
        Err(error) => question.finding(Verdict::Fault, &format!("no answer ({error})")),
    }
}
