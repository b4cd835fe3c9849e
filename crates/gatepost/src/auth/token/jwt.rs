//! A JSON Web Token in compact form: header, claims, signature (pure).
//!
//! Of the header only `alg`, `kid` and `typ` are looked at. Where a key may be found according to the token itself (`jku`,
//! `jwk`, `x5u`, `x5c`) is of no interest, and an extension that must be understood (`crit`) is not (T-20).
//!
//! Standards: RFC 7515 §3.1 and §4.1, RFC 7519 §3, RFC 8725 §3.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::claims::Claims;

/// A token that has the form of a JWT. Nothing in it is proven.
pub(super) struct Jwt<'a> {
    pub(super) algorithm: String,
    pub(super) key_id: Option<String>,
    pub(super) claims: Claims,
    /// What the signature is about, as received.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

/// What a token looks like.
pub(super) enum Form<'a> {
    Jwt(Box<Jwt<'a>>),
    /// It begins as a JWT and does not go on as one; the text says where.
    Malformed(&'static str),
    /// Only its issuer knows what it means.
    Opaque,
}

impl<'a> Form<'a> {
    /// Reads a token.
    pub(super) fn of(token: &'a [u8]) -> Self {
        let mut parts = token.split(|octet| *octet == b'.');
        let Some(header) = parts.next().and_then(object) else {
            return Self::Opaque;
        };
        let (Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next())
        else {
            return Self::Malformed("it does not have three parts");
        };
        match Jwt::read(token, &header, claims, signature) {
            Ok(jwt) => Self::Jwt(Box::new(jwt)),
            Err(what) => Self::Malformed(what),
        }
    }
}

impl<'a> Jwt<'a> {
    fn read(
        token: &'a [u8],
        header: &Map<String, Value>,
        claims: &[u8],
        signature: &'a [u8],
    ) -> Result<Self, &'static str> {
        if header.contains_key("crit") {
            return Err("its header demands an extension");
        }
        if !is_access_token(header.get("typ")) {
            return Err("its typ is that of another kind of token");
        }
        let Some(Value::String(algorithm)) = header.get("alg") else {
            return Err("its header has no alg");
        };
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(key_id)) => Some(key_id.clone()),
            Some(_) => return Err("its kid is no text"),
        };
        let signed = token.len().saturating_sub(signature.len() + 1);
        Ok(Self {
            algorithm: algorithm.clone(),
            key_id,
            claims: object(claims).ok_or("its claims are no JSON object")?,
            signed: token.get(..signed).unwrap_or_default(),
            signature: URL_SAFE_NO_PAD
                .decode(signature)
                .map_err(|_| "its signature is not base64url")?,
        })
    }

    /// The issuer it claims to be of.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

/// RFC 9068 §2.1 calls it `at+jwt`; most issuers write `JWT` or nothing.
fn is_access_token(typ: Option<&Value>) -> bool {
    let is_one = |typ: &str| {
        ["jwt", "at+jwt", "application/at+jwt"]
            .iter()
            .any(|known| typ.eq_ignore_ascii_case(known))
    };
    match typ {
        None => true,
        Some(value) => value.as_str().is_some_and(is_one),
    }
}

fn object(part: &[u8]) -> Option<Map<String, Value>> {
    let octets = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&octets).ok()
}
