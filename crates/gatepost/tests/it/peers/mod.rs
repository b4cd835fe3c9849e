//! Gatepost and real programs of others: as its clients, and as the servers it delivers to.
//!
//! `./test` installs the programs and builds the roots of the servers first (`peers/README.md`). A peer that does not start fails the
//! test; nothing is skipped. Each combination that passes is a line of the table that `./test` prints.

mod clients;
mod corpus;
mod postfix;
mod send;
mod smarthost;

use std::io::Write as _;

/// Adds one combination to the table.
fn passed(peer: &str, mechanism: &str, tls: &str, direction: &str) {
    let Some(table) = std::env::var_os("GATEPOST_PEER_TABLE") else {
        return;
    };
    let mut table = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(table)
        .unwrap();
    // One write for one line: tests run side by side.
    table
        .write_all(format!("{peer}\t{mechanism}\t{tls}\t{direction}\tpassed\n").as_bytes())
        .unwrap();
}
