//! Which mechanism to use.
//!
//! The strongest that the server offers, that these credentials fit and that this channel may carry, and never one that was tried
//! already. "Strongest" depends on the channel (SASL-09): over verified TLS it is the order of the mechanisms themselves, in which
//! a password in a protected channel stands above challenge and response without proof of the server; in clear, whatever hides the
//! password stands above all that shows it, and what shows it is used only if the profile allows it. A mechanism that binds the channel
//! is left aside where there is nothing to bind to, unless it is the only one wanted: then its own words say what is missing.

use gatepost_sasl::mechanism::ALL;
use gatepost_sasl::{Mechanism, Needs};

use super::authentication::{Authentication, MechanismChoice};
use super::capabilities::{Capabilities, Extension};
use super::failure::CredentialFault;
use super::link::Link;
use super::session::StartTlsUse;

/// What this channel may carry.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent yes/no facts, each read alone"
)]
pub(super) struct Channel {
    pub(super) tls: bool,
    pub(super) clear_password: bool,
    /// The server asked for our certificate in the handshake, and got it.
    pub(super) certificate: bool,
    /// There is something to bind an exchange to.
    pub(super) bindable: bool,
}

impl Channel {
    pub(super) fn of(link: &Link) -> Self {
        Self {
            tls: link.tls.is_some(),
            clear_password: link.profile.clear_password
                && link.profile.start_tls != StartTlsUse::IfOffered,
            certificate: link
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_certificate.is_some()),
            bindable: link.channel_bindings().preferred().is_some(),
        }
    }

    fn may_carry(self, mechanism: &Mechanism) -> bool {
        // EXT-04: without a certificate in this connection there is nothing that EXTERNAL could refer to.
        if mechanism.needs == Needs::Certificate {
            return self.certificate;
        }
        let in_clear = !mechanism.requires_tls() && self.clear_password;
        !mechanism.exposes_password || self.tls || in_clear
    }
}

/// The mechanism to try next, of those that `eligible` leaves.
pub(super) fn next(
    request: &Authentication,
    capabilities: &Capabilities,
    channel: Channel,
    eligible: impl Fn(&Mechanism) -> bool,
) -> Result<&'static Mechanism, CredentialFault> {
    let candidates = candidates(request, capabilities, channel);
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
        .ok_or_else(|| why_none(request, &candidates, capabilities, channel))
}

/// Whether the server offers a mechanism that binds the channel (RFC 5802 §6).
pub(super) fn binding_offered(capabilities: &Capabilities) -> bool {
    let bound = ALL.iter().copied().filter(|it| it.binds_channel);
    !offered(&bound.collect::<Vec<_>>(), capabilities).is_empty()
}

fn candidates(
    request: &Authentication,
    capabilities: &Capabilities,
    channel: Channel,
) -> Vec<&'static Mechanism> {
    let fitting = |floor: u8| -> Vec<_> {
        let all = ALL.iter().copied().filter(|mechanism| {
            request.means.fit(mechanism)
                && mechanism.strength >= floor
                && (channel.bindable || !mechanism.binds_channel)
        });
        offered(&all.collect::<Vec<_>>(), capabilities)
    };
    let mut candidates = match request.choice {
        MechanismChoice::Only(mechanism) if request.assume_offered => vec![mechanism],
        MechanismChoice::Only(mechanism) => offered(&[mechanism], capabilities),
        MechanismChoice::Strongest => fitting(0),
        MechanismChoice::AtLeast(floor) => fitting(floor.strength),
    };
    candidates.retain(|mechanism| mechanism.layer || !request.demands_layer());
    candidates
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

fn why_none(
    request: &Authentication,
    candidates: &[&'static Mechanism],
    capabilities: &Capabilities,
    channel: Channel,
) -> CredentialFault {
    let offered = capabilities
        .mechanisms
        .iter()
        .chain(&capabilities.synonyms)
        .cloned()
        .collect();
    if request.wants_certificate() && channel.tls {
        let shown = channel.certificate;
        return CredentialFault::CertificateUnused { shown, offered };
    }
    if !capabilities.has(Extension::Auth)
        && capabilities.synonyms.is_empty()
        && candidates.is_empty()
    {
        return CredentialFault::NotOffered;
    }
    if let MechanismChoice::AtLeast(floor) = request.choice
        && candidates.is_empty()
    {
        return CredentialFault::TooWeak { floor, offered };
    }
    CredentialFault::NoUsableMechanism {
        offered,
        for_lack_of_tls: request.wants_certificate()
            || candidates
                .iter()
                .any(|mechanism| !channel.may_carry(mechanism)),
    }
}
