//! Addresses of a header field completed by the domain of the site (RFC 6409 §8, SUBM-06).
//!
//! Old programs and devices write `From: scanner` and `To: "Office" <office>`. Where a mailbox is one word without a domain, or with
//! one of a single label, the domain is added to it; everything else stays octet by octet, whatever it is.

use gatepost_smtp::path;

use super::address_tokens::{Token, tokens};
use super::header_encoding::ADDRESS_FIELDS;
use super::headers::Field;

/// The field with its addresses completed, with its line end; `None` when there is nothing to complete in it.
pub fn complete_field(field: &Field<'_>, domain: &str) -> Option<Vec<u8>> {
    if !ADDRESS_FIELDS.iter().any(|name| field.is(name)) {
        return None;
    }
    let value = field.value();
    let mut completed = Completed {
        value,
        domain,
        written: field.begin().to_vec(),
        copied: 0,
    };
    let (mut at, mut in_angle, mut mailbox) = (0, false, Mailbox::default());
    for token in tokens(value) {
        let begin = at;
        at += token.raw().len();
        match token {
            Token::Word(_) => mailbox.word(begin..at),
            Token::Special(b"<") if !in_angle => (in_angle, mailbox) = (true, Mailbox::default()),
            Token::Special(b">") if in_angle => {
                completed.complete(&mailbox);
                in_angle = false;
                mailbox = Mailbox::done();
            }
            Token::Special(b"," | b";") if !in_angle => {
                completed.complete(&mailbox);
                mailbox = Mailbox::default();
            }
            // The name of a group.
            Token::Special(b":") if !in_angle => mailbox = Mailbox::default(),
            Token::Quoted(_) | Token::Special(_) => mailbox.is_phrase = true,
            Token::Space(_) | Token::Comment(_) => {}
        }
    }
    if !in_angle {
        completed.complete(&mailbox);
    }
    completed.finish()
}

/// What stands between two separators, so far.
#[derive(Default)]
struct Mailbox {
    /// Its only word.
    word: Option<std::ops::Range<usize>>,
    /// It is more than a word.
    is_phrase: bool,
}

impl Mailbox {
    /// One that has been looked at: what may follow is no address.
    fn done() -> Self {
        Self {
            word: None,
            is_phrase: true,
        }
    }

    fn word(&mut self, place: std::ops::Range<usize>) {
        self.is_phrase |= self.word.is_some();
        self.word = Some(place);
    }
}

struct Completed<'a> {
    value: &'a [u8],
    domain: &'a str,
    written: Vec<u8>,
    /// How much of the value has been written.
    copied: usize,
}

impl Completed<'_> {
    fn complete(&mut self, mailbox: &Mailbox) {
        let Some(place) = mailbox.word.clone().filter(|_| !mailbox.is_phrase) else {
            return;
        };
        let word = self.value.get(place.clone()).unwrap_or_default();
        let Ok(word) = std::str::from_utf8(word) else {
            return;
        };
        let address = path::complete(word, self.domain);
        if let Some(added) = address.strip_prefix(word).filter(|added| !added.is_empty()) {
            let before = self.value.get(self.copied..place.end);
            self.written.extend_from_slice(before.unwrap_or_default());
            self.written.extend_from_slice(added.as_bytes());
            self.copied = place.end;
        }
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        (self.copied > 0).then(|| {
            let rest = self.value.get(self.copied..);
            self.written.extend_from_slice(rest.unwrap_or_default());
            self.written.extend_from_slice(b"\r\n");
            self.written
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::headers::HeaderSection;

    // SUBM-06: "Complete unqualified From/To … only for configured domains."
    #[test]
    fn words_without_a_domain_get_one() {
        let table = [
            ("From: scanner", Some("From: scanner@own.example")),
            (
                "from:scanner (2nd floor)",
                Some("from:scanner@own.example (2nd floor)"),
            ),
            (
                "From: Scanner <scanner>",
                Some("From: Scanner <scanner@own.example>"),
            ),
            ("From: <fax@office>", Some("From: <fax@office.own.example>")),
            (
                "To: a, \"B, C\" <b>,\r\n d@e.example, f",
                Some("To: a@own.example, \"B, C\" <b@own.example>,\r\n d@e.example, f@own.example"),
            ),
            (
                "Cc: Team: a, b@c.example;",
                Some("Cc: Team: a@own.example, b@c.example;"),
            ),
            ("To: undisclosed-recipients:;", None),
            ("To: a@b.example", None),
            ("To: Scanner Floor 2", None),
            ("To: <a b>", None),
            ("To: <a@b.example> c", None),
            ("To: \"a\"", None),
            ("To: <>", None),
            ("To:", None),
            ("To: a@localhost", None),
            ("To: <open", None),
            ("Subject: scanner", None),
        ];
        for (field, expected) in table {
            let octets = format!("{field}\r\n");
            let section = HeaderSection::scan(octets.as_bytes()).unwrap();
            let completed = complete_field(&section.fields()[0], "own.example");
            let completed = completed.map(|octets| String::from_utf8(octets).unwrap());
            assert_eq!(completed, expected.map(|it| format!("{it}\r\n")), "{field}");
        }
    }
}
