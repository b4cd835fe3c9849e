//! The network: listeners, TLS, limits, and the loop that drives one session.
//!
//! Nothing here decides anything about mail: a session asks, the services answer. `connection` is the only code on the path of a message
//! that waits for anything.

pub mod limits;
pub mod own_ca;
pub mod tls;
