//! Our own certificate: read, held against its key, and shown to servers that ask for one in TLS.
//!
//! Everything that can be wrong with the two files is found when they are read, except that a certificate has ended: that is asked anew
//! before each connection. The private key never leaves the TLS library, and its file's content is wiped from memory.
//!
//! A certificate may be all that proves who we are (EXTERNAL), or stand beside a password for servers that want both. Connections that
//! can show one never take up the keys of an earlier connection: whether the server has seen it is a fact of this handshake (EXT-04).
//!
//! Standards: RFC 5280 §4.1.2.5, RFC 8446 §4.4.2.

use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use gatepost_sasl::Secret;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, SignatureScheme};
use sha2::{Digest, Sha256};
use x509_parser::time::ASN1Time;
use zeroize::Zeroize as _;

use crate::error::AddressError;

/// A certificate with its private key, to show to servers. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    /// SHA-256 of it in hexadecimal.
    fingerprint: Arc<str>,
    /// Where it was read from.
    place: Arc<str>,
    not_before: ASN1Time,
    not_after: ASN1Time,
}

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// A file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// There is no certificate in PEM form.
    #[error("it holds no certificate in PEM form")]
    NoCertificate,
    /// What stands there as a certificate is none.
    #[error("its certificate cannot be read")]
    Damaged,
    /// There is no private key in PEM form.
    #[error("it holds no private key in PEM form")]
    NoKey,
    /// The private key is protected by a passphrase.
    #[error("its private key is protected by a passphrase")]
    Encrypted,
    /// The private key is of a kind that cannot be used, or damaged.
    #[error("its private key cannot be used: {0}")]
    Unusable(rustls::Error),
    /// Certificate and key do not belong together.
    #[error("its private key is not that of the certificate in {certificate}")]
    Mismatch {
        /// The file of the certificate.
        certificate: String,
    },
    /// The certificate is no longer valid.
    #[error("its certificate ended on {0}")]
    Ended(String),
    /// The certificate is not valid yet.
    #[error("its certificate is not valid before {0}")]
    NotYet(String),
}

impl Certificate {
    /// From two files in PEM form, which may be the same one: the certificate, followed by those of authorities in between if there are any,
    /// and its private key, which must not be protected by a passphrase.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, AddressError> {
        let read = |path: &Path| {
            let octets = std::fs::read(path).map(Secret::new);
            octets.map_err(|error| at(&path.display(), error.into()))
        };
        let places = [certificate, key].map(|path| path.display().to_string());
        let [certificate, key] = [read(certificate)?, read(key)?];
        Self::from_pem(
            certificate.expose(),
            key.expose(),
            places.each_ref().map(String::as_str),
        )
    }

    /// From PEM text. `places` name the origins of certificate and key in errors.
    pub fn from_pem(
        certificate: &[u8],
        key: &[u8],
        places: [&str; 2],
    ) -> Result<Self, AddressError> {
        let [place, key_place] = places;
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| at(&place, CertificateFault::Damaged))?;
        let leaf = chain
            .first()
            .ok_or_else(|| at(&place, CertificateFault::NoCertificate))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|_| at(&place, CertificateFault::Damaged))?;
        let (not_before, not_after) = (parsed.validity().not_before, parsed.validity().not_after);
        let fingerprint = hexadecimal(&Sha256::digest(leaf));
        let mut private = private_key(key).map_err(|fault| at(&key_place, fault))?;
        let signing = any_supported_type(&private);
        private.zeroize();
        let signing = signing.map_err(|error| at(&key_place, CertificateFault::Unusable(error)))?;
        let pair = CertifiedKey::new(chain, signing);
        match pair.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => {
                let certificate = place.to_owned();
                return Err(at(&key_place, CertificateFault::Mismatch { certificate }));
            }
        }
        Ok(Self {
            key: Arc::new(pair),
            fingerprint: fingerprint.into(),
            place: place.into(),
            not_before,
            not_after,
        })
    }

    /// SHA-256 of the certificate in hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its last second.
    pub fn expires(&self) -> SystemTime {
        let since = u64::try_from(self.not_after.timestamp()).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::from_secs(since)
    }

    /// Whether it can be shown at this time. Servers refuse one that cannot, with fewer words.
    pub fn valid_at(&self, now: SystemTime) -> Result<(), AddressError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs().try_into().unwrap_or(i64::MAX));
        let fault = if now > self.not_after.timestamp() {
            CertificateFault::Ended(self.not_after.to_string())
        } else if now < self.not_before.timestamp() {
            CertificateFault::NotYet(self.not_before.to_string())
        } else {
            return Ok(());
        };
        Err(at(&self.place, fault))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("place", &self.place)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl CertificateFault {
    /// What to do about it. A phrase without a capital or a full stop.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check the path, and that this user may read the file",
            Self::NoCertificate | Self::Damaged => {
                "give a file with BEGIN CERTIFICATE; from PKCS#12: openssl pkcs12 -in FILE -clcerts -nokeys -out certificate.pem"
            }
            Self::NoKey => {
                "give a file with BEGIN PRIVATE KEY; from PKCS#12: openssl pkcs12 -in FILE -nocerts -nodes -out key.pem"
            }
            Self::Encrypted => {
                "write it without one, in a file that nobody else may read: openssl pkey -in FILE -out key.pem"
            }
            Self::Unusable(_) => "use an RSA key of 2048 bits or more, ECDSA (P-256) or Ed25519",
            Self::Mismatch { .. } => {
                "compare the output of: openssl x509 -in CERTIFICATE -noout -pubkey; openssl pkey -in KEY -pubout"
            }
            Self::Ended(_) => "renew it",
            Self::NotYet(_) => "check the clock of this machine",
        }
    }
}

/// The certificate on one connection.
#[derive(Debug)]
pub(crate) struct Presented {
    certificate: Certificate,
    shown: AtomicBool,
}

impl Presented {
    pub(crate) fn new(certificate: Certificate) -> Self {
        Self {
            certificate,
            shown: AtomicBool::new(false),
        }
    }

    /// Its fingerprint, if the server asked for it and got it.
    pub(crate) fn shown(&self) -> Option<String> {
        let shown = self.shown.load(Ordering::Acquire);
        shown.then(|| self.certificate.fingerprint().to_owned())
    }
}

impl ResolvesClientCert for Presented {
    /// Whatever authorities the server names: many name none that counts, and one that does not know ours says so.
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let key = &self.certificate.key;
        key.key.choose_scheme(schemes)?;
        self.shown.store(true, Ordering::Release);
        Some(Arc::clone(key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateFault> {
    // Of PKCS#8, and the older form of OpenSSL.
    let encrypted = [
        &b"BEGIN ENCRYPTED PRIVATE KEY"[..],
        b"Proc-Type: 4,ENCRYPTED",
    ];
    let holds = |words: &[u8]| pem.windows(words.len()).any(|part| part == words);
    if encrypted.into_iter().any(holds) {
        return Err(CertificateFault::Encrypted);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| CertificateFault::NoKey)
}

fn at(place: &dyn fmt::Display, fault: CertificateFault) -> AddressError {
    AddressError::Certificate {
        place: place.to_string(),
        fault,
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2040, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn fault(certificate: &str, key: &str) -> String {
        let places = ["cert.pem", "key.pem"];
        let error = Certificate::from_pem(certificate.as_bytes(), key.as_bytes(), places);
        format!("{:#}", crate::Error::from(error.unwrap_err()))
    }

    #[test]
    fn files_of_every_wrong_kind_are_named_with_what_to_do() {
        let (certificate, key) = pair();
        let (_, other_key) = pair();
        let places = ["cert.pem", "key.pem"];
        for (first, second) in [
            (certificate.clone(), key.clone()),
            (format!("{certificate}{key}"), format!("{certificate}{key}")),
            (certificate.trim().to_owned(), key.trim().to_owned()),
        ] {
            Certificate::from_pem(first.as_bytes(), second.as_bytes(), places).unwrap();
        }
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let old_form = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let junk = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (first, second, place, what, next) in [
            ("", &*key, "cert.pem", "no certificate", "openssl pkcs12"),
            (&*key, &*key, "cert.pem", "no certificate", "openssl pkcs12"),
            (broken, &*key, "cert.pem", "cannot be read", "BEGIN CERT"),
            (&*certificate, "", "key.pem", "no private key", "-nocerts"),
            (
                &*certificate,
                &*certificate,
                "key.pem",
                "no private key",
                "-nocerts",
            ),
            (
                &*certificate,
                &*encrypted,
                "key.pem",
                "protected by a passphrase",
                "openssl pkey",
            ),
            (
                &*certificate,
                old_form,
                "key.pem",
                "protected by a passphrase",
                "openssl pkey",
            ),
            (&*certificate, junk, "key.pem", "cannot be used", "RSA"),
            (
                &*certificate,
                &*other_key,
                "key.pem",
                "not that of the certificate in cert.pem",
                "-pubkey",
            ),
        ] {
            let said = fault(first, second);
            assert!(
                said.contains(place) && said.contains(what) && said.contains(next),
                "{said}"
            );
        }
    }

    // EXT-05: "expiry".
    #[test]
    fn ext_05_a_certificate_is_shown_within_its_time() {
        let (certificate, key) = pair();
        let places = ["cert.pem", "key.pem"];
        let certificate =
            Certificate::from_pem(certificate.as_bytes(), key.as_bytes(), places).unwrap();
        let at =
            |year: u64| SystemTime::UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_556_952);
        assert!(certificate.valid_at(at(2030)).is_ok());
        let ended = certificate.valid_at(at(2041)).unwrap_err().to_string();
        assert!(
            ended.contains("cert.pem") && ended.contains("ended on") && ended.contains("2040"),
            "{ended}"
        );
        let early = certificate.valid_at(at(2019)).unwrap_err().to_string();
        assert!(early.contains("not valid before"), "{early}");
    }

    #[test]
    fn debug_output_holds_no_key() {
        let (certificate, key) = pair();
        let shown = Certificate::from_pem(certificate.as_bytes(), key.as_bytes(), ["c", "k"]);
        let shown = format!("{:?}", shown.unwrap());
        assert_eq!(shown.matches('"').count(), 4, "{shown}");
    }
}
