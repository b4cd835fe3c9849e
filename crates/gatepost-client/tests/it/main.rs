//! The client against servers on loopback: Gatepost's own session, and peers that misbehave.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod blocking;
mod certificate;
mod certificates;
mod derivation;
mod end_point;
mod gatepost;
mod limits;
mod peer;
mod pins;
mod protection;
mod rogue;
mod submission;
mod unusable;
