//! The acts of administration: asked as plain data, done by [`Control`].
//!
//! A [`Command`] and its [`Done`] are what crosses the control socket, one JSON object each. Passwords cross it in
//! clear: it is a file of mode 0600 between processes of one user. They never appear in debug output.

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::account::{AccountView, ImportReport, WireKind};
use super::backup::Snapshot;
use super::portable::{Entry, PortableAccount};
use super::queue::{Asker, QueueAct, QueueDesk, QueueDone};
use super::wire_secret::WirePassword;
use crate::observe::Observer;
use crate::store::{Store, StoreError};

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
    /// Say which mechanisms a credential is for.
    AccountMechanisms {
        /// The account's name.
        name: String,
        /// Which of its credentials.
        kind: WireKind,
        /// Their SASL names; all when absent.
        mechanisms: Option<Vec<String>>,
    },
    /// List all accounts.
    AccountList {},
    /// Show one account.
    AccountShow {
        /// Its name.
        name: String,
    },
    /// Switch an account on or off.
    AccountEnable {
        /// Its name.
        name: String,
        /// On or off.
        enabled: bool,
    },
    /// Remove an account.
    AccountRemove {
        /// Its name.
        name: String,
    },
    /// Add accounts from elsewhere: all or none.
    AccountImport {
        /// The accounts and where they stand in the file.
        entries: Vec<Entry>,
        /// Leave out what cannot be added, and add the rest.
        skip_bad: bool,
        /// Say what would come of it, and change nothing.
        dry_run: bool,
    },
    /// Give out all accounts.
    AccountExport {
        /// With what is kept of their passwords.
        secrets: bool,
    },
    /// Copy the data directory, to be taken from there.
    Snapshot {},
    /// See or change queued mail.
    Queue {
        /// What exactly.
        act: QueueAct,
        /// The name of the person who asks, as the command knows it.
        operator: String,
    },
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "kebab-case")]
pub enum Done {
    /// The account was changed, added or shown, as it is now; or removed, as it was.
    Account(AccountView),
    /// All accounts by name.
    Accounts {
        /// The accounts.
        accounts: Vec<AccountView>,
    },
    /// What came of an import.
    Imported(ImportReport),
    /// All accounts by name, as an import takes them.
    Exported {
        /// The accounts.
        accounts: Vec<PortableAccount>,
    },
    /// A copy of the data directory.
    Snapshot(Snapshot),
    /// What came of an act on the queue.
    Queue(QueueDone),
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
#[derive(Clone)]
pub struct Control {
    store: Store,
    queue: Option<QueueDesk>,
    observer: Observer,
}

impl Control {
    /// Does commands on these accounts and tells the observer of changes.
    pub fn new(store: Store, observer: Observer) -> Self {
        Self {
            store,
            queue: None,
            observer,
        }
    }

    /// Does commands on this queue as well.
    #[must_use]
    pub fn with_queue(self, desk: QueueDesk) -> Self {
        Self {
            queue: Some(desk),
            ..self
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn desk(&self) -> Result<&QueueDesk, Failure> {
        let none = || Failure("this server has no queue".to_owned());
        self.queue.as_ref().ok_or_else(none)
    }

    /// The observer, for what happens on the way to a command.
    pub(super) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Does one command; `by` says who asked, for the log. Blocks: passwords are hashed and changes synced. Runs on a thread of a tokio
    /// runtime that may block.
    pub fn run(&self, command: Command, by: &'static str) -> Result<Done, Failure> {
        match command {
            Command::AccountAdd {
                name,
                addresses,
                password,
                kind,
            } => self.add_account(&name, &addresses, &password, kind, by),
            Command::AccountPassword {
                name,
                password,
                kind,
            } => self.set_password(&name, &password, kind, by),
            Command::AccountMechanisms {
                name,
                kind,
                mechanisms,
            } => self.set_mechanisms(&name, kind, mechanisms, by),
            Command::AccountList {} => Ok(self.list_accounts()),
            Command::AccountShow { name } => self.show_account(&name),
            Command::AccountEnable { name, enabled } => self.enable_account(&name, enabled, by),
            Command::AccountRemove { name } => self.remove_account(&name, by),
            Command::AccountImport {
                entries,
                skip_bad,
                dry_run,
            } => self.import_accounts(entries, skip_bad, dry_run, by),
            Command::AccountExport { secrets } => self.export_accounts(secrets),
            Command::Snapshot {} => self.snapshot(),
            Command::Queue { act, operator } => {
                let desk = self.desk()?;
                let asker = Asker { by, operator };
                let done = Handle::current().block_on(desk.run(act, &asker))?;
                Ok(Done::Queue(done))
            }
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
