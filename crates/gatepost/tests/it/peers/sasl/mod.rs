//! SASL implementations of others, both as clients of Gatepost and as its servers, with their security layers: the JDK, Perl's `Authen::SASL`,
//! Cyrus SASL in sendmail and `smtptest`, GNU SASL.
//!
//! The message is longer than any buffer of a layer, on both sides.

mod exchange;
mod gsasl;
mod jdk;
mod perl;
mod sendmail;
mod submitter;

use std::path::{Path, PathBuf};

use super::corpus::{self, Sample};

/// Several times the largest buffer that DIGEST-MD5 has by default (RFC 2831 §2.1.1: 65536 octets).
fn long_message() -> Sample {
    corpus::attachment(300 << 10)
}

/// A program of ours in `peers/sasl`.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../peers/sasl")
        .join(name)
}
