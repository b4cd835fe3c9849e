//! HMAC-MD5 (RFC 2104) split where the key ends: the two MD5 states after the padded key.
//!
//! They are what a server stores for CRAM-MD5 (RFC 2195 §3): enough to compute any HMAC under the password, and so as
//! good as the password for this mechanism, but not the password. Keep them sealed.

use std::fmt;

use md5::block_api::compress;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::prep;
use crate::secret::Secret;

/// MD5 states after one block of key XOR ipad and of key XOR opad. Wiped on drop; never shown in debug output.
#[derive(Clone)]
pub struct HmacMd5Contexts {
    inner: Zeroizing<[u32; 4]>,
    outer: Zeroizing<[u32; 4]>,
}

impl HmacMd5Contexts {
    /// The contexts of `password`, which is prepared here (SASLprep, or raw where that fails).
    pub fn derive(password: &Secret) -> Self {
        Self::of_key(prep::key_password(password.expose()).expose())
    }

    /// The contexts of a key taken as it is.
    pub fn of_key(key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0_u8; 64]);
        // RFC 2104 §2: a key longer than a block is hashed first.
        let hashed = Zeroizing::new(<[u8; 16]>::from(Md5::digest(key)));
        let key = if key.len() > block.len() {
            hashed.as_slice()
        } else {
            key
        };
        for (octet, key) in block.iter_mut().zip(key) {
            *octet = *key;
        }
        Self {
            inner: absorb(&block, 0x36),
            outer: absorb(&block, 0x5c),
        }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut words = bytes.chunks_exact(4).map(|word| {
            word.iter()
                .rev()
                .fold(0_u32, |value, octet| (value << 8) | u32::from(*octet))
        });
        let mut next = || Zeroizing::new(std::array::from_fn(|_| words.next().unwrap_or_default()));
        Self {
            inner: next(),
            outer: next(),
        }
    }

    /// The stored form: inner, then outer context, each four little-endian words. Password-equivalent.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        let words = self.inner.iter().chain(self.outer.iter());
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// HMAC-MD5 of `message` under the key.
    pub fn mac(&self, message: &[u8]) -> [u8; 16] {
        finish(&self.outer, &finish(&self.inner, message))
    }
}

impl fmt::Debug for HmacMd5Contexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacMd5Contexts(..)")
    }
}

/// RFC 1321 §3.3.
const MD5_INITIAL_STATE: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

fn absorb(key: &[u8; 64], pad: u8) -> Zeroizing<[u32; 4]> {
    let block = Zeroizing::new(key.map(|octet| octet ^ pad));
    let mut state = Zeroizing::new(MD5_INITIAL_STATE);
    compress(&mut state, std::slice::from_ref(&*block));
    state
}

/// Goes on from a state that has absorbed one block: `message`, padding and length (RFC 1321 §3.1-3.2).
fn finish(context: &[u32; 4], message: &[u8]) -> [u8; 16] {
    let mut state = *context;
    let (blocks, rest) = message.as_chunks::<64>();
    compress(&mut state, blocks);

    let bits = (message.len() as u64).wrapping_add(64).wrapping_mul(8);
    let mut tail = rest.to_vec();
    tail.push(0x80);
    while tail.len() % 64 != 56 {
        tail.push(0);
    }
    tail.extend_from_slice(&bits.to_le_bytes());
    compress(&mut state, tail.as_chunks::<64>().0);

    let mut mac = [0; 16];
    for (place, word) in mac.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    mac
}
