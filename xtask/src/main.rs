//! `cargo xtask`: the project's automation, in Rust so that it runs wherever the project builds.
//!
//! - `layers` holds the sources against the layer table and the invariants of absence of ARCHITECTURE.md.
//! - `rfc` holds `rfc/index.toml` against the sources, the tests and the transcripts, and renders `docs/reference/rfc.md`.
//! - `docs` holds `docs/reference/{commands,configuration,mechanisms}.md` against what the program says of itself.
//! - `tested` holds `peers/tested.tsv`, which the page of mechanisms is made of, against what the tests with real peers wrote.
//! - `package` makes the Debian package.
//! - `bench-sasl` measures what a SASL exchange costs, beside another library.
//! - `bench` measures the built program; see `bench` for what each figure means.
//!
//! Every check prints what is wrong, where, and what to do, and exits 1; a usage fault exits 2.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod bench_sasl;
mod docs;
mod layers;
mod package;
mod rfc;
mod source;
mod tested;
mod workspace;

use workspace::Workspace;

#[derive(Parser)]
#[command(name = "xtask", about = "Automation of the Gatepost project")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the layer table and the invariants of absence
    Layers,
    /// Check rfc/index.toml and render docs/reference/rfc.md
    Rfc {
        /// Write the page instead of only checking that it is up to date
        #[arg(long)]
        write: bool,
    },
    /// Check the reference pages of commands, configuration and mechanisms
    Docs {
        /// Check that the pages are up to date, which is what happens without an option
        #[arg(long, conflicts_with = "write")]
        check: bool,
        /// Write the pages instead
        #[arg(long)]
        write: bool,
    },
    /// Check that what peers/tested.tsv claims passed in the last run of ./test
    Tested {
        /// The table that the tests wrote
        #[arg(default_value = "target/peers/table.tsv")]
        table: String,
        /// Keep what passed instead
        #[arg(long)]
        write: bool,
    },
    /// Make the Debian package of the release build
    Package(package::Arguments),
    /// Measure the release build under load, next to a durable sink (reports, never fails a figure)
    Bench(bench::Arguments),
    /// Measure what a SASL exchange costs on the server's side, next to rsasl (reports, never fails a figure)
    BenchSasl,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.task {
        Task::Layers => Workspace::load().and_then(|workspace| layers::run(&workspace)),
        Task::Rfc { write } => Workspace::load().and_then(|workspace| rfc::run(&workspace, write)),
        Task::Docs { write, check: _ } => docs::run(write),
        Task::Tested { table, write } => tested::run(&table, write),
        Task::Package(options) => package::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::BenchSasl => bench_sasl::run(),
    };
    match result {
        Ok(summary) => {
            say(&summary);
            ExitCode::SUCCESS
        }
        Err(fault) => {
            say(&fault);
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "this is what a command line tool is for"
)]
fn say(text: &str) {
    println!("{text}");
}
