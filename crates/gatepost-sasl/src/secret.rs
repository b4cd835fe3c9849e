//! Octets that must not be shown: passwords, tokens, derived keys.
//!
//! A [`Secret`] is wiped when it is dropped, prints as `Secret(..)` in every build, and is compared only in constant
//! time. Whoever wants the octets writes `expose()`, which is what a reviewer searches for.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Octets that must not appear in logs, errors or debug output.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the octets over; the vector's own memory is wiped on drop.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Compares in time that depends on the lengths only.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_the_octets() {
        assert_eq!(format!("{:?}", Secret::new("pencil")), "Secret(..)");
    }

    #[test]
    fn comparison_sees_every_octet_and_the_length() {
        let pencil = Secret::new("pencil");
        assert!(pencil.ct_eq(&Secret::new("pencil")));
        assert!(!pencil.ct_eq(&Secret::new("pencim")));
        assert!(!pencil.ct_eq(&Secret::new("penci")));
        assert!(!pencil.ct_eq(&Secret::new("")));
    }
}
