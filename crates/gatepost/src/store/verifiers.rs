//! What a new password leaves behind: every verifier at once, and never the password (SCR-22, STO-02).

use gatepost_sasl::verifier::{DEFAULT_SCRAM_ITERATIONS, SALT_OCTETS};
use gatepost_sasl::{DigestMd5Hashes, Hash, HmacMd5Contexts, ScramVerifier, Secret, prep};

use super::account::CredentialKind;
use super::error::StoreError;
use super::password_hash::{Cost, PasswordHash};
use super::stored_password::StoredPassword;

/// Longest password in octets.
pub const MAX_PASSWORD: usize = 1024;

/// Which verifiers are derived, what that costs, and so what each login or guess costs.
#[derive(Debug, Clone)]
pub struct Costs {
    /// Of the argon2id hash.
    pub argon2: Cost,
    /// SCRAM's iteration count, the same for all accounts so that it tells none apart (T-12).
    pub scram_iterations: u32,
    /// The hashes that SCRAM keys are kept for.
    pub scram: ScramHashes,
    /// The realms that DIGEST-MD5 hashes are kept for; none, and none are kept.
    pub digest_realms: Vec<String>,
}

/// The hashes that SCRAM keys are kept for: SHA-256 always, the others as configured. All of them by default: old mail
/// programs know SHA-1 only, and every hash that is left out is made up for at the next login that shows the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScramHashes {
    /// For clients that know no other, such as those on older GNU SASL and Cyrus SASL.
    pub sha_1: bool,
    /// For clients that prefer it.
    pub sha_512: bool,
}

impl Default for ScramHashes {
    fn default() -> Self {
        Self {
            sha_1: true,
            sha_512: true,
        }
    }
}

impl ScramHashes {
    /// These hashes and SHA-256.
    pub fn of(hashes: &[Hash]) -> Self {
        Self {
            sha_1: hashes.contains(&Hash::Sha1),
            sha_512: hashes.contains(&Hash::Sha512),
        }
    }

    /// Whether keys for this hash are kept.
    pub fn contains(self, hash: Hash) -> bool {
        match hash {
            Hash::Sha1 => self.sha_1,
            Hash::Sha512 => self.sha_512,
            _ => true,
        }
    }

    /// Those that are kept, weakest first.
    pub fn iter(self) -> impl Iterator<Item = Hash> {
        Hash::ALL
            .into_iter()
            .filter(move |hash| self.contains(*hash))
    }
}

impl Costs {
    /// The realms in which a client may log in to this account by DIGEST-MD5: those configured, the domain in its name, and
    /// the empty one (DIG-05). `None` for a credential that has no such hashes.
    pub fn digest_realms_of<'a>(
        &'a self,
        account: &'a str,
        kind: CredentialKind,
    ) -> Option<impl Iterator<Item = &'a str>> {
        let configured = self.digest_realms.iter().map(String::as_str);
        let domain = account.rsplit_once('@').map(|(_, domain)| domain);
        let others = domain.into_iter().chain([""]);
        let others = others.filter(|other| !self.digest_realms.iter().any(|realm| realm == other));
        let kept = kind == CredentialKind::Legacy && !self.digest_realms.is_empty();
        kept.then(|| configured.chain(others))
    }
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            argon2: Cost::default(),
            scram_iterations: DEFAULT_SCRAM_ITERATIONS,
            scram: ScramHashes::default(),
            digest_realms: Vec::new(),
        }
    }
}

/// Which form of the password was hashed (PREP-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    Saslprep,
    Raw,
}

impl Prepared {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Saslprep => "saslprep",
            Self::Raw => "raw",
        }
    }
}

/// The verifiers of one password; what another program kept may be only some of them.
#[derive(Debug, Clone)]
pub struct Verifiers {
    pub(super) prepared: Prepared,
    /// What a shown password is checked against.
    pub password: Option<StoredPassword>,
    /// At most one for each hash.
    pub scram: Vec<ScramVerifier>,
    /// To be sealed.
    pub cram_md5: Option<HmacMd5Contexts>,
    /// To be sealed.
    pub digest_md5: Option<DigestMd5Hashes>,
}

impl Verifiers {
    /// Derives all of them, of an account's password. Takes as long as several logins: never on an async thread.
    pub(super) fn derive(
        account: &str,
        password: &Secret,
        kind: CredentialKind,
        costs: &Costs,
    ) -> Result<Self, StoreError> {
        let (prepared, password) = prepare(password)?;
        let scram = costs
            .scram
            .iter()
            .map(|hash| scram_keys(hash, &password, costs.scram_iterations));
        let hash = PasswordHash::derive(password.expose(), costs.argon2)?;
        Ok(Self {
            prepared,
            scram: scram.collect::<Result<_, _>>()?,
            password: Some(StoredPassword::Own(hash)),
            cram_md5: match kind {
                CredentialKind::Password => None,
                CredentialKind::Legacy => Some(HmacMd5Contexts::derive(&password)),
            },
            digest_md5: costs
                .digest_realms_of(account, kind)
                .map(|realms| DigestMd5Hashes::derive(account, realms, &password)),
        })
    }

    /// What another program kept. It hashed the password as it came.
    pub fn kept(
        password: Option<StoredPassword>,
        scram: Vec<ScramVerifier>,
        cram_md5: Option<HmacMd5Contexts>,
        digest_md5: Option<DigestMd5Hashes>,
    ) -> Self {
        Self {
            prepared: Prepared::Raw,
            password,
            scram,
            cram_md5,
            digest_md5,
        }
    }
}

fn scram_keys(hash: Hash, password: &Secret, iterations: u32) -> Result<ScramVerifier, StoreError> {
    let mut salt = vec![0_u8; SALT_OCTETS];
    getrandom::fill(&mut salt).map_err(|_| StoreError::Crypto("no random octets"))?;
    ScramVerifier::derive(hash, password, salt, iterations)
        .map_err(|_| StoreError::Crypto("SCRAM iterations out of range"))
}

/// Whether a new password can be used.
pub(super) fn check_usable(password: &Secret) -> Result<(), StoreError> {
    prepare(password).map(|_| ())
}

/// The form to hash: SASLprep of a stored string, or the octets as they are where SASLprep refuses (PREP-04).
fn prepare(password: &Secret) -> Result<(Prepared, Secret), StoreError> {
    let octets = password.expose();
    let unusable = StoreError::PasswordUnusable;
    if octets.is_empty() {
        return Err(unusable("it is empty"));
    }
    if octets.len() > MAX_PASSWORD {
        return Err(unusable("it is longer than 1024 octets"));
    }
    if octets
        .iter()
        .any(|octet| matches!(octet, 0 | b'\r' | b'\n'))
    {
        return Err(unusable(
            "it contains NUL, CR or LF, which no mechanism can carry",
        ));
    }
    let Ok(text) = std::str::from_utf8(octets) else {
        return Err(unusable("it is not UTF-8"));
    };
    match prep::saslprep_query(text) {
        Ok(prepared) if prepared.is_empty() => {
            Err(unusable("it has only characters that do not count"))
        }
        Ok(prepared) => Ok((Prepared::Saslprep, Secret::new(prepared))),
        Err(_) => Ok((Prepared::Raw, password.clone())),
    }
}
