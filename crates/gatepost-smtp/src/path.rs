//! Addresses of the envelope: [`Address`], [`ReversePath`], [`ForwardPath`].
//!
//! Values exist only by parsing and hold no control characters and no line ends, line and paragraph
//! separators of Unicode included, so that nothing downstream needs to escape them again (T-36). They
//! may hold other Unicode (RFC 6531), and say so: [`Address::is_ascii`]. A quoted local part is kept
//! in its shortest form: `"fred"@example.com` and `fred@example.com` are the same value. Domains
//! compare as A-labels without regard to case; local parts compare exactly, but for the ways of
//! composing a character (NFC).
//!
//! The parser of MAIL and RCPT arguments tolerates what the field sends (SMTP-04): space before the
//! path, missing brackets, source routes, trailing dots. What it tolerated is returned as quirks.
//!
//! Standards: RFC 5321 §4.1.2, §4.1.3, §4.5.3.1; RFC 6531 §3.3; RFC 5890 (A-labels, by UTS 46).

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, Hyphens, Uts46};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::quirk::{Quirk, QuirkSet};

/// Most octets of a local part. RFC 5321 §4.5.3.1.1 asks for 64; real ones are longer (SMTP-07).
const MAX_LOCAL: usize = 320;
/// Most octets of a domain (RFC 5321 §4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// Not an address at all.
    Syntax,
    /// A local part without a domain.
    Unqualified,
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not a mail address",
            Self::Unqualified => "the address has no domain",
        })
    }
}

impl std::error::Error for AddressFault {}

/// A mailbox: local part and domain (or address literal). Displayed as on the wire, without angle
/// brackets.
#[derive(Clone)]
pub struct Address {
    text: Box<str>,
    at: u16,
}

impl Address {
    /// Parses `local@domain`. One trailing dot of the domain is dropped. A domain with other
    /// characters than ASCII must have A-labels (EAI-03), and is kept in its normal form: lower
    /// case, NFC.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let (local, rest) = split_local(text).ok_or(AddressFault::Syntax)?;
        let domain = match rest.strip_prefix('@') {
            Some(domain) => domain.strip_suffix('.').unwrap_or(domain),
            None if rest.is_empty() => return Err(AddressFault::Unqualified),
            None => return Err(AddressFault::Syntax),
        };
        if local.len() > MAX_LOCAL {
            return Err(AddressFault::Syntax);
        }
        let domain = normal_domain(domain).ok_or(AddressFault::Syntax)?;
        let at = u16::try_from(local.len()).map_err(|_| AddressFault::Syntax)?;
        Ok(Self {
            text: format!("{local}@{domain}").into(),
            at,
        })
    }

    /// As on the wire, without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local part as on the wire, with its quotes if it needs them.
    pub fn local(&self) -> &str {
        self.text.get(..usize::from(self.at)).unwrap_or_default()
    }

    /// The domain or address literal, in the case it was written in.
    pub fn domain(&self) -> &str {
        self.text
            .get(usize::from(self.at) + 1..)
            .unwrap_or_default()
    }

    /// Whether it may be sent without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// The domain in ASCII: what it is, or its A-labels (`xn--…`).
    pub fn to_ascii_domain(&self) -> Cow<'_, str> {
        let domain = self.domain();
        if domain.is_ascii() {
            return Cow::Borrowed(domain);
        }
        // It has A-labels, or it would not have been parsed.
        idna::domain_to_ascii_strict(domain).map_or(Cow::Borrowed(domain), Cow::Owned)
    }

    /// Whether this and the other are one mailbox to an operator who does not mean `Fred@` and `fred@`
    /// to be two people: as `==`, and without regard to case in the local part either.
    pub fn is_same_mailbox(&self, other: &Self) -> bool {
        self == other
            || (self.has_same_domain(other)
                && if self.local().is_ascii() && other.local().is_ascii() {
                    self.local().eq_ignore_ascii_case(other.local())
                } else {
                    let folded = |local| composed(local).to_lowercase();
                    folded(self.local()) == folded(other.local())
                })
    }

    /// Domains compare as A-labels without regard to case.
    fn has_same_domain(&self, other: &Self) -> bool {
        self.domain().eq_ignore_ascii_case(other.domain())
            || (self.domain().is_ascii() != other.domain().is_ascii()
                && self
                    .to_ascii_domain()
                    .eq_ignore_ascii_case(&other.to_ascii_domain()))
    }

    /// The same mailbox in ASCII, for a hop without SMTPUTF8. `None` if the local part has other
    /// characters: nobody but its own host may say what that is called otherwise (EAI-04).
    pub fn to_ascii(&self) -> Option<Self> {
        let local = self.local();
        local.is_ascii().then(|| Self {
            text: format!("{local}@{}", self.to_ascii_domain()).into(),
            at: self.at,
        })
    }
}

impl FromStr for Address {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        Self::parse(text)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.has_same_domain(other) && composed(self.local()) == composed(other.local())
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        composed(self.local()).hash(state);
        for octet in self.to_ascii_domain().bytes() {
            octet.to_ascii_lowercase().hash(state);
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The argument of MAIL. Displayed as on the wire, with angle brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody wants to hear of it again (RFC 5321 §4.5.5).
    Null,
    /// Where notices go.
    Address(Address),
}

impl ReversePath {
    /// Parses an address, or nothing (or `<>`) as the null path.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        match text {
            "" | "<>" => Ok(Self::Null),
            text => Address::parse(text).map(Self::Address),
        }
    }

    /// The address, unless the path is null.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl From<Address> for ReversePath {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// The argument of RCPT. Displayed as on the wire, with angle brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForwardPath(Address);

impl ForwardPath {
    /// Parses an address; `postmaster` alone is the one at `own_domain` (RFC 5321 §4.5.1).
    pub fn parse(text: &str, own_domain: &str) -> Result<Self, AddressFault> {
        if text.eq_ignore_ascii_case("postmaster") {
            return Address::parse(&format!("{text}@{own_domain}")).map(Self);
        }
        Address::parse(text).map(Self)
    }

    /// The recipient's address.
    pub fn address(&self) -> &Address {
        &self.0
    }
}

impl From<Address> for ForwardPath {
    fn from(address: Address) -> Self {
        Self(address)
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

/// `address`, completed by this site's `domain` where it has none or one of a single label (RFC 6409 §4.2, SUBM-06). What is `localhost`
/// for its sender is nothing here, and stays.
pub fn complete<'a>(address: &'a str, domain: &str) -> Cow<'a, str> {
    match address.rsplit_once('@') {
        None if !address.is_empty() => Cow::Owned(format!("{address}@{domain}")),
        Some((_, label)) if is_single_label(label) => Cow::Owned(format!("{address}.{domain}")),
        _ => Cow::Borrowed(address),
    }
}

fn is_single_label(domain: &str) -> bool {
    !domain.is_empty()
        && !domain.contains(['.', '[', '"'])
        && !domain.eq_ignore_ascii_case("localhost")
}

/// What stands behind `FROM:` or `TO:`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PathArgument<'a> {
    /// The address, without brackets and source route.
    pub(crate) address: &'a str,
    /// The parameters, not yet taken apart.
    pub(crate) params: &'a str,
    /// What had to be tolerated.
    pub(crate) quirks: QuirkSet,
}

/// Finds path and parameters. `None`: there is no path.
pub(crate) fn split_argument(argument: &str) -> Option<PathArgument<'_>> {
    let mut quirks = QuirkSet::NONE;
    let trimmed = argument.trim_start_matches([' ', '\t']);
    if trimmed.len() != argument.len() {
        quirks.insert(Quirk::SpaceBeforePath);
    }
    let (inner, params) = if let Some(inside) = trimmed.strip_prefix('<') {
        let end = closing_bracket(inside)?;
        let (inner, params) = inside.split_at_checked(end)?;
        (inner, params.strip_prefix('>')?)
    } else {
        quirks.insert(Quirk::MissingAngleBrackets);
        trimmed.split_at_checked(trimmed.find([' ', '\t']).unwrap_or(trimmed.len()))?
    };
    let inner_trimmed = inner.trim_matches([' ', '\t']);
    if inner_trimmed.len() != inner.len() || inner_trimmed.ends_with('.') {
        quirks.insert(Quirk::TrailingDotOrSpace);
    }
    // RFC 5321 §4.1.1.3: source routes SHOULD be accepted and ignored.
    let address = match inner_trimmed
        .strip_prefix('@')
        .and_then(|route| route.split_once(':'))
    {
        Some((_, address)) => {
            quirks.insert(Quirk::SourceRoute);
            address
        }
        None => inner_trimmed,
    };
    let bare_and_empty = address.is_empty() && quirks.contains(Quirk::MissingAngleBrackets);
    let separated = params.is_empty() || params.starts_with([' ', '\t']);
    (separated && !bare_and_empty).then_some(PathArgument {
        address,
        params,
        quirks,
    })
}

/// Where the `>` stands that is not inside a quoted string.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (position, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(position),
            _ => {}
        }
    }
    None
}

/// Splits the local part off, in its shortest form. Dots are taken as they come: `a..b@` and `a.@`
/// exist.
fn split_local(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (content, rest) = unquote(quoted)?;
        let plain = !content.is_empty() && content.chars().all(is_atom_or_dot);
        let local = if plain { content } else { quote(&content) };
        return Some((local, rest));
    }
    let end = text
        .find(|character| !is_atom_or_dot(character))
        .unwrap_or(text.len());
    let (local, rest) = text.split_at_checked(end)?;
    (!local.is_empty()).then(|| (local.to_owned(), rest))
}

/// Reads a quoted string behind its opening quote: content and what follows the closing quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Some((content, text.get(position + 1..)?)),
            '\\' => content.push(
                characters
                    .next()
                    .map(|(_, escaped)| escaped)
                    .filter(|c| is_text(*c))?,
            ),
            character if is_text(character) => content.push(character),
            _ => return None,
        }
    }
    None
}

fn quote(content: &str) -> String {
    let mut quoted = String::with_capacity(content.len() + 2);
    quoted.push('"');
    for character in content.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Printable ASCII and all other Unicode but what ends lines, controls, or changes the direction of
/// what stands around it.
pub fn is_text(character: char) -> bool {
    let directs = matches!(character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let separates = matches!(character, '\u{2028}' | '\u{2029}');
    !(character.is_control() || separates || directs)
}

fn is_atom_or_dot(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(character)
    } else {
        is_text(character) && !character.is_whitespace()
    }
}

/// A local part for comparing: the same character may be one code point or several.
fn composed(local: &str) -> Cow<'_, str> {
    if local.is_ascii() || is_nfc(local) {
        Cow::Borrowed(local)
    } else {
        Cow::Owned(local.nfc().collect())
    }
}

/// The domain as an address holds it; `None` if it is none.
fn normal_domain(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_ascii() {
        return is_domain(domain).then_some(Cow::Borrowed(domain));
    }
    idna::domain_to_ascii_strict(domain).ok()?;
    let (normal, valid) =
        Uts46::new().to_unicode(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    valid.ok().map(|()| normal)
}

/// Labels of letters, digits, hyphens and (in the field) underscores, or an address literal.
pub(crate) fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return is_address_literal(literal);
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    };
    domain.len() <= MAX_DOMAIN && domain.split('.').all(label)
}

/// RFC 5321 §4.1.3.
fn is_address_literal(literal: &str) -> bool {
    match literal.split_once(':') {
        None => literal.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) => {
            tag.eq_ignore_ascii_case("IPv6") && address.parse::<Ipv6Addr>().is_ok()
        }
    }
}

#[cfg(test)]
mod tests;
