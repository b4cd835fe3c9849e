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
