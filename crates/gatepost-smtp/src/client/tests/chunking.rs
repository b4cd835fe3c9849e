//! Content by BDAT.

use super::{IN_CLEAR, Setting, after_hello, envelope, some_time};
use crate::client::{
    Chunking, ClientCommand, ClientInput, ClientOutput, ClientProfile, ClientSession, Envelope,
    HelloName, StartTlsUse,
};
use crate::path::Address;

const TEXT: &[u8] = b"Subject: x\n\n.dot\n.";
const BINARY: &[u8] = b"a\0\n.\r\xff\r\n";

const PREFERRED: Setting = Setting {
    chunking: Chunking::Preferred,
    commands: || {
        vec![
            ClientCommand::Send(envelope(&["b@example.net", "c@example.net"], TEXT)),
            ClientCommand::Quit,
        ]
    },
    content: TEXT,
    ..IN_CLEAR
};
const BINARY_MESSAGE: Setting = Setting {
    chunking: Chunking::WhenNeeded,
    commands: || {
        let address = |text: &str| Address::parse(text).unwrap();
        let recipients = [address("b@example.net")];
        vec![ClientCommand::Send(Envelope::binary(
            address("a@example.com"),
            recipients,
            BINARY,
        ))]
    },
    content: BINARY,
    ..IN_CLEAR
};

/// BDAT-04: "No dot-stuffing … within BDAT; canonical CRLF expected for text". Nothing is sent before somebody is accepted.
#[test]
fn bdat_04_text_keeps_its_dots_and_gets_its_line_ends() {
    let dialogue = after_hello(
        &["PIPELINING", "CHUNKING", "SIZE"],
        "C: MAIL FROM:<a@example.com> SIZE=23
        C: RCPT TO:<b@example.net>
        C: RCPT TO:<c@example.net>
        S: 250 ok
        S: 550 5.1.1 who?
        S: 250 ok
        C: BDAT 23 LAST
        C: Subject: x
        C:
        C: .dot
        C: .
        S: 250 2.0.0 queued
        C: QUIT
        S: 221 bye",
    );
    assert_eq!(
        PREFERRED.play(&dialogue)[1],
        "refused 550 5.1.1 who?, taken 250 2.0.0 queued"
    );
    let nobody = after_hello(
        &["CHUNKING"],
        "C: MAIL FROM:<a@example.com>
        S: 250 ok
        C: RCPT TO:<b@example.net>
        S: 550 5.1.1 who?
        C: RCPT TO:<c@example.net>
        S: 550 5.1.1 who?
        C: RSET
        S: 250 ok
        C: QUIT
        S: 221 bye",
    );
    assert_eq!(
        PREFERRED.play(&nobody)[1],
        "refused 550 5.1.1 who?, refused 550 5.1.1 who?"
    );
}

/// BDAT-03: BINARYMIME needs BDAT, and both must be offered; the octets are left alone.
#[test]
fn bdat_03_binary_content() {
    let dialogue = after_hello(
        &["CHUNKING", "BINARYMIME", "SIZE"],
        "C: MAIL FROM:<a@example.com> SIZE=8 BODY=BINARYMIME
        S: 250 ok
        C: RCPT TO:<b@example.net>
        S: 250 ok
        C: BDAT 8 LAST",
    );
    let octets = BINARY_MESSAGE.rest_after(&format!("{dialogue}\n"));
    assert_eq!(octets, BINARY);
    for offered in [&["CHUNKING"][..], &["BINARYMIME"], &["8BITMIME"]] {
        assert_eq!(
            BINARY_MESSAGE.end(&after_hello(offered, "")),
            "the message has binary content and the server does not offer BINARYMIME",
            "{offered:?}"
        );
    }
    let never = Setting {
        chunking: Chunking::Never,
        ..BINARY_MESSAGE
    };
    assert_eq!(
        never.end(&after_hello(&["CHUNKING", "BINARYMIME"], "")),
        "the message has binary content and the server does not offer BINARYMIME"
    );
}

/// What a refusal of a chunk means, by its code.
#[test]
fn a_chunk_that_is_refused() {
    let beginning = "C: MAIL FROM:<a@example.com>
        S: 250 ok
        C: RCPT TO:<b@example.net>
        S: 250 ok
        C: RCPT TO:<c@example.net>
        S: 250 ok
        C: BDAT 23 LAST
        C: Subject: x
        C:
        C: .dot
        C: .\n";
    let rows = [
        (
            "S: 552 5.3.4 too much\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye",
            "refused 552 5.3.4 too much, refused 552 5.3.4 too much",
        ),
        (
            "S: 451 4.3.0 later\nC: RSET\n[EOF]",
            "refused 451 4.3.0 later, refused 451 4.3.0 later",
        ),
        // The octets of the chunk were taken for commands.
        (
            "S: 500 5.5.1 what?",
            "the server breaks the protocol at the message content: it announces CHUNKING and does not know BDAT: 500 5.5.1 what?",
        ),
        (
            "S: 354 go",
            "the server breaks the protocol at the end of data: unexpected reply 354 go",
        ),
        (
            "S: 421 4.3.2 bye",
            "the server refuses the end of data: 421 4.3.2 bye",
        ),
    ];
    for (end, expected) in rows {
        let ends = PREFERRED.play(&after_hello(&["CHUNKING"], &format!("{beginning}{end}")));
        assert_eq!(ends[1], expected, "{end}");
    }
}

/// A long message: a session of its own, because content comes in pieces.
struct Long {
    session: ClientSession,
    now: std::time::Instant,
}

impl Long {
    fn begin(pipelining: bool) -> Self {
        let now = some_time();
        let profile = ClientProfile {
            start_tls: StartTlsUse::OnDemand,
            chunking: Chunking::Preferred,
            ..ClientProfile::new(HelloName::parse("c").unwrap())
        };
        let mut long = Self {
            session: ClientSession::new(profile, None, now),
            now,
        };
        long.hear("220 x\r\n");
        long.hear(if pipelining {
            "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
        } else {
            "250-x\r\n250 CHUNKING\r\n"
        });
        let send = ClientCommand::Send(envelope(&["b@example.net"], b""));
        long.session.handle(ClientInput::Command(send), now);
        long.hear("250 ok\r\n");
        long.hear("250 ok\r\n");
        long.session.pending_output().clear();
        long
    }

    fn hear(&mut self, replies: &str) {
        self.session
            .handle(ClientInput::Bytes(replies.as_bytes()), self.now);
    }

    fn give(&mut self, octets: usize) {
        let content = vec![b'x'; octets];
        self.session
            .handle(ClientInput::Content(&content), self.now);
    }

    /// The BDAT lines written since the last time, and how many octets in all.
    fn said(&mut self) -> (Vec<String>, usize) {
        let out = std::mem::take(self.session.pending_output());
        let mut lines = Vec::new();
        let mut rest = out.as_slice();
        while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
            let line = String::from_utf8(rest[..end].to_vec()).unwrap();
            let size: usize = line.split(' ').nth(1).unwrap_or("0").parse().unwrap();
            rest = &rest[end + 2 + size..];
            lines.push(line);
        }
        (lines, out.len())
    }

    fn end(&mut self) -> Option<String> {
        std::iter::from_fn(|| self.session.poll())
            .find(|output| {
                matches!(output, ClientOutput::Done(_)) && format!("{output:?}").contains("Sent")
            })
            .map(|output| format!("{output:?}"))
    }
}

/// With pipelining chunks follow each other; without, each waits for the reply to the one before, and the caller for both.
#[test]
fn chunks_wait_for_their_replies_without_pipelining() {
    let mut with = Long::begin(true);
    with.give(150_000);
    assert_eq!(with.said().0, ["BDAT 65536", "BDAT 65536"]);
    assert!(with.session.wants_content());
    with.session.handle(ClientInput::ContentEnd, with.now);
    assert_eq!(
        with.said().0,
        [format!("BDAT {} LAST", 150_000 - 131_072 + 2)]
    );
    assert!(!with.session.wants_content());
    with.hear("250 ok\r\n250 ok\r\n");
    assert!(with.end().is_none());
    with.hear("250 taken\r\n");
    assert!(with.end().unwrap().contains("taken"));

    let mut without = Long::begin(false);
    without.give(65_536);
    assert_eq!(without.said().0, ["BDAT 65536"]);
    without.give(70_000);
    assert_eq!(without.said().1, 0);
    // Memory is bounded for whoever asks.
    assert!(!without.session.wants_content());
    without.hear("250 ok\r\n");
    assert_eq!(without.said().0, ["BDAT 65536"]);
    assert!(without.session.wants_content());
    without.session.handle(ClientInput::ContentEnd, without.now);
    without.hear("250 ok\r\n");
    assert_eq!(
        without.said().0,
        [format!("BDAT {} LAST", 70_000 - 65_536 + 2)]
    );
    without.hear("250 taken\r\n");
    assert!(without.end().unwrap().contains("taken"));
}

/// BDAT-01: after a refusal the replies to chunks that are out already are awaited, nothing further is sent, and RSET brings the
/// dialogue back in step.
#[test]
fn bdat_01_a_refusal_in_the_middle() {
    let mut long = Long::begin(true);
    long.give(200_000);
    assert_eq!(long.said().0.len(), 3);
    long.hear("250 ok\r\n552 5.3.4 enough\r\n");
    assert!(!long.session.wants_content());
    long.give(200_000);
    long.session.handle(ClientInput::ContentEnd, long.now);
    assert_eq!(long.said().1, 0);
    long.hear("503 5.5.1 no\r\n");
    assert_eq!(std::mem::take(long.session.pending_output()), b"RSET\r\n");
    long.hear("250 ok\r\n");
    let end = long.end().unwrap();
    assert!(end.contains("enough") && long.session.is_open(), "{end}");
}

/// A content of nothing, and one that ends where a chunk ends.
#[test]
fn the_last_chunk() {
    let mut empty = Long::begin(false);
    empty.session.handle(ClientInput::ContentEnd, empty.now);
    assert_eq!(empty.said().0, ["BDAT 0 LAST"]);
    let mut even = Long::begin(true);
    even.give(65_534);
    even.session.handle(ClientInput::ContentEnd, even.now);
    assert_eq!(even.said().0, ["BDAT 65536 LAST"]);
}
