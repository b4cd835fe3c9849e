//! What a server stores for DIGEST-MD5: `H(user:realm:password)`, one for each realm, of the user name as it is typed.
//!
//! With it alone one can log in by DIGEST-MD5 in that realm: keep it sealed. A renamed user, or another realm, needs the
//! password again (RFC 2831 §3.9, DIG-22).

use std::fmt;

use zeroize::Zeroizing;

use super::keys::{UserHash, down_converted, user_hash};
use crate::secret::Secret;

/// The hashes of one password. Wiped on drop; never shown in debug output.
#[derive(Clone)]
pub struct DigestMd5Hashes {
    username: String,
    of: Vec<(String, UserHash)>,
}

impl DigestMd5Hashes {
    /// The hashes of `password` for these realms, each in both readings of RFC 2831 §2.1.2.1 where they differ: with
    /// texts brought down to ISO-8859-1 where they fit, and in UTF-8 as many implementations do it (DIG-06).
    pub fn derive<'a>(
        username: &str,
        realms: impl IntoIterator<Item = &'a str>,
        password: &Secret,
    ) -> Self {
        let mut of = Vec::new();
        let octets = password.expose();
        let converted = std::str::from_utf8(octets)
            .map_or_else(|_| Zeroizing::new(octets.to_vec()), down_converted);
        for realm in realms {
            let (name, place) = (down_converted(username), down_converted(realm));
            let standard = user_hash(&name, &place, &converted);
            let utf8 = user_hash(username.as_bytes(), realm.as_bytes(), octets);
            let differs = utf8 != standard;
            of.push((realm.to_owned(), standard));
            if differs {
                of.push((realm.to_owned(), utf8));
            }
        }
        Self {
            username: username.to_owned(),
            of,
        }
    }

    /// One hash that another program kept, taken as it is.
    pub fn of_hash(username: &str, realm: &str, hash: [u8; 16]) -> Self {
        Self {
            username: username.to_owned(),
            of: vec![(realm.to_owned(), Zeroizing::new(hash))],
        }
    }

    /// The user name they were made with.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The realms they are for, each once or twice.
    pub fn realms(&self) -> impl Iterator<Item = &str> {
        self.of.iter().map(|(realm, _)| realm.as_str())
    }

    /// Those for one realm.
    pub(super) fn of_realm(&self, realm: &str) -> impl Iterator<Item = &UserHash> {
        self.of
            .iter()
            .filter(move |(of, _)| of == realm)
            .map(|(_, hash)| hash)
    }

    /// The stored form: user name, then realm and hash of each; texts with their length in two octets before them.
    /// Password-equivalent.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let size = 2 + self.username.len();
        let size = self
            .of
            .iter()
            .map(|(realm, _)| 2 + realm.len() + 16)
            .sum::<usize>()
            + size;
        // Its final size from the start: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(size));
        write_text(&self.username, &mut bytes);
        for (realm, hash) in &self.of {
            write_text(realm, &mut bytes);
            bytes.extend_from_slice(hash.as_slice());
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (username, mut rest) = read_text(bytes)?;
        let mut of = Vec::new();
        while !rest.is_empty() {
            let (realm, behind) = read_text(rest)?;
            let (hash, behind) = behind.split_first_chunk::<16>()?;
            of.push((realm.to_owned(), Zeroizing::new(*hash)));
            rest = behind;
        }
        Some(Self {
            username: username.to_owned(),
            of,
        })
    }
}

impl fmt::Debug for DigestMd5Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestMd5Hashes(..)")
    }
}

/// Names and realms are far shorter than 64 KiB; what is not is cut, and then fits nobody.
fn write_text(text: &str, bytes: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let text = text.as_bytes();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.get(..length.into()).unwrap_or(text));
}

fn read_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
