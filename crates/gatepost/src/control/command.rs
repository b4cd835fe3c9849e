//! The acts of administration: asked as plain data, done by [`Control`].
//!
//! A [`Command`] and its [`Done`] are what crosses the control socket, one JSON object each. Passwords cross it in
//! clear: it is a file of mode 0600 between processes of one user. They never appear in debug output.

use std::fmt;

use gatepost_sasl::Secret;
use gatepost_smtp::path::Address;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::observe::Observer;
use crate::observe::event::AccountChanged;
use crate::store::{Account, CredentialKind, NewPassword, Store, StoreError};

/// What may be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Add an account with one password.
    AccountAdd {
        /// Its name; if that is an address, the first it may send as.
        name: String,
        /// Further addresses it may send as.
        addresses: Vec<String>,
        /// Its password.
        password: WirePassword,
        /// Where the password may be used.
        kind: WireKind,
    },
    /// Give an account a new password.
    AccountPassword {
        /// Its name.
        name: String,
        /// The password.
        password: WirePassword,
        /// Where the password may be used; the former one of that kind is gone.
        kind: WireKind,
    },
    /// List all accounts.
    AccountList {},
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "kebab-case")]
pub enum Done {
    /// The account was changed, or added; as it is now.
    Account(AccountView),
    /// All accounts by name.
    Accounts {
        /// The accounts.
        accounts: Vec<AccountView>,
    },
}

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
}

/// A credential as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialView {
    /// Its name within the account.
    pub label: String,
    /// Where it may be used.
    pub kind: WireKind,
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

/// A password on its way over the socket. Wiped when dropped, hidden in debug output.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct WirePassword(String);

impl WirePassword {
    /// Takes a password.
    pub fn new(password: &str) -> Self {
        Self(password.to_owned())
    }
}

impl fmt::Debug for WirePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WirePassword(..)")
    }
}

/// Why a command was not done: what, where and what next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// Does commands. Clones are the same.
#[derive(Debug, Clone)]
pub struct Control {
    store: Store,
    observer: Observer,
}

impl Control {
    /// Does commands on these accounts and tells the observer of changes.
    pub fn new(store: Store, observer: Observer) -> Self {
        Self { store, observer }
    }

    /// The observer, for what happens on the way to a command.
    pub(super) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Does one command; `by` says who asked, for the log. Blocks: passwords are hashed and changes synced.
    pub fn run(&self, command: Command, by: &'static str) -> Result<Done, Failure> {
        match command {
            Command::AccountAdd {
                name,
                addresses,
                password,
                kind,
            } => {
                let addresses = addresses
                    .iter()
                    .map(|text| parse_address(text))
                    .collect::<Result<Vec<_>, _>>()?;
                let account =
                    self.store
                        .add_account(&name, &addresses, &[new_password(&password, kind)])?;
                self.changed(&account, "added", by);
                Ok(Done::Account(AccountView::of(&account)))
            }
            Command::AccountPassword {
                name,
                password,
                kind,
            } => {
                let account = self
                    .store
                    .set_password(&name, new_password(&password, kind))?;
                self.changed(&account, "password-set", by);
                Ok(Done::Account(AccountView::of(&account)))
            }
            Command::AccountList {} => {
                let accounts = self
                    .store
                    .accounts()
                    .iter()
                    .map(|account| AccountView::of(account))
                    .collect();
                Ok(Done::Accounts { accounts })
            }
        }
    }

    fn changed(&self, account: &Account, act: &'static str, by: &'static str) {
        self.observer.emit(AccountChanged {
            account: account.name.clone(),
            act,
            by,
        });
    }
}

fn new_password(password: &WirePassword, kind: WireKind) -> NewPassword {
    let kind = match kind {
        WireKind::Password => CredentialKind::Password,
        WireKind::Legacy => CredentialKind::Legacy,
    };
    NewPassword {
        kind,
        password: Secret::new(password.0.as_bytes()),
    }
}

fn parse_address(text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|fault| {
        Failure(format!(
            "{text:?} cannot be an address of an account: {fault}; write it like user@example.com"
        ))
    })
}

impl AccountView {
    fn of(account: &Account) -> Self {
        let credentials = account.credentials.iter().map(|credential| CredentialView {
            label: credential.label.clone(),
            kind: match credential.kind {
                CredentialKind::Password => WireKind::Password,
                CredentialKind::Legacy => WireKind::Legacy,
            },
        });
        Self {
            name: account.name.clone(),
            addresses: account.addresses.iter().map(ToString::to_string).collect(),
            enabled: account.enabled,
            credentials: credentials.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_50_a_password_on_its_way_is_not_in_debug_output() {
        let command = Command::AccountPassword {
            name: "fred".into(),
            password: WirePassword::new("flintstone"),
            kind: WireKind::Legacy,
        };
        assert!(!format!("{command:?}").contains("flintstone"));
    }

    #[test]
    fn a_command_is_one_json_object_and_unknown_fields_are_refused() {
        let text = r#"{"command":"account-password","name":"fred","password":"flintstone","kind":"legacy"}"#;
        let command: Command = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
        let typo = text.replace("kind", "kidn");
        assert!(serde_json::from_str::<Command>(&typo).is_err());
    }
}
