//! What an exchange can agree on for the time after it: the values of `qop` and `cipher` (RFC 2831 §2.1.1).

use crate::layer::{LayerPolicy, LayerStrength};

/// Ciphers of auth-conf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    TripleDes,
    Rc4,
    Des,
    Rc4With56Bits,
    Rc4With40Bits,
}

impl Cipher {
    /// The one to prefer first.
    pub(super) const ALL: [Self; 5] = [
        Self::TripleDes,
        Self::Rc4,
        Self::Des,
        Self::Rc4With56Bits,
        Self::Rc4With40Bits,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TripleDes => "3des",
            Self::Rc4 => "rc4",
            Self::Des => "des",
            Self::Rc4With56Bits => "rc4-56",
            Self::Rc4With40Bits => "rc4-40",
        }
    }

    pub(super) fn by_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|cipher| name.eq_ignore_ascii_case(cipher.name().as_bytes()))
    }

    /// The ciphers that `policy` allows, the one to prefer first: those that a home computer searches in a day only where
    /// weak ones are allowed (DIG-23).
    pub(super) fn allowed(policy: LayerPolicy) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |cipher| policy.weak_ciphers || !cipher.is_weak())
    }

    const fn is_weak(self) -> bool {
        matches!(self, Self::Des | Self::Rc4With56Bits | Self::Rc4With40Bits)
    }

    /// How many octets of H(A1) go into its keys (RFC 2831 §2.4).
    pub(super) const fn key_material(self) -> usize {
        match self {
            Self::Rc4With40Bits => 5,
            Self::Rc4With56Bits => 7,
            Self::TripleDes | Self::Rc4 | Self::Des => 16,
        }
    }

    /// Whether it works in blocks of eight octets, and pads.
    pub(super) const fn pads(self) -> bool {
        matches!(self, Self::TripleDes | Self::Des)
    }
}

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// `auth`: nothing.
    None,
    /// `auth-int`.
    Integrity,
    /// `auth-conf` with this cipher.
    Confidentiality(Cipher),
}

impl Protection {
    /// The value of `qop`.
    pub(super) const fn qop(self) -> &'static str {
        qop(match self {
            Self::None => LayerStrength::None,
            Self::Integrity => LayerStrength::Integrity,
            Self::Confidentiality(_) => LayerStrength::Confidentiality,
        })
    }

    pub(super) const fn cipher(self) -> Option<Cipher> {
        match self {
            Self::Confidentiality(cipher) => Some(cipher),
            Self::None | Self::Integrity => None,
        }
    }

    /// Name of the layer in logs and trace fields (LAYER-09).
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::None => "DIGEST-MD5/auth",
            Self::Integrity => "DIGEST-MD5/auth-int",
            Self::Confidentiality(Cipher::TripleDes) => "DIGEST-MD5/auth-conf/3des",
            Self::Confidentiality(Cipher::Rc4) => "DIGEST-MD5/auth-conf/rc4",
            Self::Confidentiality(Cipher::Des) => "DIGEST-MD5/auth-conf/des",
            Self::Confidentiality(Cipher::Rc4With56Bits) => "DIGEST-MD5/auth-conf/rc4-56",
            Self::Confidentiality(Cipher::Rc4With40Bits) => "DIGEST-MD5/auth-conf/rc4-40",
        }
    }

    /// Most octets a protected buffer is longer than what it protects: the MAC, its tail, and the padding.
    pub(super) const fn overhead(self) -> usize {
        match self {
            Self::Confidentiality(cipher) if cipher.pads() => 10 + 6 + 8,
            _ => 10 + 6,
        }
    }
}

/// The value of `qop` for a strength.
pub(super) const fn qop(strength: LayerStrength) -> &'static str {
    match strength {
        LayerStrength::None => "auth",
        LayerStrength::Integrity => "auth-int",
        LayerStrength::Confidentiality => "auth-conf",
    }
}

/// The strength that a value of `qop` stands for, if it is one we know.
pub(super) fn strength(qop: &[u8]) -> Option<LayerStrength> {
    LayerStrength::ALL
        .into_iter()
        .find(|strength| qop.eq_ignore_ascii_case(self::qop(*strength).as_bytes()))
}
