//! The decision at the end of a message's header: refused, or completed.

use gatepost_smtp::path::ReversePath;
use gatepost_smtp::reply::Refusal;
use jiff::Timestamp;

use super::actor::Actor;
use super::decision::Decision;
use super::sender::{self, MissingFrom};
use crate::message::fixup::{self, Completion, FixupFault};
use crate::message::headers::{HeaderFault, HeaderSection};
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
    /// What happens without `From`.
    pub missing_from: MissingFrom,
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
    let changes = sender::check_authors(
        actor,
        submitted.reverse_path,
        &section,
        submitted.missing_from,
    )?;
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
    use crate::policy::fixture;
    use gatepost_smtp::path::Address;

    fn admitted(header: &str, reverse_path: &str) -> Result<String, Refusal> {
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
            missing_from: MissingFrom::Refuse,
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
}
