//! `gatepost completions SHELL`: the script that completes commands and options in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::{Cli, print};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(arguments: &Arguments) {
    print(script(arguments.shell).trim_end());
}

/// The script of a shell, from the tree of commands.
pub(super) fn script(shell: Shell) -> String {
    let mut octets = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gatepost", &mut octets);
    String::from_utf8_lossy(&octets).into_owned()
}
