//! Which command may come when: a pure function of where the session stands.
//!
//! The order of the checks is the order in which a client can mend things: TLS, then EHLO, then
//! AUTH, then the transaction.
//!
//! Standards: RFC 5321 §4.1.4, RFC 3207 §4, RFC 4954 §4 and §6, RFC 6409 §4.3.

use crate::command::Verb;
use crate::reply::Refusal;
use crate::server::TlsPolicy;
use crate::server::transaction::Stage;

/// Where the session stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) greeting: Greeted,
    pub(super) policy: TlsPolicy,
    pub(super) channel: Channel,
    pub(super) access: Access,
    /// AUTH is possible after HELO (LEG-12).
    pub(super) auth_after_helo: bool,
    pub(super) transaction: Option<Stage>,
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
            Verb::Rcpt => self.rcpt(),
            Verb::Data => self.data(),
            Verb::Bdat => self.message().map(|_| ()),
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

    /// After EHLO, before success, outside a transaction (AUTH-15, AUTH-16).
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

    fn rcpt(&self) -> Result<(), Refusal> {
        self.identified()?;
        match self.in_transaction()? {
            Stage { chunking: true, .. } => Err(Refusal::ChunksBegun),
            Stage { .. } => Ok(()),
        }
    }

    /// BDAT-02, BDAT-03.
    fn data(&self) -> Result<(), Refusal> {
        match self.message()? {
            Stage { chunking: true, .. } => Err(Refusal::ChunksBegun),
            stage if stage.kind.binary => Err(Refusal::BinaryNeedsChunks),
            Stage { .. } => Ok(()),
        }
    }

    /// SMTP-16.
    fn message(&self) -> Result<Stage, Refusal> {
        match self.in_transaction()? {
            stage @ Stage { accepted: 1.., .. } => Ok(stage),
            Stage { tried: 0, .. } => Err(Refusal::RecipientRequired),
            Stage { .. } => Err(Refusal::NoValidRecipients),
        }
    }

    fn identified(&self) -> Result<(), Refusal> {
        match self.access {
            Access::Proven | Access::Open => Ok(()),
            Access::Required => Err(Refusal::AuthenticationRequired),
        }
    }

    fn in_transaction(&self) -> Result<Stage, Refusal> {
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
            transaction: Some(Stage {
                tried,
                accepted,
                ..Stage::default()
            }),
            ..submission()
        }
    }

    fn anonymous() -> Standing {
        Standing {
            access: Access::Required,
            ..submission()
        }
    }

    #[track_caller]
    fn check(standing: Standing, verb: Verb, refusal: Option<Refusal>) {
        assert_eq!(standing.allows(verb).err(), refusal, "{verb:?}");
    }

    // LEG-12
    #[test]
    fn rows_10_to_12_and_leg_12_auth() {
        let open = Standing {
            access: Access::Open,
            ..with(0, 0)
        };
        let ungreeted = Standing {
            greeting: Greeted::Not,
            ..anonymous()
        };
        let helo = Standing {
            greeting: Greeted::Helo,
            ..anonymous()
        };
        check(
            submission(),
            Verb::Auth,
            Some(Refusal::AlreadyAuthenticated),
        );
        check(open, Verb::Auth, Some(Refusal::AuthInTransaction));
        check(ungreeted, Verb::Auth, Some(Refusal::EhloRequired));
        check(helo, Verb::Auth, Some(Refusal::EhloRequired));
        check(
            Standing {
                auth_after_helo: true,
                ..helo
            },
            Verb::Auth,
            None,
        );
    }

    // AUTH-19, SMTP-13
    #[test]
    fn row_15_auth_19_smtp_13_identity() {
        let open = Standing {
            access: Access::Open,
            ..submission()
        };
        for verb in [Verb::Mail, Verb::Rcpt, Verb::Vrfy] {
            check(anonymous(), verb, Some(Refusal::AuthenticationRequired));
        }
        check(open, Verb::Mail, None);
        check(
            submission(),
            Verb::Unimplemented,
            Some(Refusal::CommandNotImplemented),
        );
    }

    // TLS-03, TLS-06, TLS-08, LAYER-04
    #[test]
    fn tls_03_tls_06_tls_08_layer_04_tls() {
        let policy = TlsPolicy::StartTlsRequired;
        let clear = Standing {
            channel: Channel::Clear,
            policy,
            ..anonymous()
        };
        for verb in [
            Verb::Auth,
            Verb::Mail,
            Verb::Rcpt,
            Verb::Data,
            Verb::Vrfy,
            Verb::Help,
        ] {
            check(clear, verb, Some(Refusal::TlsRequired));
        }
        for verb in [
            Verb::Ehlo,
            Verb::Helo,
            Verb::StartTls,
            Verb::Noop,
            Verb::Rset,
            Verb::Quit,
        ] {
            check(clear, verb, None);
        }
        let layer = Standing {
            channel: Channel::Layer,
            ..submission()
        };
        let never = Standing {
            channel: Channel::Clear,
            policy: TlsPolicy::None,
            ..submission()
        };
        check(
            submission(),
            Verb::StartTls,
            Some(Refusal::StartTlsUnexpected),
        );
        check(layer, Verb::StartTls, Some(Refusal::StartTlsUnexpected));
        check(never, Verb::StartTls, Some(Refusal::CommandNotImplemented));
        check(
            Standing {
                channel: Channel::Clear,
                ..with(1, 1)
            },
            Verb::StartTls,
            None,
        );
    }

    // SMTP-16
    #[test]
    fn smtp_16_the_transaction() {
        let ungreeted = Standing {
            greeting: Greeted::Not,
            ..submission()
        };
        check(ungreeted, Verb::Mail, Some(Refusal::EhloRequired));
        check(with(0, 0), Verb::Mail, Some(Refusal::TransactionOpen));
        check(submission(), Verb::Rcpt, Some(Refusal::MailRequired));
        check(submission(), Verb::Data, Some(Refusal::MailRequired));
        check(with(0, 0), Verb::Data, Some(Refusal::RecipientRequired));
        check(with(2, 0), Verb::Data, Some(Refusal::NoValidRecipients));
        check(with(2, 1), Verb::Data, None);
    }
}
