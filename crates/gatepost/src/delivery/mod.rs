//! Hands queued mail on to the next hop.
//!
//! - [`outcome`]: what the end of an attempt means for the message, the recipient or the lane.
//! - [`lane`]: whether a next hop is being tried at the moment.
//! - [`pool`]: connections kept open between messages.
//! - [`credential`]: the password for a next hop.

pub mod credential;
pub mod lane;
pub mod outcome;
pub mod pool;
