//! MD5-crypt as FreeBSD has it (`$1$`) and Apache (`$apr1$`): a thousand rounds of MD5.
//!
//! Source: FreeBSD lib/libcrypt/crypt-md5.c, Apache `apr_md5.c`; the two differ in the prefix that is hashed along.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::ForeignHashFault;
use super::crypt::is_crypt64;

const ROUNDS: usize = 1000;
const MAX_SALT: usize = 8;
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Which octets of the digest make four letters each, the last two letters come of one octet.
const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
const LAST: usize = 11;

#[derive(Clone)]
pub(super) struct Md5Crypt {
    /// `$1$` or `$apr1$`.
    magic: &'static str,
    salt: String,
    /// 22 letters.
    hash: Zeroizing<String>,
}

impl Md5Crypt {
    pub(super) fn parse(text: &str) -> Result<Self, ForeignHashFault> {
        let magic = ["$1$", "$apr1$"]
            .into_iter()
            .find(|magic| text.starts_with(magic))
            .ok_or(ForeignHashFault::Syntax)?;
        let (salt, hash) = text
            .strip_prefix(magic)
            .and_then(|rest| rest.split_once('$'))
            .ok_or(ForeignHashFault::Syntax)?;
        let fits = (1..=MAX_SALT).contains(&salt.len())
            && hash.len() == ORDER.len() * 4 + 2
            && hash.bytes().all(is_crypt64);
        if !fits {
            return Err(ForeignHashFault::Syntax);
        }
        Ok(Self {
            magic,
            salt: salt.to_owned(),
            hash: Zeroizing::new(hash.to_owned()),
        })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let digest = self.digest(password);
        verify_slices_are_equal(letters(&digest).as_bytes(), self.hash.as_bytes()).is_ok()
    }

    fn digest(&self, password: &[u8]) -> Zeroizing<[u8; 16]> {
        let salt = self.salt.as_bytes();
        let of = |parts: &[&[u8]]| -> [u8; 16] {
            let mut md5 = Md5::new();
            for part in parts {
                md5.update(part);
            }
            md5.finalize().into()
        };
        let alternate = of(&[password, salt, password]);
        let mut first = Md5::new();
        first.update(password);
        first.update(self.magic);
        first.update(salt);
        for octet in alternate.iter().cycle().take(password.len()) {
            first.update([*octet]);
        }
        // As many octets as the length has bits: NUL for each 1, the password's first for each 0.
        let mut length = password.len();
        while length > 0 {
            let octet = if length & 1 == 1 {
                None
            } else {
                password.first()
            };
            first.update([octet.copied().unwrap_or(0)]);
            length >>= 1;
        }
        let mut digest = Zeroizing::new(<[u8; 16]>::from(first.finalize()));
        for round in 0..ROUNDS {
            let odd = round % 2 == 1;
            let before: &[u8] = if odd { password } else { digest.as_ref() };
            let after: &[u8] = if odd { digest.as_ref() } else { password };
            let salted: &[u8] = if round % 3 == 0 { &[] } else { salt };
            let repeated: &[u8] = if round % 7 == 0 { &[] } else { password };
            *digest = of(&[before, salted, repeated, after]);
        }
        digest
    }
}

fn letters(digest: &[u8; 16]) -> String {
    let octet = |place: usize| digest.get(place).copied().map_or(0, u32::from);
    let mut text = String::with_capacity(ORDER.len() * 4 + 2);
    let mut push = |mut value: u32, count: usize| {
        for _ in 0..count {
            let letter = LETTERS.get((value & 63) as usize);
            text.extend(letter.copied().map(char::from));
            value >>= 6;
        }
    };
    for [high, middle, low] in ORDER {
        push(octet(high) << 16 | octet(middle) << 8 | octet(low), 4);
    }
    push(octet(LAST), 2);
    text
}
