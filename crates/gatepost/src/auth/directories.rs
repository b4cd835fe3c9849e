//! All directories of the program as one: each question goes to the one that can answer its kind.
//!
//! | question | goes to |
//! |---|---|
//! | token | the token validator, where token issuers are configured |
//! | passed through | Kerberos, where a keytab is configured |
//! | all others | the own accounts |
//!
//! A question that nobody is there for is answered with [`Answer::Unavailable`]; it is not asked in earnest, because its
//! mechanism is not announced.

use gatepost_sasl::{Answer, Mechanism, Needs, Question};

use super::channel::Channel;
use super::directory::{Answering, Asker, Directory};

/// The directories. Only the own accounts are always there.
pub struct Directories {
    accounts: Box<dyn Directory>,
    tokens: Option<Box<dyn Directory>>,
    kerberos: Option<Box<dyn Directory>>,
}

impl Directories {
    /// The own accounts alone.
    pub fn of(accounts: impl Directory + 'static) -> Self {
        Self {
            accounts: Box::new(accounts),
            tokens: None,
            kerberos: None,
        }
    }

    /// With a validator of tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: impl Directory + 'static) -> Self {
        Self {
            tokens: Some(Box::new(tokens)),
            ..self
        }
    }

    /// With Kerberos.
    #[must_use]
    pub fn with_kerberos(self, kerberos: impl Directory + 'static) -> Self {
        Self {
            kerberos: Some(Box::new(kerberos)),
            ..self
        }
    }

    fn that_answers(&self, question: &Question) -> Option<&dyn Directory> {
        match question {
            Question::Token { .. } => self.tokens.as_deref(),
            Question::PassThrough { .. } => self.kerberos.as_deref(),
            _ => Some(&*self.accounts),
        }
    }

    fn that_completes(&self, mechanism: &Mechanism) -> Option<&dyn Directory> {
        match mechanism.needs {
            Needs::Token => self.tokens.as_deref(),
            Needs::PassThrough => self.kerberos.as_deref(),
            _ => Some(&*self.accounts),
        }
    }
}

impl Directory for Directories {
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a> {
        match self.that_answers(question) {
            Some(directory) => directory.answer(question, asker),
            None => Box::pin(async { Answer::Unavailable }),
        }
    }

    fn completes(&self, mechanism: &Mechanism, channel: &Channel) -> bool {
        self.that_completes(mechanism)
            .is_some_and(|directory| directory.completes(mechanism, channel))
    }

    fn realms(&self) -> &[String] {
        self.accounts.realms()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use gatepost_sasl::mechanism::PLAIN;
    use gatepost_sasl::{Authcid, Grant, Secret, Verdict};

    use super::*;
    use crate::auth::directory::Conversation;
    use crate::auth::guard;
    use crate::auth::hash::Lane;

    /// Says yes to everything, under its own name.
    struct Named(&'static str);

    impl Directory for Named {
        fn answer<'a>(&'a self, _: &'a Question, _: &'a Asker) -> Answering<'a> {
            let grant = Grant {
                login: self.0.to_owned(),
                acts_as: self.0.to_owned(),
                credential: String::new(),
            };
            Box::pin(async { Answer::Verdict(Verdict::Accepted(grant)) })
        }

        fn completes(&self, _: &Mechanism, _: &Channel) -> bool {
            true
        }
    }

    fn questions() -> [(&'static str, Needs, Question); 3] {
        let mechanism = &PLAIN;
        [
            (
                "accounts",
                Needs::Password,
                Question::Password {
                    mechanism,
                    authcid: Authcid::parse("fred").unwrap(),
                    authzid: None,
                    password: Secret::new("x"),
                },
            ),
            (
                "tokens",
                Needs::Token,
                Question::Token {
                    mechanism,
                    authzid: None,
                    token: Secret::new("x"),
                    host: None,
                    port: None,
                },
            ),
            (
                "kerberos",
                Needs::PassThrough,
                Question::PassThrough {
                    mechanism,
                    message: None,
                },
            ),
        ]
    }

    async fn answered_by(directories: &Directories, question: &Question) -> Option<String> {
        let asker = Asker {
            channel: Channel::default(),
            network: guard::network(IpAddr::from([127, 0, 0, 1])),
            lane: Lane::Strangers,
            conversation: Conversation::default(),
        };
        match directories.answer(question, &asker).await {
            Answer::Verdict(Verdict::Accepted(grant)) => Some(grant.login),
            Answer::Unavailable => None,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn each_kind_of_question_has_its_directory() {
        let alone = Directories::of(Named("accounts"));
        let all = Directories::of(Named("accounts"))
            .with_tokens(Named("tokens"))
            .with_kerberos(Named("kerberos"));
        for (who, needs, question) in questions() {
            let mechanism = Mechanism { needs, ..PLAIN };
            assert_eq!(answered_by(&all, &question).await.as_deref(), Some(who));
            assert!(all.completes(&mechanism, &Channel::default()), "{who}");
            let there = who == "accounts";
            assert_eq!(answered_by(&alone, &question).await.is_some(), there);
            assert_eq!(
                alone.completes(&mechanism, &Channel::default()),
                there,
                "SCR-19: {who}"
            );
        }
    }
}
