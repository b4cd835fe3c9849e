//! Making any text safe inside a double-quoted value of one line (T-52).
//!
//! What could end the value, the line, or reach a terminal as a command is written as an escape that both JSON and people read:
//! `"` `\`, C0 and C1 controls, DEL, line and paragraph separators, and the marks that turn text around. Long texts are cut.

use std::fmt::Write;

/// Characters of a text that are kept. A peer's text may be as long as a command line; a log line should not.
const LONGEST: usize = 512;

/// Appends `text`, escaped, without the quotes around it.
pub(crate) fn escape_into(line: &mut String, text: &str) {
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            line.push('…');
            return;
        }
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            _ if is_hidden(character) => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    // Writing to a String cannot fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
            _ => line.push(character),
        }
    }
}

/// Whether the character does something instead of showing something.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut line = String::new();
        escape_into(&mut line, text);
        line
    }

    #[test]
    fn what_acts_is_escaped_and_what_shows_is_kept() {
        for (text, expected) in [
            ("plain ünï", "plain ünï"),
            ("a\"b\\c", "a\\\"b\\\\c"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{1b}[31m\u{7f}\u{9b}", "\\u001b[31m\\u007f\\u009b"),
            ("\u{2028}\u{202e}\u{feff}", "\\u2028\\u202e\\ufeff"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn escapes_are_json() {
        let hostile: String = (0..0x300).filter_map(char::from_u32).take(500).collect();
        let json = format!("\"{}\"", escaped(&hostile));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(escaped(&"x".repeat(100_000)).chars().count(), LONGEST + 1);
    }
}
