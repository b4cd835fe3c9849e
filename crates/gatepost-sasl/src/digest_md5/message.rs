//! The three messages of DIGEST-MD5: which directives each has, how often, and what may stand in them (RFC 2831 §2.1).
//!
//! Parsing is strict about what RFC 2831 counts and lenient about quotes, which implementations put where they like.
//! Directives that are unknown are ignored. Nothing here decides about digests.

use super::MAXBUF;
use super::directive::{Directives, Malformed, Printer};
use super::protection::{Cipher, Protection, qop, strength};
use crate::layer::{LayerPolicy, LayerStrength};

/// A challenge must be shorter than this (RFC 2831 §2.1.1).
const CHALLENGE_LIMIT: usize = 2048;

/// A response must be shorter than this (RFC 2831 §2.1.2).
const RESPONSE_LIMIT: usize = 4096;

/// Largest value of `maxbuf` (bis-12 §2.1.1).
const MAXBUF_LIMIT: u32 = 0x00ff_ffff;

/// The server's first word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In the order given; none means the empty realm.
    pub(super) realms: Vec<Vec<u8>>,
    pub(super) nonce: Vec<u8>,
    /// Those of `qop` we know.
    pub(super) strengths: Vec<LayerStrength>,
    /// Those of `cipher` we know.
    pub(super) ciphers: Vec<Cipher>,
    /// Largest buffer the server takes.
    pub(super) maxbuf: u32,
    /// The nonce we used is too old; the digest was right otherwise.
    pub(super) stale: bool,
    /// Names and passwords are UTF-8, not ISO-8859-1.
    pub(super) utf8: bool,
}

impl Challenge {
    pub(super) fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        if octets.len() >= CHALLENGE_LIMIT {
            return Err(Malformed("length"));
        }
        let list = Directives::parse(octets)?;
        let algorithm = list.exactly_one("algorithm")?;
        if !algorithm.eq_ignore_ascii_case(b"md5-sess") {
            return Err(Malformed("algorithm"));
        }
        let nonce = list.exactly_one("nonce")?;
        if nonce.is_empty() {
            return Err(Malformed("nonce"));
        }
        let strengths = match list.at_most_one("qop")? {
            Some(value) => words(value).filter_map(strength).collect(),
            None => vec![LayerStrength::None],
        };
        let cipher = list.at_most_one("cipher")?;
        if cipher.is_none() && strengths.contains(&LayerStrength::Confidentiality) {
            return Err(Malformed("cipher"));
        }
        let stale = list.at_most_one("stale")?;
        Ok(Self {
            realms: list.all("realm").map(<[u8]>::to_vec).collect(),
            nonce: nonce.to_vec(),
            strengths,
            ciphers: words(cipher.unwrap_or_default())
                .filter_map(Cipher::by_name)
                .collect(),
            maxbuf: maxbuf(&list)?,
            stale: stale.is_some_and(|value| value.eq_ignore_ascii_case(b"true")),
            utf8: charset(&list)?,
        })
    }

    /// Ours, in the order and with the quotes that most peers have been tried with (DIG-02).
    pub(super) fn print(
        realms: &[String],
        nonce: &str,
        layers: LayerPolicy,
        stale: bool,
    ) -> Vec<u8> {
        let strengths = LayerStrength::ALL.into_iter();
        let strengths: Vec<_> = strengths
            .filter(|strength| layers.allows(*strength))
            .map(qop)
            .collect();
        let mut message = Printer::default();
        for realm in realms {
            message = message.quoted("realm", realm.as_bytes());
        }
        message = message
            .quoted("nonce", nonce.as_bytes())
            .quoted("qop", strengths.join(",").as_bytes());
        if layers.allows(LayerStrength::Confidentiality) {
            let ciphers: Vec<_> = Cipher::allowed(layers).map(Cipher::name).collect();
            message = message.quoted("cipher", ciphers.join(",").as_bytes());
        }
        if layers.most > LayerStrength::None {
            message = message.bare("maxbuf", &MAXBUF.to_string());
        }
        if stale {
            message = message.bare("stale", "true");
        }
        message
            .bare("charset", "utf-8")
            .bare("algorithm", "md5-sess")
            .finish()
    }
}

/// The client's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) username: Vec<u8>,
    /// Empty if there was none.
    pub(super) realm: Vec<u8>,
    pub(super) nonce: Vec<u8>,
    pub(super) cnonce: Vec<u8>,
    /// Eight hexadecimal digits, as sent.
    pub(super) nonce_count: Vec<u8>,
    pub(super) protection: Protection,
    /// Largest buffer the client takes.
    pub(super) maxbuf: u32,
    pub(super) digest_uri: Vec<u8>,
    pub(super) digest: [u8; 16],
    /// As sent; an empty one counts in the digest too (DIG-12).
    pub(super) authzid: Option<Vec<u8>>,
    pub(super) utf8: bool,
}

impl Response {
    pub(super) fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        if octets.len() >= RESPONSE_LIMIT {
            return Err(Malformed("length"));
        }
        let list = Directives::parse(octets)?;
        let required = |name: &'static str| {
            let value = list.exactly_one(name)?;
            if value.is_empty() {
                return Err(Malformed(name));
            }
            Ok(value.to_vec())
        };
        let nonce_count = required("nc")?;
        if nonce_count.len() != 8 || !nonce_count.iter().all(u8::is_ascii_hexdigit) {
            return Err(Malformed("nc"));
        }
        let response = Self {
            username: list.exactly_one("username")?.to_vec(),
            realm: list.at_most_one("realm")?.unwrap_or_default().to_vec(),
            nonce: required("nonce")?,
            cnonce: required("cnonce")?,
            nonce_count,
            protection: protection(&list)?,
            maxbuf: maxbuf(&list)?,
            digest_uri: required("digest-uri")?,
            digest: digest(&required("response")?).ok_or(Malformed("response"))?,
            authzid: list.at_most_one("authzid")?.map(<[u8]>::to_vec),
            utf8: charset(&list)?,
        };
        if response.maxbuf as usize <= response.protection.overhead() {
            return Err(Malformed("maxbuf"));
        }
        Ok(response)
    }

    pub(super) fn print(&self) -> Vec<u8> {
        let mut message = Printer::default();
        if self.utf8 {
            message = message.bare("charset", "utf-8");
        }
        message = message.quoted("username", &self.username);
        if !self.realm.is_empty() {
            message = message.quoted("realm", &self.realm);
        }
        message = message
            .quoted("nonce", &self.nonce)
            .bare("nc", &String::from_utf8_lossy(&self.nonce_count))
            .quoted("cnonce", &self.cnonce)
            .quoted("digest-uri", &self.digest_uri)
            .bare("response", &hex_text(self.digest))
            .bare("qop", self.protection.qop());
        if let Some(cipher) = self.protection.cipher() {
            message = message.bare("cipher", cipher.name());
        }
        if self.protection != Protection::None {
            message = message.bare("maxbuf", &self.maxbuf.to_string());
        }
        if let Some(authzid) = &self.authzid {
            message = message.quoted("authzid", authzid);
        }
        message.finish()
    }
}

/// The server's proof.
pub(super) struct ResponseAuth;

impl ResponseAuth {
    pub(super) fn parse(octets: &[u8]) -> Result<[u8; 16], Malformed> {
        let list = Directives::parse(octets)?;
        digest(list.exactly_one("rspauth")?).ok_or(Malformed("rspauth"))
    }

    pub(super) fn print(digest: [u8; 16]) -> Vec<u8> {
        Printer::default()
            .bare("rspauth", &hex_text(digest))
            .finish()
    }
}

fn protection(list: &Directives) -> Result<Protection, Malformed> {
    let cipher = list.at_most_one("cipher")?;
    let strength = match list.at_most_one("qop")? {
        Some(value) => strength(value).ok_or(Malformed("qop"))?,
        None => LayerStrength::None,
    };
    Ok(match (strength, cipher) {
        (LayerStrength::None, _) => Protection::None,
        (LayerStrength::Integrity, _) => Protection::Integrity,
        (LayerStrength::Confidentiality, cipher) => Protection::Confidentiality(
            cipher
                .and_then(Cipher::by_name)
                .ok_or(Malformed("cipher"))?,
        ),
    })
}

/// RFC 2831 §2.1.1: decimal, 65536 by default; bis-12 bounds it.
fn maxbuf(list: &Directives) -> Result<u32, Malformed> {
    let Some(value) = list.at_most_one("maxbuf")? else {
        return Ok(MAXBUF);
    };
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)
        .and_then(|text| text.parse().ok())
        .filter(|size| (17..=MAXBUF_LIMIT).contains(size))
        .ok_or(Malformed("maxbuf"))
}

/// Whether names and passwords are UTF-8. There is no other value.
fn charset(list: &Directives) -> Result<bool, Malformed> {
    match list.at_most_one("charset")? {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"utf-8") => Ok(true),
        Some(_) => Err(Malformed("charset")),
    }
}

/// The elements of a list inside one value.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|octet| *octet == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|word| !word.is_empty())
}

/// 32 hexadecimal digits in either case.
pub(super) fn digest(digits: &[u8]) -> Option<[u8; 16]> {
    let fits = digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| fits)?;
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn hex_text(digest: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(digest))
}
