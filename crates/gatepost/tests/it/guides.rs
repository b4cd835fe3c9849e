//! The guides of `docs/guide`: every command and every configuration in them is carried out, in order, as a reader would.
//!
//! A fenced block says by its info string what is done with it; one that says nothing is an error, so that nothing stays untried:
//!
//! | info string | what happens |
//! |---|---|
//! | `sh` | run; must succeed |
//! | `sh typed` | the same, and the reader types a password |
//! | `sh refused` | run; must fail, since the guide shows a refusal |
//! | `sh stays` | started; must say `ready` |
//! | `toml` | becomes `/etc/gatepost/gatepost.toml`; `gatepost check` accepts it and has no advice |
//! | `toml more` | is added to that file; the same |
//! | `text log` | lines that the server's log must have; `…` stands for anything |
//! | `text shown` | lines that the last command must have printed; the same |
//! | `python`, `js`, `java`, `php`, `rust` | a program, which sends one message to the development server |
//! | `text` | only read |
//!
//! The place where that happens is made by `guides/stage`, in namespaces of its own: names, ports and paths are real there.

use std::path::{Path, PathBuf};

use gatepost::observe::reason::Reason;
use gatepost_smtp::Refusal;

/// A fenced block.
struct Block {
    kind: &'static str,
    text: String,
    /// Line of its first line.
    #[cfg(feature = "peer-tests")]
    line: usize,
}

#[test]
fn every_block_of_every_guide_says_what_becomes_of_it() {
    let pages: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(pages.len() >= 5, "{pages:?}");
    for page in pages {
        let name = page.file_name().unwrap().to_str().unwrap();
        let blocks = blocks(name);
        assert!(
            name == "README.md" || blocks.iter().any(|block| block.kind == "sh"),
            "{name} has nothing to do"
        );
    }
}

#[test]
fn troubleshooting_knows_every_reason_and_every_refusal() {
    let page = read("troubleshooting.md");
    let rows: Vec<_> = page.lines().filter_map(row).collect();
    let known = Reason::ALL.iter().map(|reason| reason.as_str());
    for word in known.chain(Refusal::ALL.iter().map(|refusal| refusal.label())) {
        let found: Vec<_> = rows.iter().filter(|row| row[0] == word).collect();
        assert_eq!(found.len(), 1, "rows of {word} in troubleshooting.md");
        let filled = found[0].iter().all(|cell| !cell.is_empty());
        assert!(
            filled && found[0].len() == 3,
            "{word}: meaning and next step"
        );
    }
}

/// A program in Rust is built from a file of its own, which is what the page shows.
#[test]
fn the_program_in_rust_is_the_one_that_is_built() {
    let blocks = blocks("application-tests.md");
    let shown = blocks.iter().find(|block| block.kind == "rust").unwrap();
    let built = include_str!("../../examples/lettre.rs");
    let (header, program) = built.split_once("\n\n").unwrap();
    assert!(header.starts_with("//!"));
    assert_eq!(shown.text, program);
}

/// The cells of a line that is a row about a word in code.
fn row(line: &str) -> Option<Vec<&str>> {
    let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
    let (word, rest) = cells.split_once("` | ")?;
    Some(std::iter::once(word).chain(rest.split(" | ")).collect())
}

/// Following a guide needs the programs that it names, and root for a network of its own.
#[cfg(feature = "peer-tests")]
mod followed {
    use std::fmt::Write as _;
    use std::process::Command;

    use super::{Path, blocks};
    use crate::client_examples::example;
    use crate::peer_table::passed;

    #[test]
    fn fax_and_scanner() {
        follow("fax-and-scanner.md");
    }

    #[test]
    fn small_company() {
        follow("small-company.md");
    }

    #[test]
    fn application_tests() {
        follow("application-tests.md");
    }

    #[test]
    fn kerberos() {
        follow("kerberos.md");
    }

    #[test]
    fn certificates() {
        follow("certificates.md");
    }

    #[test]
    fn troubleshooting() {
        follow("troubleshooting.md");
    }

    fn follow(page: &str) {
        let stage = tempfile::tempdir().unwrap();
        let [steps, places] = ["steps", "places"].map(|name| stage.path().join(name));
        std::fs::create_dir(&steps).unwrap();
        std::fs::create_dir(&places).unwrap();
        let mut names = String::new();
        for (number, block) in blocks(page).iter().enumerate() {
            if block.kind == "text" {
                continue;
            }
            let name = format!("{number:02}.{}", block.kind);
            std::fs::write(steps.join(&name), &block.text).unwrap();
            std::fs::write(places.join(&name), format!("{page}:{}", block.line)).unwrap();
            writeln!(names, "{name}").unwrap();
        }
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let followed = Command::new("unshare")
            .args(["--mount", "--net", "--uts", "--ipc", "--pid", "--fork"])
            .args(["--kill-child", "--mount-proc", "bash"])
            .arg(repository.join("crates/gatepost/tests/it/guides/stage"))
            .arg(stage.path())
            .env("GATEPOST", env!("CARGO_BIN_EXE_gatepost"))
            .env("LETTRE_EXAMPLE", example("lettre"))
            .env(
                "NODE_PATH",
                repository.join("target/peers/node/node_modules"),
            )
            .output()
            .unwrap();
        assert!(
            followed.status.success(),
            "{}{}\nsteps:\n{names}",
            String::from_utf8_lossy(&followed.stdout),
            String::from_utf8_lossy(&followed.stderr)
        );
        passed("guide", page, "-", "followed");
    }
}

/// The fenced blocks of a guide, in order.
fn blocks(page: &str) -> Vec<Block> {
    let text = read(page);
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (line, content) in text.lines().enumerate() {
        match (content.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let place = format!("{page}:{}", line + 1);
                open = Some(Block {
                    kind: kind(info).unwrap_or_else(|| panic!("{place}: ```{info}")),
                    text: String::new(),
                    #[cfg(feature = "peer-tests")]
                    line: line + 1,
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(content);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block does not end");
    blocks
}

/// What an info string asks for, as the stage calls it.
fn kind(info: &str) -> Option<&'static str> {
    Some(match info {
        "sh" => "sh",
        "sh typed" => "typed",
        "sh refused" => "refused",
        "sh stays" => "stays",
        "toml" => "toml",
        "toml more" => "more",
        "text log" => "log",
        "text shown" => "shown",
        "text" => "text",
        "python" => "python",
        "js" => "js",
        "java" => "java",
        "php" => "php",
        "rust" => "rust",
        _ => return None,
    })
}

fn read(page: &str) -> String {
    std::fs::read_to_string(folder().join(page)).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide")
}
