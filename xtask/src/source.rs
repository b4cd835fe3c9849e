//! Rust source as the checks read it: production code only, without comments, and with its string literals apart.
//!
//! This is a scanner, not a parser: it knows comments, string, raw string, byte string and character literals, and the
//! braces of items under `#[cfg(test)]`. That is all the checks need.

/// One file, taken apart.
pub(crate) struct Source {
    /// Code with comments and literals blanked; line numbers are those of the file.
    pub(crate) code: String,
    /// String literals with the line they begin on.
    pub(crate) literals: Vec<(usize, String)>,
}

impl Source {
    /// Takes `text` apart and drops what is under `#[cfg(test)]`.
    pub(crate) fn production(text: &str) -> Self {
        let mut source = Self::scan(text);
        for (from, to) in test_items(&source.code) {
            let kept: String = source
                .code
                .char_indices()
                .map(|(at, c)| {
                    if (from..to).contains(&at) && c != '\n' {
                        ' '
                    } else {
                        c
                    }
                })
                .collect();
            let lines = line_of(&source.code, from)..=line_of(&source.code, to);
            source.literals.retain(|(line, _)| !lines.contains(line));
            source.code = kept;
        }
        source
    }

    /// The lines of code, numbered from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    fn scan(text: &str) -> Self {
        let mut scanner = Scanner {
            rest: text,
            line: 1,
            code: String::with_capacity(text.len()),
            literals: Vec::new(),
        };
        while !scanner.rest.is_empty() {
            scanner.step();
        }
        Self {
            code: scanner.code,
            literals: scanner.literals,
        }
    }
}

/// Byte ranges of the items under `#[cfg(test)]`: from the attribute to the brace or semicolon that ends the item.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code.get(from..).and_then(|rest| rest.find("#[cfg(test)]")) {
        let start = from + at;
        let end = item_end(code, start);
        found.push((start, end));
        from = end;
    }
    found
}

fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices().skip_while(|(at, _)| *at < start) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

fn line_of(code: &str, at: usize) -> usize {
    code.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    literals: Vec<(usize, String)>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.blank(end);
        } else if self.rest.starts_with("/*") {
            let end = self.rest.find("*/").map_or(self.rest.len(), |at| at + 2);
            self.blank(end);
        } else if let Some((open, close)) = self.raw_string() {
            self.literal(open, &close);
        } else if self.rest.starts_with('"') {
            let end = quoted_end(self.rest);
            let inner = self
                .rest
                .get(1..end.saturating_sub(1))
                .unwrap_or("")
                .to_owned();
            self.literals.push((self.line, inner));
            self.blank(end);
        } else if let Some(end) = self.character() {
            self.blank(end);
        } else {
            self.keep();
        }
    }

    /// `r"`, `r#"`, `br##"`…: the length of the opening and the text that closes it.
    fn raw_string(&self) -> Option<(usize, String)> {
        if self
            .code
            .ends_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            return None;
        }
        let after = self
            .rest
            .strip_prefix('b')
            .unwrap_or(self.rest)
            .strip_prefix('r')?;
        let hashes = after.len() - after.trim_start_matches('#').len();
        let quoted = after.get(hashes..)?.starts_with('"');
        let open = self.rest.len() - after.len() + hashes + 1;
        quoted.then(|| (open, format!("\"{}", "#".repeat(hashes))))
    }

    fn literal(&mut self, open: usize, close: &str) {
        let body = self.rest.get(open..).unwrap_or("");
        let length = body.find(close).unwrap_or(body.len());
        self.literals
            .push((self.line, body.get(..length).unwrap_or("").to_owned()));
        self.blank((open + length + close.len()).min(self.rest.len()));
    }

    /// The length of a character literal here; `None` for a lifetime.
    fn character(&self) -> Option<usize> {
        let after = self.rest.strip_prefix('\'')?;
        if after.starts_with('\\') {
            return after.get(2..)?.find('\'').map(|at| at + 4);
        }
        let first = after.chars().next()?;
        after
            .get(first.len_utf8()..)?
            .starts_with('\'')
            .then(|| first.len_utf8() + 2)
    }

    fn keep(&mut self) {
        let Some(first) = self.rest.chars().next() else {
            return;
        };
        self.line += usize::from(first == '\n');
        self.code.push(first);
        self.rest = self.rest.get(first.len_utf8()..).unwrap_or("");
    }

    /// Replaces the next `length` bytes by spaces, keeping the line ends.
    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        for c in gone.chars() {
            self.line += usize::from(c == '\n');
            self.code.push(if c == '\n' { '\n' } else { ' ' });
        }
        self.rest = rest;
    }
}

/// The length of the string literal that `text` begins with, both quotes included.
fn quoted_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let source = Source::production(
            "let a = \"tokio\\\" x\"; // tokio\n/* tokio\n */ let b = 'x'; let c: &'static str = r#\"q\"#;\n",
        );
        assert!(!source.code.contains("tokio"));
        assert!(source.code.contains("'static str"));
        assert_eq!(
            source.literals,
            vec![(1, "tokio\\\" x".to_owned()), (3, "q".to_owned())]
        );
        assert_eq!(source.code.lines().count(), 3);
    }

    #[test]
    fn tests_are_not_production() {
        let source = Source::production(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { \"220 x\" }\n}\nfn c() {}\n",
        );
        assert!(source.code.contains("fn a") && source.code.contains("fn c"));
        assert!(!source.code.contains("fn b"));
        assert!(source.literals.is_empty());
    }
}
