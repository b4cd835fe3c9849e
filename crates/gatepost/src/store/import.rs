//! Many accounts at once: all of them or none.
//!
//! Accounts come from another program or from an export of this one, with passwords in clear or with what that program kept
//! of them. [`Store::check_new`] says beforehand what would stop one of them; [`Store::import`] adds them in one transaction.

use std::sync::Arc;

use gatepost_sasl::Secret;
use gatepost_smtp::path::Address;
use rusqlite::TransactionBehavior;

use super::account::CredentialKind;
use super::error::StoreError;
use super::name::{self, LookupName};
use super::verifiers::{self, Verifiers};
use super::{Store, credential_rows, rows, with_own_address};

/// An account to be added.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// The addresses it may send as. If the name is an address and not among them, it becomes the first.
    pub addresses: Vec<Address>,
    /// Whether it may do anything.
    pub enabled: bool,
    /// The ways to prove to be this account.
    pub credentials: Vec<NewCredential>,
    /// Names of accounts it may act for; they exist, or are added at the same time.
    pub acts_as: Vec<String>,
}

/// A credential to be added.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Where it may be used.
    pub kind: CredentialKind,
    /// Its name within the account.
    pub label: String,
    /// SASL names of the only mechanisms it is for.
    pub mechanisms: Option<Vec<String>>,
    /// What proves it.
    pub proof: Proof,
}

/// What is known of a password.
#[derive(Debug, Clone)]
pub enum Proof {
    /// The password itself, as for a new one.
    Password(Secret),
    /// What another program, or this one, kept of it: at least one verifier.
    Kept(Box<Verifiers>),
}

impl Store {
    /// What stops this account from being added, if anything; says nothing of others added with it.
    pub fn check_new(&self, new: &NewAccount) -> Result<(), StoreError> {
        if !name::acceptable(&new.name) {
            return Err(StoreError::NameInvalid {
                name: new.name.clone(),
            });
        }
        if let Some(existing) = self.account(&LookupName::prepare(&new.name)) {
            return Err(StoreError::AccountExists {
                name: existing.name.clone(),
            });
        }
        new.credentials.iter().try_for_each(|it| match &it.proof {
            Proof::Password(password) => verifiers::check_usable(password),
            Proof::Kept(_) => Ok(()),
        })
    }

    /// Adds accounts: on disk together, then visible. Blocks for every password that is given in clear.
    pub fn import(&self, accounts: Vec<NewAccount>) -> Result<(), StoreError> {
        let accounts = accounts
            .into_iter()
            .map(|new| self.derived(new))
            .collect::<Result<Vec<_>, _>>()?;
        let inner = &*self.inner;
        let mut db = self.database();
        let failed = |source| StoreError::database(&inner.path, source);
        let transaction = db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        for account in &accounts {
            // Once more, now that nobody else can add any.
            self.check_new(&account.new)?;
            account
                .insert(self, &transaction)
                .map_err(|error| self.failure(error))?;
        }
        let mut loaded = Vec::with_capacity(accounts.len());
        for account in &accounts {
            let of = LookupName::prepare(&account.new.name);
            for target in &account.new.acts_as {
                rows::insert_acts_as_names(&transaction, &of, &LookupName::prepare(target))
                    .map_err(|error| self.failure(error))?;
            }
            loaded.push(Arc::new(rows::load(&transaction, &inner.path, &of)?));
        }
        transaction.commit().map_err(failed)?;
        let mut view = self.view_mut();
        for account in loaded {
            view.put(account);
        }
        Ok(())
    }

    fn derived(&self, mut new: NewAccount) -> Result<Derived, StoreError> {
        let credentials = std::mem::take(&mut new.credentials).into_iter().map(|it| {
            let verifiers = match it.proof {
                Proof::Password(password) => {
                    Verifiers::derive(&new.name, &password, it.kind, &self.inner.costs)?
                }
                Proof::Kept(verifiers) => *verifiers,
            };
            Ok(DerivedCredential {
                kind: it.kind,
                label: it.label,
                mechanisms: it.mechanisms,
                verifiers,
            })
        });
        Ok(Derived {
            credentials: credentials.collect::<Result<_, _>>()?,
            new,
        })
    }
}

/// An account to be added, its passwords hashed.
struct Derived {
    new: NewAccount,
    credentials: Vec<DerivedCredential>,
}

struct DerivedCredential {
    kind: CredentialKind,
    label: String,
    mechanisms: Option<Vec<String>>,
    verifiers: Verifiers,
}

impl Derived {
    fn insert(&self, store: &Store, db: &rusqlite::Connection) -> Result<(), rows::RowError> {
        let lookup = LookupName::prepare(&self.new.name);
        let addresses = with_own_address(&self.new.name, &self.new.addresses);
        let id = rows::insert_account(db, &self.new.name, &lookup, &addresses)?;
        if !self.new.enabled {
            rows::set_enabled(db, id, false)?;
        }
        self.credentials.iter().try_for_each(|it| {
            let place = (it.kind, it.label.as_str());
            credential_rows::insert(db, store.seal(), id, place, &it.verifiers)?;
            let mechanisms = it.mechanisms.as_deref();
            credential_rows::set_mechanisms(db, id, &it.label, mechanisms).map(drop)
        })
    }
}
