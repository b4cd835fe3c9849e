//! Writes the log in batches, on a thread of its own.
//!
//! The first line after a pause is written at once; those of the next [`GATHER`] follow in one write. So a quiet server's log is never
//! behind, and a busy one spends no system call on each line. Whoever logs never waits for the output: when it does not take its lines,
//! [`PENDING`] octets are kept and what goes beyond is counted as lost.
//!
//! Dropping the writer writes what is pending; so does [`Writer::flush`]. Both give up on an output that has not taken it after
//! [`PATIENCE`]. A process that is killed loses what is pending: a few milliseconds of lines.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long lines are gathered after a write.
const GATHER: Duration = Duration::from_millis(5);

/// Octets kept for an output that is slow.
const PENDING: usize = 4 << 20;

/// How long to wait for the output at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The near end of the log's thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// The thread is to look.
    wake: Condvar,
    /// Everything has been written.
    done: Condvar,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    lost: u64,
    thread: Doing,
    /// Somebody waits for the end of what is pending.
    urgent: bool,
    ended: bool,
}

/// What the thread is at.
#[derive(Default, PartialEq, Eq)]
enum Doing {
    /// It writes a batch, and comes back by itself.
    Writing,
    /// It gathers lines, and comes back by itself.
    #[default]
    Gathering,
    /// It waits to be woken.
    Waiting,
}

impl Writer {
    /// Starts the thread. Fails when the system has none to give.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || theirs.write_all(output))?;
        Ok(Self { shared })
    }

    /// Adds a line. Says how many were lost before it.
    pub(super) fn push(&self, line: &str) -> u64 {
        let mut state = self.shared.state();
        if state.pending.len() + line.len() > PENDING {
            state.lost += 1;
            return 0;
        }
        state.pending.extend_from_slice(line.as_bytes());
        if state.thread == Doing::Waiting {
            state.thread = Doing::Gathering;
            self.shared.wake.notify_one();
        }
        std::mem::take(&mut state.lost)
    }

    /// Waits until all lines have been written, or [`PATIENCE`] is over.
    pub(super) fn flush(&self) {
        let mut state = self.shared.state();
        state.urgent = true;
        self.shared.wake.notify_one();
        let unwritten =
            |state: &mut State| state.thread == Doing::Writing || !state.pending.is_empty();
        drop(
            self.shared
                .done
                .wait_timeout_while(state, PATIENCE, unwritten),
        );
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.flush();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn write_all(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        while self.next_batch(&mut batch) {
            // A log that cannot be written is no reason to stop serving mail.
            let _ = output.write_all(&batch).and_then(|()| output.flush());
            batch.clear();
            let mut state = self.state();
            state.thread = Doing::Gathering;
            if state.pending.is_empty() {
                state.urgent = false;
                self.done.notify_all();
            }
            let more_time = |state: &mut State| !(state.urgent || state.ended);
            drop(self.wake.wait_timeout_while(state, GATHER, more_time));
        }
    }

    /// Waits for lines and takes them all. False when there will be none any more.
    fn next_batch(&self, batch: &mut Vec<u8>) -> bool {
        let mut state = self.state();
        while state.pending.is_empty() {
            if state.ended {
                return false;
            }
            state.urgent = false;
            state.thread = Doing::Waiting;
            self.done.notify_all();
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.thread = Doing::Writing;
        std::mem::swap(&mut state.pending, batch);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Tells of each write, and waits for leave to return from it.
    struct Gate {
        written: mpsc::Sender<Vec<u8>>,
        leave: mpsc::Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let _ = self.written.send(octets.to_vec());
            let _ = self.leave.recv();
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Writer, mpsc::Receiver<Vec<u8>>, mpsc::Sender<()>) {
        let (written, writes) = mpsc::channel();
        let (go, leave) = mpsc::channel();
        let writer = Writer::start(Gate { written, leave }).unwrap();
        (writer, writes, go)
    }

    #[test]
    fn lines_that_come_during_a_write_go_out_in_one() {
        let (writer, writes, go) = gated();
        writer.push("first\n");
        assert_eq!(writes.recv().unwrap(), b"first\n", "at once");
        let mut expected = String::new();
        for number in 0..1_000 {
            let line = format!("line {number}\n");
            writer.push(&line);
            expected.push_str(&line);
        }
        go.send(()).unwrap();
        assert_eq!(writes.recv().unwrap(), expected.as_bytes());
        go.send(()).unwrap();
    }

    #[test]
    fn flush_and_drop_write_what_is_pending() {
        let (writer, writes, go) = gated();
        for _ in 0..3 {
            go.send(()).unwrap();
        }
        writer.push("one\n");
        writer.flush();
        assert_eq!(writes.try_recv().unwrap(), b"one\n");
        writer.push("two\n");
        drop(writer);
        assert_eq!(writes.try_recv().unwrap(), b"two\n");
    }

    #[test]
    fn an_output_that_takes_nothing_costs_bounded_memory_and_nobodys_time() {
        let (writer, writes, go) = gated();
        writer.push("first\n");
        writes.recv().unwrap();
        let line = "x".repeat(1 << 20);
        for _ in 0..6 {
            assert_eq!(writer.push(&line), 0);
        }
        assert_eq!(writer.shared.state().pending.len(), PENDING);
        go.send(()).unwrap();
        assert_eq!(writes.recv().unwrap().len(), PENDING);
        assert_eq!(writer.push("last\n"), 2, "two were lost");
        drop(go);
    }
}
