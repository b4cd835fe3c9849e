//! Mail of real shapes, and what must be the same after the journey.

use std::io::Write as _;
use std::process::{Command, Stdio};

use gatepost::message::shown::shown;

/// One message, as a client has it in a file.
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) octets: Vec<u8>,
    /// Only a device without manners sends this: it needs the legacy lane.
    pub(super) legacy: bool,
}

/// The address every sample is from.
const FROM: &str = "From: dev@localhost\r\nTo: you@peer.test\r\nSubject: ";

/// Every shape.
pub(super) fn samples() -> Vec<Sample> {
    let usual = |name, octets: Vec<u8>| Sample {
        name,
        octets,
        legacy: false,
    };
    let rude = |name, octets: Vec<u8>| Sample {
        name,
        octets,
        legacy: true,
    };
    vec![
        usual("plain", message("plain", b"Hello.\r\n")),
        usual("eight-bit", message("eight bit", b"caf\xe9 \xfcber \xdf\r\n")),
        usual("utf8-header", message("Gr\u{fc}\u{df}e \u{2709}", "caf\u{e9}\r\n".as_bytes())),
        attachment(4 << 20),
        usual("long-lines", message("long lines", &[&[b'x'; 5000][..], b"\r\n", &[b'y'; 998], b"\r\n"].concat())),
        usual("dots", message("dots", b".\r\n..\r\n.dot\r\n...three\r\n.\r\nend\r\n")),
        usual("no-line-end", message("no line end", b"the last line has none")),
        rude("no-headers", b"Page 1 of 1 scanned\r\nNothing here is a header field.\r\n".to_vec()),
        rude("bare-lf", b"From: dev@localhost\nTo: you@peer.test\nSubject: bare line feeds\n\nfirst\n.second\n\nthird\n".to_vec()),
    ]
}

fn message(subject: &str, body: &[u8]) -> Vec<u8> {
    [FROM.as_bytes(), subject.as_bytes(), b"\r\n\r\n", body].concat()
}

/// A body of this size, and the end of its last line.
pub(super) fn attachment(size: usize) -> Sample {
    const TYPE: &str = "attachment\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=\"scan.pdf\"\r\nContent-Transfer-Encoding: base64";
    // What a seeded generator yields, so that nothing on the way can compress or guess it.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut body = Vec::with_capacity(size + size / 38);
    while body.len() < size {
        for _ in 0..76 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let digit = usize::try_from(state % 64).unwrap();
            body.push(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[digit]);
        }
        body.extend_from_slice(b"\r\n");
    }
    Sample {
        name: "attachment",
        octets: message(TYPE, &body),
        legacy: false,
    }
}

/// What the client does to the end of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// Nothing.
    Exact,
    /// swaks adds line ends, others do when they do not see CRLF.
    MayBeAdded,
}

/// Whether `arrived` holds the sample: each header field as it was and in its order, and the same body. Line ends count as CRLF, and a last
/// line without one gets it. A field beyond ASCII, which came without SMTPUTF8, is there in encoded words (EAI-02).
pub(super) fn check(sample: &Sample, arrived: &[u8], line_end: LineEnd) {
    let name = sample.name;
    let sent = with_crlf(&sample.octets);
    let (header, body) = match split(&sent) {
        Some((header, body)) if header.starts_with(b"From:") => (header, body),
        _ => (&b""[..], &sent[..]),
    };
    let (arrived_header, arrived_body) = split(arrived).expect("an empty line after the header");
    let only_added = arrived_body.strip_prefix(body).is_some_and(|rest| {
        line_end == LineEnd::MayBeAdded && rest.iter().all(|c| b"\r\n".contains(c))
    });
    assert!(
        arrived_body == body || only_added,
        "{name}: the body changed: {} octets sent, {} arrived, first difference at {:?}",
        body.len(),
        arrived_body.len(),
        body.iter().zip(arrived_body).position(|(a, b)| a != b)
    );
    let mut rest = arrived_header;
    for field in header
        .split_inclusive(|octet| *octet == b'\n')
        .filter(|line| line.len() > 2)
    {
        if !field.is_ascii() {
            check_encoded(name, field, rest);
            continue;
        }
        let at = find(rest, field).unwrap_or_else(|| {
            panic!(
                "{name}: header line {:?} is gone",
                String::from_utf8_lossy(field)
            )
        });
        rest = &rest[at + field.len()..];
    }
}

/// Whether `arrived` holds the sample in quoted-printable, as Python's quopri reads it: lines that are too long for SMTP go on so (SUBM-07).
pub(super) fn check_quoted_printable(sample: &Sample, arrived: &[u8]) {
    let (header, body) = split(arrived).expect("an empty line after the header");
    let header = String::from_utf8_lossy(header).to_ascii_lowercase();
    assert!(
        header.contains("\r\ncontent-transfer-encoding: quoted-printable\r\n"),
        "{header}"
    );
    let mut python = Command::new("python3")
        .args([
            "-c",
            "import quopri, sys; quopri.decode(sys.stdin.buffer, sys.stdout.buffer)",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(body).unwrap();
    let decoded = python.wait_with_output().unwrap().stdout;
    let (_, sent) = split(&sample.octets).unwrap();
    assert!(
        with_crlf(&decoded) == sent,
        "{}: the body changed",
        sample.name
    );
}

fn check_encoded(name: &str, field: &[u8], arrived: &[u8]) {
    let field = std::str::from_utf8(field).unwrap().trim_end();
    let (key, text) = field.split_once(": ").unwrap();
    let arrived = String::from_utf8(arrived.to_vec()).expect("ASCII alone");
    let value = arrived
        .split("\r\n")
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("{name}: {key} is gone: {arrived}"));
    assert!(value.is_ascii() && value.contains("=?"), "{name}: {value}");
    assert_eq!(shown(value.as_bytes()), text, "{name}: {value}");
}

fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + 2);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The header with its last line end, and the body.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = find(message, b"\r\n\r\n")?;
    Some((&message[..at + 2], &message[at + 4..]))
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets
        .windows(wanted.len())
        .position(|window| window == wanted)
}
