//! What can go wrong with accounts at rest. Each text says what, where and what next; none holds a secret.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// A failure of the store or of its seal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file of the data directory could not be read, made or synced.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb: "read", "create".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others than its owner can read the key.
    #[error(
        "{} can be read by others (mode {mode:04o}): run `chmod 600 {}`, and set the passwords anew if others had access",
        path.display(),
        path.display()
    )]
    SealKeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file does not hold a key.
    #[error("{} is damaged: a seal key has 32 octets, this file {length}; restore it from the backup", path.display())]
    SealKeyDamaged {
        /// The key file.
        path: PathBuf,
        /// Its length in octets.
        length: usize,
    },
    /// There are accounts, and not the key they were sealed with. A new key would not open them.
    #[error("{} is missing, and accounts.db beside it was sealed with it: restore it from the backup", path.display())]
    SealKeyMissing {
        /// The key file.
        path: PathBuf,
    },
    /// The accounts were sealed with another key than the one found.
    #[error(
        "{} was sealed with another key than the seal.key beside it: restore the seal.key that belongs to it from the backup",
        database.display()
    )]
    SealKeyForeign {
        /// The database.
        database: PathBuf,
    },
    /// A sealed value does not open: damaged, or moved to another place of the database.
    #[error(
        "a sealed value does not open with seal.key: restore the accounts from the backup, or set the password anew"
    )]
    SealBroken,
    /// The system gave no random octets, or refused to encrypt.
    #[error("the cryptographic library failed: {0}")]
    Crypto(&'static str),
    /// SQLite failed.
    #[error("{}: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The file is not a database, or is one no more.
    #[error(
        "{} is damaged ({source}); nothing was changed: restore it from the backup, together with the seal.key beside it",
        path.display()
    )]
    DatabaseDamaged {
        /// The database.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The account has no credential of that kind.
    #[error("{name} has no {kind} credential: `gatepost account password` gives it one")]
    NoSuchCredential {
        /// The account.
        name: String,
        /// The kind.
        kind: &'static str,
    },
    /// Another process holds the accounts.
    #[error("{} is in use by another gatepost process: stop it, or let it answer through control.sock", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The database was written by a newer program.
    #[error("{} has schema version {found}, this program knows up to {known}: use the newer gatepost again", path.display())]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Version found.
        found: i64,
        /// Newest version this program can read.
        known: i64,
    },
    /// A row holds what this program never writes.
    #[error(
        "the account database holds a damaged {what} for account {account}: set its password anew, or restore the backup"
    )]
    Damaged {
        /// Which value.
        what: &'static str,
        /// The account's name.
        account: String,
    },
    /// Asked for a name that does not exist.
    #[error("no account named {name:?}: `gatepost account list` shows those that exist")]
    NoSuchAccount {
        /// The name as asked.
        name: String,
    },
    /// Two accounts have names that are now compared as equal.
    #[error(
        "accounts {one:?} and {other:?} have the same name in two spellings: remove one of them with the former version of gatepost"
    )]
    SameName {
        /// One name as stored.
        one: String,
        /// The other.
        other: String,
    },
    /// Asked to add a name that exists, perhaps in another spelling.
    #[error("account {name:?} exists already: `gatepost account password` gives it a new password")]
    AccountExists {
        /// The name as stored.
        name: String,
    },
    /// The name cannot be an account's name.
    #[error(
        "{name:?} cannot be an account name: it needs 1 to 255 octets without control characters"
    )]
    NameInvalid {
        /// The name as asked.
        name: String,
    },
    /// The password cannot be used.
    #[error("this password cannot be used: {0}")]
    PasswordUnusable(&'static str),
}

impl StoreError {
    /// What SQLite says about this database.
    pub(super) fn database(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::DatabaseDamaged { path, source }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            _ => Self::Database { path, source },
        }
    }
}
