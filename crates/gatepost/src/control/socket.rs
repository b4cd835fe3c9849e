//! The control socket: how a command reaches the running server.
//!
//! **Form.** `control.sock` in the data directory, a Unix socket of mode 0600. A client writes a [`Command`] as one
//! line of JSON and reads one line, `{"ok": …}` or `{"error": "…"}`; any number in turn.
//!
//! **Who.** Processes of the server's own user and of root, by the credentials the kernel gives; others are cut off and
//! the attempt is told to the observer (T-56), even where the file's mode was loosened.
//!
//! **One server.** Whoever binds holds the account database's lock, so a socket that is there already belongs to a dead
//! process and is replaced.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time;

use super::command::{Command, Control, Done, Failure};
use crate::observe::event::Fault;
use crate::observe::reason::Reason;

const NAME: &str = "control.sock";
/// Octets of one line towards the server: an import of some 20,000 accounts.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// How long a client may take over a line.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a command may take: several password hashes on a busy machine.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// How long copying the data directory may take: a queue of many gigabytes on a slow disk.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(60 * 60);
/// How much longer for each account of an import: as many hashes.
const ANSWER_WAIT_PER_ENTRY: Duration = Duration::from_millis(500);

/// One line back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Ok(Done),
    Error(String),
}

/// Why the socket could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}{hint}", path.display())]
pub struct SocketError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
    hint: &'static str,
}

/// The server's end. Dropping it removes the file.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds the socket of a data directory whose accounts this process has open. Needs a tokio runtime.
    pub fn bind(directory: &Path) -> Result<Self, SocketError> {
        let path = directory.join(NAME);
        let draft = directory.join(format!("{NAME}.{}", std::process::id()));
        // Under another name until its mode is right: nobody can connect before.
        let bound = (|| {
            remove(&draft)?;
            let listener = UnixListener::bind(&draft)?;
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
            fs::rename(&draft, &path)?;
            Ok(listener)
        })();
        match bound {
            Ok(listener) => Ok(Self { listener, path }),
            Err(source) => Err(SocketError {
                action: "bind",
                path,
                source,
                hint: "; the data directory must be writable, and its path short enough for a socket (some 80 octets)",
            }),
        }
    }

    /// Serves clients until dropped. A command that has begun is finished all the same.
    pub async fn serve(self, control: Control) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        clients.spawn(serve_client(stream, control.clone()));
                    }
                    // Out of descriptors, most likely: wait for some to come back.
                    Err(_) => time::sleep(Duration::from_secs(1)).await,
                },
                Some(_) = clients.join_next() => {}
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // If it cannot be removed, the next server replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve_client(stream: UnixStream, control: Control) {
    match stream.peer_cred() {
        Ok(peer) if may_control(peer.uid()) => {}
        other => {
            let who = other.map_or_else(
                |error| error.to_string(),
                |peer| format!("uid {}", peer.uid()),
            );
            let detail = format!(
                "{who} may not use the control socket; its file was made accessible by someone"
            );
            control.observer().emit(Fault {
                part: "control",
                reason: Reason::PeerNotAllowed,
                detail,
            });
            return;
        }
    }
    // Whatever goes wrong here is the client's to notice: it asked and gets no answer.
    let _ = answer_lines(stream, control).await;
}

fn may_control(uid: u32) -> bool {
    uid == rustix::process::geteuid().as_raw() || uid == 0
}

async fn answer_lines(stream: UnixStream, control: Control) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    loop {
        let mut line = zeroize::Zeroizing::new(Vec::new());
        let mut bounded = (&mut reader).take(MAX_LINE as u64);
        time::timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        let reply = match serde_json::from_slice::<Command>(&line) {
            Ok(command) => answer(command, control.clone()).await,
            Err(error) => Reply::Error(format!(
                "the server does not understand this command: {error}; use the same version of gatepost for both"
            )),
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        writer.write_all(&text).await?;
    }
}

async fn answer(command: Command, control: Control) -> Reply {
    match tokio::task::spawn_blocking(move || control.run(command, "socket")).await {
        Ok(Ok(done)) => Reply::Ok(done),
        Ok(Err(Failure(text))) => Reply::Error(text),
        Err(_) => Reply::Error("the server failed while doing this: its log says more".to_owned()),
    }
}

/// Whether a server answers for a data directory.
pub fn is_served(directory: &Path) -> Result<bool, SocketError> {
    Ok(connect(directory)?.is_some())
}

/// Asks the server of a data directory to do a command. `None` when no server runs there.
pub fn ask(
    directory: &Path,
    command: &Command,
) -> Result<Option<Result<Done, Failure>>, SocketError> {
    let path = directory.join(NAME);
    let Some(stream) = connect(directory)? else {
        return Ok(None);
    };
    let failed = |source| SocketError {
        action: "talk to the server at",
        path: path.clone(),
        source,
        hint: "; it may have done the command all the same",
    };
    match exchange(&stream, command).map_err(failed)? {
        Reply::Ok(done) => Ok(Some(Ok(done))),
        Reply::Error(text) => Ok(Some(Err(Failure(text)))),
    }
}

/// `None` when no server runs there.
fn connect(directory: &Path) -> Result<Option<BlockingStream>, SocketError> {
    let path = directory.join(NAME);
    match BlockingStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(SocketError {
            action: "reach the server at",
            path,
            source,
            hint: "; run this as the server's user or as root",
        }),
    }
}

fn exchange(mut stream: &BlockingStream, command: &Command) -> io::Result<Reply> {
    let entries = match command {
        Command::AccountImport { entries, .. } => u32::try_from(entries.len()).unwrap_or(u32::MAX),
        _ => 0,
    };
    let least = match command {
        Command::Snapshot {} => SNAPSHOT_WAIT,
        _ => ANSWER_WAIT,
    };
    let wait = least.saturating_add(ANSWER_WAIT_PER_ENTRY.saturating_mul(entries));
    stream.set_read_timeout(Some(wait))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = zeroize::Zeroizing::new(serde_json::to_vec(command)?);
    line.push(b'\n');
    if line.len() > MAX_LINE {
        return Err(io::Error::other(
            "this is more than a server takes at once: split the file, or stop the server for it",
        ));
    }
    stream.write_all(&line)?;
    let mut reply = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut reply)?;
    if reply.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server hung up; are you its user or root?",
        ));
    }
    Ok(serde_json::from_slice(&reply)?)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_56_only_the_servers_user_and_root_may_control() {
        let own = rustix::process::geteuid().as_raw();
        for (uid, may) in [(own, true), (0, true), (own + 1, false), (u32::MAX, false)] {
            assert_eq!(may_control(uid), may, "{uid}");
        }
    }
}
