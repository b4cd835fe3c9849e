//! Header fields with octets above 127, written in ASCII for readers and servers that know nothing else.
//!
//! - Text becomes encoded words (RFC 2047): free text, display names and comments.
//! - Parameters of MIME fields become extended ones (RFC 2231 §4): `filename="ü.pdf"` is `filename*=utf-8''%C3%BC.pdf`.
//! - A domain has an ASCII form, a local part has none: [`Domains`] says whether the former is used.
//!
//! What is ASCII in a field stays octet by octet, its folds included. Text that is not UTF-8 is called `unknown-8bit`.
//!
//! Standards: RFC 2047 §5, RFC 2231 §4, RFC 6532 §3.

use gatepost_smtp::path::Address;

use super::address_tokens::{Token, content, tokens};
use super::headers::{Field, HeaderSection};
use super::word_encoder::Line;

/// The longest line of a field that every server takes (RFC 5322 §2.1.1).
const MAX_LINE: usize = 998;

/// What happens to a domain outside of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domains {
    /// It is a fault, as every address outside of ASCII.
    Refuse,
    /// It is written in A-labels (RFC 5890).
    ToAscii,
}

/// Why a field has no form in ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// An address outside of ASCII.
    #[error("an address with characters outside of ASCII")]
    Address,
    /// Such octets stand where no encoding is defined.
    #[error("octets outside of ASCII in a place where they cannot be encoded")]
    Structure,
}

/// Fields whose value is a list of addresses.
pub const ADDRESS_FIELDS: &[&str] = &[
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-Reply-To",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "Errors-To",
    "Mail-Followup-To",
];

/// The whole section in ASCII.
pub fn encode(section: &HeaderSection<'_>, domains: Domains) -> Result<Vec<u8>, Unencodable> {
    let mut written = Vec::new();
    if let Some(line) = section.mbox_line() {
        written.extend_from_slice(line);
    }
    for field in section.fields() {
        match encode_field(field, domains)? {
            Some(encoded) => written.extend_from_slice(&encoded),
            None => written.extend_from_slice(field.raw()),
        }
    }
    written.extend_from_slice(section.rest());
    if written.is_ascii() {
        Ok(written)
    } else {
        Err(Unencodable::Structure)
    }
}

/// The field in ASCII, with its line end; `None` when it is in ASCII as it is.
pub fn encode_field(field: &Field<'_>, domains: Domains) -> Result<Option<Vec<u8>>, Unencodable> {
    let value = field.value();
    if value.is_ascii() {
        return Ok(None);
    }
    let mut line = Line::new(field.begin());
    if ADDRESS_FIELDS.iter().any(|name| field.is(name)) {
        encode_addresses(value, domains, &mut line)?;
    } else if field.is("Content-Type") || field.is("Content-Disposition") {
        encode_parameters(value, &mut line)?;
    } else {
        encode_text(value, &mut line);
    }
    line.raw(b"\r\n");
    Ok(Some(line.finish()))
}

/// Writes a field: in ASCII where `domains` asks for it and there is such a form, folded where a line is too long and `fold` asks for it.
pub fn write_field(field: &Field<'_>, domains: Option<Domains>, fold: bool, written: &mut Vec<u8>) {
    let encoded = domains.and_then(|domains| encode_field(field, domains).ok().flatten());
    let octets = encoded.as_deref().unwrap_or(field.raw());
    if fold && has_long_line(octets) {
        fold_long_lines(octets, written);
    } else {
        written.extend_from_slice(octets);
    }
}

/// Whether a line is longer than servers take.
pub fn has_long_line(octets: &[u8]) -> bool {
    octets
        .split(|&octet| octet == b'\n')
        .any(|line| line.len() > MAX_LINE + 1)
}

/// Breaks lines before the white space that they have; a line without any stays as it is.
fn fold_long_lines(field: &[u8], written: &mut Vec<u8>) {
    for line in field.split_inclusive(|&octet| octet == b'\n') {
        let mut left = line;
        let blank = line.len() - line.trim_ascii_end().len();
        while left.len() - blank > MAX_LINE {
            let is_fold = |at: &usize| {
                matches!(left.get(*at), Some(b' ' | b'\t'))
                    && left
                        .get(*at + 1)
                        .is_some_and(|next| !next.is_ascii_whitespace())
            };
            let begin = left
                .iter()
                .take_while(|octet| octet.is_ascii_whitespace())
                .count();
            let Some(at) = (begin + 1..=MAX_LINE).rev().find(is_fold) else {
                break;
            };
            let (now, rest) = left.split_at_checked(at).unwrap_or((left, &[]));
            written.extend_from_slice(now);
            written.extend_from_slice(b"\r\n");
            left = rest;
        }
        written.extend_from_slice(left);
    }
}

/// Free text: runs of words outside of ASCII are encoded together with the white space between them.
fn encode_text(value: &[u8], line: &mut Line) {
    let mut run = Run::default();
    for piece in value.chunk_by(|one, other| is_space(*one) == is_space(*other)) {
        if piece.first().is_some_and(|octet| is_space(*octet)) {
            run.space(piece);
        } else if piece.is_ascii() {
            run.end(line);
            line.fold_before(piece.len());
            line.raw(piece);
        } else {
            run.word(piece, line);
        }
    }
    run.end(line);
}

/// Words that are to be encoded together.
#[derive(Default)]
struct Run<'a> {
    /// The text so far; empty when no word came.
    text: Vec<u8>,
    /// White space that belongs to the text if another such word follows.
    gap: &'a [u8],
    /// A gap came that did not yet go anywhere.
    has_gap: bool,
}

impl<'a> Run<'a> {
    fn space(&mut self, space: &'a [u8]) {
        (self.gap, self.has_gap) = (space, true);
    }

    fn word(&mut self, word: &[u8], line: &mut Line) {
        if self.text.is_empty() {
            self.write_gap(line);
        } else {
            let gap = self
                .gap
                .iter()
                .filter(|octet| !matches!(octet, b'\r' | b'\n'));
            self.text.extend(gap);
            (self.gap, self.has_gap) = (&[], false);
        }
        self.text.extend_from_slice(word);
    }

    fn end(&mut self, line: &mut Line) {
        if !self.text.is_empty() {
            line.words(&self.text);
            self.text.clear();
        }
        self.write_gap(line);
    }

    fn write_gap(&mut self, line: &mut Line) {
        if std::mem::take(&mut self.has_gap) {
            line.raw(self.gap);
        }
        self.gap = &[];
    }
}

/// A list of addresses, each with or without a display name.
fn encode_addresses(value: &[u8], domains: Domains, line: &mut Line) -> Result<(), Unencodable> {
    let (mut phrase, mut at, mut in_angle) = (0, 0, false);
    for token in tokens(value) {
        let begin = at;
        at += token.raw().len();
        match token {
            Token::Special(special) => {
                if !in_angle {
                    encode_phrase(
                        value.get(phrase..begin).unwrap_or_default(),
                        special != b"<",
                        domains,
                        line,
                    )?;
                }
                in_angle = (in_angle || special == b"<") && special != b">";
                if !special.is_ascii() {
                    return Err(Unencodable::Structure);
                }
                line.raw(special);
                phrase = at;
            }
            Token::Word(word) if in_angle => encode_address(word, domains, line)?,
            Token::Quoted(_) if in_angle && !token.raw().is_ascii() => {
                return Err(Unencodable::Address);
            }
            Token::Comment(comment) if in_angle => encode_comment(comment, line),
            _ if in_angle => line.raw(token.raw()),
            _ => {}
        }
    }
    if in_angle {
        return Ok(());
    }
    encode_phrase(value.get(phrase..).unwrap_or_default(), true, domains, line)
}

/// What stands between two special characters: a display name, or an address with comments.
fn encode_phrase(
    phrase: &[u8],
    may_be_address: bool,
    domains: Domains,
    line: &mut Line,
) -> Result<(), Unencodable> {
    if phrase.is_ascii() {
        line.raw(phrase);
        return Ok(());
    }
    let is_address = may_be_address
        && tokens(phrase).any(|token| matches!(token, Token::Word(word) if word.contains(&b'@')));
    let mut run = Run::default();
    for token in tokens(phrase) {
        match token {
            Token::Space(space) => run.space(space),
            Token::Comment(comment) => {
                run.end(line);
                encode_comment(comment, line);
            }
            Token::Word(word) if is_address => {
                run.end(line);
                encode_address(word, domains, line)?;
            }
            Token::Quoted(raw) | Token::Word(raw) | Token::Special(raw) if raw.is_ascii() => {
                run.end(line);
                line.raw(raw);
            }
            _ if is_address => return Err(Unencodable::Address),
            Token::Quoted(quoted) => run.word(&content(quoted), line),
            Token::Word(word) | Token::Special(word) => run.word(word, line),
        }
    }
    run.end(line);
    Ok(())
}

fn encode_comment(comment: &[u8], line: &mut Line) {
    if comment.is_ascii() {
        line.raw(comment);
    } else {
        line.raw(b"(");
        line.words(&content(comment));
        line.raw(b")");
    }
}

fn encode_address(word: &[u8], domains: Domains, line: &mut Line) -> Result<(), Unencodable> {
    if word.is_ascii() {
        line.raw(word);
        return Ok(());
    }
    let address = std::str::from_utf8(word)
        .ok()
        .filter(|_| domains == Domains::ToAscii)
        .and_then(|text| Address::parse(text).ok())
        .and_then(|address| address.to_ascii())
        .ok_or(Unencodable::Address)?;
    line.raw(address.as_str().as_bytes());
    Ok(())
}

/// The parameters of a MIME field.
fn encode_parameters(value: &[u8], line: &mut Line) -> Result<(), Unencodable> {
    for (number, parameter) in split_parameters(value).enumerate() {
        if number > 0 {
            line.raw(b";");
        }
        if parameter.is_ascii() {
            line.raw(parameter);
            continue;
        }
        let equals = parameter.iter().position(|&octet| octet == b'=');
        let (name, rest) = equals
            .and_then(|at| parameter.split_at_checked(at))
            .filter(|(name, _)| number > 0 && name.is_ascii() && !name.contains(&b'*'))
            .ok_or(Unencodable::Structure)?;
        let rest = rest.get(1..).unwrap_or_default().trim_ascii();
        let text = if rest.starts_with(b"\"") {
            content(rest)
        } else {
            rest.to_vec()
        };
        let charset = if std::str::from_utf8(&text).is_ok() {
            "utf-8"
        } else {
            "unknown-8bit"
        };
        line.raw(format!("\r\n\t{}*={charset}''", name.trim_ascii().escape_ascii()).as_bytes());
        for octet in text {
            if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
                line.raw(&[octet]);
            } else {
                line.raw(format!("%{octet:02X}").as_bytes());
            }
        }
    }
    Ok(())
}

/// What stands between semicolons that are not inside quotes.
fn split_parameters(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |&octet| {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ => {}
        }
        octet == b';' && !is_quoted
    })
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(field: &str) -> Result<String, Unencodable> {
        let octets = format!("{field}\r\n");
        let section = HeaderSection::scan(octets.as_bytes()).unwrap();
        let encoded = encode_field(&section.fields()[0], Domains::ToAscii)?;
        let encoded = encoded.unwrap_or_else(|| section.fields()[0].raw().to_vec());
        assert!(encoded.is_ascii() && encoded.ends_with(b"\r\n"));
        Ok(String::from_utf8(encoded).unwrap().trim_end().to_owned())
    }

    // EAI-02: "if only display names are non-ASCII encode them as RFC 2047 words".
    #[test]
    fn text_and_names_become_encoded_words() {
        let table = [
            (
                "Subject: plain  text\r\n folded",
                "Subject: plain  text\r\n folded",
            ),
            ("Subject: Grüße", "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?="),
            (
                "Subject: a ü\r\n ö b  c",
                "Subject: a =?utf-8?Q?=C3=BC_=C3=B6?= b  c",
            ),
            ("subject:ü", "subject:=?utf-8?Q?=C3=BC?="),
            (
                "From: Jürgen <me@own.example>",
                "From: =?utf-8?Q?J=C3=BCrgen?= <me@own.example>",
            ),
            (
                "From: \"Müller, J.\" x <me@own.example>",
                "From: =?utf-8?Q?M=C3=BCller=2C_J=2E?= x <me@own.example>",
            ),
            (
                "To: \"Mü\" Lü (ü \\) x) <a@b.example>, Ö <c@d.example>",
                "To: =?utf-8?Q?M=C3=BC_L=C3=BC?= (=?utf-8?Q?=C3=BC_=29_x?=)\r\n <a@b.example>, =?utf-8?Q?=C3=96?= <c@d.example>",
            ),
            (
                "Cc: a@b.example (Mü)",
                "Cc: a@b.example (=?utf-8?Q?M=C3=BC?=)",
            ),
            (
                "To: Grün: a@b.example, \"ü\" <c@d>;",
                "To: =?utf-8?Q?Gr=C3=BCn?=: a@b.example, =?utf-8?Q?=C3=BC?= <c@d>;",
            ),
            (
                "Content-Disposition: attachment; filename=\"ü \\\"1\\\".pdf\"; size=3",
                "Content-Disposition: attachment;\r\n\tfilename*=utf-8''%C3%BC%20%221%22.pdf; size=3",
            ),
        ];
        for (field, expected) in table {
            let found = encoded(field).unwrap();
            assert_eq!(
                found.replace("\r\n ", " "),
                expected.replace("\r\n ", " "),
                "{field}"
            );
        }
    }

    // EAI-04: "only if domain → A-label suffices and local-part ASCII".
    #[test]
    fn domains_have_an_ascii_form_and_local_parts_have_none() {
        let table = [
            (
                "From: me@müller.example",
                Ok("From: me@xn--mller-kva.example"),
            ),
            (
                "From: Ü <me@müller.example> (ü)",
                Ok("From: =?utf-8?Q?=C3=9C?= <me@xn--mller-kva.example> (=?utf-8?Q?=C3=BC?=)"),
            ),
            ("From: jürgen@own.example", Err(Unencodable::Address)),
            ("From: <jürgen@own.example>", Err(Unencodable::Address)),
            (
                "From: <\"jürgen x\"@own.example>",
                Err(Unencodable::Address),
            ),
            ("From: \"jürgen x\"@own.example", Err(Unencodable::Address)),
            ("From: x ü@own.example", Err(Unencodable::Address)),
            (
                "Content-Type: text/plain; näme=x",
                Err(Unencodable::Structure),
            ),
            ("Content-Type: täxt/plain", Err(Unencodable::Structure)),
        ];
        for (field, expected) in table {
            assert_eq!(encoded(field), expected.map(str::to_owned), "{field}");
        }
        let octets = "From: me@müller.example\r\n";
        let section = HeaderSection::scan(octets.as_bytes()).unwrap();
        assert_eq!(encode(&section, Domains::Refuse), Err(Unencodable::Address));
    }

    #[test]
    fn other_charsets_are_called_unknown() {
        let section = HeaderSection::scan(b"Subject: M\xfcller\r\n").unwrap();
        assert_eq!(
            encode(&section, Domains::Refuse).unwrap(),
            b"Subject: =?unknown-8bit?Q?M=FCller?=\r\n"
        );
    }

    // SMTP-06: "Text lines > 998: … re-encode rather than cut".
    #[test]
    fn long_lines_are_folded_at_white_space() {
        let long = format!("References: {}\r\n", "<a@b.example> ".repeat(200));
        let solid = format!("X-Token: {}\r\n", "x".repeat(2000));
        for field in [&long, &solid] {
            let section = HeaderSection::scan(field.as_bytes()).unwrap();
            let mut written = Vec::new();
            write_field(&section.fields()[0], None, true, &mut written);
            let written = String::from_utf8(written).unwrap();
            assert_eq!(
                written
                    .replace("\r\n ", " ")
                    .replace("X-Token:\r\n", "X-Token:"),
                *field
            );
            assert_eq!(
                HeaderSection::scan(written.as_bytes())
                    .unwrap()
                    .fields()
                    .len(),
                1
            );
            assert_eq!(has_long_line(written.as_bytes()), *field == solid);
        }
    }
}
