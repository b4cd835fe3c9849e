//! Every "no" of the server, in one table from cause to wire.

use super::{EnhancedCode, ReplyCode};

macro_rules! refusals {
    ($( $(#[$doc:meta])* $name:ident $label:literal = $code:literal ($class:literal $subject:literal $detail:literal) $text:literal; )*) => {
        /// Why the server says no. Each cause has one reply code, one enhanced code and one text.
        ///
        /// On the wire the text is followed by ` [short id]`, which finds the log line of this very
        /// refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal { $( $(#[$doc])* $name, )* }

        impl Refusal {
            /// All causes.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            const fn row(self) -> Row {
                match self {
                    $( Self::$name => Row {
                        label: $label,
                        code: $code,
                        enhanced: EnhancedCode::new($class, $subject, $detail),
                        text: $text,
                    }, )*
                }
            }
        }
    };
}

struct Row {
    label: &'static str,
    code: u16,
    enhanced: EnhancedCode,
    text: &'static str,
}

refusals! {
    // ---- AUTH: RFC 4954 §4, §6 ----
    /// Wrong password, unknown user or an authorization identity that may not be used: never said
    /// which (CODE-07).
    CredentialsInvalid "credentials-invalid" = 535 (5 7 8) "Authentication credentials invalid";
    /// User name or password was empty: the same reply, but no guess.
    CredentialsEmpty "credentials-empty" = 535 (5 7 8) "Authentication credentials invalid";
    /// The right password, but it has expired; said only under TLS.
    PasswordExpired "password-expired" = 535 (5 7 8) "Authentication failed: password expired";
    /// The right credentials of an account that is switched off.
    AccountDisabled "account-disabled" = 525 (5 7 13) "User account disabled";
    /// A policy of the whole listener asks for a stronger mechanism (CODE-02).
    MechanismTooWeak "mechanism-too-weak" = 534 (5 7 9) "Authentication mechanism is too weak";
    /// One PLAIN under TLS is needed before this mechanism can work (CODE-02).
    TransitionNeeded "transition-needed" = 432 (4 7 12) "A password transition is needed";
    /// Directory down, slow or overloaded: the password may be right (CODE-09).
    DirectoryUnavailable "directory-unavailable" = 454 (4 7 0) "Temporary authentication failure";
    /// Not a mechanism of this listener.
    MechanismUnknown "mechanism-unknown" = 504 (5 5 4) "Unrecognized authentication mechanism";
    /// The mechanism would show the password on a clear channel (CODE-05).
    EncryptionRequired "encryption-required" = 538 (5 7 11) "Encryption required for requested authentication mechanism";
    /// A response was not base64 (AUTH-11).
    Base64Invalid "base64-invalid" = 501 (5 5 2) "Invalid base64";
    /// A response was base64, but not a message of the mechanism.
    AuthMalformed "auth-malformed" = 501 (5 5 2) "Malformed authentication response";
    /// The client sent `*`, or gave up by QUIT (AUTH-10, AUTH-24).
    AuthAborted "auth-aborted" = 501 (5 7 0) "Authentication aborted";
    /// The server speaks first in this mechanism (AUTH-09).
    InitialResponseRefused "initial-response-refused" = 501 (5 7 0) "Mechanism does not take an initial response";
    /// More rounds than any mechanism needs (AUTH-23).
    AuthTooManyRounds "auth-too-many-rounds" = 501 (5 7 0) "Authentication exchange too long";
    /// Longer than the buffer of the exchange (AUTH-13).
    AuthLineTooLong "auth-line-too-long" = 500 (5 5 6) "Authentication exchange line is too long";
    /// No mechanism, too many arguments, or a name no mechanism can have.
    AuthSyntax "auth-syntax" = 501 (5 5 4) "Syntax: AUTH mechanism [initial-response]";
    /// One success per session (AUTH-15).
    AlreadyAuthenticated "already-authenticated" = 503 (5 5 1) "Already authenticated";
    /// Between MAIL and the end of data (AUTH-16).
    AuthInTransaction "auth-in-transaction" = 503 (5 5 1) "AUTH not permitted during a mail transaction";
    /// No EHLO yet, for a command that needs one.
    EhloRequired "ehlo-required" = 503 (5 5 1) "Send EHLO first";
    /// No mechanism is offered here at all.
    AuthDisabled "auth-disabled" = 503 (5 5 1) "Authentication not enabled";
    /// Only who has proven himself may submit (RFC 4954 §6, RFC 6409 §4.3).
    AuthenticationRequired "authentication-required" = 530 (5 7 0) "Authentication required";
    /// Stands in place of the 535 that would follow one failure too many (AUTH-18).
    TooManyAuthFailures "too-many-auth-failures" = 421 (4 7 0) "Too many failed authentications, closing connection";

    // ---- TLS: RFC 3207 ----
    /// TLS comes before everything else on this listener (TLS-06).
    TlsRequired "tls-required" = 530 (5 7 0) "Must issue a STARTTLS command first";
    /// TLS (or a security layer) is on already, or never available here.
    StartTlsUnexpected "starttls-unexpected" = 503 (5 5 1) "STARTTLS not possible now";
    /// STARTTLS with a parameter (TLS-02).
    StartTlsSyntax "starttls-syntax" = 501 (5 5 4) "Syntax: STARTTLS without parameters";
    /// The key is not usable at the moment.
    TlsUnavailable "tls-unavailable" = 454 (4 7 0) "TLS not available due to temporary reason";
    /// Commands stood behind STARTTLS, before the handshake (TLS-04).
    StartTlsInjection "starttls-injection" = 554 (5 5 0) "Data behind STARTTLS, closing connection";
    /// Clear text where TLS begins with the first octet (TLS-12).
    ImplicitTlsExpected "implicit-tls-expected" = 554 (5 7 0) "TLS required on this port";
    /// A TLS handshake where a clear session begins (LC-38).
    TlsUnexpected "tls-unexpected" = 554 (5 7 0) "This port begins without TLS, closing connection";

    // ---- command lines: RFC 5321 §4.2.4, §4.5.3.1 ----
    /// Not a command.
    CommandUnknown "command-unknown" = 500 (5 5 1) "Command not recognized";
    /// A command we know and do not offer (SMTP-13).
    CommandNotImplemented "command-not-implemented" = 502 (5 5 1) "Command not implemented";
    /// A command that does not fit the state.
    BadSequence "bad-sequence" = 503 (5 5 1) "Bad sequence of commands";
    /// Arguments where none are taken, or none where one is needed.
    ArgumentSyntax "argument-syntax" = 501 (5 5 4) "Syntax error in parameters";
    /// An empty line outside an exchange (LC-42).
    EmptyLine "empty-line" = 500 (5 5 2) "Empty command line";
    /// More than one command line may hold (SMTP-06).
    LineTooLong "line-too-long" = 500 (5 5 2) "Line too long";
    /// A command line with NUL or with a CR that ends no line (EOL-09).
    ControlCharacter "control-character" = 500 (5 5 2) "Control character in command line";
    /// A command line that ends in LF alone, where that is not tolerated (EOL-06).
    BareLineFeed "bare-line-feed" = 500 (5 5 2) "Line must end in CRLF";
    /// The rest of a base64 response that the client has wrapped (LC-12).
    Base64Wrapped "base64-wrapped" = 500 (5 5 2) "Command not recognized; base64 must be on one line";
    /// Too many protocol errors in one session (SMTP-15).
    TooManyErrors "too-many-errors" = 421 (4 7 0) "Too many errors, closing connection";
    /// HTTP, or another protocol, on the port (LC-39).
    NotSmtp "not-smtp" = 421 (4 7 0) "This is an SMTP server, closing connection";

    // ---- envelope: RFC 5321 §4.1.1, RFC 6409 ----
    /// The reverse-path cannot be read.
    SenderSyntax "sender-syntax" = 501 (5 1 7) "Bad sender address syntax";
    /// The forward-path cannot be read.
    RecipientSyntax "recipient-syntax" = 501 (5 1 3) "Bad recipient address syntax";
    /// A reverse-path without a domain (RFC 6409 §4.2).
    SenderDomainUnqualified "sender-domain-unqualified" = 554 (5 1 8) "Sender address needs a domain";
    /// A forward-path without a domain (RFC 6409 §4.2).
    MailboxDomainUnqualified "mailbox-domain-unqualified" = 554 (5 1 2) "Recipient address needs a domain";
    /// A non-ASCII reverse-path (RFC 6531 §3.5).
    SenderNeedsUtf8 "sender-needs-utf8" = 550 (5 6 7) "Non-ASCII sender address not permitted";
    /// A non-ASCII forward-path (RFC 6531 §3.5).
    RecipientNeedsUtf8 "recipient-needs-utf8" = 553 (5 6 7) "Non-ASCII recipient address not permitted";
    /// The identity has no right to this reverse-path (RFC 6409 §6.1).
    SenderNotOwned "sender-not-owned" = 550 (5 7 1) "Sender address not owned by the authenticated user";
    /// No right to send to this forward-path.
    RelayDenied "relay-denied" = 550 (5 7 1) "Relaying denied";
    /// Enough recipients for one transaction (RFC 5321 §4.5.3.1.10).
    TooManyRecipients "too-many-recipients" = 452 (4 5 3) "Too many recipients";
    /// An unknown MAIL or RCPT parameter (SMTP-05).
    ParameterUnknown "parameter-unknown" = 555 (5 5 4) "Unsupported parameter";
    /// A parameter with a bad value, or given twice (SMTP-05, MPAR-02, MPAR-04).
    ParameterSyntax "parameter-syntax" = 501 (5 5 4) "Syntax error in parameters";
    /// MAIL inside a transaction.
    TransactionOpen "transaction-open" = 503 (5 5 1) "Nested MAIL command";
    /// RCPT or DATA without MAIL.
    MailRequired "mail-required" = 503 (5 5 1) "Need MAIL command first";
    /// DATA without RCPT (SMTP-16).
    RecipientRequired "recipient-required" = 503 (5 5 1) "Need RCPT command first";
    /// DATA after every RCPT was refused (SMTP-16).
    NoValidRecipients "no-valid-recipients" = 554 (5 5 1) "No valid recipients";

    /// BDAT whose size cannot be read: nobody can tell where its chunk ends (BDAT-02).
    ChunkSyntax "chunk-syntax" = 501 (5 5 4) "Syntax: BDAT octets [LAST], closing connection";
    /// RCPT or DATA between two chunks (RFC 3030 §2; BDAT-02).
    ChunksBegun "chunks-begun" = 503 (5 5 1) "Message has begun, need BDAT";
    /// DATA for a binary message (RFC 3030 §3; BDAT-03).
    BinaryNeedsChunks "binary-needs-chunks" = 503 (5 5 1) "BODY=BINARYMIME needs BDAT";

    // ---- content ----
    /// Larger than the announced SIZE (RFC 1870 §6).
    MessageTooLarge "message-too-large" = 552 (5 3 4) "Message size exceeds fixed limit";
    /// The header section alone is larger than we keep in memory.
    HeadersTooLarge "headers-too-large" = 552 (5 3 4) "Message header section too large";
    /// Bare LF or CR in the message, where that is not normalised (EOL-02).
    BareLineEnd "bare-line-end" = 550 (5 5 2) "Message contains bare CR or bare LF";
    /// The header From names an address the identity does not own (RFC 6409 §6.3).
    HeaderFromNotOwned "header-from-not-owned" = 550 (5 7 1) "Header From not owned by the authenticated user";
    /// An address in the header that needs SMTPUTF8, in a message without it (RFC 6531 §3.5, EAI-02).
    HeaderNeedsUtf8 "header-needs-utf8" = 550 (5 6 7) "Non-ASCII address in the header needs SMTPUTF8";
    /// No header From (SUBM-09).
    NoHeaderFrom "no-header-from" = 554 (5 6 0) "Message has no From header field";
    /// Not a message (RFC 6409 §6.3).
    MessageMalformed "message-malformed" = 554 (5 6 0) "Malformed message";
    /// A loop (SUBM-05).
    TooManyHops "too-many-hops" = 554 (5 4 6) "Too many hops";
    /// The disk is full; the draft is gone and the sender is still responsible.
    StorageFull "storage-full" = 452 (4 3 1) "Insufficient system storage";
    /// Storage failed; the draft is gone and the sender is still responsible.
    StorageFailed "storage-failed" = 451 (4 3 0) "Temporary storage failure, try again later";
    /// A decision took too long or could not be made (SMTP-09).
    TemporaryFailure "temporary-failure" = 451 (4 3 0) "Temporary failure, try again later";

    // ---- the connection ----
    /// Over a connection limit.
    TooManyConnections "too-many-connections" = 421 (4 7 0) "Too many connections, try again later";
    /// The peer's network is not served on this listener (RFC 5321 §3.1).
    NetworkNotServed "network-not-served" = 554 (5 7 1) "No SMTP service for your network";
    /// The server is going down or being restarted.
    ShuttingDown "shutting-down" = 421 (4 3 2) "Service shutting down, try again later";
    /// The client was silent too long (AUTH-23, SMTP-09).
    Timeout "timeout" = 421 (4 4 2) "Timeout, closing connection";
}

impl Refusal {
    /// The reply code.
    pub const fn code(self) -> ReplyCode {
        ReplyCode(self.row().code)
    }

    /// The enhanced code.
    pub const fn enhanced(self) -> EnhancedCode {
        self.row().enhanced
    }

    /// The text, without code and short id.
    pub const fn text(self) -> &'static str {
        self.row().text
    }

    /// The name in logs, metrics and documents: lower case with hyphens.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    /// What is said in its place where somebody may listen: that a password is right is no news for
    /// a clear channel (RFC 8314 §4.1; CODE-07).
    #[must_use]
    pub const fn on_clear_channel(self) -> Self {
        match self {
            Self::PasswordExpired | Self::AccountDisabled => Self::CredentialsInvalid,
            other => other,
        }
    }

    /// Whether the connection is closed behind this reply whatever the command was.
    pub const fn closes(self) -> bool {
        self.row().code == 421
            || matches!(
                self,
                Self::StartTlsInjection
                    | Self::ChunkSyntax
                    | Self::ImplicitTlsExpected
                    | Self::TlsUnexpected
                    | Self::NetworkNotServed
            )
    }
}

impl From<gatepost_sasl::Refusal> for Refusal {
    fn from(refusal: gatepost_sasl::Refusal) -> Self {
        use gatepost_sasl::Refusal as Sasl;
        match refusal {
            Sasl::CredentialsInvalid => Self::CredentialsInvalid,
            Sasl::CredentialsEmpty => Self::CredentialsEmpty,
            Sasl::Malformed => Self::AuthMalformed,
            Sasl::Unavailable => Self::DirectoryUnavailable,
            Sasl::AccountDisabled => Self::AccountDisabled,
            Sasl::PasswordExpired => Self::PasswordExpired,
            Sasl::TransitionNeeded => Self::TransitionNeeded,
            Sasl::MechanismTooWeak => Self::MechanismTooWeak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_row_is_consistent() {
        let mut labels = HashSet::new();
        for refusal in Refusal::ALL {
            let class = refusal.code().value() / 100;
            assert!(matches!(class, 4 | 5), "{refusal:?}");
            assert_eq!(
                u16::from(refusal.enhanced().class()),
                class,
                "{refusal:?}: classes must agree (RFC 2034 §4)"
            );
            assert!(
                refusal.text().is_ascii() && refusal.text().len() < 80,
                "{refusal:?}"
            );
            assert!(
                labels.insert(refusal.label()),
                "{refusal:?}: label used twice"
            );
            assert!(
                refusal
                    .label()
                    .bytes()
                    .all(|octet| octet.is_ascii_lowercase()
                        || octet.is_ascii_digit()
                        || octet == b'-')
            );
        }
    }

    #[test]
    fn the_table_of_auth_events() {
        let wire = |refusal: Refusal| {
            format!(
                "{} {} {}",
                refusal.code(),
                refusal.enhanced(),
                refusal.text()
            )
        };
        let rows = [
            (
                Refusal::CredentialsInvalid,
                "535 5.7.8 Authentication credentials invalid",
            ),
            (
                Refusal::DirectoryUnavailable,
                "454 4.7.0 Temporary authentication failure",
            ),
            (
                Refusal::MechanismUnknown,
                "504 5.5.4 Unrecognized authentication mechanism",
            ),
            (
                Refusal::EncryptionRequired,
                "538 5.7.11 Encryption required for requested authentication mechanism",
            ),
            (Refusal::Base64Invalid, "501 5.5.2 Invalid base64"),
            (Refusal::AuthAborted, "501 5.7.0 Authentication aborted"),
            (
                Refusal::InitialResponseRefused,
                "501 5.7.0 Mechanism does not take an initial response",
            ),
            (
                Refusal::AlreadyAuthenticated,
                "503 5.5.1 Already authenticated",
            ),
            (
                Refusal::AuthenticationRequired,
                "530 5.7.0 Authentication required",
            ),
            (
                Refusal::TlsRequired,
                "530 5.7.0 Must issue a STARTTLS command first",
            ),
        ];
        for (refusal, expected) in rows {
            assert_eq!(wire(refusal), expected);
        }
    }
}
