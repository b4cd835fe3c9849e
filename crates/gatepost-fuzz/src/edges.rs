//! The doors that are not SMTP: PROXY headers, the configuration, the control socket, hashes from elsewhere.

use std::path::Path;

use gatepost::config;
use gatepost::control::command::Command;
use gatepost::net::proxy;
use gatepost::store::foreign_hash::ForeignHash;

/// A header is read from enough octets and from no fewer, takes no more than there are, and holds no control (PRX-01, V-09).
pub fn proxy(octets: &[u8]) {
    let Ok(Some((header, length))) = proxy::parse(octets) else {
        return;
    };
    assert!((1..=octets.len()).contains(&length) && length <= proxy::LONGEST + 16);
    let alone = octets.get(..length).unwrap_or_default();
    assert_eq!(proxy::parse(alone), Ok(Some((header.clone(), length))));
    for short in [0, 1, length / 2, length - 1] {
        let begun = proxy::parse(octets.get(..short).unwrap_or_default());
        assert!(
            !matches!(begun, Ok(Some(_))),
            "{short} of {length} octets were enough"
        );
    }
    let tls = header.tls.as_ref();
    let words = [
        header.alpn.as_deref(),
        header.authority.as_deref(),
        tls.and_then(|tls| tls.version.as_deref()),
        tls.and_then(|tls| tls.cipher.as_deref()),
        tls.and_then(|tls| tls.client_name.as_deref()),
    ];
    assert!(
        !words
            .into_iter()
            .flatten()
            .any(|word| word.contains(char::is_control)),
        "{header:?}"
    );
}

/// Any text is a configuration, or is told at which line it is none; nothing in what is told steers a terminal.
pub fn config(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    if let Err(error) = config::parse(Path::new("/etc/gatepost/gatepost.toml"), &text) {
        let told = error.to_string();
        assert!(told.contains("/etc/gatepost/gatepost.toml"), "{told}");
        assert!(
            !told.contains(|c: char| c.is_control() && c != '\n'),
            "{told:?}"
        );
    }
}

/// Any line on the control socket is a command or none; a command is itself again on the wire, and is debugged without its password (V-38).
pub fn control(octets: &[u8]) {
    let Ok(command) = serde_json::from_slice::<Command>(octets) else {
        return;
    };
    let written = serde_json::to_vec(&command).unwrap_or_default();
    let again = serde_json::from_slice::<Command>(&written);
    assert!(again.is_ok(), "{}", written.escape_ascii());
    assert!(
        !format!("{command:?}").contains("Tr0ub4dor"),
        "a password in debug output"
    );
}

/// A hash of another program is itself again, and lets nobody in for asking (V-39).
pub fn foreign_hash(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    if let Ok(hash) = ForeignHash::parse(text) {
        let again = ForeignHash::parse(hash.as_text());
        assert_eq!(
            again
                .map(|again| again.as_text().to_owned())
                .ok()
                .as_deref(),
            Some(hash.as_text())
        );
        assert!(!hash.scheme().is_empty());
    }
}
