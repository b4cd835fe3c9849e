//! Accounts as they are carried from one place to another: what `gatepost account export` writes and `import` reads,
//! and what the files of other programs are turned into.
//!
//! **Verifiers** are texts that say what they are: a PHC string of argon2id, RFC 5803 for SCRAM, `{SCHEME}value` as Dovecot
//! has it for all else, `{CRAM-MD5}` and `{DIGEST-MD5}` among it. `{PLAIN}` is the password itself.

use gatepost_sasl::{DigestMd5Hashes, HmacMd5Contexts, ScramVerifier, Secret};
use serde::{Deserialize, Serialize};

use super::account::{WireKind, known_mechanisms, parse_address};
use super::command::Failure;
use super::wire_secret::WirePassword;
use crate::store::stored_password::StoredPassword;
use crate::store::verifiers::Verifiers;
use crate::store::{
    Account, Credential, CredentialKind, NewAccount, NewCredential, Proof, Store, StoreError,
};

/// An account and where it stands in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// The line, from 1.
    pub line: usize,
    /// The account.
    pub account: PortableAccount,
}

/// An account with everything that makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortableAccount {
    /// Its name.
    pub name: String,
    /// The addresses it may send as.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Whether it may do anything.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Names of the accounts it may act for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts_as: Vec<String>,
    /// Its credentials. One without verifiers is left out by an import: a new password makes it.
    #[serde(default)]
    pub credentials: Vec<PortableCredential>,
}

/// A credential with what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortableCredential {
    /// Its name within the account; that of its kind when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where it may be used.
    pub kind: WireKind,
    /// SASL names of the only mechanisms it is for; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanisms: Option<Vec<String>>,
    /// What is kept of the password; none in an export without secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verifiers: Vec<WirePassword>,
}

fn enabled() -> bool {
    true
}

impl PortableAccount {
    /// An account of the store, with verifiers if secrets are wanted.
    pub(super) fn of(store: &Store, account: &Account, secrets: bool) -> Result<Self, StoreError> {
        let credentials = account.credentials.iter().map(|credential| {
            Ok(PortableCredential {
                label: Some(credential.label.clone()),
                kind: credential.kind.into(),
                mechanisms: credential.mechanisms.clone(),
                verifiers: if secrets {
                    written(store, account, credential)?
                } else {
                    Vec::new()
                },
            })
        });
        Ok(Self {
            name: account.name.clone(),
            addresses: account.addresses.iter().map(ToString::to_string).collect(),
            enabled: account.enabled,
            acts_as: store.names(&account.acts_as),
            credentials: credentials.collect::<Result<_, StoreError>>()?,
        })
    }

    /// The account to add.
    pub(super) fn read(self) -> Result<NewAccount, Failure> {
        let addresses = self.addresses.iter().map(|text| parse_address(text));
        let mut credentials = Vec::new();
        for credential in self.credentials {
            credentials.extend(credential.read(&self.name)?);
        }
        Ok(NewAccount {
            addresses: addresses.collect::<Result<_, _>>()?,
            name: self.name,
            enabled: self.enabled,
            credentials,
            acts_as: self.acts_as,
        })
    }
}

fn written(
    store: &Store,
    account: &Account,
    credential: &Credential,
) -> Result<Vec<WirePassword>, StoreError> {
    let mut verifiers = Vec::new();
    if let Some(password) = &credential.password {
        verifiers.push(WirePassword::new(&password.to_text()?));
    }
    let scram = credential.scram.iter();
    verifiers.extend(scram.map(|it| WirePassword::new(&it.to_text())));
    if let Some(contexts) = store.cram_contexts(credential)? {
        verifiers.push(WirePassword::new(&contexts.to_dovecot()));
    }
    // Those of several realms are made anew, at a login.
    let hashes = store.digest_hashes(credential)?;
    if let Some(text) = hashes.and_then(|it| it.to_dovecot(&account.name)) {
        verifiers.push(WirePassword::new(&text));
    }
    Ok(verifiers)
}

impl PortableCredential {
    /// `None` when nothing is kept of it.
    fn read(self, account: &str) -> Result<Option<NewCredential>, Failure> {
        let kind = CredentialKind::from(self.kind);
        let label = self.label.unwrap_or_else(|| kind.as_str().to_owned());
        if label.is_empty() || label.len() > MAX_LABEL || label.chars().any(char::is_control) {
            return Err(Failure(format!(
                "{label:?} cannot be the name of a credential: it needs 1 to {MAX_LABEL} octets without control characters"
            )));
        }
        let mechanisms = self.mechanisms.map(known_mechanisms).transpose()?;
        let mut read = Read::default();
        for text in &self.verifiers {
            read.take(account, text.expose())?;
        }
        Ok(read.proof()?.map(|proof| NewCredential {
            kind,
            label,
            mechanisms,
            proof,
        }))
    }
}

/// Longest name of a credential, in octets.
const MAX_LABEL: usize = 64;

/// The verifiers of one credential, as far as they have been read.
#[derive(Default)]
struct Read {
    clear: Option<Secret>,
    password: Option<StoredPassword>,
    scram: Vec<ScramVerifier>,
    cram_md5: Option<HmacMd5Contexts>,
    digest_md5: Option<DigestMd5Hashes>,
}

impl Read {
    fn take(&mut self, account: &str, text: &str) -> Result<(), Failure> {
        let scheme = text
            .split_once('}')
            .map(|(scheme, _)| scheme.to_ascii_uppercase());
        let value = text.split_once('}').map_or(text, |(_, value)| value);
        let repeated = match scheme.as_deref() {
            Some("{PLAIN" | "{CLEARTEXT" | "{CLEAR") => {
                self.clear.replace(Secret::new(value)).is_some()
            }
            Some("{CRAM-MD5") => {
                let contexts = HmacMd5Contexts::parse_dovecot(value).ok_or_else(|| {
                    Failure("its {CRAM-MD5} is damaged: it has 64 hexadecimal digits".to_owned())
                })?;
                self.cram_md5.replace(contexts).is_some()
            }
            Some("{DIGEST-MD5") => {
                let hashes = DigestMd5Hashes::parse_dovecot(account, value).ok_or_else(|| {
                    Failure("its {DIGEST-MD5} is damaged: it has 32 hexadecimal digits".to_owned())
                })?;
                self.digest_md5.replace(hashes).is_some()
            }
            Some(scheme) if scheme.starts_with("{SCRAM-") => {
                self.take_scram(ScramVerifier::parse_dovecot(text))?
            }
            None if text.starts_with("SCRAM-") => self.take_scram(ScramVerifier::parse(text))?,
            _ => {
                let stored = StoredPassword::parse(text).map_err(|fault| {
                    Failure(format!("its password hash cannot be used: {fault}"))
                })?;
                self.password.replace(stored).is_some()
            }
        };
        if repeated {
            return Err(Failure("it has two verifiers of one scheme".to_owned()));
        }
        Ok(())
    }

    fn take_scram(
        &mut self,
        read: Result<ScramVerifier, gatepost_sasl::verifier::VerifierFault>,
    ) -> Result<bool, Failure> {
        let verifier =
            read.map_err(|fault| Failure(format!("its SCRAM verifier cannot be used: {fault}")))?;
        let repeated = self.scram.iter().any(|it| it.hash() == verifier.hash());
        self.scram.push(verifier);
        Ok(repeated)
    }

    fn proof(self) -> Result<Option<Proof>, Failure> {
        let md5 = self.cram_md5.is_some() || self.digest_md5.is_some();
        let kept = self.password.is_some() || !self.scram.is_empty() || md5;
        match (self.clear, kept) {
            (Some(_), true) => Err(Failure(
                "it has both its password and verifiers of it: leave one out".to_owned(),
            )),
            (Some(clear), false) => Ok(Some(Proof::Password(clear))),
            (None, true) => Ok(Some(Proof::Kept(Box::new(Verifiers::kept(
                self.password,
                self.scram,
                self.cram_md5,
                self.digest_md5,
            ))))),
            (None, false) => Ok(None),
        }
    }
}
