//! Accounts and their credentials: SQLite on disk, all of it in memory.
//!
//! **Purpose.** Keeps who exists, what each may send as, and the verifiers of their passwords. Reading never touches
//! the disk: logins read an immutable [`Account`] from memory, whatever thread they are on. Writing is rare and blocks:
//! on stable storage first (WAL, `synchronous=FULL`), then visible to the next login.
//!
//! **Invariants.** One process holds the database at a time (`locking_mode=EXCLUSIVE`), so that memory and disk cannot
//! differ; the others ask through the control socket. All verifiers of a password change in one transaction (SCR-22). A
//! new password is a new [`CredentialId`], so that whatever remembers the old one remembers nothing. No password is
//! recoverable; CRAM-MD5 contexts and DIGEST-MD5 hashes, equivalent to one, are sealed.
//!
//! **Failure.** A damaged row, a foreign or exposed `seal.key`, or a newer schema stops the opening and says what to
//! do.

mod ability;
pub mod account;
mod credential_rows;
mod error;
pub mod foreign_hash;
pub mod import;
pub mod name;
pub mod password_check;
pub mod password_hash;
mod private_file;
mod rows;
mod schema;
pub mod seal;
pub mod stored_password;
pub mod verifiers;
mod view;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use gatepost_sasl::{DigestMd5Hashes, Hash, HmacMd5Contexts, Secret};
use gatepost_smtp::path::Address;
use rusqlite::{Connection, TransactionBehavior};

pub use ability::Ability;
pub use account::{Account, AccountId, Credential, CredentialId, CredentialKind};
pub use error::StoreError;
pub use import::{NewAccount, NewCredential, Proof};
pub use name::LookupName;
pub use seal::{Purpose, SealKey};
pub use verifiers::{Costs, ScramHashes};

use password_check::PasswordCheck;
use verifiers::Verifiers;
use view::View;

const DATABASE: &str = "accounts.db";
/// How long opening waits for another process, such as an `account` command, to finish with the database.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// The accounts of one data directory. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    seal: SealKey,
    costs: Costs,
    db: Mutex<Connection>,
    view: RwLock<View>,
}

/// A password to give to an account.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// Where it may be used.
    pub kind: CredentialKind,
    /// The password: UTF-8, 1 to 1024 octets, no NUL, CR or LF.
    pub password: Secret,
}

impl Store {
    /// Opens the accounts of a data directory, made with everything in it when absent. Blocks up to 2 s while another
    /// process holds them.
    pub fn open(directory: &Path, costs: Costs) -> Result<Self, StoreError> {
        let path = directory.join(DATABASE);
        private_file::make_directory(directory).map_err(|source| StoreError::File {
            action: "create",
            path: directory.to_owned(),
            source,
        })?;
        // The key is made before the database: a database without it has lost it.
        let seal = if path.exists() {
            SealKey::open_existing(directory)?
        } else {
            SealKey::open(directory)?
        };
        let mut db = rows::connect(&path, LOCK_WAIT)?;
        schema::migrate(&mut db, &path)?;
        let failed = |source| StoreError::database(&path, source);
        if !rows::sealed_with(&db, seal.derive(Purpose::KeyCheck).as_ref()).map_err(failed)? {
            return Err(StoreError::SealKeyForeign { database: path });
        }
        credential_rows::delete_other_scram(&db, costs.scram).map_err(failed)?;
        if costs.digest_realms.is_empty() {
            credential_rows::delete_digest_md5(&db).map_err(failed)?;
        }
        rows::refresh_lookups(&mut db, &path)?;
        let accounts = rows::load_all(&db, &path)?;
        let mut view = View::default();
        for account in accounts {
            view.put(Arc::new(account));
        }
        let inner = Inner {
            path,
            seal,
            costs,
            db: Mutex::new(db),
            view: RwLock::new(view),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        self.inner.path.parent().unwrap_or(Path::new("."))
    }

    /// Copies everything into another directory, as it is at one moment. Blocks, and changes wait; logins do not.
    pub fn copy_to(&self, directory: &Path) -> Result<(), StoreError> {
        let path = directory.join(DATABASE);
        let failed = |source| StoreError::File {
            action: "create",
            path: path.clone(),
            source,
        };
        // SQLite takes an empty file for its copy and leaves its mode as it is.
        drop(private_file::create(&path).map_err(failed)?);
        rows::copy_to(&self.database(), &path)
            .map_err(|source| StoreError::database(&self.inner.path, source))?;
        self.inner.seal.write_to(directory)
    }

    /// The seal of this data directory.
    pub fn seal(&self) -> &SealKey {
        &self.inner.seal
    }

    /// Which verifiers new passwords get, and what they cost.
    pub fn costs(&self) -> &Costs {
        &self.inner.costs
    }

    /// The account of a name in any spelling. Memory only: cheap enough for every login.
    pub fn account(&self, name: &LookupName) -> Option<Arc<Account>> {
        self.view().accounts.get(name).cloned()
    }

    /// All accounts, sorted by name.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        let mut all: Vec<_> = self.view().accounts.values().cloned().collect();
        all.sort_by(|a, b| a.lookup.cmp(&b.lookup));
        all
    }

    /// Whether some enabled account has a credential of one of these kinds that can be used so, and announcing it would
    /// lead nobody astray whose credential cannot.
    pub fn serves(&self, kinds: &[CredentialKind], ability: Ability) -> bool {
        let kept = match ability {
            Ability::Scram(hash) => self.inner.costs.scram.contains(hash),
            Ability::Password | Ability::CramMd5 | Ability::DigestMd5 => true,
        };
        kept && self.view().tally.serves(kinds, ability)
    }

    /// What a password shown for this credential is compared with: its hash, or else the strongest of what it has.
    pub fn password_check(&self, credential: &Credential) -> Result<PasswordCheck, StoreError> {
        if let Some(stored) = &credential.password {
            return Ok(PasswordCheck::Stored(stored.clone()));
        }
        let strongest = Hash::ALL
            .into_iter()
            .rev()
            .find_map(|hash| credential.scram(hash));
        if let Some(verifier) = strongest {
            return Ok(PasswordCheck::Scram(verifier.clone()));
        }
        if let Some(contexts) = self.cram_contexts(credential)? {
            return Ok(PasswordCheck::CramMd5(contexts));
        }
        let hashes = self.digest_hashes(credential)?;
        hashes
            .map(PasswordCheck::DigestMd5)
            .ok_or(StoreError::SealBroken)
    }

    /// The HMAC-MD5 contexts of a credential; `None` when it has none.
    pub fn cram_contexts(
        &self,
        credential: &Credential,
    ) -> Result<Option<HmacMd5Contexts>, StoreError> {
        let Some(sealed) = &credential.cram_md5 else {
            return Ok(None);
        };
        let octets = self.inner.seal.open_sealed(
            Purpose::CramContexts,
            &credential.id.to_octets(),
            sealed,
        )?;
        let octets = octets.first_chunk().ok_or(StoreError::SealBroken)?;
        Ok(Some(HmacMd5Contexts::from_bytes(octets)))
    }

    /// The DIGEST-MD5 hashes of a credential; `None` when it has none.
    pub fn digest_hashes(
        &self,
        credential: &Credential,
    ) -> Result<Option<DigestMd5Hashes>, StoreError> {
        let Some(sealed) = &credential.digest_md5 else {
            return Ok(None);
        };
        let octets = self.inner.seal.open_sealed(
            Purpose::DigestHashes,
            &credential.id.to_octets(),
            sealed,
        )?;
        DigestMd5Hashes::from_bytes(&octets)
            .map(Some)
            .ok_or(StoreError::SealBroken)
    }

    /// Adds an account with its passwords: all of it or nothing. Blocks for the derivations and the sync. If the name
    /// is an address and not among `addresses`, it becomes the first of them.
    pub fn add_account(
        &self,
        name: &str,
        addresses: &[Address],
        passwords: &[NewPassword],
    ) -> Result<Arc<Account>, StoreError> {
        if !name::acceptable(name) {
            return Err(StoreError::NameInvalid {
                name: name.to_owned(),
            });
        }
        let lookup = LookupName::prepare(name);
        if let Some(existing) = self.account(&lookup) {
            return Err(StoreError::AccountExists {
                name: existing.name.clone(),
            });
        }
        let addresses = with_own_address(name, addresses);
        let verifiers = self.derive(name, passwords)?;
        self.change(&lookup, |db, seal| {
            let id = rows::insert_account(db, name, &lookup, &addresses)?;
            verifiers.iter().try_for_each(|(kind, verifiers)| {
                credential_rows::insert(db, seal, id, (*kind, kind.as_str()), verifiers)
            })
        })
    }

    /// Gives an account a password of one kind; the account's former credential of that kind is gone, but not which mechanisms it
    /// was for. Blocks like [`Self::add_account`].
    pub fn set_password(&self, name: &str, new: NewPassword) -> Result<Arc<Account>, StoreError> {
        let account = self.existing_account(name)?;
        let verifiers = self.derive(&account.name, &[new])?;
        let kept = |kind: CredentialKind| {
            let former = account.credentials.iter();
            let mut former = former.filter(|it| it.label == kind.as_str());
            former.next().and_then(|it| it.mechanisms.as_deref())
        };
        self.change(&account.lookup, |db, seal| {
            verifiers.iter().try_for_each(|(kind, verifiers)| {
                credential_rows::delete(db, account.id, *kind)?;
                let place = (*kind, kind.as_str());
                credential_rows::insert(db, seal, account.id, place, verifiers)?;
                credential_rows::set_mechanisms(db, account.id, kind.as_str(), kept(*kind))
                    .map(drop)
            })
        })
    }

    /// Says which mechanisms the account's credential of a kind is for, by their SASL names; all of them when `None`.
    pub fn set_mechanisms(
        &self,
        name: &str,
        kind: CredentialKind,
        mechanisms: Option<&[String]>,
    ) -> Result<Arc<Account>, StoreError> {
        let account = self.existing_account(name)?;
        let missing = || StoreError::NoSuchCredential {
            name: account.name.clone(),
            kind: kind.as_str(),
        };
        self.change(&account.lookup, |db, _| {
            let label = kind.as_str();
            let there = credential_rows::set_mechanisms(db, account.id, label, mechanisms)?;
            there.then_some(()).ok_or_else(|| missing().into())
        })
    }

    /// Switches an account on or off.
    pub fn set_enabled(&self, name: &str, enabled: bool) -> Result<Arc<Account>, StoreError> {
        let account = self.existing_account(name)?;
        self.change(&account.lookup, |db, _| {
            rows::set_enabled(db, account.id, enabled)
        })
    }

    /// Makes the verifiers that a credential lacks, or has only in another program's form, of its password, which was just
    /// shown and found right (STO-04). The password is the same, so the credential keeps its number. `None` when there is
    /// nothing to do, or the credential is gone. Blocks like [`Self::add_account`].
    pub fn complete_credential(
        &self,
        name: &LookupName,
        credential: CredentialId,
        password: &Secret,
    ) -> Result<Option<Arc<Account>>, StoreError> {
        let costs = &self.inner.costs;
        let Some(account) = self.account(name) else {
            return Ok(None);
        };
        let known = account.credentials.iter().find(|it| it.id == credential);
        let Some(known) = known.filter(|known| {
            !(known.is_complete(costs.scram) && self.digest_is_current(&account, known))
        }) else {
            return Ok(None);
        };
        let verifiers = Verifiers::derive(&account.name, password, known.kind, costs)?;
        let mut there = false;
        let account = self.change(name, |db, seal| {
            there = credential_rows::replace_verifiers(db, seal, credential, &verifiers)?;
            Ok(())
        })?;
        Ok(there.then_some(account))
    }

    /// Whether the DIGEST-MD5 hashes of a credential are those of its account's name in the realms of today (DIG-22).
    fn digest_is_current(&self, account: &Account, credential: &Credential) -> bool {
        let costs = &self.inner.costs;
        let kept = self.digest_hashes(credential).ok().flatten();
        match (costs.digest_realms_of(&account.name, credential.kind), kept) {
            (None, kept) => kept.is_none(),
            (Some(_), None) => false,
            (Some(wanted), Some(kept)) => {
                let mut realms: Vec<_> = kept.realms().collect();
                realms.dedup();
                kept.username() == account.name && wanted.eq(realms)
            }
        }
    }

    /// Removes an account with its credentials. What it submitted before stays in the queue.
    pub fn remove_account(&self, name: &str) -> Result<Arc<Account>, StoreError> {
        let account = self.existing_account(name)?;
        let inner = &*self.inner;
        let mut db = self.database();
        let failed = |source| StoreError::database(&inner.path, source);
        let transaction = db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        rows::delete_account(&transaction, account.id).map_err(|error| self.failure(error))?;
        transaction.commit().map_err(failed)?;
        self.view_mut().remove(&account);
        Ok(account)
    }

    /// Lets one account act for another (authorization identity, RFC 4422 §3.4.1).
    pub fn grant_acts_as(&self, name: &str, target: &str) -> Result<Arc<Account>, StoreError> {
        let account = self.existing_account(name)?;
        let target = self.existing_account(target)?;
        self.change(&account.lookup, |db, _| {
            rows::insert_acts_as(db, account.id, target.id)
        })
    }

    /// The names of these accounts, sorted.
    pub fn names(&self, ids: &[AccountId]) -> Vec<String> {
        if ids.is_empty() {
            return Vec::new();
        }
        let view = self.view();
        let mut names: Vec<_> = view
            .accounts
            .values()
            .filter(|account| ids.contains(&account.id))
            .map(|account| account.name.clone())
            .collect();
        names.sort();
        names
    }

    /// The account of a name in any spelling, or why there is none.
    pub fn existing_account(&self, name: &str) -> Result<Arc<Account>, StoreError> {
        self.account(&LookupName::prepare(name))
            .ok_or_else(|| StoreError::NoSuchAccount {
                name: name.to_owned(),
            })
    }

    fn derive(
        &self,
        account: &str,
        passwords: &[NewPassword],
    ) -> Result<Vec<(CredentialKind, Verifiers)>, StoreError> {
        passwords
            .iter()
            .map(|new| {
                Ok((
                    new.kind,
                    Verifiers::derive(account, &new.password, new.kind, &self.inner.costs)?,
                ))
            })
            .collect()
    }

    /// Changes one account on disk, then in memory. The database's lock is held over both, so that changes become
    /// visible in the order they were made.
    fn change(
        &self,
        lookup: &LookupName,
        work: impl FnOnce(&Connection, &SealKey) -> Result<(), rows::RowError>,
    ) -> Result<Arc<Account>, StoreError> {
        let inner = &*self.inner;
        let failed = |source| StoreError::database(&inner.path, source);
        let mut db = self.database();
        let transaction = db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        work(&transaction, &inner.seal).map_err(|error| self.failure(error))?;
        let account = Arc::new(rows::load(&transaction, &inner.path, lookup)?);
        transaction.commit().map_err(failed)?;
        self.view_mut().put(Arc::clone(&account));
        Ok(account)
    }

    fn failure(&self, error: rows::RowError) -> StoreError {
        match error {
            rows::RowError::Sqlite(source) => StoreError::database(&self.inner.path, source),
            rows::RowError::Store(error) => error,
        }
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.inner
            .view
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.inner
            .view
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        // A panic in the middle of a change rolled its transaction back; the connection is as good as before.
        self.inner.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.inner.path.display())
    }
}

fn with_own_address(name: &str, addresses: &[Address]) -> Vec<Address> {
    let own = Address::parse(name)
        .ok()
        .filter(|own| !addresses.contains(own));
    own.into_iter().chain(addresses.iter().cloned()).collect()
}
