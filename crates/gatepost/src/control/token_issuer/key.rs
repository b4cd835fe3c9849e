//! The key that tokens are signed with: ECDSA with P-256 and SHA-256 (ES256, RFC 7518 §3.4), kept in a file so that tokens outlive a restart.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// Its file in the directory.
const FILE: &str = "token-key.pem";

/// The private key, and what the public one is known by.
pub(super) struct SigningKey {
    pair: EcdsaKeyPair,
    x: String,
    y: String,
    id: String,
}

/// The public key for others to verify with (RFC 7517 §4, RFC 7518 §6.2).
#[derive(Serialize)]
pub(super) struct PublicKey<'a> {
    kty: &'static str,
    crv: &'static str,
    x: &'a str,
    y: &'a str,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
    kid: &'a str,
}

/// The header of a token (RFC 9068 §2.1).
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

pub(super) const ALGORITHM: &str = "ES256";

impl SigningKey {
    /// The key kept in this directory, made when there is none.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let pem = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path)?,
            read => read?,
        };
        let der = rcgen::KeyPair::from_pem(&pem)
            .map_err(io::Error::other)?
            .serialize_der();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map_err(|_| io::Error::other("not a key for P-256"))?;
        // SEC 1 §2.3.3: the octet 4, then both coordinates.
        let point = pair.public_key().as_ref();
        let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
            return Err(io::Error::other("not a point on P-256"));
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        Ok(Self {
            id: thumbprint(&x, &y),
            pair,
            x,
            y,
        })
    }

    pub(super) fn public(&self) -> PublicKey<'_> {
        PublicKey {
            kty: "EC",
            crv: "P-256",
            x: &self.x,
            y: &self.y,
            purpose: "sig",
            alg: ALGORITHM,
            kid: &self.id,
        }
    }

    /// A signed token with these claims, in compact form (RFC 7515 §3.1).
    pub(super) fn sign(&self, claims: &impl Serialize) -> io::Result<String> {
        let header = Header {
            alg: ALGORITHM,
            typ: "at+jwt",
            kid: &self.id,
        };
        let mut token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut token);
        let signature = self
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| io::Error::other("the token could not be signed"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

fn make(path: &Path) -> io::Result<String> {
    let pem = rcgen::KeyPair::generate()
        .map_err(io::Error::other)?
        .serialize_pem();
    // Under another name until it is whole: half a key would stop every later start.
    let new = path.with_extension("pem.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?
        .write_all(pem.as_bytes())?;
    fs::rename(&new, path)?;
    Ok(pem)
}

/// RFC 7638 §3: the same key has the same id wherever it is named.
fn thumbprint(x: &str, y: &str) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_token_verifies_with_the_published_key() {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::open(directory.path()).unwrap();
        let token = key.sign(&serde_json::json!({"sub": "you"})).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut point = vec![4];
        for coordinate in [key.public().x, key.public().y] {
            URL_SAFE_NO_PAD.decode_vec(coordinate, &mut point).unwrap();
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(
                signed.as_bytes(),
                &URL_SAFE_NO_PAD.decode(signature).unwrap(),
            )
            .unwrap();
    }

    #[test]
    fn the_key_is_kept_and_nobody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let first = SigningKey::open(directory.path()).unwrap();
        let again = SigningKey::open(directory.path()).unwrap();
        assert_eq!(first.public().kid, again.public().kid);
        let mode = fs::metadata(directory.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);

        let elsewhere = tempfile::tempdir().unwrap();
        let other = SigningKey::open(elsewhere.path()).unwrap();
        assert_ne!(first.public().kid, other.public().kid);
        fs::write(elsewhere.path().join(FILE), "damaged").unwrap();
        assert!(SigningKey::open(elsewhere.path()).is_err());
    }
}
