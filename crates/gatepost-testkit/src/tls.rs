//! TLS in memory: there is none, and these are the facts of it.

use gatepost_sasl::ChannelBindings;
use gatepost_smtp::TlsFacts;

/// What both ends know of a channel. The exporter is the one of the published exchanges: the octets 0 to 31.
pub fn facts() -> TlsFacts {
    let mut exporter = [0; 32];
    for (octet, number) in exporter.iter_mut().zip(0..) {
        *octet = number;
    }
    TlsFacts {
        channel_bindings: ChannelBindings {
            tls_exporter: Some(exporter),
            tls_server_end_point: Some(vec![0xee; 32]),
            tls_unique: None,
        },
        ..TlsFacts::default()
    }
}

/// The same to a client that was asked for a certificate, and has shown it (EXT-04).
pub fn facts_with_certificate() -> TlsFacts {
    TlsFacts {
        client_certificate: Some("00".repeat(32)),
        ..facts()
    }
}
