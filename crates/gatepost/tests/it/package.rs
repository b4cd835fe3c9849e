//! The Debian package: what it is made of, and its life in a clean Debian system.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::peer_table;

/// Installs, starts, submits, upgrades, removes and purges: `peers/debian.d/try` says what is looked at on the way.
#[test]
fn the_package_lives_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    package(1, directory.path(), "old.deb");
    package(2, directory.path(), "new.deb");
    let tried = repository().join("peers/debian").output_of(&[
        "try",
        "--dir",
        directory.path().to_str().unwrap(),
    ]);
    let told = text(&tried);
    assert!(tried.status.success(), "{told}");
    let durations = told.lines().last().unwrap_or_default();
    assert!(durations.starts_with("first message after"), "{told}");
    peer_table::passed("Debian package", "SCRAM", "STARTTLS", durations);
}

/// What Debian's own checker says of the package.
#[test]
fn lintian_has_no_complaint() {
    let directory = tempfile::tempdir().unwrap();
    package(1, directory.path(), "gatepost.deb");
    let said = Command::new("lintian")
        // It is not uploaded to Debian, where a first upload closes the wish for it.
        .args([
            "--allow-root",
            "--fail-on",
            "error,warning",
            "--suppress-tags",
            "initial-upload-closes-no-bugs",
        ])
        .arg(directory.path().join("gatepost.deb"))
        .output()
        .expect("lintian, which ./test installs");
    assert!(said.status.success(), "{}", text(&said));
    assert_eq!(text(&said).trim(), "");
}

/// At most 2.0 of 10, by the measure of systemd; the threshold is in percent.
#[test]
fn the_unit_is_one_that_systemd_accepts_and_is_sandboxed() {
    let unit = repository().join("packaging/systemd/gatepost.service");
    let security = Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=yes", "--threshold=20"])
        .arg(&unit)
        .output()
        .expect("systemd-analyze, which ./test installs");
    assert!(security.status.success(), "{}", text(&security));

    // It wants the program to be where the unit says.
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().join("gatepost.service");
    let installed = std::fs::read_to_string(unit).unwrap();
    std::fs::write(
        &here,
        installed.replace("/usr/bin/gatepost", env!("CARGO_BIN_EXE_gatepost")),
    )
    .unwrap();
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&here)
        .output()
        .unwrap();
    assert!(verify.status.success(), "{}", text(&verify));
    assert_eq!(text(&verify), "");
}

#[test]
fn man_pages_are_clean_for_mandoc_and_groff() {
    let directory = tempfile::tempdir().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_gatepost"));
    let written = program.output_of(&[
        "reference",
        "--date",
        "2026-01-31",
        directory.path().to_str().unwrap(),
    ]);
    assert!(written.status.success(), "{}", text(&written));
    for page in ["man/gatepost.1", "man/gatepost.toml.5"] {
        let page = directory.path().join(page);
        let lint = Command::new("mandoc").arg("-Tlint").arg(&page).output();
        let lint = lint.expect("mandoc, which ./test installs");
        assert_eq!(text(&lint), "", "{}", page.display());
        let shown = Command::new("groff")
            .args(["-man", "-ww", "-Tutf8"])
            .arg(&page)
            .output()
            .expect("groff, which ./test installs");
        assert!(shown.status.success());
        assert_eq!(String::from_utf8_lossy(&shown.stderr), "");
    }
}

/// Makes the package of the program under test.
fn package(revision: u32, directory: &Path, name: &str) {
    let out = directory.join(format!("made-{revision}"));
    let made = Command::new(env!("CARGO"))
        .args([
            "xtask",
            "package",
            "--binary",
            env!("CARGO_BIN_EXE_gatepost"),
        ])
        .args(["--quick", "--revision", &revision.to_string(), "--out"])
        .arg(&out)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let mut debs = std::fs::read_dir(&out).unwrap();
    let deb = debs.next().expect("a package").unwrap().path();
    assert_eq!(debs.count(), 0, "one package and nothing else");
    std::fs::rename(deb, directory.join(name)).unwrap();
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

trait Run {
    fn output_of(&self, arguments: &[&str]) -> Output;
}

impl Run for PathBuf {
    fn output_of(&self, arguments: &[&str]) -> Output {
        Command::new(self).args(arguments).output().unwrap()
    }
}

/// Everything it said.
fn text(output: &Output) -> String {
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = write!(said, "{}", String::from_utf8_lossy(&output.stderr));
    said
}
