//! The own accounts as a directory.
//!
//! **Fence.** A legacy credential works on legacy listeners and nowhere else. A person's password is never compared
//! with one that crossed the network in clear, or in TLS 1.0 or 1.1. On a legacy listener the credential made for it comes first.
//!
//! **Indistinguishable.** Whoever lacks the credential asked for, be it because the account does not exist, is checked
//! against one that nobody can open: the same number of hashes, the same salt and contexts each time, also after a
//! restart (SCR-18, CRAM-09, PLAIN-09). That an account is disabled is said only after its right credential.
//!
//! **Imported accounts** are checked against what another program kept, and then, unless that was right, against one
//! hash of our own, so that they answer no sooner than others. The first right password that is shown makes
//! the verifiers that are missing (STO-04), on the thread that checked it.
//!
//! **Speed.** SCRAM, CRAM-MD5 and DIGEST-MD5 are answered from memory without leaving the thread. A password seen right within the
//! last minutes costs one keyed hash; any other goes to the hash pool.

use std::sync::Arc;
use std::time::Instant;

use gatepost_sasl::verifier::{fake_cram, fake_digest, fake_scram};
use gatepost_sasl::{
    Answer, Authcid, Authzid, Hash, Mechanism, Needs, Question, Refusal, Secret, Verdict, Verifier,
    VerifierKind, prep,
};

use super::account_grant::AccountGrants;
use super::channel::Channel;
use super::directory::{Answering, Asker, Directory};
use super::hash::HashPool;
use super::verified::VerifiedSecrets;
use crate::observe::Observer;
use crate::observe::event::{AccountChanged, Fault};
use crate::observe::reason::Reason;
use crate::store::password_check::PasswordCheck;
use crate::store::password_hash::{PasswordHash, Workspace};
use crate::store::stored_password::StoredPassword;
use crate::store::{
    Ability, Account, AccountId, Credential, CredentialId, CredentialKind, LookupName, Purpose,
    Store, StoreError,
};

/// Told from other directories in keyed hashes.
const NUMBER: u32 = 1;

/// Answers from the [`Store`].
pub struct StoreDirectory {
    store: Store,
    grants: AccountGrants,
    pool: HashPool,
    verified: Arc<VerifiedSecrets>,
    observer: Observer,
    fake_key: Secret,
    /// A hash no password is known for.
    dummy: PasswordCheck,
}

/// A credential whose password was given.
type Proven = (AccountId, CredentialId);

/// Something to compare a password with.
#[derive(Clone)]
struct Candidate {
    check: PasswordCheck,
    /// Whose it is; `None` for the dummy, which opens nothing.
    of: Option<Proven>,
}

impl StoreDirectory {
    /// A directory over the store, hashing on the pool; the observer hears of verifiers that were made at a login. Hashes
    /// once: not for async threads.
    pub fn new(store: Store, pool: HashPool, observer: Observer) -> Result<Self, StoreError> {
        let seal = store.seal();
        let mut nobody = [0_u8; 32];
        getrandom::fill(&mut nobody).map_err(|_| StoreError::Crypto("no random octets"))?;
        Ok(Self {
            verified: Arc::new(VerifiedSecrets::new(
                &seal.derive(Purpose::VerifiedSecrets),
                NUMBER,
            )),
            fake_key: Secret::new(seal.derive(Purpose::FakeVerifiers).as_slice()),
            dummy: PasswordCheck::Stored(StoredPassword::Own(PasswordHash::derive(
                &nobody,
                store.costs().argon2,
            )?)),
            grants: AccountGrants::new(store.clone()),
            store,
            pool,
            observer,
        })
    }

    async fn password(
        &self,
        authcid: &Authcid,
        authzid: Option<&Authzid>,
        password: &Secret,
        mechanism: &Mechanism,
        asker: &Asker,
    ) -> Verdict {
        let name = LookupName::prepare(authcid.as_str());
        let account = self.store.account(&name);
        let remembered = self.remembered(
            account.as_deref(),
            mechanism,
            &asker.channel,
            password.expose(),
        );
        let proven = if remembered.is_some() {
            remembered
        } else {
            let Ok(candidates) = self.candidates(account.as_deref(), mechanism, &asker.channel)
            else {
                return Verdict::Refused(Refusal::Unavailable);
            };
            match self.hash(candidates, &name, password.clone(), asker).await {
                Ok(proven) => proven,
                Err(refusal) => return Verdict::Refused(refusal),
            }
        };
        // The account as it is now, not as it was before the hash: its password may have changed meanwhile.
        let account = self.store.account(&name);
        let credential = account.as_deref().and_then(|account| {
            account
                .credentials
                .iter()
                .find(|credential| proven == Some((account.id, credential.id)))
        });
        match (account.as_deref(), credential) {
            (Some(account), Some(credential)) => {
                self.grants.verdict(account, &credential.label, authzid)
            }
            _ => Verdict::Refused(Refusal::CredentialsInvalid),
        }
    }

    /// At least one hash of our own for each kind of credential this channel takes: a real one, or the dummy where there is
    /// none. Fails when a sealed value does not open.
    fn candidates(
        &self,
        account: Option<&Account>,
        mechanism: &Mechanism,
        channel: &Channel,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut candidates = Vec::with_capacity(CredentialKind::ALL.len());
        for kind in shown_passwords(channel) {
            let mut own = false;
            for (account, credential) in credentials(account, *kind, mechanism.name) {
                let check = self.store.password_check(credential)?;
                own |= check.is_own();
                candidates.push(Candidate {
                    check,
                    of: Some((account.id, credential.id)),
                });
            }
            if !own {
                candidates.push(Candidate {
                    check: self.dummy.clone(),
                    of: None,
                });
            }
        }
        Ok(candidates)
    }

    /// The credential that this password was seen to open, without hashing.
    fn remembered(
        &self,
        account: Option<&Account>,
        mechanism: &Mechanism,
        channel: &Channel,
        password: &[u8],
    ) -> Option<Proven> {
        let now = Instant::now();
        shown_passwords(channel)
            .iter()
            .flat_map(|kind| credentials(account, *kind, mechanism.name))
            .map(|(account, credential)| (account.id, credential.id))
            .find(|of| self.verified.holds(&self.verified.fact(*of, password), now))
    }

    /// Tries the password against all candidates on the hash pool.
    async fn hash(
        &self,
        candidates: Vec<Candidate>,
        name: &LookupName,
        password: Secret,
        asker: &Asker,
    ) -> Result<Option<Proven>, Refusal> {
        let verified = Arc::clone(&self.verified);
        let completion = Completion {
            store: self.store.clone(),
            observer: self.observer.clone(),
            name: name.clone(),
        };
        let work = move |workspace: &mut Workspace| {
            try_all(&candidates, &password, &verified, &completion, workspace)
        };
        match self.pool.run(asker.lane, asker.network, work).await {
            Ok(Ok(proven)) => Ok(proven),
            Ok(Err(_)) | Err(_) => Err(Refusal::Unavailable),
        }
    }

    fn scram(
        &self,
        hash: Hash,
        authcid: &Authcid,
        authzid: Option<&Authzid>,
        channel: &Channel,
    ) -> Answer {
        let name = LookupName::prepare(authcid.as_str());
        let account = self.store.account(&name);
        let kinds = kinds(channel);
        let found = kinds
            .iter()
            .flat_map(|kind| credentials(account.as_deref(), *kind, hash.scram_name()))
            .find_map(|(account, credential)| Some((account, credential, credential.scram(hash)?)));
        if let Some((account, credential, verifier)) = found {
            let verdict = self.grants.verdict(account, &credential.label, authzid);
            return Answer::Verifier {
                verifier: Verifier::Scram(verifier.clone()),
                verdict,
            };
        }
        match fake_scram(
            &self.fake_key,
            name.as_str(),
            hash,
            self.store.costs().scram_iterations,
        ) {
            Ok(verifier) => Answer::Verifier {
                verifier: Verifier::Scram(verifier),
                verdict: Verdict::Refused(Refusal::CredentialsInvalid),
            },
            Err(_) => Answer::Unavailable,
        }
    }

    fn cram_md5(&self, name: &LookupName, authzid: Option<&Authzid>, channel: &Channel) -> Answer {
        let stored = |credential: &Credential| {
            let contexts = self.store.cram_contexts(credential)?;
            Ok(contexts.map(Verifier::CramMd5))
        };
        let fake = || Verifier::CramMd5(fake_cram(&self.fake_key, name.as_str()));
        self.legacy(name, ("CRAM-MD5", authzid), channel, stored, fake)
    }

    fn digest_md5(
        &self,
        name: &LookupName,
        authzid: Option<&Authzid>,
        channel: &Channel,
    ) -> Answer {
        let stored = |credential: &Credential| {
            let hashes = self.store.digest_hashes(credential)?;
            Ok(hashes.map(Verifier::DigestMd5))
        };
        let fake = || {
            let realms = self
                .store
                .costs()
                .digest_realms_of(name.as_str(), CredentialKind::Legacy);
            let realms = realms.into_iter().flatten();
            Verifier::DigestMd5(fake_digest(&self.fake_key, name.as_str(), realms))
        };
        self.legacy(name, ("DIGEST-MD5", authzid), channel, stored, fake)
    }

    /// What only legacy credentials have, on legacy listeners: of the first that has it, or else a fake.
    fn legacy(
        &self,
        name: &LookupName,
        (mechanism, authzid): (&str, Option<&Authzid>),
        channel: &Channel,
        stored: impl Fn(&Credential) -> Result<Option<Verifier>, StoreError>,
        fake: impl Fn() -> Verifier,
    ) -> Answer {
        let account = self.store.account(name);
        let legacy = account.as_deref().filter(|_| channel.legacy);
        for (account, credential) in credentials(legacy, CredentialKind::Legacy, mechanism) {
            match stored(credential) {
                Ok(Some(verifier)) => {
                    let verdict = self.grants.verdict(account, &credential.label, authzid);
                    return Answer::Verifier { verifier, verdict };
                }
                Ok(None) => {}
                Err(_) => return Answer::Unavailable,
            }
        }
        Answer::Verifier {
            verifier: fake(),
            verdict: Verdict::Refused(Refusal::CredentialsInvalid),
        }
    }
}

impl Directory for StoreDirectory {
    fn answer<'a>(&'a self, question: &'a Question, asker: &'a Asker) -> Answering<'a> {
        Box::pin(async move {
            match question {
                Question::Password {
                    mechanism,
                    authcid,
                    authzid,
                    password,
                } => {
                    match self
                        .password(authcid, authzid.as_ref(), password, mechanism, asker)
                        .await
                    {
                        Verdict::Refused(Refusal::Unavailable) => Answer::Unavailable,
                        verdict => Answer::Verdict(verdict),
                    }
                }
                Question::Verifier {
                    mechanism,
                    authcid,
                    authzid,
                } => match mechanism.needs {
                    Needs::Verifier(VerifierKind::Scram(hash)) => {
                        self.scram(hash, authcid, authzid.as_ref(), &asker.channel)
                    }
                    Needs::Verifier(VerifierKind::CramMd5) => {
                        let name = LookupName::prepare(authcid.as_str());
                        self.cram_md5(&name, authzid.as_ref(), &asker.channel)
                    }
                    Needs::Verifier(VerifierKind::DigestMd5) => {
                        let name = LookupName::prepare(authcid.as_str());
                        self.digest_md5(&name, authzid.as_ref(), &asker.channel)
                    }
                    _ => Answer::Unavailable,
                },
                _ => Answer::Unavailable,
            }
        })
    }

    fn completes(&self, mechanism: &Mechanism, channel: &Channel) -> bool {
        match mechanism.needs {
            Needs::Password => self
                .store
                .serves(shown_passwords(channel), Ability::Password),
            Needs::Verifier(VerifierKind::Scram(hash)) => {
                self.store.serves(kinds(channel), Ability::Scram(hash))
            }
            Needs::Verifier(VerifierKind::CramMd5) => {
                let legacy = &[CredentialKind::Legacy];
                channel.legacy && self.store.serves(legacy, Ability::CramMd5)
            }
            Needs::Verifier(VerifierKind::DigestMd5) => {
                let legacy = &[CredentialKind::Legacy];
                channel.legacy && self.store.serves(legacy, Ability::DigestMd5)
            }
            _ => false,
        }
    }

    fn realms(&self) -> &[String] {
        &self.store.costs().digest_realms
    }
}

/// The kinds of credential that work on a channel, the one made for it first.
fn kinds(channel: &Channel) -> &'static [CredentialKind] {
    if channel.legacy {
        &[CredentialKind::Legacy, CredentialKind::Password]
    } else {
        &[CredentialKind::Password]
    }
}

/// Those that a password shown on this channel may be compared with.
fn shown_passwords(channel: &Channel) -> &'static [CredentialKind] {
    match (channel.tls, channel.legacy) {
        (true, true) if channel.deprecated_tls => &[CredentialKind::Legacy],
        (true, _) => kinds(channel),
        (false, true) => &[CredentialKind::Legacy],
        (false, false) => &[],
    }
}

/// Those of a kind. One that is for other mechanisms only is as if it were not there.
fn credentials<'a>(
    account: Option<&'a Account>,
    kind: CredentialKind,
    mechanism: &str,
) -> impl Iterator<Item = (&'a Account, &'a Credential)> {
    account
        .into_iter()
        .flat_map(|account| {
            account
                .credentials
                .iter()
                .map(move |credential| (account, credential))
        })
        .filter(move |(_, credential)| credential.kind == kind && credential.is_for(mechanism))
}

/// Runs on the pool. The forms of the password in constant order (PREP-03), each against every candidate.
fn try_all(
    candidates: &[Candidate],
    password: &Secret,
    verified: &VerifiedSecrets,
    completion: &Completion,
    workspace: &mut Workspace,
) -> Result<Option<Proven>, StoreError> {
    let fact = |of| verified.fact(of, password.expose());
    // Someone with the same password may have been hashed while this one waited: a client with many sessions costs one
    // hash.
    let known = candidates
        .iter()
        .filter_map(|candidate| candidate.of)
        .find(|of| verified.holds(&fact(*of), Instant::now()));
    if known.is_some() {
        return Ok(known);
    }
    for form in prep::password_forms(password.expose()) {
        for candidate in candidates {
            let matches = candidate.check.matches(&form, workspace)?;
            if let (true, Some(of)) = (matches, candidate.of) {
                verified.learn(fact(of), Instant::now());
                completion.of(of, &form);
                return Ok(Some(of));
            }
        }
    }
    Ok(None)
}

/// Makes the verifiers a credential lacks, while its password is at hand.
struct Completion {
    store: Store,
    observer: Observer,
    name: LookupName,
}

impl Completion {
    /// Whether or not it succeeds, the login does; the next one that is hashed tries again.
    fn of(&self, (_, credential): Proven, password: &Secret) {
        match self
            .store
            .complete_credential(&self.name, credential, password)
        {
            Ok(Some(account)) => self.observer.emit(AccountChanged {
                account: account.name.clone(),
                act: "verifiers-made",
                by: "login",
            }),
            // A password that another program took and we would not, such as one in an unknown character set, stays as it is.
            Ok(None) | Err(StoreError::PasswordUnusable(_)) => {}
            Err(error) => self.observer.emit(Fault {
                part: "accounts",
                reason: Reason::StorageFailed,
                detail: error.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_sasl::mechanism;

    use super::*;
    use crate::store::verifiers::Verifiers;
    use crate::store::{Costs, NewAccount, NewCredential, NewPassword, Proof};

    /// PLAIN-09, T-12: whoever is asked for, the same number of hashes of the same cost is computed.
    #[test]
    fn plain_09_unknown_and_keyless_names_cost_as_many_hashes_as_known_ones() {
        let directory = tempfile::tempdir().unwrap();
        let argon2 = crate::store::password_hash::Cost {
            memory_kib: 64,
            passes: 1,
        };
        let store = Store::open(
            directory.path(),
            Costs {
                argon2,
                ..Costs::default()
            },
        )
        .unwrap();
        let add = |name: &str, kinds: &[CredentialKind]| {
            let passwords: Vec<_> = kinds
                .iter()
                .map(|kind| NewPassword {
                    kind: *kind,
                    password: Secret::new("flintstone"),
                })
                .collect();
            store.add_account(name, &[], &passwords).unwrap()
        };
        let imported = |name: &str, kind| NewAccount {
            name: name.to_owned(),
            addresses: Vec::new(),
            enabled: true,
            credentials: vec![NewCredential {
                kind,
                label: "imported".to_owned(),
                mechanisms: None,
                proof: Proof::Kept(Box::new(Verifiers::kept(
                    StoredPassword::parse("{SHA}0vxRJJChUDZGC1SJQBQ51tpUB/o=").ok(),
                    Vec::new(),
                    None,
                    None,
                ))),
            }],
            acts_as: Vec::new(),
        };
        let both = CredentialKind::ALL.map(|kind| imported(kind.as_str(), kind));
        store.import(both.to_vec()).unwrap();
        let accounts = [
            store.account(&LookupName::prepare("password")).unwrap(),
            store.account(&LookupName::prepare("legacy")).unwrap(),
            add("both", &CredentialKind::ALL),
            add("a password", &[CredentialKind::Password]),
            add("a legacy one", &[CredentialKind::Legacy]),
            add("none", &[]),
        ];
        let pool = HashPool::with_threads(1).unwrap();
        let known = StoreDirectory::new(store, pool, Observer::new(Vec::new())).unwrap();
        for (tls, legacy, hashes) in [
            (true, false, 1),
            (false, true, 1),
            (true, true, 2),
            (false, false, 0),
        ] {
            let channel = Channel {
                tls,
                legacy,
                ..Channel::default()
            };
            let asked = accounts
                .iter()
                .map(|account| Some(&**account))
                .chain([None]);
            for account in asked {
                let candidates = known
                    .candidates(account, &mechanism::PLAIN, &channel)
                    .unwrap();
                // What another program kept is checked besides.
                let own = candidates.iter().filter(|it| it.check.is_own());
                let candidates: Vec<_> = own.collect();
                assert_eq!(candidates.len(), hashes, "{account:?} {channel:?}");
                let costs = format!("{:?}", known.dummy);
                assert!(
                    candidates
                        .iter()
                        .all(|candidate| format!("{:?}", candidate.check) == costs)
                );
            }
        }
    }
}
