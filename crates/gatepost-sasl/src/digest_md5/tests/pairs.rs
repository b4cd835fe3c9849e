//! Both sides together: every protection, with more to say than fits one buffer.

use super::super::message::Challenge;
use super::super::{DIGEST_MD5, DigestMd5Hashes};
use crate::pairing::{Ending, Pairing, granted, knows, untouched};
use crate::{
    Answer, ClientParams, LayerPolicy, LayerStrength, Outcome, Secret, SecurityLayer, ServerParams,
    Verifier,
};

const EVERYTHING: LayerPolicy = LayerPolicy {
    weak_ciphers: true,
    ..LayerPolicy::ANY
};

/// An exchange in which the client allows `layers`, and somebody on the wire may change messages.
fn exchange(
    layers: LayerPolicy,
    password: &str,
    wire: &dyn Fn(usize, Vec<u8>) -> Vec<u8>,
) -> Ending {
    let hashes =
        DigestMd5Hashes::derive("joe@example.com", ["example.com"], &Secret::new("pencil"));
    Pairing {
        mechanism: &DIGEST_MD5,
        server: ServerParams {
            nonce: "server-nonce".to_owned(),
            realms: vec!["mail.example.com".to_owned(), "example.com".to_owned()],
            layers: EVERYTHING,
            ..ServerParams::default()
        },
        client: ClientParams {
            layers,
            ..ClientParams::new("joe@example.com", "mail.example.com", "client-nonce")
        },
        user: &knows(password),
        directory: &|question| match question.authcid() {
            Some(name) if name.as_str() == "joe@example.com" => Answer::Verifier {
                verifier: Verifier::DigestMd5(hashes.clone()),
                verdict: granted("joe@example.com"),
            },
            _ => Answer::Unavailable,
        },
        wire,
    }
    .run()
}

type Layer = Option<Box<dyn SecurityLayer>>;

fn layers(ending: Ending) -> (Layer, Layer) {
    match (ending.client, ending.server) {
        (Ok(Some(client)), Some(Outcome::Authenticated(server))) => (client.layer, server.layer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_layer() {
    let ending = exchange(LayerPolicy::NEVER, "pencil", &untouched);
    assert!(ending.server_let_him_in() && ending.client_is_content());
    let (client, server) = layers(ending);
    assert!(client.is_none() && server.is_none());
    assert!(!exchange(LayerPolicy::NEVER, "pen", &untouched).server_let_him_in());
}

/// Takes every cipher but one out of the challenge: the list is not protected, which is one of the reasons why nobody
/// should use this mechanism (RFC 6331 §2).
fn only(cipher: &'static str) -> impl Fn(usize, Vec<u8>) -> Vec<u8> {
    move |number, message| {
        if number != 0 {
            return message;
        }
        let text = String::from_utf8(message).unwrap();
        let all = "3des,rc4,des,rc4-56,rc4-40";
        assert!(text.contains(all));
        text.replace(all, cipher).into_bytes()
    }
}

// DIG-16, DIG-18, DIG-23, LAYER-06.
#[test]
fn dig_18_layer_06_every_protection_carries_more_than_one_buffer_both_ways() {
    let strong = |strength| LayerPolicy {
        weak_ciphers: true,
        ..LayerPolicy::exactly(strength)
    };
    let mut cases = vec![(
        LayerStrength::Integrity,
        "3des",
        "DIGEST-MD5/auth-int".to_owned(),
    )];
    for cipher in ["3des", "rc4", "des", "rc4-56", "rc4-40"] {
        let name = format!("DIGEST-MD5/auth-conf/{cipher}");
        cases.push((LayerStrength::Confidentiality, cipher, name));
    }
    let body: Vec<u8> = (0..140_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for (strength, cipher, name) in cases {
        let (client, server) = layers(exchange(strong(strength), "pencil", &only(cipher)));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.describe(), name);
        assert_eq!(server.describe(), name);
        for _ in 0..2 {
            carries(&mut client, &mut server, &body);
            carries(&mut server, &mut client, &body);
        }
    }
}

fn carries(from: &mut Box<dyn SecurityLayer>, to: &mut Box<dyn SecurityLayer>, body: &[u8]) {
    let (mut wire, mut plain, mut at, mut frames) = (Vec::new(), Vec::new(), 0, 0);
    from.seal(body, &mut wire).unwrap();
    while at < wire.len() {
        at += to.open(&wire[at..], &mut plain).unwrap();
        frames += 1;
    }
    assert!(frames > 1 && plain == body);
}

// DIG-07: whatever is changed on the way, nobody is let in by both sides.
#[test]
fn dig_07_a_changed_message_ends_it() {
    let honest = exchange(LayerPolicy::ANY, "pencil", &untouched);
    for number in 1..honest.messages.len() {
        for at in 0..honest.messages[number].len() {
            let ending = exchange(LayerPolicy::ANY, "pencil", &|n, mut message: Vec<u8>| {
                if n == number {
                    message[at] ^= 1;
                }
                message
            });
            let harmless = String::from_utf8_lossy(&honest.messages[number]).into_owned();
            // The name of the optional directive `maxbuf`, its value, and the cipher, are in no digest.
            let unprotected = harmless.find(",cipher=").is_some_and(|cipher| at >= cipher)
                || harmless.starts_with("charset") && at < "charset=utf-8,".len();
            assert!(
                unprotected || !(ending.server_let_him_in() && ending.client_is_content()),
                "{harmless} at {at}"
            );
        }
    }
}

#[test]
fn our_own_challenge_reads_back() {
    let realms = ["mail.example.com".to_owned()];
    let challenge = Challenge::parse(&Challenge::print(&realms, "n", EVERYTHING, false)).unwrap();
    assert_eq!(challenge.strengths, LayerStrength::ALL);
    assert_eq!(challenge.ciphers.len(), 5);
}
