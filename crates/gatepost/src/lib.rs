//! Gatepost: an authenticated mail submission server.
//!
//! The program as a library, so that tests can run the real thing in their own process. The layers, from the ground up (a layer
//! uses only those above it in this list):
//!
//! - ground: [`config`] [`observe`]
//! - decisions: [`policy`] [`message`]
//! - root: [`cli`]

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod cli;
pub mod config;
pub mod message;
pub mod observe;
pub mod policy;
