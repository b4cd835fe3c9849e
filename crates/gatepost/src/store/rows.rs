//! The rows behind accounts: every SQL statement but the schema and those about credentials.

use std::path::Path;
use std::time::{Duration, SystemTime};

use gatepost_smtp::path::Address;
use rusqlite::{Connection, params};

use super::account::{Account, AccountId};
use super::credential_rows;
use super::error::StoreError;
use super::name::LookupName;
use super::private_file;

/// What can go wrong while rows are written.
pub(super) enum RowError {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for RowError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Opens the database for this process alone.
pub(super) fn connect(path: &Path, wait: Duration) -> Result<Connection, StoreError> {
    // SQLite gives its other files the mode and owner of this one.
    private_file::create(path).map_err(|source| StoreError::File {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    let open = || {
        let db = Connection::open(path)?;
        db.busy_timeout(wait)?;
        // Exclusive before WAL: then SQLite needs no shared memory, and the first statement takes the lock for good.
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", "ON")?;
        db.pragma_update(None, "secure_delete", "ON")?;
        db.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
        Ok(db)
    };
    open().map_err(|source| StoreError::database(path, source))
}

/// Writes a copy of the database, as it is at one moment, to an empty file.
pub(super) fn copy_to(db: &Connection, path: &Path) -> rusqlite::Result<()> {
    let path = path.to_string_lossy();
    db.execute("VACUUM INTO ?1", [path.as_ref()]).map(drop)
}

/// Whether the database belongs to the key of which `check` is derived; a new database takes it.
pub(super) fn sealed_with(db: &Connection, check: &[u8]) -> rusqlite::Result<bool> {
    db.execute(
        "INSERT INTO meta (key, value) VALUES ('seal-check', ?1) ON CONFLICT DO NOTHING",
        [check],
    )?;
    db.query_row(
        "SELECT value = ?1 FROM meta WHERE key = 'seal-check'",
        [check],
        |row| row.get(0),
    )
}

/// Brings the forms that names are compared in up to date, should this version prepare them otherwise.
pub(super) fn refresh_lookups(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::database(path, source);
    let names = |db: &Connection| -> rusqlite::Result<Vec<(i64, String, String)>> {
        db.prepare("SELECT id, name, lookup FROM account")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect()
    };
    let names = names(db).map_err(failed)?;
    let stale: Vec<_> = names
        .iter()
        .map(|(id, name, lookup)| (id, name, lookup, LookupName::prepare(name)))
        .filter(|(_, _, lookup, prepared)| prepared.as_str() != lookup.as_str())
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    let transaction = db.transaction().map_err(failed)?;
    for (id, name, _, prepared) in stale {
        let same = names
            .iter()
            .find(|(other, spelling, _)| other != id && LookupName::prepare(spelling) == prepared);
        if let Some((_, other, _)) = same {
            return Err(StoreError::SameName {
                one: name.clone(),
                other: other.clone(),
            });
        }
        transaction
            .execute(
                "UPDATE account SET lookup = ?2 WHERE id = ?1",
                params![id, prepared.as_str()],
            )
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

pub(super) fn load_all(db: &Connection, path: &Path) -> Result<Vec<Account>, StoreError> {
    let failed = |source| StoreError::database(path, source);
    let lookups = || -> rusqlite::Result<Vec<String>> {
        db.prepare("SELECT lookup FROM account")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    lookups()
        .map_err(failed)?
        .iter()
        .map(|lookup| load_prepared(db, path, lookup))
        .collect()
}

pub(super) fn load(
    db: &Connection,
    path: &Path,
    lookup: &LookupName,
) -> Result<Account, StoreError> {
    load_prepared(db, path, lookup.as_str())
}

fn load_prepared(db: &Connection, path: &Path, lookup: &str) -> Result<Account, StoreError> {
    let failed = |source| StoreError::database(path, source);
    let (id, name, enabled): (i64, String, bool) = db
        .prepare_cached("SELECT id, name, enabled FROM account WHERE lookup = ?1")
        .and_then(|mut query| {
            query.query_row([lookup], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        })
        .map_err(failed)?;
    let damaged = |what| StoreError::Damaged {
        what,
        account: name.clone(),
    };
    let addresses = strings(
        db,
        "SELECT address FROM address WHERE account = ?1 ORDER BY position",
        id,
    )
    .map_err(failed)?;
    let addresses: Result<_, _> = addresses
        .iter()
        .map(|address| Address::parse(address).map_err(|_| damaged("address")))
        .collect();
    let credentials = credential_rows::load(db, id).map_err(failed)?;
    let acts_as = targets(db, id).map_err(failed)?;
    Ok(Account {
        id: AccountId::from(id),
        lookup: LookupName::prepare(&name),
        addresses: addresses?,
        enabled,
        credentials: credentials.ok_or_else(|| damaged("verifier"))?,
        acts_as,
        name,
    })
}

fn strings(db: &Connection, sql: &str, account: i64) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached(sql)?
        .query_map([account], |row| row.get(0))?
        .collect()
}

fn targets(db: &Connection, account: i64) -> rusqlite::Result<Vec<AccountId>> {
    db.prepare_cached("SELECT target FROM acts_as WHERE account = ?1 ORDER BY target")?
        .query_map([account], |row| row.get::<_, i64>(0).map(AccountId::from))?
        .collect()
}

pub(super) fn insert_account(
    db: &Connection,
    name: &str,
    lookup: &LookupName,
    addresses: &[Address],
) -> Result<AccountId, RowError> {
    db.execute(
        "INSERT INTO account (name, lookup, created) VALUES (?1, ?2, ?3)",
        params![name, lookup.as_str(), now()],
    )?;
    let id = db.last_insert_rowid();
    for (position, address) in addresses.iter().enumerate() {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        db.execute(
            "INSERT INTO address (account, position, address) VALUES (?1, ?2, ?3)",
            params![id, position, address.to_string()],
        )?;
    }
    Ok(AccountId::from(id))
}

pub(super) fn set_enabled(
    db: &Connection,
    account: AccountId,
    enabled: bool,
) -> Result<(), RowError> {
    db.execute(
        "UPDATE account SET enabled = ?2 WHERE id = ?1",
        params![account.number(), enabled],
    )?;
    Ok(())
}

pub(super) fn delete_account(db: &Connection, account: AccountId) -> Result<(), RowError> {
    db.execute("DELETE FROM account WHERE id = ?1", [account.number()])?;
    Ok(())
}

/// As [`insert_acts_as`], by names; does nothing when one of them does not exist.
pub(super) fn insert_acts_as_names(
    db: &Connection,
    account: &LookupName,
    target: &LookupName,
) -> Result<(), RowError> {
    db.execute(
        "INSERT INTO acts_as (account, target)
         SELECT one.id, other.id FROM account AS one, account AS other WHERE one.lookup = ?1 AND other.lookup = ?2
         ON CONFLICT DO NOTHING",
        [account.as_str(), target.as_str()],
    )?;
    Ok(())
}

pub(super) fn insert_acts_as(
    db: &Connection,
    account: AccountId,
    target: AccountId,
) -> Result<(), RowError> {
    db.execute(
        "INSERT INTO acts_as (account, target) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        [account.number(), target.number()],
    )?;
    Ok(())
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
