//! Every octet of every message, changed (T-16).

use super::*;
use crate::{ClientAnswer, ClientQuestion};

/// Runs the exchange of RFC 7677 with one message changed. Both ends are more lenient than in life: the directory grants
/// every name with the verifier of `user`, and the client always derives the right key. So nothing but the protocol's own
/// checks can refuse.
fn tampered(
    at: usize,
    change: &dyn Fn(Vec<u8>) -> Vec<u8>,
    verifier: &ScramVerifier,
    salted: &Secret,
) -> Ending {
    Pairing {
        mechanism: &SCRAM_SHA_256,
        server: rfc_7677().server(),
        client: rfc_7677().client(),
        user: &|question| match question {
            ClientQuestion::Derive(_) => ClientAnswer::Derived(salted.clone()),
            _ => ClientAnswer::Password(Secret::new("pencil")),
        },
        directory: &|_| Answer::Verifier {
            verifier: Verifier::Scram(verifier.clone()),
            verdict: granted("user"),
        },
        wire: &|number, message| {
            if number == at {
                change(message)
            } else {
                message
            }
        },
    }
    .run()
}

#[test]
fn no_exchange_with_a_changed_octet_succeeds() {
    let row = rfc_7677();
    let verifier = row.verifier();
    let salted = salted(Hash::Sha256, b"pencil", &BASE64.decode(SALT).unwrap(), 4096);
    let untouched = tampered(usize::MAX, &|message| message, &verifier, &salted);
    assert!(untouched.server_let_him_in() && untouched.client_is_content());

    let mut tried = 0;
    for (number, message) in untouched.messages.iter().enumerate().take(4) {
        let mut try_one = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
            let ending = tampered(number, change, &verifier, &salted);
            // The server has said yes before its signature, message 3, goes out.
            assert!(number == 3 || !ending.server_let_him_in(), "{ending:?}");
            assert!(!ending.client_is_content(), "{ending:?}");
            tried += 1;
        };
        for place in 0..message.len() {
            for flip in 1..=255 {
                try_one(&|mut message| {
                    message[place] ^= flip;
                    message
                });
            }
            try_one(&|message| message[..place].to_vec());
            try_one(&|mut message| {
                message.remove(place);
                message
            });
            try_one(&|mut message| {
                message.insert(place, message[place]);
                message
            });
        }
    }
    let octets: usize = untouched.messages.iter().map(Vec::len).sum();
    assert_eq!(tried, octets * 258);
}
