//! Would a mail program accept the certificate?

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier as _;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use super::plan::{CertificateSource, Plan};
use super::report::Report;
use crate::net::tls::Certificates;

const CHECK: &str = "certificate";

/// Certificate and key belong together; the certificate is good for the name, today, to whoever trusts the authority.
pub(super) fn check(plan: &Plan, report: &mut Report) {
    let files = plan.tls_files();
    if let Err(error) = Certificates::load(&files, &[]) {
        return report.fail(
            CHECK,
            error.to_string(),
            "both files must be PEM and belong together, and the certificate comes before its intermediates",
        );
    }
    let (authorities, trial) = match &plan.certificate {
        CertificateSource::Given(_) => (rustls_native_certs::load_native_certs().certs, false),
        CertificateSource::Trial(directory) => (read(&directory.join("ca.pem")), true),
    };
    match verify(&read(&files.certificate), authorities, &plan.hostname) {
        Ok(()) if trial => report.warn(
            CHECK,
            format!(
                "good for {}, from an authority of this server's own, for a trial",
                plan.hostname
            ),
            "get one from an authority that mail programs know before users come",
        ),
        Ok(()) => report.pass(
            CHECK,
            format!(
                "good for {}, from an authority this machine knows",
                plan.hostname
            ),
        ),
        Err(Error::InvalidCertificate(
            fault @ (CertificateError::UnknownIssuer | CertificateError::UnknownRevocationStatus),
        )) => report.warn(
            CHECK,
            format!("nobody whom this machine trusts signed it: {fault}"),
            "fine for a private authority that every client knows; otherwise the file lacks the intermediates",
        ),
        Err(error) => report.fail(
            CHECK,
            error.to_string(),
            format!("mail programs will refuse it: get one for {}", plan.hostname),
        ),
    }
}

fn verify(
    chain: &[CertificateDer<'static>],
    authorities: Vec<CertificateDer<'static>>,
    name: &str,
) -> Result<(), Error> {
    let name =
        ServerName::try_from(name.to_owned()).map_err(|error| Error::General(error.to_string()))?;
    // A wrong name is wrong whoever signed it.
    if let Some(leaf) = chain.first() {
        verify_server_name(&ParsedCertificate::try_from(leaf)?, &name)?;
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let (Some((leaf, intermediates)), false) = (chain.split_first(), roots.is_empty()) else {
        return Err(unknown);
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(aws_lc_rs::default_provider()),
    )
    .build()
    .map_err(|error| Error::General(error.to_string()))?;
    verifier
        .verify_server_cert(leaf, intermediates, &name, &[], UnixTime::now())
        .map(drop)
}

/// The certificates of a PEM file; whether there are any was asked before.
fn read(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file)
        .map(|certificates| certificates.flatten().collect())
        .unwrap_or_default()
}
