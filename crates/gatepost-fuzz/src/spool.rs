//! What recovery finds on disk: segments of any octets.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatepost::policy::relay::{self, RelayGrants};
use gatepost::queue::storage::{Area, Storage, StoredFile};
use gatepost::queue::{Envelope, ListQuery, Queue, SpoolOptions};
use gatepost_smtp::ReversePath;
use tokio::io::AsyncReadExt as _;
use tokio::runtime;

/// Octets of a segment: small, since each input is one.
const SEGMENT: u64 = 16 << 10;
/// What the segment is called: number 1, nonce 7.
const NAME: &str = "0000000000000001-0000000000000007.log";
const NONCE: u64 = 7;
/// The front of a record, and what it is made of.
const MAGIC: &[u8] = &[0xf5, b'G', b'Q', 1];
const HEADER: usize = 64;

/// A segment of any octets, as they are and with their checksums made right: recovery comes to its end, and what it found can be listed
/// and read (T-41).
pub fn recovery(octets: &[u8]) {
    recover(octets.to_vec());
    let mut sealed = octets.to_vec();
    seal(&mut sealed);
    recover(sealed);
}

fn recover(octets: Vec<u8>) {
    let room = octets.len();
    let storage = MemoryStorage::default();
    storage
        .files()
        .insert((Area::Log, NAME.to_owned()), MemoryFile::of(octets));
    let Ok((queue, _)) = Queue::open_with(Arc::new(storage), options()) else {
        return;
    };
    let Ok(runtime) = runtime::Builder::new_current_thread().build() else {
        return;
    };
    runtime.block_on(async {
        let query = ListQuery {
            limit: 1000,
            ..ListQuery::default()
        };
        let listing = queue.list(query).await.unwrap_or_default();
        assert!(listing.total <= room / HEADER, "more messages than records");
        for entry in listing.entries {
            if let Ok(mut content) = queue.content(entry.id).await {
                let mut message = Vec::new();
                let _ = content.read_to_end(&mut message).await;
                assert!(message.len() <= room, "more octets than there were");
            }
        }
    });
}

/// Makes the checksums of everything that looks like a record right, so that what they protect is read.
fn seal(octets: &mut [u8]) {
    let mut at = 0;
    while let Some(record) = octets.get_mut(at..).filter(|rest| rest.len() >= HEADER) {
        if record.starts_with(MAGIC) {
            seal_record(record);
        }
        at += 1;
    }
}

fn seal_record(record: &mut [u8]) {
    let number = |record: &[u8], at: usize| {
        let octets = record.get(at..at + 4).and_then(|four| four.try_into().ok());
        usize::try_from(octets.map_or(0, u32::from_le_bytes)).unwrap_or(usize::MAX)
    };
    let put = |record: &mut [u8], at: usize, octets: &[u8]| {
        if let Some(place) = record.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    };
    let (meta, content) = (number(record, 32), number(record, 40));
    let checksum = |record: &[u8], from: usize, length: usize| {
        let covered = record
            .get(from..from.saturating_add(length))
            .unwrap_or_default();
        crc32c::crc32c(covered).to_le_bytes()
    };
    put(record, 8, &NONCE.to_le_bytes());
    let meta_crc = checksum(record, HEADER, meta);
    put(record, 36, &meta_crc);
    let content_crc = checksum(record, HEADER.saturating_add(meta), content);
    put(record, 44, &content_crc);
    let header_crc = checksum(record, 0, HEADER - 4);
    put(record, HEADER - 4, &header_crc);
}

/// A segment with two messages in it, one of them tried once.
pub fn segment() -> Option<Vec<u8>> {
    let storage = MemoryStorage::default();
    let (queue, _) = Queue::open_with(Arc::new(storage.clone()), options()).ok()?;
    let runtime = runtime::Builder::new_current_thread().build().ok()?;
    runtime.block_on(async {
        for number in 0..2 {
            let envelope = Envelope {
                reverse_path: ReversePath::parse("fred@example.com").ok()?,
                ..Envelope::default()
            };
            let mut draft = queue.begin(envelope);
            draft.set_headers(format!("Subject: {number}\r\n\r\n").into_bytes());
            draft.append(b"a body\r\n").await.ok()?;
            let mut grants = RelayGrants::default();
            let recipient = ReversePath::parse("rcpt@example.org").ok()?;
            grants.add(relay::for_notice(&recipient)?);
            queue.commit(draft, grants).await.ok()?;
        }
        queue.lease(1).await.pop().map(drop)
    })?;
    drop(queue);
    let files = storage.files();
    let file = files
        .iter()
        .find(|((area, name), _)| *area == Area::Log && !name.contains("spare"))?;
    let octets = file.1.octets().clone();
    let end = octets.iter().rposition(|&octet| octet != 0)?;
    octets.get(..=end).map(<[u8]>::to_vec)
}

fn options() -> SpoolOptions {
    SpoolOptions {
        segment_octets: SEGMENT,
        ..SpoolOptions::default()
    }
}

type Files = BTreeMap<(Area, String), Arc<MemoryFile>>;

/// A disk that forgets.
#[derive(Clone, Default)]
struct MemoryStorage(Arc<Mutex<Files>>);

impl MemoryStorage {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        let files = self.files();
        let names = files.keys().filter(|(place, _)| *place == area);
        Ok(names.map(|(_, name)| name.clone()).collect())
    }

    fn create(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = MemoryFile::of(Vec::new());
        self.files().insert((area, name.to_owned()), file.clone());
        Ok(file)
    }

    fn open(&self, area: Area, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        match self.files().get(&(area, name.to_owned())) {
            Some(file) => Ok(file.clone()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, area: Area, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files();
        match files.remove(&(area, from.to_owned())) {
            Some(file) => {
                files.insert((area, to.to_owned()), file);
                Ok(())
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn unlink(&self, area: Area, name: &str) -> io::Result<()> {
        match self.files().remove(&(area, name.to_owned())) {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn sync_dir(&self, _: Area) -> io::Result<()> {
        Ok(())
    }
}

struct MemoryFile(Mutex<Vec<u8>>);

impl MemoryFile {
    fn of(octets: Vec<u8>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(octets)))
    }

    fn octets(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredFile for MemoryFile {
    fn preallocate(&self, octets: u64) -> io::Result<()> {
        let octets = usize::try_from(octets).map_err(io::Error::other)?;
        let mut file = self.octets();
        let length = file.len().max(octets);
        file.resize(length, 0);
        Ok(())
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let written: Vec<u8> = parts.iter().flat_map(|part| part.iter()).copied().collect();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let mut file = self.octets();
        let length = file.len().max(offset + written.len());
        file.resize(length, 0);
        file.splice(offset..offset + written.len(), written);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let file = self.octets();
        let there = file.get(offset..).unwrap_or_default();
        let length = there.len().min(buffer.len());
        let both = buffer.iter_mut().zip(there);
        both.for_each(|(place, octet)| *place = *octet);
        Ok(length)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.octets().len() as u64)
    }
}
