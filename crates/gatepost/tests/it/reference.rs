//! The reference pages in the tree are those that the program writes.

use std::path::Path;
use std::process::Command;

#[test]
fn pages_in_the_tree_are_those_of_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let written = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .arg("reference")
        .arg(directory.path())
        .status()
        .unwrap();
    assert!(written.success());
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for page in [
        "reference/commands.md",
        "reference/configuration.md",
        "reference/mechanisms.md",
    ] {
        let kept = std::fs::read_to_string(tree.join(page)).unwrap_or_default();
        let fresh = std::fs::read_to_string(directory.path().join(page)).unwrap();
        assert!(
            kept == fresh,
            "docs/{page} is out of date: run `cargo xtask docs --write`"
        );
    }
}

/// Two that were written at the same time took one number more than once.
#[test]
fn decisions_are_numbered_in_order() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/decisions");
    let mut names: Vec<String> = std::fs::read_dir(&tree)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    names.sort();
    for (name, number) in names.iter().zip(1..) {
        assert!(name.starts_with(&format!("{number:04}-")), "{name}");
        let text = std::fs::read_to_string(tree.join(name)).unwrap();
        assert!(text.starts_with(&format!("# {number:04}: ")), "{name}");
    }
}

/// `gatepost completions` prints what a shell can load.
#[test]
fn completions_are_what_bash_can_load() {
    let script = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["completions", "bash"])
        .output()
        .unwrap();
    assert!(script.status.success());
    let script = String::from_utf8(script.stdout).unwrap();
    // What a user sees after `gatepost account a<Tab>`.
    let asked = format!(
        "{script}\nCOMP_WORDS=(gatepost account a) COMP_CWORD=2\n_gatepost gatepost a account\necho \"${{COMPREPLY[*]}}\""
    );
    let answer = Command::new("bash").args(["-c", &asked]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout).trim(),
        "add",
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
}
