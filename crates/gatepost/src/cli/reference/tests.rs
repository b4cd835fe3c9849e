use std::path::Path;

use super::configuration::SMALLEST;
use super::page::{Block, Line, Page};
use super::{files, man, markdown};
use crate::config;
use crate::config::option::{ConfigOption, Kind, OPTIONS};

fn file(place: &str) -> String {
    let mut files = files("2026-01-31");
    let found = files.iter().position(|(path, _)| path == place).unwrap();
    files.swap_remove(found).1
}

#[test]
fn the_smallest_file_is_usable() {
    config::parse(Path::new("/etc/gatepost/gatepost.toml"), SMALLEST).unwrap();
}

#[test]
fn every_option_is_on_the_page_and_in_the_manual() {
    let page = file("reference/configuration.md");
    let manual = file("man/gatepost.toml.5");
    for option in OPTIONS {
        assert!(
            page.contains(&format!("- `{}`\n", option.key)),
            "{}",
            option.path()
        );
        assert!(
            manual.contains(&format!("\\fB{}\\fR\n", option.key)),
            "{}",
            option.path()
        );
    }
    let is_value = |option: &&ConfigOption| !matches!(option.kind, Kind::Table | Kind::Tables);
    let values = OPTIONS.iter().filter(is_value).count();
    assert_eq!(page.matches("Example: ").count(), values);
}

#[test]
fn commands_are_described_down_to_the_last() {
    let page = file("reference/commands.md");
    for heading in [
        "### gatepost account add",
        "### gatepost serve",
        "### gatepost completions",
    ] {
        assert!(page.contains(heading), "{heading}");
    }
    assert!(!page.contains("gatepost reference"), "hidden");
    assert!(page.contains("- `-c`, `--config` *FILE*\n"), "{page}");
}

#[test]
fn text_stays_text_in_both_forms() {
    let page = Page {
        name: "x",
        section: 1,
        file: "x",
        title: "X",
        about: "a-b",
        blocks: vec![
            Block::Text(Line::plain(
                ".PP is no request, * no star, <> no tag, `a_b` typed",
            )),
            Block::Code("'quoted \\n\n.TH".into()),
            Block::Text(Line::plain("RFC 5321 §4")),
        ],
    };
    let markdown = markdown::render(&page);
    assert!(
        markdown.contains(".PP is no request, \\* no star, \\<\\> no tag, `a_b` typed\n"),
        "{markdown}"
    );
    let man = man::render(&page, "2026-01-31");
    assert!(man.contains("\n\\&.PP is no request"), "{man}");
    assert!(man.contains("\\fBa_b\\fR typed\n"), "{man}");
    assert!(
        man.contains(".EX\n\\(aqquoted \\en\n\\&.TH\n.EE\n"),
        "{man}"
    );
    assert!(man.contains("\\[u00A7]4"), "{man}");
    assert!(man.contains(".TH X 1 \"2026-01-31\""), "{man}");
}
