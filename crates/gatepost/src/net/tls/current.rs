//! TLS 1.2 and 1.3, by rustls.
//!
//! Every listener has ticket keys of its own, so that a session of one cannot be resumed at another.
//!
//! A connection of TLS 1.3 can bind an exchange by its exporter and by the certificate that was shown on it. On TLS 1.2 clients would choose
//! `tls-unique`, which this library does not give, so nothing is bound there unless the listener is told to ([`Rules::plus_on_tls12`]).
//!
//! Standards: RFC 8446, RFC 5246, RFC 7301, RFC 9266.

use std::io;
use std::sync::Arc;

use gatepost_sasl::ChannelBindings;
use gatepost_smtp::TlsFacts;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{
    NoServerSessionStorage, ServerConfig, ServerConnection, WebPkiClientVerifier,
};
use rustls::{
    Error, HandshakeKind, PeerIncompatible, ProtocolVersion, SupportedCipherSuite,
    SupportedProtocolVersion, version,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{APPLICATION_PROTOCOLS, Certificates, ClientCertificates, TlsError};

const NEWEST: [&SupportedProtocolVersion; 1] = [&version::TLS13];

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// What a listener may want otherwise than usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// TLS 1.3 alone.
    pub newest_only: bool,
    /// TLS 1.2 can bind exchanges as well; a client must then have the extended master secret, without which its exporter would be
    /// worth nothing (CB-02, RFC 7627 §6.1).
    pub plus_on_tls12: bool,
}

/// The server's side of current TLS on one listener.
#[derive(Clone)]
pub(super) struct CurrentTls {
    pub(super) acceptor: TlsAcceptor,
    certificates: Certificates,
    plus_on_tls12: bool,
}

impl CurrentTls {
    /// Asks for certificates if there is somebody to judge them.
    pub(super) fn new(
        certificates: &Certificates,
        clients: Option<&ClientCertificates>,
        rules: Rules,
    ) -> Result<Self, TlsError> {
        let config = server_config(certificates, clients, rules)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificates: certificates.clone(),
            plus_on_tls12: rules.plus_on_tls12,
        })
    }

    /// Takes the server's part in a handshake.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> io::Result<TlsStream<S>> {
        self.acceptor.accept(socket).await.map_err(explained)
    }

    /// What the session, the log and the trace field are told about a finished handshake (TLS-16).
    pub(super) fn facts(&self, connection: &ServerConnection) -> TlsFacts {
        let bindable = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => true,
            Some(ProtocolVersion::TLSv1_2) => self.plus_on_tls12,
            _ => false,
        };
        TlsFacts {
            channel_bindings: if bindable {
                self.bindings(connection)
            } else {
                ChannelBindings::default()
            },
            ..facts(connection)
        }
    }

    /// CB-01. Renegotiation, which would undefine the exporter, the library does not have (CB-10).
    fn bindings(&self, connection: &ServerConnection) -> ChannelBindings {
        let exporter =
            connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
        let end_point = self.certificates.end_point(connection.server_name());
        ChannelBindings {
            tls_exporter: exporter.ok(),
            tls_server_end_point: end_point.map(<[u8]>::to_vec),
            tls_unique: None,
        }
    }
}

fn server_config(
    certificates: &Certificates,
    clients: Option<&ClientCertificates>,
    rules: Rules,
) -> Result<ServerConfig, TlsError> {
    let asking = clients.map_or_else(
        WebPkiClientVerifier::no_client_auth,
        ClientCertificates::verifier,
    );
    let versions = if rules.newest_only {
        &NEWEST[..]
    } else {
        &VERSIONS[..]
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .map_err(TlsError::Setup)?
        .with_client_cert_verifier(asking)
        .with_cert_resolver(Arc::new(certificates.clone()));
    config.ignore_client_order = true;
    config.alpn_protocols = APPLICATION_PROTOCOLS.map(<[u8]>::to_vec).into();
    // Tickets keep the state at the client: no memory here, and keys that no other listener has.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // A mail client opens one connection at a time; a second ticket would only cost.
    config.send_tls13_tickets = 1;
    config.require_ems = rules.plus_on_tls12;
    Ok(config)
}

/// Ciphers in our own order: AES-128 with SHA-256 first. It is the suite that every TLS 1.3 implementation has (RFC 8446 §9.1), strong
/// enough for anything this key exchange protects, and processors have instructions for all of it. The SHA-384 of the AES-256 suites is
/// computed without, dozens of times in a handshake, and handshakes are most of what a submission server does.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let is_first = |suite: &SupportedCipherSuite| {
        let name = suite.suite().as_str().unwrap_or_default();
        name.contains("AES_128_GCM")
    };
    // A stable sort: among equals, the library's order holds.
    provider.cipher_suites.sort_by_key(|suite| !is_first(suite));
    provider
}

/// Who reads the log cannot know by which word the library means an old device.
fn explained(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|it| it.downcast_ref());
    let too_old = matches!(
        cause,
        Some(Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::SupportedVersionsExtensionRequired
                // What clients of TLS 1.0 and 1.1 lack first.
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        ))
    );
    if too_old {
        let detail = format!("the client is too old for the TLS of this listener ({error})");
        return io::Error::new(error.kind(), detail);
    }
    error
}

/// All but what it can be bound by.
fn facts(connection: &ServerConnection) -> TlsFacts {
    TlsFacts {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".into(),
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".into(),
            _ => String::new(),
        },
        cipher: connection
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .map(iana_name)
            .unwrap_or_default(),
        group: connection
            .negotiated_key_exchange_group()
            .and_then(|group| group.name().as_str().map(str::to_owned)),
        sni: connection.server_name().map(str::to_owned),
        alpn: connection
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        client_certificate: None,
        channel_bindings: ChannelBindings::default(),
    }
}

/// The registered name: rustls writes `TLS13_` where IANA writes `TLS_`.
fn iana_name(name: &str) -> String {
    name.replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The suite that a client gets when it offers all of them, of each version and kind of certificate.
    #[test]
    fn aes_128_comes_first_and_nothing_is_left_out() {
        let suites = provider().cipher_suites;
        assert_eq!(suites.len(), aws_lc_rs::DEFAULT_CIPHER_SUITES.len());
        let names = suites.iter().filter_map(|suite| suite.suite().as_str());
        for kind in ["TLS13_", "TLS_ECDHE_ECDSA_WITH_", "TLS_ECDHE_RSA_WITH_"] {
            let first = names.clone().find(|name| name.starts_with(kind)).unwrap();
            assert_eq!(first, format!("{kind}AES_128_GCM_SHA256"));
        }
    }
}
