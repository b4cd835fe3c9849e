//! The trace field a message gets when we take it (RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3, RFC 8314 §4.3).
//!
//! Everything that came from the peer is cleaned here: what may not stand in its place becomes `?`,
//! comments are escaped, so that no name can end the field (EOL-10, T-36).

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::path::ForwardPath;
use crate::tls_facts::TlsFacts;

/// The `with` keyword (RFC 3848): which protocol the message came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Which SMTP the client speaks.
    pub dialect: Dialect,
    /// Inside TLS.
    pub tls: bool,
    /// After a successful AUTH that is in force.
    pub authenticated: bool,
}

/// Which SMTP a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// It said HELO.
    Smtp,
    /// It said EHLO.
    Esmtp,
    /// It said EHLO, and SMTPUTF8 in this transaction.
    Utf8Smtp,
}

impl Protocol {
    /// `SMTP`, `ESMTP`, `ESMTPS`, `ESMTPA` or `ESMTPSA`, or with SMTPUTF8 `UTF8SMTP`, `UTF8SMTPS`,
    /// `UTF8SMTPA` or `UTF8SMTPSA`. TLS and AUTH after HELO have no names of their own and count as
    /// extended (TRC-02).
    pub const fn keyword(self) -> &'static str {
        match (self.dialect, self.tls, self.authenticated) {
            (Dialect::Utf8Smtp, true, true) => "UTF8SMTPSA",
            (Dialect::Utf8Smtp, true, false) => "UTF8SMTPS",
            (Dialect::Utf8Smtp, false, true) => "UTF8SMTPA",
            (Dialect::Utf8Smtp, false, false) => "UTF8SMTP",
            (_, true, true) => "ESMTPSA",
            (_, true, false) => "ESMTPS",
            (_, false, true) => "ESMTPA",
            (Dialect::Esmtp, false, false) => "ESMTP",
            (Dialect::Smtp, false, false) => "SMTP",
        }
    }
}

/// The facts of a `Received:` field.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// The name in EHLO.
    pub helo: &'a str,
    /// Name of the peer by reverse DNS, if it was looked up.
    pub rdns: Option<&'a str>,
    /// The peer.
    pub peer: IpAddr,
    /// Who authenticated, if that is to be shown.
    pub authenticated: Option<&'a str>,
    /// Our name.
    pub host: &'a str,
    /// How it came.
    pub protocol: Protocol,
    /// The SASL security layer, as it describes itself (LAYER-09).
    pub layer: Option<&'a str>,
    /// The queue's name for the message.
    pub id: &'a str,
    /// The TLS channel.
    pub tls: Option<&'a TlsFacts>,
    /// The recipient, if there is exactly one (TRC-05).
    pub recipient: Option<&'a ForwardPath>,
    /// When, as RFC 5322 §3.3 writes it.
    pub date: &'a str,
}

impl Received<'_> {
    /// The field with its name, folded, ending in CRLF.
    pub fn render(&self) -> String {
        let mut field = String::with_capacity(256);
        // Writing to a String cannot fail.
        let _ = self.write(&mut field);
        field
    }

    fn write(&self, field: &mut String) -> fmt::Result {
        write!(field, "Received: from {} (", Name(self.helo))?;
        if let Some(rdns) = self.rdns {
            write!(field, "{} ", Name(rdns))?;
        }
        write!(field, "{})", Literal(self.peer))?;
        if let Some(login) = self.authenticated {
            write!(field, "\r\n\t(Authenticated sender: {})", Comment(login))?;
        }
        write!(
            field,
            "\r\n\tby {} with {}",
            Name(self.host),
            self.protocol.keyword()
        )?;
        if let Some(layer) = self.layer {
            write!(field, " ({})", Comment(layer))?;
        }
        write!(field, " id {}", Name(self.id))?;
        if let Some(recipient) = self.recipient {
            write!(field, "\r\n\tfor {recipient}")?;
        }
        if let Some(tls) = self.tls {
            write!(
                field,
                "\r\n\t({}) tls {}",
                Comment(&tls.version),
                Name(&tls.cipher)
            )?;
            if let Some(group) = &tls.group {
                write!(field, " group {}", Name(group))?;
            }
        }
        write!(field, ";\r\n\t{}\r\n", Comment(self.date))
    }
}

/// A word of the grammar; what cannot be part of a domain, a literal or an atom becomes `?`.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("unknown");
        }
        // Nearly every word is plain, and goes in one piece.
        if self.0.len() <= Self::LONGEST && self.0.bytes().all(is_plain) {
            return f.write_str(self.0);
        }
        for character in self.0.chars().take(Self::LONGEST) {
            let plain = u8::try_from(character).is_ok_and(is_plain);
            f.write_char(if plain { character } else { '?' })?;
        }
        Ok(())
    }
}

impl Name<'_> {
    /// Characters of a word at most.
    const LONGEST: usize = 255;
}

fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-_.:[]+/=".contains(&octet)
}

/// The inside of a comment.
struct Comment<'a>(&'a str);

impl fmt::Display for Comment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(400) {
            match character {
                '(' | ')' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => f.write_char(character)?,
                _ => f.write_char('?')?,
            }
        }
        Ok(())
    }
}

/// An address literal (RFC 5321 §4.1.3; TRC-07).
struct Literal(IpAddr);

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_canonical() {
            IpAddr::V4(address) => write!(f, "[{address}]"),
            IpAddr::V6(address) => write!(f, "[IPv6:{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Address;

    fn plain() -> Received<'static> {
        Received {
            helo: "client.example.com",
            rdns: None,
            peer: "192.0.2.7".parse().unwrap(),
            authenticated: None,
            host: "submit.example.com",
            protocol: Protocol {
                dialect: Dialect::Esmtp,
                tls: false,
                authenticated: false,
            },
            layer: None,
            id: "Q1",
            tls: None,
            recipient: None,
            date: "Fri, 21 Nov 2025 09:55:06 +0000",
        }
    }

    // TRC-01, TRC-04, TRC-05
    #[test]
    fn trc_01_trc_04_trc_05_the_whole_field() {
        let recipient = ForwardPath::from(Address::parse("joe@example.net").unwrap());
        let tls = TlsFacts {
            version: "TLSv1.3".into(),
            cipher: "TLS_AES_128_GCM_SHA256".into(),
            group: Some("X25519".into()),
            ..TlsFacts::default()
        };
        let field = Received {
            rdns: Some("host.example.com"),
            authenticated: Some("fred"),
            protocol: Protocol {
                dialect: Dialect::Esmtp,
                tls: true,
                authenticated: true,
            },
            tls: Some(&tls),
            recipient: Some(&recipient),
            ..plain()
        };
        assert_eq!(
            field.render(),
            "Received: from client.example.com (host.example.com [192.0.2.7])\r\n\
             \t(Authenticated sender: fred)\r\n\
             \tby submit.example.com with ESMTPSA id Q1\r\n\
             \tfor <joe@example.net>\r\n\
             \t(TLSv1.3) tls TLS_AES_128_GCM_SHA256 group X25519;\r\n\
             \tFri, 21 Nov 2025 09:55:06 +0000\r\n"
        );
    }

    // TRC-02, TRC-03
    #[test]
    fn trc_02_trc_03_the_keyword() {
        let keyword = |dialect, tls, authenticated| {
            Protocol {
                dialect,
                tls,
                authenticated,
            }
            .keyword()
        };
        let utf8 = |tls, authenticated| keyword(Dialect::Utf8Smtp, tls, authenticated);
        assert_eq!(utf8(false, false), "UTF8SMTP");
        assert_eq!(utf8(true, false), "UTF8SMTPS");
        assert_eq!(utf8(false, true), "UTF8SMTPA");
        assert_eq!(utf8(true, true), "UTF8SMTPSA");
        assert_eq!(keyword(Dialect::Smtp, false, false), "SMTP");
        assert_eq!(keyword(Dialect::Esmtp, false, false), "ESMTP");
        assert_eq!(keyword(Dialect::Esmtp, true, false), "ESMTPS");
        assert_eq!(keyword(Dialect::Esmtp, false, true), "ESMTPA");
        assert_eq!(keyword(Dialect::Esmtp, true, true), "ESMTPSA");
        assert_eq!(keyword(Dialect::Smtp, false, true), "ESMTPA");
    }

    // TRC-07
    #[test]
    fn trc_07_ipv6_literals_and_mapped_addresses() {
        let v6 = Received {
            peer: "2001:db8::1".parse().unwrap(),
            ..plain()
        }
        .render();
        assert!(v6.contains("([IPv6:2001:db8::1])"), "{v6}");
        let mapped = Received {
            peer: "::ffff:192.0.2.7".parse().unwrap(),
            ..plain()
        }
        .render();
        assert!(mapped.contains("([192.0.2.7])"), "{mapped}");
    }

    // LAYER-09
    #[test]
    fn layer_09_names_the_layer_and_never_says_s() {
        let protocol = Protocol {
            dialect: Dialect::Esmtp,
            tls: false,
            authenticated: true,
        };
        let field = Received {
            layer: Some("DIGEST-MD5/auth-conf/rc4"),
            protocol,
            ..plain()
        }
        .render();
        assert!(
            field.contains("with ESMTPA (DIGEST-MD5/auth-conf/rc4) id"),
            "{field}"
        );
    }

    // EOL-10
    #[test]
    fn eol_10_t_36_no_name_ends_the_field() {
        for evil in [
            "a\r\nBcc: x",
            "a\0b",
            "a\u{1b}[1m",
            "a\u{2028}b",
            "a\u{80}b",
            "a)(b\\",
            "",
        ] {
            let field = Received {
                helo: evil,
                rdns: Some(evil),
                authenticated: Some(evil),
                id: evil,
                ..plain()
            }
            .render();
            let lines: Vec<&str> = field.split_inclusive("\r\n").collect();
            assert_eq!(lines.len(), 4, "{evil:?}: {field}");
            assert!(
                lines[1..].iter().all(|line| line.starts_with('\t')),
                "{evil:?}"
            );
            let control = |c: char| c.is_control() && !"\r\n\t".contains(c);
            assert!(field.is_ascii() && !field.contains(control), "{evil:?}");
        }
    }
}
