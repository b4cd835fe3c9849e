//! The seal: one key per data directory from which every key at rest and every keyed hash is derived.
//!
//! **Purpose.** What is equivalent to a password (CRAM-MD5 contexts, DIGEST-MD5 hashes, later next-hop tokens) is stored encrypted, so
//! that a copy of the database alone opens nothing. The same key makes the fake verifiers of unknown names stable over
//! restarts (SCR-18).
//!
//! **Form.** `seal.key` in the data directory: 32 random octets, mode 0600, made on first use and never changed. A
//! [`Purpose`] names each derived key, so that a value sealed for one purpose or place opens for no other. A sealed
//! value is: version octet 1, 12 octets nonce, ciphertext with its 16-octet tag (AES-256-GCM, random nonce; sound for
//! some 2³² values per purpose).
//!
//! **Failure.** A key others can read, of the wrong length, or not the one the database was sealed with, stops the
//! start.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::error::StoreError;
use super::private_file;

const KEY_LEN: usize = 32;
const KEY_FILE: &str = "seal.key";
const FORMAT: u8 = 1;

/// What a derived key is for. Each has its own key; the labels never change, or sealed values would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// CRAM-MD5 contexts of legacy credentials.
    CramContexts,
    /// DIGEST-MD5 hashes of legacy credentials.
    DigestHashes,
    /// Verifiers invented for names that have none (SCR-18, CRAM-09).
    FakeVerifiers,
    /// The memory of passwords found right (T-24).
    VerifiedSecrets,
    /// Knowing whether a database belongs to this key.
    KeyCheck,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::CramContexts => "cram-md5 contexts",
            Self::DigestHashes => "digest-md5 hashes",
            Self::FakeVerifiers => "fake verifiers",
            Self::VerifiedSecrets => "verified secrets",
            Self::KeyCheck => "key check",
        }
    }
}

/// The data directory's master key. Debug shows nothing of it.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; KEY_LEN]>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

impl SealKey {
    /// Reads `seal.key` of a data directory.
    pub(super) fn open_existing(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(KEY_FILE);
        match File::open(&path) {
            Ok(file) => Self::read(file, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::SealKeyMissing { path })
            }
            Err(source) => Err(file_error("read", &path, source)),
        }
    }

    /// Reads `seal.key` of a data directory, or makes it when there is none.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        match Self::open_existing(directory) {
            Err(StoreError::SealKeyMissing { .. }) => {
                Self::make(directory)?;
                // Whoever was first: another process may have made it at the same moment.
                Self::open_existing(directory)
            }
            read => read,
        }
    }

    fn read(file: File, path: &Path) -> Result<Self, StoreError> {
        let failed = |source| file_error("read", path, source);
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(StoreError::SealKeyExposed {
                path: path.to_owned(),
                mode,
            });
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(KEY_LEN + 1));
        file.take(KEY_LEN as u64 + 1)
            .read_to_end(&mut octets)
            .map_err(failed)?;
        let key = <[u8; KEY_LEN]>::try_from(octets.as_slice()).map_err(|_| {
            StoreError::SealKeyDamaged {
                path: path.to_owned(),
                length: octets.len(),
            }
        })?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Writes the key into another directory that has none.
    pub(super) fn write_to(&self, directory: &Path) -> Result<(), StoreError> {
        let path = directory.join(KEY_FILE);
        let written = (|| {
            let mut file = private_file::create(&path)?;
            file.write_all(self.0.as_ref())?;
            file.sync_all()
        })();
        written.map_err(|source| file_error("create", &path, source))
    }

    /// Writes a new key under another name, syncs it and links it to its own: a crash leaves the whole key or none.
    fn make(directory: &Path) -> Result<(), StoreError> {
        let draft = directory.join(format!("{KEY_FILE}.{}", std::process::id()));
        let mut key = Zeroizing::new([0_u8; KEY_LEN]);
        getrandom::fill(key.as_mut()).map_err(|_| StoreError::Crypto("no random octets"))?;
        let written = (|| {
            let mut file = private_file::create(&draft)?;
            file.set_len(0)?;
            file.write_all(key.as_ref())?;
            file.sync_all()?;
            match fs::hard_link(&draft, directory.join(KEY_FILE)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            fs::remove_file(&draft)?;
            File::open(directory)?.sync_all()
        })();
        written.map_err(|source| file_error("create", &directory.join(KEY_FILE), source))
    }

    /// The key for one purpose, for keyed hashes.
    pub fn derive(&self, purpose: Purpose) -> Zeroizing<[u8; 32]> {
        let master = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_ref());
        let mut context = hmac::Context::with_key(&master);
        context.update(b"gatepost seal 1\0");
        context.update(purpose.label().as_bytes());
        let tag = context.sign();
        let mut key = Zeroizing::new([0_u8; 32]);
        for (to, from) in key.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        key
    }

    /// Encrypts `plain` so that it opens only for the same purpose and place (its row, in octets that never change).
    pub fn seal(
        &self,
        purpose: Purpose,
        place: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let mut body = plain.to_vec();
        let nonce = self
            .cipher(purpose)?
            .seal_in_place_append_tag(Aad::from(place), &mut body)
            .map_err(|_| StoreError::Crypto("sealing"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Decrypts what [`Self::seal`] made for the same purpose and place.
    pub fn open_sealed(
        &self,
        purpose: Purpose,
        place: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (version, rest) = sealed.split_first().ok_or(StoreError::SealBroken)?;
        if *version != FORMAT {
            return Err(StoreError::SealBroken);
        }
        let (nonce, body) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(StoreError::SealBroken)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self
            .cipher(purpose)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place),
                &mut body,
            )
            .map_err(|_| StoreError::SealBroken)?
            .len();
        body.truncate(plain);
        Ok(body)
    }

    fn cipher(&self, purpose: Purpose) -> Result<RandomizedNonceKey, StoreError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.derive(purpose).as_ref())
            .map_err(|_| StoreError::Crypto("making a key"))
    }
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::File {
        action,
        path: path.to_owned(),
        source,
    }
}
