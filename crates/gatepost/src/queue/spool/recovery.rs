//! Rebuilds the index from the log, over whatever a crash or a failing disk has done to it.
//!
//! Segments are read from the oldest to the newest, headers and metas only; the newest, which a crash may have torn, with its
//! contents. Newest is the last that has its first record, with all that is void in those before it; a crash may have left others
//! behind it without one. What is not a valid record is copied to quarantine, reported, and from the next segment on recorded as void, so that it is
//! reported once. It is never silently dropped, and never costs more than the records that it covers.
//!
//! Nothing is ever appended to a segment of an earlier run: what a torn write may have left behind its end cannot come back to life.
//! Recovery itself writes nothing into the log; it can be repeated, and works on a full disk.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::index::{Entry, Index, Place, SegmentUse};
use super::record::{HEADER, Header, Kind, MessageMeta, Void, decode_done, decode_voids};
use super::scan::{self, Flow, Found};
use super::segment::{SPARE_SUFFIX, Segment};
use super::state::{self, Clocks};
use super::writer::{GROUP_OCTETS, Heritage};
use super::{SpoolOptions, body_name};
use crate::queue::entry::Phase;
use crate::queue::id::QueueId;
use crate::queue::storage::{Area, Storage};

/// What was found when the queue was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Messages that are queued.
    pub messages: usize,
    /// Log segments that were read.
    pub segments: usize,
    /// What was set aside. Each is worth an alarm, but a [`DamageKind::TornTail`] is what a power cut leaves of a write that nobody was
    /// told had succeeded.
    pub damage: Vec<Damage>,
    /// Body files that belonged to no message and were removed: of messages that were being received.
    pub orphans_removed: usize,
    /// Body files that belong to no message, kept because there is damage that may have named them.
    pub orphans_kept: usize,
}

/// Octets of the log that are not a valid record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub kind: DamageKind,
    /// The message, where its header could be read.
    pub id: Option<QueueId>,
    /// Number of the segment.
    pub segment: u64,
    /// Offset in the segment.
    pub offset: u64,
    /// The copy in the quarantine directory; `None` when it could not be written, and then the segment stays.
    pub copy: Option<String>,
}

/// What kind of damage it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// The end of the newest segment: a write that was cut off.
    TornTail,
    /// Octets between records that are no record.
    Gap,
    /// A record whose recipients and envelope do not match their checksum.
    Meta,
    /// A message whose content does not match its checksum.
    Content,
    /// A message whose body file is missing; it is held.
    BodyMissing,
}

/// The queue as the log has it.
pub(super) struct Recovered {
    pub(super) index: Index,
    pub(super) heritage: Heritage,
    pub(super) report: RecoveryReport,
}

/// Reads the log. An error means that the disk could not be read: nothing is known then, and nothing was changed.
pub(super) fn recover(
    storage: &dyn Storage,
    options: &SpoolOptions,
    clocks: Clocks,
) -> io::Result<Recovered> {
    let mut names = storage.list(Area::Log)?;
    names.sort_unstable();
    let mut segments = Vec::new();
    for name in &names {
        segments.extend(Segment::open(storage, name)?.map(Arc::new));
    }
    let mut voids = Vec::new();
    let mut last_opened = 0;
    for segment in &segments {
        if let Some(declared) = voids_of(segment)? {
            voids.extend(declared);
            last_opened = segment.number;
        }
    }
    voids.sort_unstable_by_key(|void: &Void| (void.segment, void.from, void.to));
    voids.dedup();
    let mut rebuilding = Rebuilding {
        storage,
        longest_delay: options.longest_delay,
        clocks,
        index: Index::default(),
        voids,
        report: RecoveryReport::default(),
    };
    for segment in &segments {
        rebuilding.read(segment, segment.number >= last_opened)?;
    }
    rebuilding.match_bodies()?;
    rebuilding.report.messages = rebuilding.index.len();
    rebuilding.report.segments = segments.len();
    let newest = segments.last().map(|segment| segment.number);
    let spares = names
        .into_iter()
        .filter(|name| name.ends_with(SPARE_SUFFIX));
    Ok(Recovered {
        heritage: Heritage {
            next_number: newest.map_or(1, |number| number + 1),
            voids: rebuilding.voids,
            spares: spares.collect(),
        },
        index: rebuilding.index,
        report: rebuilding.report,
    })
}

/// The ranges that a segment's first record declares void; `None` without such a record.
fn voids_of(segment: &Segment) -> io::Result<Option<Vec<Void>>> {
    let mut voids = None;
    scan::scan(segment, &[], 0, false, &mut |_, found| {
        if let Found::Record { header, meta } = found
            && header.kind == Kind::Open
        {
            voids = decode_voids(meta);
        }
        Ok(Flow::Stop)
    })?;
    Ok(voids)
}

struct Rebuilding<'a> {
    storage: &'a dyn Storage,
    longest_delay: std::time::Duration,
    clocks: Clocks,
    index: Index,
    voids: Vec<Void>,
    report: RecoveryReport,
}

impl Rebuilding<'_> {
    fn read(&mut self, segment: &Arc<Segment>, check_contents: bool) -> io::Result<()> {
        self.index
            .add_segment(segment.number, SegmentUse::new(segment.clone(), 0));
        let mut damage = Vec::new();
        let voids = self.voids.clone();
        let end = scan::scan(segment, &voids, 0, check_contents, &mut |offset, found| {
            let (kind, id, to) = match found {
                Found::Record { header, meta } => {
                    if self.replay(segment.number, offset, &header, meta).is_some() {
                        return Ok(Flow::Continue);
                    }
                    let to = offset + header.record_length();
                    (DamageKind::Meta, Some(header.id), to)
                }
                Found::BadMeta { header } => {
                    let to = offset + header.record_length();
                    (DamageKind::Meta, Some(header.id), to)
                }
                Found::BadContent { header } => {
                    let to = offset + header.record_length();
                    (DamageKind::Content, Some(header.id), to)
                }
                Found::Gap { to } => (DamageKind::Gap, None, to),
                Found::TornTail => (DamageKind::TornTail, None, u64::MAX),
            };
            damage.push((kind, id, offset, to));
            Ok(Flow::Continue)
        })?;
        if let Some(usage) = self.index.segment_mut(segment.number) {
            usage.written = end;
        }
        for (kind, id, from, to) in damage {
            self.set_aside(segment, kind, id, from, to);
        }
        Ok(())
    }

    /// Applies a record to the index; `None` when its meta makes no sense.
    fn replay(&mut self, segment: u64, offset: u64, header: &Header, meta: &[u8]) -> Option<()> {
        let id = header.id;
        let place = Place {
            segment,
            offset,
            length: header.record_length(),
        };
        match header.kind {
            Kind::Open => {}
            Kind::Message | Kind::BodyRef => {
                let parts = MessageMeta::decode(header.kind, meta)?;
                let states = state::decode(parts.states, self.clocks, self.longest_delay)?;
                let entry = Entry::new(place, parts.body.is_some(), states);
                self.index.insert(id, entry);
            }
            Kind::Patch => {
                let states = state::decode(meta, self.clocks, self.longest_delay)?;
                // A patch of a message that is gone says nothing any more.
                self.index.patch(id, states, Some(place));
            }
            Kind::Done => {
                let message_segment = decode_done(meta)?;
                self.index.remove(id);
                self.index.add_done(place, message_segment);
            }
        }
        Some(())
    }

    /// Copies damaged octets to quarantine and declares them void; if they cannot be copied, their segment stays.
    fn set_aside(
        &mut self,
        segment: &Arc<Segment>,
        kind: DamageKind,
        id: Option<QueueId>,
        from: u64,
        to: u64,
    ) {
        let name = format!("{:016x}-{from:08x}.bad", segment.number);
        let copied = self.copy(segment, from, to, &name);
        if copied.is_ok() {
            self.voids.push(Void {
                segment: segment.number,
                from,
                to,
            });
        } else if let Some(usage) = self.index.segment_mut(segment.number) {
            usage.pinned = true;
        }
        self.report.damage.push(Damage {
            kind,
            id,
            segment: segment.number,
            offset: from,
            copy: copied.is_ok().then_some(name),
        });
    }

    fn copy(&self, segment: &Segment, from: u64, to: u64, name: &str) -> io::Result<()> {
        /// A torn write is one group at most; behind it lie remains of the file's former life.
        const LARGEST: u64 = 2 * GROUP_OCTETS;
        let length = to.saturating_sub(from).min(LARGEST);
        let mut octets = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = segment.file.read_at(&mut octets, from)?;
        octets.truncate(read);
        let copy = match self.storage.create(Area::Quarantine, name) {
            // An earlier recovery, of which the log knows nothing yet, has made it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.storage.open(Area::Quarantine, name)?
            }
            created => created?,
        };
        copy.write_at(&mut [io::IoSlice::new(&octets)], 0)?;
        copy.sync()?;
        self.storage.sync_dir(Area::Quarantine)
    }

    /// Compares body files and messages.
    fn match_bodies(&mut self) -> io::Result<()> {
        let mut files: BTreeSet<String> = self.storage.list(Area::Bodies)?.into_iter().collect();
        let with_body_file: Vec<QueueId> = self
            .index
            .ids()
            .filter(|id| self.index.get(*id).is_some_and(|entry| entry.has_body_file))
            .collect();
        for id in with_body_file {
            if !files.remove(&body_name(id)) {
                self.body_is_missing(id);
            }
        }
        let may_be_somebodys = !self.report.damage.is_empty();
        for name in files {
            if name.ends_with(ORPHAN_SUFFIX) {
                self.report.orphans_kept += 1;
            } else if may_be_somebodys {
                let kept = format!("{name}{ORPHAN_SUFFIX}");
                self.storage.rename(Area::Bodies, &name, &kept)?;
                self.report.orphans_kept += 1;
            } else {
                self.storage.unlink(Area::Bodies, &name)?;
                self.report.orphans_removed += 1;
            }
        }
        Ok(())
    }

    fn body_is_missing(&mut self, id: QueueId) {
        let Some(entry) = self.index.get(id) else {
            return;
        };
        let Place {
            segment, offset, ..
        } = entry.message;
        let mut recipients = entry.recipients.clone();
        for one in &mut recipients {
            if one.due().is_some() {
                one.phase = Phase::Held;
                one.diagnostic = "the stored body is missing".into();
            }
        }
        self.index.patch(id, recipients, None);
        self.report.damage.push(Damage {
            kind: DamageKind::BodyMissing,
            id: Some(id),
            segment,
            offset: offset + HEADER as u64,
            copy: None,
        });
    }
}

/// How the name of a body file that may belong to a damaged record ends.
const ORPHAN_SUFFIX: &str = ".orphan";
