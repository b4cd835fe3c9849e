//! Servers that say anything at any time: nothing panics, no password is shown to the wire, nothing is delivered that was not taken.

use proptest::prelude::*;

use super::{authentication, envelope, some_time};
use crate::client::{
    ClientCommand, ClientInput, ClientOutput, ClientProfile, ClientSession, Completed, HelloName,
    QuestionId, StartTlsUse,
};
use crate::tls_facts::TlsFacts;
use gatepost_sasl::{ClientAnswer, ClientQuestion, Secret};

const CONTENT: &[u8] = b"Subject: x\r\n\r\n.\r\n";

/// What a hostile server may do next.
#[derive(Debug, Clone)]
enum Move {
    Say(&'static [u8]),
    Wait(u64),
    Close,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let lines: &[&[u8]] = &[
        b"220 x\r\n",
        b"250 ok\r\n",
        b"250-x\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n",
        b"250-x\r\n250 AUTH PLAIN LOGIN\r\n",
        b"250-x\r\n250-SIZE 5\r\n250 AUTH CRAM-MD5 LOGIN\r\n",
        b"250-",
        b"334 \r\n",
        b"334\r\n",
        b"334 VXNlcm5hbWU6\r\n",
        b"334 PDFAeD4=\r\n",
        b"334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRixzPU1ERXlNelExTmpjNE9XRmlZMlJsWmc9PSxpPTQwOTY=\r\n",
        b"334 no base64\r\n",
        b"235 ok\r\n",
        b"354 go\r\n",
        b"421 bye\r\n",
        b"432 4.7.12 x\r\n",
        b"454 4.7.0 later\r\n",
        b"501 what?\r\n",
        b"503 no\r\n",
        b"504 no\r\n",
        b"530 5.7.0 TLS\r\n",
        b"535 5.7.8 no\r\n",
        b"550 no\r\n",
        b"555 no\r\n",
        b"\0\xff\r\n",
    ];
    let next = prop_oneof![
        20 => prop::sample::select(lines).prop_map(Move::Say),
        2 => (1..400_u64).prop_map(Move::Wait),
        1 => Just(Move::Close),
    ];
    // Most begin like a server, or they would hardly get anywhere.
    let beginnings: Vec<&[&[u8]]> = vec![
        &[],
        &[
            b"220 x\r\n",
            b"250-x\r\n250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n",
        ],
        &[
            b"220 x\r\n",
            b"250-x\r\n250 AUTH CRAM-MD5\r\n",
            b"334 PDFAeD4=\r\n",
            b"235 ok\r\n",
        ],
        &[
            b"220 x\r\n",
            b"250-x\r\n250 PIPELINING\r\n",
            b"250 ok\r\n",
            b"250 ok\r\n",
            b"250 ok\r\n",
            b"354 go\r\n",
        ],
        &[b"220 x\r\n", b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n"],
    ];
    let beginning = prop::sample::select(beginnings);
    (beginning, prop::collection::vec(next, 1..30)).prop_map(|(beginning, rest)| {
        let beginning = beginning.iter().map(|line| Move::Say(line));
        beginning.chain(rest).collect()
    })
}

/// Plays the moves in clear, with no password to be shown, until the session asks for TLS. Returns all we said, and the messages
/// reported as taken.
fn play(moves: &[Move]) -> (Vec<u8>, usize, usize, usize) {
    let mut now = some_time();
    let profile = ClientProfile {
        start_tls: StartTlsUse::OnDemand,
        ..ClientProfile::new(HelloName::parse("c").unwrap())
    };
    let mut session = ClientSession::new(profile, None, now);
    let mut commands = vec![
        ClientCommand::Quit,
        ClientCommand::Send(envelope(&["b@example.net"], CONTENT)),
        ClientCommand::Send(envelope(&["b@example.net", "c@example.net"], CONTENT)),
        ClientCommand::Authenticate(authentication()),
    ];
    let (mut said, mut taken, mut done, mut given) = (Vec::new(), 0, 0, 1);
    for next in moves {
        match next {
            Move::Say(octets) => session.handle(ClientInput::Bytes(octets), now),
            Move::Close => session.handle(ClientInput::Eof, now),
            Move::Wait(seconds) => {
                now += std::time::Duration::from_secs(*seconds);
                session.handle(ClientInput::Tick, now);
            }
        }
        while let Some(output) = session.poll() {
            match output {
                ClientOutput::Ask(id, ClientQuestion::Password) => {
                    session.handle(
                        ClientInput::Answer(id, ClientAnswer::Password(Secret::new("secret"))),
                        now,
                    );
                }
                ClientOutput::Ask(id, _) => session.handle(
                    ClientInput::Answer(id, ClientAnswer::Derived(Secret::new([7; 32]))),
                    now,
                ),
                ClientOutput::WantContent => {
                    session.handle(ClientInput::Content(CONTENT), now);
                    session.handle(ClientInput::ContentEnd, now);
                }
                ClientOutput::StartTls => {
                    // A handshake that fails ends the connection; what was said so far counts.
                    said.append(session.pending_output());
                    return (said, taken, done, given);
                }
                ClientOutput::Close => {}
                ClientOutput::Done(result) => {
                    done += 1;
                    if let Ok(Completed::Sent(report)) = &result {
                        taken += usize::from(report.recipients.iter().any(Result::is_ok));
                    }
                    if let Some(command) = commands.pop() {
                        given += 1;
                        session.handle(ClientInput::Command(command), now);
                    }
                }
            }
        }
        said.append(session.pending_output());
    }
    (said, taken, done, given)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_leaks_and_nothing_is_claimed(moves in moves()) {
        let (said, taken, done, given) = play(&moves);
        let said = String::from_utf8(said).unwrap();
        // base64 of `secret` alone, as LOGIN sends it, and at the end of PLAIN's message.
        prop_assert!(!said.contains("c2VjcmV0"), "{}", said);
        prop_assert!(!said.contains("AHVzZXIAc2VjcmV0"), "{}", said);
        prop_assert!(taken <= said.matches("\r\n..\r\n.\r\n").count(), "{}", said);
        // Every command has at most one end, and no two are at work at the same time.
        prop_assert!(done <= given && given <= done + 1);
    }
}

/// A clock that jumps while TLS is awaited, answers nobody asked for, content nobody wants: all without effect.
#[test]
fn a_driver_out_of_order() {
    let now = some_time();
    let mut session = ClientSession::new(
        ClientProfile::new(HelloName::parse("c").unwrap()),
        None,
        now,
    );
    session.handle(
        ClientInput::Answer(QuestionId(0), ClientAnswer::Unavailable),
        now,
    );
    session.handle(ClientInput::Content(b"x"), now);
    session.handle(ClientInput::ContentEnd, now);
    assert!(session.poll().is_none() && session.pending_output().is_empty());
    session.handle(ClientInput::Command(ClientCommand::Reset), now);
    let refused = session.poll().map(|output| format!("{output:?}"));
    assert_eq!(refused.as_deref(), Some("Done(Err(OutOfOrder))"));
    session.handle(ClientInput::TlsStarted(TlsFacts::default()), now);
    assert!(!session.is_open());
}
