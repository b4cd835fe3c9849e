//! How next hops let us in before, kept in a file of the data directory (T-17).
//!
//! A next hop that let us in by SCRAM is not shown the password by a weaker mechanism later: whoever stands between and announces less
//! gets nothing. The file is for people, too: a line per next hop and user, the mechanism first. Whoever changed a next hop on purpose removes
//! its line. It is read for each new connection that authenticates and written when a mechanism is new or stronger, so a line that is
//! gone counts from the next connection on.
//!
//! A file that cannot be read, or not understood, keeps passwords back. One that cannot be written is reported and changes nothing else.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use gatepost_client::{Mechanism, MechanismPins, PinKey, mechanism};

use crate::observe::Observer;
use crate::observe::event::Fault;
use crate::observe::reason::Reason;

/// Its name in the data directory.
pub const FILE: &str = "mechanism-pins";

const HEADER: &str = "\
# How servers let us in. None of them gets the password by a weaker mechanism than before.
# If a server was changed on purpose, remove its line and reload.
";

/// The file.
#[derive(Debug)]
pub struct PinFile {
    path: PathBuf,
    observer: Observer,
    /// Held from reading to writing.
    writing: Mutex<()>,
}

impl PinFile {
    /// The file at `path`, which need not be there yet.
    pub fn new(path: PathBuf, observer: Observer) -> Self {
        Self {
            path,
            observer,
            writing: Mutex::default(),
        }
    }

    fn read(&self) -> io::Result<String> {
        match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        }
    }

    /// Replaces the line of `key`, and the file as a whole: a crash leaves the old one or the new one.
    fn write(&self, key: &PinKey, mechanism: &Mechanism) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.read()?;
        let mut lines: Vec<&str> = before.lines().filter(|line| !is_about(line, key)).collect();
        let line = format!("{mechanism} {key}");
        lines.push(&line);
        let header = if before.is_empty() { HEADER } else { "" };
        let new = self.path.with_extension("new");
        fs::write(&new, format!("{header}{}\n", lines.join("\n")))?;
        fs::rename(&new, &self.path)
    }
}

impl MechanismPins for PinFile {
    fn pinned(&self, key: &PinKey) -> Result<Option<&'static Mechanism>, String> {
        let place = self.path.display();
        let text = self.read().map_err(|error| format!("{place}: {error}"))?;
        let Some(line) = text.lines().find(|line| is_about(line, key)) else {
            return Ok(None);
        };
        let (name, _) = line.split_once(' ').unwrap_or((line, ""));
        mechanism::by_name(name)
            .map(Some)
            .ok_or_else(|| format!("{place}: {} is no mechanism", name.escape_default()))
    }

    fn pin(&self, key: &PinKey, mechanism: &'static Mechanism) {
        if let Err(error) = self.write(key, mechanism) {
            self.observer.emit(Fault {
                part: "delivery",
                reason: Reason::StorageFailed,
                detail: format!("{}: {error}", self.path.display()),
            });
        }
    }

    fn how_to_lift(&self) -> String {
        format!(
            "if it was changed on purpose, remove its line from {} and reload",
            self.path.display()
        )
    }
}

/// `MECHANISM host:port user`.
fn is_about(line: &str, key: &PinKey) -> bool {
    !line.starts_with('#')
        && line
            .split_once(' ')
            .is_some_and(|(_, about)| about == key.to_string())
}

#[cfg(test)]
mod tests {
    use gatepost_client::mechanism::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS};

    use super::*;

    fn key(host: &str, user: &str) -> PinKey {
        PinKey {
            host: host.to_owned(),
            port: 587,
            user: user.to_owned(),
        }
    }

    // T-17.
    #[test]
    fn t_17_a_line_per_server_and_user_that_can_be_taken_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let open = || PinFile::new(path.clone(), Observer::new(Vec::new()));
        let (fred, ben) = (key("one.example", "fred"), key("one.example", "ben b"));
        let pins = open();
        assert_eq!(pins.pinned(&fred), Ok(None));
        pins.pin(&fred, &SCRAM_SHA_256);
        pins.pin(&ben, &SCRAM_SHA_256);
        pins.pin(&fred, &SCRAM_SHA_256_PLUS);

        // Another process, after a restart.
        assert_eq!(open().pinned(&fred), Ok(Some(&SCRAM_SHA_256_PLUS)));
        assert_eq!(open().pinned(&ben), Ok(Some(&SCRAM_SHA_256)));
        for other in [key("two.example", "fred"), key("one.example", "b")] {
            assert_eq!(open().pinned(&other), Ok(None));
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter(|it| !it.starts_with('#')).count(), 2);
        let without = text.replace("SCRAM-SHA-256-PLUS one.example:587 fred\n", "");
        assert!(without.len() < text.len(), "{text}");
        fs::write(&path, without).unwrap();
        assert_eq!(pins.pinned(&fred), Ok(None));
        assert_eq!(pins.pinned(&ben), Ok(Some(&SCRAM_SHA_256)));
    }

    #[test]
    fn what_cannot_be_understood_is_no_permission() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, "SCRAM-MD2 one.example:587 fred\n").unwrap();
        let pins = PinFile::new(path.clone(), Observer::new(Vec::new()));
        let fault = pins.pinned(&key("one.example", "fred")).unwrap_err();
        assert!(fault.ends_with("SCRAM-MD2 is no mechanism"), "{fault}");
        assert_eq!(pins.pinned(&key("one.example", "ben")), Ok(None));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(pins.pinned(&key("one.example", "ben")).is_err());
    }
}
