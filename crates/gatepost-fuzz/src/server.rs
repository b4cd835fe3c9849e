//! The server's session: whole dialogues, single commands, content by DATA and by BDAT.

use gatepost_smtp::TlsFacts;
use gatepost_smtp::client::ContentEncoder;
use gatepost_smtp::server::{Input, Profile, TlsPolicy};
use gatepost_testkit::program::Program;
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::split::{Cuts, Splitter};

use crate::{assert_lines, digest};

/// No seed holds it: whoever gets in without it got in by mistake.
const PASSWORD: &str = "Tr0ub4dor";

/// What came of a dialogue.
#[derive(Debug, PartialEq, Eq)]
struct Played {
    replies: Vec<u8>,
    messages: Vec<Vec<u8>>,
    closed: bool,
}

/// A dialogue on a listener that the first octet chooses: the session keeps its contract, replies are replies, cuts change nothing, and
/// where authentication is required nobody's message is taken (T-02).
pub fn session(octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else {
        return;
    };
    let (profile, tls) = match choice % 4 {
        0 => (Profile::legacy("mail.example.com"), None),
        1 => (Profile::submission("mail.example.com"), None),
        2 => (implicit(), Some(TlsFacts::default())),
        _ => (open(), None),
    };
    let Some(whole) = play(&profile, tls.as_ref(), octets, Cuts::Whole) else {
        return;
    };
    assert!(
        !profile.require_auth || whole.messages.is_empty(),
        "a message of nobody's was taken"
    );
    let cuts = Cuts::Random(digest(octets));
    if let Some(cut) = play(&profile, tls.as_ref(), octets, cuts) {
        assert_eq!(whole, cut, "the cuts changed something");
    }
}

/// One command line, in the open, before and inside a transaction: one reply, whatever it is.
pub fn command(octets: &[u8]) {
    let line: Vec<u8> = octets
        .iter()
        .copied()
        .filter(|&octet| octet != b'\n')
        .collect();
    for before in [
        &b""[..],
        b"EHLO x\r\n",
        b"EHLO x\r\nMAIL FROM:<a@example.com>\r\n",
        b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n",
    ] {
        let dialogue = [before, &line, b"\r\n"].concat();
        let Some(Played { replies, .. }) = play(&open(), None, &dialogue, Cuts::Whole) else {
            continue;
        };
        let lines_before = before.split(|&octet| octet == b'\n').count() - 1;
        // BDAT waits for its octets.
        if line
            .get(..4)
            .is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
        {
            continue;
        }
        let answered = last_lines(&replies);
        assert!(
            (lines_before + 1..=lines_before + 3).contains(&answered),
            "{answered} replies to {}",
            dialogue.escape_ascii()
        );
    }
}

/// Any octets as content of DATA: at most one message unless CRLF.CRLF itself is there (EOL-01, T-34), only CRLF in it, the same however
/// it is cut; and what our client makes of it is taken as the same again (T-35).
pub fn data(octets: &[u8]) {
    let before =
        b"EHLO x\r\nMAIL FROM:<a@example.com> BODY=8BITMIME\r\nRCPT TO:<b@example.net>\r\nDATA\r\n";
    let dialogue = [before, octets, b"\r\n.\r\n"].concat();
    let Some(whole) = play(&open(), None, &dialogue, Cuts::Whole) else {
        return;
    };
    for cuts in [Cuts::Octets, Cuts::Random(digest(octets))] {
        let cut = play(&open(), None, &dialogue, cuts);
        assert_eq!(Some(&whole), cut.as_ref(), "the cuts changed something");
    }
    let content = [b"\r\n", octets, b"\r\n.\r\n"].concat();
    let ends = content
        .windows(5)
        .filter(|five| five == b"\r\n.\r\n")
        .count();
    if ends > 1 {
        return;
    }
    assert!(whole.messages.len() <= 1, "smuggled");
    if let Some(message) = whole.messages.first() {
        assert_lines(message);
        passes_on(message);
    }
}

/// What our client sends of a message that our server took is taken again, as the same octets.
fn passes_on(message: &[u8]) {
    let before =
        b"EHLO x\r\nMAIL FROM:<a@example.com> BODY=8BITMIME\r\nRCPT TO:<b@example.net>\r\nDATA\r\n";
    let mut wire = before.to_vec();
    let mut encoder = ContentEncoder::new();
    for piece in Splitter::new(Cuts::Random(digest(message))).pieces(message) {
        encoder.encode(piece, &mut wire);
    }
    encoder.finish(&mut wire);
    assert_lines(&wire);
    let again = play(&open(), None, &wire, Cuts::Whole);
    let messages = again.map(|played| played.messages).unwrap_or_default();
    let again = messages.first().map(Vec::as_slice);
    // A NUL becomes `?` on its way out, and a message without a body may be given the empty line that the octets end without.
    let message: Vec<u8> = message
        .iter()
        .map(|&octet| if octet == 0 { b'?' } else { octet })
        .collect();
    let grown = [&message[..], b"\r\n"].concat();
    assert!(
        messages.len() == 1 && (again == Some(&message) || again == Some(&grown)),
        "{} became {}",
        message.escape_ascii(),
        again.unwrap_or_default().escape_ascii()
    );
}

/// Any octets as chunks: where the chunks are cut changes nothing, text has only CRLF in it, and what comes behind is a command again.
pub fn chunks(octets: &[u8]) {
    for body in ["8BITMIME", "BINARYMIME"] {
        let seed = digest(octets);
        let whole = by_chunks(body, octets, &Cuts::Whole);
        let cut = by_chunks(body, octets, &Cuts::Random(seed));
        assert_eq!(whole, cut, "the chunks changed something");
        assert!(whole.len() <= 1);
        if body == "8BITMIME" {
            for message in &whole {
                assert_lines(message);
            }
        }
    }
}

fn by_chunks(body: &str, octets: &[u8], cuts: &Cuts) -> Vec<Vec<u8>> {
    let mut dialogue =
        format!("EHLO x\r\nMAIL FROM:<a@example.com> BODY={body}\r\nRCPT TO:<b@example.net>\r\n")
            .into_bytes();
    for piece in Splitter::new(cuts.clone()).pieces(octets) {
        dialogue.extend(format!("BDAT {}\r\n", piece.len()).into_bytes());
        dialogue.extend_from_slice(piece);
    }
    dialogue.extend_from_slice(b"BDAT 0 LAST\r\nVRFY x\r\n");
    let Some(played) = play(&open(), None, &dialogue, cuts.clone()) else {
        return Vec::new();
    };
    let behind = played.replies.rsplit(|&octet| octet == b'\n').nth(1);
    assert!(
        played.closed || behind.is_some_and(|reply| reply.starts_with(b"252 ")),
        "the command behind the chunks was not seen: {}",
        played.replies.escape_ascii()
    );
    played.messages
}

/// Anybody may send here, in clear.
fn open() -> Profile {
    Profile {
        require_auth: false,
        ..Profile::legacy("mail.example.com")
    }
}

fn implicit() -> Profile {
    Profile {
        tls: TlsPolicy::Implicit,
        ..Profile::submission("mail.example.com")
    }
}

/// `None` if it came to a handshake.
fn play(profile: &Profile, tls: Option<&TlsFacts>, octets: &[u8], cuts: Cuts) -> Option<Played> {
    let program = Program::with("user@example.com", PASSWORD);
    let mut bench = ServerBench::new(profile.clone(), program, tls.cloned())?;
    for piece in Splitter::new(cuts).pieces(octets) {
        bench.send(piece);
        if bench.tls_due {
            return None;
        }
    }
    bench.handle(Input::Eof);
    let replies = bench.take_output();
    assert_eq!(bench.breaches, Vec::<String>::new());
    assert_replies(&replies);
    assert!(
        replies.len() <= 4096 + 128 * octets.len(),
        "{} octets of replies to {}",
        replies.len(),
        octets.len()
    );
    Some(Played {
        replies,
        messages: bench.program.messages.into_iter().collect(),
        closed: bench.closed,
    })
}

/// Every line is a line of a reply, no longer than clients must take (RFC 5321 §4.5.3.1.5).
fn assert_replies(replies: &[u8]) {
    assert_lines(replies);
    assert!(replies.is_empty() || replies.ends_with(b"\r\n"));
    for line in replies.split(|&octet| octet == b'\n') {
        let Some(line) = line.strip_suffix(b"\r") else {
            continue;
        };
        let shaped = matches!(
            line,
            [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', ..]
        );
        let shown = line.escape_ascii();
        assert!(shaped, "no reply: {shown}");
        assert!(!line.iter().any(u8::is_ascii_control), "a control: {shown}");
        // A challenge may be longer (RFC 4954 §4).
        assert!(
            line.len() <= 510 || line.starts_with(b"334 "),
            "too long: {shown}"
        );
    }
}

/// How many replies there are, the greeting not counted.
fn last_lines(replies: &[u8]) -> usize {
    let lines = replies.split(|&octet| octet == b'\n');
    let last = |line: &&[u8]| line.get(3) == Some(&b' ');
    lines.filter(last).count().saturating_sub(1)
}
