//! From a listener's configuration to the settings of its sessions.

use gatepost_smtp::quirk::QuirkSet;
use gatepost_smtp::server::{Profile, TlsPolicy};

use crate::config::resolved::{Limits, Listener, ListenerProfile, SubmissionRules, TlsMode};

/// The settings of this listener's sessions.
pub fn profile(
    hostname: &str,
    listener: &Listener,
    rules: &SubmissionRules,
    limits: &Limits,
) -> Profile {
    let mut profile = Profile::submission(hostname);
    profile.complete_domain.clone_from(&rules.complete_domain);
    profile.tls = match listener.tls {
        TlsMode::StartTls => TlsPolicy::StartTlsRequired,
        TlsMode::StartTlsOptional => TlsPolicy::StartTlsOptional,
        TlsMode::Implicit => TlsPolicy::Implicit,
        TlsMode::None => TlsPolicy::None,
    };
    profile.require_auth = listener.require_auth;
    profile.mechanisms = listener.auth.mechanisms.as_deref().map(<[_]>::to_vec);
    let usual = match listener.profile {
        ListenerProfile::Submission => QuirkSet::SUBMISSION,
        ListenerProfile::Legacy => QuirkSet::LEGACY,
    };
    let besides = listener.tolerate.iter();
    profile.quirks = besides.fold(usual, |set, quirk| set.with(*quirk));
    profile.size_limit = limits.message_size;
    profile.limits.recipients = u32::try_from(limits.recipients).unwrap_or(u32::MAX);
    profile.limits.command = limits.command_timeout;
    profile
}
