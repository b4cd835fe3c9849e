//! Why: the closed set of reasons. Metrics and log read these, never the text of a reply.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// Why something was decided or ended as it did.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The reason as it stands in logs, metrics and pages: lower case words joined by hyphens.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

reasons! {
    /// Nothing stood against it.
    Ok => "ok",

    // Authentication
    /// Wrong password or proof, unknown account, or an authorization identity that is not allowed: deliberately one reason.
    CredentialsInvalid => "credentials-invalid",
    /// An empty name or password; not a guess.
    CredentialsEmpty => "credentials-empty",
    /// The peer's message does not follow the mechanism or the grammar.
    Malformed => "malformed",
    /// The directory, the hash pool or another part we depend on could not answer in time.
    Unavailable => "unavailable",
    /// The account is disabled; said only after its right credential.
    AccountDisabled => "account-disabled",
    /// The password has expired; said only after the right one.
    PasswordExpired => "password-expired",
    /// The mechanism needs a credential that this account gets with its next password login.
    TransitionNeeded => "transition-needed",
    /// The mechanism is weaker than what is demanded here.
    MechanismTooWeak => "mechanism-too-weak",
    /// The mechanism is unknown or not offered here.
    MechanismUnknown => "mechanism-unknown",
    /// TLS has to come first.
    TlsRequired => "tls-required",
    /// The client's certificate has no owner here, or counts for another reason as none.
    CertificateUnknown => "certificate-unknown",
    /// The token has expired, or does not say when it does.
    TokenExpired => "token-expired",
    /// The token is not good yet: the clocks differ.
    TokenNotYet => "token-not-yet-valid",
    /// No issuer of the configuration made the token.
    TokenIssuer => "token-issuer-unknown",
    /// The token is for somebody else.
    TokenAudience => "token-audience",
    /// The token's scope is not enough.
    TokenScope => "token-scope",
    /// The issuer has no key that the token could be signed with.
    TokenKeyUnknown => "token-key-unknown",
    /// The token's signature is wrong.
    TokenSignature => "token-signature",
    /// What came is no access token.
    TokenMalformed => "token-malformed",
    /// The issuer says that the token is not active.
    TokenInactive => "token-inactive",
    /// The token names no account, or not the one that the client wants to act as.
    TokenAccount => "token-account",
    /// The client believes to talk to another server.
    TokenHost => "token-host",
    /// The issuer of tokens cannot be asked.
    TokenIssuerDown => "token-issuer-unreachable",
    /// The client cancelled the exchange.
    Cancelled => "cancelled",
    /// The connection ended during the exchange.
    Disconnected => "disconnected",
    /// Too many failures.
    TooManyFailures => "too-many-failures",

    // Connections
    /// The peer said QUIT.
    Quit => "quit",
    /// The peer closed the connection.
    PeerClosed => "peer-closed",
    /// Nothing came for too long.
    Timeout => "timeout",
    /// Reading or writing failed.
    ConnectionFailed => "connection-failed",
    /// We ended the session: it broke the protocol beyond repair.
    ProtocolViolation => "protocol-violation",
    /// A bound on the number of connections was reached.
    TooManyConnections => "too-many-connections",
    /// The peer's network is not served on this listener.
    NetworkNotServed => "network-not-served",
    /// Who speaks for others here is not one of the listener's proxies.
    ProxyNotTrusted => "proxy-not-trusted",
    /// The connection did not begin with a PROXY header, or with none that can be believed.
    ProxyHeader => "proxy-header",
    /// Too many TLS handshakes of this address failed lately.
    TooManyHandshakes => "too-many-failed-handshakes",
    /// The process is draining.
    Draining => "draining",
    /// The TLS handshake failed.
    HandshakeFailed => "handshake-failed",
    /// Clear text on an implicit TLS listener.
    ClearTextOnTlsPort => "clear-text-on-tls-port",
    /// TLS on a listener that begins in clear text.
    ImplicitTlsOnStartTlsPort => "implicit-tls-on-starttls-port",
    /// Plaintext followed the STARTTLS command before the handshake.
    StartTlsInjection => "starttls-injection",

    /// A local user who may not control this server tried to.
    PeerNotAllowed => "peer-not-allowed",

    // Commands and messages
    /// The command is not known, misspelt or out of order.
    BadCommand => "bad-command",
    /// The session is not authenticated.
    AuthenticationRequired => "authentication-required",
    /// The account may not use this address as a sender.
    SenderNotAllowed => "sender-not-allowed",
    /// The address of a header From field is not one of the account's.
    HeaderFromNotAllowed => "header-from-not-allowed",
    /// Relaying to this recipient is not allowed.
    RelayDenied => "relay-denied",
    /// The message or its header is too large.
    TooLarge => "too-large",
    /// Too many recipients.
    TooManyRecipients => "too-many-recipients",
    /// No space left to keep the message.
    StorageFull => "storage-full",
    /// The message could not be written to stable storage.
    StorageFailed => "storage-failed",
    /// Something on stable storage is damaged and was set aside.
    StorageDamaged => "storage-damaged",
    /// A bound of this program was reached.
    LimitReached => "limit-reached",

    // Delivery
    /// The next hop took it.
    Delivered => "delivered",
    /// The next hop refused for now.
    TransientReply => "transient-reply",
    /// The next hop refused for good.
    PermanentReply => "permanent-reply",
    /// The next hop could not be reached.
    Unreachable => "unreachable",
    /// The next hop did not take our credential; its lane waits for an operator.
    NextHopCredential => "next-hop-credential",
    /// The next hop's certificate or TLS is not good enough.
    NextHopTls => "next-hop-tls",
    /// The message grew too old.
    Expired => "expired",
    /// A route or an operator keeps it back.
    Held => "held",
    /// A route captures it.
    Captured => "captured",
    /// The next hop lacks an extension this message needs.
    ExtensionMissing => "extension-missing",
    /// A part of the program failed in a way that it should not.
    Internal => "internal",
}

impl From<gatepost_sasl::Refusal> for Reason {
    fn from(refusal: gatepost_sasl::Refusal) -> Self {
        use gatepost_sasl::Refusal;
        match refusal {
            Refusal::CredentialsInvalid => Self::CredentialsInvalid,
            Refusal::CredentialsEmpty => Self::CredentialsEmpty,
            Refusal::Malformed => Self::Malformed,
            Refusal::Unavailable => Self::Unavailable,
            Refusal::AccountDisabled => Self::AccountDisabled,
            Refusal::PasswordExpired => Self::PasswordExpired,
            Refusal::TransitionNeeded => Self::TransitionNeeded,
            Refusal::MechanismTooWeak => Self::MechanismTooWeak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_its_own_lower_case_hyphenated_text() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            let text = reason.as_str();
            assert!(seen.insert(text), "{text} twice");
            assert!(
                text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{text}"
            );
        }
    }
}
