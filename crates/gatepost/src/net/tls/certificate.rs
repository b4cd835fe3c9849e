//! Certificates with their keys: read, held against each other, chosen by the name a client asks for.
//!
//! Everything that can be wrong with the files is found when they are read, at start, at a reload and by `gatepost check`.
//!
//! Standards: RFC 7817 §3 (names), RFC 8314 §4.4 (the name a client asks for).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::SignatureAlgorithm;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::TlsError;
use crate::config::resolved::TlsFiles;

/// A certificate with its key, ready to use on any number of listeners.
#[derive(Debug, Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    file: PathBuf,
    expires: SystemTime,
    /// What an exchange can be bound to this certificate by; undefined for some (CB-03).
    end_point: Option<Vec<u8>>,
}

/// All certificates of the server: one for everybody, and further ones for who asks for their names.
#[derive(Debug, Clone)]
pub struct Certificates {
    first: Certificate,
    more: Vec<Certificate>,
}

/// When a certificate ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The file it was read from.
    pub file: PathBuf,
    /// Its last second.
    pub at: SystemTime,
}

impl Certificates {
    /// Reads all files and proves that certificates and keys belong together.
    pub fn load(first: &TlsFiles, more: &[TlsFiles]) -> Result<Self, TlsError> {
        let more = more
            .iter()
            .map(|files| Certificate::load(files, "tls.more.certificate", "tls.more.key"));
        Ok(Self {
            first: Certificate::load(first, "tls.certificate", "tls.key")?,
            more: more.collect::<Result<_, _>>()?,
        })
    }

    /// When each of them ends.
    pub fn expiries(&self) -> impl Iterator<Item = Expiry> {
        self.all().map(Certificate::expiry)
    }

    /// `tls-server-end-point` of a connection whose client asked for this name (CB-04). A session is resumed only under the name it began with,
    /// so this is the certificate of its first handshake, too.
    pub(super) fn end_point(&self, name: Option<&str>) -> Option<&[u8]> {
        self.for_name(name).end_point()
    }

    /// The one that has the same key, if there is one.
    #[cfg(feature = "legacy-tls")]
    pub(super) fn with_key_of(&self, other: &Certificate) -> Option<&Certificate> {
        let key = other.key.key.public_key();
        self.all().find(|it| it.key.key.public_key() == key)
    }

    fn all(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// TLS-14: "unknown/no SNI → default cert (no alert): legacy devices send none".
    fn for_name(&self, name: Option<&str>) -> &Certificate {
        let asked = name
            .filter(|_| !self.more.is_empty())
            .and_then(|name| ServerName::try_from(name).ok());
        asked
            .and_then(|name| self.all().find(|it| it.is_for(&name)))
            .unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.for_name(hello.server_name()).key))
    }
}

/// What the files of a certificate hold.
pub(super) struct Pair {
    /// The certificate, then its intermediates.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Pair {
    /// Reads both; the options are those that name them.
    pub(super) fn read(
        files: &TlsFiles,
        certificate: &'static str,
        key: &'static str,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            chain: read(certificate, &files.certificate, |path| {
                CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()
            })?,
            key: read(key, &files.key, |path| PrivateKeyDer::from_pem_file(path))?,
        })
    }
}

impl Certificate {
    fn load(
        files: &TlsFiles,
        certificate: &'static str,
        key: &'static str,
    ) -> Result<Self, TlsError> {
        let pair = Pair::read(files, certificate, key)?;
        Self::new(&pair, files, certificate)
    }

    /// Proves that the two belong together.
    pub(super) fn new(
        Pair { chain, key }: &Pair,
        files: &TlsFiles,
        option: &'static str,
    ) -> Result<Self, TlsError> {
        let unusable = |fault: &str| TlsError::File {
            option,
            file: files.certificate.display().to_string(),
            fault: fault.to_owned(),
        };
        let Some(leaf) = chain.first() else {
            return Err(unusable("it holds no certificate in PEM form"));
        };
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|_| unusable("its first certificate cannot be read"))?;
        let expires = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        let end_point = gatepost_client::server_end_point(leaf);
        let provider = aws_lc_rs::default_provider();
        let pair = CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider);
        Ok(Self {
            key: Arc::new(pair.map_err(|fault| TlsError::Pair {
                certificate: files.certificate.display().to_string(),
                key: files.key.display().to_string(),
                fault,
            })?),
            file: files.certificate.clone(),
            expires: SystemTime::UNIX_EPOCH + Duration::from_secs(expires),
            end_point,
        })
    }

    /// The file it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// When it ends.
    pub fn expiry(&self) -> Expiry {
        Expiry {
            file: self.file.clone(),
            at: self.expires,
        }
    }

    /// Whether its key is an RSA key.
    pub fn is_rsa(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::RSA
    }

    /// `tls-server-end-point` of connections that it is shown on.
    pub(super) fn end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }

    fn is_for(&self, name: &ServerName<'_>) -> bool {
        self.key
            .end_entity_cert()
            .and_then(ParsedCertificate::try_from)
            .is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
    }
}

pub(super) fn read<T>(
    option: &'static str,
    path: &Path,
    parse: impl FnOnce(&Path) -> Result<T, rustls::pki_types::pem::Error>,
) -> Result<T, TlsError> {
    use rustls::pki_types::pem::Error;
    let file = path.display().to_string();
    parse(path).map_err(|error| {
        let fault = match error {
            Error::Io(error) => {
                return TlsError::Unreadable {
                    option,
                    file,
                    error,
                };
            }
            Error::NoItemsFound => "it holds no key in PEM form".into(),
            other => format!("it is no usable PEM file: {other}"),
        };
        TlsError::File {
            option,
            file,
            fault,
        }
    })
}

impl Expiry {
    /// How long before its end a certificate draws attention: long enough to find out why it was not renewed.
    pub const NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

    /// What is to be said about it now, if anything.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let file = self.file.display();
        match self.at.duration_since(now) {
            Err(_) => Some(format!("the certificate in {file} has expired")),
            Ok(left) if left < Self::NOTICE => {
                let days = left.as_secs() / (24 * 60 * 60);
                Some(format!("the certificate in {file} expires in {days} days"))
            }
            Ok(_) => None,
        }
    }
}
