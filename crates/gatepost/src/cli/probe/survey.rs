//! What a server offers where: the first connection, from the greeting to the second EHLO.

use std::io;
use std::path::Path;

use gatepost_client::{
    Connector, Credential, Credentials, MechanismChoice, Roots, Secret, TlsMode,
};

use gatepost_sasl::Mechanism;

use super::connection::{Connection, Reply, Target};
use super::question::Question;
use super::report::{Finding, Report, Verdict};
use super::tls_versions;
use crate::cli::send::Protection;

/// The channel where authentication belongs.
#[derive(Default)]
pub(super) struct Channel {
    /// It begins with STARTTLS.
    pub(super) starttls: bool,
    /// Mechanisms offered there.
    mechanisms: Vec<String>,
    /// Mechanisms offered before it begins.
    in_clear: Vec<String>,
}

impl Channel {
    /// Whether this mechanism is offered.
    pub(super) fn offers(&self, name: &str) -> bool {
        self.mechanisms.iter().any(|offered| offered == name)
    }

    /// The mechanism that is offered first; one that is not where none is.
    pub(super) fn first(&self) -> &str {
        self.mechanisms.first().map_or("PLAIN", String::as_str)
    }

    /// Whether it is offered before STARTTLS.
    pub(super) fn offers_in_clear(&self, name: &str) -> bool {
        self.in_clear.iter().any(|offered| offered == name)
    }
}

const GREETING: Question = Question {
    name: "greeting",
    section: "RFC 5321 §4.2",
    requirement: "SMTP-01",
    breaks: "clients do not begin",
};

const OFFER_CLEAR: Question = Question {
    name: "offer-clear",
    section: "RFC 4954 §9",
    requirement: "CAP-03",
    breaks: "a program without TLS shows its password to everybody on the network",
};

const INJECTION: Question = Question {
    name: "starttls-injection",
    section: "RFC 3207 §5",
    requirement: "TLS-04",
    breaks: "somebody on the network puts commands into the session of others (CVE-2011-0411)",
};

const TLS: Question = Question {
    name: "tls",
    section: "RFC 8314 §4.1",
    requirement: "TLS-01",
    breaks: "mail and passwords can be read on their way",
};

const CERTIFICATE: Question = Question {
    name: "certificate",
    section: "RFC 7817 §3",
    requirement: "TLS-11",
    breaks: "careful clients do not connect, and others learn to look away",
};

const STARTTLS_TWICE: Question = Question {
    name: "starttls-twice",
    section: "RFC 3207 §4.2",
    requirement: "TLS-03",
    breaks: "clients ask for TLS once more, and fail",
};

const OFFER: Question = Question {
    name: "offer",
    section: "RFC 4954 §3",
    requirement: "CAP-01",
    breaks: "nobody can log in",
};

const CREDENTIALS: Question = Question {
    name: "credentials",
    section: "RFC 4954 §4",
    requirement: "AUTH-20",
    breaks: "this user cannot log in",
};

/// Looks around. Fails when there is no server to look at.
pub(super) fn run(target: &Target, report: &mut Report) -> io::Result<Channel> {
    let mut connection = target.connect()?;
    let greeting = connection.reply()?;
    let verdict = if greeting.is("220") {
        Verdict::Ok
    } else {
        Verdict::Fault
    };
    report.add(GREETING.finding(verdict, greeting.text()));
    let hello = connection.hello()?;
    let tls = connection.tls();
    connection.close();
    if tls.is_some() {
        return Ok(look(target, report, tls, &hello, Channel::default()));
    }
    let in_clear = mechanisms(&hello);
    let offered = keyword(&hello, "STARTTLS").is_some();
    let (verdict, found) = clear_offer(&in_clear, offered);
    report.add(OFFER_CLEAR.finding(verdict, &found));
    let starttls = offered && target.protection != Some(Protection::None);
    let channel = Channel {
        starttls,
        in_clear,
        ..Channel::default()
    };
    if !starttls {
        return Ok(look(target, report, None, &hello, channel));
    }
    let (verdict, found) = injection(target)?;
    report.add(INJECTION.finding(verdict, &found));
    let mut connection = target.before_tls(true)?;
    connection.start_tls(target)?;
    let hello = connection.hello()?;
    let tls = connection.tls();
    connection.close();
    Ok(look(target, report, tls, &hello, channel))
}

/// Where authentication belongs: what protects that channel, and what the answer to EHLO offers there.
fn look(
    target: &Target,
    report: &mut Report,
    tls: Option<String>,
    hello: &Reply,
    channel: Channel,
) -> Channel {
    let (verdict, found) = target.witness.verdict();
    match tls {
        None => {
            let none = "none: everything crosses the network in clear text";
            report.add(TLS.finding(Verdict::Note, none));
            report.add(CERTIFICATE.finding(verdict, &found));
        }
        Some(tls) => {
            report.add(TLS.finding(Verdict::Ok, &tls));
            report.add(CERTIFICATE.finding(verdict, &found));
            report.add(match keyword(hello, "STARTTLS") {
                Some(_) => STARTTLS_TWICE.finding(Verdict::Fault, "it is, though TLS has begun"),
                None => STARTTLS_TWICE.finding(Verdict::Ok, "not offered again"),
            });
            report.add(tls_versions::ask(target, channel.starttls));
        }
    }
    let mechanisms = mechanisms(hello);
    report.add(if mechanisms.is_empty() {
        OFFER.finding(Verdict::Fault, "AUTH is not offered")
    } else {
        let old_form = hello.lines.iter().filter_map(|line| words(line, "AUTH"));
        let old_form = old_form.filter(|rest| rest.starts_with('=')).count() > 0;
        let old_form = if old_form { ", also as AUTH=" } else { "" };
        let found = format!("{}{old_form}", mechanisms.join(" "));
        OFFER.finding(Verdict::Ok, &found)
    });
    Channel {
        mechanisms,
        ..channel
    }
}

/// Proves that the credentials work, as a careful client does. By what, if they do.
pub(super) async fn authenticate(
    target: &Target,
    ca: Option<&Path>,
    user: &str,
    password: &Secret,
) -> (Finding, Option<&'static Mechanism>) {
    let mode = match target.protection {
        Some(Protection::Implicit) => TlsMode::Implicit,
        Some(Protection::None) => TlsMode::None,
        Some(Protection::Starttls) | None => TlsMode::StartTls,
    };
    let tried = async {
        let mut connector = Connector::new(&target.host, target.port, mode)
            .allow_clear_password(mode == TlsMode::None);
        if let Some(ca) = ca {
            connector = connector.roots(Roots::from_pem_file(ca)?);
        }
        let mut client = connector.connect().await?;
        let credentials = Credentials {
            authcid: user.to_owned(),
            authzid: None,
            credential: Credential::Password(password.clone()),
        };
        let used = client
            .authenticate(&credentials, MechanismChoice::Strongest)
            .await?;
        client.quit().await;
        Ok::<_, gatepost_client::Error>(used)
    };
    match tried.await {
        Ok(used) => {
            let found = format!("{user} by {used}");
            (CREDENTIALS.finding(Verdict::Ok, &found), Some(used))
        }
        Err(error) => {
            let found = error.to_string();
            (CREDENTIALS.finding(Verdict::Fault, &found), None)
        }
    }
}

fn clear_offer(offered: &[String], starttls: bool) -> (Verdict, String) {
    let starttls = if starttls { "STARTTLS" } else { "no STARTTLS" };
    if offered.is_empty() {
        return (Verdict::Ok, format!("{starttls}, no AUTH"));
    }
    let found = format!("{starttls}, AUTH {}", offered.join(" "));
    let shows = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"];
    if offered.iter().any(|name| shows.contains(&name.as_str())) {
        let remark = "passwords may cross in clear text";
        return (Verdict::Note, format!("{found}: {remark}"));
    }
    (Verdict::Ok, found)
}

/// What is said in clear behind STARTTLS must not be answered within TLS (CVE-2011-0411).
fn injection(target: &Target) -> io::Result<(Verdict, String)> {
    let mut connection: Connection = target.connect()?;
    connection.reply()?;
    connection.hello()?;
    connection.say("STARTTLS\r\nNOOP\r\n")?;
    let said = connection.reply()?;
    if !said.is("220") || connection.start_tls(target).is_err() {
        return Ok((
            Verdict::Ok,
            "commands behind STARTTLS end the session".to_owned(),
        ));
    }
    let Ok(hello) = connection.hello() else {
        return Ok((
            Verdict::Ok,
            "commands behind STARTTLS end the session".to_owned(),
        ));
    };
    if hello.lines.len() > 1 {
        return Ok((
            Verdict::Ok,
            "commands behind STARTTLS are forgotten".to_owned(),
        ));
    }
    Ok((
        Verdict::Fault,
        format!(
            "a command in clear text was answered within TLS: {}",
            hello.text()
        ),
    ))
}

/// Mechanisms of every AUTH line, each once.
fn mechanisms(hello: &Reply) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for names in hello.lines.iter().filter_map(|line| words(line, "AUTH")) {
        for name in names.split([' ', '=']).filter(|name| !name.is_empty()) {
            let name = name.to_ascii_uppercase();
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// What follows the keyword, on the first line that has it.
fn keyword<'a>(hello: &'a Reply, keyword: &str) -> Option<&'a str> {
    hello.lines.iter().find_map(|line| words(line, keyword))
}

fn words<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let (start, rest) = line.get(4..)?.split_at_checked(keyword.len())?;
    (start.eq_ignore_ascii_case(keyword) && !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        .then_some(rest)
}
