//! The token issuer of a development server: access tokens for its one account, to try OAUTHBEARER and XOAUTH2 with.
//!
//! Tokens are JWTs as RFC 9068 has them. What an OAuth or OpenID client wants to know of an issuer is in [`Metadata`] (RFC 8414 §2,
//! OpenID Connect Discovery §3) and [`KeySet`] (RFC 7517 §5). Besides good tokens there are bad ones of each [`Kind`], so that clients can
//! be tested with what happens to them in the field.
//!
//! Where other machines can reach the server it is *guarded*: a token costs the token of the API, since whoever has one may send.

mod key;

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::config::resolved::DevIssuer;
use key::{ALGORITHM, PublicKey, SigningKey};

/// Whom good tokens are for: the server's name for itself (RFC 9068 §2.2, `aud`).
pub const AUDIENCE: &str = "gatepost-dev";

/// What tokens allow.
pub const SCOPE: &str = "smtp";

/// How long a good token is good, as at the large providers.
const LIFE: Duration = Duration::from_secs(60 * 60);

/// The life of tokens that end while somebody watches.
const SHORT_LIFE: Duration = Duration::from_secs(5);

/// What is right or wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing is wrong.
    Valid,
    /// Ended an hour ago.
    Expired,
    /// For another service.
    WrongAudience,
    /// Good for five seconds.
    FiveSeconds,
}

impl Kind {
    /// All of them, the good one first.
    pub const ALL: [Self; 4] = [
        Self::Valid,
        Self::Expired,
        Self::WrongAudience,
        Self::FiveSeconds,
    ];

    /// Its name in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::WrongAudience => "wrong-audience",
            Self::FiveSeconds => "five-seconds",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Issues tokens. Clones are the same issuer.
#[derive(Clone)]
pub struct TokenIssuer {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    account: String,
    guarded: bool,
    key: SigningKey,
}

/// A token, and what it says.
#[derive(Debug)]
pub struct Issued {
    /// The token as clients send it.
    pub token: String,
    /// Its claims.
    pub claims: Claims,
}

/// What a token says (RFC 9068 §2.2). Times are seconds since 1970.
#[derive(Debug, Serialize)]
pub struct Claims {
    iss: String,
    sub: String,
    aud: String,
    client_id: String,
    scope: &'static str,
    email: String,
    email_verified: bool,
    preferred_username: String,
    /// When it began.
    pub iat: u64,
    nbf: u64,
    /// When it ends.
    pub exp: u64,
    jti: String,
}

/// What clients want to know of the issuer (RFC 8414 §2). There is no authorization endpoint: the account is always willing.
#[derive(Debug, Serialize)]
pub struct Metadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    scopes_supported: [&'static str; 1],
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    claims_supported: [&'static str; 11],
}

/// The keys that tokens verify with.
#[derive(Serialize)]
pub struct KeySet<'a> {
    keys: [PublicKey<'a>; 1],
}

impl Claims {
    /// What the token allows.
    pub fn scope(&self) -> &'static str {
        self.scope
    }
}

impl TokenIssuer {
    /// The issuer at this address of ours, with the key kept in this directory. Blocks on the disk.
    pub fn open(directory: &Path, address: SocketAddr, settings: &DevIssuer) -> io::Result<Self> {
        let inner = Inner {
            url: format!("http://{address}"),
            account: settings.account.clone(),
            guarded: settings.guarded,
            key: SigningKey::open(directory)?,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Its name (`iss`), which is where it is found.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The account that tokens are for.
    pub fn account(&self) -> &str {
        &self.inner.account
    }

    /// Whether a token costs the token of the API.
    pub fn is_guarded(&self) -> bool {
        self.inner.guarded
    }

    /// A new token. Fails only when the system has no random bits.
    pub fn issue(&self, kind: Kind, client_id: &str, now: SystemTime) -> io::Result<Issued> {
        let life = match kind {
            Kind::FiveSeconds => SHORT_LIFE,
            _ => LIFE,
        };
        let began = match kind {
            Kind::Expired => now - 2 * LIFE,
            _ => now,
        };
        let (began, ended) = (seconds(began), seconds(began + life));
        let account = &self.inner.account;
        let claims = Claims {
            iss: self.inner.url.clone(),
            sub: account.clone(),
            aud: match kind {
                Kind::WrongAudience => "somebody-else".to_owned(),
                _ => AUDIENCE.to_owned(),
            },
            client_id: client_id.to_owned(),
            scope: SCOPE,
            email: account.clone(),
            email_verified: true,
            preferred_username: account.clone(),
            iat: began,
            nbf: began,
            exp: ended,
            jti: unique()?,
        };
        Ok(Issued {
            token: self.inner.key.sign(&claims)?,
            claims,
        })
    }

    /// What clients want to know of it.
    pub fn metadata(&self) -> Metadata {
        let url = self.url();
        Metadata {
            issuer: url.to_owned(),
            token_endpoint: format!("{url}/oauth/token"),
            jwks_uri: format!("{url}/oauth/jwks"),
            scopes_supported: [SCOPE],
            response_types_supported: [],
            grant_types_supported: ["client_credentials"],
            token_endpoint_auth_methods_supported: [
                "client_secret_basic",
                "client_secret_post",
                "none",
            ],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: [ALGORITHM],
            claims_supported: [
                "iss",
                "sub",
                "aud",
                "client_id",
                "scope",
                "email",
                "email_verified",
                "preferred_username",
                "iat",
                "nbf",
                "exp",
            ],
        }
    }

    /// The keys that its tokens verify with.
    pub fn keys(&self) -> KeySet<'_> {
        KeySet {
            keys: [self.inner.key.public()],
        }
    }
}

fn seconds(moment: SystemTime) -> u64 {
    moment
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// 128 random bits.
fn unique() -> io::Result<String> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(bits.iter().fold(String::new(), |mut digits, octet| {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{octet:02x}");
        digits
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(directory: &Path) -> TokenIssuer {
        let settings = DevIssuer {
            account: "dev@localhost".into(),
            guarded: false,
        };
        TokenIssuer::open(directory, "127.0.0.1:2580".parse().unwrap(), &settings).unwrap()
    }

    #[test]
    fn each_kind_is_wrong_in_one_way_only() {
        let directory = tempfile::tempdir().unwrap();
        let issuer = issuer(directory.path());
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let claims = |kind| issuer.issue(kind, "app", now).unwrap().claims;
        let valid = claims(Kind::Valid);
        assert_eq!(
            (valid.iss.as_str(), valid.sub.as_str()),
            ("http://127.0.0.1:2580", "dev@localhost")
        );
        assert_eq!(
            (valid.aud.as_str(), valid.client_id.as_str()),
            (AUDIENCE, "app")
        );
        assert_eq!((valid.iat, valid.exp), (1_800_000_000, 1_800_003_600));
        let expired = claims(Kind::Expired);
        assert_eq!((expired.iat, expired.exp), (1_799_992_800, 1_799_996_400));
        assert_eq!(expired.aud, valid.aud);
        let short = claims(Kind::FiveSeconds);
        assert_eq!((short.iat, short.exp), (1_800_000_000, 1_800_000_005));
        assert_eq!(short.aud, valid.aud);
        let elsewhere = claims(Kind::WrongAudience);
        assert_ne!(elsewhere.aud, valid.aud);
        assert_eq!((elsewhere.iat, elsewhere.exp), (valid.iat, valid.exp));
        assert_ne!(elsewhere.jti, valid.jti);
    }

    #[test]
    fn kinds_are_found_by_their_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("Valid"), None);
    }
}
