//! Exchanges per second of one thread, by `gatepost-sasl` and by `rsasl`, in turns. Prints `EXCHANGE<TAB>OURS<TAB>THEIRS`, each of its fastest batch:
//! what slows one down is somebody else on the machine.
//!
//! Only the server's side is on the clock: the client's answers to a batch are computed while it stands. `rsasl` draws its nonces from a
//! generator in the process, Gatepost from the system, which is a system call for each; the second line of SCRAM has ours without it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use gatepost_bench::credentials::{CLIENT_FIRST, Client, PLAIN, nonce};
use gatepost_bench::{ours, theirs};

/// Exchanges on the clock at a time.
const BATCH: u32 = 500;
/// Times that each side is measured.
const ROUNDS: usize = 300;

fn main() {
    let (ours, theirs, client) = (ours::Server::new(), theirs::Server::new(), Client::new());
    assert!(ours.plain(PLAIN) && theirs.plain(PLAIN));
    assert!(
        !ours.plain(b"\0user@example.com\0wrong") && !theirs.plain(b"\0user@example.com\0wrong")
    );
    report(
        "PLAIN",
        || plain(|message| ours.plain(message)),
        || plain(|message| theirs.plain(message)),
    );
    let by_them = || scram(&client, |it| theirs.first(it), theirs::Server::last);
    report(
        "SCRAM-SHA-256",
        || scram(&client, |it| ours.first(nonce(), it), ours::Server::last),
        by_them,
    );
    let given = nonce();
    report(
        "SCRAM-SHA-256, nonce given to ours",
        || {
            scram(
                &client,
                |it| ours.first(given.clone(), it),
                ours::Server::last,
            )
        },
        by_them,
    );
}

fn report(name: &str, mut ours: impl FnMut() -> Duration, mut theirs: impl FnMut() -> Duration) {
    let (mut us, mut them) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        us.push(ours());
        them.push(theirs());
    }
    println!("{name}\t{:.0}\t{:.0}", rate(us), rate(them));
}

fn rate(taken: Vec<Duration>) -> f64 {
    let fastest = taken.into_iter().min().unwrap_or_default();
    f64::from(BATCH) / fastest.as_secs_f64()
}

fn plain(serve: impl Fn(&[u8]) -> bool) -> Duration {
    let begun = Instant::now();
    for _ in 0..BATCH {
        assert!(serve(black_box(PLAIN)));
    }
    begun.elapsed()
}

fn scram<S>(
    client: &Client,
    first: impl Fn(&[u8]) -> (S, Vec<u8>),
    last: impl Fn(S, &[u8]) -> bool,
) -> Duration {
    let mut sessions = Vec::with_capacity(BATCH as usize);
    let begun = Instant::now();
    for _ in 0..BATCH {
        sessions.push(first(black_box(CLIENT_FIRST.as_bytes())));
    }
    let opened = begun.elapsed();
    let answer = |(session, challenge): (S, Vec<u8>)| (session, client.last(&challenge));
    let answered: Vec<_> = sessions.into_iter().map(answer).collect();
    let begun = Instant::now();
    for (session, message) in answered {
        assert!(last(session, black_box(&message)));
    }
    opened + begun.elapsed()
}
