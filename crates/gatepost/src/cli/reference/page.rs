//! A reference page, before it becomes Markdown or a man page.

/// One page.
pub(super) struct Page {
    /// The name of the man page: `gatepost.toml`.
    pub(super) name: &'static str,
    /// The section of the manual it belongs to.
    pub(super) section: u8,
    /// The name of the Markdown file, without its ending.
    pub(super) file: &'static str,
    /// The heading of the Markdown page.
    pub(super) title: &'static str,
    /// What the page is about, in a line that `apropos` finds.
    pub(super) about: &'static str,
    /// The content, from the top.
    pub(super) blocks: Vec<Block>,
}

/// A part of a page.
pub(super) enum Block {
    /// A heading of the first rank.
    Section(String),
    /// A heading of the second rank.
    Subsection(String),
    /// A paragraph.
    Text(Line),
    /// Lines to be shown as they are.
    Code(String),
    /// What is explained, and the paragraphs that explain it.
    Term(Line, Vec<Line>),
}

/// A line or paragraph of spans.
#[derive(Default)]
pub(super) struct Line(pub(super) Vec<Span>);

/// A piece of text.
pub(super) enum Span {
    /// Prose.
    Plain(String),
    /// What is typed as it stands.
    Literal(String),
    /// What stands for something else: `FILE`.
    Placeholder(String),
}

impl Line {
    /// Prose alone.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::default().and(text)
    }

    /// One literal.
    pub(super) fn literal(text: impl Into<String>) -> Self {
        Self::default().and_literal(text)
    }

    /// With this prose after it.
    pub(super) fn and(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Plain(text.into()));
        self
    }

    /// With this literal after it.
    pub(super) fn and_literal(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Literal(text.into()));
        self
    }

    /// With this placeholder after it.
    pub(super) fn and_placeholder(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Placeholder(text.into()));
        self
    }
}
