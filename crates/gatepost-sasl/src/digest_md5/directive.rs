//! The list of directives that every message of DIGEST-MD5 is: `name=token` and `name="quoted"`, separated by commas.
//!
//! Blanks around `,` and `=` and empty elements are tolerated, a backslash quotes any octet (RFC 2831 §7.1, §7.2). Which
//! directives may stand where, and how often, is the reader's affair. Values are octets: their character set is told by
//! another directive.

use crate::client::ClientFault;

/// What is not as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl From<Malformed> for ClientFault {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed(what)
    }
}

/// The directives of one message, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directives(Vec<Directive>);

#[derive(Debug, PartialEq, Eq)]
struct Directive {
    /// In lower case.
    name: String,
    /// Without quotes.
    value: Vec<u8>,
}

impl Directives {
    pub(super) fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        let mut list = Vec::new();
        let mut rest = skip_blanks(octets);
        while let [next, ..] = rest {
            if *next == b',' {
                rest = skip_blanks(rest.get(1..).unwrap_or_default());
                continue;
            }
            if let Some(after) = continue_list(list.last_mut(), rest) {
                rest = after;
                continue;
            }
            let (directive, after) = Directive::parse(rest)?;
            list.push(directive);
            rest = skip_blanks(after);
            if !matches!(rest, [] | [b',', ..]) {
                return Err(Malformed("directive list"));
            }
        }
        Ok(Self(list))
    }

    /// All values of the directive.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0
            .iter()
            .filter(move |directive| directive.name == name)
            .map(|directive| directive.value.as_slice())
    }

    /// Its only value, if it is there. Twice is once too often.
    pub(super) fn at_most_one(&self, name: &'static str) -> Result<Option<&[u8]>, Malformed> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Malformed(name)),
        }
    }

    /// Its only value, which must be there.
    pub(super) fn exactly_one(&self, name: &'static str) -> Result<&[u8], Malformed> {
        self.at_most_one(name)?.ok_or(Malformed(name))
    }
}

impl Directive {
    /// One directive from the beginning of `octets`, and what follows it.
    fn parse(octets: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (name, rest) = split_while(octets, is_token);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let rest = match skip_blanks(rest) {
            [b'=', rest @ ..] if !name.is_empty() => skip_blanks(rest),
            _ => return Err(Malformed("directive list")),
        };
        let (value, rest) = match rest {
            [b'"', rest @ ..] => unquote(rest)?,
            bare => match split_while(bare, is_bare) {
                ([], _) => return Err(Malformed("directive list")),
                (value, rest) => (value.to_vec(), rest),
            },
        };
        Ok((Self { name, value }, rest))
    }
}

/// `qop=auth,auth-int` without quotes: a word that goes on the list of the directive before it (LS-25).
fn continue_list<'a>(before: Option<&mut Directive>, octets: &'a [u8]) -> Option<&'a [u8]> {
    let list = before.filter(|directive| matches!(directive.name.as_str(), "qop" | "cipher"))?;
    let (word, rest) = split_while(octets, is_token);
    let rest = skip_blanks(rest);
    if word.is_empty() || !matches!(rest, [] | [b',', ..]) {
        return None;
    }
    list.value.push(b',');
    list.value.extend_from_slice(word);
    Some(rest)
}

/// A message that is being written.
#[derive(Default)]
pub(super) struct Printer(Vec<u8>);

impl Printer {
    /// Adds a directive whose value is a word or a number.
    pub(super) fn bare(mut self, name: &str, value: &str) -> Self {
        self.begin(name);
        self.0.extend_from_slice(value.as_bytes());
        self
    }

    /// Adds a directive whose value is a quoted string.
    pub(super) fn quoted(mut self, name: &str, value: &[u8]) -> Self {
        self.begin(name);
        self.0.push(b'"');
        for octet in value {
            if matches!(octet, b'"' | b'\\') {
                self.0.push(b'\\');
            }
            self.0.push(*octet);
        }
        self.0.push(b'"');
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn begin(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
    }
}

/// What stands before the closing quote, and what follows it.
fn unquote(mut octets: &[u8]) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let mut value = Vec::new();
    loop {
        match octets {
            [b'"', rest @ ..] => return Ok((value, rest)),
            [b'\\', quoted, rest @ ..] if *quoted != 0 => {
                value.push(*quoted);
                octets = rest;
            }
            [octet, rest @ ..] if !matches!(octet, 0 | b'\\') => {
                value.push(*octet);
                octets = rest;
            }
            _ => return Err(Malformed("quoted string")),
        }
    }
}

/// LWS of RFC 2831 §7.1, without caring how it is folded.
fn skip_blanks(octets: &[u8]) -> &[u8] {
    split_while(octets, |octet| {
        matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
    })
    .1
}

fn split_while(octets: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = octets.iter().position(|octet| !belongs(*octet));
    octets.split_at(end.unwrap_or(octets.len()))
}

/// `token` of RFC 2831 §7.1.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&octet)
}

/// What may stand without quotes: a token, and what careless peers leave unquoted, such as `digest-uri=smtp/host`.
fn is_bare(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b",\"\\".contains(&octet)
}
