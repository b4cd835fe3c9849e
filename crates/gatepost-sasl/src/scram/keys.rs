//! The two proofs of RFC 5802 §3.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::hash::Hash;
use crate::scram::verifier::ScramVerifier;
use crate::secret::Secret;

/// `client-first-bare , server-first , client-final-without-proof`, each as transmitted.
pub(super) fn auth_message(
    client_first_bare: &str,
    server_first: &str,
    client_final_without_proof: &str,
) -> String {
    [client_first_bare, server_first, client_final_without_proof].join(",")
}

/// `ClientProof`: what a client that knows the SaltedPassword sends.
pub(super) fn client_proof(hash: Hash, salted_password: &Secret, auth_message: &str) -> Vec<u8> {
    let client_key = Zeroizing::new(hash.hmac(salted_password.expose(), b"Client Key"));
    let stored_key = Zeroizing::new(hash.digest(&client_key));
    xor(
        &client_key,
        &hash.hmac(&stored_key, auth_message.as_bytes()),
    )
}

/// Whether `proof` comes from a client that knows the ClientKey behind StoredKey. Constant time for a given length.
pub(super) fn proof_is_right(verifier: &ScramVerifier, auth_message: &str, proof: &[u8]) -> bool {
    let signature = verifier
        .hash()
        .hmac(verifier.stored_key(), auth_message.as_bytes());
    let client_key = Zeroizing::new(xor(proof, &signature));
    let stored_key = Zeroizing::new(verifier.hash().digest(&client_key));
    let right = stored_key.as_slice().ct_eq(verifier.stored_key());
    proof.len() == signature.len() && right.into()
}

/// `ServerSignature`, as the server computes it from what it stores.
pub(super) fn server_signature(verifier: &ScramVerifier, auth_message: &str) -> Vec<u8> {
    verifier
        .hash()
        .hmac(verifier.server_key(), auth_message.as_bytes())
}

/// `ServerSignature`, as the client expects it.
pub(super) fn expected_server_signature(
    hash: Hash,
    salted_password: &Secret,
    auth_message: &str,
) -> Vec<u8> {
    let server_key = Zeroizing::new(hash.hmac(salted_password.expose(), b"Server Key"));
    hash.hmac(&server_key, auth_message.as_bytes())
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter()
        .zip(right)
        .map(|(left, right)| left ^ right)
        .collect()
}
