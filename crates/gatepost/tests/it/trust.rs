//! What the TLS clients of the tests trust: the authorities in these files, and nobody else. They show no certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// Every version that the library speaks.
pub(crate) const VERSIONS: &[&SupportedProtocolVersion] =
    &[&rustls::version::TLS12, &rustls::version::TLS13];

pub(crate) fn trusting(
    authorities: &[&Path],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots(authorities))
        .with_no_client_auth()
}

pub(crate) fn roots(authorities: &[&Path]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let certificate = CertificateDer::from_pem_file(authority).unwrap();
        roots.add(certificate).unwrap();
    }
    roots
}
