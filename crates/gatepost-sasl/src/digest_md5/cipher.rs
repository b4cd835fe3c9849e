//! The ciphers of auth-conf with what they carry from one buffer to the next: the last block of a CBC chain, the state of
//! RC4 (RFC 2831 §2.4).
//!
//! DES and RC4 come from the `RustCrypto` crates; chaining is a few lines here, because the chain goes on from buffer to
//! buffer.

use des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit as _};
use des::{Des, TdesEde2};
use rc4::{Rc4, StreamCipher as _};

use super::protection::Cipher;

/// Octets in a block of DES.
pub(super) const BLOCK: usize = 8;

/// One direction's cipher.
pub(super) enum CipherState {
    Chained(Engine, [u8; BLOCK]),
    Stream(Box<Rc4>),
}

/// Keyed DES, once or three times.
pub(super) enum Engine {
    Des(Box<Des>),
    TripleDes(Box<TdesEde2>),
}

impl CipherState {
    pub(super) fn new(cipher: Cipher, key: &[u8; 16]) -> Self {
        let [first @ .., _, _, _, _, _, _, _, _, _] = *key;
        let [_, _, _, _, _, _, _, second @ .., _, _] = *key;
        // RFC 2831 §2.4: the last eight octets of the key, which the DES keys reach into.
        let [_, _, _, _, _, _, _, _, vector @ ..] = *key;
        match cipher {
            Cipher::Des => {
                let engine = Engine::Des(Box::new(Des::new(&spread(first).into())));
                Self::Chained(engine, vector)
            }
            Cipher::TripleDes => {
                let mut both = [0; 2 * BLOCK];
                for (place, octet) in both
                    .iter_mut()
                    .zip([spread(first), spread(second)].as_flattened())
                {
                    *place = *octet;
                }
                let engine = Engine::TripleDes(Box::new(TdesEde2::new(&both.into())));
                Self::Chained(engine, vector)
            }
            Cipher::Rc4 | Cipher::Rc4With56Bits | Cipher::Rc4With40Bits => {
                Self::Stream(Box::new(stream(key)))
            }
        }
    }

    /// Encrypts in place; whole blocks where the cipher has blocks.
    pub(super) fn encrypt(&mut self, octets: &mut [u8]) {
        match self {
            Self::Stream(rc4) => rc4.apply_keystream(octets),
            Self::Chained(engine, chain) => {
                for block in octets.as_chunks_mut::<BLOCK>().0 {
                    for (octet, before) in block.iter_mut().zip(*chain) {
                        *octet ^= before;
                    }
                    engine.encrypt(block);
                    *chain = *block;
                }
            }
        }
    }

    /// Decrypts in place; whole blocks where the cipher has blocks.
    pub(super) fn decrypt(&mut self, octets: &mut [u8]) {
        match self {
            Self::Stream(rc4) => rc4.apply_keystream(octets),
            Self::Chained(engine, chain) => {
                for block in octets.as_chunks_mut::<BLOCK>().0 {
                    let sealed = *block;
                    engine.decrypt(block);
                    for (octet, before) in block.iter_mut().zip(*chain) {
                        *octet ^= before;
                    }
                    *chain = sealed;
                }
            }
        }
    }
}

impl Engine {
    fn encrypt(&self, block: &mut [u8; BLOCK]) {
        match self {
            Self::Des(des) => des.encrypt_block(block.into()),
            Self::TripleDes(des) => des.encrypt_block(block.into()),
        }
    }

    fn decrypt(&self, block: &mut [u8; BLOCK]) {
        match self {
            Self::Des(des) => des.decrypt_block(block.into()),
            Self::TripleDes(des) => des.decrypt_block(block.into()),
        }
    }
}

/// 56 bits spread over eight octets; the lowest bit of each is parity, which DES does not look at.
fn spread(key: [u8; 7]) -> [u8; BLOCK] {
    let bits = key
        .iter()
        .fold(0_u64, |bits, octet| (bits << 8) | u64::from(*octet));
    // Seven bits each, the highest first; masked, they fit.
    std::array::from_fn(|index| {
        let seven = (bits >> (49 - 7 * index)) & 0x7f;
        u8::try_from(seven << 1).unwrap_or_default()
    })
}

#[expect(
    clippy::expect_used,
    reason = "RC4 takes keys of 1 to 256 octets, and this one has 16"
)]
fn stream(key: &[u8; 16]) -> Rc4 {
    Rc4::new_from_slice(key).expect("RC4 takes 16 octets")
}
