//! The two messages that agree on a security layer, as they are before they are wrapped (RFC 4752 §3.1, §3.2).
//!
//! Both begin with one octet of layers and three octets of the longest frame the sender takes, most significant first.

use super::context::Protection;
use crate::layer::{LayerPolicy, LayerStrength};

/// Octets of layers and limit.
const HEAD: usize = 4;

/// A set of layers, one of which is "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSet(u8);

impl LayerSet {
    /// No protection after the exchange.
    pub const NONE: Self = Self(1);
    /// Integrity.
    pub const INTEGRITY: Self = Self(2);
    /// Integrity and confidentiality.
    pub const CONFIDENTIALITY: Self = Self(4);

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is nothing in it, not even "none".
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether something of `other` is in it.
    pub const fn has(self, other: Self) -> bool {
        !self.and(other).is_empty()
    }
}

impl From<LayerPolicy> for LayerSet {
    fn from(policy: LayerPolicy) -> Self {
        let layers = [
            (LayerStrength::None, Self::NONE),
            (LayerStrength::Integrity, Self::INTEGRITY),
            (LayerStrength::Confidentiality, Self::CONFIDENTIALITY),
        ];
        layers
            .into_iter()
            .filter(|(strength, _)| policy.allows(*strength))
            .fold(Self(0), |set, (_, layer)| set.or(layer))
    }
}

/// What the server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) layers: LayerSet,
    /// The longest frame the server takes, in octets.
    pub(super) max_frame: u32,
}

impl Offer {
    /// An offer of these layers. Without a layer there are no frames, and their limit is 0.
    pub(super) fn new(layers: LayerSet, max_frame: u32) -> Self {
        let max_frame = if layers == LayerSet::NONE {
            0
        } else {
            max_frame
        };
        Self { layers, max_frame }
    }

    pub(super) fn to_octets(self) -> [u8; HEAD] {
        head(self.layers, self.max_frame)
    }

    /// RFC 4752 §3.1: exactly four octets. Bits that are not defined yet say nothing.
    pub(super) fn parse(octets: &[u8]) -> Option<Self> {
        let (layers, max_frame, rest) = split(octets)?;
        rest.is_empty().then_some(Self { layers, max_frame })
    }

    /// The strongest layer that is offered and wanted.
    pub(super) fn strongest_of(self, wanted: LayerSet) -> Option<LayerSet> {
        [
            LayerSet::CONFIDENTIALITY,
            LayerSet::INTEGRITY,
            LayerSet::NONE,
        ]
        .into_iter()
        .find(|layer| self.layers.has(*layer) && wanted.has(*layer))
    }
}

/// What the client chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) protection: Option<Protection>,
    /// The longest frame the client takes, in octets.
    pub(super) max_frame: u32,
    /// Whom to act as; empty = whom the ticket names.
    pub(super) authzid: Vec<u8>,
}

impl Choice {
    pub(super) fn to_octets(&self) -> Vec<u8> {
        let layer = match self.protection {
            None => LayerSet::NONE,
            Some(Protection::Integrity) => LayerSet::INTEGRITY,
            Some(Protection::Confidentiality) => LayerSet::CONFIDENTIALITY,
        };
        let mut octets = head(layer, self.max_frame).to_vec();
        octets.extend_from_slice(&self.authzid);
        octets
    }

    /// GSS-06: exactly one layer, of those offered. Without a layer the limit says nothing; it should be 0 then, and GNU SASL
    /// sends ours back.
    pub(super) fn parse(octets: &[u8], offer: Offer) -> Option<Self> {
        let (layer, max_frame, authzid) = split(octets)?;
        let protection = match layer {
            LayerSet::NONE => None,
            LayerSet::INTEGRITY => Some(Protection::Integrity),
            LayerSet::CONFIDENTIALITY => Some(Protection::Confidentiality),
            _ => return None,
        };
        offer.layers.has(layer).then(|| Self {
            protection,
            max_frame,
            authzid: authzid.to_vec(),
        })
    }
}

/// The largest limit that three octets can say.
const MAX_SAID: u32 = 0x00ff_ffff;

fn head(layers: LayerSet, max_frame: u32) -> [u8; HEAD] {
    let [_, high, middle, low] = max_frame.min(MAX_SAID).to_be_bytes();
    [layers.0, high, middle, low]
}

fn split(octets: &[u8]) -> Option<(LayerSet, u32, &[u8])> {
    let ([layers, high, middle, low], rest) = octets.split_first_chunk::<HEAD>()?;
    let max_frame = u32::from_be_bytes([0, *high, *middle, *low]);
    Some((LayerSet(*layers), max_frame, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairing::unhex;

    const ALL: LayerSet = LayerSet::NONE
        .or(LayerSet::INTEGRITY)
        .or(LayerSet::CONFIDENTIALITY);

    /// GSS-04: "Example plaintext before wrap: `07 00 ff ff`."
    #[test]
    fn gss_04_the_offer() {
        let offer = Offer::new(ALL, 0xffff);
        assert_eq!(offer.to_octets().to_vec(), unhex("0700ffff"));
        assert_eq!(Offer::parse(&unhex("0700ffff")), Some(offer));
        // "24-bit max receive size (0 if no layer)"
        let none = Offer::new(LayerSet::NONE, 0xffff);
        assert_eq!(none.to_octets().to_vec(), unhex("01000000"));
        // V-40: messages of less than four octets.
        for short in ["", "07", "0700", "0700ff", "0700ffff00"] {
            assert_eq!(Offer::parse(&unhex(short)), None, "{short}");
        }
    }

    /// GSS-05: "`01 00 00 00 "user@example.com"`" and "conf with 4096 max `04001000`".
    #[test]
    fn gss_05_the_choice() {
        let rows = [
            (
                "0100000075736572406578616d706c652e636f6d",
                None,
                0,
                "user@example.com",
            ),
            ("01000000", None, 0, ""),
            ("04001000", Some(Protection::Confidentiality), 4096, ""),
            // As GNU SASL chooses no layer.
            ("0100ffff", None, 0xffff, ""),
            ("0200ffff61", Some(Protection::Integrity), 0xffff, "a"),
        ];
        for (octets, protection, max_frame, authzid) in rows {
            let choice = Choice {
                protection,
                max_frame,
                authzid: authzid.as_bytes().to_vec(),
            };
            assert_eq!(choice.to_octets(), unhex(octets));
            assert_eq!(
                Choice::parse(&unhex(octets), Offer::new(ALL, 0xffff)),
                Some(choice),
                "{octets}"
            );
        }
    }

    /// GSS-06: "Mask with zero or two bits, a bit not offered […] → fail." V-40: too short.
    #[test]
    fn gss_06_what_is_no_choice() {
        let all = Offer::new(ALL, 0xffff);
        for octets in [
            "", "01", "0100", "010000", "00000000", "03000000", "06001000", "07001000", "08001000",
            "81000000",
        ] {
            assert_eq!(Choice::parse(&unhex(octets), all), None, "{octets}");
        }
        let none = Offer::new(LayerSet::NONE, 0);
        for octets in ["02001000", "04001000"] {
            assert!(Choice::parse(&unhex(octets), all).is_some(), "{octets}");
            assert_eq!(Choice::parse(&unhex(octets), none), None, "{octets}");
        }
    }

    // LAYER-07.
    #[test]
    fn layer_07_what_a_policy_allows() {
        for (policy, mask) in [
            (LayerPolicy::NEVER, 1),
            (LayerPolicy::exactly(LayerStrength::Confidentiality), 4),
            (LayerPolicy::ANY, 7),
        ] {
            assert_eq!(LayerSet::from(policy), LayerSet(mask), "{policy:?}");
        }
    }

    // LS-27.
    #[test]
    fn ls_27_the_strongest_that_both_have() {
        let both = LayerSet::NONE.or(LayerSet::INTEGRITY);
        let rows = [
            ("07", ALL, Some(LayerSet::CONFIDENTIALITY)),
            ("07", both, Some(LayerSet::INTEGRITY)),
            ("07", LayerSet::NONE, Some(LayerSet::NONE)),
            ("01", ALL, Some(LayerSet::NONE)),
            ("f9", ALL, Some(LayerSet::NONE)),
            ("06", LayerSet::NONE, None),
            ("00", ALL, None),
        ];
        for (mask, wanted, chosen) in rows {
            let offer = Offer::parse(&unhex(&format!("{mask}00ffff"))).unwrap();
            assert_eq!(offer.strongest_of(wanted), chosen, "{mask}");
        }
    }
}
