//! Development only: what tests of sessions, mechanisms and the program are made of. Nothing here is shipped.
//!
//! | module | holds |
//! |---|---|
//! | [`transcript`] | the dialogues in `transcripts/`: format and parser |
//! | [`play`] | plays one side of a transcript to whoever is the other |
//! | [`wire`] | that other side, as the player sees it; in memory or behind a socket ([`peer`]) |
//! | [`server`], [`client`] | the two sessions with a program or a user around them that answers at once or when told to |
//! | [`program`] | that program |
//! | [`loopback`] | the two sessions talking to each other |
//! | [`directory`] | a directory that can answer every question |
//! | [`probe`] | mechanisms that no real one resembles, to prove that the seams hold what will come |
//! | [`toy_layer`] | a security layer that notices every slip |
//! | [`clock`] | time that passes when a test says so |
//! | [`rogue`] | servers that misbehave, and what is to be made of each |
//! | [`tls`] | the facts of TLS in memory |
//! | [`split`] | how octets are cut on their way |
//!
//! Faults of a test's own material (a transcript that cannot be read, a socket that fails) are errors that name the place;
//! nothing here panics.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod client;
pub mod clock;
pub mod directory;
pub mod loopback;
pub mod peer;
pub mod play;
pub mod probe;
pub mod program;
pub mod rogue;
pub mod server;
pub mod split;
pub mod tls;
pub mod toy_layer;
pub mod transcript;
pub mod wire;
