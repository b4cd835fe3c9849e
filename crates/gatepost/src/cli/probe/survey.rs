//! What a server offers where: the first connection, from the greeting to the second EHLO.

use std::io;
use std::path::Path;

use gatepost_client::{
    Connector, Credential, Credentials, MechanismChoice, Roots, Secret, TlsMode,
};

use super::connection::{Connection, Reply, Target};
use super::report::{Finding, Report, Verdict};
use crate::cli::send::Protection;

/// The channel where authentication belongs.
pub(super) struct Channel {
    /// It begins with STARTTLS.
    pub(super) starttls: bool,
    /// Mechanisms offered there.
    pub(super) mechanisms: Vec<String>,
}

/// Looks around. Fails when there is no server to look at.
pub(super) fn run(target: &Target, report: &mut Report) -> io::Result<Channel> {
    let mut connection = target.connect()?;
    let greeting = connection.reply()?;
    let verdict = if greeting.is("220") {
        Verdict::Ok
    } else {
        Verdict::Fault
    };
    let section = "RFC 5321 §4.2";
    report.add(Finding::new(verdict, "greeting", section, greeting.text()));
    let (starttls, hello) = greet(target, &mut connection, report)?;
    look_at_tls(target, &connection, &hello, report);
    let mechanisms = mechanisms(&hello);
    let (verdict, found) = if mechanisms.is_empty() {
        (Verdict::Fault, "AUTH is not offered".to_owned())
    } else {
        (Verdict::Ok, mechanisms.join(" "))
    };
    report.add(Finding::new(verdict, "offer", "RFC 4954 §3", &found));
    let _ = connection.ask("QUIT");
    Ok(Channel {
        starttls,
        mechanisms,
    })
}

/// EHLO, then STARTTLS and EHLO again where that is offered and wanted: whether it was, and the last answer to EHLO.
fn greet(
    target: &Target,
    connection: &mut Connection,
    report: &mut Report,
) -> io::Result<(bool, Reply)> {
    let first = connection.hello()?;
    if connection.tls().is_some() {
        return Ok((false, first));
    }
    let (verdict, found) = clear_offer(&first);
    report.add(Finding::new(verdict, "offer-clear", "RFC 4954 §9", &found));
    let offered = keyword(&first, "STARTTLS").is_some();
    if !offered || target.protection == Some(Protection::None) {
        return Ok((false, first));
    }
    let (verdict, found) = injection(target)?;
    let section = "RFC 3207 §5";
    report.add(Finding::new(verdict, "starttls-injection", section, &found));
    connection.ask("STARTTLS")?;
    connection.start_tls(target)?;
    Ok((true, connection.hello()?))
}

/// What protects the channel on which this was the answer to EHLO.
fn look_at_tls(target: &Target, connection: &Connection, hello: &Reply, report: &mut Report) {
    let mut add = |verdict, question, section, found: &str| {
        report.add(Finding::new(verdict, question, section, found));
    };
    let tls = connection.tls();
    match &tls {
        Some(tls) => add(Verdict::Ok, "tls", "RFC 8314 §4.1", tls),
        None => add(
            Verdict::Note,
            "tls",
            "RFC 8314 §4.1",
            "none: everything crosses the network in clear text",
        ),
    }
    let (verdict, found) = target.witness.verdict();
    add(verdict, "certificate", "RFC 7817 §3", &found);
    if tls.is_some() {
        let (verdict, found) = match keyword(hello, "STARTTLS") {
            Some(_) => (Verdict::Fault, "STARTTLS is offered again within TLS"),
            None => (Verdict::Ok, "not offered again"),
        };
        add(verdict, "starttls-twice", "RFC 3207 §4.2", found);
    }
}

/// Proves that the credentials work, as a careful client does.
pub(super) async fn authenticate(
    target: &Target,
    ca: Option<&Path>,
    user: &str,
    password: Secret,
) -> Finding {
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
            credential: Credential::Password(password),
        };
        let used = client
            .authenticate(&credentials, MechanismChoice::Strongest)
            .await?;
        client.quit().await;
        Ok::<_, gatepost_client::Error>(used.name)
    };
    let (verdict, found) = match tried.await {
        Ok(used) => (Verdict::Ok, format!("{user} by {used}")),
        Err(error) => (Verdict::Fault, error.to_string()),
    };
    Finding::new(verdict, "credentials", "RFC 4954 §4", &found)
}

fn clear_offer(hello: &Reply) -> (Verdict, String) {
    let offered = mechanisms(hello);
    let shows = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"];
    let shown: Vec<_> = offered
        .iter()
        .map(String::as_str)
        .filter(|name| shows.contains(name))
        .collect();
    if !shown.is_empty() {
        return (
            Verdict::Note,
            format!(
                "{} before TLS: passwords may cross in clear text",
                shown.join(" ")
            ),
        );
    }
    let starttls = match keyword(hello, "STARTTLS") {
        Some(_) => "STARTTLS",
        None => "no STARTTLS",
    };
    (
        Verdict::Ok,
        if offered.is_empty() {
            format!("{starttls}, no AUTH")
        } else {
            format!("{starttls}, AUTH {}", offered.join(" "))
        },
    )
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
