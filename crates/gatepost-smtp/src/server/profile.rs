//! What one listener is like: the settings a session obeys. Shared by all sessions of the listener.

use std::time::Duration;

use gatepost_sasl::Mechanism;

use crate::quirk::QuirkSet;

/// Settings of a listener.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Our name, in the greeting, in the reply to EHLO and for `<postmaster>`.
    pub hostname: String,
    /// What follows the name in the greeting: `ESMTP server ready`.
    pub banner: String,
    /// When TLS begins.
    pub tls: TlsPolicy,
    /// Whether MAIL needs an identity.
    pub require_auth: bool,
    /// Largest message in octets, as counted by RFC 1870 §5; announced by SIZE.
    pub size_limit: u64,
    /// What happens to line ends that are not CRLF.
    pub eol: EolPolicy,
    /// Which oddities are tolerated.
    pub quirks: QuirkSet,
    /// The domain of addresses that have none, or one of a single label (RFC 6409 §4.2); without it,
    /// the former are refused.
    pub complete_domain: Option<String>,
    /// The only mechanisms that are ever offered here, if they are named: what is not among them is unknown, and not in need of
    /// TLS (CODE-05).
    pub mechanisms: Option<Vec<&'static Mechanism>>,
    /// Bounds on time, space and patience.
    pub limits: Limits,
}

impl Profile {
    /// A submission listener as RFC 6409 and RFC 8314 want it: TLS and AUTH required, 64 MiB.
    pub fn submission(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            banner: "ESMTP server ready".to_owned(),
            tls: TlsPolicy::StartTlsRequired,
            require_auth: true,
            size_limit: 64 << 20,
            eol: EolPolicy::Normalize,
            quirks: QuirkSet::SUBMISSION,
            complete_domain: None,
            mechanisms: None,
            limits: Limits::default(),
        }
    }

    /// A listener for devices that know no TLS.
    pub fn legacy(hostname: impl Into<String>) -> Self {
        Self {
            tls: TlsPolicy::None,
            quirks: QuirkSet::LEGACY,
            ..Self::submission(hostname)
        }
    }
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// STARTTLS is offered and comes before everything else (TLS-06).
    StartTlsRequired,
    /// STARTTLS is offered; mail in clear is possible.
    StartTlsOptional,
    /// The connection begins with TLS.
    Implicit,
    /// No TLS at all.
    None,
}

impl TlsPolicy {
    /// Whether STARTTLS can be had here.
    pub const fn offers_starttls(self) -> bool {
        matches!(self, Self::StartTlsRequired | Self::StartTlsOptional)
    }
}

/// What happens to bare LF and bare CR in a message (EOL-02). In either case only CRLF.CRLF ends
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EolPolicy {
    /// They become CRLF; a lone dot beside one is dropped (EOL-03).
    Normalize,
    /// The message is refused after its end.
    Reject,
}

/// Bounds of a session.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Octets of a command line with its line end. RFC 5321 §4.5.3.1.4 asks for 512 and the
    /// extensions' increments.
    pub command_line: usize,
    /// Octets of a line in a SASL exchange, and of the AUTH line itself (RFC 4954 §4; AUTH-13).
    pub auth_line: usize,
    /// The same for mechanisms with long tokens (AUTH-13).
    pub long_auth_line: usize,
    /// Challenges in one exchange (AUTH-23).
    pub auth_rounds: u32,
    /// Failed authentications answered by 535; one more is answered by 421 (RFC 4954 §9; AUTH-18).
    pub auth_failures: u32,
    /// Protocol errors in a row before 421 (SMTP-15).
    pub errors: u32,
    /// NOOP, RSET, EHLO, VRFY, HELP and the like without a message or an authentication between
    /// them (T-37).
    pub idle_commands: u32,
    /// Command lines with NUL before the connection is closed (EOL-09).
    pub control_lines: u32,
    /// RCPT commands of one transaction (RFC 5321 §4.5.3.1.8 asks for at least 100).
    pub recipients: u32,
    /// Octets of the header section, which is kept in memory.
    pub headers: usize,
    /// Silence between commands, and between lines of an exchange (RFC 5321 §4.5.3.2.7: at least
    /// five minutes).
    pub command: Duration,
    /// One whole SASL exchange (AUTH-23).
    pub exchange: Duration,
    /// How long a session may go on without an identity, where one is required (T-38).
    pub login: Duration,
    /// Silence inside a message (RFC 5321 §4.5.3.2.5: three minutes per block).
    pub data_block: Duration,
    /// Octets of a message per second that are no silence: who sends fewer uses up `data_block` all the same (T-38). The slowest
    /// modem sends three times as many.
    pub slowest: u32,
    /// How long the program may take to answer a request, except to commit (SMTP-09: a reply within
    /// two minutes).
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 4096,
            auth_line: 12_288,
            long_auth_line: 65_536,
            auth_rounds: 20,
            auth_failures: 3,
            errors: 20,
            idle_commands: 1_000,
            control_lines: 3,
            recipients: 1_000,
            headers: 512 << 10,
            command: Duration::from_secs(5 * 60),
            exchange: Duration::from_secs(10 * 60),
            login: Duration::from_secs(10 * 60),
            data_block: Duration::from_secs(5 * 60),
            slowest: 64,
            answer: Duration::from_secs(100),
        }
    }
}
