//! `gatepost`: the page of the commands, from the tree that the command line is parsed by.

use clap::{Arg, Command, CommandFactory as _};

use super::page::{Block, Line, Page};
use crate::cli::Cli;

/// The page.
pub(super) fn page() -> Page {
    let mut tree = Cli::command();
    tree.build();
    let mut blocks = introduction();
    blocks.push(Block::Section("Commands".into()));
    for command in visible(&tree) {
        push_command(&mut blocks, command, "gatepost");
    }
    blocks.extend(conclusion());
    Page {
        name: "gatepost",
        section: 1,
        file: "commands",
        title: "Commands",
        about: "authenticated mail submission server",
        blocks,
    }
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn introduction() -> Vec<Block> {
    vec![
        Block::Section("Synopsis".into()),
        Block::Text(
            Line::literal("gatepost")
                .and(" ")
                .and_placeholder("COMMAND")
                .and(" [")
                .and_placeholder("OPTIONS")
                .and("]"),
        ),
        Block::Section("Description".into()),
        Block::Text(Line::plain(
            "Gatepost lets people, programs and machines submit mail after proving who they are (SMTP AUTH), decides what each may send, keeps \
             every accepted message safe, and hands it on.",
        )),
        Block::Text(Line::plain(
            "Each command explains itself with `--help`. Results go to standard output, everything else to standard error; a password is \
             read from standard input and is never an argument.",
        )),
    ]
}

/// A command with its options, or its sub-commands, each with theirs.
fn push_command(blocks: &mut Vec<Block>, command: &Command, parent: &str) {
    let name = format!("{parent} {}", command.get_name());
    if command.has_subcommands() {
        for command in visible(command) {
            push_command(blocks, command, &name);
        }
        return;
    }
    blocks.push(Block::Subsection(name));
    let about = command.get_long_about().or(command.get_about());
    if let Some(about) = about {
        let about = about.to_string();
        for paragraph in about.split("\n\n") {
            blocks.push(Block::Text(Line::plain(sentence(&one_line(paragraph)))));
        }
    }
    let usage = command.clone().render_usage().to_string();
    blocks.push(Block::Code(
        usage.trim_start_matches("Usage: ").trim().to_owned(),
    ));
    let described = |arg: &&Arg| !arg.is_hide_set() && arg.get_id() != "help";
    blocks.extend(command.get_positionals().filter(described).map(argument));
    blocks.extend(
        command
            .get_arguments()
            .filter(|arg| !arg.is_positional())
            .filter(described)
            .map(argument),
    );
}

fn argument(arg: &Arg) -> Block {
    let mut term = Line::default();
    if let Some(short) = arg.get_short() {
        term = term.and_literal(format!("-{short}")).and(", ");
    }
    if let Some(long) = arg.get_long() {
        term = term.and_literal(format!("--{long}"));
    }
    if arg.get_action().takes_values() {
        if !arg.is_positional() {
            term = term.and(" ");
        }
        term = term.and_placeholder(value_name(arg));
    }
    Block::Term(term, vec![explanation(arg)])
}

fn value_name(arg: &Arg) -> String {
    match arg.get_value_names() {
        // A name may carry brackets of its own, for the line of usage.
        Some(names) => names.join(" ").replace(['<', '>', '[', ']'], ""),
        None => arg.get_id().as_str().to_uppercase(),
    }
}

fn explanation(arg: &Arg) -> Line {
    let help = arg.get_long_help().or(arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let mut line = Line::plain(sentence(&one_line(&help)));
    if arg.get_action().takes_values() {
        let words = arg.get_possible_values();
        let mut words = words.iter().filter(|word| !word.is_hide_set()).peekable();
        if words.peek().is_some() && !arg.is_hide_possible_values_set() {
            line = line.and(" One of");
            let mut between = " ";
            for word in words {
                line = line.and(between).and_literal(word.get_name());
                if let Some(help) = word.get_help() {
                    line = line.and(format!(" ({})", one_line(&help.to_string())));
                }
                between = ", ";
            }
            line = line.and(".");
        }
        let defaults = arg.get_default_values();
        if let Some(default) = defaults.first().filter(|default| !default.is_empty()) {
            line = line
                .and(" Default: ")
                .and_literal(default.to_string_lossy())
                .and(".");
        }
    }
    line
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Help texts have no full stop at their end; a page does.
fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

fn conclusion() -> Vec<Block> {
    let term =
        |literal: &str, text: &str| Block::Term(Line::literal(literal), vec![Line::plain(text)]);
    vec![
        Block::Section("Exit status".into()),
        term("0", "Done."),
        term(
            "1",
            "It failed; standard error says what, where and what next.",
        ),
        term("2", "Wrong usage."),
        Block::Section("Signals".into()),
        term(
            "SIGHUP",
            "`serve` reads its configuration and certificates again, without ending a session. A file that cannot be used is refused in the log, and what was in use stays.",
        ),
        term(
            "SIGTERM, SIGINT",
            "`serve` and `dev` stop accepting, let sessions and deliveries finish for a while (`limits.drain_timeout`), and end.",
        ),
        Block::Section("Files".into()),
        term(
            "/etc/gatepost/gatepost.toml",
            "The configuration file of packaged systems.",
        ),
        term(
            "/var/lib/gatepost",
            "The data directory of packaged systems: accounts, queue, keys and the control socket, readable by the user `gatepost` alone. Commands that name the configuration file are for that user and for root.",
        ),
        Block::Section("Standards".into()),
        Block::Text(Line::plain(
            "RFC 4954 (AUTH), RFC 6409 (submission), RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 (implicit TLS), RFC 3464 (notices).",
        )),
        Block::Section("See also".into()),
        Block::Text(
            Line::literal("gatepost.toml")
                .and("(5), ")
                .and_literal("systemctl")
                .and("(1), ")
                .and_literal("journalctl")
                .and("(1)"),
        ),
    ]
}
