//! Messages: headers, mailboxes, MIME, conversion for lesser hops, notices.

use std::time::Duration;

use gatepost::message::conversion::{self, Conversion, Goal, HopAbilities, Needs, Octets, Survey};
use gatepost::message::dsn::{Diagnostic, Fate, Notice, Report, Returned};
use gatepost::message::fixup::{self, Changes, Completion};
use gatepost::message::headers::{Field, HeaderSection};
use gatepost::message::{encoded_word, mailbox, shown, text_part, transfer_encoding};
use gatepost_smtp::{Address, EnvelopeId};
use gatepost_testkit::split::{Cuts, Splitter};
use jiff::Timestamp;

use crate::{assert_lines, digest};

/// A section is its fields and a rest, octet for octet; what we write of it has only CRLF, and our fields (T-36, T-39, V-54).
pub fn headers(octets: &[u8]) {
    let octets = lines(octets);
    let Ok(section) = HeaderSection::scan(&octets) else {
        return;
    };
    let fields: Vec<u8> = section
        .fields()
        .iter()
        .flat_map(Field::raw)
        .copied()
        .collect();
    let mbox = section.mbox_line().unwrap_or_default();
    assert_eq!(
        fields.len() + mbox.len() + section.rest().len(),
        octets.len()
    );
    for field in section.fields() {
        assert!(!field.name().is_empty() && !field.name().contains(&b':'));
        assert!(!shown::shown(field.value()).contains(['\r', '\n', '\0', '\u{1b}']));
        let _ = encoded_word::shown_ascii(field.value());
    }
    let changes = Changes::default();
    let completion = Completion {
        received: "Received: from x by y; Thu, 1 Jan 1970 00:00:00 +0000\r\n",
        now: Timestamp::UNIX_EPOCH,
        message_id: "1@mail.example.com",
        changes: &changes,
        separated: true,
    };
    let Ok(written) = fixup::complete(&section, &completion) else {
        return;
    };
    assert_lines(&written);
    assert!(written.starts_with(completion.received.as_bytes()));
    if let Some(head) = head_of(&written)
        && let Ok(section) = HeaderSection::scan(head)
    {
        assert!(section.named("Bcc").next().is_none(), "Bcc goes out");
        assert!(section.named("Date").next().is_some());
        assert!(section.named("Message-ID").next().is_some());
    }
}

/// A list that was read is of mailboxes that are addresses: no control, no second reading (V-48).
pub fn mailboxes(octets: &[u8]) {
    let _ = encoded_word::shown_ascii(octets);
    let Ok(list) = mailbox::parse_list(octets) else {
        return;
    };
    for mailbox in list {
        let text = format!("{}{}", mailbox.local(), mailbox.domain());
        assert!(!text.contains(char::is_control), "a control in {text:?}");
        assert!(!mailbox.domain().contains(['@', '<', '>', ',']), "{text:?}");
    }
}

/// What pages show of a message costs what its length says, and encodings give no more than they were given.
pub fn mime(octets: &[u8]) {
    if let Some(part) = text_part::first_text(octets) {
        assert!(part.text.len() <= 3 * octets.len());
    }
    assert!(transfer_encoding::base64(octets).len() <= octets.len());
    // Each LF may become CRLF.
    assert!(transfer_encoding::quoted_printable(octets).len() <= 2 * octets.len());
}

/// What was converted is what was asked for, however the message came in pieces.
pub fn conversion(octets: &[u8]) {
    for (from, to, long_lines) in [
        (Octets::EightBit, Octets::SevenBit, false),
        (Octets::EightBit, Octets::EightBit, true),
        (Octets::EightBit, Octets::SevenBit, true),
        (Octets::Binary, Octets::EightBit, true),
        (Octets::Binary, Octets::SevenBit, true),
    ] {
        let binary = from == Octets::Binary;
        let message = if binary {
            octets.to_vec()
        } else {
            lines(octets)
        };
        let needs = Needs {
            octets: from,
            long_lines,
            utf8_headers: false,
        };
        let hop = HopAbilities {
            octets: to,
            utf8_headers: false,
        };
        let Some(goal) = conversion::needed(needs, hop) else {
            continue;
        };
        let whole = convert(&message, goal, &Cuts::Whole);
        let cut = convert(&message, goal, &Cuts::Random(digest(octets)));
        assert_eq!(whole, cut, "the cuts changed something");
        let Some(converted) = whole else {
            continue;
        };
        if !binary {
            assert_lines(&converted);
        }
        assert!(
            to != Octets::SevenBit || converted.is_ascii(),
            "octets above 127"
        );
        assert!(
            converted.len() <= 8192 + 6 * message.len(),
            "it grew without measure"
        );
    }
}

/// `None`: it is impossible, or goes out as it is.
fn convert(message: &[u8], goal: Goal, cuts: &Cuts) -> Option<Vec<u8>> {
    let mut survey = Survey::new(goal);
    let mut splitter = Splitter::new(cuts.clone());
    splitter
        .pieces(message)
        .into_iter()
        .for_each(|piece| survey.feed(piece));
    let mut conversion = Conversion::new(survey.finish().ok()??);
    let mut splitter = Splitter::new(cuts.clone());
    let pieces = splitter.pieces(message).into_iter();
    let mut converted: Vec<u8> = pieces.flat_map(|piece| conversion.feed(piece)).collect();
    converted.extend(conversion.finish());
    Some(converted)
}

/// A next hop's words in every field that takes words: the notice has only its own fields and only CRLF (T-36, V-37).
pub fn notice(octets: &[u8]) {
    let words = String::from_utf8_lossy(octets);
    let (Ok(to), Ok(now)) = (
        Address::parse("a@example.com"),
        Timestamp::from_second(1_700_000_000),
    ) else {
        return;
    };
    let returned = lines(octets);
    for utf8 in [false, true] {
        let report = |diagnostic| Report {
            recipient: to.clone(),
            original: None,
            fate: Fate::Delayed {
                tried_for: Duration::from_secs(60),
            },
            status: "4.0.0".to_owned(),
            next_hop: Some(words.clone().into_owned()),
            diagnostic,
        };
        let reports = [
            report(Diagnostic::Reply(words.clone().into_owned())),
            report(Diagnostic::Ours(words.clone().into_owned())),
        ];
        let envelope_id = EnvelopeId::parse(&words).ok();
        let notice = Notice {
            reporting_mta: &words,
            unique: "unique",
            now,
            to: &to,
            about: &words,
            envelope_id: envelope_id.as_ref(),
            arrived: now,
            utf8,
            reports: &reports,
            returned: Returned::Header(&returned),
        };
        let rendered = notice.render();
        assert_lines(rendered.header.as_bytes());
        assert_lines(&rendered.body);
        let section = HeaderSection::scan(rendered.header.as_bytes());
        assert!(
            section.is_ok_and(|section| section.fields().len() <= 8),
            "{:?}",
            rendered.header
        );
        assert!(utf8 || rendered.header.is_ascii());
    }
}

/// The octets with CRLF at every line end, as the session hands them out.
fn lines(octets: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(octets.len());
    for line in octets.split(|&octet| octet == b'\n') {
        lines.extend(line.iter().filter(|&&octet| octet != b'\r' && octet != 0));
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

fn head_of(written: &[u8]) -> Option<&[u8]> {
    let end = written.windows(4).position(|four| four == b"\r\n\r\n")?;
    written.get(..end + 2)
}
