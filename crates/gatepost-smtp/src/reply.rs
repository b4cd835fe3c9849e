//! Replies: the only home of reply codes and enhanced status codes.
//!
//! Two closed tables say everything a server can answer: [`Refusal`] (every "no", 4yz and 5yz) and
//! [`Positive`] (every "yes" and "go on", 2yz and 3yz). The rest of the program names causes; the
//! numbers stand here and nowhere else. [`Reply`] is a reply as read from a peer, [`ReplyCode`] and
//! [`EnhancedCode`] are its parts, with the questions a client asks of them.
//!
//! Enhanced codes stand on every line of a 2yz, 4yz and 5yz reply after EHLO, never on the
//! greeting, the replies to EHLO and HELO, or a 3yz reply (RFC 2034 §4).
//!
//! Standards: RFC 5321 §4.2, RFC 2034, RFC 3463, RFC 4954 §6, RFC 5248, RFC 6409.

use std::borrow::Cow;
use std::fmt;

mod positive;
mod refusal;

pub use positive::Positive;
pub use refusal::Refusal;

/// A reply as a client reads it: code, enhanced code if there is one, and the text of each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: ReplyCode,
    /// The enhanced status code, if the first line began with one whose class fits `code` (RFC 2034
    /// §4).
    pub enhanced: Option<EnhancedCode>,
    /// The text of every line, without code, separator, enhanced code and line end. Never empty.
    pub lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// What a client says in a server's place of a recipient for whom the server's announced limits left no room (RFC 9422 §4.2).
    pub(crate) fn too_many_recipients() -> Self {
        let refusal = Refusal::TooManyRecipients;
        Self {
            code: refusal.code(),
            enhanced: Some(refusal.enhanced()),
            lines: vec![Cow::Borrowed(
                "Not tried: the server takes no more recipients at a time",
            )],
        }
    }

    /// The text of all lines, joined by one space.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }
}

impl fmt::Display for Reply {
    /// As on the wire, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        let text = self.text();
        if text.is_empty() {
            Ok(())
        } else {
            write!(f, " {text}")
        }
    }
}

/// The three digits of a reply (RFC 5321 §4.2.1): 200 to 599.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// The greeting, and the go-ahead to STARTTLS.
    pub const SERVICE_READY: Self = Self(220);
    /// The answer to QUIT.
    pub const CLOSING: Self = Self(221);
    /// AUTH succeeded (RFC 4954 §6).
    pub const AUTH_SUCCEEDED: Self = Self(235);
    /// The requested action was completed.
    pub const OK: Self = Self(250);
    /// A challenge inside a SASL exchange (RFC 4954 §4).
    pub const CHALLENGE: Self = Self(334);
    /// Send the message now.
    pub const START_DATA: Self = Self(354);
    /// The server closes the connection; it may stand in place of any reply (RFC 5321 §3.8).
    pub const SERVICE_CLOSING: Self = Self(421);
    /// A password transition is needed (RFC 4954 §6).
    pub const TRANSITION_NEEDED: Self = Self(432);
    /// Too many recipients, or storage is short: what follows may be tried later.
    pub const INSUFFICIENT_STORAGE: Self = Self(452);
    /// Temporary authentication failure (RFC 4954 §6).
    pub const AUTH_UNAVAILABLE: Self = Self(454);
    /// The command was not recognised, or a line was too long.
    pub const UNRECOGNISED: Self = Self(500);
    /// Syntax error in parameters; also the answer to a cancelled exchange (RFC 4954 §4).
    pub const SYNTAX: Self = Self(501);
    /// The command is not implemented.
    pub const NOT_IMPLEMENTED: Self = Self(502);
    /// The command does not fit the state of the session.
    pub const BAD_SEQUENCE: Self = Self(503);
    /// A parameter or mechanism is not known (RFC 4954 §4).
    pub const NOT_SUPPORTED: Self = Self(504);
    /// Authentication (or STARTTLS) is required first (RFC 4954 §6, RFC 3207 §4).
    pub const AUTH_REQUIRED: Self = Self(530);
    /// The mechanism is too weak for this user (RFC 4954 §6).
    pub const MECHANISM_TOO_WEAK: Self = Self(534);
    /// The credentials are wrong (RFC 4954 §6).
    pub const CREDENTIALS_INVALID: Self = Self(535);
    /// The mechanism needs encryption (RFC 4954 §6, historic).
    pub const ENCRYPTION_REQUIRED: Self = Self(538);
    /// Storage allocation exceeded; to RCPT it means [`Self::INSUFFICIENT_STORAGE`] (RFC 5321
    /// §4.5.3.1.10).
    pub const STORAGE_EXCEEDED: Self = Self(552);
    /// The transaction failed.
    pub const TRANSACTION_FAILED: Self = Self(554);
    /// A MAIL or RCPT parameter is not recognised.
    pub const PARAMETER_UNKNOWN: Self = Self(555);

    /// `None` outside 200..=599.
    pub const fn new(value: u16) -> Option<Self> {
        if value >= 200 && value <= 599 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// Reads three digits, as at the beginning of a reply line.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] = *digits else {
            return None;
        };
        let digit = |octet: u8| u16::from(octet - b'0');
        Self::new(digit(a) * 100 + digit(b) * 10 + digit(c))
    }

    /// The number.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// 2yz: done.
    pub const fn is_positive(self) -> bool {
        self.0 < 300
    }

    /// 3yz: go on.
    pub const fn is_intermediate(self) -> bool {
        self.0 >= 300 && self.0 < 400
    }

    /// 4yz: not now.
    pub const fn is_transient(self) -> bool {
        self.0 >= 400 && self.0 < 500
    }

    /// 5yz: not at all.
    pub const fn is_permanent(self) -> bool {
        self.0 >= 500
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An enhanced status code, `class.subject.detail` (RFC 3463).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedCode {
    pub(crate) const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }

    /// Splits `x.y.z` and one space off the beginning of a reply's text. The class must fit the
    /// reply code, otherwise it is text that only looks like a code (SMTP-19).
    pub fn split(code: ReplyCode, text: &str) -> (Option<Self>, &str) {
        match Self::parse_prefix(text) {
            Some((enhanced, rest)) if u16::from(enhanced.class) == code.value() / 100 => {
                (Some(enhanced), rest)
            }
            _ => (None, text),
        }
    }

    /// 2, 4 or 5.
    pub const fn class(self) -> u8 {
        self.class
    }

    /// The second number: what the status is about.
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// The third number.
    pub const fn detail(self) -> u16 {
        self.detail
    }

    fn parse_prefix(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut numbers = word.split('.');
        let class = number(numbers.next()?)?;
        let subject = number(numbers.next()?)?;
        let detail = number(numbers.next()?)?;
        let class = u8::try_from(class)
            .ok()
            .filter(|class| matches!(class, 2 | 4 | 5))?;
        numbers.next().is_none().then_some((
            Self {
                class,
                subject,
                detail,
            },
            rest,
        ))
    }
}

/// One to three digits.
fn number(digits: &str) -> Option<u16> {
    let plain =
        (1..=3).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl fmt::Debug for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SMTP-19
    #[test]
    fn smtp_19_an_enhanced_code_must_fit_its_reply() {
        let ok = ReplyCode::OK;
        assert_eq!(
            EnhancedCode::split(ok, "2.1.0 Ok"),
            (Some(EnhancedCode::new(2, 1, 0)), "Ok")
        );
        assert_eq!(
            EnhancedCode::split(ok, "2.0.0"),
            (Some(EnhancedCode::new(2, 0, 0)), "")
        );
        for text in [
            "5.1.0 Ok",
            "2.1 Ok",
            "2.1.0.0 Ok",
            "2.1.1000 Ok",
            "2.+1.0 Ok",
            "2..0 Ok",
            "3.0.0 Ok",
            "Ok",
        ] {
            assert_eq!(EnhancedCode::split(ok, text), (None, text), "{text}");
        }
    }

    #[test]
    fn codes_are_three_digits_from_2_to_5() {
        assert_eq!(ReplyCode::parse(b"250"), Some(ReplyCode::OK));
        for digits in [&b"199"[..], b"600", b"25", b"2500", b"2x0", b" 25", b""] {
            assert_eq!(ReplyCode::parse(digits), None);
        }
        assert!(ReplyCode::CHALLENGE.is_intermediate() && !ReplyCode::CHALLENGE.is_positive());
        assert!(
            ReplyCode::SERVICE_CLOSING.is_transient()
                && ReplyCode::TRANSACTION_FAILED.is_permanent()
        );
    }
}
