//! Configuration: one TOML file, as written (`raw`) and as used ([`resolved`]).
//!
//! Every part of the program reads [`resolved::Config`] and nothing else; a value there has been parsed, defaulted and proven.
//! Each option is defined once, in [`option`]. An error names every fault of the file with its line and what to do about it.

pub mod check;
pub mod endpoint;
mod fault;
pub mod network;
pub mod option;
pub mod pattern;
mod raw;
pub mod reload;
mod resolve;
pub mod resolved;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
mod value;

use std::path::Path;

pub use fault::{ConfigError, ConfigFault};
use resolved::Config;
pub(crate) use value::{layer_strength, parse_time};

/// Reads the configuration file.
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    resolve::load(file)
}

/// Reads a configuration from `text`, as if it were the content of `file`.
pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
    resolve::resolve(file, text)
}
