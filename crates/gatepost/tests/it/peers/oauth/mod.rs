//! Tokens: real clients that send with them, a certified provider that they come from, and a real server that takes Gatepost's.

mod clients;
mod provider;
mod signer;
mod submission;
mod to_dev;
mod to_dovecot;
mod to_provider;
