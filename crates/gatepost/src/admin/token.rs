//! The token that changing acts need: 256 random bits, new at each start, known to whoever started the server (T-55).

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// A token. Hidden in debug output. Clones are the same.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A new one. Fails only when the system has no random bits.
    pub fn draw() -> std::io::Result<Self> {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).map_err(std::io::Error::other)?;
        let digits = bits.iter().fold(String::new(), |mut digits, octet| {
            // Writing to a String cannot fail.
            let _ = write!(digits, "{octet:02x}");
            digits
        });
        Ok(Self(digits.into()))
    }

    /// The token as it is told to the person who started the server.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the value of an `Authorization` field is `Bearer` (RFC 6750 §2.1) and this token. Takes the same time for every wrong one.
    pub(super) fn authorizes(&self, value: &[u8]) -> bool {
        let Some((scheme, token)) = value.split_at_checked("Bearer ".len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ") && self.is(token.trim_ascii())
    }

    /// Whether this is the token. Takes the same time for every wrong one.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        verify_slices_are_equal(text, self.0.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_authorizes() {
        let token = Token::draw().unwrap();
        let text = token.reveal();
        assert_eq!(text.len(), 64);
        assert_ne!(Token::draw().unwrap().reveal(), text);
        for right in [format!("Bearer {text}"), format!("bearer  {text} ")] {
            assert!(token.authorizes(right.as_bytes()), "{right}");
        }
        let short = &text[1..];
        for wrong in [
            String::new(),
            "Bearer ".into(),
            text.into(),
            format!("Basic {text}"),
            format!("Bearer {short}"),
            format!("Bearer {text}0"),
        ] {
            assert!(!token.authorizes(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{token:?}").contains(text));
    }
}
