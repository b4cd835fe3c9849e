//! `gatepost backup -c FILE TO`: the data directory as it is at one moment, while the server runs.
//!
//! Whoever has the data directory open (the server, or this process when none runs) makes a consistent copy inside it; this command
//! takes it from there to TO, with checksums, and removes it. The manifest is written last: a directory without one is no backup.

mod manifest;
pub(super) mod restore;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use self::manifest::Manifest;
use crate::cli::queue::snapshot;
use crate::cli::{CommandError, ConfigFile, print};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The directory to make; it must not exist
    to: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
}

/// Makes a backup.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let to = &arguments.to;
    let failed = |error: io::Error| {
        CommandError::Failed(format!(
            "cannot write the backup to {}: {error}\n    name a directory that does not exist, with room for it; what was begun there is no backup",
            to.display()
        ))
    };
    DirBuilder::new().mode(0o700).create(to).map_err(failed)?;
    let snapshot = snapshot(&arguments.file)?;
    let taken = take(&snapshot.directory, to);
    // What cannot be removed now goes when the server starts next.
    let _ = fs::remove_dir_all(&snapshot.directory);
    let manifest = Manifest {
        format: manifest::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made: format!("{:.0}", Timestamp::now()),
        generation: snapshot.generation,
        messages: snapshot.messages,
        accounts: snapshot.accounts,
        files: taken.map_err(failed)?,
    };
    finish(&manifest, to).map_err(failed)?;
    print(&format!(
        "{}: {} accounts and {} queued messages, generation {}\nit holds what opens every account and all queued mail: keep it as safe as the server itself",
        to.display(),
        manifest.accounts,
        manifest.messages,
        manifest.generation
    ));
    Ok(())
}

fn take(from: &Path, to: &Path) -> io::Result<Vec<manifest::Entry>> {
    manifest::files_under(from, "")?
        .iter()
        .filter(|path| *path != "queue/lock")
        .map(|path| manifest::copy(&from.join(path), &to.join(path), path))
        .collect()
}

fn finish(manifest: &Manifest, to: &Path) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to.join(manifest::NAME))?;
    file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
    file.sync_all()?;
    File::open(to)?.sync_all()
}
