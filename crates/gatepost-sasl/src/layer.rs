//! A SASL security layer: protection of everything after the exchange (RFC 4422 §3.7).
//!
//! The value comes out of a successful exchange; the session puts it between the transport and its line decoder. A fault
//! is final: the session must drop the connection, because neither side can find the next buffer's beginning again.

use std::fmt;

/// Seals what is sent and opens what is received.
pub trait SecurityLayer: Send {
    /// Appends to `wire` what `plain` looks like under the layer.
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFault>;

    /// Opens one buffer from the beginning of `wire` and appends its contents to `plain`.
    ///
    /// Returns the octets of `wire` consumed; 0 means that the buffer is not complete yet.
    fn open(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<usize, LayerFault>;

    /// A short name for logs and trace fields, such as `GSSAPI confidentiality`.
    fn describe(&self) -> &str;
}

/// How much a layer protects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LayerStrength {
    /// Nothing: there is no layer.
    #[default]
    None,
    /// Nobody can change, drop or reorder what is sent.
    Integrity,
    /// And nobody can read it.
    Confidentiality,
}

impl LayerStrength {
    /// All of them, weakest first.
    pub const ALL: [Self; 3] = [Self::None, Self::Integrity, Self::Confidentiality];
}

/// What one side may agree on. By default no layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerPolicy {
    /// The least to accept.
    pub least: LayerStrength,
    /// The most to offer.
    pub most: LayerStrength,
    /// Also ciphers that can be searched through: DES, and RC4 with 40 or 56 bits.
    pub weak_ciphers: bool,
}

impl LayerPolicy {
    /// No layer: the channel is protected otherwise.
    pub const NEVER: Self = Self::exactly(LayerStrength::None);

    /// Whatever the other side can, without ciphers that can be searched through.
    pub const ANY: Self = Self {
        least: LayerStrength::None,
        most: LayerStrength::Confidentiality,
        weak_ciphers: false,
    };

    /// This strength and no other.
    pub const fn exactly(strength: LayerStrength) -> Self {
        Self {
            least: strength,
            most: strength,
            weak_ciphers: false,
        }
    }

    /// Whether a layer of this strength may be agreed on.
    pub fn allows(self, strength: LayerStrength) -> bool {
        (self.least..=self.most).contains(&strength)
    }
}

/// Why a layer can no longer be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerFault {
    /// The peer's buffer is longer than agreed.
    TooLong,
    /// Wrong integrity check, padding or sequence number.
    Corrupt,
    /// The layer itself cannot go on (context expired, sequence numbers used up).
    Exhausted,
}

impl fmt::Display for LayerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the protected buffer is longer than agreed",
            Self::Corrupt => "the protected buffer fails its integrity check",
            Self::Exhausted => "the security layer cannot be used any longer",
        })
    }
}

impl std::error::Error for LayerFault {}
