//! Every example configuration is one that `gatepost check` finds nothing wrong with; without the feature `legacy-tls` it says so where an
//! example needs that.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use gatepost::net::tls::own_ca;

use crate::old_tls::certificate_for_old_devices;

#[test]
fn every_example_is_usable_and_draws_no_advice() {
    let mut checked = 0;
    for example in examples() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().to_str().unwrap();
        let text = std::fs::read_to_string(&example).unwrap();
        for file in files_named(&text) {
            make_private(&directory.path().join(file));
        }
        let made = own_ca::issue(directory.path(), &["localhost"], &[], SystemTime::now()).unwrap();
        std::fs::rename(made.certificate, directory.path().join("fullchain.pem")).unwrap();
        certificate_for_old_devices(directory.path());
        let file = directory.path().join("gatepost.toml");
        std::fs::write(&file, text.replace("/etc/gatepost", here)).unwrap();
        let check = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["check", "-c"])
            .arg(&file)
            .output()
            .unwrap();
        checked += 1;
        let told = String::from_utf8(check.stdout).unwrap();
        if text.contains("tls_versions") && !cfg!(feature = "legacy-tls") {
            let refused = String::from_utf8(check.stderr).unwrap();
            assert_eq!(check.status.code(), Some(1), "{refused}");
            assert!(refused.contains("--features legacy-tls"), "{refused}");
            continue;
        }
        assert!(
            check.status.success(),
            "{}: {told}{}",
            example.display(),
            String::from_utf8_lossy(&check.stderr)
        );
        assert!(!told.contains("advice"), "{}: {told}", example.display());
    }
    assert!(checked >= 6, "only {checked} examples");
}

fn examples() -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/examples");
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
}

/// The files below /etc/gatepost that a configuration names.
fn files_named(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.split('"'))
        .filter_map(|part| part.strip_prefix("/etc/gatepost/"))
}

fn make_private(path: &Path) {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
}
