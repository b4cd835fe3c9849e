//! A disk that keeps no more than POSIX promises.
//!
//! What was not synced may be there after a power cut, or not, page by page and sector by sector, in any order; a name that was made,
//! changed or removed without a sync of its directory may be as before. Any call can be made to fail, counted from the first. After a
//! failed sync the pages it should have written count as clean, whether they reached the disk or not, as on Linux.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex};

use gatepost::queue::storage::{Area, Storage, StoredFile};

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A small, good enough generator (SplitMix64): a seed is a history.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// What a failing call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Eio,
    Enospc,
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Eio => io::Error::from_raw_os_error(5),
            Fault::Enospc => io::Error::from_raw_os_error(28),
        }
    }
}

#[derive(Default, Clone)]
struct Inode {
    /// As a running process sees it.
    live: Vec<u8>,
    /// As the platters have it.
    durable: Vec<u8>,
    /// Pages that the next sync writes.
    dirty: BTreeSet<usize>,
}

#[derive(Clone)]
enum NameChange {
    Set(Area, String, usize),
    Unset(Area, String),
    /// From the first name to the second: never both, never none.
    Renamed(Area, [String; 2], usize),
}

type Names = BTreeMap<(Area, String), usize>;

struct Disk {
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    unsynced: Vec<(Area, NameChange)>,
    calls: usize,
    syncs: usize,
    fail_at: Option<(usize, Fault)>,
    full: bool,
    power_cut_at: Option<(usize, u64)>,
    /// What the platters held when the power was cut.
    image: Option<Box<(Vec<Inode>, Names)>>,
    sync_works: bool,
    syncs_fail: bool,
    written: usize,
}

/// The disk of a simulated machine.
#[derive(Clone)]
pub(crate) struct SimStorage(Arc<Mutex<Disk>>, Arc<Gate>);

/// Stops calls until it is opened.
#[derive(Default)]
struct Gate {
    closed: Mutex<Option<Gated>>,
    opened: Condvar,
}

/// The calls that a gate stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gated {
    Syncs,
    Writes,
}

impl Gate {
    fn pass(&self, call: Gated) {
        let closed = self.closed.lock().unwrap();
        drop(
            self.opened
                .wait_while(closed, |closed| *closed == Some(call))
                .unwrap(),
        );
    }
}

impl SimStorage {
    /// An empty disk.
    pub(crate) fn new() -> Self {
        Self::of(Vec::new(), Names::new())
    }

    fn of(inodes: Vec<Inode>, names: Names) -> Self {
        let disk = Arc::new(Mutex::new(Disk {
            inodes,
            durable_names: names.clone(),
            names,
            unsynced: Vec::new(),
            calls: 0,
            syncs: 0,
            fail_at: None,
            full: false,
            power_cut_at: None,
            image: None,
            sync_works: true,
            syncs_fail: false,
            written: 0,
        }));
        Self(disk, Arc::default())
    }

    /// Stops all calls of a kind, until `None` lets them go on.
    pub(crate) fn gate(&self, stopped: Option<Gated>) {
        *self.1.closed.lock().unwrap() = stopped;
        self.1.opened.notify_all();
    }

    /// Octets written so far.
    pub(crate) fn written(&self) -> usize {
        self.0.lock().unwrap().written
    }

    /// Takes the sync out: it says yes and does nothing.
    pub(crate) fn without_sync(self) -> Self {
        self.0.lock().unwrap().sync_works = false;
        self
    }

    /// Makes the call with this number, counted from now on, fail once.
    pub(crate) fn fail_call(&self, number: usize, fault: Fault) {
        let mut disk = self.0.lock().unwrap();
        disk.fail_at = Some((disk.calls + number, fault));
    }

    /// While it is full, nothing new can be made or allocated.
    pub(crate) fn set_full(&self, full: bool) {
        self.0.lock().unwrap().full = full;
    }

    /// Lets every sync of a file fail, or no more.
    pub(crate) fn fail_syncs(&self, fail: bool) {
        self.0.lock().unwrap().syncs_fail = fail;
    }

    /// Cuts the power at the call with this number, counted from now on: every later call fails.
    pub(crate) fn cut_power_at(&self, number: usize, seed: u64) {
        let mut disk = self.0.lock().unwrap();
        disk.power_cut_at = Some((disk.calls + number, seed));
    }

    pub(crate) fn power_is_cut(&self) -> bool {
        self.0.lock().unwrap().image.is_some()
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// How many syncs of files there were.
    pub(crate) fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }

    /// The disk of the machine started again, after the power cut that happened, or else one that happens now.
    pub(crate) fn after_power_cut(&self, seed: u64) -> Self {
        let mut disk = self.0.lock().unwrap();
        if disk.image.is_none() {
            disk.cut(seed);
        }
        let (inodes, names) = *disk.image.clone().unwrap();
        let again = Self::of(inodes, names);
        again.0.lock().unwrap().sync_works = disk.sync_works;
        again
    }

    /// The disk as it is, everything included: for damage done to a machine at rest.
    pub(crate) fn copy(&self) -> Self {
        let disk = self.0.lock().unwrap();
        let mut inodes = disk.inodes.clone();
        for inode in &mut inodes {
            inode.durable = inode.live.clone();
            inode.dirty.clear();
        }
        Self::of(inodes, disk.names.clone())
    }

    /// The files of an area and their lengths.
    pub(crate) fn files(&self, area: Area) -> Vec<(String, usize)> {
        let disk = self.0.lock().unwrap();
        let in_area = disk.names.iter().filter(|((of, _), _)| *of == area);
        in_area
            .map(|((_, name), inode)| (name.clone(), disk.inodes[*inode].live.len()))
            .collect()
    }

    /// Flips a bit.
    pub(crate) fn flip(&self, area: Area, name: &str, bit: usize) {
        let mut disk = self.0.lock().unwrap();
        let inode = disk.names[&(area, name.to_owned())];
        disk.inodes[inode].live[bit / 8] ^= 1 << (bit % 8);
    }
}

impl Disk {
    /// Counts a call, and fails it if its time has come.
    fn call(&mut self) -> io::Result<()> {
        if self.image.is_some() {
            return Err(Fault::Eio.into());
        }
        let number = self.calls;
        self.calls += 1;
        if let Some((at, seed)) = self.power_cut_at
            && number >= at
        {
            self.cut(seed);
            return Err(Fault::Eio.into());
        }
        match self.fail_at {
            Some((at, fault)) if at == number => Err(fault.into()),
            _ => Ok(()),
        }
    }

    fn allocation(&self) -> io::Result<()> {
        if self.full {
            return Err(Fault::Enospc.into());
        }
        Ok(())
    }

    fn cut(&mut self, seed: u64) {
        let mut dice = Dice::new(seed);
        let mut inodes = self.inodes.clone();
        for inode in &mut inodes {
            inode.lose_power(&mut dice);
        }
        let mut names = self.durable_names.clone();
        for (_, change) in &self.unsynced {
            if dice.one_in(2) {
                change.apply(&mut names);
            }
        }
        self.image = Some(Box::new((inodes, names)));
    }

    fn change_name(&mut self, area: Area, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced.push((area, change));
    }

    fn inode(&self, area: Area, name: &str) -> io::Result<usize> {
        let found = self.names.get(&(area, name.to_owned()));
        found.copied().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Set(area, name, inode) => {
                names.insert((*area, name.clone()), *inode);
            }
            Self::Unset(area, name) => {
                names.remove(&(*area, name.clone()));
            }
            Self::Renamed(area, [from, to], inode) => {
                names.remove(&(*area, from.clone()));
                names.insert((*area, to.clone()), *inode);
            }
        }
    }
}

impl Inode {
    fn write(&mut self, octets: &[u8], offset: usize) {
        let end = offset + octets.len();
        if self.live.len() < end {
            self.live.resize(end, 0);
        }
        self.live[offset..end].copy_from_slice(octets);
        if !octets.is_empty() {
            self.dirty.extend(offset / PAGE..=(end - 1) / PAGE);
        }
    }

    fn write_back(&mut self, from: usize, to: usize) {
        let to = to.min(self.live.len());
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        if from < to {
            self.durable[from..to].copy_from_slice(&self.live[from..to]);
        }
    }

    fn sync(&mut self) {
        for page in std::mem::take(&mut self.dirty) {
            self.write_back(page * PAGE, (page + 1) * PAGE);
        }
        self.durable.resize(self.live.len(), 0);
    }

    /// Of each dirty page all, nothing or some sectors were written.
    fn lose_power(&mut self, dice: &mut Dice) {
        for page in std::mem::take(&mut self.dirty) {
            for sector in 0..PAGE / SECTOR {
                let written = match dice.below(3) {
                    0 => dice.one_in(2),
                    fate => fate == 1 && sector == 0 || dice.one_in(4),
                };
                if written {
                    let from = page * PAGE + sector * SECTOR;
                    self.write_back(from, from + SECTOR);
                }
            }
        }
        self.live.clone_from(&self.durable);
    }

    /// A sync that failed: some pages were written, and all count as clean.
    fn fail_to_sync(&mut self) {
        for (count, page) in std::mem::take(&mut self.dirty).into_iter().enumerate() {
            if count % 2 == 1 {
                self.write_back(page * PAGE, (page + 1) * PAGE);
            }
        }
    }
}

impl Storage for SimStorage {
    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        let in_area = disk.names.keys().filter(|(of, _)| *of == area);
        Ok(in_area.map(|(_, name)| name.clone()).collect())
    }

    fn create(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        disk.allocation()?;
        if disk.inode(area, name).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = disk.inodes.len();
        disk.inodes.push(Inode::default());
        disk.change_name(area, NameChange::Set(area, name.to_owned(), inode));
        Ok(Arc::new(SimFile(self.clone(), inode)))
    }

    fn open(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        let inode = disk.inode(area, name)?;
        Ok(Arc::new(SimFile(self.clone(), inode)))
    }

    fn rename(&self, area: Area, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        let inode = disk.inode(area, from)?;
        let both = [from.to_owned(), to.to_owned()];
        disk.change_name(area, NameChange::Renamed(area, both, inode));
        Ok(())
    }

    fn unlink(&self, area: Area, name: &str) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        disk.inode(area, name)?;
        disk.change_name(area, NameChange::Unset(area, name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, area: Area) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.call()?;
        if !disk.sync_works {
            return Ok(());
        }
        let (now, later) = std::mem::take(&mut disk.unsynced)
            .into_iter()
            .partition(|(of, _)| *of == area);
        disk.unsynced = later;
        let now: Vec<(Area, NameChange)> = now;
        for (_, change) in now {
            change.apply(&mut disk.durable_names);
        }
        Ok(())
    }
}

struct SimFile(SimStorage, usize);

impl SimFile {
    fn with<T>(&self, act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        act(&mut self.0.0.lock().unwrap())
    }
}

impl StoredFile for SimFile {
    fn preallocate(&self, octets: u64) -> io::Result<()> {
        let octets = usize::try_from(octets).unwrap();
        self.with(|disk| {
            disk.call()?;
            if disk.inodes[self.1].live.len() < octets {
                disk.allocation()?;
                disk.inodes[self.1].live.resize(octets, 0);
            }
            Ok(())
        })
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let octets: Vec<u8> = parts
            .iter()
            .map(|part| &**part)
            .collect::<Vec<_>>()
            .concat();
        let offset = usize::try_from(offset).unwrap();
        self.0.1.pass(Gated::Writes);
        self.with(|disk| {
            if disk.inodes[self.1].live.len() < offset + octets.len() {
                disk.allocation()?;
            }
            let result = disk.call();
            // A write that fails may have come some way.
            let written = match result {
                Ok(()) => octets.len(),
                Err(_) => octets.len() / 2,
            };
            disk.inodes[self.1].write(&octets[..written], offset);
            disk.written += written;
            result
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap();
        self.with(|disk| {
            disk.call()?;
            let there = disk.inodes[self.1].live.get(offset..).unwrap_or_default();
            let count = there.len().min(buffer.len());
            buffer[..count].copy_from_slice(&there[..count]);
            Ok(count)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.0.1.pass(Gated::Syncs);
        self.with(|disk| {
            disk.syncs += 1;
            let mut result = disk.call();
            if disk.syncs_fail {
                result = Err(Fault::Eio.into());
            }
            if result.is_err() {
                disk.inodes[self.1].fail_to_sync();
            } else if disk.sync_works {
                disk.inodes[self.1].sync();
            }
            result
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(|disk| {
            disk.call()?;
            Ok(disk.inodes[self.1].live.len() as u64)
        })
    }
}
