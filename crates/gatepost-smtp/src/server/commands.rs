//! Command lines: what each verb does. The mail transaction and AUTH have files of their own.

use gatepost_sasl::{Identity, Mechanism, SecurityLayer};

use super::response::{is_base64, looks_wrapped};
use super::sequence::{Access, Channel, Greeted, Standing};
use super::tally::Patience;
use super::transaction::Transaction;
use super::turn::not_read;
use super::{Greeting, Pending, Request, ServerSession, State};
use crate::command::{Command, Verb};
use crate::ehlo::Announcement;
use crate::path::is_domain;
use crate::quirk::Quirk;
use crate::reply::{Positive, Refusal};

/// Most characters of a name in EHLO that are kept.
const MAX_HELO_NAME: usize = 255;

impl ServerSession {
    /// One command line, without its line end.
    pub(super) fn command(&mut self, line: &[u8]) {
        let wrapped = std::mem::take(&mut self.tally.wrapped_base64);
        if let Err(refusal) = self.readable(line) {
            return self.fault(Verb::Unknown, not_read(line, refusal));
        }
        let Command { verb, argument } = Command::parse(line);
        if !matches!(verb, Verb::Rcpt | Verb::Bdat)
            && self.tally.command(&self.profile.limits) == Patience::Gone
        {
            return self.decline(verb, Refusal::TooManyErrors);
        }
        if verb == Verb::Unknown && wrapped && is_base64(line) {
            // LC-12: the second half of the response that has just failed; it is not a second
            // offence.
            self.quirk(Quirk::WrappedBase64);
            return self.decline(verb, Refusal::Base64Wrapped);
        }
        // Whatever is said to BDAT, its chunk has to be read first: it looks for itself.
        if verb != Verb::Bdat
            && let Err(refusal) = self.standing().allows(verb)
        {
            if verb == Verb::Auth {
                self.notice_exposed_password(argument);
            }
            return self.fault(verb, refusal);
        }
        self.obey(verb, argument, line.len());
    }

    /// EOL-09, LC-42.
    fn readable(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line.is_empty() {
            return Err(Refusal::EmptyLine);
        }
        if memchr::memchr2(b'\0', b'\r', line).is_none() {
            return Ok(());
        }
        match self.tally.control_line(&self.profile.limits) {
            Patience::Left => Err(Refusal::ControlCharacter),
            Patience::Gone => Err(Refusal::TooManyErrors),
        }
    }

    fn obey(&mut self, verb: Verb, argument: &[u8], length: usize) {
        match verb {
            Verb::Mail => self.mail(argument),
            Verb::Rcpt => self.rcpt(argument),
            Verb::Data => self.data(argument),
            Verb::Bdat => self.bdat(argument),
            Verb::Auth => self.auth(argument, length),
            Verb::Ehlo => self.introduce(Verb::Ehlo, argument),
            Verb::Helo => self.introduce(Verb::Helo, argument),
            Verb::StartTls if argument.is_empty() => {
                self.state = State::StartTls { early: Vec::new() }
            }
            Verb::StartTls => self.fault(verb, Refusal::StartTlsSyntax),
            Verb::Rset => {
                self.reset();
                self.approve(Positive::Ok, "");
            }
            Verb::Noop => self.approve(Positive::Ok, ""),
            Verb::Vrfy => self.verify(argument),
            Verb::Help => self.approve(Positive::Help, ""),
            Verb::Quit => self.quit(),
            Verb::Http => self.fault(verb, Refusal::NotSmtp),
            Verb::Unimplemented => self.fault(verb, Refusal::CommandNotImplemented),
            Verb::Unknown => self.fault(verb, Refusal::CommandUnknown),
        }
    }

    /// `VRFY string [SMTPUTF8]`: nobody is told who has a mailbox here (SMTP-13, EAI-06).
    fn verify(&mut self, argument: &[u8]) {
        let behind = argument
            .rsplit(|octet| matches!(octet, b' ' | b'\t'))
            .next()
            .unwrap_or_default();
        let named = b"SMTPUTF8";
        let (word, value) = behind
            .split_at_checked(named.len())
            .unwrap_or((behind, &[]));
        let smtputf8 = word.eq_ignore_ascii_case(named);
        match value {
            [] if smtputf8 || argument.is_ascii() => self.approve(Positive::CannotVerify, ""),
            [b'=', ..] if smtputf8 => self.fault(Verb::Vrfy, Refusal::ParameterSyntax),
            _ if argument.is_ascii() => self.approve(Positive::CannotVerify, ""),
            _ => self.fault(Verb::Vrfy, Refusal::RecipientNeedsUtf8),
        }
    }

    pub(super) fn quit(&mut self) {
        if !matches!(self.state, State::Closed) {
            self.approve(Positive::Closing, "");
            self.close();
        }
    }

    /// EHLO and HELO, at any time (SMTP-03): a new greeting ends the transaction; identity and TLS
    /// stay.
    fn introduce(&mut self, verb: Verb, argument: &[u8]) {
        if argument.is_empty() && !self.profile.quirks.contains(Quirk::EmptyHeloName) {
            return self.fault(verb, Refusal::ArgumentSyntax);
        }
        let name = helo_name(argument);
        if argument.is_empty() {
            self.quirk(Quirk::EmptyHeloName);
        } else if !is_domain(&name) && name.parse::<std::net::IpAddr>().is_err() {
            self.quirk(Quirk::OddHeloName);
        }
        self.reset();
        let esmtp = verb == Verb::Ehlo;
        let greeting = Greeting {
            name: name.as_str().into(),
            esmtp,
        };
        self.ask(Request::Ehlo { name, esmtp }, Pending::Hello(greeting));
    }

    /// The program has said what is offered.
    pub(super) fn hello(&mut self, greeting: Greeting, offer: Vec<&'static Mechanism>) {
        self.offered = offer;
        if greeting.esmtp {
            self.announce();
        } else {
            let profile = std::sync::Arc::clone(&self.profile);
            self.approve(Positive::Hello, &profile.hostname);
        }
        self.greeting = Some(greeting);
    }

    fn announce(&mut self) {
        // CAP-04: behind a success no AUTH is accepted and none is announced, except under a
        // security layer, where a client compares the list with the one before.
        let hidden = self.identity.is_some() && self.wire.layer().is_none();
        let announcement = Announcement {
            hostname: &self.profile.hostname,
            size_limit: self.profile.size_limit,
            recipients: self.profile.limits.recipients,
            starttls: self.standing().allows(Verb::StartTls).is_ok(),
            mechanisms: if hidden { &[] } else { &self.offered },
            auth_equals: self.profile.quirks.contains(Quirk::AuthEqualsLine),
        };
        announcement.render(self.wire.replies());
    }

    /// Where the session stands, for the table of what may come when.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            greeting: match &self.greeting {
                None => Greeted::Not,
                Some(Greeting { esmtp: false, .. }) => Greeted::Helo,
                Some(Greeting { esmtp: true, .. }) => Greeted::Ehlo,
            },
            policy: self.profile.tls,
            channel: match self.tls {
                Some(_) => Channel::Tls,
                None if self.wire.layer().is_some() => Channel::Layer,
                None => Channel::Clear,
            },
            access: match self.identity {
                Some(_) => Access::Proven,
                None if self.profile.require_auth => Access::Required,
                None => Access::Open,
            },
            auth_after_helo: self.profile.quirks.contains(Quirk::AuthAfterHelo),
            transaction: self.transaction.as_ref().map(Transaction::stage),
        }
    }

    /// AUTH-28: the next line may be the rest of a wrapped response.
    pub(super) fn expect_wrapped_base64(&mut self, mechanism: &Mechanism, length: usize) {
        self.tally.wrapped_base64 = mechanism.exposes_password && looks_wrapped(length);
    }

    /// AUTH succeeded. With a security layer the client begins anew behind the 235, which is not
    /// protected yet; only the identity stays (RFC 4954 §4; LAYER-03).
    pub(super) fn enter_identity(
        &mut self,
        identity: Identity,
        layer: Option<Box<dyn SecurityLayer>>,
    ) {
        self.identity = Some(Box::new(identity));
        self.tally.good_thing_happened();
        if let Some(layer) = layer {
            self.greeting = None;
            if self.wire.switch_on(layer).is_err() {
                self.close();
            }
        }
    }
}

/// The name to keep: printable, of bounded length, and never empty.
fn helo_name(argument: &[u8]) -> String {
    if argument.is_empty() {
        return "unknown".to_owned();
    }
    let text = String::from_utf8_lossy(argument);
    let printable = |character: char| {
        // LS and PS are no control characters, and end lines all the same.
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            '?'
        } else {
            character
        }
    };
    text.chars().take(MAX_HELO_NAME).map(printable).collect()
}
