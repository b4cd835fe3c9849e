//! Certificates for `localhost` and `127.0.0.1`, good ones and others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_client::{Certificate, Roots};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// An authority and what it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each has a name of its own: else one looks like another with a wrong signature.
        let name = format!("authority {}", NEXT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Trust in this authority and no other.
    pub(crate) fn roots(&self) -> Roots {
        Roots::from_pem(self.pem.as_bytes(), "the test's authority").unwrap()
    }

    /// A server that presents a certificate for these names.
    pub(crate) fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        self.acceptor_of(&CertificateParams::new(names).unwrap())
    }

    /// A server whose certificate has expired.
    pub(crate) fn expired(&self) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.acceptor_of(&params)
    }

    /// A server for `localhost` that wants certificates of this authority's clients, or takes them if they come.
    pub(crate) fn asking_acceptor(
        &self,
        version: &'static SupportedProtocolVersion,
        demanded: bool,
    ) -> TlsAcceptor {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = if demanded {
            verifier
        } else {
            verifier.allow_unauthenticated()
        };
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        self.acceptor_with(&params, version, verifier.build().unwrap())
    }

    /// A certificate for a client, and its fingerprint.
    pub(crate) fn client(&self) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let places = ["the test's certificate", "the test's key"];
        Certificate::from_pem(
            certificate.as_bytes(),
            key.serialize_pem().as_bytes(),
            places,
        )
        .unwrap()
    }

    fn acceptor_of(&self, params: &CertificateParams) -> TlsAcceptor {
        self.acceptor_with(params, &TLS13, Arc::new(NoClientAuth))
    }

    fn acceptor_with(
        &self,
        params: &CertificateParams,
        version: &'static SupportedProtocolVersion,
        verifier: Arc<dyn ClientCertVerifier>,
    ) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
