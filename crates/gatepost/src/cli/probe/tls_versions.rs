//! Which versions of TLS a server takes.
//!
//! 1.2 and 1.3 are tried by shaking hands. 1.0 and 1.1 are spoken by no library that should be linked; a first message of theirs is enough to
//! see whether the server takes them up.

use std::io;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::connection::Target;
use super::question::Question;
use super::report::{Finding, Verdict};

const VERSIONS: Question = Question {
    name: "tls-versions",
    section: "RFC 8996 §2",
    requirement: "TLS-01",
    breaks: "attacks on old TLS apply to whoever can be made to use it; only devices of before 2012 need it",
};

/// Versions that no server should take any more, with their octets.
const OLD: [(&str, [u8; 2]); 2] = [("TLSv1.1", [3, 2]), ("TLSv1.0", [3, 1])];

/// What a client of those years offers: AES with and without ECDHE, 3DES, and the sign that renegotiation is safe.
const SUITES: [[u8; 2]; 8] = [
    [0xc0, 0x14],
    [0xc0, 0x13],
    [0xc0, 0x0a],
    [0xc0, 0x09],
    [0x00, 0x35],
    [0x00, 0x2f],
    [0x00, 0x0a],
    [0x00, 0xff],
];

/// Extensions `supported_groups` (P-256, P-384) and `ec_point_formats` (uncompressed).
const EXTENSIONS: [u8; 16] = [0, 10, 0, 6, 0, 4, 0, 23, 0, 24, 0, 11, 0, 2, 1, 0];

const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;

/// Tries them all.
pub(super) fn ask(target: &Target, starttls: bool) -> Finding {
    let new = [("TLSv1.3", &TLS13), ("TLSv1.2", &TLS12)]
        .into_iter()
        .filter(|(_, version)| takes(target, starttls, version).is_ok())
        .map(|(name, _)| name);
    let old: Vec<_> = OLD
        .into_iter()
        .filter(|(_, version)| takes_old(target, starttls, *version).unwrap_or(false))
        .map(|(name, _)| name)
        .collect();
    let found = new.chain(old.iter().copied()).collect::<Vec<_>>().join(" ");
    match () {
        () if found.is_empty() => VERSIONS.finding(Verdict::Skipped, "none could be tried"),
        () if old.is_empty() => VERSIONS.finding(Verdict::Ok, &found),
        () => VERSIONS.finding(Verdict::Note, &found),
    }
}

fn takes(
    target: &Target,
    starttls: bool,
    version: &'static SupportedProtocolVersion,
) -> io::Result<()> {
    target.before_tls(starttls)?.shake_hands(target, &[version])
}

/// Whether the answer to the first message of a client of this version is the server's hello of the same version.
fn takes_old(target: &Target, starttls: bool, version: [u8; 2]) -> io::Result<bool> {
    let mut connection = target.before_tls(starttls)?;
    connection.write(&client_hello(version)?)?;
    // A record: type, version, length. An alert ends two octets behind it.
    let [kind, ..]: [u8; 5] = connection.read()?;
    if kind != HANDSHAKE {
        return Ok(false);
    }
    // A message: type, length, version.
    let [message, _, _, _, major, minor]: [u8; 6] = connection.read()?;
    Ok(message == SERVER_HELLO && [major, minor] == version)
}

/// RFC 5246 §7.4.1.2, whose form is that of the older versions, in one record.
fn client_hello(version: [u8; 2]) -> io::Result<Vec<u8>> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut hello = Vec::new();
    hello.extend(version);
    hello.extend(random);
    // No session to resume.
    hello.push(0);
    hello.extend([0, 2 * 8]);
    hello.extend(SUITES.as_flattened());
    // No compression.
    hello.extend([1, 0]);
    hello.extend([0, 16]);
    hello.extend(EXTENSIONS);
    let length = |octets: usize| u16::try_from(octets).map(u16::to_be_bytes);
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(length(hello.len() + 4).map_err(io::Error::other)?);
    // A client's hello, with a length of three octets.
    record.extend([1, 0]);
    record.extend(length(hello.len()).map_err(io::Error::other)?);
    record.extend(hello);
    Ok(record)
}
