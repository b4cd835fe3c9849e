//! What happened: one closed set of events, told once each, seen by every sink.
//!
//! Whoever decides something builds an [`Event`](event::Event) and gives it to the [`Observer`]. The observer stamps the time and hands it to its sinks:
//! the log (one line per event), the metrics, the ring of authentication attempts. Sinks never block for long and never fail.
//! No event holds a secret; texts in events may come from peers and are escaped where they are written.

pub(crate) mod escape;
pub mod event;
pub mod log;
pub mod metrics;
pub mod reason;

use std::sync::Arc;
use std::time::SystemTime;

use event::Event;

/// Sees every event.
pub trait Sink: Send + Sync {
    /// Called once for each event, from any thread. Must return quickly and must not panic.
    fn observe(&self, at: SystemTime, event: &Event);

    /// Sees off what it holds back, as at the end of the process.
    fn flush(&self) {}
}

/// Where events go. Cloning is cheap; clones are the same observer.
#[derive(Clone)]
pub struct Observer {
    sinks: Arc<[Box<dyn Sink>]>,
}

impl Observer {
    /// An observer that shows every event to each of `sinks`, in order.
    pub fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        Self {
            sinks: sinks.into(),
        }
    }

    /// Tells the sinks.
    pub fn emit(&self, event: impl Into<Event>) {
        let event = event.into();
        let now = SystemTime::now();
        for sink in self.sinks.iter() {
            sink.observe(now, &event);
        }
    }

    /// Has the sinks see off what they hold back: to be called before the process ends.
    pub fn flush(&self) {
        for sink in self.sinks.iter() {
            sink.flush();
        }
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Observer({} sinks)", self.sinks.len())
    }
}
