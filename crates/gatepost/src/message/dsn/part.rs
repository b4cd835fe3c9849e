//! Parts of a notice, in a form that any hop can take (RFC 2045 §6).

use super::{MAX_LINE, MAX_RETURNED, Returned};
use crate::message::transfer_encoder::Encoder;

/// A part with this content. What is not printable ASCII in short lines is encoded.
pub(super) fn text(content_type: &str, content: &[u8]) -> Vec<u8> {
    // Control characters of the original need not reach whoever looks at the notice as it is (T-36).
    let printable = |octet: &u8| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    let plain = content.iter().all(printable) && has_plain_lines(content);
    let (encoding, content) = if plain {
        ("", content.to_vec())
    } else {
        (
            "Content-Transfer-Encoding: quoted-printable\r\n",
            quoted_printable(content),
        )
    };
    let mut part = format!("Content-Type: {content_type}\r\n{encoding}\r\n").into_bytes();
    part.extend(content);
    part
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

fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::quoted_printable();
    let mut encoded = Vec::with_capacity(text.len() * 3 / 2);
    encoder.push(text, &mut encoded);
    encoder.finish(true, &mut encoded);
    encoded
}
