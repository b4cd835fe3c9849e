//! TLS 1.0 and 1.1, and what is newer, by the system's OpenSSL: for the devices of a listener of their own.
//!
//! What protects old TLS from itself is all switched on: no compression (CRIME), no renegotiation (CB-10), no taking up of earlier sessions, so that
//! the first Finished message of a connection binds to that connection alone (CB-02). Ciphers are what OpenSSL has down to CBC with
//! SHA-1; never one without a certificate or without encryption, nor RC4 or 3DES where an OpenSSL still has them. No Diffie-Hellman over
//! plain fields: old devices fail at groups that are large enough, and have the RSA key exchange instead.
//!
//! Old devices close without saying so (TLS-15); that ends a connection like any other end.
//!
//! Standards: RFC 2246, RFC 4346, RFC 8996, RFC 5929 (tls-unique, tls-server-end-point), RFC 9266.

use std::io;
use std::pin::Pin;

use gatepost_sasl::ChannelBindings;
use gatepost_smtp::TlsFacts;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    AlpnError, NameType, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions,
    SslRef, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_openssl::SslStream;

use super::certificate::Pair;
use super::{APPLICATION_PROTOCOLS, Certificate, Certificates, TlsError};
use crate::config::resolved::{OldVersion, TlsFiles};

/// Security level 0 is what TLS 1.0 and 1.1 need: their handshakes are signed with SHA-1.
const CIPHERS: &str = "ALL:!aNULL:!eNULL:!kPSK:!SRP:!RC4:!3DES:!DES:!MD5:!EXPORT:@SECLEVEL=0";

/// Longest Finished message: 12 octets up to TLS 1.2, and nothing binds to one of TLS 1.3.
const FINISHED: usize = 64;

/// The server's side of old TLS on one listener.
pub(super) struct OldTls {
    context: SslContext,
    certificate: Certificate,
}

impl OldTls {
    /// Reads the files and proves that they belong together, and to nothing else.
    pub(super) fn new(
        least: OldVersion,
        files: &TlsFiles,
        others: Option<&Certificates>,
    ) -> Result<Self, TlsError> {
        let pair = Pair::read(files, "listener.certificate", "listener.key")?;
        let certificate = Certificate::new(&pair, files, "listener.certificate")?;
        if let Some(other) = others.and_then(|others| others.with_key_of(&certificate)) {
            return Err(TlsError::SharedKey {
                own: files.certificate.display().to_string(),
                other: other.file().display().to_string(),
            });
        }
        let context =
            context(least, &pair).map_err(|error| TlsError::OldSetup(error.to_string()))?;
        Ok(Self {
            context,
            certificate,
        })
    }

    pub(super) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Takes the server's part in a handshake.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> io::Result<SslStream<S>> {
        let mut stream = SslStream::new(Ssl::new(&self.context)?, socket)?;
        let accepted = Pin::new(&mut stream).accept().await;
        match accepted.map_err(openssl::ssl::Error::into_io_error) {
            Ok(()) => Ok(stream),
            Err(Ok(error)) => Err(error),
            Err(Err(error)) => Err(io::Error::other(error)),
        }
    }

    /// What is known of a finished handshake (TLS-16).
    pub(super) fn facts(&self, ssl: &SslRef) -> TlsFacts {
        TlsFacts {
            version: version(ssl).to_owned(),
            cipher: ssl
                .current_cipher()
                .and_then(openssl::ssl::SslCipherRef::standard_name)
                .unwrap_or_default()
                .to_owned(),
            group: None,
            sni: ssl.servername(NameType::HOST_NAME).map(str::to_owned),
            alpn: ssl
                .selected_alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            resumed: ssl.session_reused(),
            client_certificate: None,
            channel_bindings: self.bindings(ssl),
        }
    }

    /// CB-01: the first Finished message, which is the client's, up to TLS 1.2; the exporter in TLS 1.3, and in older versions where the extended
    /// master secret makes it safe (CB-02).
    fn bindings(&self, ssl: &SslRef) -> ChannelBindings {
        let newest = ssl.version2() == Some(SslVersion::TLS1_3);
        let mut exporter = [0; 32];
        let label = "EXPORTER-Channel-Binding";
        let exported = (newest || ssl.extms_support() == Some(true))
            && ssl
                .export_keying_material(&mut exporter, label, Some(b""))
                .is_ok();
        let unique = (!newest && !ssl.session_reused()).then(|| {
            let mut finished = vec![0; FINISHED];
            let length = ssl.peer_finished(&mut finished);
            finished.truncate(length);
            finished
        });
        ChannelBindings {
            tls_exporter: exported.then_some(exporter),
            tls_unique: unique.filter(|finished| !finished.is_empty()),
            tls_server_end_point: self.certificate.end_point().map(<[u8]>::to_vec),
        }
    }
}

fn context(least: OldVersion, pair: &Pair) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_server())?;
    context.set_security_level(0);
    context.set_min_proto_version(Some(match least {
        OldVersion::V1_0 => SslVersion::TLS1,
        OldVersion::V1_1 => SslVersion::TLS1_1,
    }))?;
    context.set_cipher_list(CIPHERS)?;
    context.set_options(
        SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_TICKET
            | SslOptions::CIPHER_SERVER_PREFERENCE
            | SslOptions::IGNORE_UNEXPECTED_EOF,
    );
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_num_tickets(0)?;
    context.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS,
    );
    context.set_verify(SslVerifyMode::NONE);
    context.set_alpn_select_callback(|_, offered| {
        application_protocol(offered).ok_or(AlpnError::ALERT_FATAL)
    });
    use_certificate(&mut context, pair)?;
    Ok(context.build())
}

fn use_certificate(context: &mut SslContextBuilder, pair: &Pair) -> Result<(), ErrorStack> {
    let mut chain = pair.chain.iter();
    if let Some(leaf) = chain.next() {
        context.set_certificate(&*X509::from_der(leaf)?)?;
    }
    for intermediate in chain {
        context.add_extra_chain_cert(X509::from_der(intermediate)?)?;
    }
    let key = PKey::private_key_from_der(pair.key.secret_der())?;
    context.set_private_key(&*key)?;
    context.check_private_key()
}

/// The first of ours among the protocols that a client offers: each a length and that many octets (RFC 7301 §3.1).
fn application_protocol(offered: &[u8]) -> Option<&[u8]> {
    APPLICATION_PROTOCOLS
        .iter()
        .find_map(|ours| protocols(offered).find(|theirs| theirs == ours))
}

fn protocols(mut offered: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&length, rest) = offered.split_first()?;
        let (name, rest) = rest.split_at_checked(length.into())?;
        offered = rest;
        Some(name)
    })
}

/// The names of the current versions' form; OpenSSL says `TLSv1` for the first.
fn version(ssl: &SslRef) -> &'static str {
    match ssl.version_str() {
        "TLSv1" => "TLSv1.0",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_another_protocol_is_told_so() {
        assert_eq!(application_protocol(b"\x02h2\x04smtp"), Some(&b"smtp"[..]));
        assert_eq!(application_protocol(b"\x05esmtp"), Some(&b"esmtp"[..]));
        for other in [&b"\x02h2\x08http/1.1"[..], b"", b"\x09smtp", b"\x04smt"] {
            assert_eq!(application_protocol(other), None);
        }
    }
}
