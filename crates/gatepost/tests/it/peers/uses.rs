//! Test suites of applications, in two languages, that use `gatepost dev` as their mail server (`peers/uses`).

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::peer_table::passed;

#[tokio::test]
async fn a_test_suite_in_python_uses_dev() {
    let mut command = Command::new("python3");
    command.args(["-m", "unittest", "--verbose", "test_registration"]);
    passes(command, "Ran 3 tests").await;
    passed("unittest suite", "PLAIN", "STARTTLS", "uses dev");
}

#[tokio::test]
async fn a_test_suite_in_javascript_uses_dev() {
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-reporter", "tap", "registration.test.mjs"])
        .env(
            "NODE_PATH",
            repository().join("target/peers/node/node_modules"),
        );
    passes(command, "# pass 3").await;
    passed("node:test suite", "PLAIN", "implicit", "uses dev");
}

/// Runs the suite, which must pass and say that it ran its tests.
async fn passes(mut command: Command, summary: &str) {
    let output = command
        .current_dir(repository().join("peers/uses"))
        .env("GATEPOST", env!("CARGO_BIN_EXE_gatepost"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let shown = [output.stdout, output.stderr].concat();
    let shown = String::from_utf8_lossy(&shown);
    assert!(output.status.success(), "{}\n{shown}", output.status);
    assert!(shown.contains(summary), "{shown}");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
