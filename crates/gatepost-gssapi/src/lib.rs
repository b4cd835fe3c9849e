//! Kerberos V5 security contexts of the system's GSS-API library, behind safe types.
//!
//! The library is MIT Kerberos' `libgssapi_krb5.so.2`, loaded at run time by [`Library::load`]: a build needs no Kerberos, and
//! where there is none the error says which package brings it. Heimdal's library has another name and is not loaded.
//!
//! | type | is |
//! |---|---|
//! | [`Library`] | the functions of the loaded library |
//! | [`Credential`] | a keytab's keys, or a credential cache's ticket |
//! | [`Context`] | a security context of the server or the client: a [`SecurityContext`](gatepost_sasl::gssapi::SecurityContext) |
//!
//! What they hold is freed when they are dropped. They may move between threads; each is used by one at a time.
//!
//! Invariants: only the Kerberos V5 mechanism is used, never a negotiating one; channel bindings are never given; delegated
//! credentials are neither asked for nor taken; a token that comes twice or out of order is an error; what was asked to be
//! encrypted is encrypted, or it is an error. This crate is the only one of its workspace that contains `unsafe`.
//!
//! Failure behaviour: calls can block (files, a key distribution centre) and are to be made where that is allowed. No call
//! panics.
//!
//! Standards: RFC 2743, RFC 2744 (the C functions), RFC 4121 (the Kerberos V5 mechanism), MIT's `gss_acquire_cred_from`.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod abi;
mod buffer;
mod context;
mod credential;
mod error;
mod library;
mod name;

pub use context::Context;
pub use credential::Credential;
pub use error::{Blame, Error};
pub use library::{Library, LoadError};
