//! What a new password leaves behind: every verifier at once, and never the password (SCR-22, STO-02).

use gatepost_sasl::verifier::{DEFAULT_SCRAM_ITERATIONS, SALT_OCTETS};
use gatepost_sasl::{Hash, HmacMd5Contexts, ScramVerifier, Secret, prep};

use super::account::CredentialKind;
use super::error::StoreError;
use super::password_hash::{Cost, PasswordHash};

/// Longest password in octets.
pub const MAX_PASSWORD: usize = 1024;

/// What deriving verifiers costs, and so what each login or guess costs.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    /// Of the argon2id hash.
    pub argon2: Cost,
    /// SCRAM's iteration count, the same for all accounts so that it tells none apart (T-12).
    pub scram_iterations: u32,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            argon2: Cost::default(),
            scram_iterations: DEFAULT_SCRAM_ITERATIONS,
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

/// The verifiers of one password.
pub(super) struct Verifiers {
    pub(super) prepared: Prepared,
    pub(super) password_hash: PasswordHash,
    pub(super) scram: ScramVerifier,
    /// Only for a legacy credential; to be sealed.
    pub(super) cram_md5: Option<HmacMd5Contexts>,
}

impl Verifiers {
    /// Derives all of them. Takes as long as several logins: never on an async thread.
    pub(super) fn derive(
        password: &Secret,
        kind: CredentialKind,
        costs: Costs,
    ) -> Result<Self, StoreError> {
        let (prepared, password) = prepare(password)?;
        let mut salt = vec![0_u8; SALT_OCTETS];
        getrandom::fill(&mut salt).map_err(|_| StoreError::Crypto("no random octets"))?;
        Ok(Self {
            prepared,
            password_hash: PasswordHash::derive(password.expose(), costs.argon2)?,
            scram: ScramVerifier::derive(Hash::Sha256, &password, salt, costs.scram_iterations)
                .map_err(|_| StoreError::Crypto("SCRAM iterations out of range"))?,
            cram_md5: match kind {
                CredentialKind::Password => None,
                CredentialKind::Legacy => Some(HmacMd5Contexts::derive(&password)),
            },
        })
    }
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
