//! Gatepost: an authenticated mail submission server.
//!
//! The program as a library, so that tests can run the real thing in their own process. The modules stand in layers: decisions, services,
//! edges and the root, each using only those below it; `ARCHITECTURE.md` has the table, and a check enforces it.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod admin;
pub mod auth;
pub mod cli;
pub mod config;
pub mod control;
pub mod delivery;
pub mod message;
pub mod net;
pub mod observe;
pub mod policy;
pub mod queue;
pub mod serve;
pub mod store;
