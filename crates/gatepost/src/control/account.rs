//! Accounts as commands see and change them.

use std::collections::HashMap;

use gatepost_sasl::{Secret, mechanism};
use gatepost_smtp::path::Address;
use serde::{Deserialize, Serialize};

use super::command::{Control, Done, Failure};
use super::portable::{Entry, PortableAccount};
use super::wire_secret::WirePassword;
use crate::observe::event::AccountChanged;
use crate::store::stored_password::StoredPassword;
use crate::store::{Account, Credential, CredentialKind, LookupName, NewAccount, NewPassword};

/// An account as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Its name.
    pub name: String,
    /// The addresses it may send as.
    pub addresses: Vec<String>,
    /// Whether it may do anything.
    pub enabled: bool,
    /// Its credentials.
    pub credentials: Vec<CredentialView>,
    /// Names of the other accounts it may act for.
    pub acts_as: Vec<String>,
}

/// A credential as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialView {
    /// Its name within the account.
    pub label: String,
    /// Where it may be used.
    pub kind: WireKind,
    /// The only mechanisms it is for; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanisms: Option<Vec<String>>,
    /// What is kept of it: `ARGON2ID` or the scheme of another program, names of SCRAM mechanisms, `CRAM-MD5`.
    pub verifiers: Vec<String>,
}

/// A credential's kind on the socket and in output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireKind {
    /// [`CredentialKind::Password`].
    Password,
    /// [`CredentialKind::Legacy`].
    Legacy,
}

impl From<WireKind> for CredentialKind {
    fn from(kind: WireKind) -> Self {
        match kind {
            WireKind::Password => Self::Password,
            WireKind::Legacy => Self::Legacy,
        }
    }
}

impl From<CredentialKind> for WireKind {
    fn from(kind: CredentialKind) -> Self {
        match kind {
            CredentialKind::Password => Self::Password,
            CredentialKind::Legacy => Self::Legacy,
        }
    }
}

/// What came of an import, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Accounts added; none when there was a problem and bad entries were not to be skipped.
    pub added: usize,
    /// Accounts that would be added with `--skip-bad`.
    pub good: usize,
    /// What is wrong with the others.
    pub problems: Vec<ImportProblem>,
}

/// What is wrong with one entry of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProblem {
    /// Its line in the file.
    pub line: usize,
    /// The reason; says what, not what it contains.
    pub why: String,
}

impl Control {
    pub(super) fn add_account(
        &self,
        name: &str,
        addresses: &[String],
        password: &WirePassword,
        kind: WireKind,
        by: &'static str,
    ) -> Result<Done, Failure> {
        let addresses = addresses
            .iter()
            .map(|text| parse_address(text))
            .collect::<Result<Vec<_>, _>>()?;
        let passwords = [new_password(password, kind)];
        let account = self.store().add_account(name, &addresses, &passwords)?;
        Ok(self.changed(&account, "added", by))
    }

    pub(super) fn set_password(
        &self,
        name: &str,
        password: &WirePassword,
        kind: WireKind,
        by: &'static str,
    ) -> Result<Done, Failure> {
        let new = new_password(password, kind);
        let account = self.store().set_password(name, new)?;
        Ok(self.changed(&account, "password-set", by))
    }

    pub(super) fn set_mechanisms(
        &self,
        name: &str,
        kind: WireKind,
        mechanisms: Option<Vec<String>>,
        by: &'static str,
    ) -> Result<Done, Failure> {
        let mechanisms = mechanisms.map(known_mechanisms).transpose()?;
        let account = self
            .store()
            .set_mechanisms(name, kind.into(), mechanisms.as_deref())?;
        Ok(self.changed(&account, "mechanisms-set", by))
    }

    pub(super) fn show_account(&self, name: &str) -> Result<Done, Failure> {
        let account = self.store().existing_account(name)?;
        Ok(Done::Account(self.view(&account)))
    }

    pub(super) fn list_accounts(&self) -> Done {
        let accounts = self.store().accounts();
        Done::Accounts {
            accounts: accounts.iter().map(|account| self.view(account)).collect(),
        }
    }

    pub(super) fn enable_account(
        &self,
        name: &str,
        enabled: bool,
        by: &'static str,
    ) -> Result<Done, Failure> {
        let account = self.store().set_enabled(name, enabled)?;
        let act = if enabled { "enabled" } else { "disabled" };
        Ok(self.changed(&account, act, by))
    }

    pub(super) fn remove_account(&self, name: &str, by: &'static str) -> Result<Done, Failure> {
        let view = self.view(&*self.store().existing_account(name)?);
        let account = self.store().remove_account(name)?;
        self.changed(&account, "removed", by);
        Ok(Done::Account(view))
    }

    pub(super) fn export_accounts(&self, secrets: bool) -> Result<Done, Failure> {
        let accounts = self.store().accounts();
        let accounts = accounts
            .iter()
            .map(|account| PortableAccount::of(self.store(), account, secrets));
        Ok(Done::Exported {
            accounts: accounts.collect::<Result<_, _>>()?,
        })
    }

    /// Adds the accounts of a file: all, or those that can be added when the others are to be skipped, or none.
    pub(super) fn import_accounts(
        &self,
        entries: Vec<Entry>,
        skip_bad: bool,
        dry_run: bool,
        by: &'static str,
    ) -> Result<Done, Failure> {
        let mut report = ImportReport {
            added: 0,
            good: 0,
            problems: Vec::new(),
        };
        let good = self.judge(entries, &mut report.problems);
        report.good = good.len();
        if !dry_run && (skip_bad || report.problems.is_empty()) {
            let names: Vec<_> = good.iter().map(|new| new.name.clone()).collect();
            self.store().import(good)?;
            report.added = names.len();
            for name in names {
                self.tell(name, "imported", by);
            }
        }
        Ok(Done::Imported(report))
    }

    /// The accounts that can be added; for each of the others a problem.
    fn judge(&self, entries: Vec<Entry>, problems: &mut Vec<ImportProblem>) -> Vec<NewAccount> {
        let mut lines: HashMap<LookupName, usize> = HashMap::new();
        let mut good = Vec::with_capacity(entries.len());
        for Entry { line, account } in entries {
            let name = LookupName::prepare(&account.name);
            let judged = match lines.get(&name) {
                Some(first) => Err(format!("the account of line {first} has the same name")),
                None => self.acceptable(account),
            };
            match judged {
                Ok(new) => {
                    lines.insert(name, line);
                    good.push((line, new));
                }
                Err(why) => problems.push(ImportProblem { line, why }),
            }
        }
        // Whom they act as may come later in the file, or not at all.
        good.retain(|(line, new)| {
            let missing = new.acts_as.iter().find(|target| {
                let target = LookupName::prepare(target);
                !lines.contains_key(&target) && self.store().account(&target).is_none()
            });
            if let Some(target) = missing {
                let why = format!("it may act as {target:?}, and there is no such account");
                problems.push(ImportProblem { line: *line, why });
            }
            missing.is_none()
        });
        problems.sort_by_key(|problem| problem.line);
        good.into_iter().map(|(_, new)| new).collect()
    }

    fn acceptable(&self, account: PortableAccount) -> Result<NewAccount, String> {
        let new = account.read().map_err(|failure| failure.to_string())?;
        self.store()
            .check_new(&new)
            .map_err(|error| error.to_string())?;
        Ok(new)
    }

    /// Tells the observer, and shows the account as it is now.
    fn changed(&self, account: &Account, act: &'static str, by: &'static str) -> Done {
        self.tell(account.name.clone(), act, by);
        Done::Account(self.view(account))
    }

    fn tell(&self, account: String, act: &'static str, by: &'static str) {
        self.observer().emit(AccountChanged { account, act, by });
    }

    fn view(&self, account: &Account) -> AccountView {
        AccountView {
            name: account.name.clone(),
            addresses: account.addresses.iter().map(ToString::to_string).collect(),
            enabled: account.enabled,
            credentials: account.credentials.iter().map(CredentialView::of).collect(),
            acts_as: self.store().names(&account.acts_as),
        }
    }
}

impl CredentialView {
    fn of(credential: &Credential) -> Self {
        let password = credential.password.as_ref().map(StoredPassword::scheme);
        let scram = credential.scram.iter().map(|it| it.hash().scram_name());
        let cram_md5 = credential.has_cram_md5().then_some("CRAM-MD5");
        let digest_md5 = credential.has_digest_md5().then_some("DIGEST-MD5");
        Self {
            label: credential.label.clone(),
            kind: credential.kind.into(),
            mechanisms: credential.mechanisms.clone(),
            verifiers: password
                .into_iter()
                .chain(scram)
                .chain(cram_md5)
                .chain(digest_md5)
                .map(str::to_owned)
                .collect(),
        }
    }
}

fn new_password(password: &WirePassword, kind: WireKind) -> NewPassword {
    NewPassword {
        kind: kind.into(),
        password: Secret::new(password.expose().as_bytes()),
    }
}

/// The names as they are registered. A credential that is for nothing is no credential.
pub(super) fn known_mechanisms(names: Vec<String>) -> Result<Vec<String>, Failure> {
    if names.is_empty() {
        return Err(Failure(
            "no mechanism is named: `gatepost account disable` switches an account off".to_owned(),
        ));
    }
    let known = names.into_iter().map(|name| {
        let known = mechanism::by_name(&name).filter(|it| it.proves_password());
        known.map(|it| it.name.to_owned()).ok_or_else(|| {
            let all = mechanism::ALL.iter().filter(|it| it.proves_password());
            let all: Vec<_> = all.map(|it| it.name).collect();
            Failure(format!(
                "{name:?} is no mechanism for passwords; those are {}",
                all.join(", ")
            ))
        })
    });
    known.collect()
}

pub(super) fn parse_address(text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|fault| {
        Failure(format!(
            "{text:?} cannot be an address of an account: {fault}; write it like user@example.com"
        ))
    })
}
