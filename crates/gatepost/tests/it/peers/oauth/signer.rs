//! Tokens of a test's own for Dovecot, which takes a JWT only when its header says `typ: JWT`.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key for ES256.
pub(super) struct Signer(rcgen::KeyPair);

impl Signer {
    pub(super) const KEY_ID: &str = "key-of-the-test";

    pub(super) fn new() -> Self {
        Self(rcgen::KeyPair::generate().unwrap())
    }

    /// The public half, in PEM.
    pub(super) fn public_key(&self) -> String {
        self.0.public_key_pem()
    }

    /// A token for this account, good from so many seconds ago for an hour.
    pub(super) fn token(&self, account: &str, ago: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let began = now.as_secs() - ago;
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": Self::KEY_ID});
        let claims = json!({
            "iss": "https://issuer.test", "sub": account, "email": account, "scope": "smtp",
            "iat": began, "nbf": began, "exp": began + 3600,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let der = self.0.serialize_der();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
