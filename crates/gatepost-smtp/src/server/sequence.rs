//! Which command may come when: a pure function of where the session stands.
//!
//! The order of the checks is the order in which a client can mend things: TLS, then EHLO, then AUTH, then the
//! transaction.
//!
//! Standards: RFC 5321 §4.1.4, RFC 3207 §4, RFC 4954 §4 and §6, RFC 6409 §4.3.

use crate::command::Verb;
use crate::reply::Refusal;
use crate::server::TlsPolicy;
use crate::server::transaction::Transaction;

/// Where the session stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) greeting: Greeted,
    pub(super) policy: TlsPolicy,
    pub(super) channel: Channel,
    pub(super) access: Access,
    /// AUTH is possible after HELO (LEG-12).
    pub(super) auth_after_helo: bool,
    pub(super) transaction: Option<Transaction>,
}

/// What protects the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Clear,
    Tls,
    /// A SASL security layer.
    Layer,
}

/// Whether mail may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// AUTH has succeeded.
    Proven,
    /// It has not, and need not.
    Open,
    /// It has not, and must.
    Required,
}

/// How the client has introduced itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeted {
    Not,
    Helo,
    Ehlo,
}

impl Standing {
    /// Whether `verb` may come now.
    pub(super) fn allows(&self, verb: Verb) -> Result<(), Refusal> {
        match verb {
            Verb::Ehlo
            | Verb::Helo
            | Verb::Noop
            | Verb::Rset
            | Verb::Quit
            | Verb::Unknown
            | Verb::Http => Ok(()),
            Verb::Unimplemented => Err(Refusal::CommandNotImplemented),
            Verb::StartTls => self.starttls(),
            // TLS-06: where TLS is required it comes before all the others.
            _ if self.policy == TlsPolicy::StartTlsRequired && self.channel != Channel::Tls => {
                Err(Refusal::TlsRequired)
            }
            Verb::Help => Ok(()),
            Verb::Auth => self.auth(),
            Verb::Vrfy => self.identified(),
            Verb::Mail => self.mail(),
            Verb::Rcpt => self.identified().and(self.in_transaction().map(|_| ())),
            Verb::Data => self.data(),
        }
    }

    fn starttls(&self) -> Result<(), Refusal> {
        match self.channel {
            // TLS-03, LAYER-04.
            Channel::Tls | Channel::Layer => Err(Refusal::StartTlsUnexpected),
            Channel::Clear if self.policy.offers_starttls() => Ok(()),
            Channel::Clear => Err(Refusal::CommandNotImplemented),
        }
    }

    /// Table rows 10 to 12.
    fn auth(&self) -> Result<(), Refusal> {
        match self.greeting {
            Greeted::Not => Err(Refusal::EhloRequired),
            _ if self.access == Access::Proven => Err(Refusal::AlreadyAuthenticated),
            _ if self.transaction.is_some() => Err(Refusal::AuthInTransaction),
            Greeted::Helo if !self.auth_after_helo => Err(Refusal::EhloRequired),
            Greeted::Helo | Greeted::Ehlo => Ok(()),
        }
    }

    fn mail(&self) -> Result<(), Refusal> {
        if self.greeting == Greeted::Not {
            return Err(Refusal::EhloRequired);
        }
        self.identified()?;
        if self.transaction.is_some() {
            Err(Refusal::TransactionOpen)
        } else {
            Ok(())
        }
    }

    /// SMTP-16.
    fn data(&self) -> Result<(), Refusal> {
        match self.in_transaction()? {
            Transaction { accepted: 1.., .. } => Ok(()),
            Transaction { tried: 0, .. } => Err(Refusal::RecipientRequired),
            Transaction { .. } => Err(Refusal::NoValidRecipients),
        }
    }

    fn identified(&self) -> Result<(), Refusal> {
        match self.access {
            Access::Proven | Access::Open => Ok(()),
            Access::Required => Err(Refusal::AuthenticationRequired),
        }
    }

    fn in_transaction(&self) -> Result<Transaction, Refusal> {
        self.transaction.ok_or(Refusal::MailRequired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission() -> Standing {
        Standing {
            greeting: Greeted::Ehlo,
            policy: TlsPolicy::StartTlsOptional,
            channel: Channel::Tls,
            access: Access::Proven,
            auth_after_helo: false,
            transaction: None,
        }
    }

    fn with(tried: u32, accepted: u32) -> Standing {
        Standing {
            transaction: Some(Transaction { tried, accepted }),
            ..submission()
        }
    }

    #[test]
    fn the_table_of_standings() {
        let ready = submission();
        let anonymous = Standing {
            access: Access::Required,
            ..ready
        };
        let clear = Standing {
            channel: Channel::Clear,
            policy: TlsPolicy::StartTlsRequired,
            ..anonymous
        };
        let ungreeted = Standing {
            greeting: Greeted::Not,
            ..anonymous
        };
        let helo = Standing {
            greeting: Greeted::Helo,
            ..anonymous
        };
        let rows = [
            (
                "row 10, AUTH-15",
                ready,
                Verb::Auth,
                Some(Refusal::AlreadyAuthenticated),
            ),
            (
                "row 11, AUTH-16",
                Standing {
                    access: Access::Open,
                    ..with(0, 0)
                },
                Verb::Auth,
                Some(Refusal::AuthInTransaction),
            ),
            ("row 12", ungreeted, Verb::Auth, Some(Refusal::EhloRequired)),
            ("LEG-12 off", helo, Verb::Auth, Some(Refusal::EhloRequired)),
            (
                "LEG-12 on",
                Standing {
                    auth_after_helo: true,
                    ..helo
                },
                Verb::Auth,
                None,
            ),
            (
                "row 15",
                anonymous,
                Verb::Mail,
                Some(Refusal::AuthenticationRequired),
            ),
            (
                "row 15 off",
                Standing {
                    access: Access::Open,
                    ..anonymous
                },
                Verb::Mail,
                None,
            ),
            (
                "AUTH-19",
                anonymous,
                Verb::Rcpt,
                Some(Refusal::AuthenticationRequired),
            ),
            (
                "SMTP-13",
                anonymous,
                Verb::Vrfy,
                Some(Refusal::AuthenticationRequired),
            ),
            (
                "SMTP-13",
                ready,
                Verb::Unimplemented,
                Some(Refusal::CommandNotImplemented),
            ),
            ("TLS-06 AUTH", clear, Verb::Auth, Some(Refusal::TlsRequired)),
            ("TLS-06 MAIL", clear, Verb::Mail, Some(Refusal::TlsRequired)),
            ("TLS-06 EHLO", clear, Verb::Ehlo, None),
            ("TLS-06 QUIT", clear, Verb::Quit, None),
            ("TLS-06 NOOP", clear, Verb::Noop, None),
            (
                "TLS-03",
                ready,
                Verb::StartTls,
                Some(Refusal::StartTlsUnexpected),
            ),
            (
                "LAYER-04",
                Standing {
                    channel: Channel::Layer,
                    ..ready
                },
                Verb::StartTls,
                Some(Refusal::StartTlsUnexpected),
            ),
            (
                "no TLS",
                Standing {
                    channel: Channel::Clear,
                    policy: TlsPolicy::None,
                    ..ready
                },
                Verb::StartTls,
                Some(Refusal::CommandNotImplemented),
            ),
            (
                "TLS-08",
                Standing {
                    channel: Channel::Clear,
                    ..ready
                },
                Verb::StartTls,
                None,
            ),
            (
                "5321 §4.1.4",
                Standing {
                    greeting: Greeted::Not,
                    ..ready
                },
                Verb::Mail,
                Some(Refusal::EhloRequired),
            ),
            (
                "nested",
                with(0, 0),
                Verb::Mail,
                Some(Refusal::TransactionOpen),
            ),
            ("no MAIL", ready, Verb::Rcpt, Some(Refusal::MailRequired)),
            ("no MAIL", ready, Verb::Data, Some(Refusal::MailRequired)),
            (
                "SMTP-16 none",
                with(0, 0),
                Verb::Data,
                Some(Refusal::RecipientRequired),
            ),
            (
                "SMTP-16 all refused",
                with(2, 0),
                Verb::Data,
                Some(Refusal::NoValidRecipients),
            ),
            ("SMTP-16", with(2, 1), Verb::Data, None),
        ];
        for (name, standing, verb, refusal) in rows {
            assert_eq!(standing.allows(verb).err(), refusal, "{name}: {verb:?}");
        }
    }
}
