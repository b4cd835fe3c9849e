//! T-34: what one server takes for the end of the data and another one does not carries a second
//! message past the first. Here nothing but CRLF.CRLF ends it, and behind BDAT not even that.

use super::harness::{Driver, submission};
use crate::server::Profile;
use crate::{Quirk, QuirkSet, TlsFacts};

const ENDS: [&[u8]; 6] = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0\n"];
const SECOND: &[u8] =
    b"MAIL FROM:<admin@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nFrom: admin@example.com\r\n\r\nhello\r\n";

fn driver(line_feed_end: bool, mail: &str) -> Driver {
    let quirks = if line_feed_end {
        QuirkSet::SUBMISSION.with(Quirk::LineFeedEndOfData)
    } else {
        QuirkSet::SUBMISSION
    };
    let profile = Profile {
        require_auth: false,
        quirks,
        ..submission()
    };
    let mut driver = Driver::new(profile, Some(TlsFacts::default()));
    driver.codes(&["EHLO x", mail, "RCPT TO:<a@example.net>"]);
    driver
}

/// How many messages were kept, and the octets of the first.
fn kept(mut driver: Driver, pieces: [&[u8]; 2]) -> (usize, Vec<u8>) {
    for piece in pieces {
        driver.send(piece);
    }
    let (headers, body) = driver.committed.first().cloned().unwrap_or_default();
    (driver.committed.len(), [headers, body].concat())
}

// T-34, F-9, V-17, EOL-01, EOL-03, EOL-05
#[test]
fn t_34_f_9_eol_01_no_second_message_behind_data() {
    let mut wrong = 0;
    for line_feed_end in [false, true] {
        for before in ENDS {
            for behind in ENDS {
                // CR CRLF ends in CRLF: that is the end, and nobody reads it otherwise.
                if matches!(before, b"\r\n" | b"\r\r\n") && behind == b"\r\n" {
                    continue;
                }
                wrong += 1;
                // With the exception a message without any CRLF may end in LF.LF: that is what it is
                // for.
                let texts: &[&[u8]] = &[b"From: user@example.com\r\n\r\ntext", b""];
                for &text in texts.iter().take(if line_feed_end { 1 } else { 2 }) {
                    let input =
                        [b"DATA\r\n", text, before, b".", behind, SECOND, b".\r\n"].concat();
                    for cut in 0..=input.len() {
                        let pieces = input.split_at(cut);
                        let driver = driver(line_feed_end, "MAIL FROM:<user@example.com>");
                        let (count, message) = kept(driver, [pieces.0, pieces.1]);
                        let name = input.escape_ascii();
                        assert_eq!(count, 1, "{name} cut at {cut}");
                        let lone_dot = |line: &[u8]| line == b".";
                        let mut lines = message.split(|octet| matches!(octet, b'\r' | b'\n'));
                        assert!(!lines.any(lone_dot), "{name} cut at {cut}");
                    }
                }
            }
        }
    }
    assert_eq!(wrong, 2 * 34);
}

// T-34, F-9, V-17, BDAT-04
#[test]
fn t_34_f_9_bdat_04_a_chunk_ends_where_it_was_said_to_end() {
    for before in ENDS {
        for behind in ENDS {
            let content = [
                b"From: user@example.com\r\n\r\ntext",
                before,
                b".",
                behind,
                SECOND,
            ]
            .concat();
            for seam in 0..=content.len() {
                let (first, second) = content.split_at(seam);
                let input = [
                    format!("BDAT {}\r\n", first.len()).as_bytes(),
                    first,
                    format!("BDAT {} LAST\r\n", second.len()).as_bytes(),
                    second,
                ]
                .concat();
                let driver = driver(true, "MAIL FROM:<user@example.com>");
                let (count, message) = kept(driver, [&input, b""]);
                let name = content.escape_ascii();
                assert_eq!(count, 1, "{name} seam at {seam}");
                assert!(message.ends_with(b"\r\nhello\r\n"), "{name}");
                // The dot is content, and all line ends are in order: whoever doubles dots on the
                // way out (EOL-04) passes nothing on but text.
                let text = String::from_utf8(message).unwrap().replace("\r\n", "");
                assert!(!text.contains(['\r', '\n']), "{name} seam at {seam}");
            }
        }
    }
}
