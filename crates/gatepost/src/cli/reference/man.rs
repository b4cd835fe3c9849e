//! A page as a man page: the macros of man(7), which every formatter in use reads.

use std::fmt::Write as _;

use super::page::{Block, Line, Page, Span};

/// Columns of a source line, by the custom of manual pages.
const WIDTH: usize = 78;
/// Characters after which a word may be broken: no line is so narrow that this does not fit.
const LONGEST_WORD: usize = 40;

/// The whole file, ragged at the right, because what is typed must not be stretched. An empty `date` leaves the date out.
pub(super) fn render(page: &Page, date: &str) -> String {
    let mut text = format!(
        ".\\\" Written by `gatepost reference`; do not edit.\n.TH {} {} \"{}\" \"gatepost {}\" \"Gatepost\"\n.ad l\n.SH NAME\n{} \\- {}\n",
        escape(&page.name.to_uppercase()),
        page.section,
        date,
        env!("CARGO_PKG_VERSION"),
        escape(page.name),
        escape(page.about),
    );
    let mut after_heading = false;
    for block in &page.blocks {
        push_block(&mut text, block, after_heading);
        after_heading = matches!(block, Block::Section(_) | Block::Subsection(_));
    }
    text
}

fn push_block(text: &mut String, block: &Block, after_heading: bool) {
    // Writing to a String cannot fail.
    let _ = match block {
        Block::Section(heading) => writeln!(text, ".SH {}", escape(&heading.to_uppercase())),
        Block::Subsection(heading) => writeln!(text, ".SS {}", escape(heading)),
        Block::Text(line) if after_heading => writeln!(text, "{}", spans(line)),
        Block::Text(line) => writeln!(text, ".PP\n{}", spans(line)),
        Block::Code(code) => {
            let lines: Vec<String> = code.trim_end().lines().map(input_line).collect();
            let before = if after_heading { "" } else { ".PP\n" };
            writeln!(text, "{before}.EX\n{}\n.EE", lines.join("\n"))
        }
        Block::Term(term, lines) => {
            let explained: Vec<String> = lines.iter().map(spans).collect();
            writeln!(
                text,
                ".TP\n{}\n{}",
                spans(term),
                explained.join("\n.sp 0.5v\n")
            )
        }
    };
}

fn spans(line: &Line) -> String {
    let text: String = line
        .0
        .iter()
        .map(|span| match span {
            Span::Plain(text) => prose(text),
            Span::Literal(text) => format!("\\fB{}\\fR", escape(text)),
            Span::Placeholder(text) => format!("\\fI{}\\fR", escape(text)),
        })
        .collect();
    wrapped(&text)
}

/// Source lines of at most [`WIDTH`] columns, where words allow it: a formatter fills them anew.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(guarded(word.to_owned())),
        }
    }
    lines.join("\n")
}

/// Prose in which `backquotes` mark what is typed.
fn prose(text: &str) -> String {
    let mut rendered = String::new();
    for (place, part) in text.split('`').enumerate() {
        if place % 2 == 1 {
            let _ = write!(rendered, "\\fB{}\\fR", escape(part));
        } else {
            rendered.push_str(&escape(part));
        }
    }
    rendered
}

fn input_line(text: &str) -> String {
    guarded(escape(text))
}

/// A line that begins like a request is text all the same.
fn guarded(line: String) -> String {
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line
    }
}

/// Every character stands for itself: no escape sequence, no typographic hyphen, quote or accent. A word too long for a line, such as a
/// fingerprint, may be broken, without a hyphen.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut unbroken = 0;
    for letter in text.chars() {
        unbroken = if letter == ' ' { 0 } else { unbroken + 1 };
        if unbroken > LONGEST_WORD {
            escaped.push_str("\\:");
            unbroken = 1;
        }
        match letter {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '"' => escaped.push_str("\\(dq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            letter if letter.is_ascii() => escaped.push(letter),
            letter => {
                let _ = write!(escaped, "\\[u{:04X}]", u32::from(letter));
            }
        }
    }
    escaped
}
