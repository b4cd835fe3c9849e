//! kill -9: the real process dies again and again while it takes mail, makes it durable and hands it on (T-40, F-1).
//!
//! Sixteen sessions send messages of 1 KiB to 2 MiB over both kinds of listener, with every mechanism; they are held, captured, or handed on
//! to a next hop that lives in the test. Each life of the process ends with SIGKILL at a seeded moment ([`fuse`]); now and then the next
//! one is killed while it recovers. The [`ledger`] then holds the queue against what clients were told: every message whose 250 was read
//! has arrived or is queued, its body unchanged. What arrives twice had been in flight when the process died.

mod chance;
mod fuse;
mod ledger;
mod mail;
mod next_hop;
mod process;
mod sessions;

use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gatepost_client::Roots;
use rustix::process::{Signal, kill_process};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::chance::Chance;
use self::fuse::{Fuse, Moment};
use self::ledger::Ledger;
use self::mail::Post;
use self::next_hop::NextHop;
use self::process::{Installation, Process};
use self::sessions::{Senders, Session};

/// Sessions at the same time.
const SESSIONS: usize = 16;

/// No life of the process and no end of it takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a run is.
struct Plan {
    seed: u64,
    /// Kills under load.
    cycles: usize,
    /// Acknowledgements of a cycle, on average.
    acknowledgements: u64,
    /// Cycles from one audit of the queue to the next; the processes in between recover from one another.
    audit_every: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_kills_lose_nothing() {
    let plan = Plan {
        seed: 1,
        cycles: 3,
        acknowledgements: 40,
        audit_every: 1,
    };
    run(plan).await;
}

/// F-1: 100 kills in every full test run, 1,000 in a soak run.
#[cfg(feature = "peer-tests")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_1_a_hundred_kills_lose_nothing() {
    let soak = std::env::var_os("GATEPOST_SOAK").is_some();
    let plan = Plan {
        seed: 0x6b69_6c6c_2d39,
        cycles: if soak { 1_000 } else { 100 },
        acknowledgements: 120,
        audit_every: 5,
    };
    let cycles = plan.cycles;
    let figures = run(plan).await;
    assert!(figures.acknowledged >= cycles * 100, "{figures:?}");
}

async fn run(plan: Plan) -> ledger::Figures {
    let mut chance = Chance::new(plan.seed);
    let ledger = Arc::new(Ledger::new());
    let hop = NextHop::start(Arc::clone(&ledger), chance.fork()).await;
    let installation = Installation::new(hop.port());
    let senders = Arc::new(Senders {
        post: Post::new(&mut chance),
        ledger: Arc::clone(&ledger),
        roots: Roots::from_pem_file(&installation.authority()).unwrap(),
        numbers: AtomicU64::new(1),
    });
    for cycle in 1..=plan.cycles {
        let moment = Moment::ALL[cycle % Moment::ALL.len()];
        ledger.begin_life();
        let mut process = installation.start().await;
        let fuse = Fuse::new(process.id(), moment, plan.acknowledgements, &mut chance);
        hop.watch(Arc::clone(&fuse));
        live(&mut process, &senders, &fuse, &mut chance).await;
        if chance.percent(20) {
            die_early(&installation, &mut chance).await;
        }
        if cycle % plan.audit_every == 0 {
            ledger.audit(&installation.queue(), &mut chance).await;
        }
    }
    deliver_the_rest(&installation, &ledger).await;
    ledger.audit(&installation.queue(), &mut chance).await;
    let figures = ledger.figures();
    report(&plan, &figures);
    figures
}

/// One life, from the first connection to the kill.
async fn live(
    process: &mut Process,
    senders: &Arc<Senders>,
    fuse: &Arc<Fuse>,
    chance: &mut Chance,
) {
    let mut sessions = JoinSet::new();
    for place in 0..SESSIONS {
        sessions.spawn(Session::new(place, senders, process, fuse, chance.fork()).run());
    }
    let ended = timeout(PATIENCE, process.ended()).await;
    let status = ended.unwrap_or_else(|_| panic!("{fuse:?} does not blow:\n{}", process.log()));
    let killed = status.signal() == Some(Signal::KILL.as_raw()) && fuse.is_blown();
    assert!(killed, "{status} by itself:\n{}", process.log());
    let all = timeout(PATIENCE, sessions.join_all()).await;
    assert!(all.is_ok(), "sessions outlive their server");
}

/// The process dies while it starts: recovery must bear being cut off as well.
async fn die_early(installation: &Installation, chance: &mut Chance) {
    let mut child = installation.start_blindly();
    // No wait for anything: it spreads the kills over the start.
    tokio::time::sleep(Duration::from_millis(chance.between(0, 60))).await;
    child.kill().await.unwrap();
}

/// A last life without a kill: what is owed to the next hop arrives, and the server stops when it is told to.
async fn deliver_the_rest(installation: &Installation, ledger: &Ledger) {
    ledger.begin_life();
    let mut process = installation.start().await;
    let arrived = timeout(PATIENCE, ledger.all_arrived()).await;
    assert!(
        arrived.is_ok(),
        "{} still owed:\n{}",
        ledger.owed(),
        process.log()
    );
    kill_process(process.id(), Signal::TERM).unwrap();
    let status = timeout(PATIENCE, process.ended()).await.unwrap();
    assert!(status.success(), "{status}:\n{}", process.log());
}

#[expect(
    clippy::print_stderr,
    reason = "the figures of a run that nothing else keeps"
)]
fn report(plan: &Plan, figures: &ledger::Figures) {
    eprintln!("seed {}, {} kills: {figures:?}", plan.seed, plan.cycles);
}
