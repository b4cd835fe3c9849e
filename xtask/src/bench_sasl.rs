//! `cargo xtask bench-sasl`: what a SASL exchange costs on the server's side, by the programs of `bench/`.
//!
//! Instructions by callgrind (valgrind must be installed), allocations by an allocator that counts, and exchanges per second beside
//! `rsasl`. It reports and judges nothing. `bench/` is a workspace of its own: nobody builds `rsasl` who does not measure.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Exchanges under callgrind: what is reported is the difference, for one exchange.
const FEW: u64 = 100;
const MANY: u64 = 1_100;

/// Builds, measures, and returns the tables as text.
pub(crate) fn run() -> Result<String, String> {
    let programs = build()?;
    let mut page = String::from(
        "| mechanism | instructions | allocations | octets allocated |\n|---|---|---|---|\n",
    );
    for line in output(&mut Command::new(programs.join("allocations")))?.lines() {
        let [mechanism, count, octets] = fields(line)?;
        let taken = instructions(&programs, mechanism)?;
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| {mechanism} | {taken} | {count} | {octets} |");
    }
    page.push_str("\n| exchanges per second | `gatepost-sasl` | `rsasl` |\n|---|---|---|\n");
    for line in output(&mut Command::new(programs.join("rates")))?.lines() {
        let [exchange, ours, theirs] = fields(line)?;
        let _ = writeln!(page, "| {exchange} | {ours} | {theirs} |");
    }
    Ok(page)
}

/// The release builds of the programs, made now; the folder they are in.
fn build() -> Result<PathBuf, String> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--manifest-path", "bench/Cargo.toml"])
        .status()
        .map_err(|error| format!("bench-sasl: cargo does not start: {error}"))?;
    if !built.success() {
        return Err("bench-sasl: the build failed, see above".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| PathBuf::from("bench/target"), PathBuf::from);
    Ok(target.join("release"))
}

/// Instructions of one exchange, without the start of the process.
fn instructions(programs: &Path, mechanism: &str) -> Result<u64, String> {
    let few = collected(programs, mechanism, FEW)?;
    let many = collected(programs, mechanism, MANY)?;
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

fn collected(programs: &Path, mechanism: &str, count: u64) -> Result<u64, String> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(programs.join("instructions"))
        .args([mechanism, &count.to_string()]);
    let said = command.output().map_err(|error| {
        format!("bench-sasl: valgrind does not start: {error}\n  next: apt-get install valgrind")
    })?;
    let report = String::from_utf8_lossy(&said.stderr);
    report
        .lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .ok_or_else(|| format!("bench-sasl: callgrind counted nothing for {mechanism}:\n{report}"))
}

fn output(command: &mut Command) -> Result<String, String> {
    let said = command
        .output()
        .map_err(|error| format!("bench-sasl: {command:?}: {error}"))?;
    if !said.status.success() {
        return Err(format!(
            "bench-sasl: {command:?}: {}",
            String::from_utf8_lossy(&said.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

fn fields(line: &str) -> Result<[&str; 3], String> {
    let fields: Vec<&str> = line.split('\t').collect();
    <[&str; 3]>::try_from(fields).map_err(|_| format!("bench-sasl: not three fields: {line}"))
}
