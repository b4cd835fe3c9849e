//! Argon2id hashes of passwords: what PLAIN and LOGIN are checked against.
//!
//! **Cost.** New hashes take [`Cost::default`]: 19 MiB, two passes, one lane (OWASP's first choice for argon2id). A
//! stored hash is checked with the costs written in it, so that the default can rise without touching old ones; hashes
//! above [`MAX_MEMORY_KIB`] are refused when read, so that no row of a database can exhaust memory.
//!
//! **Form.** A PHC string, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, ParamsBuilder, Version};
use aws_lc_rs::constant_time;
use zeroize::Zeroizing;

use super::error::StoreError;

/// Largest memory a stored hash may ask for, in KiB.
pub const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_PASSES: u32 = 16;
const HASH_LEN: usize = 32;
const SALT_LEN: usize = 16;

/// What one argon2id computation costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
        }
    }
}

/// Memory for argon2, kept by a worker between computations so that none is asked of the system per login.
#[derive(Default)]
pub struct Workspace(Vec<Block>);

impl Workspace {
    fn blocks(&mut self, params: &Params) -> &mut [Block] {
        if self.0.len() < params.block_count() {
            self.0.resize(params.block_count(), Block::new());
        }
        self.0.get_mut(..params.block_count()).unwrap_or_default()
    }
}

/// One password's argon2id hash with its salt and costs. Debug shows the costs only.
#[derive(Clone)]
pub struct PasswordHash {
    params: Params,
    salt: Vec<u8>,
    hash: Zeroizing<[u8; HASH_LEN]>,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PasswordHash(argon2id m={} t={} ..)",
            self.params.m_cost(),
            self.params.t_cost()
        )
    }
}

impl PasswordHash {
    /// Hashes a password with a fresh salt. Takes as long as a login: never on an async thread.
    pub fn derive(password: &[u8], cost: Cost) -> Result<Self, StoreError> {
        let mut salt = vec![0_u8; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| StoreError::Crypto("no random octets"))?;
        let params = ParamsBuilder::new()
            .m_cost(cost.memory_kib)
            .t_cost(cost.passes)
            .p_cost(1)
            .output_len(HASH_LEN)
            .build()
            .map_err(|_| StoreError::Crypto("argon2 costs out of range"))?;
        let mut made = Self {
            params,
            salt,
            hash: Zeroizing::new([0; HASH_LEN]),
        };
        made.hash = made.compute(password, &mut Workspace::default())?;
        Ok(made)
    }

    /// Whether this is the hash of `password`; compared in constant time. `Err` only for a password beyond argon2's
    /// limits.
    pub fn matches(&self, password: &[u8], workspace: &mut Workspace) -> Result<bool, StoreError> {
        let computed = self.compute(password, workspace)?;
        Ok(constant_time::verify_slices_are_equal(computed.as_ref(), self.hash.as_ref()).is_ok())
    }

    fn compute(
        &self,
        password: &[u8],
        workspace: &mut Workspace,
    ) -> Result<Zeroizing<[u8; HASH_LEN]>, StoreError> {
        let mut out = Zeroizing::new([0_u8; HASH_LEN]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .hash_password_into_with_memory(
                password,
                &self.salt,
                out.as_mut(),
                workspace.blocks(&self.params),
            )
            .map_err(|_| StoreError::Crypto("argon2"))?;
        Ok(out)
    }

    /// Reads a PHC string; `None` if it is no argon2id hash of 32 octets within the limits.
    pub fn parse(text: &str) -> Option<Self> {
        let phc = phc::PasswordHash::new(text).ok()?;
        if phc.algorithm.as_str() != "argon2id" || phc.version != Some(Version::V0x13.into()) {
            return None;
        }
        let params = Params::try_from(&phc).ok()?;
        if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES {
            return None;
        }
        let hash = <[u8; HASH_LEN]>::try_from(phc.hash?.as_bytes()).ok()?;
        let salt: Vec<u8> = phc.salt?.as_ref().to_vec();
        Some(Self {
            params,
            salt,
            hash: Zeroizing::new(hash),
        })
    }

    /// The PHC string.
    pub fn to_phc(&self) -> Result<String, StoreError> {
        let failed = |_| StoreError::Crypto("argon2 hash in PHC form");
        let phc = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: (&self.params)
                .try_into()
                .map_err(|_| StoreError::Crypto("argon2 costs in PHC form"))?,
            salt: Some(phc::Salt::new(&self.salt).map_err(failed)?),
            hash: Some(phc::Output::new(self.hash.as_ref()).map_err(failed)?),
        };
        Ok(phc.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 64,
        passes: 1,
    };

    #[test]
    fn a_hash_survives_its_text_form_and_knows_its_password() {
        let text = PasswordHash::derive(b"gatepost", CHEAP)
            .unwrap()
            .to_phc()
            .unwrap();
        let read = PasswordHash::parse(&text).unwrap();
        let mut workspace = Workspace::default();
        assert!(read.matches(b"gatepost", &mut workspace).unwrap());
        assert!(!read.matches(b"gatepost ", &mut workspace).unwrap());
        assert!(text.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{text}");
    }

    #[test]
    fn a_workspace_serves_hashes_of_different_cost() {
        let small = PasswordHash::derive(b"a", CHEAP).unwrap();
        let large = PasswordHash::derive(
            b"a",
            Cost {
                memory_kib: 256,
                passes: 2,
            },
        )
        .unwrap();
        let mut workspace = Workspace::default();
        assert!(large.matches(b"a", &mut workspace).unwrap());
        assert!(small.matches(b"a", &mut workspace).unwrap());
    }

    /// The reference implementation's `argon2` command: password "password", salt "somesalt", m=2^16, t=2, p=1.
    #[test]
    fn the_reference_vector_verifies() {
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(
            PasswordHash::parse(text)
                .unwrap()
                .matches(b"password", &mut Workspace::default())
                .unwrap()
        );
    }

    #[test]
    fn a_hash_that_asks_for_too_much_is_not_read() {
        let body = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for costs in ["m=131072,t=2,p=1", "m=65536,t=99,p=1"] {
            assert!(
                PasswordHash::parse(&format!("$argon2id$v=19${costs}${body}")).is_none(),
                "{costs}"
            );
        }
        assert!(PasswordHash::parse(&format!("$argon2i$v=19$m=64,t=1,p=1${body}")).is_none());
    }

    #[test]
    fn debug_shows_no_hash() {
        let hash = PasswordHash::derive(b"gatepost", CHEAP).unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash(argon2id m=64 t=1 ..)");
    }
}
