//! Accounts and credentials as the program holds them in memory.

use std::fmt;

use gatepost_sasl::{Hash, ScramVerifier};
use gatepost_smtp::path::Address;

use super::name::LookupName;
use super::stored_password::StoredPassword;
use super::verifiers::ScramHashes;

/// An account's number; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(i64);

/// A credential's number; never reused, and new with every new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(i64);

impl From<i64> for AccountId {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl AccountId {
    /// The number as the database has it.
    pub(super) fn number(self) -> i64 {
        self.0
    }

    /// The number in octets, for keyed hashes.
    pub fn to_octets(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl From<i64> for CredentialId {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl CredentialId {
    /// The number as the database has it.
    pub(super) fn number(self) -> i64 {
        self.0
    }

    /// The number in octets, for keyed hashes.
    pub fn to_octets(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// One account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its name as it was given; what logs and pages show.
    pub name: String,
    /// Its name as it is compared.
    pub lookup: LookupName,
    /// The addresses it may send as, in the order given.
    pub addresses: Vec<Address>,
    /// A disabled account keeps everything and may do nothing.
    pub enabled: bool,
    /// The ways to prove to be this account.
    pub credentials: Vec<Credential>,
    /// The other accounts it may act for.
    pub acts_as: Vec<AccountId>,
}

/// One way to prove to be an account.
#[derive(Clone)]
pub struct Credential {
    /// Its number.
    pub id: CredentialId,
    /// Where it may be used.
    pub kind: CredentialKind,
    /// Its name within the account.
    pub label: String,
    /// SASL names of the only mechanisms it is for; all of them when absent.
    pub mechanisms: Option<Vec<String>>,
    /// What PLAIN and LOGIN are checked against; without it, another verifier ([`super::Store::password_check`]).
    pub password: Option<StoredPassword>,
    /// What SCRAM is checked against: at most one verifier for each hash.
    pub scram: Vec<ScramVerifier>,
    /// The sealed HMAC-MD5 contexts, opened by [`super::Store::cram_contexts`].
    pub(super) cram_md5: Option<Vec<u8>>,
    /// The sealed DIGEST-MD5 hashes, opened by [`super::Store::digest_hashes`].
    pub(super) digest_md5: Option<Vec<u8>>,
}

impl Credential {
    /// Whether it is for this mechanism. For any other, it is as if it were not there.
    pub fn is_for(&self, mechanism: &str) -> bool {
        let named = self.mechanisms.as_deref();
        named.is_none_or(|named| named.iter().any(|name| name == mechanism))
    }

    /// The SCRAM verifier for a hash.
    pub fn scram(&self, hash: Hash) -> Option<&ScramVerifier> {
        self.scram.iter().find(|verifier| verifier.hash() == hash)
    }

    /// Whether CRAM-MD5 can be checked.
    pub fn has_cram_md5(&self) -> bool {
        self.cram_md5.is_some()
    }

    /// Whether DIGEST-MD5 can be checked.
    pub fn has_digest_md5(&self) -> bool {
        self.digest_md5.is_some()
    }

    /// Whether it has every verifier, besides DIGEST-MD5 hashes, that a new password would get, and in our own form. What has not is completed at the
    /// next login that shows the password (STO-04).
    pub fn is_complete(&self, hashes: ScramHashes) -> bool {
        let own = matches!(self.password, Some(StoredPassword::Own(_)));
        let scram = hashes.iter().all(|hash| self.scram(hash).is_some());
        // A person's password keeps no contexts, not even those an import brought.
        own && scram && self.has_cram_md5() == (self.kind == CredentialKind::Legacy)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// Where a credential may be used. The fence between the two is enforced where directories answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// A person's or program's password: never checked against a password that crossed the network in clear.
    Password,
    /// A device's password: works on legacy listeners and nowhere else.
    Legacy,
}

impl CredentialKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Password, Self::Legacy];

    /// The kind as it is stored and shown; also the label of the credential an account gets without naming one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Legacy => "legacy",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
