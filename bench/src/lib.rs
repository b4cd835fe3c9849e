//! What a SASL exchange costs on the server's side, without network, lines and base64.
//!
//! - `exchange` is one exchange of each mechanism of `gatepost-sasl`, recorded once with an honest client and then served again and
//!   again: `src/bin/instructions.rs` counts what it takes under callgrind, `src/bin/allocations.rs` what it allocates.
//! - `ours` and `theirs` are the same two mechanisms by `gatepost-sasl` and by `rsasl`, with nonces drawn anew: `src/bin/rates.rs`.
//!
//! Verifiers are derived before anything is measured: no side derives a key from a password in an exchange.

pub mod credentials;
pub mod exchange;
pub mod ours;
pub mod theirs;
