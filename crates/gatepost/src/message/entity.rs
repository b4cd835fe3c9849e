//! What the header section of a message or of one of its parts says about the body below it (RFC 2045 §5, §6, RFC 2183 §2).
//!
//! Lenient, as readers of mail are: of a field that occurs twice the first one counts, and what cannot be understood is taken for absent.

use super::headers::{Field, HeaderSection};

/// How deep parts may nest before what is inside is no longer looked at (T-39).
pub const MAX_DEPTH: usize = 32;

/// How many parts of a message are looked at (T-39).
pub const MAX_PARTS: usize = 1000;

/// The longest boundary understood. RFC 2046 §5.1.1 allows 70 octets.
pub const MAX_BOUNDARY: usize = 200;

/// What is known of a body before reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// The media type, in lower case. That of the surroundings when there is none.
    pub media_type: String,
    /// The charset, as written.
    pub charset: Option<Vec<u8>>,
    /// The `Content-Transfer-Encoding`, in lower case; empty when absent.
    pub encoding: Vec<u8>,
    /// The boundary, for a multipart that has one.
    pub boundary: Option<Vec<u8>>,
    /// The `report-type`, for a multipart that has one (RFC 6522 §3).
    pub report_type: Option<Vec<u8>>,
    /// Meant to be saved, not shown.
    pub is_attachment: bool,
}

impl Entity {
    /// Reads the fields. Without `Content-Type` it is of `default_type`.
    pub fn of(section: &HeaderSection<'_>, default_type: &str) -> Self {
        let mut entity = Self {
            media_type: default_type.to_owned(),
            charset: None,
            encoding: Vec::new(),
            boundary: None,
            report_type: None,
            is_attachment: false,
        };
        let first = |name| section.named(name).next().map(Field::value);
        if let Some(value) = first("Content-Type") {
            entity.set_type(value);
        }
        if let Some(value) = first("Content-Transfer-Encoding") {
            entity.encoding = value.trim_ascii().to_ascii_lowercase();
        }
        entity.is_attachment = first("Content-Disposition")
            .is_some_and(|value| head(value).eq_ignore_ascii_case(b"attachment"));
        entity
    }

    /// Whether it is a text to be shown.
    pub fn is_shown_text(&self) -> bool {
        self.is_text() && !self.is_attachment
    }

    /// Whether it is a text.
    pub fn is_text(&self) -> bool {
        self.media_type.starts_with("text/")
    }

    fn set_type(&mut self, value: &[u8]) {
        let media_type = head(value).to_ascii_lowercase();
        if let Ok(media_type) = String::from_utf8(media_type)
            && media_type.contains('/')
        {
            self.media_type = media_type;
        }
        self.charset = parameter(value, b"charset");
        if self.media_type.starts_with("multipart/") {
            self.boundary = parameter(value, b"boundary")
                .filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()));
            self.report_type = parameter(value, b"report-type");
        }
    }
}

/// What stands before the parameters.
fn head(value: &[u8]) -> &[u8] {
    value
        .split(|&octet| octet == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

/// The value of the first parameter with this name (in lower case), its quotes undone.
fn parameter(value: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut octets = value.iter().copied();
    octets.find(|&octet| octet == b';')?;
    loop {
        let found: Vec<u8> = octets.by_ref().take_while(|&octet| octet != b'=').collect();
        let (parameter, is_last) = one_value(&mut octets);
        if found.trim_ascii().eq_ignore_ascii_case(name) {
            return Some(parameter);
        }
        if is_last {
            return None;
        }
    }
}

/// A value up to the `;` behind it, and whether there was none.
fn one_value(octets: &mut impl Iterator<Item = u8>) -> (Vec<u8>, bool) {
    let mut value = Vec::new();
    let mut is_quoted = false;
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => value.extend(octets.next()),
            b';' if !is_quoted => return (value.trim_ascii().to_owned(), false),
            b'\r' | b'\n' => {}
            _ => value.push(octet),
        }
    }
    (value.trim_ascii().to_owned(), true)
}
