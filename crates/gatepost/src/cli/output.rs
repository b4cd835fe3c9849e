//! One way to print results: text for people, JSON for programs.
//!
//! A result is a value with both forms. JSON goes to standard output as one line and is all that stands there; what is not a result
//! (questions, remarks, errors) goes to standard error in either form.

use std::fmt::Display;

use clap::Args;
use serde::Serialize;

use super::print;

/// The form of results.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Form {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Form {
    /// Whether a program reads the result.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Prints a result.
    pub(crate) fn print(self, result: &(impl Serialize + Display)) {
        if self.json {
            match serde_json::to_string(result) {
                Ok(text) => print(&text),
                Err(error) => super::complain(&format!("the result has no JSON form: {error}")),
            }
        } else {
            print(result.to_string().trim_end());
        }
    }
}

/// The text with control characters escaped: it may come from a server.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                character.escape_default().to_string()
            } else {
                character.to_string()
            }
        })
        .collect()
}
