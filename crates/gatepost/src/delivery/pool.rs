//! Connections kept open between messages.
//!
//! A connection is used again only for the very same [`HopKey`]: host, port, TLS policy, identity and generation of the
//! password. So no message travels under another credential or in less protection than its route says (T-49). Whatever
//! went differently from expected, the connection is dropped instead of put back.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection may lie idle.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// How many idle connections are kept for one key.
const MAX_KEPT: usize = 20;

/// Idle connections by what they may be used for.
#[derive(Debug)]
pub struct Pool<K, C> {
    idle: Mutex<HashMap<K, Vec<Idle<C>>>>,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
}

impl<K: Eq + Hash, C> Pool<K, C> {
    /// An empty pool.
    pub fn new() -> Self {
        Self {
            idle: Mutex::default(),
        }
    }

    /// Takes the connection for `key` that was used last, and says how long it has been idle.
    pub fn take(&self, key: &K, now: Instant) -> Option<(C, Duration)> {
        let taken = self.lock().get_mut(key)?.pop()?;
        let idle = now.saturating_duration_since(taken.since);
        (idle < MAX_IDLE).then_some((taken.connection, idle))
    }

    /// Keeps a connection for the next message. The oldest one goes when there are too many.
    pub fn put(&self, key: K, connection: C, now: Instant) {
        let mut idle = self.lock();
        let kept = idle.entry(key).or_default();
        if kept.len() == MAX_KEPT {
            kept.remove(0);
        }
        kept.push(Idle {
            connection,
            since: now,
        });
    }

    /// Removes and returns what has been idle for too long.
    pub fn expired(&self, now: Instant) -> Vec<C> {
        let mut expired = Vec::new();
        self.lock().retain(|_, kept| {
            // In the order they were put back: the oldest come first.
            let fresh = kept
                .iter()
                .position(|one| now.saturating_duration_since(one.since) < MAX_IDLE);
            expired.extend(
                kept.drain(..fresh.unwrap_or(kept.len()))
                    .map(|one| one.connection),
            );
            !kept.is_empty()
        });
        expired
    }

    /// Removes and returns everything.
    pub fn drain(&self) -> Vec<C> {
        self.lock()
            .drain()
            .flat_map(|(_, kept)| kept)
            .map(|one| one.connection)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Vec<Idle<C>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, C> Default for Pool<K, C> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // T-49, V-22: "two credentials alternating 10,000 times, each MAIL under its own AUTH".
    #[test]
    fn a_connection_comes_back_only_under_its_key() {
        let now = Instant::now();
        let pool = Pool::new();
        for turn in 0..10_000 {
            let key = if turn % 2 == 0 { "a" } else { "b" };
            let (connection, _) = pool.take(&key, now).unwrap_or((key, Duration::ZERO));
            assert_eq!(connection, key);
            pool.put(key, connection, now);
        }
    }

    #[test]
    fn idle_connections_expire_and_are_bounded() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let pool = Pool::new();
        pool.put("a", 1, start);
        pool.put("a", 2, at(10));
        pool.put("b", 3, at(5));
        assert_eq!(pool.take(&"a", at(20)), Some((2, Duration::from_secs(10))));
        assert_eq!(pool.take(&"a", at(30)), None, "30 seconds are too long");
        assert_eq!(pool.take(&"a", at(30)), None);
        pool.put("a", 4, at(20));
        assert_eq!(pool.expired(at(36)), [3]);
        assert_eq!(pool.expired(at(36)), Vec::<i32>::new());
        for connection in 0..=30 {
            pool.put("c", connection, at(36));
        }
        let mut kept = pool.drain();
        kept.sort_unstable();
        assert_eq!(kept, std::iter::once(4).chain(11..=30).collect::<Vec<_>>());
        assert_eq!(pool.drain(), Vec::<i32>::new());
    }
}
