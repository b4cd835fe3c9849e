//! The rows of credentials and their verifiers.
//!
//! A verifier is a row of its own, told by its scheme; what is sealed is sealed to the number of its credential. A row that holds what
//! this program never writes makes no credential: the opening fails, and says which account it is.

use gatepost_sasl::{Hash, ScramVerifier};
use rusqlite::{Connection, Row, params};

use super::account::{AccountId, Credential, CredentialId, CredentialKind};
use super::rows::{RowError, now};
use super::seal::{Purpose, SealKey};
use super::stored_password::StoredPassword;
use super::verifiers::{ScramHashes, Verifiers};

/// Schemes of the table of verifiers; the others are names of SCRAM mechanisms.
const PASSWORD: &str = "password";
const CRAM_MD5: &str = "cram-md5";
const DIGEST_MD5: &str = "digest-md5";

/// The credentials of an account; `None` when a row holds what this program never writes.
pub(super) fn load(db: &Connection, account: i64) -> rusqlite::Result<Option<Vec<Credential>>> {
    stored_credentials(db, account)?
        .into_iter()
        .map(|stored| {
            let verifiers = verifiers(db, stored.id)?;
            Ok(stored.with(verifiers))
        })
        .collect()
}

/// A credential without its verifiers.
struct StoredCredential {
    id: i64,
    kind: String,
    label: String,
    mechanisms: Option<String>,
}

impl StoredCredential {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            kind: row.get(1)?,
            label: row.get(2)?,
            mechanisms: row.get(3)?,
        })
    }

    /// `None` when a row holds what this program never writes.
    fn with(self, verifiers: Vec<(String, Vec<u8>)>) -> Option<Credential> {
        let mut credential = Credential {
            id: CredentialId::from(self.id),
            kind: CredentialKind::parse(&self.kind)?,
            label: self.label,
            mechanisms: self
                .mechanisms
                .map(|names| names.split_ascii_whitespace().map(str::to_owned).collect()),
            password: None,
            scram: Vec::new(),
            cram_md5: None,
            digest_md5: None,
        };
        for (scheme, value) in verifiers {
            match scheme.as_str() {
                PASSWORD => {
                    let text = str::from_utf8(&value).ok()?;
                    credential.password = Some(StoredPassword::parse(text).ok()?);
                }
                CRAM_MD5 => credential.cram_md5 = Some(value),
                DIGEST_MD5 => credential.digest_md5 = Some(value),
                _ => {
                    let verifier = ScramVerifier::parse(str::from_utf8(&value).ok()?).ok()?;
                    if verifier.hash().scram_name() != scheme {
                        return None;
                    }
                    credential.scram.push(verifier);
                }
            }
        }
        let some = credential.password.is_some()
            || credential.cram_md5.is_some()
            || credential.digest_md5.is_some()
            || !credential.scram.is_empty();
        some.then_some(credential)
    }
}

fn stored_credentials(db: &Connection, account: i64) -> rusqlite::Result<Vec<StoredCredential>> {
    db.prepare_cached(
        "SELECT id, kind, label, mechanisms FROM credential WHERE account = ?1 ORDER BY id",
    )?
    .query_map([account], StoredCredential::read)?
    .collect()
}

fn verifiers(db: &Connection, credential: i64) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    db.prepare_cached("SELECT scheme, value FROM verifier WHERE credential = ?1 ORDER BY scheme")?
        .query_map([credential], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

pub(super) fn insert(
    db: &Connection,
    seal: &SealKey,
    account: AccountId,
    (kind, label): (CredentialKind, &str),
    verifiers: &Verifiers,
) -> Result<(), RowError> {
    db.execute(
        "INSERT INTO credential (account, kind, label, prep, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            account.number(),
            kind.as_str(),
            label,
            verifiers.prepared.as_str(),
            now()
        ],
    )?;
    // What is sealed is sealed to the row's number, which exists only now: moved to another row, it does not open.
    let id = CredentialId::from(db.last_insert_rowid());
    insert_verifiers(db, seal, id, verifiers)
}

/// Puts other verifiers of the same password in the place of those a credential has. Says whether it still exists.
pub(super) fn replace_verifiers(
    db: &Connection,
    seal: &SealKey,
    credential: CredentialId,
    verifiers: &Verifiers,
) -> Result<bool, RowError> {
    let there = db.execute(
        "UPDATE credential SET prep = ?2 WHERE id = ?1",
        params![credential.number(), verifiers.prepared.as_str()],
    )?;
    if there == 0 {
        return Ok(false);
    }
    db.execute(
        "DELETE FROM verifier WHERE credential = ?1",
        [credential.number()],
    )?;
    insert_verifiers(db, seal, credential, verifiers)?;
    Ok(true)
}

fn insert_verifiers(
    db: &Connection,
    seal: &SealKey,
    credential: CredentialId,
    verifiers: &Verifiers,
) -> Result<(), RowError> {
    let mut insert =
        db.prepare_cached("INSERT INTO verifier (credential, scheme, value) VALUES (?1, ?2, ?3)")?;
    let number = credential.number();
    if let Some(password) = &verifiers.password {
        insert.execute(params![number, PASSWORD, password.to_text()?.as_bytes()])?;
    }
    for scram in &verifiers.scram {
        insert.execute(params![
            number,
            scram.hash().scram_name(),
            scram.to_text().as_bytes()
        ])?;
    }
    if let Some(contexts) = &verifiers.cram_md5 {
        let sealed = seal.seal(
            Purpose::CramContexts,
            &credential.to_octets(),
            contexts.to_bytes().as_ref(),
        )?;
        insert.execute(params![number, CRAM_MD5, sealed])?;
    }
    if let Some(hashes) = &verifiers.digest_md5 {
        let sealed = seal.seal(
            Purpose::DigestHashes,
            &credential.to_octets(),
            &hashes.to_bytes(),
        )?;
        insert.execute(params![number, DIGEST_MD5, sealed])?;
    }
    Ok(())
}

/// Forgets the keys of SCRAM hashes that are not to be kept any more (STO-05), where the credential keeps another verifier.
pub(super) fn delete_other_scram(db: &Connection, kept: ScramHashes) -> rusqlite::Result<()> {
    for hash in Hash::ALL.into_iter().filter(|hash| !kept.contains(*hash)) {
        db.execute(
            "DELETE FROM verifier WHERE scheme = ?1 AND EXISTS (
                SELECT 1 FROM verifier AS other WHERE other.credential = verifier.credential AND other.scheme != ?1)",
            [hash.scram_name()],
        )?;
    }
    Ok(())
}

/// Forgets all DIGEST-MD5 hashes (STO-05), where the credential keeps another verifier: an import may have brought nothing else.
pub(super) fn delete_digest_md5(db: &Connection) -> rusqlite::Result<()> {
    db.execute(
        "DELETE FROM verifier WHERE scheme = ?1 AND EXISTS (
            SELECT 1 FROM verifier AS other WHERE other.credential = verifier.credential AND other.scheme != ?1)",
        [DIGEST_MD5],
    )?;
    Ok(())
}

/// Says which mechanisms a credential is for; all when `None`. Whether it exists.
pub(super) fn set_mechanisms(
    db: &Connection,
    account: AccountId,
    label: &str,
    mechanisms: Option<&[String]>,
) -> Result<bool, RowError> {
    let there = db.execute(
        "UPDATE credential SET mechanisms = ?3 WHERE account = ?1 AND label = ?2",
        params![
            account.number(),
            label,
            mechanisms.map(|names| names.join(" "))
        ],
    )?;
    Ok(there > 0)
}

pub(super) fn delete(
    db: &Connection,
    account: AccountId,
    kind: CredentialKind,
) -> Result<(), RowError> {
    db.execute(
        "DELETE FROM credential WHERE account = ?1 AND label = ?2",
        params![account.number(), kind.as_str()],
    )?;
    Ok(())
}
