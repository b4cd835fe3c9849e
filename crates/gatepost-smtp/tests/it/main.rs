//! The sessions of this crate together with what stands around them: golden dialogues, and probes of the seams.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod bench;
mod cancelled;
mod derivation;
mod digest_layer;
mod digest_session;
mod late_answers;
mod layer;
mod loopback;
mod malformed;
mod questions;
mod rogues;
mod stranger;
mod transcripts;
