//! DIGEST-MD5 against the published exchanges and frames, against itself, and against peers that do it wrong.

mod client;
mod frames;
mod messages;
mod pairs;
mod resumption;
mod server;
mod session;
mod vectors;

use super::keys::{SessionKey, Terms, UserHash, user_hash};
use super::protection::{Cipher, Protection};

/// The user of RFC 2831 §4.
fn chris() -> UserHash {
    user_hash(b"chris", b"elwood.innosoft.com", b"secret")
}

fn terms(nonce: &str, cnonce: &str, digest_uri: &str) -> Terms {
    Terms {
        nonce: nonce.into(),
        cnonce: cnonce.into(),
        nonce_count: b"00000001".to_vec(),
        protection: Protection::None,
        digest_uri: digest_uri.into(),
        authzid: None,
    }
}

/// RFC 2831 §4, moved to mail submission.
fn smtp() -> Terms {
    terms(
        "OA6MG9tEQGm2hh",
        "OA6MHXh6VqTrRk",
        "smtp/elwood.innosoft.com",
    )
}

fn acap() -> Terms {
    terms(
        "OA9BSXrbuRhWay",
        "OA9BSuZWMSpW8m",
        "acap/elwood.innosoft.com",
    )
}

/// The key of the frames in `WildFly` Elytron's test suite.
fn elytron_key(protection: Protection) -> SessionKey {
    let terms = Terms {
        protection,
        authzid: Some(b"chris".to_vec()),
        ..acap()
    };
    SessionKey::new(&chris(), &terms)
}

/// Every protection but none, the ciphers in the order of the published tables.
const PROTECTIONS: [Protection; 6] = [
    Protection::Integrity,
    Protection::Confidentiality(Cipher::TripleDes),
    Protection::Confidentiality(Cipher::Des),
    Protection::Confidentiality(Cipher::Rc4),
    Protection::Confidentiality(Cipher::Rc4With56Bits),
    Protection::Confidentiality(Cipher::Rc4With40Bits),
];
