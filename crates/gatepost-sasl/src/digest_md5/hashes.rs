//! What a server stores for DIGEST-MD5: `H(user:realm:password)`, one for each realm, of the user name as it is typed.
//!
//! With it alone one can log in by DIGEST-MD5 in that realm: keep it sealed. A renamed user, or another realm, needs the
//! password again (RFC 2831 §3.9, DIG-22).

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::keys::{UserHash, down_converted, user_hash};
use super::message;
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

    /// Reads the value that Dovecot keeps behind `{DIGEST-MD5}` for an account: one hash in hexadecimal, of the user and the realm that
    /// stand before and behind the last `@` of its name.
    pub fn parse_dovecot(account: &str, text: &str) -> Option<Self> {
        let (username, realm) = dovecot_names(account);
        Some(Self {
            username: username.to_owned(),
            of: vec![(
                realm.to_owned(),
                Zeroizing::new(message::digest(text.as_bytes())?),
            )],
        })
    }

    /// Writes what [`parse_dovecot`](Self::parse_dovecot) reads, with `{DIGEST-MD5}` before it; `None` if they are not one hash, or not for
    /// this account there. Password-equivalent.
    pub fn to_dovecot(&self, account: &str) -> Option<Zeroizing<String>> {
        let [(realm, hash)] = self.of.as_slice() else {
            return None;
        };
        let value = u128::from_be_bytes(**hash);
        let same = dovecot_names(account) == (self.username.as_str(), realm.as_str());
        same.then(|| Zeroizing::new(format!("{{DIGEST-MD5}}{value:032x}")))
    }

    /// Whether they are of this password. As soon as one is, compared in constant time.
    pub fn are_of(&self, password: &Secret) -> bool {
        let derived = Self::derive(&self.username, self.realms(), password);
        self.of.iter().any(|(realm, hash)| {
            let mut same_realm = derived.of_realm(realm);
            same_realm.any(|it| it.ct_eq(hash.as_slice()).into())
        })
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

/// User and realm, as Dovecot makes them of a name.
fn dovecot_names(account: &str) -> (&str, &str) {
    account.rsplit_once('@').unwrap_or((account, ""))
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

#[cfg(test)]
mod tests {
    use super::*;

    // DIG-22: the first is of Dovecot's test suite, the others are of `doveadm pw -s DIGEST-MD5 -u NAME -p pencil`.
    #[test]
    fn dig_22_what_dovecot_keeps_is_read_and_written() {
        for (account, password, kept) in [
            ("testuser1", "test", "77c1a8c437c9b08ba2f460fe5d58db5d"),
            (
                "fred@example.com",
                "pencil",
                "e61ffd685f8f805c3ed4c03d393f6382",
            ),
            ("fred", "pencil", "b1eedb4922d3041699d4b3c7210501bc"),
            (
                "Fred@Example.com",
                "pencil",
                "33aad11d1be31da8d4f4ef4ecac371f3",
            ),
            ("a@b@c", "pencil", "0d0b7cc97e6a6fd7ec93089a4dfe557d"),
        ] {
            for text in [kept.to_owned(), kept.to_uppercase()] {
                let hashes = DigestMd5Hashes::parse_dovecot(account, &text).unwrap();
                assert!(hashes.are_of(&Secret::new(password)), "{account}");
                assert!(!hashes.are_of(&Secret::new("pen")), "{account}");
                let written = hashes.to_dovecot(account).unwrap();
                assert_eq!(*written, format!("{{DIGEST-MD5}}{kept}"));
                assert!(hashes.to_dovecot("other@example.com").is_none());
                let other = DigestMd5Hashes::parse_dovecot("wilma@example.com", &text).unwrap();
                assert!(!other.are_of(&Secret::new(password)), "{account}");
            }
            for wrong in [&kept[1..], &kept[2..], &format!("{}g0", &kept[2..]), ""] {
                assert!(DigestMd5Hashes::parse_dovecot(account, wrong).is_none());
            }
        }
        let many = DigestMd5Hashes::derive("fred", ["a", "b"], &Secret::new("pencil"));
        assert!(many.are_of(&Secret::new("pencil")) && many.to_dovecot("fred@a").is_none());
    }
}
