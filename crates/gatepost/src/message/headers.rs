//! The header section of a message, cut into fields in one linear pass.
//!
//! Input is what stands before the first empty line, every line ending in CRLF. A device may send text there that is no
//! header: from the first line that is neither a field nor the continuation of one, everything is [`HeaderSection::rest`],
//! the beginning of the body. Writing an empty line before it ([`super::fixup`]) makes every reader stop where we stopped.
//!
//! Fields are slices of the input, so that what is kept stays equal to the octet. Nothing is unfolded or decoded here.
//!
//! Limits: [`MAX_OCTETS`], [`MAX_FIELDS`]; beyond them the section is refused, never cut.
//!
//! Standards: RFC 5322 §2.2, §3.6, §4.5 (white space before the colon), RFC 6409 §8.

/// The longest header section accepted, in octets.
pub const MAX_OCTETS: usize = 1024 * 1024;

/// The largest number of fields accepted. Real mail has under a hundred, with every hop's `Received` and seals.
pub const MAX_FIELDS: usize = 1000;

/// A header section, cut into fields.
#[derive(Debug)]
pub struct HeaderSection<'a> {
    mbox_line: Option<&'a [u8]>,
    fields: Vec<Field<'a>>,
    rest: &'a [u8],
}

/// Why a header section was not cut into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// More than [`MAX_OCTETS`].
    #[error("header section longer than {MAX_OCTETS} octets")]
    TooLong,
    /// More than [`MAX_FIELDS`].
    #[error("more than {MAX_FIELDS} header fields")]
    TooManyFields,
}

impl<'a> HeaderSection<'a> {
    /// Cuts `octets`, the lines before the first empty line of a message, into fields.
    pub fn scan(octets: &'a [u8]) -> Result<Self, HeaderFault> {
        if octets.len() > MAX_OCTETS {
            return Err(HeaderFault::TooLong);
        }
        let mut section = Self {
            mbox_line: None,
            fields: Vec::new(),
            rest: &[],
        };
        let mut at = 0;
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            let end = at + line.len();
            if at == 0 && is_mbox_line(line) {
                section.mbox_line = Some(line);
            } else if let Some(colon) = colon_of_field(line) {
                if section.fields.len() == MAX_FIELDS {
                    return Err(HeaderFault::TooManyFields);
                }
                section.fields.push(Field {
                    raw: line,
                    start: at,
                    colon,
                });
            } else if let Some(field) = section.fields.last_mut().filter(|_| is_continuation(line))
            {
                field.raw = octets.get(field.start..end).unwrap_or_default();
            } else {
                section.rest = octets.get(at..).unwrap_or_default();
                break;
            }
            at = end;
        }
        Ok(section)
    }

    /// The fields in their order.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The fields called `name`, in any case.
    pub fn named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Field<'a>> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    /// A first line `From …` or `>From …`, as mailbox files have it: no field, and no body either.
    pub fn mbox_line(&self) -> Option<&'a [u8]> {
        self.mbox_line
    }

    /// Lines that stood in the place of fields but are none: the beginning of the body.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// One header field with its continuation lines.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    raw: &'a [u8],
    start: usize,
    colon: usize,
}

impl<'a> Field<'a> {
    /// The whole field: name, colon, value, folds and the final line end.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The name as written, without white space before the colon.
    pub fn name(&self) -> &'a [u8] {
        self.raw
            .get(..self.colon)
            .unwrap_or_default()
            .trim_ascii_end()
    }

    /// Whether the field is called `name`, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether white space stands between name and colon (RFC 5322 §4.5): some readers then see no field at all.
    pub fn has_gap(&self) -> bool {
        self.name().len() != self.colon
    }

    /// The name and the colon, as written.
    pub fn begin(&self) -> &'a [u8] {
        self.raw.get(..=self.colon).unwrap_or_default()
    }

    /// What follows the colon, folds included, without the final line end.
    pub fn value(&self) -> &'a [u8] {
        let value = self.raw.get(self.colon + 1..).unwrap_or_default();
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        value.strip_suffix(b"\r").unwrap_or(value)
    }
}

/// A mailbox file's separator. Device software that stores mail this way submits it as it lies there.
fn is_mbox_line(line: &[u8]) -> bool {
    let unquoted = line.strip_prefix(b">").unwrap_or(line);
    unquoted.starts_with(b"From ") && colon_of_field(line).is_none()
}

fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// Where the colon of a field's first line is; `None` when the line begins no field (RFC 5322 §2.2, §4.5).
fn colon_of_field(line: &[u8]) -> Option<usize> {
    let name = line
        .iter()
        .take_while(|&&octet| matches!(octet, 0x21..=0x39 | 0x3b..=0x7e))
        .count();
    let gap = line
        .iter()
        .skip(name)
        .take_while(|&&octet| matches!(octet, b' ' | b'\t'))
        .count();
    (name > 0 && line.get(name + gap) == Some(&b':')).then_some(name + gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(octets: &str) -> (Vec<String>, String) {
        let section = HeaderSection::scan(octets.as_bytes()).unwrap();
        let names = section
            .fields()
            .iter()
            .map(|field| String::from_utf8_lossy(field.name()).into_owned())
            .collect();
        (names, String::from_utf8_lossy(section.rest()).into_owned())
    }

    #[test]
    fn fields_and_folds_are_slices_of_the_input() {
        let octets =
            b"From: a@b.example\r\nSubject: one\r\n two\r\n\tthree\r\nTo : c@d.example\r\n";
        let section = HeaderSection::scan(octets).unwrap();
        let joined: Vec<u8> = section
            .fields()
            .iter()
            .flat_map(|field| field.raw().to_vec())
            .collect();
        assert_eq!(joined, octets);
        assert_eq!(section.fields()[1].value(), b" one\r\n two\r\n\tthree");
        assert_eq!(section.fields()[2].name(), b"To");
        assert!(section.fields()[2].has_gap() && !section.fields()[0].has_gap());
        assert_eq!(section.named("SUBJECT").count(), 1);
    }

    #[test]
    fn the_first_line_that_is_no_field_begins_the_body() {
        let table: &[(&str, &[&str], &str)] = &[
            ("", &[], ""),
            ("Hello\r\nFrom: x\r\n", &[], "Hello\r\nFrom: x\r\n"),
            (
                "A: 1\r\nHello there: x\r\nFrom: x\r\n",
                &["A"],
                "Hello there: x\r\nFrom: x\r\n",
            ),
            (" A: 1\r\nFrom: x\r\n", &[], " A: 1\r\nFrom: x\r\n"),
            (": 1\r\n", &[], ": 1\r\n"),
            ("Fro\r\n m: x\r\n", &[], "Fro\r\n m: x\r\n"),
            ("A: 1\r\nFrom\r\n : x\r\n", &["A"], "From\r\n : x\r\n"),
            ("A: 1\r\nFr\u{43e}m: x\r\n", &["A"], "Fr\u{43e}m: x\r\n"),
            (
                "A: 1\r\nFrom x@y Sat Nov 21\r\nB: 2\r\n",
                &["A"],
                "From x@y Sat Nov 21\r\nB: 2\r\n",
            ),
            ("A:\r\n", &["A"], ""),
            ("A: 1\r\n \r\nB: 2\r\n", &["A", "B"], ""),
            ("A: no line end", &["A"], ""),
        ];
        for (octets, expected, rest) in table {
            let (found, left) = names(octets);
            assert_eq!(
                (
                    found
                        .iter()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .as_slice(),
                    left.as_str()
                ),
                (*expected, *rest),
                "{octets:?}"
            );
        }
    }

    #[test]
    fn a_mailbox_file_line_comes_first_or_is_body() {
        for line in ["From x@y Sat Nov 21 05:56:11 2026\r\n", ">From x@y\r\n"] {
            let octets = format!("{line}A: 1\r\n");
            let section = HeaderSection::scan(octets.as_bytes()).unwrap();
            assert_eq!(section.mbox_line(), Some(line.as_bytes()));
            assert_eq!(section.fields().len(), 1);
        }
        let section = HeaderSection::scan(b"From : x@y\r\n").unwrap();
        assert!(section.mbox_line().is_none() && section.fields()[0].is("from"));
    }

    // T-39: limits are exact, and a section at the limit is cut.
    #[test]
    fn limits_are_exact() {
        let many = "A: 1\r\n".repeat(MAX_FIELDS);
        assert_eq!(
            HeaderSection::scan(many.as_bytes()).unwrap().fields().len(),
            MAX_FIELDS
        );
        assert_eq!(
            HeaderSection::scan(format!("{many}A: 1\r\n").as_bytes()).unwrap_err(),
            HeaderFault::TooManyFields
        );
        let mut long = b"A: ".to_vec();
        long.resize(MAX_OCTETS, b'x');
        assert_eq!(HeaderSection::scan(&long).unwrap().fields().len(), 1);
        long.push(b'x');
        assert_eq!(
            HeaderSection::scan(&long).unwrap_err(),
            HeaderFault::TooLong
        );
    }
}
