//! What is wrong with a configuration, for the person who wrote it: what, where, what next.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong, at a place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Octets of the text it is about; the file as a whole when absent.
    pub(super) span: Option<Range<usize>>,
    /// What is wrong, naming the option.
    pub(super) what: String,
    /// What to do about it.
    pub(super) next: String,
}

impl Fault {
    pub(super) fn at(span: Range<usize>, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            what: what.into(),
            next: next.into(),
        }
    }
}

/// Why a configuration cannot be used: every fault found, each with `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    faults: Vec<(Option<Place>, Fault)>,
}

/// One fault as data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ConfigFault {
    /// From 1; absent when it is about the file as a whole.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// What is wrong, naming the option.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

/// Line and column, both from 1; columns count characters.
type Place = (usize, usize);

impl ConfigError {
    pub(super) fn new(file: &Path, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.span.as_ref().map_or(usize::MAX, |span| span.start));
        let placed = faults
            .into_iter()
            .map(|fault| {
                let place = fault.span.as_ref().map(|span| place(text, span.start));
                (place, fault)
            })
            .collect();
        Self {
            file: file.to_owned(),
            faults: placed,
        }
    }

    /// The faults as data.
    pub fn faults(&self) -> Vec<ConfigFault> {
        self.faults
            .iter()
            .map(|(place, fault)| ConfigFault {
                line: place.map(|(line, _)| line),
                column: place.map(|(_, column)| column),
                what: fault.what.clone(),
                next: fault.next.clone(),
            })
            .collect()
    }

    /// A file that could not even be read.
    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        let fault = Fault {
            span: None,
            what: format!("cannot be read: {error}"),
            next: "check the path given with -c, and that the user running gatepost may read it"
                .into(),
        };
        Self::new(file, "", vec![fault])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (place, fault)) in self.faults.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some((line, column)) = place {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
            write_plain(f, &fault.what)?;
            f.write_str("\n    ")?;
            write_plain(f, &fault.next)?;
        }
        Ok(())
    }
}

/// Faults quote what is in the file, and are shown on a terminal: nothing in them steers it.
fn write_plain(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for character in text.chars() {
        if character.is_control() && character != '\n' {
            write!(f, "{}", character.escape_default())?;
        } else {
            f.write_char(character)?;
        }
    }
    Ok(())
}

impl std::error::Error for ConfigError {}

fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        assert_eq!(place("abc", 0), (1, 1));
        assert_eq!(place("a\nüx", 4), (2, 2));
        assert_eq!(place("a\n", 2), (2, 1));
    }

    #[test]
    fn what_is_quoted_does_not_steer_a_terminal() {
        let text = "http = \"\\u001b[2J:80\"";
        let error = crate::config::parse(Path::new("x.toml"), text).unwrap_err();
        let told = error.to_string();
        assert!(told.contains(r"\u{1b}[2J:80"), "{told}");
        assert!(!told.contains('\u{1b}'));
    }
}
