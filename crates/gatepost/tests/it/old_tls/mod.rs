//! Listeners for devices that know TLS 1.0 or 1.1 only: what they speak, and what a program without that library says instead.

#[cfg(feature = "legacy-tls")]
mod spoken;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use gatepost::config::resolved::TlsFiles;
#[cfg(feature = "legacy-tls")]
use gatepost::config::resolved::{
    Config, Listener, ListenerProfile, OldVersion, TlsMode, TlsVersions,
};
use gatepost::net::tls::own_ca;
use rcgen::{CertificateParams, KeyPair};

/// What is said without the feature `legacy-tls`.
const NOT_BUILT: [&str; 2] = [
    "listener.tls_versions: this program has been built without TLS 1.0 and 1.1",
    "cargo build --release --features legacy-tls (needs libssl-dev and pkg-config)",
];

/// A certificate that signs itself, as old devices want it: RSA with 2048 bits and SHA-256 (LEG-18).
pub(crate) fn certificate_for_old_devices(directory: &Path) -> TlsFiles {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    self_signed(directory, &key, Duration::from_secs(365 * 24 * 60 * 60))
}

fn self_signed(directory: &Path, key: &KeyPair, life: Duration) -> TlsFiles {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = (SystemTime::now() + life).into();
    let files = TlsFiles {
        certificate: directory.join("old-devices.pem"),
        key: directory.join("old-devices.key"),
    };
    let certificate = params.self_signed(key).unwrap();
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}

/// Adds listeners from this version on: one with STARTTLS, the fourth of the server, and one with implicit TLS, the fifth.
#[cfg(feature = "legacy-tls")]
pub(crate) fn add_old_listeners(config: &mut Config, least: OldVersion) {
    let files = certificate_for_old_devices(&config.data);
    for tls in [TlsMode::StartTls, TlsMode::Implicit] {
        let old = Listener {
            name: format!("old-{tls:?}").to_lowercase(),
            tls,
            tls_versions: TlsVersions::Old {
                least,
                files: files.clone(),
            },
            profile: ListenerProfile::Legacy,
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            ..config.listeners[0].clone()
        };
        config.listeners.push(old);
    }
}

/// The certificate of the other listeners.
fn shared(directory: &Path) -> TlsFiles {
    own_ca::issue(directory, &["localhost"], &[], SystemTime::now()).unwrap()
}

/// A configuration with such a listener, and what `gatepost check` says of it.
fn check(directory: &Path, shared: &TlsFiles, own: &TlsFiles) -> Output {
    let text = format!(
        r#"
hostname = "mail.example.com"
data = "/var/lib/gatepost"
tls = {{ certificate = "{}", key = "{}" }}
[[listener]]
address = "127.0.0.1:465"
tls = "implicit"
[[listener]]
address = "127.0.0.1:2465"
tls = "implicit"
tls_versions = "1.0"
certificate = "{}"
key = "{}"
profile = "legacy"
networks = ["127.0.0.0/8"]
[[route]]
hold = true
"#,
        shared.certificate.display(),
        shared.key.display(),
        own.certificate.display(),
        own.key.display()
    );
    let file = directory.join("gatepost.toml");
    std::fs::write(&file, text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["check", "-c"])
        .arg(&file)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(said).unwrap()
}

/// LEG-18: "separate listener with own cert".
#[test]
fn leg_18_check_takes_it_or_says_what_to_install() {
    let directory = tempfile::tempdir().unwrap();
    let own = certificate_for_old_devices(directory.path());
    let checked = check(directory.path(), &shared(directory.path()), &own);
    let said = said(&checked);
    if cfg!(feature = "legacy-tls") {
        assert!(checked.status.success(), "{said}");
        assert!(!said.contains("old-devices.pem"), "{said}");
    } else {
        assert_eq!(checked.status.code(), Some(1), "{said}");
        for text in NOT_BUILT {
            assert!(said.contains(text), "{said}");
        }
    }
}

/// A copy under another name is no certificate of its own.
#[test]
#[cfg(feature = "legacy-tls")]
fn a_key_that_protects_anything_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(directory.path());
    let copy = TlsFiles {
        certificate: directory.path().join("copy.pem"),
        key: directory.path().join("copy.key"),
    };
    std::fs::copy(&shared.certificate, &copy.certificate).unwrap();
    std::fs::copy(&shared.key, &copy.key).unwrap();
    let checked = check(directory.path(), &shared, &copy);
    let told = said(&checked);
    assert_eq!(checked.status.code(), Some(1), "{told}");
    let what = format!(
        "listener.certificate: {} has the key of {}",
        copy.certificate.display(),
        shared.certificate.display()
    );
    for text in [&what, "make a new one for the old devices alone"] {
        assert!(told.contains(text), "{told}");
    }
}

/// LEG-18: "RSA-2048/SHA-256".
#[test]
#[cfg(feature = "legacy-tls")]
fn a_certificate_that_devices_do_not_know_or_that_ends_draws_advice() {
    let directory = tempfile::tempdir().unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let soon = Duration::from_secs(36 * 60 * 60);
    let own = self_signed(directory.path(), &key, soon);
    let checked = check(directory.path(), &shared(directory.path()), &own);
    let told = said(&checked);
    assert!(checked.status.success(), "{told}");
    assert!(told.contains("its certificate has no RSA key"), "{told}");
    assert!(told.contains("old-devices.pem expires in 1 days"), "{told}");
}
