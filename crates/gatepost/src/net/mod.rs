//! The network: listeners, TLS, limits, and the loop that drives one session.
//!
//! Nothing here decides anything about mail: a session asks, the services answer. `connection` is the only code on the path of a message
//! that waits for anything.

mod admission;
mod arrival;
mod connection;
pub mod interposer;
pub mod limits;
pub mod listener;
pub mod profile;
pub mod proxy;
mod responder;
pub mod service;
mod session_id;
mod submission;
pub mod tls;
mod wire;
