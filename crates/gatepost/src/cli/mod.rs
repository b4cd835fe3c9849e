//! The command line.

use std::process::ExitCode;

/// Runs the program with the arguments of this process. Exit status: 0 done, 1 failed, 2 wrong usage.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
