//! The coding of challenges and responses: base64, strict, with named tolerances (AUTH-11,
//! AUTH-12).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use gatepost_sasl::Secret;

use super::ServerSession;
use crate::quirk::Quirk;

const STRICT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
const ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, STRICT);
const TOLERANT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, STRICT.with_decode_allow_trailing_bits(true));

impl ServerSession {
    /// AUTH-12: white space behind a response cannot change its meaning.
    pub(super) fn without_space_behind<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        let trimmed = line.trim_ascii_end();
        if trimmed.len() != line.len() {
            self.quirk(Quirk::SpaceBehindResponse);
        }
        trimmed
    }

    /// A response's octets, which may be a password.
    pub(super) fn decoded(&mut self, wire: &[u8]) -> Option<Secret> {
        let (octets, quirk) = base64_octets(wire)?;
        if let Some(quirk) = quirk {
            self.quirk(quirk);
        }
        Some(Secret::new(octets))
    }
}

/// A challenge as on the wire.
pub(super) fn to_base64(challenge: &[u8]) -> String {
    ENGINE.encode(challenge)
}

/// Decodes a response. Padding must be there and be right; unused bits that are not zero are
/// tolerated and named.
fn base64_octets(wire: &[u8]) -> Option<(Vec<u8>, Option<Quirk>)> {
    match ENGINE.decode(wire) {
        Ok(octets) => Some((octets, None)),
        Err(_) => Some((TOLERANT.decode(wire).ok()?, Some(Quirk::Base64TrailingBits))),
    }
}

/// Whether a refused response of this length looks as if the client had cut it: encoders wrap at
/// 60, 64, 72 or 76 characters (AUTH-28).
pub(super) fn looks_wrapped(length: usize) -> bool {
    matches!(length, 60 | 64 | 72 | 76)
}

/// Whether a command line can be the rest of a wrapped response (LC-12).
pub(super) fn is_base64(line: &[u8]) -> bool {
    !line.is_empty() && base64_octets(line).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    // AUTH-11
    #[test]
    fn auth_11_strict_base64() {
        for wire in [
            "=AAA", "AAA=BBB", "AAA", "AA", "A", "A===", "AA=A", "AA==\r", "A A=", "AAA_", "====",
            "=", "AAAA=",
        ] {
            assert_eq!(base64_octets(wire.as_bytes()), None, "{wire}");
        }
        assert_eq!(base64_octets(b"AHRpbQ=="), Some((b"\0tim".to_vec(), None)));
        assert_eq!(base64_octets(b""), Some((Vec::new(), None)));
        assert_eq!(
            base64_octets(b"AHRpbR=="),
            Some((b"\0tim".to_vec(), Some(Quirk::Base64TrailingBits)))
        );
    }
}
