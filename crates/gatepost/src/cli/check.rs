//! `gatepost check -c FILE`: is this configuration usable, and is it wise?

use crate::cli::{CommandError, ConfigFile, print};
use crate::config;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
}

/// Fails when the file cannot be used. Advice is printed and is no failure.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let path = &arguments.file.config;
    let config = config::load(path)
        .map_err(|error| CommandError::Failed(format!("configuration cannot be used\n{error}")))?;
    for advice in config::check::advice(&config) {
        print(&format!("advice: {advice}"));
    }
    print(&format!("{}: usable", path.display()));
    Ok(())
}
