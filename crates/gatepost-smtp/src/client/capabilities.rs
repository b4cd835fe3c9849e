//! What the server said it can do: the lines of its EHLO reply.
//!
//! Read liberally: keywords in any case, tabs and several spaces, unknown lines ignored. The mechanism list is the union of every
//! `AUTH` and `AUTH=` line, with spaces or commas between names (CAP-06, LS-01, LS-02, LS-31). A capability counts only for the
//! channel it was announced on: STARTTLS and a security layer forget it (RFC 3207 §4.2, RFC 4954 §4).

use crate::reply::Reply;

/// Most mechanism names remembered; a list longer than this is an attack or nonsense, and what we speak is in front.
const MECHANISM_LIMIT: usize = 64;

/// An extension that is either there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// RFC 3207.
    StartTls,
    /// RFC 2920.
    Pipelining,
    /// RFC 6152.
    EightBitMime,
    /// RFC 3030: BDAT.
    Chunking,
    /// RFC 3030: content with any octets, by BDAT.
    BinaryMime,
    /// RFC 3461: RET, ENVID, NOTIFY and ORCPT.
    Dsn,
    /// RFC 6531.
    SmtpUtf8,
    /// Any AUTH line, even one without a mechanism (RFC 4954 §3).
    Auth,
}

/// The extensions a server announced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    extensions: Vec<Extension>,
    /// SIZE (RFC 1870): `Some(0)` when announced without a limit. Unit: octets.
    pub size: Option<u64>,
    /// LIMITS (RFC 9422); nothing in it when not announced or not understood.
    pub limits: Limits,
    /// SASL mechanism names as announced, in upper case, without duplicates, in the order of the server.
    pub mechanisms: Vec<String>,
    /// Names that only an old Exchange server's `X-EXPS` lines hold: a synonym of AUTH, for want of anything better (CAP-07).
    pub synonyms: Vec<String>,
}

/// What a server takes at most (RFC 9422 §4); `None` = it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Recipients of one transaction.
    pub recipients: Option<u32>,
    /// Different domains among the recipients of one transaction.
    pub recipient_domains: Option<u32>,
    /// Transactions of one connection.
    pub transactions: Option<u32>,
}

impl Limits {
    /// Reads the value of the LIMITS line: `NAME=value` words. Names of others are passed over; a number of ours that is none, or zero,
    /// makes the whole line worthless (LIM-01).
    fn parse(words: &str) -> Option<Self> {
        let mut limits = Self::default();
        for word in words.split_ascii_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let slot = match name.to_ascii_uppercase().as_str() {
                "RCPTMAX" => &mut limits.recipients,
                "RCPTDOMAINMAX" => &mut limits.recipient_domains,
                "MAILMAX" => &mut limits.transactions,
                _ => continue,
            };
            *slot = Some(value.parse().ok().filter(|limit| *limit > 0)?);
        }
        Some(limits)
    }
}

impl Capabilities {
    /// Reads a positive EHLO reply. The first line is the server's name and greeting.
    pub(super) fn from_ehlo(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            found.read_line(line);
        }
        found
    }

    /// Whether the server announced the extension.
    pub fn has(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }

    /// Whether the server announced the mechanism of this name (any case).
    pub fn offers(&self, mechanism: &str) -> bool {
        lists(&self.mechanisms, mechanism)
    }

    fn read_line(&mut self, line: &str) {
        let line = line.trim();
        let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
        let Some((keyword, rest)) = line.split_at_checked(end) else {
            return;
        };
        match keyword.to_ascii_uppercase().as_str() {
            "STARTTLS" => self.add(Extension::StartTls),
            "PIPELINING" => self.add(Extension::Pipelining),
            "8BITMIME" => self.add(Extension::EightBitMime),
            "SMTPUTF8" => self.add(Extension::SmtpUtf8),
            "CHUNKING" => self.add(Extension::Chunking),
            "BINARYMIME" => self.add(Extension::BinaryMime),
            "DSN" => self.add(Extension::Dsn),
            "LIMITS" => self.limits = Limits::parse(rest).unwrap_or_default(),
            "SIZE" => {
                let limit = rest.trim_start_matches([' ', '\t', '=']);
                // A limit that is no number is no limit.
                self.size = Some(limit.parse().unwrap_or(0));
            }
            "AUTH" => {
                self.add(Extension::Auth);
                read_names(rest, &mut self.mechanisms);
            }
            "X-EXPS" => read_names(rest, &mut self.synonyms),
            _ => {}
        }
    }

    fn add(&mut self, extension: Extension) {
        if !self.has(extension) {
            self.extensions.push(extension);
        }
    }
}

fn read_names(names: &str, list: &mut Vec<String>) {
    for name in names
        .split([' ', '\t', ',', '='])
        .filter(|name| !name.is_empty())
    {
        if list.len() < MECHANISM_LIMIT && !lists(list, name) {
            list.push(name.to_ascii_uppercase());
        }
    }
}

fn lists(list: &[String], mechanism: &str) -> bool {
    list.iter().any(|name| name.eq_ignore_ascii_case(mechanism))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Capabilities, Extension, Limits};
    use crate::reply::{Reply, ReplyCode};

    fn ehlo(lines: &[&'static str]) -> Capabilities {
        let lines = std::iter::once("smtp.example.com hello")
            .chain(lines.iter().copied())
            .map(Cow::Borrowed)
            .collect();
        Capabilities::from_ehlo(&Reply {
            code: ReplyCode::OK,
            enhanced: None,
            lines,
        })
    }

    /// CAP-06, CAP-07, LS-01, LS-02, LS-31: every form of the AUTH line, merged as a set.
    #[test]
    fn auth_lines_in_every_form() {
        let rows: &[(&[&str], &[&str])] = &[
            (&["AUTH PLAIN LOGIN"], &["PLAIN", "LOGIN"]),
            (&["AUTH=LOGIN"], &["LOGIN"]),
            (
                &["AUTH=PLAIN LOGIN XALIOAUTH", "AUTH PLAIN LOGIN XOAUTH2"],
                &["PLAIN", "LOGIN", "XALIOAUTH", "XOAUTH2"],
            ),
            (
                &["auth plain\tcram-md5   login"],
                &["PLAIN", "CRAM-MD5", "LOGIN"],
            ),
            (&["AUTH=PLAIN,LOGIN"], &["PLAIN", "LOGIN"]),
            (&["AUTH =LOGIN"], &["LOGIN"]),
            (&["AUTH"], &[]),
            (
                &["XAUTH LOGIN", "AUTHINFO PLAIN", "X-EXPS LOGIN PLAIN"],
                &[],
            ),
            (
                &["X-EXPS LOGIN", "AUTH NTLM", "AUTH=LOGIN"],
                &["NTLM", "LOGIN"],
            ),
        ];
        for (lines, names) in rows {
            assert_eq!(ehlo(lines).mechanisms, *names, "{lines:?}");
        }
        assert_eq!(
            ehlo(&["X-EXPS GSSAPI NTLM", "X-EXPS=LOGIN"]).synonyms,
            ["GSSAPI", "NTLM", "LOGIN"]
        );
        assert!(
            ehlo(&["AUTH", "AUTH"]).has(Extension::Auth) && !ehlo(&["SIZE"]).has(Extension::Auth)
        );
    }

    #[test]
    fn the_first_line_announces_nothing() {
        let reply = Reply {
            code: ReplyCode::OK,
            enhanced: None,
            lines: vec![Cow::Borrowed("AUTH PLAIN")],
        };
        assert_eq!(Capabilities::from_ehlo(&reply), Capabilities::default());
    }

    /// The server of 2000 announces a valueless SIZE among lines long forgotten.
    #[test]
    fn other_lines() {
        let found = ehlo(&[
            "ETRN",
            "HELP ",
            "EXPN",
            " PIPELINING",
            "8bitmime",
            "DSN",
            "SIZE",
            "STARTTLS\t",
        ]);
        for extension in [
            Extension::Pipelining,
            Extension::EightBitMime,
            Extension::StartTls,
            Extension::Dsn,
        ] {
            assert!(found.has(extension), "{extension:?}");
        }
        assert!(!found.has(Extension::SmtpUtf8));
        assert_eq!(found.size, Some(0));
        assert_eq!(ehlo(&["SIZE 35882577"]).size, Some(35_882_577));
        assert_eq!(ehlo(&["SIZE=1000"]).size, Some(1000));
        assert_eq!(ehlo(&["SIZE many"]).size, Some(0));
    }

    /// LIM-01: "ignore whole extension if unparsable [C]".
    #[test]
    fn lim_01_limits() {
        let limits = ehlo(&["LIMITS RCPTMAX=20 MAILMAX=5 rcptdomainmax=3 X=y FOO"]).limits;
        assert_eq!(limits.recipients, Some(20));
        assert_eq!(limits.transactions, Some(5));
        assert_eq!(limits.recipient_domains, Some(3));
        for line in [
            "LIMITS",
            "LIMITS RCPTMAX=x MAILMAX=5",
            "LIMITS RCPTMAX=0",
            "LIMITS RCPTMAX=-1",
            "LIMITS RCPTMAX=99999999999",
        ] {
            let line: &'static str = line;
            assert_eq!(ehlo(&[line]).limits, Limits::default(), "{line}");
        }
    }

    #[test]
    fn a_hostile_list_is_cut() {
        let names = (0..1000)
            .map(|n| format!("X{n}"))
            .collect::<Vec<_>>()
            .join(" ");
        let line: &'static str = Box::leak(format!("AUTH {names}").into_boxed_str());
        assert_eq!(ehlo(&[line]).mechanisms.len(), 64);
    }
}
