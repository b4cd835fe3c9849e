//! `cargo xtask docs`: the reference pages, written by the program from its own definitions.
//!
//! `gatepost reference` knows the options and the commands; this only runs it and puts its pages in place, so that the automation need
//! not link the program. Man pages and completions are not kept in the tree: packages are built with those of their own program.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What `gatepost reference` writes that is kept in the tree, and where.
const KEPT: [(&str, &str); 3] = [
    ("reference/commands.md", "docs/reference/commands.md"),
    (
        "reference/configuration.md",
        "docs/reference/configuration.md",
    ),
    ("reference/mechanisms.md", "docs/reference/mechanisms.md"),
];

/// Checks the pages in the tree; with `write`, writes them first.
pub(crate) fn run(write: bool) -> Result<String, String> {
    let fresh = PathBuf::from("target/reference");
    generate(&fresh)?;
    let mut stale = Vec::new();
    for (from, to) in KEPT {
        let page = read(&fresh.join(from))?;
        if write {
            std::fs::write(to, page).map_err(|e| format!("{to}: {e}"))?;
        } else if std::fs::read_to_string(to).ok().as_ref() != Some(&page) {
            stale.push(format!(
                "{to} is out of date: run `cargo xtask docs --write`"
            ));
        }
    }
    if stale.is_empty() {
        Ok(format!("docs: {} pages up to date", KEPT.len()))
    } else {
        Err(stale.join("\n"))
    }
}

fn generate(directory: &Path) -> Result<(), String> {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "gatepost", "--", "reference"])
        .arg(directory)
        .status()
        .map_err(|e| format!("docs: cargo: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("docs: `gatepost reference` failed, see above".into())
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
