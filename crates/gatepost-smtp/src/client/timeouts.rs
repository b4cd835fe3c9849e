//! How long the client waits, per phase of the dialogue.

use std::time::Duration;

/// Longest waits. The defaults are those of RFC 5321 §4.5.3.2; tests and impatient users shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the greeting and the reply to any command that has no time of its own here.
    pub reply: Duration,
    /// For a whole authentication, key derivations and second mechanisms included: a hostile server chooses how much work it is
    /// (AUTH-23).
    pub authentication: Duration,
    /// How long a server may be silent after an AUTH command that left its initial response at home, before the response is sent
    /// unasked: one kind of server never prompts (LS-36).
    pub prompt: Duration,
    /// For the reply to DATA.
    pub data_start: Duration,
    /// Between two pieces of content: the peer must take what we send, and the source must give it.
    pub data_block: Duration,
    /// For the reply to the final dot. Long, because giving up early makes duplicates (RFC 5321 §4.5.3.2.6).
    pub data_end: Duration,
    /// For the reply to QUIT, after which nothing depends on it.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            reply: Duration::from_secs(5 * 60),
            authentication: Duration::from_secs(10 * 60),
            prompt: Duration::from_secs(5),
            data_start: Duration::from_secs(2 * 60),
            data_block: Duration::from_secs(3 * 60),
            data_end: Duration::from_secs(10 * 60),
            quit: Duration::from_secs(5),
        }
    }
}
