//! SASL implementations of others, both as clients of Gatepost and as its servers, with their security layers: the JDK, Perl's `Authen::SASL`,
//! Cyrus SASL in sendmail and `smtptest`, GNU SASL, scramp.
//!
//! The message is longer than any buffer of a layer, on both sides.

mod exchange;
mod gsasl;
mod jdk;
mod perl;
mod scramp;
mod sendmail;
mod submitter;

use std::path::{Path, PathBuf};

use gatepost_sasl::mechanism;

use super::corpus::{self, LineEnd, Sample};
use crate::server::Server;

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

/// A server whose legacy listener offers every layer and cipher of DIGEST-MD5.
async fn layered_server() -> Server {
    Server::start_with(|config| {
        config.accounts.digest_realms = vec!["localhost".to_owned()];
        config.listeners[2].auth.mechanisms = Some(mechanism::ALL.into());
        config.listeners[2].layers.weak_ciphers = true;
    })
    .await
}

/// What came last is the sample, and came through this layer (`auth` is none).
async fn check_arrived(server: &Server, sample: &Sample, layer: &str) {
    let stored = server.newest().await;
    corpus::check(sample, &stored, LineEnd::MayBeAdded);
    let head = String::from_utf8_lossy(&stored[..600]).into_owned();
    // LAYER-09.
    let with = match layer {
        "auth" => "with ESMTPA id ".to_owned(),
        layer => format!("with ESMTPA (DIGEST-MD5/{layer}) id "),
    };
    assert!(head.contains(&with), "{layer}: {head}");
}
