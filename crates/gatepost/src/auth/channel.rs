//! What a connection is, as far as proving an identity goes.

use std::net::IpAddr;
use std::sync::Arc;

use gatepost_sasl::{ChannelBindings, LayerPolicy, Mechanism, Needs, VerifierKind};

use super::certificate::ClientCertificate;
use crate::config::resolved::{HostPort, must_be_named};

/// A connection's protection and the rules of the listener it came in by.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    /// TLS is active.
    pub tls: bool,
    /// That TLS is of a version that protects little (RFC 8996): what must not be shown in clear text is not shown in it either.
    pub deprecated_tls: bool,
    /// It came in by a legacy listener: old devices on a trusted network.
    pub legacy: bool,
    /// What the TLS connection can be bound by.
    pub bindings: ChannelBindings,
    /// Which security layers may be agreed on (LAYER-07).
    pub layers: LayerPolicy,
    /// The certificate that the client presented in TLS, if it has an owner.
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// The only mechanisms of the listener, if it names them.
    pub mechanisms: Option<Arc<[&'static Mechanism]>>,
    /// The account that guests of the listener act for.
    pub anonymous_account: Option<Arc<str>>,
    /// The names and ports by which clients reach the listener; empty when that is not known.
    pub reached_as: Arc<[HostPort]>,
}

impl Channel {
    /// Whether this connection is what the client believes to have reached (RFC 7628 §3.2). What it does not say, or we do not know,
    /// is no contradiction.
    pub fn is_reached_as(&self, host: Option<&str>, port: Option<u16>) -> bool {
        self.reached_as.is_empty()
            || self.reached_as.iter().any(|known| {
                host.is_none_or(|host| host.eq_ignore_ascii_case(&known.host))
                    && port.is_none_or(|port| port == known.port)
            })
    }

    /// Whether a mechanism may be used at all here, whoever the user is: nothing that shows the password
    /// in clear and no CRAM-MD5 or DIGEST-MD5 outside the legacy lane, no bearer token in clear or in deprecated TLS even there (OAB-08), nothing
    /// that binds to a TLS that is not there, nothing that the listener does not have.
    pub fn permits(&self, mechanism: &Mechanism) -> bool {
        let in_clear = mechanism.exposes_password && !self.tls;
        let weak = matches!(
            mechanism.needs,
            Needs::Verifier(VerifierKind::CramMd5 | VerifierKind::DigestMd5)
        );
        let bound = mechanism.binds_channel && self.bindings == ChannelBindings::default();
        let token = mechanism.requires_tls() && (!self.tls || self.deprecated_tls);
        let fits = self.legacy || !(in_clear || weak);
        fits && !bound && !token && self.has(mechanism)
    }

    fn has(&self, mechanism: &Mechanism) -> bool {
        match &self.mechanisms {
            Some(named) => named.contains(&mechanism),
            None => !must_be_named(mechanism),
        }
    }
}

/// Who is at the other end of an exchange.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address it connects from.
    pub address: IpAddr,
    /// The connection.
    pub channel: Channel,
}
