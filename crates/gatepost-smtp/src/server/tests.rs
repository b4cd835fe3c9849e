//! Whole conversations with the session, in memory.

mod auth;
mod commands;
mod extensions;
mod harness;
mod layer;
mod mail;
mod properties;
mod turns;
