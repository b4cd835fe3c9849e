//! `gatepost account export`: every account, as `import` takes it.
//!
//! One line of JSON each, after a line that says what this is. Without `--secrets` it holds names, addresses and which
//! credentials there are. With `--secrets` it goes to a file for its owner alone, and only there.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::{execute, mismatch};
use crate::cli::{CommandError, ConfigFile, complain, print};
use crate::control::command::{Command, Done};
use crate::control::portable::PortableAccount;

/// The key of the first line; its value is the version of the form.
pub(super) const HEADER: &str = "gatepost-accounts";
/// The version that is written, and read.
pub(super) const VERSION: u64 = 1;

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// Include what is kept of passwords; needs --output
    #[arg(long, requires = "output")]
    secrets: bool,
    /// Write to this file, which must not exist, for its owner alone to read
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

impl Export {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let secrets = self.secrets;
        let Done::Exported { accounts } = execute(&self.file, Command::AccountExport { secrets })?
        else {
            return Err(mismatch());
        };
        let text = lines(&accounts, secrets)
            .map_err(|error| CommandError::Failed(format!("accounts as JSON: {error}")))?;
        let Some(path) = &self.output else {
            print(text.trim_end());
            return Ok(());
        };
        write(path, &text).map_err(|error| {
            CommandError::Failed(format!(
                "cannot write {}: {error}\n    name a file that does not exist, in a directory you may write to",
                path.display()
            ))
        })?;
        if secrets {
            complain(&format!(
                "{} lets its reader guess passwords as fast as he can compute, and stand in for this server to clients of SCRAM; {{CRAM-MD5}} in it is as good as the password there. Keep it like the passwords themselves",
                path.display()
            ));
        }
        Ok(())
    }
}

fn lines(accounts: &[PortableAccount], secrets: bool) -> serde_json::Result<Zeroizing<String>> {
    let header = serde_json::json!({ HEADER: VERSION, "secrets": secrets });
    let mut text = Zeroizing::new(format!("{header}\n"));
    for account in accounts {
        text.push_str(&Zeroizing::new(serde_json::to_string(account)?));
        text.push('\n');
    }
    Ok(text)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
