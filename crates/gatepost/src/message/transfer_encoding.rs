//! Undoes the transfer encodings of MIME (RFC 2045 §6), for showing mail.
//!
//! Lenient, as RFC 2045 asks of readers: what does not belong to the encoding is skipped or kept, nothing fails. One pass each.

use super::encoded_word::hex_value;

/// The octets of a body with this `Content-Transfer-Encoding`; an unknown one is taken for none.
pub fn decode(encoding: &[u8], body: &[u8]) -> Vec<u8> {
    match encoding.to_ascii_lowercase().as_slice() {
        b"quoted-printable" => quoted_printable(body),
        b"base64" => base64(body),
        _ => body.to_vec(),
    }
}

/// RFC 2045 §6.7. A `=` that begins no escape stays as it is.
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|&octet| octet == b'\n') {
        let content = line.trim_ascii_end();
        // Rule 3: white space at the end of a line was added on the way.
        let (content, is_soft) = match content.strip_suffix(b"=") {
            Some(content) => (content, true),
            None => (content, false),
        };
        unescape(content, &mut decoded);
        if !is_soft && line.ends_with(b"\n") {
            decoded.extend_from_slice(b"\r\n");
        }
    }
    decoded
}

fn unescape(content: &[u8], decoded: &mut Vec<u8>) {
    let mut left = content;
    while let Some((&octet, after)) = left.split_first() {
        left = after;
        let digits = match (octet, after) {
            (b'=', [high, low, rest @ ..]) => hex_value(*high)
                .zip(hex_value(*low))
                .map(|(high, low)| (high << 4 | low, rest)),
            _ => None,
        };
        if let Some((value, rest)) = digits {
            decoded.push(value);
            left = rest;
        } else {
            decoded.push(octet);
        }
    }
}

/// RFC 2045 §6.8. Octets outside the alphabet are skipped; padding ends a run of digits, and another may follow.
pub fn base64(body: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(body.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &octet in body {
        if octet == b'=' {
            count = 0;
            continue;
        }
        let Some(digit) = base64_digit(octet) else {
            continue;
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., value] = (bits >> count).to_be_bytes();
            decoded.push(value);
        }
    }
    decoded
}

fn base64_digit(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_is_undone() {
        for (body, expected) in [
            ("plain\r\n", "plain\r\n"),
            ("M=C3=BCller =3d\r\n", "Müller =\r\n"),
            ("one =\r\nline\r\n", "one line\r\n"),
            ("soft = \t\r\nend=", "soft end"),
            ("space at the end  \r\n", "space at the end\r\n"),
            ("= =4 =G0 ==3D\n", "= =4 =G0 ==\r\n"),
            ("", ""),
        ] {
            let decoded = quoted_printable(body.as_bytes());
            assert_eq!(String::from_utf8(decoded).unwrap(), expected, "{body:?}");
        }
    }

    #[test]
    fn base64_is_undone() {
        for (body, expected) in [
            ("SGVsbG8=", "Hello"),
            ("SGVs\r\nbG8", "Hello"),
            ("SGk=SGk=", "HiHi"),
            ("!S G*k=", "Hi"),
            ("SGVsbG8sIHdvcmxk", "Hello, world"),
            ("S", ""),
        ] {
            let decoded = base64(body.as_bytes());
            assert_eq!(String::from_utf8(decoded).unwrap(), expected, "{body:?}");
        }
    }

    #[test]
    fn the_name_of_the_encoding_decides() {
        assert_eq!(decode(b"BASE64", b"SGk="), b"Hi");
        assert_eq!(decode(b"Quoted-Printable", b"=48i"), b"Hi");
        assert_eq!(decode(b"8bit", b"=48i"), b"=48i");
    }
}
