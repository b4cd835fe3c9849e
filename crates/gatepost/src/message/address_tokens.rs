//! The value of an address field cut into tokens, for changing some of them and keeping the rest octet by octet.
//!
//! This decides nothing about who wrote a message: that is [`super::mailbox`], which refuses what readers may read differently. Here
//! anything is cut, so that a field of recipients can be completed or encoded whatever is in it. One pass, no recursion.
//!
//! Standards: RFC 5322 §3.2, §3.4.

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// White space and folds.
    Space(&'a [u8]),
    /// A quoted string with its quotes; it may lack the last one.
    Quoted(&'a [u8]),
    /// A comment with its parentheses; it may lack the last one.
    Comment(&'a [u8]),
    /// Atoms, dots and `@` without anything between them, octets above 127 included.
    Word(&'a [u8]),
    /// Any other octet: `<`, `>`, `,`, `:`, `;` and what does not belong there.
    Special(&'a [u8]),
}

impl<'a> Token<'a> {
    /// As it stands in the field.
    pub fn raw(self) -> &'a [u8] {
        match self {
            Self::Space(raw)
            | Self::Quoted(raw)
            | Self::Comment(raw)
            | Self::Word(raw)
            | Self::Special(raw) => raw,
        }
    }
}

/// The tokens of a value, in their order; together they are the value.
pub fn tokens<'a>(value: &'a [u8]) -> impl Iterator<Item = Token<'a>> {
    let mut left = value;
    std::iter::from_fn(move || {
        let first = *left.first()?;
        let (length, token): (_, fn(&'a [u8]) -> Token<'a>) = match first {
            b' ' | b'\t' | b'\r' | b'\n' => (run(left, is_space), Token::Space),
            b'"' => (quoted_length(left), Token::Quoted),
            b'(' => (comment_length(left), Token::Comment),
            _ if is_word(first) => (run(left, is_word), Token::Word),
            _ => (1, Token::Special),
        };
        let (raw, rest) = left.split_at_checked(length)?;
        left = rest;
        Some(token(raw))
    })
}

/// What stands between the delimiters of a quoted string or a comment, quoted pairs undone, folds removed.
pub fn content(delimited: &[u8]) -> Vec<u8> {
    let inner = delimited.get(1..).unwrap_or_default();
    let inner = match delimited {
        [b'"', .., b'"'] | [b'(', .., b')'] => inner.get(..inner.len() - 1).unwrap_or_default(),
        _ => inner,
    };
    let mut content = Vec::with_capacity(inner.len());
    let mut octets = inner.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => content.extend(octets.next()),
            b'\r' | b'\n' => {}
            _ => content.push(octet),
        }
    }
    content
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_word(octet: u8) -> bool {
    octet >= 0x80 || octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.@".contains(&octet)
}

fn run(left: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    left.iter().take_while(|&&octet| belongs(octet)).count()
}

fn quoted_length(left: &[u8]) -> usize {
    let mut escaped = false;
    for (at, &octet) in left.iter().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    left.len()
}

fn comment_length(left: &[u8]) -> usize {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, &octet) in left.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    left.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_and_stays_whole() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (" a@b.example", &[" ", "a@b.example"]),
            (
                "\"A \\\" B\" <a@b>,c",
                &["\"A \\\" B\"", " ", "<", "a@b", ">", ",", "c"],
            ),
            (
                "(a (b\\)) c) d\r\n e",
                &["(a (b\\)) c)", " ", "d", "\r\n ", "e"],
            ),
            ("Gr\u{fc}n: x;", &["Gr\u{fc}n", ":", " ", "x", ";"]),
            ("\"open", &["\"open"]),
            ("(open \\", &["(open \\"]),
            ("a)[1]\0", &["a", ")", "[", "1", "]", "\0"]),
        ];
        for (value, expected) in table {
            let found: Vec<&[u8]> = tokens(value.as_bytes()).map(Token::raw).collect();
            let expected: Vec<&[u8]> = expected.iter().map(|it| it.as_bytes()).collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn contents_are_without_delimiters_and_escapes() {
        for (delimited, expected) in [
            ("\"a \\\"b\\\\\"", "a \"b\\"),
            ("(a\r\n (b))", "a (b)"),
            ("\"", ""),
            ("(open", "open"),
        ] {
            assert_eq!(
                content(delimited.as_bytes()),
                expected.as_bytes(),
                "{delimited}"
            );
        }
    }
}
