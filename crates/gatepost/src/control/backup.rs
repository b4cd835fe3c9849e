//! A consistent copy of the data directory, made by whoever has it open.
//!
//! The copy stands in a directory of its own inside the data directory, readable for its owner only, until whoever asked has taken it
//! from there. What a crash leaves of one goes at the next start.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::command::{Control, Done, Failure};
use crate::delivery::pins;
use crate::queue::storage::FileStorage;

/// How the name of a copy begins.
const PREFIX: &str = "snapshot-";
/// The file that counts the restores of a data directory.
const GENERATION: &str = "generation";

/// A copy, ready to be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its directory.
    pub directory: PathBuf,
    /// How often the data directory has been restored, counted from 1.
    pub generation: u64,
    /// Queued messages in it.
    pub messages: usize,
    /// Accounts in it.
    pub accounts: usize,
}

impl Control {
    pub(super) fn snapshot(&self) -> Result<Done, Failure> {
        let data = self.store().directory();
        let failed = |error: &dyn std::fmt::Display| {
            Failure(format!(
                "cannot copy {}: {error}\n    the copy needs as much room there as accounts and queued mail take",
                data.display()
            ))
        };
        let queue = self.desk()?.queue();
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| failed(&error))?;
        let directory = data.join(format!("{PREFIX}{:016x}", u64::from_le_bytes(random)));
        let made = (|| {
            DirBuilder::new()
                .mode(0o700)
                .create(&directory)
                .map_err(|error| failed(&error))?;
            self.store()
                .copy_to(&directory)
                .map_err(|error| failed(&error))?;
            copy_pins(data, &directory).map_err(|error| failed(&error))?;
            let storage =
                FileStorage::open(&directory.join("queue")).map_err(|error| failed(&error))?;
            let messages = Handle::current()
                .block_on(queue.copy_to(Arc::new(storage)))
                .map_err(|error| failed(&error))?;
            Ok(Snapshot {
                generation: generation(data).map_err(|error| failed(&error))?,
                messages,
                accounts: self.store().accounts().len(),
                directory: directory.clone(),
            })
        })();
        if made.is_err() {
            // What cannot be removed now goes at the next start.
            let _ = fs::remove_dir_all(&directory);
        }
        made.map(Done::Snapshot)
    }
}

/// The file of pins is only ever replaced as a whole, and need not be there.
fn copy_pins(data: &Path, directory: &Path) -> io::Result<()> {
    match fs::copy(data.join(pins::FILE), directory.join(pins::FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How often a data directory has been restored, counted from 1.
pub fn generation(data: &Path) -> io::Result<u64> {
    match fs::read_to_string(data.join(GENERATION)) {
        Ok(text) => text.trim().parse().map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(1),
        Err(error) => Err(error),
    }
}

/// Writes it.
pub fn set_generation(data: &Path, generation: u64) -> io::Result<()> {
    fs::write(data.join(GENERATION), format!("{generation}\n"))
}

/// Removes copies that nobody took. The data directory must not be in use.
pub fn remove_leftovers(data: &Path) -> io::Result<()> {
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
