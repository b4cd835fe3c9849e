//! Patterns of route conditions.

use std::fmt;

/// A text in which `*` stands for any run of characters, compared without regard to ASCII case: `*@example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Takes the pattern as written.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the whole of `text` fits. Takes time in proportion to the product of both lengths at worst.
    pub fn matches(&self, text: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = strip_prefix(text, first) else {
            return false;
        };
        let mut pieces = pieces.peekable();
        if pieces.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                return ends_with(rest, piece);
            }
            // The earliest place is right: it leaves the most for the pieces that follow.
            match after_first(rest, piece) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| text.get(prefix.len()..))
        .flatten()
}

fn ends_with(text: &str, suffix: &str) -> bool {
    text.len()
        .checked_sub(suffix.len())
        .and_then(|start| text.get(start..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
}

fn after_first<'t>(text: &'t str, piece: &str) -> Option<&'t str> {
    text.char_indices()
        .map(|(start, _)| start)
        .chain([text.len()])
        .find_map(|start| strip_prefix(text.get(start..)?, piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, text, expected) in [
            ("example.com", "EXAMPLE.com", true),
            ("example.com", "example.com.evil", false),
            ("*", "", true),
            ("*@example.com", "a@Example.COM", true),
            ("*@example.com", "a@example.org", false),
            ("*.example.*", "mail.example.net", true),
            ("a*a", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
            ("ü*", "üb", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
