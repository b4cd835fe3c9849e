//! Notices about failed delivery: `multipart/report` with `message/delivery-status` (RFC 3464, RFC 6522).
//!
//! Everything that came from elsewhere (addresses, the next hop's reply, its name) is written through one function that
//! leaves printable ASCII only, so that nothing can add a line (T-36). Of the original only header fields are returned,
//! at most [`MAX_RETURNED`] octets (T-45). The notice is 7-bit and has no line over 998 octets whatever the original was.
//!
//! Standards: RFC 3464, RFC 6522, RFC 3834 §5 (`Auto-Submitted`), DSN-04.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::fixup::date;

/// The most octets of the original's header that a notice returns.
pub const MAX_RETURNED: usize = 64 * 1024;

/// The longest text taken over from a peer, in characters.
const MAX_TEXT: usize = 400;

/// The longest line of 7-bit text (RFC 5322 §2.1.1).
const MAX_LINE: usize = 998;

/// A notice to be written.
#[derive(Debug)]
pub struct Notice<'a> {
    /// Our name.
    pub reporting_mta: &'a str,
    /// A unique and unguessable word: makes the boundary and the message id.
    pub unique: &'a str,
    /// The time of the notice.
    pub now: Timestamp,
    /// Who is told: the reverse-path of the message.
    pub to: &'a str,
    /// The queue id of the message.
    pub about: &'a str,
    /// When the message was accepted.
    pub arrived: Timestamp,
    /// Who did not get it; at least one.
    pub failures: &'a [Failure],
    /// The header section of the message.
    pub header: &'a [u8],
}

/// One recipient that did not get the message.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The address.
    pub recipient: String,
    /// Status code, such as `5.1.1` (RFC 3463).
    pub status: String,
    /// The next hop that was asked last.
    pub next_hop: Option<String>,
    /// What it replied, or what else stood against it.
    pub diagnostic: Diagnostic,
}

/// Why a recipient failed.
#[derive(Debug, Clone)]
pub enum Diagnostic {
    /// The next hop's reply: code and text.
    Reply(String),
    /// Our own words.
    Ours(String),
}

impl Notice<'_> {
    /// The whole message, lines ending in CRLF.
    pub fn render(&self) -> Vec<u8> {
        let boundary = format!("=_{}", printable(self.unique));
        let mut text = self.header(&boundary);
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        );
        text.push_str(&self.explanation());
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
        );
        text.push_str(&self.status());
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n"
        );
        text.push_str(&returned(self.header));
        let _ = write!(text, "\r\n--{boundary}--\r\n");
        text.into_bytes()
    }

    fn header(&self, boundary: &str) -> String {
        let us = printable(self.reporting_mta);
        format!(
            "Date: {date}\r\n\
             From: Mail Delivery System <MAILER-DAEMON@{us}>\r\n\
             To: <{to}>\r\n\
             Subject: Your message could not be delivered\r\n\
             Message-ID: <{unique}@{us}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n",
            date = date(self.now),
            to = printable(self.to),
            unique = printable(self.unique),
        )
    }

    fn explanation(&self) -> String {
        let mut text = format!(
            "This is the mail server {us}.\r\n\r\n\
             The message that you submitted on {arrived}\r\n\
             (here known as {about}) could not be delivered to:\r\n",
            us = printable(self.reporting_mta),
            arrived = date(self.arrived),
            about = printable(self.about),
        );
        for failure in self.failures {
            let _ = write!(text, "\r\n<{}>\r\n", printable(&failure.recipient));
            match (&failure.diagnostic, &failure.next_hop) {
                (Diagnostic::Reply(reply), Some(hop)) => {
                    let _ = write!(
                        text,
                        "    {} said: {}\r\n",
                        printable(hop),
                        printable(reply)
                    );
                }
                (Diagnostic::Reply(words) | Diagnostic::Ours(words), _) => {
                    let _ = write!(text, "    {}\r\n", printable(words));
                }
            }
        }
        text.push_str("\r\nIt will not be tried again. Its header is attached.\r\n");
        text
    }

    /// RFC 3464 §2: fields about the message, then a block about each recipient.
    fn status(&self) -> String {
        let mut text = format!(
            "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n",
            printable(self.reporting_mta),
            date(self.arrived)
        );
        for failure in self.failures {
            let _ = write!(
                text,
                "\r\nFinal-Recipient: rfc822; {}\r\nAction: failed\r\nStatus: {}\r\n",
                printable(&failure.recipient),
                printable(&failure.status)
            );
            if let Some(hop) = &failure.next_hop {
                let _ = write!(text, "Remote-MTA: dns; {}\r\n", printable(hop));
            }
            let _ = match &failure.diagnostic {
                Diagnostic::Reply(reply) => {
                    write!(text, "Diagnostic-Code: smtp; {}\r\n", printable(reply))
                }
                Diagnostic::Ours(words) => write!(
                    text,
                    "Diagnostic-Code: x-gatepost; {}\r\n",
                    printable(words)
                ),
            };
            let _ = write!(text, "Last-Attempt-Date: {}\r\n", date(self.now));
        }
        text
    }
}

/// Printable ASCII only, cut at [`MAX_TEXT`] characters; everything else becomes `?`.
fn printable(text: &str) -> String {
    let plain = |character: char| {
        if matches!(character, ' '..='~') {
            character
        } else {
            '?'
        }
    };
    text.chars().take(MAX_TEXT).map(plain).collect()
}

/// The original's header as a part: its own header fields, an empty line, and as many whole lines as fit.
fn returned(header: &[u8]) -> String {
    let kept = cut_at_line(header);
    let plain = kept.is_ascii()
        && !kept.contains(&0)
        && kept
            .split(|&octet| octet == b'\n')
            .all(|line| line.len() <= MAX_LINE);
    if plain {
        return format!("\r\n{}", String::from_utf8_lossy(kept));
    }
    format!(
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n{}",
        quoted_printable(kept)
    )
}

fn cut_at_line(header: &[u8]) -> &[u8] {
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
fn quoted_printable(text: &[u8]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(recipient: &str, reply: &str) -> Failure {
        Failure {
            recipient: recipient.to_owned(),
            status: "5.1.1".to_owned(),
            next_hop: Some("mx.next.example:587".to_owned()),
            diagnostic: Diagnostic::Reply(reply.to_owned()),
        }
    }

    fn rendered(failures: &[Failure], header: &[u8]) -> String {
        let notice = Notice {
            reporting_mta: "submit.example.com",
            unique: "N0TICE",
            now: "2026-11-21T05:56:11Z".parse().unwrap(),
            to: "me@own.example",
            about: "QUEUEID",
            arrived: "2026-11-16T05:56:11Z".parse().unwrap(),
            failures,
            header,
        };
        String::from_utf8(notice.render()).unwrap()
    }

    // DSN-04, written out once in full: this is what people get.
    #[test]
    fn a_notice_in_full() {
        let expected = "\
Date: Sat, 21 Nov 2026 05:56:11 +0000
From: Mail Delivery System <MAILER-DAEMON@submit.example.com>
To: <me@own.example>
Subject: Your message could not be delivered
Message-ID: <N0TICE@submit.example.com>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary=\"=_N0TICE\"

--=_N0TICE
Content-Type: text/plain; charset=us-ascii

This is the mail server submit.example.com.

The message that you submitted on Mon, 16 Nov 2026 05:56:11 +0000
(here known as QUEUEID) could not be delivered to:

<you@next.example>
    mx.next.example:587 said: 550 5.1.1 No such user

It will not be tried again. Its header is attached.

--=_N0TICE
Content-Type: message/delivery-status

Reporting-MTA: dns; submit.example.com
Arrival-Date: Mon, 16 Nov 2026 05:56:11 +0000

Final-Recipient: rfc822; you@next.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.next.example:587
Diagnostic-Code: smtp; 550 5.1.1 No such user
Last-Attempt-Date: Sat, 21 Nov 2026 05:56:11 +0000

--=_N0TICE
Content-Type: text/rfc822-headers

Subject: hello
From: me@own.example

--=_N0TICE--
";
        let failures = [failure("you@next.example", "550 5.1.1 No such user")];
        let notice = rendered(&failures, b"Subject: hello\r\nFrom: me@own.example\r\n");
        assert_eq!(notice, expected.replace('\n', "\r\n"));
    }

    // T-36: what a next hop says or an address holds cannot add a line or reach a terminal.
    #[test]
    fn foreign_text_stays_one_printable_line() {
        let clean = rendered(&[failure("you@next.example", "550 ???? no")], b"A: 1\r\n");
        for hostile in [
            "\r\nX:",
            "\n\n.\n",
            "\0\0\0\0",
            "\u{1b}[2J",
            "\u{2028}\u{80}\u{e9}\u{7f}",
        ] {
            let mut bad = failure(
                &format!("you{hostile}@next.example"),
                &format!("550 {hostile} no"),
            );
            bad.status = format!("5.1.1{hostile}");
            bad.next_hop = Some(format!("mx{hostile}"));
            let notice = rendered(&[bad], b"A: 1\r\n");
            assert_eq!(notice.lines().count(), clean.lines().count(), "{hostile:?}");
            assert!(
                notice
                    .chars()
                    .all(|c| matches!(c, ' '..='~' | '\r' | '\n' | '\t')),
                "{hostile:?}"
            );
        }
        let long = rendered(
            &[failure("you@next.example", &"x".repeat(1 << 20))],
            b"A: 1\r\n",
        );
        assert!(long.len() < 4096);
    }

    #[test]
    fn eight_bit_and_long_lines_are_encoded() {
        let long = format!("X: {}\r\n", "y".repeat(2000));
        for header in [
            "Subject: caf\u{e9} = \r\n".as_bytes(),
            b"Subject: \xff\r\n",
            long.as_bytes(),
        ] {
            let notice = rendered(&[failure("a@b.example", "550 no")], header);
            assert!(
                notice.is_ascii() && notice.contains("Content-Transfer-Encoding: quoted-printable")
            );
            assert!(notice.split("\r\n").all(|line| line.len() <= MAX_LINE));
        }
        assert_eq!(
            quoted_printable("caf\u{e9} = \r\n".as_bytes()),
            "caf=C3=A9 =3D=20\r\n"
        );
        let wide = quoted_printable("\u{e9}".repeat(40).as_bytes());
        assert!(wide.lines().all(|line| line.len() <= 76));
    }

    // T-45: a long header is cut at a line, a short one not at all.
    #[test]
    fn the_returned_header_is_bounded() {
        let header = "X-Filler: 0123456789\r\n".repeat(10_000);
        let kept = cut_at_line(header.as_bytes());
        assert!(
            kept.len() <= MAX_RETURNED
                && kept.len() > MAX_RETURNED - 100
                && kept.ends_with(b"\r\n")
        );
        assert_eq!(cut_at_line(b"A: 1\r\n"), b"A: 1\r\n");
        assert_eq!(cut_at_line(&vec![b'x'; MAX_RETURNED + 1]), b"");
    }
}
