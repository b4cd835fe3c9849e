//! TLS towards a server: whom to trust, and what to tell the session about the channel.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use gatepost_sasl::ChannelBindings;
use gatepost_smtp::TlsFacts;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, InvalidMessage, ProtocolVersion,
    RootCertStore,
};

use crate::certificate::Presented;
use crate::end_point::server_end_point;
use crate::error::AddressError;

/// The certificate authorities to trust. Cheap to clone; clones share the cache of TLS sessions to resume.
#[derive(Debug, Clone)]
pub struct Roots(Arc<ClientConfig>);

impl Roots {
    /// Those of the system, read once per process.
    pub fn native() -> Result<Self, AddressError> {
        static NATIVE: OnceLock<Roots> = OnceLock::new();
        if let Some(roots) = NATIVE.get() {
            return Ok(roots.clone());
        }
        let found = rustls_native_certs::load_native_certs();
        let errors = found.errors.iter().map(ToString::to_string);
        let why = errors.collect::<Vec<_>>().join("; ");
        let roots = Self::trusting(found.certs, "the system's store", &why)?;
        Ok(NATIVE.get_or_init(|| roots).clone())
    }

    /// Those in a PEM file, and no others: for a private authority.
    pub fn from_pem_file(file: &Path) -> Result<Self, AddressError> {
        let place = file.display().to_string();
        let unreadable = |why: &dyn ToString| AddressError::Roots {
            place: place.clone(),
            why: why.to_string(),
        };
        let pem = std::fs::read(file).map_err(|error| unreadable(&error))?;
        Self::from_pem(&pem, &place)
    }

    /// Those in PEM text, and no others. `place` names its origin in errors.
    pub fn from_pem(pem: &[u8], place: &str) -> Result<Self, AddressError> {
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|error| AddressError::Roots {
            place: place.to_owned(),
            why: error.to_string(),
        })?;
        Self::trusting(certificates, place, "")
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    /// The same, showing a certificate. Without resumption: that would be a connection to which nothing was shown.
    pub(crate) fn config_showing(&self, presented: Arc<Presented>) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.0);
        config.client_auth_cert_resolver = presented;
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }

    fn trusting(
        certificates: Vec<CertificateDer<'static>>,
        place: &str,
        why: &str,
    ) -> Result<Self, AddressError> {
        let failed = |why: &str| AddressError::Roots {
            place: place.to_owned(),
            why: why.to_owned(),
        };
        let mut store = RootCertStore::empty();
        let (usable, _) = store.add_parsable_certificates(certificates);
        if usable == 0 {
            return Err(failed(if why.is_empty() { "there is none" } else { why }));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// What the session may know of a finished handshake. The exporter and, from the certificate that this server showed, its end point can
/// bind an exchange; `tls-unique` is not to be had from the library.
pub(crate) fn facts(connection: &ClientConnection, host: &str) -> TlsFacts {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        other => format!("{other:?}"),
    };
    let suite = connection.negotiated_cipher_suite();
    let cipher = suite
        .and_then(|suite| suite.suite().as_str())
        .unwrap_or_default();
    TlsFacts {
        version,
        cipher: iana_name(cipher),
        group: connection
            .negotiated_key_exchange_group()
            .map(|group| format!("{:?}", group.name())),
        sni: Some(host.to_owned()),
        channel_bindings: ChannelBindings {
            tls_exporter: exporter(connection),
            // Of a resumed session, the certificate that was shown when it began.
            tls_server_end_point: connection
                .peer_certificates()
                .and_then(|chain| server_end_point(chain.first()?)),
            ..ChannelBindings::default()
        },
        ..TlsFacts::default()
    }
}

/// The library says `TLS13_…` for what everybody else calls `TLS_…`.
fn iana_name(suite: &str) -> String {
    suite.replacen("TLS13_", "TLS_", 1)
}

/// RFC 9266 §2. Below TLS 1.3 the value is safe only under conditions that cannot be asked here (CB-02).
fn exporter(connection: &ClientConnection) -> Option<[u8; 32]> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    connection
        .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
        .ok()
}

/// Whether the server ends the connection for our certificate, or for want of one (RFC 8446 §6.2).
pub(crate) fn is_about_our_certificate(error: &io::Error) -> bool {
    let Some(rustls::Error::AlertReceived(alert)) = cause(error) else {
        return false;
    };
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

/// Whether a failed handshake means that the server greeted in clear (TLS-12).
pub(crate) fn is_clear_text(error: &io::Error) -> bool {
    matches!(
        cause(error),
        Some(rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
        ))
    )
}

fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
