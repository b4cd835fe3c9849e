//! Every example configuration is one that `gatepost check` finds nothing wrong with.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use gatepost::net::tls::own_ca;

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
        let file = directory.path().join("gatepost.toml");
        std::fs::write(&file, text.replace("/etc/gatepost", here)).unwrap();
        let check = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["check", "-c"])
            .arg(&file)
            .output()
            .unwrap();
        let told = String::from_utf8(check.stdout).unwrap();
        assert!(
            check.status.success(),
            "{}: {told}{}",
            example.display(),
            String::from_utf8_lossy(&check.stderr)
        );
        assert!(!told.contains("advice"), "{}: {told}", example.display());
        checked += 1;
    }
    assert!(checked >= 5, "only {checked} examples");
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
