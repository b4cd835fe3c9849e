//! The message of a program that trusts `sendmail` to complete it: any line ends, recipients in its header, perhaps no From.

use gatepost_smtp::path::{Address, ReversePath};

use super::{Failure, Status, address};
use crate::message::headers::HeaderSection;
use crate::message::mailbox::{MailboxFault, parse_list};

/// Fields that name recipients, and their twins of a message sent again (RFC 5322 §3.6.6), which then count alone.
const RECIPIENTS: [(&str, &str); 3] = [
    ("To", "Resent-To"),
    ("Cc", "Resent-Cc"),
    ("Bcc", "Resent-Bcc"),
];

/// Header and body, with CRLF throughout.
pub(super) struct Message {
    octets: Vec<u8>,
    /// Octets of the header section, without the empty line behind it.
    header: usize,
}

impl Message {
    /// Takes what was given. A line with a dot alone ends it, unless `ignore_dots`.
    pub(super) fn new(given: &[u8], ignore_dots: bool) -> Result<Self, Failure> {
        let mut octets = Vec::with_capacity(given.len() + given.len() / 32);
        let mut header = None;
        for line in given.split_inclusive(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line == b"." && !ignore_dots {
                break;
            }
            if line.is_empty() && header.is_none() {
                header = Some(octets.len());
            }
            octets.extend_from_slice(line);
            octets.extend_from_slice(b"\r\n");
        }
        let message = Self {
            header: header.unwrap_or(octets.len()),
            octets,
        };
        let rest = message.section()?.rest().len();
        Ok(message.with_separator(rest))
    }

    /// The octets to send.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Whether a header field is not ASCII.
    pub(super) fn is_international(&self) -> bool {
        !self.head().is_ascii()
    }

    /// The first address of From.
    pub(super) fn author(&self) -> Option<String> {
        let section = self.section().ok()?;
        let from = section.named("From").next()?;
        parse_list(from.value())
            .ok()?
            .first()
            .map(ToString::to_string)
    }

    /// Everybody whom the header names as a recipient; Bcc is taken out of it.
    pub(super) fn take_recipients(&mut self) -> Result<Vec<Address>, Failure> {
        let section = self.section()?;
        let resent = RECIPIENTS
            .iter()
            .any(|(_, resent)| section.named(resent).next().is_some());
        let mut found = Vec::new();
        for (usual, again) in RECIPIENTS {
            for field in section.named(if resent { again } else { usual }) {
                found.extend(recipients(field.value())?);
            }
        }
        let mut kept = Vec::with_capacity(self.octets.len());
        for field in section.fields() {
            if !field.is("Bcc") && !field.is("Resent-Bcc") {
                kept.extend_from_slice(field.raw());
            }
        }
        let header = kept.len();
        kept.extend_from_slice(self.octets.get(self.header..).unwrap_or_default());
        self.octets = kept;
        self.header = header;
        Ok(found)
    }

    /// Adds From where there is none.
    pub(super) fn complete(
        &mut self,
        sender: &ReversePath,
        full_name: Option<&str>,
    ) -> Result<(), Failure> {
        if self.section()?.named("From").next().is_some() {
            return Ok(());
        }
        let Some(address) = sender.address() else {
            return Ok(());
        };
        let field = match full_name {
            Some(name) if name.chars().any(char::is_control) => {
                return Err(Failure::new(
                    Status::Usage,
                    "-F: no control characters in a name",
                ));
            }
            Some(name) => {
                let name = name.replace('\\', r"\\").replace('"', "\\\"");
                format!("From: \"{name}\" <{address}>\r\n")
            }
            None => format!("From: {address}\r\n"),
        };
        self.octets.splice(..0, field.bytes());
        self.header += field.len();
        Ok(())
    }

    fn head(&self) -> &[u8] {
        self.octets.get(..self.header).unwrap_or_default()
    }

    fn section(&self) -> Result<HeaderSection<'_>, Failure> {
        HeaderSection::scan(self.head()).map_err(|fault| Failure::new(Status::DataError, fault))
    }

    /// A text that begins without a header, or forgets the empty line behind it, gets that line.
    fn with_separator(mut self, rest: usize) -> Self {
        let at = self.header - rest;
        if rest > 0 || self.header == self.octets.len() {
            self.octets.splice(at..at, *b"\r\n");
        }
        self.header = at;
        self
    }
}

/// The addresses of a field; an empty group, as in `To: undisclosed-recipients:;`, is nobody.
fn recipients(value: &[u8]) -> Result<Vec<Address>, Failure> {
    let trimmed = value.trim_ascii();
    if trimmed.is_empty() || trimmed.ends_with(b":;") {
        return Ok(Vec::new());
    }
    let mailboxes = parse_list(value).map_err(|fault: MailboxFault| {
        Failure::new(
            Status::DataError,
            format!(
                "recipients `{}`: {fault}\n    name them as arguments instead of -t",
                String::from_utf8_lossy(trimmed).escape_debug()
            ),
        )
    })?;
    mailboxes
        .iter()
        .map(|it| address(&it.to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::new(text.as_bytes(), false).unwrap()
    }

    fn text(message: &Message) -> &str {
        std::str::from_utf8(message.octets()).unwrap()
    }

    #[test]
    fn recipients_are_taken_and_bcc_goes() {
        let mut it = message(
            "To: A <a@x.example>,\n b@x.example\nBcc: c@x.example\nSubject: s\n\nBcc: body\n",
        );
        let found: Vec<_> = it
            .take_recipients()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["a@x.example", "b@x.example", "c@x.example"]);
        assert_eq!(
            text(&it),
            "To: A <a@x.example>,\r\n b@x.example\r\nSubject: s\r\n\r\nBcc: body\r\n"
        );
        let mut it =
            message("To: a@x.example\nResent-To: r@x.example\nResent-Bcc: q@x.example\n\n");
        let found: Vec<_> = it
            .take_recipients()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["r@x.example", "q@x.example"]);
        let mut it = message("To: undisclosed-recipients:;\nBcc: a@x.example\n\n");
        assert_eq!(it.take_recipients().unwrap().len(), 1);
        let mut it = message("To: root\n\n");
        assert_eq!(it.take_recipients().unwrap_err().status, Status::DataError);
    }

    #[test]
    fn a_dot_ends_the_message_or_not() {
        assert_eq!(text(&message("S: x\n\na\n.\nb\n")), "S: x\r\n\r\na\r\n");
        let all = Message::new(b"S: x\n\na\n.\nb\n", true).unwrap();
        assert_eq!(text(&all), "S: x\r\n\r\na\r\n.\r\nb\r\n");
    }

    #[test]
    fn what_is_missing_is_added() {
        let sender = ReversePath::parse("me@x.example").unwrap();
        for (given, name, expected) in [
            (
                "Subject: s\n\nb\n",
                None,
                "From: me@x.example\r\nSubject: s\r\n\r\nb\r\n",
            ),
            (
                "Subject: s\n\nb\n",
                Some("J \"R\""),
                "From: \"J \\\"R\\\"\" <me@x.example>\r\nSubject: s\r\n\r\nb\r\n",
            ),
            (
                "From: a@x.example\n\nb\n",
                None,
                "From: a@x.example\r\n\r\nb\r\n",
            ),
            (
                "just text\n",
                None,
                "From: me@x.example\r\n\r\njust text\r\n",
            ),
            ("", None, "From: me@x.example\r\n\r\n"),
        ] {
            let mut it = message(given);
            it.complete(&sender, name).unwrap();
            assert_eq!(text(&it), expected, "{given}");
        }
        let two_lines = message("S: x\n\n").complete(&sender, Some("a\r\nBcc: b@x.example"));
        assert_eq!(two_lines.unwrap_err().status, Status::Usage);
    }
}
