//! All directories of the program as one: each question goes to the one that can answer its kind.
//!
//! | question | goes to |
//! |---|---|
//! | token | the token validator, where token issuers are configured |
//! | passed through | Kerberos, where a keytab is configured |
//! | certificate | the owner of the connection's client certificate |
//! | anonymous | the account that the listener has for guests |
//! | all others | the own accounts |
//!
//! A question that nobody is there for is answered with [`Answer::Unavailable`]; it is not asked in earnest, because its
//! mechanism is not announced.
//!
//! **One connection, one account** (CB-12). Where the client's certificate has an owner, nobody else can prove himself on that
//! connection, by whatever mechanism: such a proof is refused as a wrong one is.

use gatepost_sasl::{Answer, Mechanism, Needs, PassThroughStep, Question, Refusal, Verdict};

use super::account_grant::AccountGrants;
use super::certificate::{CertificateDirectory, ClientCertificate};
use super::channel::Channel;
use super::directory::{Answering, Asker, Directory};
use super::guests::GuestDirectory;
use crate::store::LookupName;

/// The directories.
pub struct Directories {
    accounts: Box<dyn Directory>,
    certificates: CertificateDirectory,
    guests: GuestDirectory,
    tokens: Option<Box<dyn Directory>>,
    kerberos: Option<Box<dyn Directory>>,
}

impl Directories {
    /// The own accounts alone; `grants` are for the same accounts.
    pub fn of(accounts: impl Directory + 'static, grants: &AccountGrants) -> Self {
        Self {
            accounts: Box::new(accounts),
            certificates: CertificateDirectory::new(grants.clone()),
            guests: GuestDirectory::new(grants.clone()),
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
            Question::Certificate { .. } => Some(&self.certificates),
            Question::Anonymous { .. } => Some(&self.guests),
            Question::Password { .. } | Question::Verifier { .. } | Question::Response { .. } => {
                Some(&*self.accounts)
            }
        }
    }

    fn that_completes(&self, mechanism: &Mechanism) -> Option<&dyn Directory> {
        match mechanism.needs {
            Needs::Token => self.tokens.as_deref(),
            Needs::PassThrough => self.kerberos.as_deref(),
            Needs::Certificate => Some(&self.certificates),
            Needs::Nothing => Some(&self.guests),
            Needs::Password | Needs::Verifier(_) => Some(&*self.accounts),
        }
    }
}

impl Directory for Directories {
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a> {
        let Some(directory) = self.that_answers(question) else {
            return Box::pin(async { Answer::Unavailable });
        };
        let answering = directory.answer(question, asker);
        match &asker.channel.client_certificate {
            None => answering,
            Some(certificate) => Box::pin(async { only_its_owner(answering.await, certificate) }),
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

/// The answer on a connection that is proven to be the certificate owner's (CB-12).
fn only_its_owner(answer: Answer, certificate: &ClientCertificate) -> Answer {
    let judged = |verdict| match verdict {
        Verdict::Accepted(grant)
            if LookupName::prepare(&grant.login) != LookupName::prepare(&certificate.account) =>
        {
            Verdict::Refused(Refusal::CredentialsInvalid)
        }
        verdict => verdict,
    };
    match answer {
        Answer::Verdict(verdict) => Answer::Verdict(judged(verdict)),
        Answer::Verifier { verifier, verdict } => Answer::Verifier {
            verifier,
            verdict: judged(verdict),
        },
        Answer::Checked { verdict, proof } => Answer::Checked {
            verdict: judged(verdict),
            proof,
        },
        Answer::PassThrough(PassThroughStep::Done {
            verdict,
            authcid,
            authzid,
            final_data,
            layer,
        }) => Answer::PassThrough(PassThroughStep::Done {
            verdict: judged(verdict),
            authcid,
            authzid,
            final_data,
            layer,
        }),
        undecided @ (Answer::SecretKept
        | Answer::PassThrough(PassThroughStep::Challenge(_))
        | Answer::TokenRefused { .. }
        | Answer::Unavailable) => undecided,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use gatepost_sasl::mechanism::PLAIN;
    use gatepost_sasl::verifier::fake_scram;
    use gatepost_sasl::{Authcid, Grant, Hash, Secret, Verifier};

    use super::*;
    use crate::auth::directory::Conversation;
    use crate::auth::guard;
    use crate::auth::hash::Lane;
    use crate::store::{Costs, Store};

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
        let place = tempfile::tempdir().unwrap();
        let grants = AccountGrants::new(Store::open(place.path(), Costs::default()).unwrap());
        let alone = Directories::of(Named("accounts"), &grants);
        let all = Directories::of(Named("accounts"), &grants)
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

    // CB-12: "cert account and SASL account must agree".
    #[test]
    fn cb_12_a_proof_of_another_account_than_the_certificates_is_none() {
        let certificate = ClientCertificate {
            fingerprint: String::new(),
            account: "Fred@example.com".to_owned(),
        };
        let granted = |login: &str| {
            Verdict::Accepted(Grant {
                login: login.to_owned(),
                acts_as: "shared@example.com".to_owned(),
                credential: "password".to_owned(),
            })
        };
        let verifier =
            || Verifier::Scram(fake_scram(&Secret::new("k"), "x", Hash::Sha256, 4096).unwrap());
        let answers: [&dyn Fn(Verdict) -> Answer; 4] = [
            &Answer::Verdict,
            &|verdict| Answer::Verifier {
                verifier: verifier(),
                verdict,
            },
            &|verdict| Answer::Checked {
                verdict,
                proof: None,
            },
            &|verdict| {
                Answer::PassThrough(PassThroughStep::Done {
                    verdict,
                    authcid: None,
                    authzid: None,
                    final_data: None,
                    layer: None,
                })
            },
        ];
        let refused = || Verdict::Refused(Refusal::CredentialsInvalid);
        for answer in answers {
            for (given, left) in [
                (granted("fred@example.com"), granted("fred@example.com")),
                (granted("wilma@example.com"), refused()),
                (refused(), refused()),
                (
                    Verdict::Refused(Refusal::AccountDisabled),
                    Verdict::Refused(Refusal::AccountDisabled),
                ),
            ] {
                let judged = only_its_owner(answer(given), &certificate);
                assert_eq!(format!("{judged:?}"), format!("{:?}", answer(left)));
            }
        }
    }
}
