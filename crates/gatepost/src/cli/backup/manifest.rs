//! What a backup says of itself, in `manifest.json`: which files it has, with their checksums.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// The file that holds it.
pub(super) const NAME: &str = "manifest.json";
/// The form that is written, and read.
pub(super) const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The form: [`FORMAT`].
    pub(super) format: u32,
    /// Version of the program that made it.
    pub(super) version: String,
    /// When, RFC 3339.
    pub(super) made: String,
    /// How often the data directory had been restored, counted from 1.
    pub(super) generation: u64,
    /// Queued messages in it.
    pub(super) messages: usize,
    /// Accounts in it.
    pub(super) accounts: usize,
    /// Its files.
    pub(super) files: Vec<Entry>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its path in the backup.
    pub(super) path: String,
    /// Its length in octets.
    pub(super) octets: u64,
    /// SHA-256 of its octets, in hex.
    pub(super) sha256: String,
}

impl Entry {
    /// Whether the path stays inside: names joined by slashes and nothing else.
    pub(super) fn is_inside(&self) -> bool {
        let mut components = Path::new(&self.path).components();
        !self.path.is_empty() && components.all(|part| matches!(part, Component::Normal(_)))
    }
}

/// The paths of all files under a directory, in order.
pub(super) fn files_under(directory: &Path, prefix: &str) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            files.extend(files_under(&entry.path(), &format!("{path}/"))?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Copies a file durably to where none is, for its owner alone, and says what it is.
pub(super) fn copy(from: &Path, to: &Path, path: &str) -> io::Result<Entry> {
    if let Some(parent) = to.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let entry = read(from, path, |octets| copy.write_all(octets))?;
    copy.sync_all()?;
    Ok(entry)
}

/// Reads a file and says what it is.
pub(super) fn measure(from: &Path, path: &str) -> io::Result<Entry> {
    read(from, path, |_| Ok(()))
}

fn read(
    from: &Path,
    path: &str,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Entry> {
    let mut file = File::open(from)?;
    let mut digest = Context::new(&SHA256);
    let mut octets = 0;
    let mut window = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut window)?;
        let part = window.get(..read).unwrap_or_default();
        if part.is_empty() {
            break;
        }
        take(part)?;
        digest.update(part);
        octets += read as u64;
    }
    let sum = digest.finish();
    let sha256 = sum.as_ref().iter().map(|octet| format!("{octet:02x}"));
    Ok(Entry {
        path: path.to_owned(),
        octets,
        sha256: sha256.collect(),
    })
}
