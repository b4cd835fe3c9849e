//! `Hi()` of RFC 5802 §2.2 (PBKDF2 of RFC 8018 §5.2 with one block), computed in slices.
//!
//! On the client side the server chooses the iteration count, so that the work can be long. It is done in slices between
//! which the driver may yield, count, or drop the work to cancel it.

use std::fmt;

use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use crate::hash::{Hash, keyed};
use crate::secret::Secret;

/// A slow key derivation that waits to be done.
#[derive(Debug, Clone)]
pub struct Derivation {
    /// The hash whose HMAC is iterated.
    pub hash: Hash,
    /// The password, already prepared.
    pub password: Secret,
    /// The salt.
    pub salt: Vec<u8>,
    /// Number of iterations; 0 is taken as 1. The client mechanism has checked it against its bounds.
    pub iterations: u32,
}

impl Derivation {
    /// Does the first iteration.
    pub fn start(&self) -> DerivationWork {
        let (password, left) = (self.password.expose(), self.iterations.saturating_sub(1));
        DerivationWork(Box::new(match self.hash {
            Hash::Sha1 => Chain::Sha1(Iterations::start(password, &self.salt, left)),
            Hash::Sha256 => Chain::Sha256(Iterations::start(password, &self.salt, left)),
            Hash::Sha512 => Chain::Sha512(Iterations::start(password, &self.salt, left)),
        }))
    }

    /// Does everything at once. Not for iteration counts that a peer chose.
    pub fn run(&self) -> Secret {
        let mut work = self.start();
        loop {
            match work.run(u32::MAX) {
                Progress::Working(rest) => work = rest,
                Progress::Done(key) => return key,
            }
        }
    }
}

/// A derivation in the middle. Dropping it cancels it and wipes what it held.
pub struct DerivationWork(Box<Chain>);

impl DerivationWork {
    /// Does up to `slice` iterations (at least one, so that it always ends).
    pub fn run(self, slice: u32) -> Progress {
        match *self.0 {
            Chain::Sha1(iterations) => iterations.run(slice, Chain::Sha1),
            Chain::Sha256(iterations) => iterations.run(slice, Chain::Sha256),
            Chain::Sha512(iterations) => iterations.run(slice, Chain::Sha512),
        }
    }
}

impl fmt::Debug for DerivationWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivationWork(..)")
    }
}

/// Where a derivation stands after a slice.
#[derive(Debug)]
pub enum Progress {
    /// Not there yet.
    Working(DerivationWork),
    /// The derived key: SCRAM's SaltedPassword.
    Done(Secret),
}

enum Chain {
    Sha1(Iterations<Sha1>),
    Sha256(Iterations<Sha256>),
    Sha512(Iterations<Sha512>),
}

/// `U1 XOR U2 XOR …` so far.
struct Iterations<D: EagerHash> {
    mac: Hmac<D>,
    last: Zeroizing<Vec<u8>>,
    sum: Zeroizing<Vec<u8>>,
    left: u32,
}

impl<D: EagerHash> Iterations<D>
where
    Hmac<D>: KeyInit + Mac + Clone,
{
    fn start(password: &[u8], salt: &[u8], left: u32) -> Self {
        let mac = keyed::<D>(password);
        // RFC 8018 §5.2: U1 = PRF(P, S || INT(1)).
        let first = mac
            .clone()
            .chain_update(salt)
            .chain_update(1_u32.to_be_bytes())
            .finalize()
            .into_bytes();
        Self {
            mac,
            last: Zeroizing::new(first.to_vec()),
            sum: Zeroizing::new(first.to_vec()),
            left,
        }
    }

    fn run(mut self, slice: u32, chain: fn(Self) -> Chain) -> Progress {
        self.advance(self.left.min(slice.max(1)));
        if self.left == 0 {
            Progress::Done(Secret::new(self.sum.as_slice()))
        } else {
            Progress::Working(DerivationWork(Box::new(chain(self))))
        }
    }

    fn advance(&mut self, iterations: u32) {
        for _ in 0..iterations {
            let next = self
                .mac
                .clone()
                .chain_update(self.last.as_slice())
                .finalize()
                .into_bytes();
            self.last.copy_from_slice(&next);
            for (sum, octet) in self.sum.iter_mut().zip(next.iter()) {
                *sum ^= octet;
            }
        }
        self.left -= iterations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairing::unhex;

    // RFC 6070 §2, as far as the derived key has the length of the hash; the case of 2^24 iterations is left out.
    #[test]
    fn published_pbkdf2_hmac_sha1_values() {
        for (iterations, key) in [
            (1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
            (2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
            (4096, "4b007901b765489abead49d926f721d065a429c1"),
        ] {
            let derivation = Derivation {
                hash: Hash::Sha1,
                password: Secret::new("password"),
                salt: b"salt".to_vec(),
                iterations,
            };
            assert_eq!(derivation.run().expose(), unhex(key));
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_another_implementation(
            password in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            salt in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
            iterations in 1_u32..50,
        ) {
            let ours = |hash| {
                let (password, salt) = (Secret::new(password.clone()), salt.clone());
                Derivation { hash, password, salt, iterations }.run().expose().to_vec()
            };
            let mut theirs = [0; 20];
            pbkdf2::pbkdf2_hmac::<Sha1>(&password, &salt, iterations, &mut theirs);
            proptest::prop_assert_eq!(ours(Hash::Sha1), theirs);
            let mut theirs = [0; 32];
            pbkdf2::pbkdf2_hmac::<Sha256>(&password, &salt, iterations, &mut theirs);
            proptest::prop_assert_eq!(ours(Hash::Sha256), theirs);
            let mut theirs = [0; 64];
            pbkdf2::pbkdf2_hmac::<Sha512>(&password, &salt, iterations, &mut theirs);
            proptest::prop_assert_eq!(ours(Hash::Sha512), theirs);
        }
    }
}
