//! The seam between the queue and the disk.
//!
//! [`Storage`] has the few calls that durability is made of, and no others, so that a test can stand a disk behind it that drops
//! what was not synced, tears pages and fails any call. [`FileStorage`] is the real one: a directory.
//!
//! What the engine relies on, and nothing more (POSIX): what [`StoredFile::sync`] covered survives a power cut; a name created,
//! renamed or unlinked survives once [`Storage::sync_dir`] returned. After a failed sync nothing is known about the writes it should
//! have covered, and a second sync that succeeds proves nothing; so no failed call is ever repeated on the same file.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};

/// The directories of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Log segments.
    Log,
    /// Large bodies, a file each.
    Bodies,
    /// What recovery or a reader found damaged.
    Quarantine,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 3] = [Self::Log, Self::Bodies, Self::Quarantine];

    /// The name of its directory.
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Bodies => "bodies",
            Self::Quarantine => "quarantine",
        }
    }
}

/// A disk with three directories. Names are made by the engine, never taken from outside.
pub trait Storage: Send + Sync + 'static {
    /// The names in a directory, in any order.
    fn list(&self, area: Area) -> io::Result<Vec<String>>;
    /// Makes a file that must not exist yet.
    fn create(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>>;
    /// Opens a file that exists.
    fn open(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>>;
    /// Gives a file another name in the same directory.
    fn rename(&self, area: Area, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name.
    fn unlink(&self, area: Area, name: &str) -> io::Result<()>;
    /// Makes the names of a directory durable.
    fn sync_dir(&self, area: Area) -> io::Result<()>;
}

/// A file of a [`Storage`].
pub trait StoredFile: Send + Sync {
    /// Reserves room for the first `octets` octets, which read as zero where nothing was written.
    fn preallocate(&self, octets: u64) -> io::Result<()>;
    /// Writes all the parts, one after the other, at `offset`. On an error any of it may have been written.
    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Reads up to the length of `buffer` at `offset`; less only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Makes everything written so far durable, with what is needed to read it back.
    fn sync(&self) -> io::Result<()>;
    /// The length in octets.
    fn length(&self) -> io::Result<u64>;
}

/// A queue in a directory of the file system, readable for its owner only.
#[derive(Debug)]
pub struct FileStorage {
    root: PathBuf,
    /// Held, not read: its lock says that the directory is in use.
    _lock: File,
}

impl FileStorage {
    /// Opens the directory, made if absent, and locks it.
    ///
    /// Fails with [`io::ErrorKind::WouldBlock`] when another process has it open.
    pub fn open(root: &Path) -> io::Result<Self> {
        for area in Area::ALL {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(root.join(area.directory()))?;
        }
        let lock = private_file().create(true).open(root.join("lock"))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        File::open(root)?.sync_all()?;
        if let Some(parent) = root.parent() {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            File::open(parent)?.sync_all()?;
        }
        Ok(Self {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    fn path(&self, area: Area, name: &str) -> PathBuf {
        self.root.join(area.directory()).join(name)
    }
}

impl Storage for FileStorage {
    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(self.root.join(area.directory()))?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = private_file()
            .create_new(true)
            .open(self.path(area, name))?;
        Ok(Arc::new(file))
    }

    fn open(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        Ok(Arc::new(private_file().open(self.path(area, name))?))
    }

    fn rename(&self, area: Area, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(area, from), self.path(area, to))
    }

    fn unlink(&self, area: Area, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(area, name))
    }

    fn sync_dir(&self, area: Area) -> io::Result<()> {
        File::open(self.root.join(area.directory()))?.sync_all()
    }
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

impl StoredFile for File {
    fn preallocate(&self, octets: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), 0, octets) {
            // A file system without allocation: the length alone still saves the sync from writing metadata.
            Err(rustix::io::Errno::OPNOTSUPP) => self.set_len(octets),
            result => Ok(result?),
        }
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        /// `IOV_MAX` of Linux.
        const PARTS_PER_CALL: usize = 1024;
        let mut rest = parts;
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let now = rest.get(..PARTS_PER_CALL).unwrap_or(rest);
            match rustix::io::pwritev(self, now, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
