//! Octets written as text: what an editor would not show stands between `⟨` and `⟩`.
//!
//! `⟨SP⟩ ⟨TAB⟩ ⟨CR⟩ ⟨LF⟩ ⟨NUL⟩` are those octets, `⟨E9⟩` is the octet of that value, `⟨300×A⟩` is `A` three hundred times. A line
//! that ends in `⟨LF⟩` brings its own line end; every other one gets CRLF. `⟨-⟩` at the end: no line end at all.

use std::fmt::Write as _;

/// What a written line stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) octets: Vec<u8>,
    pub(super) ending: Ending,
}

/// How a written line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// In CRLF, which is not written.
    Implied,
    /// As written.
    Written,
}

impl Written {
    /// The octets with their line end.
    pub(super) fn line(mut self) -> Vec<u8> {
        if self.ending == Ending::Implied {
            self.octets.extend_from_slice(b"\r\n");
        }
        self.octets
    }
}

/// Reads a line; `Err` says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Written, String> {
    let mut octets = Vec::new();
    let mut ending = Ending::Implied;
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('⟨') {
        octets.extend_from_slice(plain.as_bytes());
        let (name, behind) = after
            .split_once('⟩')
            .ok_or_else(|| format!("⟨ without ⟩ in {text:?}"))?;
        rest = behind;
        if name == "-" {
            if !rest.is_empty() {
                return Err("⟨-⟩ stands at the end of a line".to_owned());
            }
            ending = Ending::Written;
            break;
        }
        octets.extend(named(name)?);
        if name == "LF" && rest.is_empty() {
            ending = Ending::Written;
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    Ok(Written { octets, ending })
}

fn named(name: &str) -> Result<Vec<u8>, String> {
    if let Some((count, text)) = name.split_once('×') {
        let count: usize = count
            .parse()
            .map_err(|_| format!("⟨{name}⟩: {count:?} is no number"))?;
        return Ok(text.repeat(count).into_bytes());
    }
    let octet = match name {
        "SP" => b' ',
        "TAB" => b'\t',
        "CR" => b'\r',
        "LF" => b'\n',
        "NUL" => b'\0',
        _ if name.len() == 2 => {
            u8::from_str_radix(name, 16).map_err(|_| format!("⟨{name}⟩ is no octet"))?
        }
        _ => return Err(format!("⟨{name}⟩ is not known here")),
    };
    Ok(vec![octet])
}

/// Octets as they would be written, for messages about them.
pub(crate) fn show(octets: &[u8]) -> String {
    let (line, end) = match octets.strip_suffix(b"\r\n") {
        Some(line) => (line, ""),
        None if octets.ends_with(b"\n") => (octets, ""),
        None => (octets, "⟨-⟩"),
    };
    // Writing to a String cannot fail.
    let mut shown = String::new();
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => shown.push_str("⟨TAB⟩"),
                '\r' => shown.push_str("⟨CR⟩"),
                '\n' => shown.push_str("⟨LF⟩"),
                '\0' => shown.push_str("⟨NUL⟩"),
                '\u{1}'..='\u{1f}' | '\u{7f}' => {
                    let _ = write!(shown, "⟨{:02X}⟩", u32::from(character));
                }
                _ => shown.push(character),
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(shown, "⟨{octet:02X}⟩");
        }
    }
    if let Some(text) = shown.strip_suffix(' ') {
        shown = format!("{text}⟨SP⟩");
    }
    shown + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_goes_over_the_wire() {
        let rows: [(&str, &[u8]); 9] = [
            ("EHLO x", b"EHLO x\r\n"),
            ("", b"\r\n"),
            ("334⟨SP⟩", b"334 \r\n"),
            ("EHLO x⟨LF⟩", b"EHLO x\n"),
            ("a⟨LF⟩b", b"a\nb\r\n"),
            ("caf⟨E9⟩⟨NUL⟩⟨TAB⟩⟨CR⟩", b"caf\xe9\0\t\r\r\n"),
            ("x⟨3×ab⟩y", b"xabababy\r\n"),
            ("half⟨-⟩", b"half"),
            ("Zoé", b"Zo\xc3\xa9\r\n"),
        ];
        for (text, octets) in rows {
            assert_eq!(
                read(text).map(Written::line).as_deref(),
                Ok(octets),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in [
            "EHLO x",
            "334⟨SP⟩",
            "a⟨LF⟩b",
            "caf⟨E9⟩⟨NUL⟩",
            "half⟨-⟩",
            "Zoé",
            "a⟨LF⟩",
            "",
        ] {
            let octets = read(text).map(Written::line).unwrap();
            assert_eq!(show(&octets), text);
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, fault) in [
            ("a⟨SP", "⟨ without ⟩"),
            ("a⟨SPACE⟩", "⟨SPACE⟩ is not known here"),
            ("a⟨GG⟩", "⟨GG⟩ is no octet"),
            ("⟨x×a⟩", "is no number"),
            ("⟨-⟩a", "at the end of a line"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }
}
