//! What a driver tells a session about the TLS it has established.

use gatepost_sasl::ChannelBindings;

/// Facts of one TLS channel, for the trace field, the log and channel binding (TLS-16, TRC-04).
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    /// As people write it: `TLSv1.3`.
    pub version: String,
    /// IANA name of the cipher suite: `TLS_AES_128_GCM_SHA256`.
    pub cipher: String,
    /// Key exchange group, if known: `X25519`.
    pub group: Option<String>,
    /// Host name the client asked for.
    pub sni: Option<String>,
    /// Application protocol that was agreed on.
    pub alpn: Option<String>,
    /// Keys of an earlier connection were taken up again.
    pub resumed: bool,
    /// SHA-256 of the client's certificate in hexadecimal, if it presented one.
    pub client_certificate: Option<String>,
    /// The channel binding data that can be computed for this channel.
    pub channel_bindings: ChannelBindings,
}

impl TlsFacts {
    /// Whether the version is one that nobody should use any more (RFC 8996).
    pub fn is_deprecated(&self) -> bool {
        ["TLSv1", "TLSv1.0", "TLSv1.1"].contains(&self.version.as_str())
            || self.version.starts_with("SSL")
    }
}
