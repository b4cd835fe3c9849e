//! The client's session against any server.

use gatepost_smtp::TlsFacts;
use gatepost_smtp::client::{
    Authentication, Chunking, ClientCommand, ClientFailure, ClientInput, ClientProfile, Completed,
    Envelope, HelloName, MechanismChoice, StartTlsUse,
};
use gatepost_smtp::{Address, Reply};
use gatepost_testkit::client::{ClientBench, User};
use gatepost_testkit::split::{Cuts, Splitter};

use crate::{assert_lines, digest};

const PASSWORD: &str = "correct-horse";
/// The password as PLAIN and LOGIN show it: the base64 of its octets at each of the three places it may begin at.
const SHOWN: [&str; 4] = [
    PASSWORD,
    "Y29ycmVjdC1ob3Jz",
    "NvcnJlY3QtaG9yc2",
    "jb3JyZWN0LWhvcnNl",
];
const CONTENT: &[u8] = b"Subject: x\r\n\r\n.hidden dot\n.\r\nend";

/// Octets as everything a server ever says, to a client that the first octet chooses.
pub fn session(octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else {
        return;
    };
    // One segment for each reply, or all at once.
    let replies = replies(octets);
    let segments = if choice & 1 == 0 {
        replies
    } else {
        vec![octets]
    };
    let whole = play(choice, &segments, &Cuts::Whole);
    assert!(
        whole.is_some(),
        "the client does not come to its end with the connection"
    );
    // What stands behind a reply in one segment came before it was asked for: there cuts matter.
    if choice & 1 == 0 {
        for cuts in [Cuts::Octets, Cuts::Random(digest(octets))] {
            assert_eq!(
                whole,
                play(choice, &segments, &cuts),
                "the cuts changed something"
            );
        }
    }
}

/// Octets as the answer to EHLO, cut in any way.
pub fn reply(octets: &[u8]) {
    let segments = [&b"220 peer\r\n"[..], octets];
    let whole = play(2, &segments, &Cuts::Whole);
    if replies(octets).len() <= 1 {
        assert_eq!(
            whole,
            play(2, &segments, &Cuts::Octets),
            "the cuts changed something"
        );
    }
}

/// Cut behind each line that ends a reply.
fn replies(octets: &[u8]) -> Vec<&[u8]> {
    let mut open = false;
    let mut start = 0;
    let mut replies = Vec::new();
    let mut end = 0;
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        end += line.len();
        open = line.get(3) == Some(&b'-');
        if !open {
            replies.extend(octets.get(start..end));
            start = end;
        }
    }
    if open {
        replies.extend(octets.get(start..end));
    }
    replies
}

/// How each job ended, and what was sent.
type Played = (Vec<String>, Vec<u8>);

fn play(choice: u8, segments: &[&[u8]], cuts: &Cuts) -> Option<Played> {
    let mut bench = bench(choice)?;
    let mut protected = choice & 2 != 0;
    let mut clear = Vec::new();
    let mut sent = Vec::new();
    for segment in segments {
        for piece in Splitter::new(cuts.clone()).pieces(segment) {
            bench.handle(ClientInput::Bytes(piece));
        }
        let output = bench.take_output();
        sent.extend_from_slice(&output);
        if !protected {
            clear.extend(output);
        }
        if std::mem::take(&mut bench.tls_due) {
            protected = true;
            bench.handle(ClientInput::TlsStarted(TlsFacts::default()));
        }
    }
    bench.handle(ClientInput::Eof);
    sent.extend(bench.take_output());
    assert_lines(&sent);
    let text = String::from_utf8_lossy(&clear);
    for shown in SHOWN {
        assert!(!text.contains(shown), "a password in clear: {text}");
    }
    bench.ends.iter().for_each(assert_end);
    let ends = bench.ends.iter().map(|end| format!("{end:?}")).collect();
    (!bench.session.is_open()).then_some((ends, sent))
}

fn bench(choice: u8) -> Option<ClientBench> {
    let profile = ClientProfile {
        start_tls: match choice / 4 % 3 {
            0 => StartTlsUse::OnDemand,
            1 => StartTlsUse::IfOffered,
            _ => StartTlsUse::Required,
        },
        chunking: if choice & 16 == 0 {
            Chunking::WhenNeeded
        } else {
            Chunking::Preferred
        },
        ..ClientProfile::new(HelloName::parse("client.example.com").ok()?)
    };
    let nonces = [(); Authentication::ATTEMPTS].map(|()| "fyko+d2lbbFgONRv9qkxdawL".to_owned());
    let authentication = Authentication {
        choice: MechanismChoice::Strongest,
        // More would measure the key derivation.
        max_iterations: 4096,
        ..Authentication::new("user", "smtp.example.com", nonces)
    };
    let address = |text| Address::parse(text).ok();
    let envelope = Envelope::new(
        address("a@example.com")?,
        [address("b@example.net")?, address("c@example.net")?],
        CONTENT,
    );
    let send = ClientCommand::Send(envelope);
    let commands = match choice & 32 {
        0 => vec![
            ClientCommand::Authenticate(authentication),
            send,
            ClientCommand::Quit,
        ],
        _ => vec![send, ClientCommand::Reset, ClientCommand::Quit],
    };
    let user = User {
        content: CONTENT.to_vec(),
        ..User::with(PASSWORD, commands)
    };
    let tls = (choice & 2 != 0).then(TlsFacts::default);
    Some(ClientBench::new(profile, user, tls))
}

/// What is told of a server's words can go to a terminal (V-53), and "taken" is what a server said with 2yz.
fn assert_end(end: &Result<Completed, ClientFailure>) {
    match end {
        Err(failure) => {
            let told = failure.to_string();
            assert!(!told.contains(char::is_control), "{told:?}");
            assert!(told.len() < 8 << 10, "{} octets of failure", told.len());
        }
        Ok(Completed::Sent(report)) => {
            assert_eq!(report.recipients.len(), 2);
            let codes = |reply: &Reply| reply.code.is_positive();
            assert!(report.recipients.iter().flatten().all(codes));
            assert!(
                !report
                    .recipients
                    .iter()
                    .filter_map(|one| one.as_ref().err())
                    .any(codes)
            );
        }
        Ok(_) => {}
    }
}
