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

    /// Reads the value that Dovecot keeps behind `{CRAM-MD5}`: outer, then inner context in hexadecimal.
    pub fn parse_dovecot(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut bytes = Zeroizing::new([0_u8; 32]);
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        let digit = |octet: u8| char::from(octet).to_digit(16);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = *pair else { return None };
            *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
        }
        bytes.rotate_left(16);
        Some(Self::from_bytes(&bytes))
    }

    /// Writes what [`parse_dovecot`](Self::parse_dovecot) reads, with `{CRAM-MD5}` before it. Password-equivalent.
    pub fn to_dovecot(&self) -> Zeroizing<String> {
        use std::fmt::Write as _;
        let mut bytes = self.to_bytes();
        bytes.rotate_left(16);
        // Its final size from the start: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(80));
        text.push_str("{CRAM-MD5}");
        for byte in bytes.iter() {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairing::unhex;

    // RFC 2202 §2, all seven cases.
    #[test]
    fn published_hmac_md5_values() {
        let counting: Vec<u8> = (1..=25).collect();
        let cases: [(&[u8], &[u8], &str); 7] = [
            (&[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "750c783e6ab0b503eaa86e310a5db738",
            ),
            (&[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
            (&counting, &[0xcd; 50], "697eaf0aca3a3aea3a75164746ffaa79"),
            (
                &[0x0c; 16],
                b"Test With Truncation",
                "56461ef2342edc00f9bab995690efd4c",
            ),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
                "6f630fad67cda0ee1fb1f562db3aa53e",
            ),
        ];
        for (key, message, mac) in cases {
            assert_eq!(HmacMd5Contexts::of_key(key).mac(message), unhex(mac)[..]);
        }
    }

    // CRAM-06: inner and outer contexts; Dovecot stores them the other way round, from its test suite.
    #[test]
    fn published_contexts() {
        let long = "p".repeat(80);
        for (password, inner, outer) in [
            (
                "tanstaaftanstaaf",
                "54b21152711fb604ca3e035e7015116b",
                "d06d4e1b26fccaa4b0b61801132340a3",
            ),
            (
                "test",
                "c7743304777dccd376f332bee68d2cf6",
                "e02d374fde0dc75a17a557039a3a5338",
            ),
            (
                "correct horse battery staple",
                "938a03ccb3eebe1b64e0c243b569921c",
                "09eae0fafdb8b11dde53f0031217a5c4",
            ),
            (
                &long,
                "a924aff6b5d832643f20bb42733881b9",
                "a15074a09d09b7abc6ba02581de16e4e",
            ),
        ] {
            let bytes = HmacMd5Contexts::derive(&Secret::new(password)).to_bytes();
            assert_eq!(bytes[..], unhex(&format!("{inner}{outer}")), "{password}");
        }
    }

    // CRAM-06: the second value is in Dovecot's test suite for the password "test".
    #[test]
    fn what_dovecot_keeps_is_read_and_written() {
        for (password, kept) in [
            (
                "tanstaaftanstaaf",
                "d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b",
            ),
            (
                "test",
                "e02d374fde0dc75a17a557039a3a5338c7743304777dccd376f332bee68d2cf6",
            ),
        ] {
            let contexts = HmacMd5Contexts::parse_dovecot(kept).unwrap();
            let derived = HmacMd5Contexts::derive(&Secret::new(password));
            assert_eq!(contexts.to_bytes(), derived.to_bytes());
            assert_eq!(*contexts.to_dovecot(), format!("{{CRAM-MD5}}{kept}"));
            let upper = HmacMd5Contexts::parse_dovecot(&kept.to_uppercase()).unwrap();
            assert_eq!(upper.to_bytes(), derived.to_bytes());
            for wrong in [&kept[1..], &kept[2..], &format!("{}g0", &kept[2..]), ""] {
                assert!(HmacMd5Contexts::parse_dovecot(wrong).is_none(), "{wrong}");
            }
        }
    }

    #[test]
    fn stored_contexts_are_read_back() {
        let contexts = HmacMd5Contexts::of_key(b"tanstaaftanstaaf");
        let read = HmacMd5Contexts::from_bytes(&contexts.to_bytes());
        assert_eq!(read.to_bytes(), contexts.to_bytes());
        assert_eq!(read.mac(b"x"), contexts.mac(b"x"));
    }

    #[test]
    fn debug_output_shows_no_context() {
        assert_eq!(
            format!("{:?}", HmacMd5Contexts::of_key(b"test")),
            "HmacMd5Contexts(..)"
        );
    }

    proptest::proptest! {
        /// Every length of key and message around the block borders, against the hmac crate.
        #[test]
        fn agrees_with_another_implementation(
            key in proptest::collection::vec(proptest::num::u8::ANY, 0..150),
            message in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            use hmac::Mac;
            let theirs = crate::hash::keyed::<Md5>(&key).chain_update(&message).finalize().into_bytes();
            proptest::prop_assert_eq!(HmacMd5Contexts::of_key(&key).mac(&message), <[u8; 16]>::from(theirs));
        }
    }
}
