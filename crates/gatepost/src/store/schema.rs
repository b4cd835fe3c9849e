//! The account database's schema and its migrations.
//!
//! `user_version` counts the steps applied; opening applies the missing ones in one transaction each, only ever
//! forward. A step that has been released never changes.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;

/// The steps, oldest first; the index plus one is the schema version after it.
const STEPS: &[&str] = &[
    // 1. An account has many credentials from the first day on: one per way to prove itself.
    "
    CREATE TABLE meta (
        key     TEXT PRIMARY KEY,
        value   BLOB NOT NULL
    ) STRICT;
    CREATE TABLE account (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        name    TEXT NOT NULL,           -- as written by whoever added it
        lookup  TEXT NOT NULL UNIQUE,    -- prepared for comparison
        enabled INTEGER NOT NULL DEFAULT 1,
        created INTEGER NOT NULL         -- seconds since 1970
    ) STRICT;
    CREATE TABLE address (
        account  INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        position INTEGER NOT NULL,
        address  TEXT NOT NULL,
        PRIMARY KEY (account, position)
    ) STRICT;
    CREATE TABLE credential (
        id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a new password is a new id
        account       INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        kind          TEXT NOT NULL CHECK (kind IN ('password', 'legacy')),
        label         TEXT NOT NULL,
        prep          TEXT NOT NULL CHECK (prep IN ('saslprep', 'raw')), -- what was hashed (PREP-03)
        password_hash TEXT NOT NULL,     -- PHC string, argon2id
        scram_sha_256 TEXT NOT NULL,     -- RFC 5803
        cram_md5      BLOB,              -- sealed HMAC-MD5 contexts; legacy credentials only
        created       INTEGER NOT NULL,
        UNIQUE (account, label)
    ) STRICT;
    CREATE TABLE acts_as (
        account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        target  INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
        PRIMARY KEY (account, target)
    ) STRICT, WITHOUT ROWID;
    ",
    // 2. A credential has any number of verifiers: SCRAM with several hashes, or only what another program kept.
    "
    CREATE TABLE verifier (
        credential INTEGER NOT NULL REFERENCES credential ON DELETE CASCADE,
        scheme     TEXT NOT NULL,    -- 'password', 'cram-md5', or a SCRAM mechanism's name
        value      BLOB NOT NULL,    -- PHC string or '{SCHEME}…'; sealed HMAC-MD5 contexts; RFC 5803
        PRIMARY KEY (credential, scheme)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO verifier SELECT id, 'password', CAST(password_hash AS BLOB) FROM credential;
    INSERT INTO verifier SELECT id, 'SCRAM-SHA-256', CAST(scram_sha_256 AS BLOB) FROM credential;
    INSERT INTO verifier SELECT id, 'cram-md5', cram_md5 FROM credential WHERE cram_md5 IS NOT NULL;
    ALTER TABLE credential DROP COLUMN password_hash;
    ALTER TABLE credential DROP COLUMN scram_sha_256;
    ALTER TABLE credential DROP COLUMN cram_md5;
    ",
    // 3. A credential may be for some mechanisms only.
    "
    ALTER TABLE credential ADD COLUMN mechanisms TEXT; -- SASL names, a space between them; all when NULL
    ",
];

/// The schema version this program writes.
pub(super) fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Brings a database to the newest version. Also takes the database's lock, which the connection then keeps.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::database(path, source);
    let version = version(db).map_err(failed)?;
    if version > newest() {
        return Err(StoreError::TooNew {
            path: path.to_owned(),
            found: version,
            known: newest(),
        });
    }
    let done = usize::try_from(version).unwrap_or(0);
    for (index, step) in STEPS.iter().enumerate().skip(done) {
        let step_to = i64::try_from(index + 1).unwrap_or(i64::MAX);
        apply(db, step, step_to).map_err(failed)?;
    }
    Ok(())
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn apply(db: &mut Connection, step: &str, version: i64) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}
