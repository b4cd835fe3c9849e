//! Whose a TLS client certificate is.
//!
//! Rules written by the operator map certificates to accounts; nothing else does: no common name that looks like an address, no
//! wildcard, no "any certificate of this authority". Names are compared octet by octet with what the certificate holds, so that a
//! NUL in a name is a difference and not an end. When the rules that match name several accounts, the certificate is nobody's.
//!
//! The certificate itself was judged before, where TLS ended (`net/tls`): its time, and for rules about names its authority.
//!
//! Standards: RFC 4422 appendix A, RFC 5280 §4.2.1.6, RFC 8314 §4.2.

use gatepost_sasl::{Answer, Mechanism, Needs, Question, Refusal, Verdict};

use super::account_grant::AccountGrants;
use super::channel::Channel;
use super::directory::{Answering, Asker, Directory};
use crate::config::resolved::{CertificateName, CertificateRule};

/// What logs and routes call a certificate that proved an account.
const PROOF: &str = "certificate";

/// A client certificate whose owner is known: what a connection is proven to be before any SASL exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of the certificate in hexadecimal.
    pub fingerprint: String,
    /// The account that the rules name.
    pub account: String,
}

/// What rules look at in a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// SHA-256 of its public key (`SubjectPublicKeyInfo`).
    pub key_sha256: [u8; 32],
    /// E-mail addresses among the subject's alternative names.
    pub emails: Vec<String>,
    /// DNS names among them.
    pub dns_names: Vec<String>,
    /// The subject as RFC 4514 writes it.
    pub subject: String,
    /// Signed, directly or not, by an authority of this listener, for clients: only then are its names worth anything.
    pub trusted: bool,
}

/// Why a certificate is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmapped {
    /// No rule matches.
    NoRule,
    /// Rules match that name different accounts.
    SeveralAccounts,
}

/// The account whose certificate this is.
pub fn account_of<'r>(
    rules: &'r [CertificateRule],
    features: &Features,
) -> Result<&'r str, Unmapped> {
    let mut named = rules
        .iter()
        .filter(|rule| features.fit(&rule.name))
        .map(|rule| rule.account.as_str());
    let account = named.next().ok_or(Unmapped::NoRule)?;
    if named.all(|other| other == account) {
        Ok(account)
    } else {
        Err(Unmapped::SeveralAccounts)
    }
}

impl Features {
    fn fit(&self, name: &CertificateName) -> bool {
        match name {
            // A pinned key needs nobody to vouch for it.
            CertificateName::Key(pin) => *pin == self.key_sha256,
            CertificateName::Email(email) => self.trusted && self.emails.contains(email),
            CertificateName::Dns(name) => self.trusted && self.dns_names.contains(name),
            CertificateName::Subject(subject) => self.trusted && self.subject == *subject,
        }
    }
}

/// Answers whose the certificate of a connection is.
pub struct CertificateDirectory {
    grants: AccountGrants,
}

impl CertificateDirectory {
    /// Certificates of these accounts.
    pub fn new(grants: AccountGrants) -> Self {
        Self { grants }
    }
}

impl Directory for CertificateDirectory {
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a> {
        Box::pin(async move {
            match (question, &asker.channel.client_certificate) {
                (Question::Certificate { authzid, .. }, Some(certificate)) => {
                    let account = &certificate.account;
                    Answer::Verdict(self.grants.proven(account, PROOF, authzid.as_ref()))
                }
                // EXT-03: a certificate that the client does not have is a credential that it does not have.
                (Question::Certificate { .. }, None) => {
                    Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid))
                }
                _ => Answer::Unavailable,
            }
        })
    }

    /// EXT-01: on this connection, now.
    fn completes(&self, mechanism: &Mechanism, channel: &Channel) -> bool {
        let certificate = channel.client_certificate.as_deref();
        mechanism.needs == Needs::Certificate
            && certificate.is_some_and(|it| self.grants.is_enabled(&it.account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(account: &str, name: CertificateName) -> CertificateRule {
        CertificateRule {
            account: account.to_owned(),
            name,
        }
    }

    fn rules() -> Vec<CertificateRule> {
        vec![
            rule("pinned", CertificateName::Key([7; 32])),
            rule("fax", CertificateName::Email("fax@example.com".to_owned())),
            rule("web", CertificateName::Dns("web.example.com".to_owned())),
            rule("web", CertificateName::Dns("www.example.com".to_owned())),
            rule(
                "subject",
                CertificateName::Subject("CN=scanner,O=Example".to_owned()),
            ),
        ]
    }

    /// One of the authority's certificates.
    fn trusted() -> Features {
        Features {
            trusted: true,
            ..Features::default()
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    // T-22: "explicit mapping, exact compare of ASN.1 strings, no CN fallback", "two e-mails".
    #[test]
    fn t_22_only_what_a_rule_names_is_somebody() {
        let email = |list: &[&str]| Features {
            emails: names(list),
            ..trusted()
        };
        let dns = |list: &[&str]| Features {
            dns_names: names(list),
            ..trusted()
        };
        let subject = |text: &str| Features {
            subject: text.to_owned(),
            ..trusted()
        };
        let rules = rules();
        let none = Err(Unmapped::NoRule);
        let several = Err(Unmapped::SeveralAccounts);
        let key = |octet| Features {
            key_sha256: [octet; 32],
            ..Features::default()
        };
        for (features, account) in [
            (trusted(), none),
            (key(7), Ok("pinned")),
            (key(8), none),
            (email(&["fax@example.com"]), Ok("fax")),
            (email(&["FAX@example.com"]), none),
            (email(&["fax@example.com "]), none),
            (email(&["fax@example.com\0.evil.example"]), none),
            (email(&["fax@example.co"]), none),
            (email(&["*@example.com"]), none),
            (email(&["else@example.com", "fax@example.com"]), Ok("fax")),
            (dns(&["fax@example.com"]), none),
            (dns(&["web.example.com"]), Ok("web")),
            (dns(&["web.example.com", "www.example.com"]), Ok("web")),
            (dns(&["*.example.com"]), none),
            (dns(&["example.com"]), none),
            (email(&["web.example.com"]), none),
            (subject("CN=scanner,O=Example"), Ok("subject")),
            (subject("CN=scanner\\,O=Example"), none),
            (subject("O=Example,CN=scanner"), none),
            (subject("CN=fax@example.com"), none),
            (subject("CN=web.example.com"), none),
            (
                Features {
                    dns_names: names(&["web.example.com"]),
                    ..email(&["fax@example.com"])
                },
                several,
            ),
        ] {
            assert_eq!(account_of(&rules, &features), account, "{features:?}");
            // Without its authority, names are what anybody can write; a pinned key is not.
            let untrusted = Features {
                trusted: false,
                ..features.clone()
            };
            let pinned = features.key_sha256 == [7; 32];
            let found = account_of(&rules, &untrusted);
            assert_eq!(found, if pinned { Ok("pinned") } else { none });
        }
        assert_eq!(account_of(&[], &key(7)), none);
    }
}
