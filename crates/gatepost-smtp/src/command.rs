//! Command lines: verb and argument (RFC 5321 §4.1.1). Verbs are read in any case; arguments are
//! left as they are.

use crate::quirk::{Quirk, QuirkSet};
use crate::reply::Refusal;

/// One command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    pub(crate) verb: Verb,
    /// What stands behind the verb, without white space around it.
    pub(crate) argument: &'a [u8],
}

/// What a client may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    /// Commands that we know of and do not offer (SMTP-13).
    Unimplemented,
    /// Verbs of HTTP (LC-39).
    Http,
    Unknown,
}

const VERBS: &[(&[u8], Verb)] = &[
    (b"MAIL", Verb::Mail),
    (b"RCPT", Verb::Rcpt),
    (b"DATA", Verb::Data),
    (b"BDAT", Verb::Bdat),
    (b"EHLO", Verb::Ehlo),
    (b"HELO", Verb::Helo),
    (b"AUTH", Verb::Auth),
    (b"QUIT", Verb::Quit),
    (b"RSET", Verb::Rset),
    (b"NOOP", Verb::Noop),
    (b"STARTTLS", Verb::StartTls),
    (b"VRFY", Verb::Vrfy),
    (b"HELP", Verb::Help),
    (b"EXPN", Verb::Unimplemented),
    (b"ETRN", Verb::Unimplemented),
    (b"ATRN", Verb::Unimplemented),
    (b"TURN", Verb::Unimplemented),
    (b"SEND", Verb::Unimplemented),
    (b"SOML", Verb::Unimplemented),
    (b"SAML", Verb::Unimplemented),
    (b"GET", Verb::Http),
    (b"POST", Verb::Http),
    (b"PUT", Verb::Http),
    (b"HEAD", Verb::Http),
    (b"OPTIONS", Verb::Http),
    (b"CONNECT", Verb::Http),
    (b"DELETE", Verb::Http),
    (b"PATCH", Verb::Http),
    (b"TRACE", Verb::Http),
    (b"PRI", Verb::Http),
];

impl Verb {
    /// The name in events; empty for what is no command.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Bdat => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Vrfy => "VRFY",
            Self::Help => "HELP",
            Self::Quit => "QUIT",
            Self::Unimplemented => "unimplemented",
            Self::Http => "HTTP",
            Self::Unknown => "unknown",
        }
    }
}

impl<'a> Command<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Self {
        let line = line.trim_ascii();
        let end = line
            .iter()
            .position(|octet| matches!(octet, b' ' | b'\t'))
            .unwrap_or(line.len());
        let (word, argument) = line.split_at_checked(end).unwrap_or((line, &[]));
        let verb = VERBS
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name));
        let verb = verb.map_or(Verb::Unknown, |&(_, verb)| verb);
        Self {
            verb,
            argument: argument.trim_ascii(),
        }
    }
}

/// The argument of AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuthArgument<'a> {
    pub(crate) mechanism: &'a str,
    /// As on the wire: `None` = not given, `Some(b"=")` = given and empty.
    pub(crate) initial_response: Option<&'a [u8]>,
    pub(crate) quirks: QuirkSet,
}

impl<'a> AuthArgument<'a> {
    /// No mechanism, more than two words, or a name no mechanism can have.
    pub(crate) fn parse(argument: &'a [u8]) -> Result<Self, Refusal> {
        let mut words = argument.split(|octet| matches!(octet, b' ' | b'\t'));
        let mechanism = words
            .next()
            .and_then(mechanism_name)
            .ok_or(Refusal::AuthSyntax)?;
        let mut quirks = QuirkSet::NONE;
        let mut initial_response = None;
        for word in words {
            if word.is_empty() {
                // An empty word stands between two spaces.
                quirks.insert(Quirk::ExtraSpaceBeforeInitialResponse);
            } else if initial_response.replace(word).is_some() {
                return Err(Refusal::AuthSyntax);
            }
        }
        Ok(Self {
            mechanism,
            initial_response,
            quirks,
        })
    }
}

/// RFC 4422 §3.1: 1 to 20 characters of A-Z, 0-9, hyphen and underscore; taken in any case
/// (AUTH-01).
fn mechanism_name(word: &[u8]) -> Option<&str> {
    let plain = word
        .iter()
        .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    let fits = plain && (1..=20).contains(&word.len());
    fits.then(|| std::str::from_utf8(word).ok()).flatten()
}

/// The argument of MAIL or RCPT behind `FROM:` or `TO:`; `None` if that is missing.
pub(crate) fn behind_keyword<'a>(argument: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    word.eq_ignore_ascii_case(keyword).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_in_any_case_and_arguments_left_alone() {
        let rows: [(&[u8], Verb, &[u8]); 9] = [
            (
                b"EHLO client.example.com",
                Verb::Ehlo,
                b"client.example.com",
            ),
            (b"auth pLaIn AHRpbQ==", Verb::Auth, b"pLaIn AHRpbQ=="),
            (
                b"mail from:user@example.com ",
                Verb::Mail,
                b"from:user@example.com",
            ),
            (b"NOOP", Verb::Noop, b""),
            (b"  QUIT\t", Verb::Quit, b""),
            (b"EXPN list", Verb::Unimplemented, b"list"),
            (b"GET / HTTP/1.1", Verb::Http, b"/ HTTP/1.1"),
            (b"MAILFROM:<a@b>", Verb::Unknown, b""),
            (b"\xff\xfe", Verb::Unknown, b""),
        ];
        for (line, verb, argument) in rows {
            assert_eq!(
                Command::parse(line),
                Command { verb, argument },
                "{}",
                line.escape_ascii()
            );
        }
    }

    // AUTH-03
    #[test]
    fn auth_03_white_space_between_words() {
        let parse = |argument: &'static [u8]| AuthArgument::parse(argument).unwrap();
        assert_eq!(parse(b"PLAIN").initial_response, None);
        assert_eq!(parse(b"PLAIN =").initial_response, Some(&b"="[..]));
        let windows_mail = parse(b"PLAIN  AHRpbQ==");
        assert_eq!(
            (windows_mail.mechanism, windows_mail.initial_response),
            ("PLAIN", Some(&b"AHRpbQ=="[..]))
        );
        assert!(
            windows_mail
                .quirks
                .contains(Quirk::ExtraSpaceBeforeInitialResponse)
        );
        assert_eq!(parse(b"PLAIN AHRpbQ==").quirks, QuirkSet::NONE);
    }

    #[test]
    fn table_rows_13_and_22_bad_arguments_of_auth() {
        let bad: [&[u8]; 6] = [
            b"",
            b"PLAIN a b",
            b"PLAIN  a  b",
            b"THIS-NAME-IS-TOO-LONG",
            b"PL.AIN x",
            b"PL\xc3\xa4IN",
        ];
        for argument in bad {
            assert_eq!(
                AuthArgument::parse(argument),
                Err(Refusal::AuthSyntax),
                "{}",
                argument.escape_ascii()
            );
        }
        assert!(AuthArgument::parse(b"THIS-NAME-IS_20-LONG").is_ok());
    }
}
