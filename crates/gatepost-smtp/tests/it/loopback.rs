//! Both sessions talking to each other, by every mechanism, over a wire that cuts as it likes.

use gatepost_sasl::{Mechanism, Needs, Secret, mechanism};
use gatepost_smtp::client::{
    ClientCommand, ClientProfile, HelloName, MechanismChoice, StartTlsUse,
};
use gatepost_smtp::server::Profile;
use gatepost_testkit::client::{ClientBench, User};
use gatepost_testkit::loopback::Loopback;
use gatepost_testkit::program::Program;
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::split::Cuts;
use proptest::prelude::*;

use crate::bench::{NAME, PASSWORD, authenticate, client, send_message, server};

/// STARTTLS, AUTH, a message, QUIT.
fn whole_session(mechanism: Option<&'static Mechanism>, content: &[u8], cuts: &Cuts) -> Loopback {
    let mut program = Program::with(NAME, PASSWORD);
    program.directory.certificate_of = Some(NAME.to_owned());
    program.directory.guests_are = Some(NAME.to_owned());
    program.directory.tokens = vec![(PASSWORD.to_owned(), NAME.to_owned())];
    let profile = Profile::submission("mail.example.com");
    let mut server = ServerBench::new(profile, program, None).unwrap();
    server.program.offer = Some(mechanism::ALL.to_vec());
    let ClientCommand::Authenticate(mut authentication) = authenticate(&mechanism::PLAIN) else {
        unreachable!("it is what it is")
    };
    authentication.choice = mechanism.map_or(MechanismChoice::Strongest, MechanismChoice::Only);
    let jobs = [
        ClientCommand::Authenticate(authentication),
        send_message(content),
        ClientCommand::Quit,
    ];
    let user = User {
        content: content.to_vec(),
        token: Some(Secret::new(PASSWORD)),
        ..User::with(PASSWORD, jobs)
    };
    let profile = ClientProfile {
        start_tls: StartTlsUse::Required,
        ..ClientProfile::new(HelloName::parse("client.example.com").unwrap())
    };
    let mut pair = Loopback::new(server, ClientBench::new(profile, user, None), cuts);
    assert!(pair.run(), "there is no end of it");
    pair
}

fn check(pair: &mut Loopback, mechanism: &Mechanism, message: &[u8]) {
    let ends: Vec<bool> = pair.client.ends.iter().map(Result::is_ok).collect();
    assert_eq!(ends, [true; 4], "{mechanism}: {:?}", pair.client.ends);
    assert_eq!(pair.server.breaches, Vec::<String>::new());
    assert!(pair.server.closed && pair.client.closed, "{mechanism}");
    let identity = pair.server.session.identity().unwrap();
    assert_eq!((identity.login(), identity.mechanism()), (NAME, mechanism));
    assert_eq!(
        pair.server.program.messages.pop_front().as_deref(),
        Some(message),
        "{mechanism}"
    );
    assert!(pair.server.program.messages.is_empty());
}

#[test]
fn every_mechanism_in_every_cut() {
    let content = b"From: user@example.com\r\n\r\n.\r\n..\r\nThe end.\r\n";
    // What a directory speaks itself has no client without it; the probes play that part.
    let spoken_here = |one: &&Mechanism| one.needs != Needs::PassThrough;
    for mechanism in mechanism::ALL.iter().copied().filter(spoken_here) {
        for cuts in [
            Cuts::Whole,
            Cuts::Octets,
            Cuts::Random(1),
            Cuts::Random(2),
            Cuts::Random(3),
        ] {
            check(
                &mut whole_session(Some(mechanism), content, &cuts),
                mechanism,
                content,
            );
        }
    }
}

/// SASL-09.
#[test]
fn left_to_itself_the_client_takes_the_strongest() {
    let mut pair = whole_session(None, b"A: b\r\n", &Cuts::Whole);
    let strongest = mechanism::ALL.iter().find(|one| one.proves_password());
    check(&mut pair, strongest.unwrap(), b"A: b\r\n");
}

/// AUTH-17: a wrong password, and then the right one on the same connection.
#[test]
fn a_failure_leaves_the_connection_as_it_was() {
    for &mechanism in mechanism::ALL.iter().filter(|one| one.proves_password()) {
        let mut pair = Loopback::new(
            server(mechanism::ALL),
            client([authenticate(mechanism)]),
            &Cuts::Whole,
        );
        pair.client.user.password = Some(gatepost_sasl::Secret::new("wrong"));
        assert!(pair.run());
        assert!(
            pair.client.last_end().contains("535 5.7.8"),
            "{}",
            pair.client.last_end()
        );
        assert_eq!(pair.server.session.identity(), None);
        pair.client.user.password = Some(gatepost_sasl::Secret::new(PASSWORD));
        let again = gatepost_smtp::client::ClientInput::Command(authenticate(mechanism));
        pair.client.handle(again);
        assert!(pair.run());
        assert_eq!(
            pair.client.last_end(),
            format!("authenticated by {mechanism}")
        );
    }
}

/// What the client makes of any content is what the server keeps of it: lines end in CRLF, dots are where they were (EOL-04).
fn as_kept(content: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut octets = content.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' => {
                octets.next_if_eq(&b'\n');
                kept.extend(b"\r\n");
            }
            b'\n' => kept.extend(b"\r\n"),
            0 => kept.push(b'?'),
            _ => kept.push(octet),
        }
    }
    if !kept.is_empty() && !kept.ends_with(b"\r\n") {
        kept.extend(b"\r\n");
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn eol_04_any_content_arrives(
        lines in prop::collection::vec("[a.\\x00 ]{0,4}(\r\n|\n|\r)", 0..8),
        rest in "[a.]{0,4}",
        seed in 1_u64..1000,
    ) {
        let content = format!("Subject: x\r\n\r\n{}{rest}", lines.concat()).into_bytes();
        let mut pair = whole_session(Some(&mechanism::PLAIN), &content, &Cuts::Random(seed));
        check(&mut pair, &mechanism::PLAIN, &as_kept(&content));
    }
}
