//! The workspace as the checks see it: every source file as text, and the dependency graph from `cargo metadata`.
//!
//! The checks take a [`Workspace`] by reference and touch nothing else, so that their tests can plant a violation in a
//! workspace that exists only in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// Everything the checks read.
#[derive(Default)]
pub(crate) struct Workspace {
    /// Path from the workspace root (`crates/gatepost/src/serve.rs`) → text.
    pub(crate) files: BTreeMap<String, String>,
    /// Package → the packages it links (normal and build dependencies, all of them, transitively).
    pub(crate) reaches: BTreeMap<String, BTreeSet<String>>,
    /// Member package → its direct normal dependencies.
    pub(crate) depends: BTreeMap<String, BTreeSet<String>>,
}

/// Folders whose text files the checks read.
const ROOTS: [&str; 8] = [
    "bench",
    "crates",
    "xtask",
    "fuzz",
    "transcripts",
    "rfc",
    "docs",
    "peers",
];
/// Endings of the files the checks read.
const ENDINGS: [&str; 6] = ["rs", "toml", "md", "smtp", "sh", "py"];

impl Workspace {
    /// Reads the sources below the workspace root and asks cargo for the dependency graph.
    pub(crate) fn load() -> Result<Self, String> {
        let mut workspace = Self::default();
        for root in ROOTS {
            workspace.read_folder(Path::new(root))?;
        }
        if workspace.files.is_empty() {
            return Err("xtask: no sources found: run it from the workspace root".into());
        }
        workspace.read_metadata()?;
        Ok(workspace)
    }

    /// The Rust files below `folder` (`crates/gatepost/src/policy/`), with their path and text.
    pub(crate) fn rust_below<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.starts_with(folder) && ends_in(path, "rs"))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn read_folder(&mut self, folder: &Path) -> Result<(), String> {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Ok(());
        };
        for entry in entries {
            let path = entry
                .map_err(|e| format!("{}: {e}", folder.display()))?
                .path();
            if path.is_dir() {
                self.read_folder(&path)?;
            } else if path
                .extension()
                .is_some_and(|e| ENDINGS.iter().any(|k| e == *k))
            {
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| format!("{}: {e}", path.display()))?;
                self.files.insert(path.to_string_lossy().into_owned(), text);
            }
        }
        Ok(())
    }

    fn read_metadata(&mut self) -> Result<(), String> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .output()
            .map_err(|e| format!("cargo metadata: {e}"))?;
        if !output.status.success() {
            return Err(format!(
                "cargo metadata failed:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
        self.take_graph(&metadata);
        Ok(())
    }

    fn take_graph(&mut self, metadata: &Metadata) {
        let name: BTreeMap<&str, &str> = metadata
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect();
        let links: BTreeMap<&str, Vec<&str>> = metadata
            .resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node.linked().collect()))
            .collect();
        for id in &metadata.workspace_members {
            let Some(member) = name.get(id.as_str()) else {
                continue;
            };
            let direct = links.get(id.as_str()).into_iter().flatten();
            let named = |ids: &mut dyn Iterator<Item = &&str>| {
                ids.filter_map(|id| name.get(*id))
                    .map(ToString::to_string)
                    .collect()
            };
            self.depends
                .insert((*member).to_owned(), named(&mut direct.into_iter()));
            let mut seen = BTreeSet::new();
            let mut open = vec![id.as_str()];
            while let Some(next) = open.pop() {
                for link in links.get(next).into_iter().flatten() {
                    if seen.insert(*link) {
                        open.push(link);
                    }
                }
            }
            self.reaches
                .insert((*member).to_owned(), named(&mut seen.iter()));
        }
    }
}

/// Whether the file's name ends in `.ending`.
pub(crate) fn ends_in(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == ending)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

impl Node {
    /// The packages that end up in what this one links: development dependencies do not.
    fn linked(&self) -> impl Iterator<Item = &str> {
        self.deps
            .iter()
            .filter(|dep| {
                dep.dep_kinds
                    .iter()
                    .any(|k| k.kind.as_deref() != Some("dev"))
            })
            .map(|dep| dep.pkg.as_str())
    }
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}
