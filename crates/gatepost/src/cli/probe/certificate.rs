//! The server's certificate, as a careful client would see it.
//!
//! The witness lets every certificate pass and remembers it, so that a server with a bad one can still be asked everything else. The
//! probe says nothing secret on such a connection: it asks [`Witness::trusts`] first.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};

use super::report::Verdict;
use crate::cli::CommandError;

/// Days before the end of a certificate at which its renewal is late: the usual tools renew a month before.
const SOON: u64 = 14;

/// The longest life that is looked for, in days: more than any public authority gives.
const FAR: u64 = 4000;

/// Remembers what was shown.
#[derive(Debug)]
pub(super) struct Witness {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug, Clone)]
struct Seen {
    chain: Vec<CertificateDer<'static>>,
    name: ServerName<'static>,
}

impl Witness {
    /// Trusts the authorities in this file, or the system's.
    pub(super) fn new(ca: Option<&Path>) -> Result<Arc<Self>, CommandError> {
        let mut roots = RootCertStore::empty();
        let authorities: Vec<_> = match ca {
            None => rustls_native_certs::load_native_certs().certs,
            Some(file) => CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect)
                .map_err(|error| {
                    CommandError::Failed(format!("--ca {}: {error}", file.display()))
                })?,
        };
        roots.add_parsable_certificates(authorities);
        Ok(Arc::new(Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            roots: Arc::new(roots),
            seen: Mutex::new(None),
        }))
    }

    /// The settings of a connection with this witness, of one of these TLS versions.
    pub(super) fn config(
        self: &Arc<Self>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Arc<ClientConfig>> {
        let verifier = Arc::clone(self);
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// Whether a careful client would go on after the handshake that was seen last.
    pub(super) fn trusts(&self) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref()
            .is_some_and(|seen| self.verify(seen, UnixTime::now()).is_ok())
    }

    /// What a careful client would make of the certificate.
    pub(super) fn verdict(&self) -> (Verdict, String) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = seen.as_ref() else {
            return (Verdict::Skipped, "no TLS".to_owned());
        };
        let now = UnixTime::now();
        if let Err(error) = self.verify(seen, now) {
            return (Verdict::Fault, error.to_string());
        }
        let days = self.days_left(seen, now);
        let found = format!(
            "good for {}, {} certificates sent, for {days} more days",
            seen.name.to_str(),
            seen.chain.len()
        );
        if days < SOON {
            (Verdict::Note, format!("{found}: renew it"))
        } else {
            (Verdict::Ok, found)
        }
    }

    /// Whole days for which it stays good.
    fn days_left(&self, seen: &Seen, now: UnixTime) -> u64 {
        let good_after = |days: u64| {
            let then = Duration::from_secs(now.as_secs() + days * 24 * 60 * 60);
            self.verify(seen, UnixTime::since_unix_epoch(then)).is_ok()
        };
        let (mut good, mut bad) = (0, FAR);
        while bad - good > 1 {
            let middle = u64::midpoint(good, bad);
            if good_after(middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        good
    }

    fn verify(&self, seen: &Seen, at: UnixTime) -> Result<(), Error> {
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
        let (leaf, intermediates) = seen
            .chain
            .split_first()
            .ok_or(Error::NoCertificatesPresented)?;
        verifier
            .verify_server_cert(leaf, intermediates, &seen.name, &[], at)
            .map(drop)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf)
            .chain(intermediates)
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        let name = name.to_owned();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { chain, name });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
