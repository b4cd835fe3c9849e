//! Which addresses a `From` (or `Sender`) field names, for the one question "is each of them his own?".
//!
//! Readers of mail parse addresses differently, and a field that two of them read differently is how a sender is forged
//! past a check. So this parser accepts only what every reader understands in the same way and calls all else
//! [`MailboxFault::Ambiguous`]: groups, routes, comments inside addresses or with address characters, quoted local parts
//! that need their quotes, white space inside addresses, an `@` in an unquoted display name, `;` lists, empty list
//! elements, control characters, encoded words that show `@`, `<`, `>` or quotes (some readers decode before they parse).
//!
//! One pass over the octets, no recursion. Limits: [`MAX_MAILBOXES`], [`MAX_COMMENT_DEPTH`].
//!
//! Standards: RFC 5322 §3.4 (less the obsolete forms of §4.4), RFC 2047 §5, RFC 6532 §3.2.

use std::fmt;

use super::encoded_word;

/// The most mailboxes one field may name.
pub const MAX_MAILBOXES: usize = 100;

/// How deep comments may nest.
pub const MAX_COMMENT_DEPTH: usize = 32;

/// An address as a header field names it: both parts dot-atoms, outside of ASCII of letters and digits only (RFC 6532 §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    local: String,
    domain: String,
}

impl Mailbox {
    /// What stands before the `@`, case kept.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands behind the `@`, case kept.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// Why a field names no set of addresses that all readers agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailboxFault {
    /// The field is empty or names no address with a domain, such as `From: scanner`.
    #[error("no address with a domain")]
    NoAddress,
    /// Readers may see different addresses; the text says what is at fault.
    #[error("{0}")]
    Ambiguous(&'static str),
}

/// The mailboxes of a field's value (folds included, as [`super::headers::Field::value`] gives it); at least one.
pub fn parse_list(value: &[u8]) -> Result<Vec<Mailbox>, MailboxFault> {
    check_folds(value)?;
    check_encoded_words(value)?;
    let mut scanner = Scanner { left: value };
    let mut mailboxes = Vec::new();
    loop {
        mailboxes.push(scanner.mailbox()?);
        if mailboxes.len() > MAX_MAILBOXES {
            return Err(MailboxFault::Ambiguous("too many mailboxes"));
        }
        scanner.skip_comments()?;
        match scanner.next() {
            None => return Ok(mailboxes),
            Some(b',') => {}
            Some(_) => return Err(MailboxFault::Ambiguous("text after an address")),
        }
    }
}

/// Only CRLF before white space with something on the line may break a value; no other control character may occur.
fn check_folds(value: &[u8]) -> Result<(), MailboxFault> {
    for (number, line) in value.split(|&octet| octet == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if number > 0 && line.trim_ascii().is_empty() {
            return Err(MailboxFault::Ambiguous(
                "a continuation line of nothing but white space",
            ));
        }
        if line
            .iter()
            .any(|&octet| octet != b'\t' && octet.is_ascii_control())
        {
            return Err(MailboxFault::Ambiguous("a control character"));
        }
    }
    Ok(())
}

fn check_encoded_words(value: &[u8]) -> Result<(), MailboxFault> {
    let shown = encoded_word::shown_ascii(value).ok_or(MailboxFault::Ambiguous(
        "an encoded word that cannot be decided",
    ))?;
    let misleads =
        |octet: &u8| matches!(octet, b'<' | b'>' | b'@' | b'"' | b'\\') || octet.is_ascii_control();
    if shown.iter().any(misleads) {
        return Err(MailboxFault::Ambiguous(
            "an encoded word that shows a character with a meaning in addresses",
        ));
    }
    Ok(())
}

/// What is left of the value.
struct Scanner<'a> {
    left: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// `[display name] <addr-spec>` or a bare addr-spec.
    fn mailbox(&mut self) -> Result<Mailbox, MailboxFault> {
        self.skip_comments()?;
        let mut words = 0;
        loop {
            match self.peek() {
                Some(b'<') => return self.angle_address(),
                Some(b'"') => {
                    let word = self.quoted_string()?;
                    if self.peek() == Some(b'@') {
                        return if words == 0 {
                            self.address_of(&word)
                        } else {
                            Err(MailboxFault::Ambiguous("an @ in a display name"))
                        };
                    }
                }
                Some(octet) if is_phrase_octet(octet) => {
                    let word = self.take_while(is_phrase_octet);
                    if self.peek() == Some(b'@') {
                        return if words == 0 {
                            self.address_of(word)
                        } else {
                            Err(MailboxFault::Ambiguous("an @ in a display name"))
                        };
                    }
                }
                Some(b':') => return Err(MailboxFault::Ambiguous("a group")),
                Some(b'@') => return Err(MailboxFault::Ambiguous("an @ without a local part")),
                Some(b',') | None => return Err(MailboxFault::NoAddress),
                Some(_) => {
                    return Err(MailboxFault::Ambiguous(
                        "a special character outside of quotes",
                    ));
                }
            }
            words += 1;
            self.skip_comments()?;
        }
    }

    fn angle_address(&mut self) -> Result<Mailbox, MailboxFault> {
        self.next();
        self.skip_blanks();
        let mailbox = match self.peek() {
            Some(b'"') => {
                let local = self.quoted_string()?;
                self.address_of(&local)
            }
            Some(b'@') => Err(MailboxFault::Ambiguous("a source route")),
            Some(b'>') => Err(MailboxFault::NoAddress),
            _ => {
                let local = self.take_while(is_phrase_octet);
                self.address_of(local)
            }
        }?;
        self.skip_blanks();
        match self.next() {
            Some(b'>') => Ok(mailbox),
            _ => Err(MailboxFault::Ambiguous(
                "text beside an address in its angle brackets",
            )),
        }
    }

    /// The rest of an addr-spec whose local part was read: `@` and a domain.
    fn address_of(&mut self, local: &[u8]) -> Result<Mailbox, MailboxFault> {
        match self.next() {
            Some(b'@') => {}
            Some(b'>') => return Err(MailboxFault::NoAddress),
            _ => {
                return Err(MailboxFault::Ambiguous(
                    "text beside an address in its angle brackets",
                ));
            }
        }
        let domain = self.take_while(is_phrase_octet);
        match (dot_atom(local), dot_atom(domain)) {
            (Some(local), Some(domain)) => Ok(Mailbox { local, domain }),
            _ => Err(MailboxFault::Ambiguous(
                "an address that is not two dot-atoms",
            )),
        }
    }

    /// A quoted string's content, quoted pairs resolved.
    fn quoted_string(&mut self) -> Result<Vec<u8>, MailboxFault> {
        self.next();
        let mut content = Vec::new();
        loop {
            match self.next() {
                Some(b'"') => return Ok(content),
                Some(b'\\') => content.extend(self.next()),
                Some(octet) => content.push(octet),
                None => return Err(MailboxFault::Ambiguous("a quote that is not closed")),
            }
        }
    }

    /// White space and comments between words. A comment may not hold what a careless reader takes for an address.
    fn skip_comments(&mut self) -> Result<(), MailboxFault> {
        let mut depth = 0;
        while let Some(octet) = self.peek() {
            match octet {
                b'(' if depth == MAX_COMMENT_DEPTH => {
                    return Err(MailboxFault::Ambiguous("comments nested too deep"));
                }
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if depth == 0 => return Ok(()),
                b'<' | b'>' | b'@' | b'"' | b'\\' => {
                    return Err(MailboxFault::Ambiguous("a comment with address characters"));
                }
                _ => {}
            }
            self.next();
        }
        if depth == 0 {
            Ok(())
        } else {
            Err(MailboxFault::Ambiguous("a comment that is not closed"))
        }
    }

    fn skip_blanks(&mut self) {
        self.take_while(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n'));
    }

    fn peek(&self) -> Option<u8> {
        self.left.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, left) = self.left.split_first()?;
        self.left = left;
        Some(*first)
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self
            .left
            .iter()
            .take_while(|&&octet| belongs(octet))
            .count();
        let (taken, left) = self.left.split_at(length);
        self.left = left;
        taken
    }
}

/// What a display name may hold outside of quotes: atoms, dots (`John Q. Public`), and 8-bit text.
fn is_phrase_octet(octet: u8) -> bool {
    octet == b'.' || octet >= 0x80 || is_atext(octet)
}

fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

fn dot_atom(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    // Outside of ASCII there are characters that some readers take for an `@`, a bracket or nothing at all.
    let belongs = |character: char| match u8::try_from(character) {
        Ok(octet) if octet.is_ascii() => is_atext(octet),
        _ => character.is_alphanumeric() || matches!(character, '\u{300}'..='\u{36f}'),
    };
    let whole = text
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(belongs));
    whole.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(value: &str) -> String {
        match parse_list(value.as_bytes()) {
            Ok(mailboxes) => mailboxes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            Err(MailboxFault::NoAddress) => "none".to_owned(),
            Err(MailboxFault::Ambiguous(_)) => "ambiguous".to_owned(),
        }
    }

    /// Fields with one reading, and the addresses they name; another reader of mail is asked about the same ones.
    const CLEAR: &str = include_str!("../../tests/data/from-forms.json");

    /// Fields without an address, or which readers read differently.
    const REFUSED: &[(&str, &str)] = &[
        ("", "none"),
        (" ", "none"),
        (" scanner", "none"),
        (" Scanner <>", "none"),
        (" Scanner <scanner>", "none"),
        (" Public, John <me@own.example>", "none"),
        (" me@own.example,", "none"),
        (" ,me@own.example", "none"),
        (" me@own.example, , x@own.example", "none"),
        (" (me@)", "ambiguous"),
        (" Group: me@own.example;", "ambiguous"),
        (" Group:;", "ambiguous"),
        (" undisclosed-recipients:;", "ambiguous"),
        (" A: B: me@own.example;;", "ambiguous"),
        (" <@a.example,@b.example:me@own.example>", "ambiguous"),
        (" me@own.example; x@bank.example", "ambiguous"),
        (" victim@bank.example <me@own.example>", "ambiguous"),
        (" a victim@bank.example <me@own.example>", "ambiguous"),
        (" <me@own.example> <victim@bank.example>", "ambiguous"),
        (" <me@own.example>victim@bank.example", "ambiguous"),
        (" <me@own.example> victim", "ambiguous"),
        (" me@own.example victim@bank.example", "ambiguous"),
        (" <me@own.example", "ambiguous"),
        (" me@own.example>", "ambiguous"),
        (" <<me@own.example>>", "ambiguous"),
        (" <me@own.example, victim@bank.example>", "ambiguous"),
        (" me(x)@own.example", "ambiguous"),
        (" me@(x)own.example", "ambiguous"),
        (" me@own(x).example", "ambiguous"),
        (" <me@own.example(x)>", "ambiguous"),
        (" (<victim@bank.example>) me@own.example", "ambiguous"),
        (" (victim@bank.example) <me@own.example>", "ambiguous"),
        (
            " (\\) victim@bank.example, (\\) me@own.example",
            "ambiguous",
        ),
        (" (open me@own.example", "ambiguous"),
        (" me@own.example)", "ambiguous"),
        (" \"open <me@own.example>", "ambiguous"),
        (" \"victim@bank.example y\"@own.example", "ambiguous"),
        (" \"x@bank.example\"@own.example", "ambiguous"),
        (" \"me\\\r\n\"@own.example", "ambiguous"),
        (" me @own.example", "ambiguous"),
        (" me@ own.example", "ambiguous"),
        (" me . x@own.example", "ambiguous"),
        (" <me @own.example>", "ambiguous"),
        (" me@own.example.", "ambiguous"),
        (" .me@own.example", "ambiguous"),
        (" me..x@own.example", "ambiguous"),
        (" me@own..example", "ambiguous"),
        (" me@", "ambiguous"),
        (" @own.example", "ambiguous"),
        (" me@own.example@bank.example", "ambiguous"),
        (" me@[192.0.2.1]", "ambiguous"),
        (" m\u{e9}@\u{f6}wn.example", "m\u{e9}@\u{f6}wn.example"),
        (" me\u{a0}@own.example", "ambiguous"),
        (" m\u{202e}e@own.example", "ambiguous"),
        (" me\u{2028}x@own.example", "ambiguous"),
        (" me\u{80}x@own.example", "ambiguous"),
        (" me\u{ff20}bank.example@own.example", "ambiguous"),
        (" me\u{200b}@own.example", "ambiguous"),
        (" me@own\u{3002}example", "ambiguous"),
        (" me\0@own.example", "ambiguous"),
        (" me@own.example\0, victim@bank.example", "ambiguous"),
        (" me@own.example\rvictim@bank.example", "ambiguous"),
        (" me@own.example\r\n \r\n", "ambiguous"),
        (" me@own.example,\r\n\t\r\n x@own.example", "ambiguous"),
        (" \u{1b}[2J <me@own.example>", "ambiguous"),
        (" me\\@own.example", "ambiguous"),
        (
            " =?utf-8?q?victim=40bank.example=2C?= <me@own.example>",
            "ambiguous",
        ),
        (" =?utf-8?q?a=3Cvictim=3E?= <me@own.example>", "ambiguous"),
        (
            " =?utf-8?b?PHZpY3RpbUBiYW5rPg==?= <me@own.example>",
            "ambiguous",
        ),
        (
            " \"=?utf-8?q?a=22=3Cvictim=40bank=3E?=\" <me@own.example>",
            "ambiguous",
        ),
        (" =?utf-7?q?+AEA-?= <me@own.example>", "ambiguous"),
        (" =?utf-8?q?me=40own.example?=", "ambiguous"),
        (" =?utf-8?q?a=0D=0ABcc=3A?= <me@own.example>", "ambiguous"),
    ];

    // T-03, V-48, V-49: what every reader understands in the same way, and everything else.
    #[test]
    fn forms_of_a_from_field() {
        let clear: Vec<(String, String)> = serde_json::from_str(CLEAR).unwrap();
        for (value, expected) in &clear {
            assert_eq!(verdict(value), *expected, "From:{value:?}");
        }
        for (value, expected) in REFUSED {
            assert_eq!(verdict(value), *expected, "From:{value:?}");
        }
        assert!(
            clear.len() + REFUSED.len() >= 60,
            "T-03 asks for sixty forms"
        );
    }

    // T-39, V-49: the worst cases cost linear time. Quadratic work on this much would take hours, and the runner ends a test that hangs.
    #[test]
    fn the_worst_lists_are_read_to_their_end() {
        let patterns = [
            "(",
            "a: ",
            "=?a?q?x",
            "=?a b?q?x",
            "=?",
            "\"",
            "\\",
            "a ",
            "a@b.example,",
            "<",
            "\r\n a",
            "=?a?b?YQ==?= ",
        ];
        for pattern in patterns {
            let value = pattern.repeat((1 << 20) / pattern.len());
            std::hint::black_box(parse_list(value.as_bytes())).ok();
        }
    }

    #[test]
    fn limits_are_exact() {
        let list = |count: usize| vec!["a@b.example"; count].join(",");
        assert_eq!(
            parse_list(list(MAX_MAILBOXES).as_bytes()).unwrap().len(),
            MAX_MAILBOXES
        );
        assert!(parse_list(list(MAX_MAILBOXES + 1).as_bytes()).is_err());
        let nested =
            |depth: usize| format!("{}{} me@own.example", "(".repeat(depth), ")".repeat(depth));
        assert!(parse_list(nested(MAX_COMMENT_DEPTH).as_bytes()).is_ok());
        assert!(parse_list(nested(MAX_COMMENT_DEPTH + 1).as_bytes()).is_err());
    }
}
