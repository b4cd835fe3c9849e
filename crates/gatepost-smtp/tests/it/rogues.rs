//! T-48: the client's session against every server of the table of rogues.

use std::time::Duration;

use gatepost_smtp::client::{
    Authentication, Chunking, ClientCommand, ClientFailure, ClientInput, ClientProfile, Completed,
    Envelope, HelloName, StartTlsUse,
};
use gatepost_smtp::{Address, TlsFacts};
use gatepost_testkit::client::{ClientBench, User};
use gatepost_testkit::rogue::{Act, At, Dialogue, ENDLESS, End, ROGUES, Rogue};

const PASSWORD: &str = "correct-horse";
/// The base64 of the password at each of the three places it may begin at.
const SHOWN: [&str; 4] = [
    PASSWORD,
    "Y29ycmVjdC1ob3Jz",
    "NvcnJlY3QtaG9yc2",
    "jb3JyZWN0LWhvcnNl",
];
/// Octets of one read.
const PIECE: usize = 4096;
/// What a client may have taken from a rogue that says more than it was asked for, and so what it may hold of it.
const MEMORY: usize = 256 << 10;
/// Lines of 1000 octets that make a content go in three chunks.
const LONG_CONTENT: usize = 150;
/// Lines that the longest dialogue has, and then some.
const STEPS: usize = 2 * LONG_CONTENT + 100;

/// What came of a connection.
struct Played {
    bench: ClientBench,
    /// What the client sent outside of TLS.
    clear: Vec<u8>,
    /// Octets it took.
    taken: usize,
}

#[test]
fn t_48_every_rogue_is_seen_through() {
    assert!(ROGUES.len() >= 50);
    for &rogue in ROGUES {
        let name = rogue.name;
        let played = play(rogue, rogue.at != At::StartTls);
        let ended = matches!(played.bench.ends.last(), Some(Err(_) | Ok(Completed::Quit)));
        assert!(ended, "{name}: {:?}", played.bench.ends);
        assert_eq!(
            end(&played.bench.ends),
            rogue.end,
            "{name}: {:?}",
            played.bench.ends
        );
        assert!(played.taken <= MEMORY, "{name}: {} octets", played.taken);
        assert_no_secret(rogue, &played);
    }
}

/// The same to a client that has no TLS and shows nobody its password in clear.
#[test]
fn t_48_no_rogue_gets_the_password_in_clear() {
    for &rogue in ROGUES {
        let played = play(rogue, false);
        assert_no_secret(rogue, &played);
        let secured = rogue.at == At::StartTls;
        assert!(
            secured || end(&played.bench.ends) != End::Taken,
            "{}",
            rogue.name
        );
    }
}

fn play(rogue: Rogue, protected: bool) -> Played {
    let mut played = Played {
        bench: bench(protected, rogue.at),
        clear: Vec::new(),
        taken: 0,
    };
    let mut protected = protected;
    let mut dialogue = Dialogue::with(rogue);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut open = played.act(dialogue.greet());
    for _ in 0..STEPS {
        let sent = played.bench.take_output();
        if !protected {
            played.clear.extend_from_slice(&sent);
        }
        lines.extend(
            sent.split_inclusive(|&octet| octet == b'\n')
                .map(<[u8]>::to_vec),
        );
        if std::mem::take(&mut played.bench.tls_due) {
            protected = true;
            played
                .bench
                .handle(ClientInput::TlsStarted(TlsFacts::default()));
        } else if lines.is_empty() || !open {
            if played.bench.closed {
                break;
            }
            // Nobody has anything to say.
            played.bench.pass(Duration::from_secs(3600));
        } else {
            let line = lines.remove(0);
            if let Some(act) = dialogue.hear(&line) {
                open = played.act(act);
            }
        }
    }
    played
}

impl Played {
    /// Whether the connection stays open.
    fn act(&mut self, act: Act) -> bool {
        let (octets, closes) = match act {
            Act::Say(octets) => (octets, false),
            Act::SayAndClose(octets) => (octets, true),
            Act::Flood(once, again) => {
                self.say(once);
                let again = again.repeat(PIECE / again.len());
                for _ in 0..ENDLESS / PIECE {
                    if !self.bench.session.is_open() {
                        break;
                    }
                    self.say(&again);
                }
                return true;
            }
        };
        self.say(octets);
        if closes {
            self.bench.handle(ClientInput::Eof);
        }
        !closes
    }

    fn say(&mut self, octets: &[u8]) {
        if !octets.is_empty() {
            self.taken += octets.len();
            self.bench.handle(ClientInput::Bytes(octets));
        }
    }
}

fn bench(protected: bool, at: At) -> ClientBench {
    let profile = ClientProfile {
        start_tls: match at {
            At::StartTls => StartTlsUse::Required,
            _ => StartTlsUse::OnDemand,
        },
        chunking: match at {
            At::Chunk => Chunking::Preferred,
            _ => Chunking::default(),
        },
        ..ClientProfile::new(HelloName::parse("client.example.com").unwrap())
    };
    let nonces = [(); Authentication::ATTEMPTS].map(|()| "fyko+d2lbbFgONRv9qkxdawL".to_owned());
    let mut content = b"Subject: x\r\n\r\nx\r\n".to_vec();
    if at == At::Chunk {
        let line = format!("{}\r\n", "x".repeat(998));
        content.extend(line.repeat(LONG_CONTENT).into_bytes());
    }
    let address = |text| Address::parse(text).unwrap();
    let envelope = Envelope::new(
        address("a@example.com"),
        [address("b@example.net")],
        &content,
    );
    let commands = [
        ClientCommand::Authenticate(Authentication::new("user", "smtp.example.com", nonces)),
        ClientCommand::Send(envelope),
        ClientCommand::Quit,
    ];
    let user = User {
        content,
        ..User::with(PASSWORD, commands)
    };
    ClientBench::new(profile, user, protected.then(TlsFacts::default))
}

/// What the ends of all jobs come to.
fn end(ends: &[Result<Completed, ClientFailure>]) -> End {
    for end in ends {
        match end {
            Ok(Completed::Sent(report)) => {
                return match &report.recipients[0] {
                    Ok(_) => End::Taken,
                    Err(reply) if reply.code.is_transient() => End::Later,
                    Err(_) => End::Refused,
                };
            }
            Ok(_) => {}
            Err(failure) if failure.is_transient() => return End::Later,
            Err(ClientFailure::Credential(_)) => return End::Credential,
            Err(_) => return End::Refused,
        }
    }
    panic!("the message came to no end: {ends:?}")
}

fn assert_no_secret(rogue: Rogue, played: &Played) {
    let name = rogue.name;
    let clear = String::from_utf8_lossy(&played.clear);
    let mut told = format!("{:?}", played.bench.ends);
    for failure in played
        .bench
        .ends
        .iter()
        .filter_map(|end| end.as_ref().err())
    {
        let text = failure.to_string();
        assert!(!text.contains(char::is_control), "{name}: {text:?}");
        assert!(
            text.len() < 1 << 10,
            "{name}: {} octets of failure",
            text.len()
        );
        told += &text;
    }
    for shown in SHOWN {
        assert!(!clear.contains(shown), "{name}: in clear: {clear}");
        assert!(!told.contains(shown), "{name}: in what is told: {told}");
    }
}
