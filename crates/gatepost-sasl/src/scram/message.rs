//! The grammar of RFC 5802 §7: attributes in fixed order, separated by commas.
//!
//! Parsing is strict: order, character sets, base64 with canonical padding, no attribute twice, no mandatory extension.
//! Optional extensions at the end are read and ignored. Nothing here decides about proofs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::client::ClientFault;
use crate::saslname;
use crate::scram::verifier::{MAX_SALT_OCTETS, parse_iterations};

/// Which part of a message is not as it must be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl From<Malformed> for ClientFault {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed(what)
    }
}

/// The client's word on channel binding (RFC 5802 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BindingFlag<'a> {
    /// `n`: the client cannot.
    Unsupported,
    /// `y`: the client could, and believes that the server cannot.
    NotOffered,
    /// `p=name`: this type.
    Used(&'a str),
}

/// `n,a=authzid,n=user,r=nonce`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    pub(super) flag: BindingFlag<'a>,
    pub(super) authzid: Option<String>,
    /// Up to and including the second comma, as sent.
    pub(super) gs2_header: &'a str,
    /// All after it, as sent.
    pub(super) bare: &'a str,
    pub(super) username: String,
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let text = text(octets)?;
        let (flag, rest) = text.split_once(',').ok_or(Malformed("gs2 header"))?;
        let (authzid, bare) = rest.split_once(',').ok_or(Malformed("gs2 header"))?;
        let gs2_header = text.strip_suffix(bare).ok_or(Malformed("gs2 header"))?;

        let mut fields = bare.split(',');
        let username = attribute(fields.next(), 'n').ok_or(Malformed("user name"))?;
        let nonce = attribute(fields.next(), 'r').ok_or(Malformed("nonce"))?;
        check_extensions(fields)?;
        Ok(Self {
            flag: parse_flag(flag)?,
            authzid: match authzid {
                "" => None,
                field => Some(unescape(
                    attribute(Some(field), 'a').ok_or(Malformed("authzid"))?,
                )?),
            },
            gs2_header,
            bare,
            username: unescape(username)?,
            nonce: check_nonce(nonce)?,
        })
    }
}

fn parse_flag(flag: &str) -> Result<BindingFlag<'_>, Malformed> {
    match flag {
        "n" => Ok(BindingFlag::Unsupported),
        "y" => Ok(BindingFlag::NotOffered),
        _ => attribute(Some(flag), 'p')
            .filter(|name| {
                name.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
            })
            .map(BindingFlag::Used)
            .ok_or(Malformed("gs2 header")),
    }
}

/// `r=nonce,s=salt,i=iterations`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerFirst<'a> {
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    /// Unchecked: the reader has bounds of its own.
    pub(super) iterations: u64,
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut fields = text.split(',');
        let nonce = attribute(fields.next(), 'r').ok_or(Malformed("nonce"))?;
        let salt = attribute(fields.next(), 's').ok_or(Malformed("salt"))?;
        let iterations = attribute(fields.next(), 'i').ok_or(Malformed("iteration count"))?;
        check_extensions(fields)?;
        Ok(Self {
            nonce: check_nonce(nonce)?,
            salt: BASE64
                .decode(salt)
                .ok()
                .filter(|salt| salt.len() <= MAX_SALT_OCTETS)
                .ok_or(Malformed("salt"))?,
            iterations: parse_iterations(iterations).ok_or(Malformed("iteration count"))?,
        })
    }

    pub(super) fn print(nonce: &str, salt: &[u8], iterations: u32) -> String {
        format!("r={nonce},s={},i={iterations}", BASE64.encode(salt))
    }
}

/// `c=binding,r=nonce,p=proof`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    /// As sent, without `,p=…`.
    pub(super) without_proof: &'a str,
    /// Base64 of the GS2 header and the channel-binding octets, as sent.
    pub(super) binding: &'a str,
    pub(super) nonce: &'a str,
    pub(super) proof: Vec<u8>,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let text = text(octets)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Malformed("proof"))?;
        let mut fields = without_proof.split(',');
        let binding = attribute(fields.next(), 'c').ok_or(Malformed("channel binding"))?;
        let nonce = attribute(fields.next(), 'r').ok_or(Malformed("nonce"))?;
        check_extensions(fields)?;
        Ok(Self {
            without_proof,
            binding,
            nonce,
            proof: BASE64.decode(proof).map_err(|_| Malformed("proof"))?,
        })
    }

    pub(super) fn print_without_proof(binding: &[u8], nonce: &str) -> String {
        format!("c={},r={nonce}", print_binding(binding))
    }

    pub(super) fn print(without_proof: &str, proof: &[u8]) -> String {
        format!("{without_proof},p={}", BASE64.encode(proof))
    }
}

/// The value of `c=` for a GS2 header and channel-binding octets.
pub(super) fn print_binding(binding: &[u8]) -> String {
    BASE64.encode(binding)
}

/// `v=signature` or `e=error`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServerFinal {
    Signature(Vec<u8>),
    Error(&'static str),
}

impl ServerFinal {
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut fields = text.split(',');
        let first = fields.next();
        let parsed = if let Some(signature) = attribute(first, 'v') {
            Self::Signature(
                BASE64
                    .decode(signature)
                    .map_err(|_| Malformed("server signature"))?,
            )
        } else {
            let value = attribute(first, 'e').ok_or(Malformed("server signature"))?;
            Self::Error(known_error(value))
        };
        check_extensions(fields)?;
        Ok(parsed)
    }

    pub(super) fn print_signature(signature: &[u8]) -> String {
        format!("v={}", BASE64.encode(signature))
    }
}

/// RFC 5802 §7 `server-error-value`: unknown ones count as other-error.
fn known_error(value: &str) -> &'static str {
    [
        "invalid-encoding",
        "extensions-not-supported",
        "invalid-proof",
        "channel-bindings-dont-match",
        "server-does-support-channel-binding",
        "channel-binding-not-supported",
        "unsupported-channel-binding-type",
        "unknown-user",
        "invalid-username-encoding",
        "no-resources",
    ]
    .into_iter()
    .find(|known| *known == value)
    .unwrap_or("other-error")
}

/// UTF-8 without NUL.
pub(super) fn text(octets: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(octets)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or(Malformed("encoding"))
}

/// Our own nonce, or the peer's: `%x21-2B / %x2D-7E`, at least one.
pub(super) fn check_nonce(nonce: &str) -> Result<&str, Malformed> {
    if !nonce.is_empty() && nonce.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        Ok(nonce)
    } else {
        Err(Malformed("nonce"))
    }
}

/// Reads a `saslname`.
fn unescape(name: &str) -> Result<String, Malformed> {
    saslname::unescape(name).ok_or(Malformed("user name"))
}

/// The value in `name=value`, if the field is that.
fn attribute(field: Option<&str>, name: char) -> Option<&str> {
    field?.strip_prefix(name)?.strip_prefix('=')
}

/// Optional extensions: one letter that means nothing else and does not come twice, with a value. They are ignored.
fn check_extensions<'a>(fields: impl Iterator<Item = &'a str>) -> Result<(), Malformed> {
    /// `m` is the mandatory extension, which nobody has defined (RFC 5802 §5.1).
    const TAKEN: &str = "aceimnprsv";
    let mut seen = String::new();
    for field in fields {
        let mut chars = field.chars();
        match (chars.next(), chars.next(), chars.next()) {
            (Some(name), Some('='), Some(_))
                if name.is_ascii_alphabetic() && !TAKEN.contains(name) && !seen.contains(name) =>
            {
                seen.push(name);
            }
            _ => return Err(Malformed("extension")),
        }
    }
    Ok(())
}
