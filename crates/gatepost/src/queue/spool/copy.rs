//! Copies the queue to another storage while it works: a consistent state of it, for a backup.
//!
//! Segments only grow, and a record counts as soon as the index has it. So the state of one moment is what the index says then: of
//! each segment the octets up to where its records end, and the bodies of the messages there are. While a copy is made nothing of
//! that is given up: the collector rests.

use std::io::{self, IoSlice};

use super::{Shared, body_name};
use crate::queue::storage::{Area, Storage, StoredFile};

/// Octets copied at a time.
const WINDOW: usize = 1 << 20;

/// Copies everything into an empty storage, durably, and says how many messages that are. Blocking.
pub(super) fn copy(shared: &Shared, to: &dyn Storage) -> io::Result<usize> {
    let _resting = shared.keep_everything();
    let (segments, bodies, messages) = {
        let index = shared.index();
        let segments: Vec<_> = index
            .segments()
            .map(|usage| (usage.segment.clone(), usage.written))
            .collect();
        let with_body_file = |id: &_| index.get(*id).is_some_and(|entry| entry.has_body_file);
        let bodies: Vec<_> = index.ids().filter(with_body_file).collect();
        (segments, bodies, index.len())
    };
    for (segment, written) in segments {
        copy_file(&*segment.file, written, to, Area::Log, &segment.name())?;
    }
    for id in bodies {
        let name = body_name(id);
        let body = shared.storage.open(Area::Bodies, &name)?;
        copy_file(&*body, body.length()?, to, Area::Bodies, &name)?;
    }
    to.sync_dir(Area::Log)?;
    to.sync_dir(Area::Bodies)?;
    Ok(messages)
}

fn copy_file(
    from: &dyn StoredFile,
    length: u64,
    to: &dyn Storage,
    area: Area,
    name: &str,
) -> io::Result<()> {
    let copy = to.create(area, name)?;
    let mut window = vec![0; WINDOW];
    let mut offset = 0;
    while offset < length {
        let wanted = usize::try_from(length - offset).map_or(WINDOW, |rest| rest.min(WINDOW));
        let part = window.get_mut(..wanted).unwrap_or_default();
        let read = from.read_at(part, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let part = window.get(..read).unwrap_or_default();
        copy.write_at(&mut [IoSlice::new(part)], offset)?;
        offset += read as u64;
    }
    copy.sync()
}
