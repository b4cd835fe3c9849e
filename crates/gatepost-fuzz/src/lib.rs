//! Development only: fuzz targets for every parser and every door, as plain functions.
//!
//! A [`Target`] takes octets from nowhere and asserts what must hold for all of them: not only that nothing panics, but that forms read
//! back as they were written, that cuts on the way change nothing, that no bare line end gets out, that nobody is authenticated who
//! proved nothing. The same functions run in two ways:
//!
//! - in every test run (`tests/smoke.rs`), over seeds made from the transcripts and a number of mutations of them that are the same
//!   each time ([`mutation`]);
//! - under libFuzzer: `cargo fuzz run TARGET` in `fuzz/`, whose fronts are one line each.
//!
//! | module | targets |
//! |---|---|
//! | [`grammar`] | arguments of commands: paths, xtext, parameters of RFC 3461 |
//! | [`server`] | the server's session: whole dialogues, DATA, BDAT |
//! | [`client`] | the client's session against any server |
//! | [`mechanisms`] | SASL exchanges of every mechanism, both sides |
//! | [`messages`] | the message of each mechanism that has one: PLAIN, LOGIN, CRAM-MD5, EXTERNAL, ANONYMOUS, the bearer tokens |
//! | [`scram`] | SCRAM's messages, bound to a channel or not |
//! | [`digest`] | messages and layers of DIGEST-MD5 |
//! | [`gssapi`] | GSSAPI's offer and choice, and the frames of its layers |
//! | [`message`] | headers, mailboxes, MIME, conversion, notices |
//! | [`edges`] | PROXY headers, the configuration, the control socket, foreign hashes |
//! | [`spool`] | what recovery finds on disk |
//!
//! A failure is a panic, as libFuzzer wants it; nothing here is shipped.
#![expect(
    clippy::missing_panics_doc,
    reason = "what every target panics about is what its text says must hold"
)]

pub mod client;
pub mod corpus;
pub mod digest;
pub mod edges;
pub mod grammar;
pub mod gssapi;
pub mod mechanisms;
pub mod message;
pub mod messages;
pub mod mutation;
pub mod scram;
pub mod server;
pub mod spool;

/// One door, and what must hold behind it.
pub struct Target {
    /// The name, as `cargo fuzz run` takes it.
    pub name: &'static str,
    /// Panics if something does not hold for these octets.
    pub run: fn(&[u8]),
    /// Where to begin.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Mutations tried in every test run: fewer where one takes long.
    pub mutations: u32,
}

/// Every target.
pub static TARGETS: &[Target] = &[
    target("path", grammar::path, corpus::lines_to_server, 4000),
    target("xtext", grammar::xtext, corpus::lines_to_server, 4000),
    target("dsn_params", grammar::dsn_params, corpus::dsn_values, 4000),
    target("command", server::command, corpus::lines_to_server, 3000),
    target("server_session", server::session, corpus::to_server, 1500),
    target("data", server::data, corpus::contents, 2500),
    target("chunks", server::chunks, corpus::contents, 2500),
    target("reply", client::reply, corpus::lines_to_client, 3000),
    target("client_session", client::session, corpus::to_client, 1500),
    target("sasl_server", mechanisms::server, corpus::exchanges, 1500),
    target("sasl_client", mechanisms::client, corpus::exchanges, 800),
    target("plain", messages::plain, messages::plain_seeds, 3000),
    target("login", messages::login, messages::login_seeds, 3000),
    target("cram_md5", messages::cram_md5, messages::cram_seeds, 3000),
    target("external", messages::external, messages::name_seeds, 2000),
    target("anonymous", messages::anonymous, messages::name_seeds, 2000),
    target("bearer", messages::bearer, messages::bearer_seeds, 3000),
    target("scram_server", scram::server, scram::from_clients, 3000),
    target("scram_client", scram::client, scram::from_servers, 600),
    target("gssapi_offer", gssapi::offer, gssapi::negotiations, 3000),
    target("gssapi_choice", gssapi::choice, gssapi::negotiations, 3000),
    target("gssapi_layer", gssapi::layer, gssapi::frames, 3000),
    target(
        "digest_challenge",
        digest::challenge,
        digest::messages,
        3000,
    ),
    target("digest_response", digest::response, digest::messages, 3000),
    target("digest_layer", digest::layer, digest::frames, 1500),
    target("headers", message::headers, corpus::contents, 3000),
    target("mailboxes", message::mailboxes, corpus::mailboxes, 4000),
    target("mime", message::mime, corpus::mime, 2500),
    target("conversion", message::conversion, corpus::mime, 2000),
    target("notice", message::notice, corpus::lines_to_client, 2000),
    target("proxy", edges::proxy, corpus::proxy, 6000),
    target("config", edges::config, corpus::config, 1500),
    target("control", edges::control, corpus::control, 4000),
    target("foreign_hash", edges::foreign_hash, corpus::hashes, 4000),
    target("spool", spool::recovery, corpus::segments, 300),
];

const fn target(
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
    mutations: u32,
) -> Target {
    Target {
        name,
        run,
        seeds,
        mutations,
    }
}

/// The target of this name.
pub fn by_name(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// A number that depends on all of the octets: what a target draws its cuts from (FNV-1a).
fn digest(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Asserts that every line end is CRLF, and that there is none inside of a line.
fn assert_lines(octets: &[u8]) {
    let mut last = 0;
    for (&octet, next) in octets
        .iter()
        .zip(octets.iter().skip(1).map(Some).chain([None]))
    {
        assert!(octet != b'\n' || last == b'\r', "a bare LF");
        assert!(octet != b'\r' || next == Some(&b'\n'), "a bare CR");
        last = octet;
    }
}
