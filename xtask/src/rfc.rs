//! `cargo xtask rfc`: the index of standards and requirements, held against the tree.
//!
//! `rfc/index.toml` lists the documents Gatepost follows and every numbered wire requirement with its state. This check
//! fails when
//!
//! - a source, test or transcript cites a requirement or a document that the index does not hold;
//! - a requirement called `met` is cited by no test and no transcript;
//! - one that is not met gives no reason;
//! - `docs/reference/rfc.md`, rendered from the index, is out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use crate::workspace::{Workspace, ends_in};

const INDEX: &str = "rfc/index.toml";
const PAGE: &str = "docs/reference/rfc.md";

/// Checks the index; with `write`, renders the page first.
pub(crate) fn run(workspace: &Workspace, write: bool) -> Result<String, String> {
    let text = workspace
        .files
        .get(INDEX)
        .ok_or("rfc: rfc/index.toml is missing")?;
    let index: Index = toml::from_str(text).map_err(|e| format!("{INDEX}: {e}"))?;
    let proofs = proofs(workspace, &index);
    let page = render(&index, &proofs);
    let mut faults = check(workspace, &index, &proofs);
    if write {
        std::fs::write(PAGE, &page).map_err(|e| format!("{PAGE}: {e}"))?;
    } else if workspace.files.get(PAGE) != Some(&page) {
        faults.push(format!(
            "{PAGE} is out of date: run `cargo xtask rfc --write`"
        ));
    }
    if faults.is_empty() {
        Ok(format!("rfc: {}", summary(&index)))
    } else {
        Err(format!(
            "{}\nrfc: {} faults",
            faults.join("\n"),
            faults.len()
        ))
    }
}

#[derive(Deserialize)]
struct Index {
    document: Vec<Document>,
    section: Vec<Section>,
}

#[derive(Deserialize)]
struct Document {
    name: String,
    title: String,
}

#[derive(Deserialize)]
struct Section {
    title: String,
    requirement: Vec<Requirement>,
}

#[derive(Deserialize)]
struct Requirement {
    id: String,
    side: Side,
    status: Status,
    #[serde(default)]
    reason: String,
    text: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Side {
    Server,
    Client,
    Both,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// Built, and cited by the test or transcript that proves it.
    Met,
    /// Not built yet; the reason says with what it comes.
    Later,
    /// Not to be built, or built otherwise; the reason says why.
    Declined,
}

impl Index {
    fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.section.iter().flat_map(|section| &section.requirement)
    }

    fn count(&self, status: Status) -> usize {
        self.requirements().filter(|r| r.status == status).count()
    }
}

fn summary(index: &Index) -> String {
    format!(
        "{} documents, {} requirements: {} met, {} later, {} declined",
        index.document.len(),
        index.requirements().count(),
        index.count(Status::Met),
        index.count(Status::Later),
        index.count(Status::Declined)
    )
}

/// Requirement → the tests and transcripts that cite it.
fn proofs(workspace: &Workspace, index: &Index) -> BTreeMap<String, BTreeSet<String>> {
    let known: BTreeSet<&str> = index.requirements().map(|r| r.id.as_str()).collect();
    let mut proofs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in &workspace.files {
        let Some(proving) = proving_part(path, text) else {
            continue;
        };
        for id in citations(proving).filter(|id| known.contains(id.as_str())) {
            proofs.entry(id).or_default().insert(path.clone());
        }
    }
    proofs
}

/// The part of a file that proves something: a transcript, a file of tests, or the tests at the end of a source.
fn proving_part<'a>(path: &str, text: &'a str) -> Option<&'a str> {
    if path.starts_with("xtask/") {
        return None;
    }
    if path.starts_with("transcripts/") && ends_in(path, "smtp") {
        return Some(text);
    }
    if !ends_in(path, "rs") {
        return None;
    }
    if path.contains("/tests/") || path.ends_with("/tests.rs") {
        return Some(text);
    }
    text.find("#[cfg(test)]").and_then(|at| text.get(at..))
}

fn check(
    workspace: &Workspace,
    index: &Index,
    proofs: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for requirement in index.requirements() {
        let id = &requirement.id;
        if !seen.insert(id.as_str()) {
            faults.push(format!("{INDEX}: {id} stands twice"));
        }
        if requirement.text.trim().is_empty() {
            faults.push(format!("{INDEX}: {id} does not say what it requires"));
        }
        match requirement.status {
            Status::Met if !proofs.contains_key(id) => {
                faults.push(format!(
                    "{INDEX}: {id} is called met, but no test or transcript cites it"
                ));
            }
            Status::Later | Status::Declined if requirement.reason.trim().is_empty() => {
                faults.push(format!("{INDEX}: {id} is not met and gives no reason"));
            }
            _ => {}
        }
    }
    faults.extend(unknown_citations(workspace, index, &seen));
    faults
}

fn unknown_citations(workspace: &Workspace, index: &Index, known: &BTreeSet<&str>) -> Vec<String> {
    let families: BTreeSet<&str> = known.iter().filter_map(|id| id.split('-').next()).collect();
    let documents: BTreeSet<&str> = index.document.iter().map(|d| d.name.as_str()).collect();
    let mut faults = Vec::new();
    for (path, text) in &workspace.files {
        if path.starts_with("rfc/") || path.starts_with("xtask/") || path == PAGE {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for id in citations(line) {
                let family = id.split('-').next().unwrap_or("");
                if families.contains(family) && !known.contains(id.as_str()) {
                    faults.push(format!(
                        "{path}:{}: cites {id}, which the index does not hold",
                        number + 1
                    ));
                }
            }
            for name in documents_in(line).filter(|name| !documents.contains(name.as_str())) {
                faults.push(format!(
                    "{path}:{}: cites {name}, which the index does not list",
                    number + 1
                ));
            }
        }
    }
    faults
}

/// `AUTH-11`, `LC-02`…: capital letters or digits, a hyphen, at least two digits. A slash after it (`SCR-12/13`) cites
/// one more of the family, two dots (`LC-01..09`) all between.
fn citations(text: &str) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '.'))) {
        let Some((family, numbers)) = word.split_once('-') else {
            continue;
        };
        let named = (2..=5).contains(&family.len())
            && family.starts_with(|c: char| c.is_ascii_uppercase())
            && family
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        if named {
            found.extend(
                numbers_of(numbers)
                    .into_iter()
                    .map(|number| format!("{family}-{number:02}")),
            );
        }
    }
    found.into_iter()
}

fn numbers_of(text: &str) -> Vec<u32> {
    let number = |part: &str| {
        let part = part.trim_end_matches('.');
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    if let Some((first, last)) = text.split_once("..") {
        let last = last.rsplit('-').next().unwrap_or(last);
        return match (number(first), number(last)) {
            (Some(first), Some(last)) => (first..=last).collect(),
            _ => Vec::new(),
        };
    }
    text.split('/').map_while(number).collect()
}

/// `RFC 4954` in a text.
fn documents_in(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split("RFC ").skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (3..=4)
            .contains(&digits.len())
            .then(|| format!("RFC {digits}"))
    })
}

fn render(index: &Index, proofs: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut page = String::from(
        "# Standards and wire requirements\n\n\
         Rendered from `rfc/index.toml` by `cargo xtask rfc --write`; `cargo xtask rfc` fails when it is out of date.\n\n",
    );
    let _ = writeln!(
        page,
        "{}.\n\n## Documents\n\n| document | title |\n|---|---|",
        summary(index)
    );
    for document in &index.document {
        let _ = writeln!(page, "| {} | {} |", document.name, document.title);
    }
    for section in &index.section {
        let _ = writeln!(
            page,
            "\n## {}\n\n| id | side | state | proof or reason |\n|---|---|---|---|",
            section.title
        );
        for requirement in &section.requirement {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} |",
                requirement.id,
                match requirement.side {
                    Side::Server => "server",
                    Side::Client => "client",
                    Side::Both => "both",
                },
                match requirement.status {
                    Status::Met => "met",
                    Status::Later => "later",
                    Status::Declined => "declined",
                },
                proof_cell(requirement, proofs)
            );
        }
    }
    page
}

fn proof_cell(requirement: &Requirement, proofs: &BTreeMap<String, BTreeSet<String>>) -> String {
    if requirement.status != Status::Met {
        return requirement.reason.clone();
    }
    proofs
        .get(&requirement.id)
        .into_iter()
        .flatten()
        .map(|path| format!("`{}`", path.trim_start_matches("crates/")))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(status: &str) -> String {
        format!(
            "[[document]]\nname = \"RFC 4954\"\ntitle = \"AUTH\"\n[[section]]\ntitle = \"x\"\n[[section.requirement]]\nid = \"AUTH-01\"\nside = \"server\"\nstatus = \"{status}\"\ntext = \"x\"\n"
        )
    }

    fn faults(status: &str, path: &str, text: &str) -> Vec<String> {
        let index: Index = toml::from_str(&index(status)).unwrap();
        let mut workspace = Workspace::default();
        workspace.files.insert(path.to_owned(), text.to_owned());
        let proofs = proofs(&workspace, &index);
        check(&workspace, &index, &proofs)
    }

    #[test]
    fn met_needs_a_proof_that_is_a_test() {
        assert!(faults("met", "transcripts/auth/a.smtp", "# proves: AUTH-01\n").is_empty());
        assert!(faults("met", "crates/x/src/a.rs", "#[cfg(test)]\n// AUTH-01\n").is_empty());
        assert_eq!(faults("met", "crates/x/src/a.rs", "// AUTH-01\n").len(), 1);
    }

    #[test]
    fn unmet_needs_a_reason() {
        assert_eq!(faults("later", "crates/x/src/a.rs", "").len(), 1);
    }

    #[test]
    fn what_is_cited_must_be_known() {
        let path = "crates/x/tests/a.rs";
        assert_eq!(faults("met", path, "AUTH-01 AUTH-99\n").len(), 1);
        assert_eq!(faults("met", path, "AUTH-01, RFC 9999 §4\n").len(), 1);
        assert!(faults("met", path, "AUTH-01, RFC 4954 §4, UTF-8, SHA-256\n").is_empty());
    }

    #[test]
    fn ranges_and_lists_cite_each() {
        let found: Vec<String> = citations("LC-01..03, SCR-12/13. (EOL-03)").collect();
        assert_eq!(
            found,
            ["LC-01", "LC-02", "LC-03", "SCR-12", "SCR-13", "EOL-03"]
        );
    }
}
