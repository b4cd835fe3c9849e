//! One issuer: its keys, its rules, and what it says of a token.
//!
//! A JWT is judged with the issuer's keys, which come from a file, from a place that the operator named, or from the one that the
//! issuer publishes; a key that is not known makes us look for new ones, once. Any other token is put to the issuer itself, where that
//! is configured. That the issuer cannot be asked is no judgement about a token ([`Fault::Outage`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatepost_sasl::Secret;

use super::claims::{Refused, Rules, Source};
use super::discovery::{self, Metadata};
use super::fetch::{Fetcher, MAX_ANSWER};
use super::fresh::Fresh;
use super::introspection::Introspection;
use super::jwt::Jwt;
use super::keys::{KeySet, Signature};
use crate::config::endpoint::Endpoint;
use crate::config::resolved::{KeySource, TokenIssuer};
use crate::observe::reason::Reason;

/// An issuer of tokens.
pub(super) struct Issuer {
    pub(super) rules: Rules,
    place: Endpoint,
    keys: Keys,
    introspection: Option<Introspection>,
    fetcher: Fetcher,
    metadata: Fresh<Metadata>,
    key_set: Fresh<KeySet>,
}

/// Where the keys are.
enum Keys {
    File(PathBuf),
    Place(Endpoint),
    Discovered,
}

/// Why a token lets nobody in.
#[derive(Debug)]
pub(super) enum Fault {
    Refused(Refused),
    /// The issuer cannot be asked; the token may be good.
    Outage(String),
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Issuer {
    /// The issuer of the configuration. Reads its CA file, asks nobody.
    pub(super) fn new(written: &TokenIssuer) -> Result<Self, String> {
        let introspection = match &written.introspection {
            None => None,
            Some(it) => Some(Introspection::new(
                it.endpoint.clone(),
                it.client_id.clone(),
                it.client_secret_file.clone(),
            )?),
        };
        Ok(Self {
            rules: Rules {
                issuer: written.issuer.clone(),
                audience: written.audience.clone(),
                scope: written.scope.clone(),
                account_claim: written.account_claim.clone(),
                clock_skew: written.clock_skew.as_secs_f64(),
            },
            place: written.place.clone(),
            keys: match &written.keys {
                KeySource::File(file) => Keys::File(file.clone()),
                KeySource::Url(place) => Keys::Place(place.clone()),
                KeySource::Discovered => Keys::Discovered,
            },
            introspection,
            fetcher: Fetcher::new(written.ca.as_deref())?,
            metadata: Fresh::default(),
            key_set: Fresh::default(),
        })
    }

    /// Whether it can be asked about tokens that are no JWT.
    pub(super) fn introspects(&self) -> bool {
        self.introspection.is_some()
    }

    /// The account that a JWT of this issuer names.
    pub(super) async fn judge_jwt(&self, jwt: &Jwt<'_>) -> Result<String, Fault> {
        self.signature(jwt).await?;
        let claimed = self.rules.judge(&jwt.claims, Source::Jwt, now())?;
        Ok(claimed.account)
    }

    async fn signature(&self, jwt: &Jwt<'_>) -> Result<(), Fault> {
        let verified = |keys: &KeySet| {
            let key_id = jwt.key_id.as_deref();
            keys.verify(&jwt.algorithm, key_id, jwt.signed, &jwt.signature)
        };
        let keys = self.key_set(None).await.map_err(Fault::Outage)?;
        let mut found = verified(&keys);
        // The issuer may have changed its keys. A token that names no key is no reason to look for new ones all the time, so that
        // only a pause lets us.
        if found != Signature::Right && (found == Signature::NoKey || jwt.key_id.is_none()) {
            let newer = self.key_set(Some(&keys)).await.map_err(Fault::Outage)?;
            if !Arc::ptr_eq(&newer, &keys) {
                found = verified(&newer);
            }
        }
        let refused = match found {
            Signature::Right => return Ok(()),
            Signature::NoKey => Refused::new(
                Reason::TokenKeyUnknown,
                format!(
                    "no key {:?} for {:?}",
                    jwt.key_id.as_deref().unwrap_or_default(),
                    jwt.algorithm
                ),
            ),
            Signature::Wrong => Refused::new(Reason::TokenSignature, "the signature is wrong"),
        };
        Err(refused.into())
    }

    /// The account that the issuer says this token is for.
    pub(super) async fn introspect(&self, token: &Secret) -> Result<String, Fault> {
        let Some(introspection) = &self.introspection else {
            return Err(not_understood().into());
        };
        if let Some(account) = introspection.remembered(token) {
            return Ok(account);
        }
        let endpoint = self
            .introspection_endpoint(introspection)
            .await
            .map_err(Fault::Outage)?;
        let said = introspection
            .ask(&self.fetcher, &endpoint, token)
            .await
            .map_err(Fault::Outage)?;
        let Some(claims) = said else {
            let detail = "its issuer says that it is not active";
            return Err(Refused::new(Reason::TokenInactive, detail).into());
        };
        let now = now();
        let claimed = self.rules.judge(&claims, Source::Introspection, now)?;
        let left = claimed
            .expires
            .map(|at| Duration::try_from_secs_f64(at - now).unwrap_or_default());
        introspection.remember(token, &claimed.account, left);
        Ok(claimed.account)
    }

    async fn introspection_endpoint(&self, it: &Introspection) -> Result<Endpoint, String> {
        if let Some(endpoint) = &it.endpoint {
            return Ok(endpoint.clone());
        }
        let metadata = self.metadata().await?;
        metadata.introspection.clone().ok_or_else(|| {
            format!(
                "{} publishes no introspection_endpoint of its own origin: name it in the configuration",
                self.rules.issuer
            )
        })
    }

    async fn key_set(&self, unfit: Option<&Arc<KeySet>>) -> Result<Arc<KeySet>, String> {
        self.key_set.get(unfit, || self.fetch_keys()).await
    }

    async fn fetch_keys(&self) -> Result<KeySet, String> {
        let json = match &self.keys {
            Keys::File(file) => tokio::fs::read(file)
                .await
                .map_err(|error| format!("{}: {error}", file.display()))?,
            Keys::Place(endpoint) => self.fetcher.get(endpoint).await?,
            Keys::Discovered => {
                let metadata = self.metadata().await?;
                let endpoint = metadata
                    .keys
                    .as_ref()
                    .ok_or_else(|| format!("{} publishes no jwks_uri", self.rules.issuer))?;
                self.fetcher.get(endpoint).await?
            }
        };
        if json.len() > MAX_ANSWER {
            return Err(format!("the keys of {} are too long", self.rules.issuer));
        }
        KeySet::parse(&json).map_err(|what| format!("the keys of {}: {what}", self.rules.issuer))
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, String> {
        self.metadata
            .get(None, || {
                discovery::discover(&self.fetcher, &self.rules.issuer, &self.place)
            })
            .await
    }
}

/// What is no JWT and cannot be asked about.
pub(super) fn not_understood() -> Refused {
    Refused::new(
        Reason::TokenMalformed,
        "it is no JWT, and no issuer is configured to be asked about it",
    )
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
