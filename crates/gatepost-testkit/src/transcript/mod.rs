//! Dialogues as plain text: what a mail admin can read, and contribute from a capture of a device.
//!
//! A file holds settings, lines of the client (`C:`) and of the server (`S:`), and marks for what is not a line. Its format is
//! described in `transcripts/README.md`. One side of it is under test, the other is played: see [`crate::play`]. The same file
//! is played to a session in memory and over a socket to a whole program; what only the former can show (events, time,
//! what a queue was given) is left out over a socket.
//!
//! Failure: a file that cannot be read or understood is a [`Fault`], which names file and line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod client_settings;
pub(crate) mod escape;
mod parser;
mod pattern;
mod server_settings;
mod settings;

pub use client_settings::{ClientSettings, Credentials, Job, TlsUse};
pub use pattern::Pattern;
pub use server_settings::{Account, Listener, RequestKind, ServerSettings};
pub use settings::Side;

/// One file.
#[derive(Debug)]
pub struct Transcript {
    /// Where it was read from, as messages show it.
    pub path: PathBuf,
    /// Where the dialogue comes from.
    pub provenance: String,
    /// Who is under test, and in what surroundings.
    pub side: Side,
    /// The dialogue, once for each of its endings: each is played from the beginning.
    pub scenes: Vec<Scene>,
}

/// A dialogue from its beginning to one of its endings.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The ending's name; `None` if there is only one.
    pub ending: Option<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

impl Scene {
    /// Whether time passes in it.
    pub fn takes_time(&self) -> bool {
        let waits = |step: &Step| matches!(step.action, Action::Wait(_));
        self.steps.iter().any(waits)
    }
}

/// One line of a transcript.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number, from 1.
    pub line: usize,
    /// What happens.
    pub action: Action,
}

/// What happens at a step. "We" are the player, "they" are under test.
#[derive(Clone, Debug)]
pub enum Action {
    /// We send these octets.
    Say {
        /// The octets with their line end.
        octets: Vec<u8>,
        /// In one segment with what we say next.
        joined: bool,
    },
    /// They send this line.
    Hear(Pattern),
    /// They send any number of further lines of the same reply.
    HearRest,
    /// A TLS handshake takes place.
    StartTls,
    /// They close the connection.
    TheyClose,
    /// We close the connection.
    WeClose,
    /// Nobody says anything for so long.
    Wait(Duration),
    /// They report this.
    Event(String),
    /// They keep a message of these octets.
    Message(Vec<u8>),
}

impl Transcript {
    /// Reads one file.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let text =
            std::fs::read_to_string(path).map_err(|error| Fault::unreadable(path, &error))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file; `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Fault> {
        parser::parse(path, text)
    }

    /// Reads every file of a folder, in the order of their names.
    pub fn load_folder(folder: &Path) -> Result<Vec<Self>, Fault> {
        let unreadable = |error: &io::Error| Fault::unreadable(folder, error);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(&error))? {
            let path = entry.map_err(|error| unreadable(&error))?.path();
            match path.extension() {
                Some(extension) if extension == "smtp" => paths.push(path),
                _ => return Err(Fault::new(&path, 0, "only .smtp files belong here")),
            }
        }
        paths.sort();
        paths.iter().map(|path| Self::load(path)).collect()
    }
}

/// Why a transcript cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    path: PathBuf,
    /// 0 = the file as a whole.
    line: usize,
    what: String,
}

impl Fault {
    pub(crate) fn new(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }

    fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::new(path, 0, error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.line {
            0 => write!(f, "{path}: {}", self.what),
            line => write!(f, "{path}:{line}: {}", self.what),
        }
    }
}

impl std::error::Error for Fault {}
