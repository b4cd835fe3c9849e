//! The reply to EHLO: our name and what we can do (RFC 5321 §4.1.1.1). Only what exists is
//! announced (CAP-10).

use std::io::Write as _;

use gatepost_sasl::{InitialResponse, Mechanism};

use crate::reply::Positive;

/// What is announced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement<'a> {
    pub(crate) hostname: &'a str,
    pub(crate) size_limit: u64,
    /// RCPT commands that one transaction may have (LIM-01).
    pub(crate) recipients: u32,
    pub(crate) starttls: bool,
    /// Strongest first; the line is left out if there is none (CAP-03).
    pub(crate) mechanisms: &'a [&'static Mechanism],
    /// The old line `AUTH=` before the proper one (CAP-05).
    pub(crate) auth_equals: bool,
}

impl Announcement<'_> {
    /// Appends the whole reply.
    pub(crate) fn render(&self, out: &mut Vec<u8>) {
        let mut keyword = |word: &str, value: &str| {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{}-{word}{value}\r\n", Positive::Hello.code());
        };
        keyword(self.hostname, "");
        keyword("PIPELINING", "");
        keyword("SIZE ", &self.size_limit.to_string());
        keyword("8BITMIME", "");
        keyword("CHUNKING", "");
        keyword("BINARYMIME", "");
        keyword("ENHANCEDSTATUSCODES", "");
        keyword("DSN", "");
        keyword("SMTPUTF8", "");
        keyword("LIMITS RCPTMAX=", &self.recipients.to_string());
        if self.starttls {
            keyword("STARTTLS", "");
        }
        let simple = names(self.mechanisms.iter().filter(|mechanism| is_old(mechanism)));
        if self.auth_equals && !simple.is_empty() {
            keyword("AUTH=", &simple);
        }
        if !self.mechanisms.is_empty() {
            keyword("AUTH ", &names(self.mechanisms.iter()));
        }
        let _ = write!(out, "{} HELP\r\n", Positive::Hello.code());
    }
}

/// What a client of the `AUTH=` age can know: mechanisms that show the password, or in which the
/// server always speaks first, and that is CRAM-MD5; not those that carry a token.
fn is_old(mechanism: &Mechanism) -> bool {
    mechanism.exposes_password && !mechanism.requires_tls()
        || mechanism.initial_response == InitialResponse::Refused
}

fn names<'a>(mechanisms: impl Iterator<Item = &'a &'static Mechanism>) -> String {
    let mut names = String::new();
    for mechanism in mechanisms {
        if !names.is_empty() {
            names.push(' ');
        }
        names.push_str(mechanism.name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    // CAP-01, CAP-03, CAP-05, CAP-10, LIM-01
    #[test]
    fn cap_01_cap_03_cap_05_cap_10_lim_01_what_is_announced() {
        let render = |announcement: Announcement<'_>| {
            let mut out = Vec::new();
            announcement.render(&mut out);
            String::from_utf8(out).unwrap()
        };
        let bare = Announcement {
            hostname: "submit.example.com",
            size_limit: 1000,
            recipients: 100,
            starttls: false,
            mechanisms: &[],
            auth_equals: true,
        };
        let expected = "250-submit.example.com\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n250-LIMITS RCPTMAX=100\r\n";
        assert_eq!(render(bare), format!("{expected}250 HELP\r\n"));

        let mechanisms = ["SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"];
        let mechanisms = mechanisms.map(|name| gatepost_sasl::mechanism::by_name(name).unwrap());
        let full = Announcement {
            starttls: true,
            mechanisms: &mechanisms,
            ..bare
        };
        let expected = format!(
            "{expected}250-STARTTLS\r\n250-AUTH=CRAM-MD5 PLAIN LOGIN\r\n250-AUTH SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN\r\n250 HELP\r\n"
        );
        assert_eq!(render(full), expected);
    }
}
