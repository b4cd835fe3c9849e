//! A page as Markdown.

use std::fmt::Write as _;

use super::page::{Block, Line, Page, Span};

/// The whole file.
pub(super) fn render(page: &Page) -> String {
    let mut text = format!(
        "# {}\n\nWritten by `cargo xtask docs --write` from definitions in the program; edit those. On an installed system: `man {} {}`.\n",
        page.title, page.section, page.name
    );
    for block in &page.blocks {
        text.push('\n');
        push_block(&mut text, block);
    }
    text
}

fn push_block(text: &mut String, block: &Block) {
    // Writing to a String cannot fail.
    let _ = match block {
        Block::Section(heading) => writeln!(text, "## {}", escape(heading)),
        Block::Subsection(heading) => writeln!(text, "### {}", escape(heading)),
        Block::Text(line) => writeln!(text, "{}", spans(line)),
        Block::Code(code) => writeln!(text, "```\n{}\n```", code.trim_end()),
        Block::Term(term, lines) => {
            let _ = writeln!(text, "- {}", spans(term));
            for line in lines {
                let _ = writeln!(text, "\n  {}", spans(line));
            }
            Ok(())
        }
    };
}

fn spans(line: &Line) -> String {
    line.0
        .iter()
        .map(|span| match span {
            Span::Plain(text) => escape(text),
            Span::Literal(text) => literal(text),
            Span::Placeholder(text) => format!("*{}*", escape(text)),
        })
        .collect()
}

fn literal(text: &str) -> String {
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

/// What Markdown would read as markup is shown as it is. Backquotes stay: in our texts they mean what they mean there.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut code = false;
    for letter in text.chars() {
        code ^= letter == '`';
        if !code && matches!(letter, '*' | '_' | '<' | '>' | '[' | ']' | '\\' | '|') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
