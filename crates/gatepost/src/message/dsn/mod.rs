//! Notices about delivery: `multipart/report` with `message/delivery-status` (RFC 3464, RFC 6522).
//!
//! Everything that came from elsewhere (addresses, the sender's name for the message, the next hop's reply, its name) is
//! written through one type, [`Plain`], that leaves printable text only, so that nothing can add a line (T-36).
//!
//! A notice about a message with SMTPUTF8 is written for a reader of UTF-8: its status is `message/global-delivery-status`
//! with addresses of type `utf-8` (RFC 6533). Any other is ASCII. Either is 7-bit by transfer encoding and has no line over
//! 998 octets, unless it returns a message that is not, which no encoding may wrap.
//!
//! What is returned is the header, at most [`MAX_RETURNED`] octets of it (T-45), or the whole message where its sender asked
//! for that ([`Returned`]).
//!
//! - [`status`]: the part for machines. [`part`]: bodies that any hop can take.
//!
//! Standards: RFC 3464, RFC 6522, RFC 6533, RFC 3834 §5 (`Auto-Submitted`), RFC 3461 §6, DSN-04.

mod part;
mod status;

use std::fmt::{self, Write as _};
use std::time::Duration;

use gatepost_smtp::dsn::{EnvelopeId, OriginalRecipient};
use gatepost_smtp::path::{Address, is_text};
use jiff::Timestamp;

use super::fixup::date;

pub use self::part::can_be_returned;

/// The most octets of the original's header that a notice returns.
pub const MAX_RETURNED: usize = 64 * 1024;

/// The longest text taken over from a peer, in characters.
const MAX_TEXT: usize = 400;

/// The longest address in a notice, in characters: any that SMTP can carry, in nearly any form.
const MAX_ADDRESS: usize = 900;

/// The longest line of 7-bit text (RFC 5322 §2.1.1).
const MAX_LINE: usize = 998;

/// A notice to be written.
#[derive(Debug)]
pub struct Notice<'a> {
    /// Our name.
    pub reporting_mta: &'a str,
    /// A unique and unguessable word: makes the boundary and the message id.
    pub unique: &'a str,
    /// The time of the notice.
    pub now: Timestamp,
    /// Who is told: the reverse-path of the message.
    pub to: &'a Address,
    /// The queue id of the message.
    pub about: &'a str,
    /// The sender's own name for it.
    pub envelope_id: Option<&'a EnvelopeId>,
    /// When the message was accepted.
    pub arrived: Timestamp,
    /// The message has SMTPUTF8, so that its sender can read UTF-8.
    pub utf8: bool,
    /// What is told; at least one.
    pub reports: &'a [Report],
    /// What is returned of the message.
    pub returned: Returned<'a>,
}

/// What is told about one recipient.
#[derive(Debug, Clone)]
pub struct Report {
    /// The address.
    pub recipient: Address,
    /// What the sender first called it.
    pub original: Option<OriginalRecipient>,
    /// What became of it.
    pub fate: Fate,
    /// Status code, such as `5.1.1` (RFC 3463).
    pub status: String,
    /// The next hop that was asked last, by its name alone.
    pub next_hop: Option<String>,
    /// What it replied, or what else there is to say.
    pub diagnostic: Diagnostic,
}

/// What became of a recipient, as far as a sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It will not get the message.
    Failed,
    /// It takes longer than usual.
    Delayed {
        /// How much longer it is tried.
        tried_for: Duration,
    },
    /// A next hop that will tell nobody has the message (DSN-03).
    Relayed,
}

/// What else there is to say about a recipient.
#[derive(Debug, Clone)]
pub enum Diagnostic {
    /// The next hop's reply: code and text.
    Reply(String),
    /// Our own words.
    Ours(String),
}

/// What of a message a notice returns.
#[derive(Debug, Clone, Copy)]
pub enum Returned<'a> {
    /// Its header section, with or without the empty line behind it.
    Header(&'a [u8]),
    /// All of it; [`can_be_returned`] holds.
    Message(&'a [u8]),
}

/// A notice as it is queued.
#[derive(Debug)]
pub struct Rendered {
    /// The header section and the empty line.
    pub header: String,
    /// The rest.
    pub body: Vec<u8>,
}

impl Notice<'_> {
    /// The whole message, lines ending in CRLF.
    pub fn render(&self) -> Rendered {
        let boundary = format!("=_{}", self.plain(self.unique));
        let mut body = Vec::new();
        let mut add = |part: Vec<u8>| {
            // The line end before a boundary belongs to it; in front there is none to be had (RFC 2046 §5.1.1).
            let before = if body.is_empty() { "" } else { "\r\n" };
            body.extend_from_slice(format!("{before}--{boundary}\r\n").as_bytes());
            body.extend(part);
        };
        let charset = if self.utf8 { "utf-8" } else { "us-ascii" };
        add(part::text(
            &format!("text/plain; charset={charset}"),
            self.explanation().as_bytes(),
        ));
        let status = if self.utf8 {
            "message/global-delivery-status"
        } else {
            "message/delivery-status"
        };
        add(part::text(status, self.status().as_bytes()));
        add(part::returned(self.returned, self.utf8));
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Rendered {
            header: self.header(&boundary, body.is_ascii()),
            body,
        }
    }

    fn header(&self, boundary: &str, seven_bit: bool) -> String {
        let us = self.plain(self.reporting_mta);
        let any = |fate: fn(&Fate) -> bool| self.reports.iter().any(|report| fate(&report.fate));
        let subject = if any(|fate| *fate == Fate::Failed) {
            "Your message could not be delivered"
        } else if any(|fate| matches!(fate, Fate::Delayed { .. })) {
            "Your message has not been delivered yet"
        } else {
            "Your message was passed on"
        };
        let encoding = if seven_bit {
            ""
        } else {
            "Content-Transfer-Encoding: 8bit\r\n"
        };
        format!(
            "Date: {date}\r\n\
             From: Mail Delivery System <MAILER-DAEMON@{us}>\r\n\
             To: <{to}>\r\n\
             Subject: {subject}\r\n\
             Message-ID: <{unique}@{us}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             {encoding}\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n\r\n",
            date = date(self.now),
            to = self.address(self.to.as_str()),
            unique = self.plain(self.unique),
        )
    }

    fn explanation(&self) -> String {
        let mut text = format!(
            "This is the mail server {us}.\r\n\r\n\
             The message that you submitted on {arrived}\r\n\
             (here known as {about})",
            us = self.plain(self.reporting_mta),
            arrived = date(self.arrived),
            about = self.plain(self.about),
        );
        let mut subject = "";
        for (heading, conclusion, belongs) in GROUPS {
            let group = self.reports.iter().filter(|report| belongs(&report.fate));
            let lines: String = group.map(|report| self.told(report)).collect();
            if !lines.is_empty() {
                let _ = write!(text, "{subject} {heading}\r\n{lines}\r\n{conclusion}\r\n");
                subject = "\r\nIt";
            }
        }
        text.push_str(match self.returned {
            Returned::Header(_) => "\r\nIts header is attached.\r\n",
            Returned::Message(_) => "\r\nIt is attached.\r\n",
        });
        text
    }

    fn told(&self, report: &Report) -> String {
        let mut text = format!("\r\n<{}>\r\n", self.address(report.recipient.as_str()));
        let _ = match (&report.diagnostic, &report.next_hop) {
            (Diagnostic::Reply(reply), Some(hop)) => {
                write!(
                    text,
                    "    {} said: {}\r\n",
                    self.plain(hop),
                    self.plain(reply)
                )
            }
            (Diagnostic::Reply(words) | Diagnostic::Ours(words), _) => {
                write!(text, "    {}\r\n", self.plain(words))
            }
        };
        if let Fate::Delayed { tried_for } = report.fate {
            let _ = write!(
                text,
                "    It is tried until {}\r\n",
                date(self.after(tried_for))
            );
        }
        text
    }

    fn after(&self, time: Duration) -> Timestamp {
        self.now.saturating_add(time).unwrap_or(self.now)
    }

    fn plain<'t>(&self, text: &'t str) -> Plain<'t> {
        Plain {
            text,
            utf8: self.utf8,
            most: MAX_TEXT,
        }
    }

    fn address<'t>(&self, text: &'t str) -> Plain<'t> {
        Plain {
            most: MAX_ADDRESS,
            ..self.plain(text)
        }
    }
}

/// Heading and conclusion of what is said about the recipients of one fate.
type Group = (&'static str, &'static str, fn(&Fate) -> bool);

const GROUPS: [Group; 3] = [
    (
        "could not be delivered to:",
        "It will not be tried again.",
        |fate| matches!(fate, Fate::Failed),
    ),
    (
        "has not been delivered yet to:",
        "You need not send it again.",
        |fate| matches!(fate, Fate::Delayed { .. }),
    ),
    (
        "was passed on to a server that sends no confirmations, for:",
        "You will hear of it again only if it fails there.",
        |fate| matches!(fate, Fate::Relayed),
    ),
];

/// Text from elsewhere: printable characters only, of ASCII only unless UTF-8 can be read; everything else becomes `?`.
struct Plain<'a> {
    text: &'a str,
    utf8: bool,
    /// Characters that are written at most.
    most: usize,
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.text.chars().take(self.most) {
            let plain = matches!(character, ' '..='~')
                || (self.utf8 && !character.is_ascii() && is_text(character));
            f.write_char(if plain { character } else { '?' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
