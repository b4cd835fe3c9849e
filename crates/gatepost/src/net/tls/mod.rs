//! TLS of a listener: what is negotiated, and what the session is told about it.
//!
//! TLS 1.2 and 1.3 (TLS-01) in `current`; for devices on a listener of their own also 1.0 and 1.1, in `old`, where the program has been
//! built with it. Which of the two a connection has shows here and nowhere above: [`Tls::accept`] gives a stream and the facts.
//!
//! A client that offers application protocols must offer SMTP among them, so that a browser lured here gets an alert instead of a
//! dialogue (T-33).
//!
//! Standards: RFC 8314, RFC 8996, RFC 7301.

mod certificate;
mod client_certificate;
mod current;
mod distinguished_name;
#[cfg(feature = "legacy-tls")]
mod old;
pub mod own_ca;
mod stream;

use std::io;
#[cfg(feature = "legacy-tls")]
use std::sync::Arc;

use gatepost_smtp::TlsFacts;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::resolved::{OldVersion, TlsFiles};
pub use certificate::{Certificate, Certificates, Expiry};
pub use client_certificate::{ClientCertificates, Presented};
use current::CurrentTls;
pub use current::Rules;
#[cfg(feature = "legacy-tls")]
use old::OldTls;
pub use stream::TlsStream;

/// The two names Exim's clients use; `smtp` is also what RFC 9266's examples and others use.
const APPLICATION_PROTOCOLS: [&[u8]; 2] = [b"smtp", b"esmtp"];

/// First octet of a TLS handshake record (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 0x16;

/// Why certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{option}: {file}: {error}")]
    Unreadable {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// A file is no PEM file of the right kind.
    #[error("{option}: {file}: {fault}")]
    File {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        file: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The two do not belong together, or the key is of a kind we do not support.
    #[error("{certificate} and {key}: {fault}")]
    Pair {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
        /// What is wrong with them.
        fault: rustls::Error,
    },
    /// A certificate for old TLS has the key of another one.
    #[error("listener.certificate: {own} has the key of {other}")]
    SharedKey {
        /// The file of the certificate for old TLS.
        own: String,
        /// The file of the other one.
        other: String,
    },
    /// Old TLS is wanted from a program that has been built without it.
    #[error("listener.tls_versions: this program has been built without TLS 1.0 and 1.1")]
    NotBuilt,
    /// The TLS library refused its settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
    /// The library of old TLS refused its settings.
    #[error("TLS 1.0 and 1.1 cannot be set up: {0}")]
    OldSetup(String),
}

impl TlsError {
    /// What to do about it.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => {
                "check the path, and that the user running gatepost may read it"
            }
            Self::File { .. } | Self::Pair { .. } => "both files must be PEM and belong together",
            Self::SharedKey { .. } => {
                "old TLS would endanger that key: make a new one for the old devices alone"
            }
            Self::NotBuilt => {
                "install the package of Gatepost, which has it, or build with: cargo build --release --features legacy-tls (needs libssl-dev and pkg-config)"
            }
            Self::Setup(_) => "please report this",
            Self::OldSetup(_) => {
                "is OpenSSL of this system whole? Try: openssl ciphers -v -tls1 ALL:@SECLEVEL=0"
            }
        }
    }
}

/// The server's side of TLS on one listener.
#[derive(Clone)]
pub struct Tls(Library);

#[derive(Clone)]
enum Library {
    Current(CurrentTls),
    #[cfg(feature = "legacy-tls")]
    Old(Arc<OldTls>),
}

/// A finished handshake.
pub struct Accepted<S> {
    /// What is said inside TLS.
    pub stream: TlsStream<S>,
    /// What the session, the log and the trace field are told about it (TLS-16).
    pub facts: TlsFacts,
    /// The certificates that the client presented, its own first.
    pub presented: Vec<CertificateDer<'static>>,
}

impl Tls {
    /// TLS 1.2 and 1.3. Asks for certificates if there is somebody to judge them.
    pub fn current(
        certificates: &Certificates,
        clients: Option<&ClientCertificates>,
        rules: Rules,
    ) -> Result<Self, TlsError> {
        let current = CurrentTls::new(certificates, clients, rules)?;
        Ok(Self(Library::Current(current)))
    }

    /// From an old version on, with a certificate whose key none of the `others` may have. A program built without the feature `legacy-tls` has
    /// only an explanation:
    ///
    /// ```
    /// use gatepost::config::resolved::{OldVersion, TlsFiles};
    /// use gatepost::net::tls::{Tls, TlsError};
    ///
    /// let files = TlsFiles {
    ///     certificate: "no-such-file.pem".into(),
    ///     key: "no-such-file.key".into(),
    /// };
    /// let error = Tls::old(OldVersion::V1_0, &files, None).err().unwrap();
    /// if cfg!(feature = "legacy-tls") {
    ///     assert!(matches!(error, TlsError::Unreadable { .. }));
    /// } else {
    ///     assert!(error.next().contains("cargo build --release --features legacy-tls"));
    /// }
    /// ```
    #[cfg_attr(
        not(feature = "legacy-tls"),
        expect(unused_variables, reason = "an explanation needs nothing")
    )]
    pub fn old(
        least: OldVersion,
        files: &TlsFiles,
        others: Option<&Certificates>,
    ) -> Result<Self, TlsError> {
        #[cfg(feature = "legacy-tls")]
        let made = OldTls::new(least, files, others).map(|old| Self(Library::Old(Arc::new(old))));
        #[cfg(not(feature = "legacy-tls"))]
        let made = Err(TlsError::NotBuilt);
        made
    }

    /// The certificate that only this listener has.
    pub fn own_certificate(&self) -> Option<&Certificate> {
        match &self.0 {
            Library::Current(_) => None,
            #[cfg(feature = "legacy-tls")]
            Library::Old(old) => Some(old.certificate()),
        }
    }

    /// Whether a handshake can begin with this octet: that of a record, or that of a hello in the form of SSL 2.0, by which the oldest
    /// clients ask for TLS 1.0 (RFC 2246 appendix E).
    pub fn begins_with(&self, octet: u8) -> bool {
        let framed_as_ssl2 = match &self.0 {
            Library::Current(_) => false,
            #[cfg(feature = "legacy-tls")]
            Library::Old(_) => octet & 0x80 != 0,
        };
        octet == HANDSHAKE_RECORD || framed_as_ssl2
    }

    /// Takes the server's part in a handshake.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> io::Result<Accepted<S>> {
        match &self.0 {
            Library::Current(current) => {
                let stream = current.accept(socket).await?;
                let connection = stream.get_ref().1;
                let presented = connection.peer_certificates().unwrap_or_default();
                Ok(Accepted {
                    facts: current.facts(connection),
                    presented: presented.to_vec(),
                    stream: TlsStream::Current(Box::new(stream)),
                })
            }
            #[cfg(feature = "legacy-tls")]
            Library::Old(old) => {
                let stream = old.accept(socket).await?;
                Ok(Accepted {
                    facts: old.facts(stream.ssl()),
                    presented: Vec::new(),
                    stream: TlsStream::Old(stream),
                })
            }
        }
    }
}
