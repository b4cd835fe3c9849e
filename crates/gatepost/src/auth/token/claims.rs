//! What a token says, and whether that opens this server (pure).
//!
//! The same rules for the claims of a JWT and for an introspection answer. Types are strict: a time that is no number is no
//! time, and the token is refused (T-20, V-61). The scope is judged last: only a token that is right in everything else is
//! told that its scope is too small.
//!
//! Standards: RFC 7519 §4, RFC 9068 §2 and §4, RFC 7662 §2.2, RFC 8693 §4.2.

use serde_json::{Map, Value};

use crate::observe::reason::Reason;

/// Longest account name taken from a claim, in octets.
const MAX_ACCOUNT: usize = 1024;

/// Longest value of a claim that goes into the log, in characters.
const SHOWN: usize = 120;

/// The claims of a token by name.
pub(super) type Claims = Map<String, Value>;

/// What the configuration demands of an issuer's tokens.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// The issuer's identifier, compared octet by octet.
    pub(super) issuer: String,
    /// One of these must be an audience of the token.
    pub(super) audience: Vec<String>,
    /// All of these must be in its scope.
    pub(super) scope: Vec<String>,
    /// The claim that names the account.
    pub(super) account_claim: String,
    /// How far our clock may be from the issuer's, in seconds.
    pub(super) clock_skew: f64,
}

/// Where claims come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A JWT whose signature is right.
    Jwt,
    /// The issuer's own answer about a token, to us.
    Introspection,
}

/// What a good token comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claimed {
    /// The account it names, as written in it.
    pub(super) account: String,
    /// When it expires, in seconds since 1970; a JWT always says so.
    pub(super) expires: Option<f64>,
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    /// What exactly, for the operator.
    pub(super) detail: String,
}

impl Refused {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

impl Rules {
    /// Judges claims at `now`, in seconds since 1970.
    pub(super) fn judge(
        &self,
        claims: &Claims,
        source: Source,
        now: f64,
    ) -> Result<Claimed, Refused> {
        refuse_other_kinds(claims)?;
        self.issuer(claims, source)?;
        let expires = self.times(claims, source, now)?;
        self.audience(claims, source)?;
        let account = self.account(claims)?;
        self.scope(claims)?;
        Ok(Claimed { account, expires })
    }

    fn issuer(&self, claims: &Claims, source: Source) -> Result<(), Refused> {
        match claims.get("iss") {
            None if source == Source::Introspection => Ok(()),
            Some(Value::String(issuer)) if *issuer == self.issuer => Ok(()),
            other => Err(Refused::new(
                Reason::TokenIssuer,
                format!("iss is {}", shown(other)),
            )),
        }
    }

    fn times(&self, claims: &Claims, source: Source, now: f64) -> Result<Option<f64>, Refused> {
        let expires = seconds(claims, "exp")?;
        match expires {
            None if source == Source::Jwt => {
                return Err(Refused::new(Reason::TokenExpired, "it has no exp"));
            }
            Some(at) if now >= at + self.clock_skew => {
                return Err(Refused::new(
                    Reason::TokenExpired,
                    format!("it expired {:.0} s ago", now - at),
                ));
            }
            _ => {}
        }
        for name in ["nbf", "iat"] {
            if let Some(at) = seconds(claims, name)?
                && now + self.clock_skew < at
            {
                return Err(Refused::new(
                    Reason::TokenNotYet,
                    format!("{name} is {:.0} s ahead: compare the clocks", at - now),
                ));
            }
        }
        Ok(expires)
    }

    /// RFC 7662 §2.2 lets an introspection answer leave the audience out. Then a scope must tie the token to mail.
    fn audience(&self, claims: &Claims, source: Source) -> Result<(), Refused> {
        let ours = |audience: &str| self.audience.iter().any(|our| our == audience);
        let fits = match claims.get("aud") {
            Some(Value::String(audience)) => ours(audience),
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).any(ours),
            None => source == Source::Introspection && !self.scope.is_empty(),
            Some(_) => false,
        };
        if fits {
            return Ok(());
        }
        Err(Refused::new(
            Reason::TokenAudience,
            format!("aud is {}", shown(claims.get("aud"))),
        ))
    }

    fn account(&self, claims: &Claims) -> Result<String, Refused> {
        let name = &self.account_claim;
        // OpenID Connect Core §5.1: an address that nobody has verified names whoever its owner wants to be.
        if name == "email" && claims.get("email_verified").is_some_and(is_false) {
            return Err(Refused::new(
                Reason::TokenAccount,
                "its email is not verified",
            ));
        }
        match claims.get(name) {
            Some(Value::String(account)) if (1..=MAX_ACCOUNT).contains(&account.len()) => {
                Ok(account.clone())
            }
            other => Err(Refused::new(
                Reason::TokenAccount,
                format!("{name} is {}", shown(other)),
            )),
        }
    }

    /// `scope` is a text with blanks; some issuers call it `scp`, or make it a list.
    fn scope(&self, claims: &Claims) -> Result<(), Refused> {
        let mut granted: Vec<&str> = Vec::new();
        for value in ["scope", "scp"].iter().filter_map(|name| claims.get(*name)) {
            match value {
                Value::String(text) => granted.extend(text.split(' ')),
                Value::Array(words) => granted.extend(words.iter().filter_map(Value::as_str)),
                _ => {}
            }
        }
        match self
            .scope
            .iter()
            .find(|wanted| !granted.contains(&wanted.as_str()))
        {
            None => Ok(()),
            Some(wanted) => Err(Refused::new(
                Reason::TokenScope,
                format!("its scope lacks {wanted}"),
            )),
        }
    }
}

/// ID tokens and refresh tokens are signed by the same keys and are for other purposes.
fn refuse_other_kinds(claims: &Claims) -> Result<(), Refused> {
    let kind = match claims.get("typ") {
        // As Keycloak names its kinds.
        Some(Value::String(kind)) if !kind.eq_ignore_ascii_case("bearer") => {
            Some("no bearer token")
        }
        None | Some(Value::String(_)) => None,
        Some(_) => Some("its typ is no text"),
    };
    // OpenID Connect Core §3.1.3.6, §3.3.2.11: hashes that stand in ID tokens only.
    let is_id_token = ["at_hash", "c_hash"]
        .iter()
        .any(|it| claims.contains_key(*it));
    match kind.or(is_id_token.then_some("it is an ID token")) {
        Some(detail) => Err(Refused::new(Reason::TokenMalformed, detail)),
        None => Ok(()),
    }
}

/// A time: a number that is one.
fn seconds(claims: &Claims, name: &str) -> Result<Option<f64>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(at) if at.is_finite() && at >= 0.0 => Ok(Some(at)),
            _ => Err(Refused::new(
                Reason::TokenMalformed,
                format!("{name} is {}", shown(Some(value))),
            )),
        },
    }
}

fn is_false(value: &Value) -> bool {
    match value {
        Value::Bool(verified) => !verified,
        // Some issuers write it as a text.
        Value::String(text) => text != "true",
        _ => true,
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "missing".to_owned(),
        Some(value) => value.to_string().chars().take(SHOWN).collect(),
    }
}
