//! Published digests and keys: RFC 2831 §4, the test suites of `WildFly` Elytron and GNU SASL, and values computed from them.

use super::super::DigestMd5Hashes;
use super::super::keys::{SessionKey, Side, Terms, UserHash, down_converted, user_hash};
use super::super::protection::{Cipher, Protection};
use super::{acap, chris, elytron_key, smtp, terms};
use crate::Secret;
use crate::pairing::unhex;

fn check(user: &UserHash, terms: &Terms, response: &str, proof: &str) {
    let key = SessionKey::new(user, terms);
    assert_eq!(
        key.digest(terms, Side::Client),
        unhex(response)[..],
        "{terms:?}"
    );
    if !proof.is_empty() {
        assert_eq!(
            key.digest(terms, Side::Server),
            unhex(proof)[..],
            "{terms:?}"
        );
    }
}

// DIG-07: RFC 2831 §4, and its first example with the service of mail submission.
#[test]
fn dig_07_the_examples_of_rfc_2831() {
    assert_eq!(
        chris().as_slice(),
        unhex("eb5a750053e4d2c34aa84bbc9b0b6ee7")
    );
    let imap = Terms {
        digest_uri: b"imap/elwood.innosoft.com".to_vec(),
        ..smtp()
    };
    let again = Terms {
        nonce_count: b"00000002".to_vec(),
        ..smtp()
    };
    let integrity = Terms {
        protection: Protection::Integrity,
        ..smtp()
    };
    let confidentiality = Terms {
        protection: Protection::Confidentiality(Cipher::Rc4),
        ..smtp()
    };
    for (terms, response, proof) in [
        (
            imap,
            "d388dad90d4bbd760a152321f2143af7",
            "ea40f60335c427b5527b84dbabcdfffd",
        ),
        (
            acap(),
            "6084c6db3fede7352c551284490fd0fc",
            "2f0b3d7c3c2e486600ef710726aa2eae",
        ),
        (
            smtp(),
            "52ff44907f72314481b5c098c708ebf3",
            "84106ee5cb85c426e7ef928db0e49bfa",
        ),
        (
            again,
            "40323efe01b9576367b6c61d84184161",
            "1b21a13ea6558d2547c51a5f64f83fbc",
        ),
        (
            integrity,
            "8988217f8e7634a6a846d0716d4a9f1e",
            "dfcc2e26cf561054a5647129f00fabd2",
        ),
        (
            confidentiality,
            "4577d1634ff01c5da98c311f6b1599c8",
            "b80dccbd58deaea8eea77b563a1e7eae",
        ),
    ] {
        check(&chris(), &terms, response, proof);
    }
}

// DIG-07, DIG-12: the authzid counts, also when it is the user name.
#[test]
fn dig_12_elytron_with_authzid() {
    let with = |authzid: &str, protection| Terms {
        authzid: Some(authzid.into()),
        protection,
        ..acap()
    };
    for (terms, response, proof) in [
        (
            with("chris", Protection::None),
            "aa4e81f1c6656350f7bce05d436665de",
            "af3ca83a805d4cfa00675a17315475c4",
        ),
        (
            with("george", Protection::None),
            "0d071450228e395e2c0999e02b6aa665",
            "",
        ),
        (
            with("chris", Protection::Integrity),
            "d8b17f55b410208c6ebb22f89f9d6cbb",
            "7a8794654d6d6de607e9143d52b554a8",
        ),
        (
            with("chris", Protection::Confidentiality(Cipher::TripleDes)),
            "4520cf48234bb93b95548a25cd56601b",
            "a804fda66588e2d911bbacd1b1163bc1",
        ),
    ] {
        check(&chris(), &terms, response, proof);
    }
}

// DIG-04, DIG-07: empty and odd realms, long nonces, and a user hash that is no MD5 of anything we know.
#[test]
fn dig_07_elytron_and_gsasl_with_other_names() {
    let imap = Terms {
        digest_uri: b"imap/elwood.innosoft.com".to_vec(),
        ..smtp()
    };
    check(
        &user_hash(b"chris", b"", b"secret"),
        &imap,
        "695dcc815019923b9d438fd28c641aa9",
        "ef0a550cd88d926ff426790bef156af3",
    );
    check(
        &user_hash(b"chris", b"first realm", b"secret"),
        &terms(
            "OA9BSXrbuRhWay",
            "OA6MHXh6VqTrRk",
            "protocol name/server name",
        ),
        "bf3dd710ee08b05c663456975c156075",
        "05a18aff49b22e373bb91af7396ce345",
    );
    check(
        &user_hash(b"user", b"TestServer", b"password"),
        &Terms {
            protection: Protection::Integrity,
            authzid: Some(b"user".to_vec()),
            ..terms(
                "288HcNYUg60jN/kEFYT/HklRVjZA6opb2if8tsja",
                "+7HQhcJThEsqZ3gor1hThC5on8hQ3DRP2esrw+km",
                "TestProtocol/TestServer",
            )
        },
        "663997cd2a9dc34c84240430fb1be16c",
        "b3d6f9165b0bb0972adaa5778b840c3a",
    );
    check(
        &UserHash::new(*b"QQQQQQQQQQQQQQQQ"),
        &Terms {
            authzid: Some(b"authzid".to_vec()),
            ..terms("nonce", "cnonce", "digesturi")
        },
        "6c1f58bfa46e9c225b93745c84204efd",
        "6a204da26b9888ee40bb3052ff056a67",
    );
}

// DIG-06: what does not fit ISO-8859-1 is hashed as UTF-8.
#[test]
fn dig_06_elytron_beyond_latin_1() {
    let name = "\u{438}\u{4f60}\u{1f0a1}";
    let realm = format!("realm.{name}.com");
    let user = user_hash(
        &down_converted(name),
        &down_converted(&realm),
        &down_converted(name),
    );
    check(
        &user,
        &terms(
            &format!("sn{name}"),
            &format!("cn{name}"),
            &format!("{name}/realm.{name}.com"),
        ),
        "420939e06d2d748c157c5e33499b41a9",
        "9c4d137545617ba98c11aaea939b4381",
    );
}

// DIG-06: what fits is brought down to ISO-8859-1 first; most implementations forget to.
#[test]
fn dig_06_both_readings_of_latin_1_names_are_kept() {
    let hashes = DigestMd5Hashes::derive("José", ["example.com"], &Secret::new("contraseña"));
    let kept: Vec<_> = hashes
        .of_realm("example.com")
        .map(|hash| hash.to_vec())
        .collect();
    assert_eq!(
        kept,
        [
            unhex("f3adead0b21b558ab36f78a336476ca6"),
            unhex("4a4a36897b3a0fb38b55c6f5770f8428")
        ]
    );
    let terms = terms("N", "C", "smtp/mail.example.com");
    for (user, response) in hashes.of_realm("example.com").zip([
        "cd18182839f19bd9aca5dc19fff4beff",
        "73c98e0f95a7681190681fb9a50fa4ce",
    ]) {
        check(user, &terms, response, "");
    }
    let ascii = DigestMd5Hashes::derive("joe", ["a", "b"], &Secret::new("pencil"));
    assert_eq!(ascii.realms().collect::<Vec<_>>(), ["a", "b"]);
}

// DIG-17, DIG-18: the keys of Elytron's frames.
#[test]
fn dig_17_dig_18_keys_of_the_layer() {
    let check = |protection, cipher: Option<Cipher>, [client, server]: [&str; 2]| {
        let key = elytron_key(protection);
        for (side, expected) in [(Side::Client, client), (Side::Server, server)] {
            let got = cipher.map_or_else(|| key.signing(side), |cipher| key.sealing(side, cipher));
            assert_eq!(got.as_slice(), unhex(expected), "{protection:?} {side:?}");
        }
    };
    check(
        Protection::Integrity,
        None,
        [
            "eadbe25afd17928955d90ae5048262f9",
            "2b221152dd097c40e14651a3f6a52e1d",
        ],
    );
    let long = [
        "ed5cac0195e7426b3fbf7bf5cf8aa69e",
        "2f6b8c3401e0439e40c76487762b9586",
    ];
    for (cipher, keys) in [
        (Cipher::TripleDes, long),
        (Cipher::Des, long),
        (Cipher::Rc4, long),
        (
            Cipher::Rc4With56Bits,
            [
                "a660036c6f1adca80fc0153e31b8e135",
                "ad35d445e7e21eca94fd60734a06009a",
            ],
        ),
        (
            Cipher::Rc4With40Bits,
            [
                "8bb9608f42f97cb683c3aa29874d2ff6",
                "39bade220dc9a1561f5bfc5d8083073b",
            ],
        ),
    ] {
        check(Protection::Confidentiality(cipher), Some(cipher), keys);
    }
}

// DIG-22: what is stored comes back, and a damaged record is none.
#[test]
fn dig_22_stored_hashes_come_back() {
    let hashes = DigestMd5Hashes::derive("José", ["example.com", ""], &Secret::new("contraseña"));
    let bytes = hashes.to_bytes();
    let back = DigestMd5Hashes::from_bytes(&bytes).unwrap();
    assert_eq!(back.username(), "José");
    assert_eq!(
        back.realms().collect::<Vec<_>>(),
        ["example.com", "example.com", "", ""]
    );
    assert_eq!(back.to_bytes(), bytes);
    for cut in 1..bytes.len() {
        let part = DigestMd5Hashes::from_bytes(&bytes[..cut]);
        assert!(part.is_none_or(|part| part.to_bytes().len() == cut));
    }
    assert_eq!(format!("{hashes:?}"), "DigestMd5Hashes(..)");
}

// Dovecot's `{DIGEST-MD5}` of testuser1, empty realm, password test.
#[test]
fn dig_22_a_hash_of_dovecot() {
    let hash = user_hash(b"testuser1", b"", b"test");
    assert_eq!(hash.as_slice(), unhex("77c1a8c437c9b08ba2f460fe5d58db5d"));
}
