//! `gatepost reference DIR`: everything that is written from definitions in the program, for `cargo xtask docs` and the packages.
//!
//! The reference pages, the man pages and the completions come from two tables and nowhere else: the options of the configuration
//! file (`config::option`) and the tree of commands that the command line is parsed by. A page is a [`Page`] of blocks, written
//! once and rendered as Markdown and as a man page, so that the two cannot differ. The page of the SASL mechanisms comes from
//! their own facts.

mod commands;
mod configuration;
mod man;
mod markdown;
mod mechanisms;
mod page;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;
use page::Page;

use crate::cli::{CommandError, completions};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The directory to write to, made if absent
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The date that the man pages bear
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "")]
    date: String,
}

/// Writes the pages and the completions below the directory.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    for (place, text) in files(&arguments.date) {
        let path = arguments.directory.join(place);
        write(&path, &text)?;
    }
    Ok(())
}

/// Every file, by its place below the directory.
fn files(date: &str) -> Vec<(String, String)> {
    let commands = commands::page();
    let configuration = configuration::page();
    let mut files = vec![
        page_file(&commands, markdown::render(&commands)),
        page_file(&configuration, markdown::render(&configuration)),
        man_file(&commands, date),
        man_file(&configuration, date),
        ("reference/mechanisms.md".to_owned(), mechanisms::page()),
    ];
    for (shell, name) in [
        (Shell::Bash, "gatepost.bash"),
        (Shell::Zsh, "_gatepost"),
        (Shell::Fish, "gatepost.fish"),
    ] {
        files.push((format!("completions/{name}"), completions::script(shell)));
    }
    files
}

fn page_file(page: &Page, text: String) -> (String, String) {
    (format!("reference/{}.md", page.file), text)
}

fn man_file(page: &Page, date: &str) -> (String, String) {
    let place = format!("man/{}.{}", page.name, page.section);
    (place, man::render(page, date))
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| CommandError::Failed(format!("cannot write {}: {error}", path.display())))
}
