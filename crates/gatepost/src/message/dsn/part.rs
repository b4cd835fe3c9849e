//! Parts of a notice, in a form that any hop can take (RFC 2045 §6).

use std::fmt::Write as _;

use super::{MAX_LINE, MAX_RETURNED, Returned};

/// A part with this content. What is not printable ASCII in short lines is encoded.
pub(super) fn text(content_type: &str, content: &[u8]) -> Vec<u8> {
    // Control characters of the original need not reach whoever looks at the notice as it is (T-36).
    let printable = |octet: &u8| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    let plain = content.iter().all(printable) && has_plain_lines(content);
    let (encoding, content) = if plain {
        ("", String::from_utf8_lossy(content).into_owned())
    } else {
        (
            "Content-Transfer-Encoding: quoted-printable\r\n",
            quoted_printable(content),
        )
    };
    format!("Content-Type: {content_type}\r\n{encoding}\r\n{content}").into_bytes()
}

/// The part that returns something of the original.
pub(super) fn returned(returned: Returned<'_>, utf8: bool) -> Vec<u8> {
    match returned {
        Returned::Header(header) => {
            let kept = cut_at_line(header);
            // RFC 6533 §6: the headers of an internationalized message.
            let global = utf8 && !kept.is_ascii();
            let content_type = if global {
                "message/global-headers"
            } else {
                "text/rfc822-headers"
            };
            text(content_type, kept)
        }
        Returned::Message(message) => {
            // RFC 2046 §5.2.1: no other encoding is allowed here.
            let (content_type, encoding) = match (message.is_ascii(), utf8) {
                (true, _) => ("message/rfc822", ""),
                (false, false) => ("message/rfc822", "Content-Transfer-Encoding: 8bit\r\n"),
                (false, true) => ("message/global", "Content-Transfer-Encoding: 8bit\r\n"),
            };
            let mut part = format!("Content-Type: {content_type}\r\n{encoding}\r\n").into_bytes();
            part.extend_from_slice(message);
            part
        }
    }
}

/// Whether a whole message can be a part of a notice as it is.
pub fn can_be_returned(message: &[u8]) -> bool {
    has_plain_lines(message)
}

/// Lines of allowed length without NUL.
fn has_plain_lines(text: &[u8]) -> bool {
    !text.contains(&0)
        && text
            .split(|&octet| octet == b'\n')
            .all(|line| line.len() <= MAX_LINE)
}

/// As many whole lines as fit (T-45).
pub(super) fn cut_at_line(header: &[u8]) -> &[u8] {
    let Some(head) = header
        .get(..MAX_RETURNED)
        .filter(|head| head.len() < header.len())
    else {
        return header;
    };
    let end = head
        .iter()
        .rposition(|&octet| octet == b'\n')
        .map_or(0, |last| last + 1);
    head.get(..end).unwrap_or_default()
}

/// RFC 2045 §6.7 for text with CRLF line ends.
pub(super) fn quoted_printable(text: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len() * 3 / 2);
    for line in text.split_inclusive(|&octet| octet == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let mut width = 0;
        for (at, &octet) in content.iter().enumerate() {
            let last = at + 1 == content.len();
            let literal = matches!(octet, b'!'..=b'<' | b'>'..=b'~')
                || (matches!(octet, b' ' | b'\t') && !last);
            let needed = if literal { 1 } else { 3 };
            if width + needed > 75 {
                encoded.push_str("=\r\n");
                width = 0;
            }
            width += needed;
            if literal {
                encoded.push(char::from(octet));
            } else {
                let _ = write!(encoded, "={octet:02X}");
            }
        }
        encoded.push_str("\r\n");
    }
    encoded
}
