//! `gatepost restore -c FILE FROM`: a data directory from a backup, with its queue held (T-61).
//!
//! Every checksum is verified before anything is written, and nothing is written over. Mail of the backup may have been delivered since
//! it was made, so every recipient that waits is held until someone releases it. The queue gets its name last: a restore that was cut
//! off leaves a data directory without one, and sends nothing.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::task::JoinSet;

use super::manifest::{self, Manifest};
use crate::cli::{CommandError, ConfigFile, print};
use crate::config;
use crate::control::backup::set_generation;
use crate::queue::{EntryState, ListQuery, Queue, QueueError, SpoolOptions};

/// Why restored mail is held.
const WHY: &str = "restored from a backup: it may have been delivered since that was made";
/// The name of the queue until all of it is held.
const DRAFT: &str = "queue.restoring";
/// Messages held at a time.
const CHUNK: usize = 128;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The directory that `gatepost backup` made
    from: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
}

/// Restores a backup.
pub(in crate::cli) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let config = config::load(&arguments.file.config)
        .map_err(|error| CommandError::Failed(format!("configuration cannot be used\n{error}")))?;
    let (from, data) = (&arguments.from, &config.data);
    let manifest = verified(from)?;
    make_empty(data)?;
    let failed = |error: io::Error| {
        CommandError::Failed(format!(
            "cannot restore to {}: {error}\n    empty that directory and try again; the backup is as it was",
            data.display()
        ))
    };
    for entry in &manifest.files {
        let place = match entry.path.strip_prefix("queue/") {
            Some(rest) => data.join(DRAFT).join(rest),
            None => data.join(&entry.path),
        };
        manifest::copy(&from.join(&entry.path), &place, &entry.path).map_err(failed)?;
    }
    let generation = manifest.generation.saturating_add(1);
    set_generation(data, generation).map_err(failed)?;
    let held = hold_queue(&data.join(DRAFT)).map_err(failed)?;
    fs::rename(data.join(DRAFT), data.join("queue")).map_err(failed)?;
    File::open(data)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)?;
    print(&format!(
        "{}: restored the backup of {}, generation {generation}\n\
         {} accounts as they were then: whoever was removed or disabled since, and every password changed since, is valid as before; see to them before the server starts\n\
         {held} queued messages are held, since they may have been delivered after the backup: `gatepost queue list` shows them, `gatepost queue release --all --reply 'restored*' --yes` sends them",
        data.display(),
        manifest.made,
        manifest.accounts
    ));
    Ok(())
}

/// The manifest of a backup whose files are what it says.
fn verified(from: &Path) -> Result<Manifest, CommandError> {
    let unusable = |path: &str, why: &dyn std::fmt::Display| {
        CommandError::Failed(format!(
            "{}: {why}\n    this is no backup that can be restored; nothing was written",
            from.join(path).display()
        ))
    };
    let text = fs::read(from.join(manifest::NAME)).map_err(|why| unusable(manifest::NAME, &why))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|why| unusable(manifest::NAME, &why))?;
    if manifest.format != manifest::FORMAT {
        let why = "made by a newer gatepost; restore it with that";
        return Err(unusable(manifest::NAME, &why));
    }
    for entry in &manifest.files {
        if !entry.is_inside() {
            return Err(unusable(manifest::NAME, &"names a file outside"));
        }
        let found = manifest::measure(&from.join(&entry.path), &entry.path)
            .map_err(|why| unusable(&entry.path, &why))?;
        if found != *entry {
            return Err(unusable(&entry.path, &"does not match its checksum"));
        }
    }
    Ok(manifest)
}

/// Makes the data directory, or finds it empty and this user's.
fn make_empty(data: &Path) -> Result<(), CommandError> {
    let refused = |why: String| CommandError::Failed(format!("data: {}: {why}", data.display()));
    let error = |error: io::Error| refused(format!("{error}\n    nothing was written"));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(error)?;
    if fs::read_dir(data).map_err(error)?.next().is_some() {
        let next = "is not empty\n    a restore writes over nothing: stop the server and move the directory away first";
        return Err(refused(next.to_owned()));
    }
    let owner = fs::metadata(data).map_err(error)?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        let next = format!(
            "belongs to another user\n    run this as that user (uid {owner}), for example by `sudo -u`"
        );
        return Err(refused(next));
    }
    Ok(())
}

/// Holds everything that waits in the queue of a directory, and says how much that is.
fn hold_queue(directory: &Path) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (queue, report) = Queue::open(directory, SpoolOptions::default())?;
        if let Some(damage) = report.damage.first() {
            return Err(io::Error::other(format!(
                "the queue is damaged: {damage:?}"
            )));
        }
        hold_all(&queue).await.map_err(io::Error::other)
    })
}

async fn hold_all(queue: &Queue) -> Result<usize, QueueError> {
    let mut held = 0;
    loop {
        let waiting = ListQuery {
            state: Some(EntryState::Queued),
            before: None,
            limit: CHUNK,
        };
        let page = queue.list(waiting).await?;
        if page.entries.is_empty() {
            // What is counted and not listed cannot be read.
            return if page.total == 0 {
                Ok(held)
            } else {
                Err(QueueError::Damaged)
            };
        }
        // Together, so that they share the engine's syncs.
        let mut running = JoinSet::new();
        for entry in page.entries {
            let queue = queue.clone();
            running.spawn(async move { queue.hold(entry.id, WHY.to_owned()).await });
        }
        for done in running.join_all().await {
            done?;
            held += 1;
        }
    }
}
