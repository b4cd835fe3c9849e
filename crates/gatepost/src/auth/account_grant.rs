//! What a proof of being an account is worth, however it was given: by a password, a token, a certificate, a ticket.
//!
//! Every directory ends here once it knows whom a client has proven to be. The rules are the same for all: the account exists
//! and is enabled, and whoever asks to act for another one has been allowed to (RFC 4422 §3.4.1).

use std::sync::Arc;

use gatepost_sasl::{Authzid, Grant, Refusal, Verdict};

use crate::store::{Account, LookupName, Store};

/// The accounts, as far as granting goes. Clones are the same accounts.
#[derive(Clone)]
pub struct AccountGrants {
    store: Store,
}

impl AccountGrants {
    /// Grants for these accounts.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// What becomes of a client that has proven, without a credential of ours, to be the account of this name. `proof` names what it
    /// proved it with, in logs and to routes: `certificate`, `token`, `kerberos`. A name without account is refused as a wrong
    /// credential is.
    pub fn proven(&self, name: &str, proof: &str, authzid: Option<&Authzid>) -> Verdict {
        match self.account(name) {
            Some(account) => self.verdict(&account, proof, authzid),
            None => Verdict::Refused(Refusal::CredentialsInvalid),
        }
    }

    /// Whether there is such an account.
    pub fn exists(&self, name: &str) -> bool {
        self.account(name).is_some()
    }

    /// Whether somebody who proves to be this account may come in.
    pub fn is_enabled(&self, name: &str) -> bool {
        self.account(name).is_some_and(|account| account.enabled)
    }

    /// What becomes of a client that has proven a credential of this label.
    pub(super) fn verdict(
        &self,
        account: &Account,
        credential: &str,
        authzid: Option<&Authzid>,
    ) -> Verdict {
        if !account.enabled {
            return Verdict::Refused(Refusal::AccountDisabled);
        }
        let Some(acts_as) = self.acts_as(account, authzid) else {
            return Verdict::Refused(Refusal::CredentialsInvalid);
        };
        Verdict::Accepted(Grant {
            login: account.name.clone(),
            acts_as,
            credential: credential.to_owned(),
        })
    }

    /// The name acted for: the own one, or another enabled account's that was granted (RFC 4422 §3.4.1).
    fn acts_as(&self, account: &Account, authzid: Option<&Authzid>) -> Option<String> {
        let Some(authzid) = authzid else {
            return Some(account.name.clone());
        };
        let wanted = LookupName::prepare(authzid.as_str());
        if wanted == account.lookup {
            return Some(account.name.clone());
        }
        let target = self.store.account(&wanted)?;
        (target.enabled && account.acts_as.contains(&target.id)).then(|| target.name.clone())
    }

    fn account(&self, name: &str) -> Option<Arc<Account>> {
        self.store.account(&LookupName::prepare(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Costs;

    // SASL-02, EXT-03.
    #[test]
    fn a_proof_is_worth_the_account_and_those_it_may_act_for() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Costs::default()).unwrap();
        for name in [
            "fred@example.com",
            "shared@example.com",
            "wilma@example.com",
        ] {
            store.add_account(name, &[], &[]).unwrap();
        }
        store
            .grant_acts_as("fred@example.com", "shared@example.com")
            .unwrap();
        let grants = AccountGrants::new(store.clone());
        let prove = |name: &str, authzid: Option<&str>| {
            let authzid = authzid.map(|name| Authzid::parse(name).unwrap());
            match grants.proven(name, "certificate", authzid.as_ref()) {
                Verdict::Accepted(grant) => {
                    assert_eq!(
                        (grant.login, grant.credential),
                        ("fred@example.com".into(), "certificate".into())
                    );
                    Ok(grant.acts_as)
                }
                Verdict::Refused(refusal) => Err(refusal),
            }
        };
        assert_eq!(
            prove("Fred@Example.com", None),
            Ok("fred@example.com".into())
        );
        for (authzid, acts_as) in [
            ("FRED@example.com", Ok("fred@example.com".into())),
            ("shared@example.com", Ok("shared@example.com".into())),
            ("wilma@example.com", Err(Refusal::CredentialsInvalid)),
            ("nobody@example.com", Err(Refusal::CredentialsInvalid)),
        ] {
            assert_eq!(
                prove("fred@example.com", Some(authzid)),
                acts_as,
                "{authzid}"
            );
        }
        assert_eq!(
            prove("nobody@example.com", None),
            Err(Refusal::CredentialsInvalid)
        );
        assert!(grants.is_enabled("fred@example.com") && !grants.is_enabled("nobody@example.com"));
        store.set_enabled("shared@example.com", false).unwrap();
        assert_eq!(
            prove("fred@example.com", Some("shared@example.com")),
            Err(Refusal::CredentialsInvalid)
        );
        store.set_enabled("fred@example.com", false).unwrap();
        assert_eq!(
            prove("fred@example.com", None),
            Err(Refusal::AccountDisabled)
        );
        assert!(!grants.is_enabled("fred@example.com"));
    }
}
