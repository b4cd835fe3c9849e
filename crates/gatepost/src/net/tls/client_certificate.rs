//! Client certificates: asked for, never demanded, judged when the handshake is over.
//!
//! A certificate that nobody knows, that has ended or that another authority signed does not end the handshake: the client goes on as
//! one without certificate, and the log says why. What the handshake does prove, always, is that the client has the certificate's
//! key: its signature is verified by the TLS library, and a wrong one ends the connection.
//!
//! A certificate counts within its time only. Names in it count only if an authority of the listener signed it for clients
//! (extended key usage, where it has one); a pinned key counts without an authority. All of it is judged anew for each connection, also
//! for one that takes up the keys of an earlier one.
//!
//! Standards: RFC 5280 §4.1.2.5, §4.2.1.6 and §4.2.1.12, RFC 4514, RFC 8446 §4.3.2, RFC 8314 §4.2.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use ::aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::TlsError;
use super::distinguished_name;
use crate::auth::certificate::{self, ClientCertificate, Features, Unmapped};
use crate::config::resolved::CertificateRule;

/// Who judges the certificates that clients present on one listener.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// Without one, only pinned keys count.
    authority: Option<Arc<dyn ClientCertVerifier>>,
    rules: Arc<[CertificateRule]>,
}

/// A certificate that a client presented, and what it is worth.
#[derive(Debug, Clone)]
pub struct Presented {
    /// SHA-256 of it in hexadecimal.
    pub fingerprint: String,
    /// Whose it is, or why it counts as none.
    pub standing: Result<Arc<ClientCertificate>, String>,
}

impl ClientCertificates {
    /// Judges by these rules, and by the authorities in the file if there is one.
    pub fn load(authority: Option<&Path>, rules: Arc<[CertificateRule]>) -> Result<Self, TlsError> {
        let authority = authority.map(load_authority).transpose()?;
        Ok(Self { authority, rules })
    }

    /// What the TLS library needs to ask for certificates.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        let pins = self.rules.iter().any(CertificateRule::is_pin);
        // With names of authorities, clients present certificates of those only; a pinned one can be anybody's.
        let hints = match &self.authority {
            Some(authority) if !pins => authority.root_hint_subjects().to_vec(),
            _ => Vec::new(),
        };
        Arc::new(Asking {
            hints,
            algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
        })
    }

    /// What the client of a finished handshake presented, if anything.
    pub fn presented(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Option<Presented> {
        let (leaf, intermediates) = chain.split_first()?;
        let fingerprint = hexadecimal(digest(&SHA256, leaf).as_ref());
        let standing = self.account(leaf, intermediates, now).map(|account| {
            Arc::new(ClientCertificate {
                fingerprint: fingerprint.clone(),
                account,
            })
        });
        Some(Presented {
            fingerprint,
            standing,
        })
    }

    fn account(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<String, String> {
        let unreadable = || "it cannot be read".to_owned();
        // The key as the TLS library sees it, which has verified the signature by it.
        let parsed = ParsedCertificate::try_from(leaf).map_err(|_| unreadable())?;
        let key = parsed.subject_public_key_info();
        let (_, fields) = x509_parser::parse_x509_certificate(leaf).map_err(|_| unreadable())?;
        in_its_time(&fields, now)?;
        let trusted = match &self.authority {
            None => Err("only pinned keys count here".to_owned()),
            Some(authority) => authority
                .verify_client_cert(leaf, intermediates, now)
                .map_err(|error| error.to_string()),
        };
        let features = features(&fields, digest(&SHA256, &key).as_ref(), trusted.is_ok());
        match certificate::account_of(&self.rules, &features) {
            Ok(account) => Ok(account.to_owned()),
            Err(Unmapped::SeveralAccounts) => Err(format!(
                "several accounts have rules for it; {}",
                described(&features)
            )),
            Err(Unmapped::NoRule) => Err(match trusted {
                Ok(_) => format!("no account has a rule for it; {}", described(&features)),
                Err(why) => format!("{why}; {}", described(&features)),
            }),
        }
    }
}

fn load_authority(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    const OPTION: &str = "listener.client_ca";
    let certificates = super::certificate::read(OPTION, file, |path| {
        CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()
    })?;
    let unusable = |fault: String| TlsError::File {
        option: OPTION,
        file: file.display().to_string(),
        fault,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| unusable(format!("a certificate of it cannot be used: {error}")))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier
        .map(|verifier| -> Arc<dyn ClientCertVerifier> { verifier })
        .map_err(|_| unusable("it holds no certificate in PEM form".to_owned()))
}

/// EXT-05. Also for a pinned key: a certificate says itself how long it is to be believed.
fn in_its_time(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), String> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        return Err(format!("it is not valid before {}", validity.not_before));
    }
    if now > validity.not_after.timestamp() {
        return Err(format!("it has expired: {}", validity.not_after));
    }
    Ok(())
}

fn features(certificate: &X509Certificate<'_>, key: &[u8], trusted: bool) -> Features {
    let mut features = Features {
        key_sha256: key.try_into().unwrap_or_default(),
        subject: distinguished_name::text(certificate.subject()),
        trusted,
        ..Features::default()
    };
    let names = certificate.subject_alternative_name().ok().flatten();
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::RFC822Name(email) => features.emails.push((*email).to_owned()),
            GeneralName::DNSName(name) => features.dns_names.push((*name).to_owned()),
            _ => {}
        }
    }
    features
}

/// What a rule for it could be made of.
fn described(features: &Features) -> String {
    let mut text = format!("key_sha256 {}", hexadecimal(&features.key_sha256));
    let emails = features.emails.iter().map(|it| ("email", it));
    let dns = features.dns_names.iter().map(|it| ("dns", it));
    let subject = [("subject", &features.subject)];
    for (key, value) in subject.into_iter().chain(emails).chain(dns) {
        let _ = write!(text, ", {key} {value:?}");
    }
    text
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Asks for a certificate and takes any: what it is worth is judged after the handshake. The proof that the client has its key is not
/// left out.
#[derive(Debug)]
struct Asking {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
