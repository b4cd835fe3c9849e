//! What a submission server completes and removes in a header section (RFC 6409 §8).
//!
//! One parser decides and writes: the fields that [`HeaderSection`] found are written as they came, octet by octet, except
//! for what is listed here. So no reader can find a field that was not checked.
//!
//! - `Received` is put on top.
//! - `Date` and `Message-ID` are added when missing; one that cannot be parsed becomes `X-Original-…` and is replaced
//!   (SUBM-02, SUBM-03).
//! - `Bcc`, `Resent-Bcc` and `Return-Path` are removed (SUBM-05), so is what policy removes (a foreign `Sender`).
//! - A mailbox file's first line becomes `X-Mailbox-Line` (EOL-03).
//! - An empty line ends the section, before text that is no field or where the message had none (SUBM-10).
//!
//! Refused: a field that may occur once but occurs twice, since readers differ in which they show; [`MAX_HOPS`].

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

use super::headers::{Field, HeaderSection};

/// The number of `Received` fields at which a message is taken to be in a loop (RFC 5321 §6.3, SUBM-05).
pub const MAX_HOPS: usize = 100;

/// Fields that may occur once (RFC 5322 §3.6). `From` and `Sender` are the business of the sender policy.
const SINGLE: &[&str] = &[
    "Date",
    "Reply-To",
    "To",
    "Cc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
];

/// Fields that are never passed on.
const REMOVED: &[&str] = &["Bcc", "Resent-Bcc", "Return-Path"];

/// What a header section is completed with.
#[derive(Debug)]
pub struct Completion<'a> {
    /// Our trace field, with its final line end.
    pub received: &'a str,
    /// The time of submission.
    pub now: Timestamp,
    /// A message id of our own, without angle brackets, in case there is none.
    pub message_id: &'a str,
    /// What the sender policy removes and adds.
    pub changes: &'a Changes,
    /// Whether an empty line ended the section, rather than the end of the message.
    pub separated: bool,
}

/// Changes that policy orders.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Names of fields to remove, wherever they occur.
    pub remove: Vec<&'static str>,
    /// Fields to add: name and value. Values are addresses that were parsed, so they hold no line ends.
    pub add: Vec<(&'static str, String)>,
}

/// Why a header section is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FixupFault {
    /// A field that may occur once occurs again.
    #[error("more than one {0} field")]
    Duplicate(&'static str),
    /// [`MAX_HOPS`] `Received` fields.
    #[error("{MAX_HOPS} Received fields: the message is in a loop")]
    TooManyHops,
}

/// Everything that stands before the body as the driver passes it on: the completed section, its empty line and, when the
/// section ended early, the text that belongs to the body.
pub fn complete(
    section: &HeaderSection<'_>,
    completion: &Completion<'_>,
) -> Result<Vec<u8>, FixupFault> {
    check_counts(section)?;
    let mut written = Vec::with_capacity(completion.received.len() + octets_of(section) + 256);
    written.extend_from_slice(completion.received.as_bytes());
    if let Some(line) = section.mbox_line() {
        written.extend_from_slice(b"X-Mailbox-Line: ");
        write_line(line, &mut written);
    }
    for field in section.fields() {
        write_field(field, completion.changes, &mut written);
    }
    for (name, value) in &completion.changes.add {
        write_line(format!("{name}: {value}").as_bytes(), &mut written);
    }
    if !section.named("Date").any(is_date) {
        write_line(
            format!("Date: {}", date(completion.now)).as_bytes(),
            &mut written,
        );
    }
    if !section.named("Message-ID").any(is_message_id) {
        write_line(
            format!("Message-ID: <{}>", completion.message_id).as_bytes(),
            &mut written,
        );
    }
    written.extend_from_slice(b"\r\n");
    if !section.rest().is_empty() {
        written.extend_from_slice(section.rest());
        if completion.separated {
            written.extend_from_slice(b"\r\n");
        }
    }
    Ok(written)
}

/// A time as header fields have it (RFC 5322 §3.3), in UTC.
pub fn date(time: Timestamp) -> String {
    // Years before 0 have no such form; the clock of a mail server is not there.
    rfc2822::to_string(&time.to_zoned(TimeZone::UTC)).unwrap_or_default()
}

fn check_counts(section: &HeaderSection<'_>) -> Result<(), FixupFault> {
    if section.named("Received").count() >= MAX_HOPS {
        return Err(FixupFault::TooManyHops);
    }
    match SINGLE.iter().find(|name| section.named(name).count() > 1) {
        Some(name) => Err(FixupFault::Duplicate(name)),
        None => Ok(()),
    }
}

fn octets_of(section: &HeaderSection<'_>) -> usize {
    section
        .fields()
        .iter()
        .map(|field| field.raw().len())
        .sum::<usize>()
        + section.rest().len()
}

fn write_field(field: &Field<'_>, changes: &Changes, written: &mut Vec<u8>) {
    if REMOVED
        .iter()
        .chain(&changes.remove)
        .any(|name| field.is(name))
    {
        return;
    }
    let unparsable =
        (field.is("Date") && !is_date(field)) || (field.is("Message-ID") && !is_message_id(field));
    if unparsable {
        written.extend_from_slice(b"X-Original-");
    }
    write_line(field.raw(), written);
}

/// Appends `line` with a line end, which the last line of a message may lack.
fn write_line(line: &[u8], written: &mut Vec<u8>) {
    written.extend_from_slice(line);
    if !line.ends_with(b"\n") {
        written.extend_from_slice(b"\r\n");
    }
}

fn is_date(field: &Field<'_>) -> bool {
    let unfolded: Vec<u8> = field
        .value()
        .iter()
        .copied()
        .filter(|octet| !matches!(octet, b'\r' | b'\n'))
        .collect();
    // The day of the week is often wrong where the rest is right; it carries no information.
    let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(unfolded.trim_ascii()).is_ok()
}

/// `<left@right>` without white space or further brackets (RFC 5322 §3.6.4).
fn is_message_id(field: &Field<'_>) -> bool {
    let inner = field
        .value()
        .trim_ascii()
        .strip_prefix(b"<")
        .and_then(|id| id.strip_suffix(b">"));
    inner.is_some_and(|id| {
        let plain = id
            .iter()
            .all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'<' | b'>'));
        let at = id.iter().position(|&octet| octet == b'@');
        plain && at.is_some_and(|at| at > 0 && at + 1 < id.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(octets: &str, changes: &Changes, separated: bool) -> Result<String, FixupFault> {
        let section = HeaderSection::scan(octets.as_bytes()).unwrap();
        let completion = Completion {
            received: "Received: us\r\n",
            now: "2026-11-21T05:56:11Z".parse().unwrap(),
            message_id: "id.1@own.example",
            changes,
            separated,
        };
        complete(&section, &completion).map(|octets| String::from_utf8(octets).unwrap())
    }

    fn plain(octets: &str) -> String {
        completed(octets, &Changes::default(), true).unwrap()
    }

    const DATED: &str = "Date: Fri, 20 Nov 2026 10:00:00 +0100\r\nMessage-ID: <a@b>\r\n";

    // SUBM-08: "Alias/CNAME rewriting off; header rewriting only by explicit map". There is no map.
    #[test]
    fn a_complete_header_is_kept_octet_by_octet() {
        let header =
            format!("{DATED}FROM:\tMe\r\n <me@own.example>\r\nX-Odd :  y \r\nSubject: \u{e9}\r\n");
        assert_eq!(plain(&header), format!("Received: us\r\n{header}\r\n"));
    }

    // SUBM-02, SUBM-03
    #[test]
    fn date_and_message_id_are_added_or_replaced() {
        assert_eq!(
            plain("Subject: x\r\n"),
            "Received: us\r\nSubject: x\r\nDate: Sat, 21 Nov 2026 05:56:11 +0000\r\nMessage-ID: <id.1@own.example>\r\n\r\n"
        );
        assert_eq!(
            plain("date: yesterday\r\nmessage-id: 12\r\n"),
            "Received: us\r\nX-Original-date: yesterday\r\nX-Original-message-id: 12\r\n\
             Date: Sat, 21 Nov 2026 05:56:11 +0000\r\nMessage-ID: <id.1@own.example>\r\n\r\n"
        );
    }

    #[test]
    fn dates_and_ids_of_the_field_are_understood() {
        let table = [
            ("Date: Fri, 20 Nov 2026 10:00:00 +0100", true),
            ("Date: Mon, 20 Nov 2026 10:00:00 +0100", true),
            ("Date: 20 Nov 2026 10:00 GMT", true),
            ("Date: Fri, 20 Nov 26 10:00:00 EST", true),
            ("Date: Fri, 20 Nov 2026\r\n 10:00:00 +0100 (CET)", true),
            ("Date: Fri Nov 20 10:00:00 2026", false),
            ("Date: 2026-11-20T10:00:00Z", false),
            ("Date:", false),
            ("Message-ID: <a.b+c@d.example>", true),
            ("Message-ID:\r\n <a@b>", true),
            ("Message-ID: a@b", false),
            ("Message-ID: <a>", false),
            ("Message-ID: <@b>", false),
            ("Message-ID: <a@>", false),
            ("Message-ID: <a@b> <c@d>", false),
            ("Message-ID: <a @b>", false),
        ];
        for (line, good) in table {
            let octets = format!("{line}\r\n");
            let section = HeaderSection::scan(octets.as_bytes()).unwrap();
            let field = &section.fields()[0];
            assert_eq!(
                if field.is("date") {
                    is_date(field)
                } else {
                    is_message_id(field)
                },
                good,
                "{line}"
            );
        }
    }

    // SUBM-05, SUBM-06
    #[test]
    fn private_and_foreign_fields_are_removed() {
        let header = format!(
            "Return-Path: <x@y>\r\n{DATED}Bcc: a@b,\r\n c@d\r\nbcc: e@f\r\nResent-Bcc: g@h\r\nSender: trever\r\n"
        );
        let changes = Changes {
            remove: vec!["Sender"],
            add: vec![("From", "me@own.example".to_owned())],
        };
        assert_eq!(
            completed(&header, &changes, true).unwrap(),
            format!("Received: us\r\n{DATED}From: me@own.example\r\n\r\n")
        );
    }

    // SUBM-10, EOL-03
    #[test]
    fn the_section_always_ends_in_an_empty_line() {
        let added = "Date: Sat, 21 Nov 2026 05:56:11 +0000\r\nMessage-ID: <id.1@own.example>\r\n";
        let table = [
            ("", false, format!("Received: us\r\n{added}\r\n")),
            ("", true, format!("Received: us\r\n{added}\r\n")),
            (
                "A: 1",
                false,
                format!("Received: us\r\nA: 1\r\n{added}\r\n"),
            ),
            (
                "Hello\r\n",
                false,
                format!("Received: us\r\n{added}\r\nHello\r\n"),
            ),
            (
                "A: 1\r\nHello\r\nB: 2\r\n",
                true,
                format!("Received: us\r\nA: 1\r\n{added}\r\nHello\r\nB: 2\r\n\r\n"),
            ),
            (
                " A: 1\r\n",
                true,
                format!("Received: us\r\n{added}\r\n A: 1\r\n\r\n"),
            ),
            (
                "From x Sat\r\nA: 1\r\n",
                true,
                format!("Received: us\r\nX-Mailbox-Line: From x Sat\r\nA: 1\r\n{added}\r\n"),
            ),
        ];
        for (header, separated, expected) in table {
            assert_eq!(
                completed(header, &Changes::default(), separated).unwrap(),
                expected,
                "{header:?}"
            );
        }
    }

    #[test]
    fn single_fields_may_not_repeat_and_loops_end() {
        for name in SINGLE {
            let header = format!("{name}: 1\r\n{}: 2\r\n", name.to_ascii_uppercase());
            assert_eq!(
                completed(&header, &Changes::default(), true),
                Err(FixupFault::Duplicate(name))
            );
        }
        let hops =
            |count: usize| completed(&"Received: x\r\n".repeat(count), &Changes::default(), true);
        assert!(hops(MAX_HOPS - 1).is_ok());
        assert_eq!(hops(MAX_HOPS), Err(FixupFault::TooManyHops));
    }
}
