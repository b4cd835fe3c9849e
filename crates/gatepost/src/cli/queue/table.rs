//! What `gatepost queue` prints. Texts of peers are escaped: they go to a terminal.

use std::fmt;

use serde::Serialize;

use crate::control::queue::filter::WireState;
use crate::control::queue::stats::{Share, Stats};
use crate::control::queue::view::{MessageDetails, MessageLine, RecipientLine};
use crate::control::queue::{Changed, Page, What};
use crate::observe::escape::escape_into;

/// A page of the list.
#[derive(Serialize)]
pub(super) struct PageTable(pub(super) Page);

impl fmt::Display for PageTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Page {
            total,
            messages,
            next,
        } = &self.0;
        for message in messages {
            write_line(message, f)?;
        }
        match next {
            Some(next) => write!(f, "more: --before {next}"),
            None if messages.is_empty() && *total == 0 => write!(f, "no messages"),
            None => write!(f, "{} shown, {total} in all", messages.len()),
        }
    }
}

fn write_line(message: &MessageLine, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        f,
        "{}  {:8}  {}  {:>9}  {}",
        message.id,
        message.state.as_str(),
        message.received,
        octets(message.size),
        sender(message)
    )?;
    for recipient in &message.recipients {
        writeln!(f, "    {}", standing(recipient))?;
    }
    Ok(())
}

fn sender(message: &MessageLine) -> String {
    match message.sender.as_str() {
        "" => "<>".to_owned(),
        address => shown(address),
    }
}

/// Where a recipient stands, in one line.
fn standing(recipient: &RecipientLine) -> String {
    let mut parts = vec![format!(
        "{}  {}",
        shown(&recipient.address),
        recipient.state
    )];
    if recipient.released {
        parts.push("released".to_owned());
    }
    match recipient.attempts {
        0 => {}
        1 => parts.push("1 failed attempt".to_owned()),
        attempts => parts.push(format!("{attempts} failed attempts")),
    }
    let next = recipient.next_attempt.as_ref();
    parts.extend(next.map(|next| format!("next {next}")));
    let standing = parts.join(", ");
    match &recipient.last_reply {
        Some(reply) => format!("{standing}: {}", shown(reply)),
        None => standing,
    }
}

/// One message.
#[derive(Serialize)]
pub(super) struct DetailsTable {
    #[serde(flatten)]
    pub(super) details: MessageDetails,
    #[serde(skip)]
    pub(super) headers: bool,
}

impl fmt::Display for DetailsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageDetails {
            line,
            submission,
            parameters,
            headers,
        } = &self.details;
        write_line(line, f)?;
        let facts = [
            ("account", line.account.as_ref()),
            ("mechanism", submission.mechanism.as_ref()),
            ("authcid", submission.authcid.as_ref()),
            ("authzid", submission.authzid.as_ref()),
            ("login", submission.login.as_ref()),
            ("credential", submission.credential.as_ref()),
            ("peer", submission.peer.as_ref()),
            ("helo", Some(&submission.helo)),
            ("tls", submission.tls.as_ref()),
            ("session", Some(&submission.session)),
        ];
        let known = facts
            .iter()
            .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
        for (name, value) in known {
            writeln!(f, "  {name}: {}", shown(value))?;
        }
        writeln!(f, "  parameters: {}", shown(&parameters.join(" ")))?;
        if self.headers {
            writeln!(f)?;
            for line in headers.lines() {
                writeln!(f, "{}", shown(line))?;
            }
        }
        Ok(())
    }
}

/// What was changed.
#[derive(Serialize)]
pub(super) struct ChangedTable {
    #[serde(skip)]
    pub(super) what: What,
    #[serde(flatten)]
    pub(super) changed: Changed,
}

impl fmt::Display for ChangedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for refused in &self.changed.refused {
            writeln!(f, "{}: {}", shown(&refused.id), refused.why)?;
        }
        let what = match self.what {
            What::Hold => "held",
            What::Release => "released",
            What::Retry => "due now",
            What::Delete { bounce: false } => "deleted",
            What::Delete { bounce: true } => "returned to their senders",
        };
        let (changed, matched) = (self.changed.changed, self.changed.matched);
        match matched {
            0 => write!(f, "no message fits"),
            1 => write!(f, "{changed} of 1 message {what}"),
            _ => write!(f, "{changed} of {matched} messages {what}"),
        }
    }
}

/// Figures.
#[derive(Serialize)]
pub(super) struct StatsTable(pub(super) Stats);

impl fmt::Display for StatsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = &self.0;
        for (state, count) in [
            (WireState::Queued, stats.queued),
            (WireState::Held, stats.held),
            (WireState::Captured, stats.captured),
        ] {
            writeln!(f, "{}: {count} messages", state.as_str())?;
        }
        writeln!(
            f,
            "recipients: {} waiting ({} after a failed attempt), {} held",
            stats.recipients_waiting, stats.recipients_deferred, stats.recipients_held
        )?;
        writeln!(f, "content: {}", octets(stats.octets))?;
        if let Some(oldest) = &stats.oldest {
            writeln!(f, "oldest: {oldest}")?;
        }
        write_shares("recipients by domain", &stats.domains, f)?;
        write_shares("messages by account", &stats.accounts, f)
    }
}

fn write_shares(title: &str, shares: &[Share], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if shares.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}:")?;
    for Share { name, count } in shares {
        writeln!(f, "  {count:>8}  {}", shown(name))?;
    }
    Ok(())
}

/// A peer's text, safe on a terminal.
fn shown(text: &str) -> String {
    let mut line = String::new();
    escape_into(&mut line, text);
    line
}

/// Octets for people.
fn octets(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB"];
    let place = units.len() - 1;
    let unit = (0..place)
        .find(|unit| count >> (10 * (unit + 1)) == 0)
        .unwrap_or(place);
    let tenths = (count * 10) >> (10 * unit);
    match unit {
        0 => format!("{count} B"),
        _ => format!(
            "{}.{} {}",
            tenths / 10,
            tenths % 10,
            units.get(unit).unwrap_or(&"")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_have_a_unit_that_fits() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 40, "5120.0 GiB"),
        ] {
            assert_eq!(octets(count), text);
        }
    }
}
