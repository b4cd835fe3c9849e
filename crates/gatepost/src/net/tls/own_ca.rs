//! A certificate authority of our own, for servers that have no certificate yet.
//!
//! Keeps `ca.pem` and `ca-key.pem` in the directory, so that a client that trusts the authority once trusts it after a restart; makes
//! `certificate.pem` and `key.pem`, and those of a client, anew at each call, signed by it, so that they never grow old. A leaf of its own and not a self-signed
//! server certificate: some TLS libraries refuse an authority as a server.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use crate::config::resolved::TlsFiles;

/// Ten years: the authority is trusted by hand and should not have to be again.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Longest that every TLS library accepts for a server.
const LEAF_LIFE: Duration = Duration::from_secs(397 * 24 * 60 * 60);

/// Clocks of small devices are often behind.
const BACKDATED: Duration = Duration::from_secs(24 * 60 * 60);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum OwnCaError {
    /// A file in the directory could not be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// A key or certificate could not be made, or the kept key is damaged.
    #[error("certificate of our own: {0}")]
    Crypto(#[from] rcgen::Error),
}

/// Makes sure that the directory holds the authority, and a fresh certificate for these names and addresses.
pub fn issue(
    directory: &Path,
    names: &[&str],
    addresses: &[IpAddr],
    now: SystemTime,
) -> Result<TlsFiles, OwnCaError> {
    let authority = authority(directory, now)?;
    let mut subjects: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    subjects.extend(addresses.iter().map(ToString::to_string));
    let mut params = CertificateParams::new(subjects)?;
    params.distinguished_name = named(names.first().copied().unwrap_or("localhost"));
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + LEAF_LIFE).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    let files = TlsFiles {
        certificate: directory.join("certificate.pem"),
        key: directory.join("key.pem"),
    };
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.certificate, &certificate.pem(), 0o644)?;
    Ok(files)
}

/// Makes a fresh certificate for a client, signed by the directory's authority: `client.pem` and `client.key`, with this e-mail address
/// as its only name.
pub fn issue_client(
    directory: &Path,
    email: &str,
    now: SystemTime,
) -> Result<TlsFiles, OwnCaError> {
    let authority = authority(directory, now)?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::Rfc822Name(email.try_into()?)];
    params.distinguished_name = named("client");
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + LEAF_LIFE).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    let files = TlsFiles {
        certificate: directory.join("client.pem"),
        key: directory.join("client.key"),
    };
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.certificate, &certificate.pem(), 0o644)?;
    Ok(files)
}

/// The authority kept in the directory, made when there is none.
fn authority(directory: &Path, now: SystemTime) -> Result<Issuer<'static, KeyPair>, OwnCaError> {
    let key_file = directory.join("ca-key.pem");
    let certificate_file = directory.join("ca.pem");
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Gatepost authority of this server");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + AUTHORITY_LIFE).into();
    match fs::read_to_string(&key_file) {
        Ok(pem) if certificate_file.exists() => {
            // Name and key are all that a signature needs of its issuer; both are as they were.
            return Ok(Issuer::new(params, KeyPair::from_pem(&pem)?));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(OwnCaError::File(key_file, error)),
    }
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write(&key_file, &key.serialize_pem(), 0o600)?;
    write(&certificate_file, &certificate.pem(), 0o644)?;
    Ok(Issuer::new(params, key))
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Replaces the file in one step: a reader sees the old or the new one.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), OwnCaError> {
    let replace = || {
        let new = path.with_extension("pem.new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&new)?
            .write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    replace().map_err(|error| OwnCaError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    use super::*;
    use crate::net::tls;
    use crate::net::tls::current::{CurrentTls, Rules};

    fn client_trusting(directory: &Path) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(directory.join("ca.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
    }

    /// Passes octets both ways until neither side has more to say.
    fn shake_hands(client: &mut ClientConnection, server: &mut ServerConnection) {
        while client.wants_write() || server.wants_write() {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets().unwrap();
            }
        }
    }

    #[test]
    fn a_client_that_trusted_the_authority_once_trusts_every_later_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        issue(directory.path(), &["localhost"], &[], now).unwrap();
        let mut client = client_trusting(directory.path());
        let first = fs::read(directory.path().join("certificate.pem")).unwrap();

        let files = issue(directory.path(), &["localhost"], &[], now).unwrap();
        assert_ne!(fs::read(&files.certificate).unwrap(), first);
        let certificate = tls::Certificates::load(&files, &[]).unwrap();
        let tls = CurrentTls::new(&certificate, None, Rules::default()).unwrap();
        let config = Arc::clone(tls.acceptor.config());
        let mut server = ServerConnection::new(config).unwrap();
        shake_hands(&mut client, &mut server);
        assert!(!client.is_handshaking() && !server.is_handshaking());
        let facts = tls.facts(&server);
        assert_eq!(facts.version, "TLSv1.3");
        assert!(facts.cipher.starts_with("TLS_"), "{}", facts.cipher);
        let theirs = client
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
            .unwrap();
        assert_eq!(facts.channel_bindings.tls_exporter, Some(theirs));
    }

    #[test]
    fn keys_are_for_their_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        issue(
            directory.path(),
            &["localhost"],
            &[[127, 0, 0, 1].into()],
            SystemTime::now(),
        )
        .unwrap();
        for name in ["ca-key.pem", "key.pem"] {
            let mode = fs::metadata(directory.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
