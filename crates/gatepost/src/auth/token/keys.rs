//! An issuer's public keys, and whether one of them made a signature (pure).
//!
//! A key decides which algorithms it may be used with, never the token: an RSA key verifies RS… and PS…, a curve its own
//! signature, and a key that names its `alg` only that. There is no algorithm without key and none with a shared secret, so that
//! neither `none` nor an HMAC over a public key can pass (T-20). A key that cannot be read or is for another use is not there.
//!
//! Standards: RFC 7517 §4 and §5, RFC 7518 §3 and §6, RFC 8037 §2.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Most keys of a set.
const MAX_KEYS: usize = 64;

/// Most keys tried for a token that does not say which one signed it.
const MAX_TRIED: usize = 4;

/// Octets of an RSA modulus: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// The keys of one issuer at one time.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The only algorithm it may be used with, if it says so.
    algorithm: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    P521(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// What a look at the keys says of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// One of the keys made it.
    Right,
    /// None of them did.
    Wrong,
    /// There is no key of this id, or none for this algorithm.
    NoKey,
}

impl KeySet {
    /// Reads a JWK set. Fails if there is no usable key in it.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let set: WrittenSet =
            serde_json::from_slice(json).map_err(|error| format!("no JWK set: {error}"))?;
        let written = set.keys.into_iter().take(MAX_KEYS);
        let keys: Vec<Key> = written
            .filter_map(|key| serde_json::from_value::<Written>(key).ok())
            .filter_map(Written::key)
            .collect();
        if keys.is_empty() {
            return Err("no key in the set can be used".to_owned());
        }
        Ok(Self(keys))
    }

    /// Whether a key of this id, or any key where there is none, made the signature by this algorithm.
    pub(super) fn verify(
        &self,
        algorithm: &str,
        id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Signature {
        let fitting = self.0.iter().filter(|key| {
            (id.is_none() || key.id.as_deref() == id) && key.verifier(algorithm).is_some()
        });
        let mut found = Signature::NoKey;
        for key in fitting.take(MAX_TRIED) {
            if key.made(algorithm, signed, signature) {
                return Signature::Right;
            }
            found = Signature::Wrong;
        }
        found
    }
}

/// How an algorithm verifies.
enum Verifier {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

impl Key {
    /// The algorithm by this name, if this key may be used with it.
    fn verifier(&self, algorithm: &str) -> Option<Verifier> {
        if self
            .algorithm
            .as_deref()
            .is_some_and(|only| only != algorithm)
        {
            return None;
        }
        let verifier = match (&self.public, algorithm) {
            (Public::Rsa { .. }, _) => Verifier::Rsa(rsa(algorithm)?),
            (Public::P256(_), "ES256") => Verifier::Point(&signature::ECDSA_P256_SHA256_FIXED),
            (Public::P384(_), "ES384") => Verifier::Point(&signature::ECDSA_P384_SHA384_FIXED),
            (Public::P521(_), "ES512") => Verifier::Point(&signature::ECDSA_P521_SHA512_FIXED),
            (Public::Ed25519(_), "EdDSA" | "Ed25519") => Verifier::Point(&signature::ED25519),
            _ => return None,
        };
        Some(verifier)
    }

    fn made(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.public, self.verifier(algorithm)) {
            (Public::Rsa { modulus, exponent }, Some(Verifier::Rsa(parameters))) => {
                let key = PublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(parameters, signed, signature)
            }
            (
                Public::P256(point)
                | Public::P384(point)
                | Public::P521(point)
                | Public::Ed25519(point),
                Some(Verifier::Point(algorithm)),
            ) => UnparsedPublicKey::new(algorithm, point).verify(signed, signature),
            _ => return false,
        };
        verified.is_ok()
    }
}

fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

#[derive(Deserialize)]
struct WrittenSet {
    keys: Vec<serde_json::Value>,
}

/// A key as written (RFC 7517 §4).
#[derive(Deserialize)]
struct Written {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Written {
    fn key(self) -> Option<Key> {
        let signs = self.purpose.as_deref().is_none_or(|it| it == "sig")
            && self
                .key_ops
                .as_ref()
                .is_none_or(|operations| operations.iter().any(|it| it == "verify"));
        if !signs {
            return None;
        }
        Some(Key {
            public: self.public()?,
            id: self.kid,
            algorithm: self.alg,
        })
    }

    fn public(&self) -> Option<Public> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let modulus = number(self.n.as_deref()?)?;
                let exponent = number(self.e.as_deref()?)?;
                let fits = MODULUS.contains(&modulus.len()) && !exponent.is_empty();
                fits.then_some(Public::Rsa { modulus, exponent })
            }
            ("EC", Some("P-256")) => self.point(32).map(Public::P256),
            ("EC", Some("P-384")) => self.point(48).map(Public::P384),
            ("EC", Some("P-521")) => self.point(66).map(Public::P521),
            ("OKP", Some("Ed25519")) => octets(self.x.as_deref()?, 32).map(Public::Ed25519),
            _ => None,
        }
    }

    /// SEC 1 §2.3.3, uncompressed.
    fn point(&self, length: usize) -> Option<Vec<u8>> {
        let x = octets(self.x.as_deref()?, length)?;
        let y = octets(self.y.as_deref()?, length)?;
        Some([&[4], x.as_slice(), y.as_slice()].concat())
    }
}

fn octets(text: &str, length: usize) -> Option<Vec<u8>> {
    let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
    (octets.len() == length).then_some(octets)
}

/// Some issuers write a leading zero.
fn number(text: &str) -> Option<Vec<u8>> {
    let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    Some(octets.get(zeros..)?.to_vec())
}
