//! The pool of threads that hash passwords, so that nothing else ever waits for a hash.
//!
//! **Bounds.** As many computations at a time as there are threads, each thread with its own argon2 memory, kept
//! between computations; at most [`LANE`] waiting per lane. The threads run at a lower priority than the sessions
//! (T-14).
//!
//! **Fairness.** Two lanes: peers that succeeded before, and strangers, who get one computation in four while both
//! wait. Within a lane the networks take turns, so that a thousand guesses of one network delay another's login by one
//! computation. In a full lane the network with most waiting loses its newest: it gets [`Overloaded`], which becomes
//! "try later" (454), never "wrong password".
//!
//! **Cancelling.** Dropping the future takes the work back unless it has begun.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::config::network::Network;
use crate::store::password_hash::Workspace;

/// Most computations waiting in one lane: some 20 s of work for one thread.
pub const LANE: usize = 1024;
/// While both lanes wait, strangers get one computation in this many.
const STRANGERS_TURN: u32 = 4;
/// Nice value of the threads, added to the process's.
const NICE: i32 = 5;

/// Who waits where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Peers that have succeeded before.
    Known,
    /// All others.
    Strangers,
}

/// The pool had no room, or could not finish the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash pool is overloaded")]
pub struct Overloaded;

/// A running pool. Clones are the same pool; its threads end when the last is dropped.
#[derive(Clone)]
pub struct HashPool {
    shared: Arc<Shared>,
    _closing: Arc<Closing>,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.ready.notify_all();
    }
}

impl HashPool {
    /// Starts a pool with half as many threads as there are processors, at least one.
    pub fn start() -> std::io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads((processors / 2).max(1))
    }

    /// Starts a pool with this many threads.
    pub fn with_threads(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            ready: Condvar::new(),
        });
        let pool = Self {
            shared: Arc::clone(&shared),
            _closing: Arc::new(Closing(Arc::clone(&shared))),
        };
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || shared.work())?;
        }
        Ok(pool)
    }

    /// Does some hashing on a thread of the pool, in its turn.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        source: Network,
        work: impl FnOnce(&mut Workspace) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |workspace| {
            if !reply.is_closed() {
                // Whoever asked may leave while we work; then nobody needs the result.
                let _ = reply.send(work(workspace));
            }
        });
        self.shared.queue().lane(lane).push(source, job);
        self.shared.ready.notify_one();
        answer.await.map_err(|_| Overloaded)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        // On Linux this is the calling thread's priority. Without the right to lower it, hashing merely competes.
        let _ = rustix::process::setpriority_process(None, NICE);
        let mut workspace = Workspace::default();
        while let Some(job) = self.next() {
            // A panic costs its asker the answer, not the pool its thread.
            if catch_unwind(AssertUnwindSafe(|| job(&mut workspace))).is_err() {
                workspace = Workspace::default();
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.pop() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self
                .ready
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

type Job = Box<dyn FnOnce(&mut Workspace) + Send>;

#[derive(Default)]
struct Queue {
    known: Turns,
    strangers: Turns,
    taken: u32,
    closed: bool,
}

impl Queue {
    fn lane(&mut self, lane: Lane) -> &mut Turns {
        match lane {
            Lane::Known => &mut self.known,
            Lane::Strangers => &mut self.strangers,
        }
    }

    fn pop(&mut self) -> Option<Job> {
        let turn = self.taken.wrapping_add(1);
        let job = if turn.is_multiple_of(STRANGERS_TURN) {
            self.strangers.pop().or_else(|| self.known.pop())
        } else {
            self.known.pop().or_else(|| self.strangers.pop())
        }?;
        // Looking in vain is no turn.
        self.taken = turn;
        Some(job)
    }
}

/// Work of many networks, taken in turns.
#[derive(Default)]
struct Turns {
    waiting: usize,
    /// Networks with work, the next one first; each once.
    order: VecDeque<Network>,
    work: HashMap<Network, VecDeque<Job>>,
}

impl Turns {
    fn push(&mut self, source: Network, job: Job) {
        if self.waiting >= LANE {
            self.drop_newest_of_longest();
        }
        let jobs = self.work.entry(source).or_default();
        if jobs.is_empty() {
            self.order.push_back(source);
        }
        jobs.push_back(job);
        self.waiting += 1;
    }

    fn pop(&mut self) -> Option<Job> {
        let source = self.order.pop_front()?;
        let jobs = self.work.get_mut(&source)?;
        let job = jobs.pop_front()?;
        self.waiting -= 1;
        if jobs.is_empty() {
            self.work.remove(&source);
        } else {
            self.order.push_back(source);
        }
        Some(job)
    }

    fn drop_newest_of_longest(&mut self) {
        let Some((source, jobs)) = self.work.iter_mut().max_by_key(|(_, jobs)| jobs.len()) else {
            return;
        };
        let source = *source;
        if jobs.pop_back().is_some() {
            self.waiting -= 1;
        }
        if jobs.is_empty() {
            self.work.remove(&source);
            self.order.retain(|other| *other != source);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn network(number: u8) -> Network {
        Network::around([192, 0, number, 1].into(), 24)
    }

    /// A pool whose only thread is busy until the sender is dropped.
    async fn busy() -> (HashPool, mpsc::Sender<()>) {
        let pool = HashPool::with_threads(1).unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (begun, begins) = oneshot::channel();
        let occupied = pool.clone();
        tokio::spawn(async move {
            let wait = move |_: &mut Workspace| {
                let _ = begun.send(());
                let _ = released.recv();
            };
            occupied.run(Lane::Known, network(0), wait).await
        });
        begins.await.unwrap();
        (pool, release)
    }

    /// Queues work that reports `name` when it is done, in the order of the calls.
    fn queue(
        pool: &HashPool,
        lane: Lane,
        source: u8,
        name: &'static str,
        done: &mpsc::Sender<&'static str>,
    ) {
        let done = done.clone();
        let work = Box::new(move |_: &mut Workspace| {
            let _ = done.send(name);
        });
        pool.shared.queue().lane(lane).push(network(source), work);
    }

    #[tokio::test]
    async fn t_14_networks_take_turns_and_strangers_get_one_in_four() {
        let (pool, release) = busy().await;
        let (done, order) = mpsc::channel();
        for _ in 0..3 {
            queue(&pool, Lane::Strangers, 1, "guess", &done);
        }
        queue(&pool, Lane::Strangers, 2, "other", &done);
        for _ in 0..4 {
            queue(&pool, Lane::Known, 3, "known", &done);
        }
        drop((release, done));
        pool.run(Lane::Strangers, network(9), |_| ()).await.unwrap();
        let order: Vec<_> = order.iter().collect();
        let strangers: Vec<_> = order.iter().filter(|name| **name != "known").collect();
        assert_eq!(strangers, [&"guess", &"other", &"guess", &"guess"]);
        // The first turn went to the work that kept the thread busy: two known, a stranger, three known …
        assert_eq!(order[..5], ["known", "known", "guess", "known", "known"]);
    }

    #[tokio::test]
    async fn t_14_a_full_lane_drops_the_newest_of_the_busiest_network() {
        let (pool, release) = busy().await;
        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..LANE + 10 {
            let pool = pool.clone();
            flood.spawn(async move { pool.run(Lane::Strangers, network(1), |_| ()).await });
        }
        while pool.shared.queue().strangers.waiting < LANE {
            tokio::task::yield_now().await;
        }
        let other = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(Lane::Strangers, network(2), |_| ()).await }
        });
        // Ten of the flood, and one more for the other network, find out at once that there is no room.
        for _ in 0..11 {
            assert_eq!(flood.join_next().await.unwrap().unwrap(), Err(Overloaded));
        }
        assert_eq!(pool.shared.queue().strangers.waiting, LANE);
        drop(release);
        assert_eq!(other.await.unwrap(), Ok(()));
        while let Some(ended) = flood.join_next().await {
            assert_eq!(ended.unwrap(), Ok(()));
        }
    }

    #[tokio::test]
    async fn work_nobody_waits_for_is_not_done() {
        let (pool, release) = busy().await;
        let (done, order) = mpsc::channel();
        let taken_back = {
            let done = done.clone();
            tokio::time::timeout(
                std::time::Duration::ZERO,
                pool.run(Lane::Known, network(1), move |_| done.send("taken back")),
            )
        };
        assert!(taken_back.await.is_err());
        queue(&pool, Lane::Known, 1, "wanted", &done);
        drop((release, done));
        assert_eq!(order.iter().collect::<Vec<_>>(), ["wanted"]);
    }

    #[tokio::test]
    async fn a_panic_costs_its_asker_the_answer_and_nobody_else() {
        let pool = HashPool::with_threads(1).unwrap();
        assert_eq!(
            pool.run(Lane::Known, network(1), |_| panic!("planted"))
                .await,
            Err::<(), _>(Overloaded)
        );
        assert_eq!(pool.run(Lane::Known, network(1), |_| 7).await, Ok(7));
    }
}
