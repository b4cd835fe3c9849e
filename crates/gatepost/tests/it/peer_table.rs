//! The table of what passed against real programs of others, which `./test` prints.

use std::io::Write as _;

/// Adds one combination: who, by which mechanism, over what, and what it was to Gatepost.
pub(crate) fn passed(peer: &str, mechanism: &str, tls: &str, direction: &str) {
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
