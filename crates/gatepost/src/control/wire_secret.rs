//! Secrets on their way over the socket.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A password, or what verifies one, on its way over the socket. Wiped when dropped, hidden in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct WirePassword(String);

impl WirePassword {
    /// Takes a secret.
    pub fn new(secret: &str) -> Self {
        Self(secret.to_owned())
    }

    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WirePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WirePassword(..)")
    }
}
