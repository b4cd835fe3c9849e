//! What the writer of an unknown key may have meant.

use std::ops::Range;

use super::fault::Fault;
use super::option::OPTIONS;

/// The fault of a key that the table does not define.
pub(super) fn unknown_key(table: &'static str, key: &str, span: Range<usize>) -> Fault {
    let known: Vec<&str> = OPTIONS
        .iter()
        .filter(|option| option.table == table)
        .map(|option| option.key)
        .collect();
    let next = match nearest(key, known.iter().copied()) {
        Some(candidate) => format!("did you mean {candidate}?"),
        None => match OPTIONS.iter().find(|option| option.key == key) {
            Some(elsewhere) if elsewhere.table.is_empty() => {
                format!("{key} belongs at the top of the file, before the first [section]")
            }
            Some(elsewhere) => format!("{key} belongs in {}", elsewhere.table),
            None => format!("known here: {}", known.join(", ")),
        },
    };
    let place = if table.is_empty() {
        "at the top of the file".to_owned()
    } else {
        format!("in {table}")
    };
    Fault::at(span, format!("there is no option {key} {place}"), next)
}

/// The one of these words that `word` may have meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (distance(candidate, word), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: how many characters to add, drop or change.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, from) in a.chars().enumerate() {
        let mut left = line + 1;
        let mut next = vec![left];
        for (to, above) in b.chars().zip(row.windows(2)) {
            if let [above_left, above] = above {
                let changed = above_left + usize::from(from != to);
                left = changed.min(above + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("tls", "tls", 0),
            ("hostnam", "hostname", 1),
            ("adress", "address", 1),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
