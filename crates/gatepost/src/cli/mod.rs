//! The command line.
//!
//! Exit status: 0 done, 1 failed, 2 wrong usage. Results go to standard output, everything else to standard error.

mod account;
mod backup;
mod bench;
mod check;
mod completions;
mod dev;
mod init;
mod output;
mod probe;
mod process;
mod queue;
mod reference;
mod send;
mod sendmail;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// An authenticated mail submission server.
#[derive(Debug, Parser)]
#[command(name = "gatepost", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add, list and change accounts
    #[command(subcommand)]
    Account(account::Arguments),
    /// Put a load of authenticated submissions on a server, and measure
    Bench(bench::Arguments),
    /// Copy accounts, keys and queue to a directory, while the server runs
    Backup(backup::Arguments),
    /// Validate a configuration file and give advice
    Check(check::Arguments),
    /// Print the script that completes commands and options in a shell
    Completions(completions::Arguments),
    /// Run a local server to develop and test against: every mechanism, mail is captured
    Dev(dev::Arguments),
    /// Set up a server: a few questions or flags, a short configuration, a self-test
    Init(Box<init::Arguments>),
    /// Find out what a server offers and what it gets wrong; some questions count as failed logins there
    Probe(probe::Arguments),
    /// List, hold, release, retry and delete queued mail
    #[command(subcommand)]
    Queue(queue::Arguments),
    /// Write reference pages, man pages and completions
    #[command(hide = true)]
    Reference(reference::Arguments),
    /// Make a data directory from a backup; its queue is held
    Restore(backup::restore::Arguments),
    /// Submit a message to a server
    Send(send::Arguments),
    /// Run the server
    Serve(serve::Arguments),
}

/// The option that names the configuration file.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// It was called in a way that cannot work: exit status 2.
    Usage(String),
    /// It failed: exit status 1. The text says what, where and what next.
    Failed(String),
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().map(PathBuf::from);
    if called.is_some_and(|path| path.file_name().is_some_and(|name| name == "sendmail")) {
        return sendmail::main(words.map(|word| word.to_string_lossy().into_owned()));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Also the way out of --help and --version, whose status is 0. A closed pipe is no news to anybody.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match cli.command {
        Command::Account(arguments) => account::run(arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Completions(arguments) => {
            completions::run(&arguments);
            Ok(())
        }
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),
        Command::Queue(arguments) => queue::run(arguments),
        Command::Reference(arguments) => reference::run(&arguments),
        Command::Restore(arguments) => backup::restore::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandError::Usage(text)) => {
            complain(&text);
            ExitCode::from(2)
        }
        Err(CommandError::Failed(text)) => {
            complain(&text);
            ExitCode::FAILURE
        }
    }
}

/// Prints a result. A reader that went away is no failure of ours.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints an error or a remark.
pub(crate) fn complain(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "gatepost: {text}");
}
