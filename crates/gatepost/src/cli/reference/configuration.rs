//! `gatepost.toml`: the page of the configuration file, from the table of its options.

use super::page::{Block, Line, Page};
use crate::config::option::{Absent, ConfigOption, Kind, OPTIONS};

/// The least that makes a working server.
pub(super) const SMALLEST: &str = include_str!("smallest.toml");

/// The page.
pub(super) fn page() -> Page {
    let mut blocks = introduction();
    blocks.push(Block::Section("Options".into()));
    for table in tables() {
        blocks.push(Block::Subsection(heading(table)));
        if let Some(option) = table {
            blocks.push(Block::Text(Line::plain(option.text)));
        }
        let path = table.map(ConfigOption::path).unwrap_or_default();
        blocks.extend(
            OPTIONS
                .iter()
                .filter(|option| option.table == path)
                .map(term),
        );
    }
    blocks.push(Block::Section("See also".into()));
    blocks.push(Block::Text(Line::literal("gatepost").and("(1)")));
    Page {
        name: "gatepost.toml",
        section: 5,
        file: "configuration",
        title: "Configuration",
        about: "configuration file of the gatepost mail submission server",
        blocks,
    }
}

fn introduction() -> Vec<Block> {
    vec![
        Block::Section("Description".into()),
        Block::Text(Line::plain(
            "Gatepost reads one TOML file, on packaged systems `/etc/gatepost/gatepost.toml`. An unknown key is an error, and so is a value \
             that cannot work: `gatepost check -c FILE` names every fault with its line, and gives advice on what is legal but probably not meant. \
             Relative paths start at the directory of the file.",
        )),
        Block::Text(Line::plain(
            "Times are written `\"90s\"`, `\"5m\"`, `\"2h\"` or `\"5d\"`; sizes are octets or a text such as `\"50 MiB\"`.",
        )),
        Block::Section("Smallest useful file".into()),
        Block::Code(SMALLEST.into()),
        Block::Text(Line::plain(
            "Accounts are not in the file: `gatepost account add` makes them.",
        )),
    ]
}

/// The top of the file, then its tables, in the order of their first options.
fn tables() -> impl Iterator<Item = Option<&'static ConfigOption>> {
    let named = OPTIONS
        .iter()
        .filter(|option| matches!(option.kind, Kind::Table | Kind::Tables));
    std::iter::once(None).chain(named.map(Some))
}

fn heading(table: Option<&ConfigOption>) -> String {
    match table {
        None => "Top of the file".into(),
        Some(option) => written(option),
    }
}

/// A table as its heading in the file.
fn written(option: &ConfigOption) -> String {
    match option.kind {
        Kind::Tables => format!("[[{}]]", option.path()),
        Kind::Table if option.table.is_empty() => format!("[{}]", option.key),
        _ => option.path(),
    }
}

fn term(option: &ConfigOption) -> Block {
    if matches!(option.kind, Kind::Table | Kind::Tables) {
        let more = Line::plain(format!("See {}. {}.", written(option), absent(option)));
        return Block::Term(
            Line::literal(option.key),
            vec![Line::plain(option.text), more],
        );
    }
    let mut facts = Line::plain(format!("Value: {}. ", option.kind.expectation()));
    facts = match option.default {
        Absent::Value(value) => facts.and("Default: ").and_literal(value).and(". "),
        _ => facts.and(format!("{}. ", absent(option))),
    };
    facts = facts
        .and("Example: ")
        .and_literal(format!("{} = {}", option.key, option.example))
        .and(format!(". Since {}.", option.since));
    Block::Term(
        Line::literal(option.key),
        vec![Line::plain(option.text), facts],
    )
}

fn absent(option: &ConfigOption) -> &'static str {
    match option.default {
        Absent::Refused => "Required",
        Absent::Nothing | Absent::Value(_) => "Optional",
    }
}
