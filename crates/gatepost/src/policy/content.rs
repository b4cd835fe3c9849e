//! The decision at the end of a message's header: refused, or completed.

use std::borrow::Cow;

use gatepost_smtp::path::ReversePath;
use gatepost_smtp::reply::Refusal;
use jiff::Timestamp;

use super::actor::Actor;
use super::decision::Decision;
use super::sender::{self, AuthorRules};
use crate::message::completion;
use crate::message::fixup::{self, Completion, FixupFault};
use crate::message::header_encoding::{self, Domains, Unencodable};
use crate::message::headers::{Field, HeaderFault, HeaderSection};
use crate::observe::reason::Reason;

/// The header of a message in submission, and what is known about it.
#[derive(Debug)]
pub struct Submitted<'a> {
    /// The lines before the first empty line, each ending in CRLF.
    pub header: &'a [u8],
    /// Whether an empty line ended them, rather than the end of the message.
    pub has_body: bool,
    /// The reverse-path, already checked.
    pub reverse_path: &'a ReversePath,
    /// MAIL had SMTPUTF8: fields may be UTF-8 (RFC 6532).
    pub smtputf8: bool,
    /// The domain of addresses that have none, where they are completed.
    pub complete_domain: Option<&'a str>,
    /// What is done about its authors.
    pub authors: AuthorRules,
}

/// What the server adds.
#[derive(Debug)]
pub struct Stamp<'a> {
    /// Our trace field, with its final line end.
    pub received: &'a str,
    /// The time of submission.
    pub now: Timestamp,
    /// The queue's name for the message.
    pub queue_id: &'a str,
    /// Our name: the domain of message ids when the sender has none.
    pub hostname: &'a str,
}

/// Checks the header and completes it. The result is everything before the body, with the empty line.
pub fn admit(
    actor: &Actor<'_>,
    submitted: &Submitted<'_>,
    stamp: &Stamp<'_>,
) -> Result<Vec<u8>, Decision> {
    let section = HeaderSection::scan(submitted.header).map_err(too_large)?;
    let header = prepared(&section, submitted)?;
    // What is checked is what is passed on.
    let section = HeaderSection::scan(&header).map_err(too_large)?;
    let changes =
        sender::check_authors(actor, submitted.reverse_path, &section, submitted.authors)?;
    let domain = submitted
        .reverse_path
        .address()
        .or(actor.addresses.first())
        .map_or(stamp.hostname, |address| address.domain());
    // SUBM-03: the queue id is unique already; the time keeps it so when a queue is set up anew.
    let message_id = format!("{}.{}@{domain}", stamp.queue_id, stamp.now.as_second());
    let completion = Completion {
        received: stamp.received,
        now: stamp.now,
        message_id: &message_id,
        changes: &changes,
        separated: submitted.has_body,
    };
    fixup::complete(&section, &completion).map_err(malformed)
}

/// The header with its addresses completed (SUBM-06) and, unless MAIL had SMTPUTF8, its UTF-8 encoded (EAI-02). Nearly always that is
/// the header as it came.
fn prepared<'a>(
    section: &HeaderSection<'a>,
    submitted: &Submitted<'a>,
) -> Result<Cow<'a, [u8]>, Decision> {
    let mut header = Cow::Borrowed(submitted.header);
    let domain = submitted.complete_domain;
    if let Some(changed) = changed(section, |field| {
        Ok(domain.and_then(|domain| completion::complete_field(field, domain)))
    })? {
        header = changed.into();
    }
    if submitted.smtputf8 || header.is_ascii() {
        return Ok(header);
    }
    let section = HeaderSection::scan(&header).map_err(too_large)?;
    let encoded = changed(&section, encoded)?;
    Ok(encoded.map_or(header, Cow::Owned))
}

/// The header with every field replaced for which there is something in its place; `None` when there is for none.
fn changed(
    section: &HeaderSection<'_>,
    mut replace: impl FnMut(&Field<'_>) -> Result<Option<Vec<u8>>, Decision>,
) -> Result<Option<Vec<u8>>, Decision> {
    let mut written = section.mbox_line().unwrap_or_default().to_vec();
    let mut is_changed = false;
    for field in section.fields() {
        let replacement = replace(field)?;
        is_changed |= replacement.is_some();
        written.extend_from_slice(replacement.as_deref().unwrap_or(field.raw()));
    }
    written.extend_from_slice(section.rest());
    Ok(is_changed.then_some(written))
}

/// A field with UTF-8 in it, in ASCII. Other octets above 127 stay: nobody can tell what they mean.
fn encoded(field: &Field<'_>) -> Result<Option<Vec<u8>>, Decision> {
    if std::str::from_utf8(field.value()).is_err() {
        return Ok(None);
    }
    match header_encoding::encode_field(field, Domains::Refuse) {
        Ok(encoded) => Ok(encoded),
        Err(Unencodable::Structure) => Ok(None),
        Err(Unencodable::Address) => Err(Decision::new(
            Refusal::HeaderNeedsUtf8,
            Reason::ExtensionMissing,
        )
        .with("field", String::from_utf8_lossy(field.name()))),
    }
}

fn too_large(fault: HeaderFault) -> Decision {
    Decision::new(Refusal::HeadersTooLarge, Reason::TooLarge).with("header", fault.to_string())
}

fn malformed(fault: FixupFault) -> Decision {
    let refusal = match fault {
        FixupFault::Duplicate(_) => Refusal::MessageMalformed,
        FixupFault::TooManyHops => Refusal::TooManyHops,
    };
    let reason = match fault {
        FixupFault::Duplicate(_) => Reason::Malformed,
        FixupFault::TooManyHops => Reason::LimitReached,
    };
    Decision::new(refusal, reason).with("header", fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolved::MissingFrom;
    use crate::policy::fixture;
    use gatepost_smtp::path::Address;

    fn admitted(header: &str, reverse_path: &str) -> Result<String, Refusal> {
        admitted_with(header, reverse_path, false, None)
    }

    fn admitted_with(
        header: &str,
        reverse_path: &str,
        smtputf8: bool,
        complete_domain: Option<&str>,
    ) -> Result<String, Refusal> {
        let identity = fixture::identity("me");
        let addresses = [Address::parse("me@own.example").unwrap()];
        let actor = Actor {
            identity: &identity,
            addresses: &addresses,
            enabled: true,
        };
        let reverse_path = ReversePath::parse(reverse_path).unwrap();
        let submitted = Submitted {
            header: header.as_bytes(),
            has_body: true,
            reverse_path: &reverse_path,
            smtputf8,
            complete_domain,
            authors: AuthorRules {
                missing_from: MissingFrom::Refuse,
                add_sender: false,
            },
        };
        let stamp = Stamp {
            received: "Received: us\r\n",
            now: "2026-11-21T05:56:11Z".parse().unwrap(),
            queue_id: "QID",
            hostname: "submit.example",
        };
        let admitted = admit(&actor, &submitted, &stamp);
        admitted
            .map(|octets| String::from_utf8(octets).unwrap())
            .map_err(|decision| decision.refusal)
    }

    #[test]
    fn a_message_is_checked_and_completed_in_one_go() {
        assert_eq!(
            admitted(
                "Sender: trever\r\nFrom: Me <me@own.example>\r\nBcc: you@next.example\r\n",
                "<>"
            )
            .unwrap(),
            "Received: us\r\nFrom: Me <me@own.example>\r\nDate: Sat, 21 Nov 2026 05:56:11 +0000\r\n\
             Message-ID: <QID.1795240571@own.example>\r\n\r\n"
        );
    }

    // The code of each cause (SMTP-10, SUBM-05, SUBM-09).
    #[test]
    fn every_fault_has_its_refusal() {
        let long = format!("X: {}\r\n", "y".repeat(crate::message::headers::MAX_OCTETS));
        let hops = format!(
            "From: me@own.example\r\n{}",
            "Received: x\r\n".repeat(fixup::MAX_HOPS)
        );
        let table = [
            ("Subject: x\r\n", Refusal::NoHeaderFrom),
            ("From: you@own.example\r\n", Refusal::HeaderFromNotOwned),
            (
                "From: me@own.example\r\nSubject: a\r\nSubject: b\r\n",
                Refusal::MessageMalformed,
            ),
            (hops.as_str(), Refusal::TooManyHops),
            (long.as_str(), Refusal::HeadersTooLarge),
        ];
        for (header, refusal) in table {
            assert_eq!(
                admitted(header, "me@own.example"),
                Err(refusal),
                "{:?}",
                header.get(..40)
            );
        }
    }

    // SUBM-06
    #[test]
    fn addresses_are_completed_before_they_are_checked() {
        let header =
            "From: me\r\nTo: you\r\nDate: Fri, 20 Nov 2026 10:00:00 +0100\r\nMessage-ID: <a@b>\r\n";
        assert_eq!(
            admitted(header, "me@own.example"),
            Err(Refusal::HeaderFromNotOwned)
        );
        let completed = admitted_with(header, "me@own.example", false, Some("own.example"));
        assert!(
            completed
                .unwrap()
                .starts_with("Received: us\r\nFrom: me@own.example\r\nTo: you@own.example\r\n")
        );
        let foreign = admitted_with(header, "me@own.example", false, Some("bank.example"));
        assert_eq!(foreign, Err(Refusal::HeaderFromNotOwned));
    }

    // EAI-02: "accept, and if only display names are non-ASCII encode them as RFC 2047 words; addresses stay → bounce".
    #[test]
    fn names_in_utf8_are_encoded_and_addresses_need_smtputf8() {
        let header = |line: &str| format!("From: me@own.example\r\n{line}\r\n");
        let names = admitted(
            &header("To: J\u{fc}rgen <you@next.example>"),
            "me@own.example",
        );
        assert!(
            names
                .unwrap()
                .contains("\r\nTo: =?utf-8?Q?J=C3=BCrgen?= <you@next.example>\r\n")
        );
        let addresses = header("To: j\u{fc}rgen@next.example");
        assert_eq!(
            admitted(&addresses, "me@own.example"),
            Err(Refusal::HeaderNeedsUtf8)
        );
        let with = admitted_with(&addresses, "me@own.example", true, None).unwrap();
        assert!(with.contains("\r\nTo: j\u{fc}rgen@next.example\r\n"));
        let spoof = "From: \"\u{fc} <ceo@bank.example>\" <me@own.example>\r\n";
        assert_eq!(
            admitted(spoof, "me@own.example"),
            Err(Refusal::HeaderFromNotOwned)
        );
    }
}
