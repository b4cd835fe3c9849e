//! A security layer, switched on in the middle of a buffer on both sides (LAYER-02, LAYER-03, LAYER-05, CAP-04).

use gatepost_smtp::client::{ClientCommand, ClientInput};
use gatepost_testkit::loopback::Loopback;
use gatepost_testkit::probe::{PASS_THROUGH, STRANGER};
use gatepost_testkit::split::Cuts;
use gatepost_testkit::toy_layer::ToyLayer;

use crate::bench::{PASSWORD, authenticate, base64, client, codes, greeted, send_message, server};

const CONTENT: &[u8] = b"From: user@example.com\r\nSubject: under seal\r\n\r\n.\r\nA line.\r\n";

/// Client and server agree on the layer and send a message through it.
fn sealed(
    mechanism: &'static gatepost_sasl::Mechanism,
    to_server: Cuts,
    to_client: Cuts,
) -> Loopback {
    let mut server = server(&[mechanism]);
    server.program.directory.layered = true;
    let jobs = [
        authenticate(mechanism),
        send_message(CONTENT),
        ClientCommand::Quit,
    ];
    let mut client = client(jobs);
    client.user.content = CONTENT.to_vec();
    let mut pair = Loopback::with_cuts(server, client, to_server, to_client);
    assert!(pair.run());
    pair
}

fn check(pair: &mut Loopback, cut: &str) {
    assert_eq!(pair.server.breaches, Vec::<String>::new(), "{cut}");
    let ends: Vec<bool> = pair.client.ends.iter().map(Result::is_ok).collect();
    assert_eq!(ends, [true; 4], "{cut}: {:?}", pair.client.ends);
    assert!(pair.server.closed && pair.client.closed, "{cut}");
    assert_eq!(
        pair.server.program.messages.pop_front().as_deref(),
        Some(CONTENT),
        "{cut}"
    );
    assert_eq!(
        pair.server.session.greeting_facts().layer,
        Some("toy"),
        "{cut}"
    );
}

/// Split at every octet, in either direction.
#[test]
fn both_sessions_talk_through_it_wherever_the_wire_is_cut() {
    for mechanism in [&STRANGER, &PASS_THROUGH] {
        let mut whole = sealed(mechanism, Cuts::Whole, Cuts::Whole);
        check(&mut whole, "whole");
        for cut in 1..whole.from_client.len() {
            let mut pair = sealed(mechanism, Cuts::Once(cut), Cuts::Whole);
            check(&mut pair, &format!("{mechanism}: to the server at {cut}"));
            assert_eq!(
                pair.from_client, whole.from_client,
                "the wire says the same"
            );
        }
        for cut in 1..whole.from_server.len() {
            let mut pair = sealed(mechanism, Cuts::Whole, Cuts::Once(cut));
            check(&mut pair, &format!("{mechanism}: to the client at {cut}"));
        }
        check(
            &mut sealed(mechanism, Cuts::Octets, Cuts::Octets),
            "octet by octet",
        );
    }
}

/// Nothing is readable behind the 235, and everything before it is.
#[test]
fn layer_02_it_begins_behind_the_235() {
    let pair = sealed(&STRANGER, Cuts::Whole, Cuts::Whole);
    let clear_end = b"235 2.7.0 Authentication successful\r\n";
    let at = pair
        .from_server
        .windows(clear_end.len())
        .position(|window| window == clear_end);
    let (clear, protected) = pair.from_server.split_at(at.unwrap() + clear_end.len());
    assert!(clear.is_ascii());
    let contains = |octets: &[u8], text: &str| {
        octets
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(contains(clear, "250-PIPELINING"));
    assert!(!contains(protected, "250") && !protected.is_empty());
    assert!(contains(&pair.from_client, "EHLO client.example.com"));
    assert!(!contains(&pair.from_client, "MAIL FROM") && !contains(&pair.from_client, "QUIT"));
}

/// A client that does not wait for the 235: its sealed commands stand behind its last response in one buffer.
#[test]
fn layer_02_in_the_middle_of_one_buffer_at_every_cut() {
    let clear = [
        "AUTH X-PASS-THROUGH".to_owned(),
        base64("user@example.com"),
        base64("user@example.com secret"),
        String::new(),
    ];
    let mut input = (clear.join("\r\n") + "\r\n").into_bytes();
    let mut layer = ToyLayer::client(PASSWORD.as_bytes()).boxed();
    for command in [
        "MAIL FROM:<user@example.com>\r\nEHLO again\r\n",
        "AUTH X-PASS-THROUGH\r\nNOO",
        "P\r\nQUIT\r\n",
    ] {
        layer.seal(command.as_bytes(), &mut input).unwrap();
    }
    for cut in 0..=input.len() {
        let mut bench = greeted(&[&PASS_THROUGH]);
        bench.program.directory.layered = true;
        let (before, behind) = input.split_at(cut);
        bench.send(before);
        bench.send(behind);
        let output = bench.take_output();
        let lines: Vec<&[u8]> = output.splitn(5, |octet| *octet == b'\n').collect();
        let mut sealed = lines[4];
        let mut opened = Vec::new();
        let mut layer = ToyLayer::client(PASSWORD.as_bytes()).boxed();
        while !sealed.is_empty() {
            let used = layer.open(sealed, &mut opened).unwrap();
            assert_ne!(used, 0, "cut at {cut}: a buffer is not complete");
            sealed = &sealed[used..];
        }
        let replies = String::from_utf8(opened).unwrap();
        // LAYER-03: EHLO is forgotten, the identity is not; CAP-04: the list stays for the client to compare.
        assert_eq!(
            codes(&replies),
            ["503 5.5.1", "250", "503 5.5.1", "250 2.0.0", "221 2.0.0"],
            "cut at {cut}"
        );
        assert!(replies.contains("250-AUTH X-PASS-THROUGH\r\n"), "{replies}");
        assert!(bench.closed);
    }
}

/// The same for the client: a server that is fast has a sealed reply behind its 235 in one buffer, cut anywhere.
#[test]
fn layer_02_a_client_finds_a_sealed_reply_behind_the_235() {
    let whole = sealed(&STRANGER, Cuts::Whole, Cuts::Whole);
    let success = b"235 2.7.0 Authentication successful\r\n";
    let at = whole
        .from_server
        .windows(success.len())
        .position(|window| window == success);
    let dialogue = &whole.from_server[..at.unwrap()];
    let mut together = success.to_vec();
    let mut layer = ToyLayer::server(PASSWORD.as_bytes()).boxed();
    let reply = b"250-mail.example.com\r\n250 AUTH X-STRANGER_2\r\n";
    layer.seal(reply, &mut together).unwrap();
    for cut in 0..=together.len() {
        let mut client = client([authenticate(&STRANGER)]);
        for line in dialogue.split_inclusive(|octet| *octet == b'\n') {
            client.handle(ClientInput::Bytes(line));
        }
        let (before, behind) = together.split_at(cut);
        client.handle(ClientInput::Bytes(before));
        client.handle(ClientInput::Bytes(behind));
        assert_eq!(
            client.last_end(),
            "authenticated by X-STRANGER_2",
            "cut at {cut}"
        );
        assert!(client.session.is_open(), "cut at {cut}");
    }
}

/// LAYER-05: one wrong octet, anywhere, and the connection is over without a word; nothing behind it is obeyed.
#[test]
fn layer_05_a_broken_buffer_ends_the_session() {
    let mut wire = Vec::new();
    let mut layer = ToyLayer::client(PASSWORD.as_bytes()).boxed();
    layer.seal(b"EHLO x\r\n", &mut wire).unwrap();
    layer
        .seal(b"MAIL FROM:<user@example.com>\r\n", &mut wire)
        .unwrap();
    for position in 0..wire.len() {
        let mut bench = greeted(&[&PASS_THROUGH]);
        bench.program.directory.layered = true;
        bench.send(
            format!(
                "AUTH X-PASS-THROUGH {}\r\n\r\n",
                base64("user@example.com secret")
            )
            .as_bytes(),
        );
        bench.take_output();
        let mut broken = wire.clone();
        broken[position] ^= 0x80;
        bench.send(&broken);
        let asked_mail = bench
            .events
            .iter()
            .any(|event| format!("{event:?}").contains("TransactionReset"));
        assert!(bench.closed, "octet {position}");
        assert!(!asked_mail, "octet {position}");
    }
}

/// The client's side of it: what breaks the layer ends the connection, and nothing is taken for a reply.
#[test]
fn layer_05_a_client_does_not_believe_a_broken_buffer() {
    let whole = sealed(&STRANGER, Cuts::Whole, Cuts::Whole);
    let clear_end = b"235 2.7.0 Authentication successful\r\n";
    let at = whole
        .from_server
        .windows(clear_end.len())
        .position(|window| window == clear_end);
    let begin = at.unwrap() + clear_end.len();
    for position in begin..begin + 60 {
        let mut client = client([authenticate(&STRANGER), send_message(CONTENT)]);
        let mut octets = whole.from_server.clone();
        octets[position] ^= 0x80;
        for octet in octets {
            client.handle(ClientInput::Bytes(&[octet]));
        }
        assert!(client.closed, "octet {position}");
        assert!(
            client.last_end().starts_with("the security layer failed"),
            "{}",
            client.last_end()
        );
    }
}
