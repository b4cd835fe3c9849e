//! Configuration: one TOML file, as written (`raw`) and as used ([`resolved`]).
//!
//! Every part of the program reads [`resolved::Config`] and nothing else; a value there has been parsed, defaulted and proven.

pub mod network;
pub mod pattern;
pub mod resolved;
