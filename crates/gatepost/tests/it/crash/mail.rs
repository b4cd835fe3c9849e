//! Messages of 1 KiB to 2 MiB, and what identifies one wherever it comes out.

use aws_lc_rs::digest::{SHA256, digest};

use super::chance::Chance;

/// Octets of the largest body.
const LARGEST: usize = 2 << 20;

/// Octets of the smallest body.
const SMALLEST: usize = 1 << 10;

/// Octets that the text repeats itself after: lines may start at any multiple of it.
const LINE: usize = 80;

/// Where a message goes, by the domain of its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Road {
    Hold,
    Capture,
    /// To the next hop.
    Relay,
}

impl Road {
    pub(super) fn domain(self) -> &'static str {
        match self {
            Self::Hold => "hold.example",
            Self::Capture => "capture.example",
            Self::Relay => "relay.example",
        }
    }
}

/// A message to be sent.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) number: u64,
    pub(super) road: Road,
    pub(super) recipients: Vec<String>,
    pub(super) content: Vec<u8>,
}

/// What a message is known by: its number, and the hash of its body. Its header is the server's to complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) number: u64,
    pub(super) body: [u8; 32],
}

/// Makes messages.
pub(super) struct Post {
    text: Vec<u8>,
}

impl Post {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let mut text = Vec::with_capacity(LARGEST * 2);
        while text.len() < LARGEST * 2 {
            // Lines that begin with a dot, and lines that are one, are where content is lost or cut.
            let stuffing: &[u8] = match chance.between(0, 9) {
                0 => b".\r\n",
                1 => b".",
                2 => b"..",
                _ => b"",
            };
            let end = text.len() + LINE - 2;
            text.extend_from_slice(stuffing);
            while text.len() < end {
                let letters = chance.next().to_le_bytes().map(|octet| b'0' + octet % 75);
                text.extend_from_slice(&letters[..letters.len().min(end - text.len())]);
            }
            text.extend_from_slice(b"\r\n");
        }
        Self { text }
    }

    pub(super) fn write(&self, number: u64, sender: &str, chance: &mut Chance) -> Mail {
        let road = match chance.between(0, 9) {
            0..=2 => Road::Hold,
            3..=4 => Road::Capture,
            _ => Road::Relay,
        };
        let domain = road.domain();
        let mut recipients = vec![format!("first@{domain}")];
        if chance.percent(10) {
            recipients.push(format!("second@{domain}"));
        }
        let mut content = format!(
            "From: {sender}\r\nTo: {}\r\nDate: Sat, 21 Nov 2026 06:00:00 +0000\r\nMessage-ID: <{number}@crash.example>\r\nX-Number: {number}\r\n\r\n",
            recipients.join(", ")
        )
        .into_bytes();
        let length = size(chance) / LINE * LINE;
        let lines = (self.text.len() - length) / LINE;
        let from = usize::try_from(chance.between(0, lines as u64)).unwrap() * LINE;
        content.extend_from_slice(&self.text[from..from + length]);
        Mail {
            number,
            road,
            recipients,
            content,
        }
    }
}

/// Most mail is small; some of it is larger than what the queue keeps in its log.
fn size(chance: &mut Chance) -> usize {
    let (from, to) = match chance.between(1, 100) {
        1..=80 => (SMALLEST, 16 << 10),
        81..=95 => (16 << 10, 256 << 10),
        _ => (256 << 10, LARGEST),
    };
    // As many of each order of magnitude.
    let octaves = u64::from((to / from).ilog2());
    let octave = from << chance.between(0, octaves - 1);
    usize::try_from(chance.between(octave as u64, 2 * octave as u64)).unwrap()
}

impl Fingerprint {
    /// Of a message's content; `None` when it is none of ours.
    pub(super) fn of(content: &[u8]) -> Option<Self> {
        let end = content
            .windows(4)
            .position(|octets| octets == b"\r\n\r\n")?;
        let header = std::str::from_utf8(&content[..end]).ok()?;
        let number = header
            .lines()
            .find_map(|line| line.strip_prefix("X-Number: "))?;
        Some(Self {
            number: number.parse().ok()?,
            body: digest(&SHA256, &content[end + 4..])
                .as_ref()
                .try_into()
                .ok()?,
        })
    }
}
