//! Where a development server keeps what it makes.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use crate::cli::CommandError;

/// The directory of a development server that was given none, so that other commands find it. It lives as long as the server.
pub(crate) fn default_directory() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if !runtime.is_empty() => PathBuf::from(runtime).join("gatepost-dev"),
        _ => std::env::temp_dir().join(format!("gatepost-dev-{}", geteuid().as_raw())),
    }
}

/// A directory in use.
pub(super) struct Directory {
    path: PathBuf,
    /// Held while the server runs; present when the directory goes with it.
    passing: Option<File>,
}

impl Directory {
    /// The one that was asked for, or the default one, emptied.
    pub(super) fn open(asked: Option<&Path>) -> Result<Self, CommandError> {
        let path = asked.map_or_else(default_directory, Path::to_owned);
        let failed = |error: io::Error| {
            CommandError::Failed(format!(
                "{}: {error}\n    name another directory with --dir",
                path.display()
            ))
        };
        create(&path).map_err(failed)?;
        if asked.is_some() {
            let path = fs::canonicalize(&path).map_err(failed)?;
            return Ok(Self {
                path,
                passing: None,
            });
        }
        let lock = lock(&path).map_err(failed)?;
        empty(&path).map_err(failed)?;
        Ok(Self {
            path,
            passing: Some(lock),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.passing.is_some() {
            // What cannot be removed is removed by the next server.
            let _ = empty(&self.path);
        }
    }
}

fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // In a directory that everybody may write to, somebody else may have been first.
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() && found.uid() == geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::other("this is not a directory of your own"))
}

fn lock(directory: &Path) -> io::Result<File> {
    let lock = File::create(directory.join(LOCK))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::other("another gatepost dev is running with this directory"))?;
    Ok(lock)
}

fn empty(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

const LOCK: &str = "dev.lock";
