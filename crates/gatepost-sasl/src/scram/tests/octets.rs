//! Every octet of every message, changed (T-16).

use super::*;
use crate::{ClientAnswer, ClientQuestion};

/// Runs a published exchange with one message changed. Both ends are more lenient than in life: the directory grants
/// every name with the verifier of `user`, and the client always derives the right key. So nothing but the protocol's own
/// checks can refuse.
fn tampered(
    row: &Row,
    at: usize,
    change: &dyn Fn(Vec<u8>) -> Vec<u8>,
    verifier: &ScramVerifier,
    salted: &Secret,
) -> Ending {
    Pairing {
        mechanism: row.mechanism,
        server: row.server(),
        client: row.client(),
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
fn t_16_no_exchange_with_a_changed_octet_succeeds() {
    change_every_octet(&rfc_7677());
}

#[test]
fn t_16_no_bound_exchange_with_a_changed_octet_succeeds() {
    change_every_octet(&Row {
        bindings: exporter(),
        c: "cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        ..Row::new(
            &SCRAM_SHA_256_PLUS,
            "QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
            "2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=",
        )
    });
}

fn change_every_octet(row: &Row) {
    let verifier = row.verifier();
    let salted = salted(Hash::Sha256, b"pencil", &BASE64.decode(SALT).unwrap(), 4096);
    let untouched = tampered(row, usize::MAX, &|message| message, &verifier, &salted);
    assert!(untouched.server_let_him_in() && untouched.client_is_content());

    let mut tried = 0;
    for (number, message) in untouched.messages.iter().enumerate().take(4) {
        let mut try_one = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
            let ending = tampered(row, number, change, &verifier, &salted);
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
