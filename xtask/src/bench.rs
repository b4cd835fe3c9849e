//! `cargo xtask bench`: how fast the built program takes mail, next to the least that a durable server can do.
//!
//! A load generator, a program of its own (`docs/reference/bench.md` says what it must understand), sends to Gatepost with a `hold` route and
//! to its own durable sink in turns, on the same disk and the same cores. Absolute rates say more about the machine than about the server;
//! the ratios between the two are what counts. It reports and judges nothing.
//!
//! - `a-hold`: a new TLS connection, AUTH and one message of 8 KiB each. `b-hold`: 100 messages per session.
//! - CPU: what the server process used for 1,000 messages, from `/proc`.
//! - Memory: what its resident set grew by for each idle, authenticated TLS connection.

mod generator;
mod server;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use generator::{Generator, Shape};
use server::{Gatepost, Server, Sink};
use table::{Measured, Row};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The load generator
    #[arg(long, value_name = "PROGRAM", default_value = "smtpload")]
    load: PathBuf,
    /// Times that each measurement is taken; the table has the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Sessions at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    sessions: u32,
    /// Idle connections that memory is measured with
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    idle: u32,
    /// Directory for accounts, queue and the sink's log, on the disk to be measured; replaced
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    scratch: PathBuf,
}

/// What is measured, in the order of the table.
const SHAPES: [Shape; 4] = [
    Shape::new("a-hold", "plain", 1),
    Shape::new("a-hold", "scram-sha-256", 1),
    Shape::new("b-hold", "plain", 100),
    Shape::new("b-hold", "scram-sha-256", 100),
];

/// Builds, measures, and returns the tables as text.
pub(crate) fn run(arguments: &Arguments) -> Result<String, String> {
    let program = build()?;
    let generator = Generator::new(&arguments.load, arguments.sessions, arguments.seconds)?;
    let scratch = Scratch::new(&arguments.scratch)?;
    let users = generator.users(&scratch.0)?;
    let gatepost = Gatepost::start(&program, &scratch.0, &users)?;
    let sink = Sink::start(&generator, &scratch.0, &users, gatepost.certificate())?;
    let memory = [
        memory(&generator, &sink, arguments.idle)?,
        memory(&generator, &gatepost, arguments.idle)?,
    ];
    let mut rows: Vec<Row> = SHAPES.into_iter().map(Row::new).collect();
    for _ in 0..arguments.rounds {
        for row in &mut rows {
            row.sink.push(measure(&generator, &sink, &row.shape)?);
            row.gatepost
                .push(measure(&generator, &gatepost, &row.shape)?);
        }
    }
    Ok(table::render(&rows, memory, arguments))
}

/// The release build of the program, made now.
fn build() -> Result<PathBuf, String> {
    let build = [
        "build",
        "--release",
        "--package",
        "gatepost",
        "--bin",
        "gatepost",
    ];
    let built = Command::new(env!("CARGO"))
        .args(build)
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("bench: cargo does not start: {error}"))?;
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut executables = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    match (built.status.success(), executables.next_back()) {
        (true, Some(program)) => Ok(program),
        _ => Err("bench: the release build failed".to_owned()),
    }
}

/// One measurement: what the generator saw, and what the server spent on it.
fn measure(generator: &Generator, server: &impl Server, shape: &Shape) -> Result<Measured, String> {
    let before = server.processor_seconds()?;
    let load = generator.load(server, shape)?;
    let spent = server.processor_seconds()? - before;
    let latency = load.latency.filter(|_| load.failed == 0);
    let latency = latency.ok_or_else(|| {
        let (name, scenario, mechanism) = (server.name(), shape.scenario, shape.mechanism);
        format!(
            "bench: {name}, {scenario} with {mechanism}: {:?}",
            load.faults
        )
    })?;
    Ok(Measured {
        rate: load.rate,
        latency,
        processor: spent / f64::from(load.accepted) * 1_000.0,
    })
}

/// Octets per idle connection.
fn memory(generator: &Generator, server: &impl Server, connections: u32) -> Result<f64, String> {
    // Whatever the first of each costs is no cost of the thousandth.
    generator.authenticate_all(server)?;
    let before = server.resident_octets()?;
    let grown = generator.idle(server, connections, || server.resident_octets())?;
    Ok((grown - before) / f64::from(connections))
}

/// A directory that is empty at first and gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: &Path) -> Result<Self, String> {
        let fault = |error| format!("bench: {}: {error}", path.display());
        if path.exists() {
            std::fs::remove_dir_all(path).map_err(fault)?;
        }
        std::fs::create_dir_all(path).map_err(fault)?;
        Ok(Self(path.canonicalize().map_err(fault)?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is replaced by the next run.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
