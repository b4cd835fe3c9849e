//! Strings from elsewhere that try to begin a line of their own: in the queue's record, the notice, the trace field and
//! the log (T-36). Those of the envelope do not get past the session, which has a test of its own.

use super::smarthost::Smarthost;
use super::world::route_to;
use crate::server::Server;

const HOSTILE: [(&str, &[u8]); 6] = [
    ("CR", b"\r"),
    ("LF", b"\n"),
    ("NUL", b"\0"),
    ("ESC", b"\x1b"),
    ("U+2028", "\u{2028}".as_bytes()),
    ("0x80", b"\x80"),
];

/// What one failed message leaves behind, with this text in its strings.
struct Left {
    log: Vec<String>,
    notice: String,
    record: serde_json::Value,
}

/// Submits a message with hostile octets in the name in EHLO, in header values and in what the next hop says.
async fn leave(octets: &'static [u8]) -> Left {
    let text = String::from_utf8_lossy(octets).replace(['\r', '\n'], "?");
    let hop = Smarthost::start(move |line| {
        line.starts_with("RCPT TO:<nobody@")
            .then(|| format!("550 5.1.1 a{text}b\r\n"))
    })
    .await;
    let server = Server::start_with(|config| config.routes = vec![route_to(&[hop.port()])]).await;
    let mut talk = server.talk_authenticated().await;
    // CR and LF cannot be in the name: they end the command.
    if !octets
        .iter()
        .any(|octet| matches!(octet, b'\r' | b'\n' | 0))
    {
        talk.send([b"EHLO a", octets, b"b\r\n"].concat()).await;
        talk.expect("250 ").await;
    }
    talk.ask(
        "MAIL FROM:<dev@localhost> BODY=8BITMIME ENVID=a+20b",
        "250 ",
    )
    .await;
    talk.ask("RCPT TO:<\"a b\"@next.example>", "250 ").await;
    talk.ask("RCPT TO:<nobody@next.example> ORCPT=rfc822;a+20b", "250 ")
        .await;
    talk.ask("DATA", "354 ").await;
    talk.send(
        [
            b"From: dev@localhost\r\nSubject: a",
            octets,
            b"b\r\n\r\nhello\r\n.\r\n",
        ]
        .concat(),
    )
    .await;
    talk.expect("250 ").await;
    server.log.wait_for_count("event=delivery", 3).await;
    talk.end().await;
    server.log.wait_for("event=connection-closed").await;
    let Some(notice) = hop.messages().pop() else {
        panic!("no notice: {:#?}", server.log.lines_with(""));
    };
    // An odd name in EHLO is an event of its own.
    let mut log = server.log.lines_with("");
    log.retain(|line| !line.contains(" event=quirk "));
    Left {
        log,
        notice: notice.data,
        record: record(&server),
    }
}

/// The envelope of the first message as it lies on the disk.
fn record(server: &Server) -> serde_json::Value {
    let mut segments: Vec<_> = std::fs::read_dir(server.directory.path().join("queue"))
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|inner| inner.unwrap().path())
                    .collect()
            } else {
                vec![path]
            }
        })
        .collect();
    segments.sort();
    let find = |octets: &[u8]| {
        let at = octets
            .windows(9)
            .position(|window| window == b"{\"from\":\"")?;
        let mut values = serde_json::Deserializer::from_slice(&octets[at..]).into_iter();
        values.next()?.ok()
    };
    segments
        .iter()
        .find_map(|path| find(&std::fs::read(path).ok()?))
        .expect("a record on the disk")
}

// T-36
#[tokio::test]
async fn t_36_nothing_from_elsewhere_begins_a_line() {
    let clean = leave(b"x").await;
    for (name, octets) in HOSTILE {
        let left = leave(octets).await;
        assert_eq!(left.log.len(), clean.log.len(), "{name}: {:#?}", left.log);
        for (line, model) in left.log.iter().zip(&clean.log) {
            let plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
            assert!(line.chars().all(plain), "{name}: {line:?}");
            let event = |line: &str| {
                line.split(' ')
                    .find(|word| word.starts_with("event="))
                    .map(str::to_owned)
            };
            assert_eq!(event(line), event(model), "{name}: {line}");
        }
        assert_eq!(fields(&left.notice), fields(&clean.notice), "{name}");
        assert!(
            left.notice
                .bytes()
                .all(|octet| matches!(octet, b' '..=b'~' | b'\r' | b'\n' | b'\t')),
            "{name}: {}",
            left.notice
        );
        let keys = |record: &serde_json::Value| {
            record
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&left.record), keys(&clean.record), "{name}");
        let helo = left.record["submission"]["helo"].as_str().unwrap();
        assert!(
            !helo.contains(|c: char| c.is_control() || c == '\u{2028}'),
            "{name}: {helo:?}"
        );
    }
}

/// The names of the fields of a notice's header and of its status.
fn fields(notice: &str) -> Vec<&str> {
    let end = notice
        .find("Content-Type: text/rfc822-headers")
        .unwrap_or(notice.len());
    notice[..end]
        .split("\r\n")
        .filter(|line| !line.starts_with(['\t', ' ']))
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .collect()
}
