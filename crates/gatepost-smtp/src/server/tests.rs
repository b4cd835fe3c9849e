//! Whole conversations with the session, in memory.

mod auth;
mod chunks;
mod commands;
mod extensions;
mod harness;
mod layer;
mod mail;
mod past_faults;
mod properties;
mod smuggling;
mod turns;
