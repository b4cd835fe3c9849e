//! A line to be heard: octets, and two things that differ from run to run.
//!
//! `[ID]` stands for the short id of a refusal, `[QUEUE-ID]` for the name a message got.

use super::escape::{self, show};

/// What a heard line must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Octets, and what stands between them.
    parts: Vec<Part>,
    written: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Octets(Vec<u8>),
    ShortId,
    QueueId,
}

/// A line that fits, and the short id in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    pub(crate) short_id: Option<String>,
}

impl Pattern {
    /// Exactly this line.
    pub(super) fn exact(text: &str) -> Result<Self, String> {
        Ok(Self {
            parts: vec![Part::Octets(escape::read(text)?.line())],
            written: text.to_owned(),
        })
    }

    /// This line, with placeholders.
    pub(super) fn with_placeholders(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = escape::read(text)?.line();
        while let Some((at, length, part)) = first_placeholder(&rest) {
            let behind = rest.split_off(at);
            parts.push(Part::Octets(rest));
            parts.push(part);
            rest = behind.get(length..).unwrap_or_default().to_vec();
        }
        parts.push(Part::Octets(rest));
        Ok(Self {
            parts,
            written: text.to_owned(),
        })
    }

    /// As it stands in the transcript.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether `line`, with its line end, fits; if not, how many octets of it do.
    pub(crate) fn fit(&self, line: &[u8]) -> Result<Fit, usize> {
        let mut at = 0;
        let mut short_id = None;
        for part in &self.parts {
            let rest = line.get(at..).unwrap_or_default();
            let taken = match part {
                Part::Octets(octets) => {
                    let common = common_start(octets, rest);
                    if common < octets.len() {
                        return Err(at + common);
                    }
                    common
                }
                Part::QueueId => run(rest, |octet| octet.is_ascii_alphanumeric()),
                Part::ShortId => {
                    let length = run(rest, |octet| octet.is_ascii_alphanumeric() || octet == b'.');
                    let id = rest.get(..length).unwrap_or_default();
                    let id = std::str::from_utf8(id).ok().filter(|id| is_short_id(id));
                    short_id = Some(id.ok_or(at)?.to_owned());
                    length
                }
            };
            if taken == 0 && *part != Part::Octets(Vec::new()) {
                return Err(at);
            }
            at += taken;
        }
        if at == line.len() {
            Ok(Fit { short_id })
        } else {
            Err(at)
        }
    }

    /// A message about a line that does not fit.
    pub(crate) fn difference(&self, line: &[u8], common: usize) -> String {
        let fitting = show(line.get(..common).unwrap_or_default());
        let column = fitting
            .strip_suffix("⟨-⟩")
            .unwrap_or(&fitting)
            .chars()
            .count();
        format!(
            "  expected: {}\n  heard:    {}\n            {}^ from here on",
            self.written,
            show(line),
            " ".repeat(column),
        )
    }
}

fn first_placeholder(octets: &[u8]) -> Option<(usize, usize, Part)> {
    let find = |word: &str, part| {
        let at = octets
            .windows(word.len())
            .position(|window| window == word.as_bytes())?;
        Some((at, word.len(), part))
    };
    // The id's brackets are on the wire, those of the queue's name are not.
    let short_id = find("[ID]", Part::ShortId).map(|(at, _, part)| (at + 1, 2, part));
    [short_id, find("[QUEUE-ID]", Part::QueueId)]
        .into_iter()
        .flatten()
        .min_by_key(|(at, ..)| *at)
}

/// `<up to ten letters and digits>.<number>`
fn is_short_id(text: &str) -> bool {
    text.split_once('.').is_some_and(|(session, number)| {
        (1..=10).contains(&session.len())
            && session.bytes().all(|octet| octet.is_ascii_alphanumeric())
            && number.parse::<u32>().is_ok_and(|number| number > 0)
    })
}

fn common_start(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

fn run(octets: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    octets.iter().take_while(|octet| belongs(**octet)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, line: &str) -> Result<Option<String>, usize> {
        let pattern = Pattern::with_placeholders(pattern).unwrap();
        pattern.fit(line.as_bytes()).map(|fit| fit.short_id)
    }

    #[test]
    fn a_line_fits_to_the_octet() {
        assert_eq!(fits("250 Ok", "250 Ok\r\n"), Ok(None));
        assert_eq!(fits("250 Ok", "250 Ok\n"), Err(6));
        assert_eq!(fits("250 Ok", "250 Ok \r\n"), Err(6));
        assert_eq!(fits("250 Ok", "250 OK\r\n"), Err(5));
        assert_eq!(fits("250 Ok", "250 O"), Err(5));
        assert_eq!(fits("", "\r\n"), Ok(None));
    }

    #[test]
    fn short_ids_and_queue_ids_differ_from_run_to_run() {
        assert_eq!(
            fits("535 no [ID]", "535 no [K7Q.2]\r\n"),
            Ok(Some("K7Q.2".into()))
        );
        assert_eq!(fits("250 as [QUEUE-ID]", "250 as 4Xz\r\n"), Ok(None));
        for bad in [
            "535 no []\r\n",
            "535 no [K7Q]\r\n",
            "535 no [K7Q.0]\r\n",
            "535 no [.1]\r\n",
        ] {
            assert!(fits("535 no [ID]", bad).is_err(), "{bad}");
        }
        assert!(fits("250 as [QUEUE-ID]", "250 as \r\n").is_err());
        // What the other side says exactly has no placeholders.
        assert!(
            Pattern::exact("x [ID]")
                .unwrap()
                .fit(b"x [K.1]\r\n")
                .is_err()
        );
    }

    #[test]
    fn a_difference_points_at_its_place() {
        let pattern = Pattern::with_placeholders("535 5.7.8 no [ID]").unwrap();
        let line = b"535 5.7.0 no [A.1]\r\n";
        let common = pattern.fit(line).unwrap_err();
        assert_eq!(
            pattern.difference(line, common),
            "  expected: 535 5.7.8 no [ID]\n  heard:    535 5.7.0 no [A.1]\n                    ^ from here on"
        );
    }
}
