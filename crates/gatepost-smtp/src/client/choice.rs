//! Which mechanism to use.
//!
//! The strongest that the server offers, that these credentials fit and that this channel may carry, and never one that was tried
//! already. "Strongest" depends on the channel (SASL-09): over verified TLS it is the order of the mechanisms themselves, in which
//! a password in a protected channel stands above challenge and response without proof of the server; in clear, whatever hides the
//! password stands above all that shows it, and what shows it is used only if the profile allows it.

use gatepost_sasl::Mechanism;
use gatepost_sasl::mechanism::ALL;

use super::authentication::{Authentication, MechanismChoice};
use super::capabilities::{Capabilities, Extension};
use super::failure::CredentialFault;
use super::link::Link;
use super::session::StartTlsUse;

/// What this channel may carry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel {
    pub(super) tls: bool,
    pub(super) clear_password: bool,
}

impl Channel {
    pub(super) fn of(link: &Link) -> Self {
        Self {
            tls: link.tls.is_some(),
            clear_password: link.profile.clear_password
                && link.profile.start_tls != StartTlsUse::IfOffered,
        }
    }

    fn may_carry(self, mechanism: &Mechanism) -> bool {
        !mechanism.exposes_password || self.tls || self.clear_password
    }
}

/// The mechanism to try next, of those that `eligible` leaves.
pub(super) fn next(
    request: &Authentication,
    capabilities: &Capabilities,
    channel: Channel,
    eligible: impl Fn(&Mechanism) -> bool,
) -> Result<&'static Mechanism, CredentialFault> {
    let candidates = candidates(request, capabilities);
    candidates
        .iter()
        .copied()
        .filter(|mechanism| channel.may_carry(mechanism) && eligible(mechanism))
        .max_by_key(|mechanism| {
            (
                !channel.tls && !mechanism.exposes_password,
                mechanism.strength,
            )
        })
        .ok_or_else(|| why_none(&candidates, capabilities, channel))
}

fn candidates(request: &Authentication, capabilities: &Capabilities) -> Vec<&'static Mechanism> {
    match request.choice {
        MechanismChoice::Only(mechanism) if request.assume_offered => vec![mechanism],
        MechanismChoice::Only(mechanism) => offered(&[mechanism], capabilities),
        MechanismChoice::Strongest => offered(&fitting(|_| true), capabilities),
        MechanismChoice::AtLeast(floor) => offered(
            &fitting(|mechanism| mechanism.strength >= floor.strength),
            capabilities,
        ),
    }
}

/// What these credentials fit, of what is strong enough.
fn fitting(strong_enough: impl Fn(&Mechanism) -> bool) -> Vec<&'static Mechanism> {
    let all = ALL.iter().copied();
    all.filter(|mechanism| takes_a_password(mechanism) && strong_enough(mechanism))
        .collect()
}

/// Those on the AUTH lines, or, if there are none, those on the lines old Exchange servers had for it (CAP-07).
fn offered(
    mechanisms: &[&'static Mechanism],
    capabilities: &Capabilities,
) -> Vec<&'static Mechanism> {
    let on = |list: &[String]| -> Vec<_> {
        mechanisms
            .iter()
            .copied()
            .filter(|mechanism| list.iter().any(|name| name == mechanism.name))
            .collect()
    };
    let announced = on(&capabilities.mechanisms);
    if announced.is_empty() {
        on(&capabilities.synonyms)
    } else {
        announced
    }
}

fn takes_a_password(mechanism: &Mechanism) -> bool {
    mechanism.proves_password() && !mechanism.binds_channel
}

fn why_none(
    candidates: &[&'static Mechanism],
    capabilities: &Capabilities,
    channel: Channel,
) -> CredentialFault {
    if !capabilities.has(Extension::Auth)
        && capabilities.synonyms.is_empty()
        && candidates.is_empty()
    {
        return CredentialFault::NotOffered;
    }
    CredentialFault::NoUsableMechanism {
        offered: capabilities
            .mechanisms
            .iter()
            .chain(&capabilities.synonyms)
            .cloned()
            .collect(),
        for_lack_of_tls: candidates
            .iter()
            .any(|mechanism| !channel.may_carry(mechanism)),
    }
}
