//! What credentials can be used for, counted, so that only what somebody can use is announced (SCR-19).

use std::collections::HashMap;

use gatepost_sasl::Hash;

use super::account::{Account, Credential, CredentialKind};
use super::stored_password::StoredPassword;

/// A use of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ability {
    /// A shown password can be checked.
    Password,
    /// SCRAM with this hash.
    Scram(Hash),
    /// CRAM-MD5.
    CramMd5,
    /// DIGEST-MD5.
    DigestMd5,
}

/// How many credentials of enabled accounts can do what.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: HashMap<(CredentialKind, Counted), usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    Can(Ability),
    /// Has keys for SCRAM-SHA-256 and none for this hash.
    Lacks(Hash),
}

impl Tally {
    pub(super) fn add(&mut self, account: &Account) {
        for (kind, counted) in uses(account) {
            *self.counts.entry((kind, counted)).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, account: &Account) {
        for (kind, counted) in uses(account) {
            if let Some(count) = self.counts.get_mut(&(kind, counted)) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Whether a credential of one of these kinds has the ability, and announcing it misleads no other: a client
    /// that could log in by SCRAM-SHA-256 must not choose another hash, because it is stronger or the only other one it
    /// knows, for which its account has no keys yet.
    pub(super) fn serves(&self, kinds: &[CredentialKind], ability: Ability) -> bool {
        let any = |counted| {
            kinds
                .iter()
                .any(|kind| self.counts.get(&(*kind, counted)).is_some_and(|it| *it > 0))
        };
        let misleads = match ability {
            Ability::Scram(hash) => any(Counted::Lacks(hash)),
            Ability::Password | Ability::CramMd5 | Ability::DigestMd5 => false,
        };
        any(Counted::Can(ability)) && !misleads
    }
}

/// Nothing while the account is disabled.
fn uses(account: &Account) -> impl Iterator<Item = (CredentialKind, Counted)> {
    account
        .credentials
        .iter()
        .filter(|_| account.enabled)
        .flat_map(|credential| of(credential).map(|counted| (credential.kind, counted)))
}

fn of(credential: &Credential) -> impl Iterator<Item = Counted> {
    let scram = Hash::ALL.into_iter().filter_map(|hash| {
        if !credential.is_for(hash.scram_name()) {
            return None;
        }
        if credential.scram(hash).is_some() {
            return Some(Counted::Can(Ability::Scram(hash)));
        }
        credential.scram(Hash::Sha256).map(|_| Counted::Lacks(hash))
    });
    let cram_md5 = (credential.has_cram_md5() && credential.is_for("CRAM-MD5"))
        .then_some(Counted::Can(Ability::CramMd5));
    // Those that came alone are of another program, for its names and realms: they check passwords that are shown.
    let own = matches!(credential.password, Some(StoredPassword::Own(_)));
    let own_digest = own && credential.has_digest_md5();
    let digest_md5 =
        (own_digest && credential.is_for("DIGEST-MD5")).then_some(Counted::Can(Ability::DigestMd5));
    // Every verifier can check a shown password.
    let shown = credential.is_for("PLAIN") || credential.is_for("LOGIN");
    let shown = shown.then_some(Counted::Can(Ability::Password));
    scram.chain(cram_md5).chain(digest_md5).chain(shown)
}
