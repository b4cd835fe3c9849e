//! What becomes of a challenge that a fault changes (pure).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatepost_smtp::reply::Positive;

use super::kind::Change;

/// Text where base64 is due.
const NOT_BASE64: &str = "this is *not* base64!";

/// The whole reply with what `change` makes of its content; what has not the form that the change is about stays as it is.
pub(super) fn changed(content: &[u8], change: Change) -> Vec<u8> {
    let text = String::from_utf8_lossy(content);
    match change {
        Change::NotBase64 => line(NOT_BASE64),
        Change::Empty => challenge(b""),
        Change::LowerCase => challenge(&content.to_ascii_lowercase()),
        Change::WrongProof => challenge(&wrong_proof(&text).unwrap_or(content.to_vec())),
        Change::WrongNonce => challenge(&wrong_nonce(&text).unwrap_or(content.to_vec())),
        Change::Iterations(count) => match text.split_once(",i=") {
            Some((before, _)) => challenge(format!("{before},i={count}").as_bytes()),
            None => challenge(content),
        },
    }
}

/// A challenge as on the wire.
pub(super) fn challenge(content: &[u8]) -> Vec<u8> {
    line(&BASE64.encode(content))
}

/// What a challenge says; none when it is not base64.
pub(super) fn content(reply: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(reply.get(4..)?.trim_ascii_end()).ok()
}

/// Whether this is the server's own proof.
pub(super) fn is_proof(content: &[u8]) -> bool {
    content.starts_with(SIGNATURE.as_bytes()) || content.starts_with(RSPAUTH.as_bytes())
}

/// RFC 5802 §7: what SCRAM's last message begins with.
const SIGNATURE: &str = "v=";

/// RFC 2831 §2.1.3.
const RSPAUTH: &str = "rspauth=";

fn line(text: &str) -> Vec<u8> {
    format!("{} {text}\r\n", Positive::Challenge.code()).into_bytes()
}

/// A proof of the same form and length, and another value.
fn wrong_proof(text: &str) -> Option<Vec<u8>> {
    if let Some(signature) = text.strip_prefix(SIGNATURE) {
        let mut octets = BASE64.decode(signature).ok()?;
        *octets.first_mut()? ^= 1;
        return Some(format!("{SIGNATURE}{}", BASE64.encode(octets)).into_bytes());
    }
    let hex = text.strip_prefix(RSPAUTH)?;
    let other = if hex.starts_with('0') { '1' } else { '0' };
    Some(format!("{RSPAUTH}{other}{}", hex.get(1..)?).into_bytes())
}

/// The client's nonce comes first in `r=`: another first letter makes it somebody else's.
fn wrong_nonce(text: &str) -> Option<Vec<u8>> {
    let nonce = text.strip_prefix("r=")?;
    let other = if nonce.starts_with('A') { 'B' } else { 'A' };
    Some(format!("r={other}{}", nonce.get(1..)?).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(content: &str, change: Change) -> String {
        let reply = changed(content.as_bytes(), change);
        String::from_utf8(super::content(&reply).unwrap()).unwrap()
    }

    #[test]
    fn each_change_changes_one_thing() {
        let first = "r=fyko3rfc,s=QSXCR+Q6sek8bf92,i=4096";
        for (content, change, expected) in [
            (
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
                Change::WrongProof,
                "v=r2F9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
            (
                "rspauth=ea40f60335c427b5527b84dbabcdfffd",
                Change::WrongProof,
                "rspauth=0a40f60335c427b5527b84dbabcdfffd",
            ),
            (
                "rspauth=0a40f60335c427b5527b84dbabcdfffd",
                Change::WrongProof,
                "rspauth=1a40f60335c427b5527b84dbabcdfffd",
            ),
            (
                first,
                Change::WrongNonce,
                "r=Ayko3rfc,s=QSXCR+Q6sek8bf92,i=4096",
            ),
            (
                "r=Ayko,s=QQ==,i=4096",
                Change::WrongNonce,
                "r=Byko,s=QQ==,i=4096",
            ),
            (
                first,
                Change::Iterations(1),
                "r=fyko3rfc,s=QSXCR+Q6sek8bf92,i=1",
            ),
            ("Username:", Change::LowerCase, "username:"),
            ("Username:", Change::Empty, ""),
            // Of another form: as it was.
            ("Username:", Change::WrongProof, "Username:"),
            ("", Change::WrongNonce, ""),
            ("", Change::Iterations(1), ""),
        ] {
            assert_eq!(said(content, change), expected, "{change:?}");
        }
    }

    #[test]
    fn mangled_base64_is_none() {
        let reply = changed(b"Username:", Change::NotBase64);
        assert!(reply.starts_with(b"334 ") && reply.ends_with(b"\r\n"));
        assert_eq!(content(&reply), None);
    }

    #[test]
    fn proofs_are_known_by_their_form() {
        for (content, proof) in [
            ("v=AA==", true),
            ("rspauth=00", true),
            ("r=x,s=y,i=1", false),
            ("", false),
        ] {
            assert_eq!(is_proof(content.as_bytes()), proof, "{content}");
        }
    }
}
