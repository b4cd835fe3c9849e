//! One account, and what a client of SCRAM-SHA-256 says of it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatepost_sasl::{Derivation, Hash, ScramVerifier, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Its name.
pub const NAME: &str = "user@example.com";
/// Its password.
pub const PASSWORD: &str = "correct horse battery staple";
/// As many as are common; they cost the client and nobody else.
pub const ITERATIONS: u32 = 10_000;
/// Of 16 octets, as they are drawn.
pub const SALT: &[u8; 16] = b"0123456789abcdef";
/// What the client opens SCRAM with.
pub const CLIENT_FIRST: &str = "n,,n=user@example.com,r=rOprNGfwEbeRWgbNEkqO";
/// Its one message of PLAIN.
pub const PLAIN: &[u8] = b"\0user@example.com\0correct horse battery staple";

/// The account's keys for a hash.
pub fn verifier(hash: Hash) -> ScramVerifier {
    ScramVerifier::derive(hash, &Secret::new(PASSWORD), SALT.to_vec(), ITERATIONS)
        .expect("in bounds")
}

/// A server's nonce, drawn as Gatepost draws it.
pub fn nonce() -> String {
    let mut octets = [0_u8; 18];
    getrandom::fill(&mut octets).expect("the system has randomness");
    URL_SAFE_NO_PAD.encode(octets)
}

/// A client that has its key already.
pub struct Client {
    key: Vec<u8>,
}

impl Client {
    /// Derives the key.
    pub fn new() -> Self {
        let salted = Derivation {
            hash: Hash::Sha256,
            password: Secret::new(PASSWORD),
            salt: SALT.to_vec(),
            iterations: ITERATIONS,
        };
        let key = mac(salted.run().expose(), b"Client Key");
        Self { key }
    }

    /// The answer to a server's first message.
    pub fn last(&self, server_first: &[u8]) -> Vec<u8> {
        let server_first = str::from_utf8(server_first).expect("SCRAM is text");
        let nonce = server_first.split(',').next().expect("r= is first");
        let without_proof = format!("c=biws,{nonce}");
        let bare = CLIENT_FIRST.strip_prefix("n,,").expect("without binding");
        let message = format!("{bare},{server_first},{without_proof}");
        let signature = mac(&Sha256::digest(&self.key), message.as_bytes());
        let proof: Vec<u8> = self.key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes()
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.chain_update(message).finalize().into_bytes().to_vec()
}
