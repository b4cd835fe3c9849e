//! Asking the issuer about a token that only it understands.
//!
//! We authenticate with a client id and a secret (HTTP Basic), and post the token. What is said of a good one is remembered for at
//! most [`REMEMBERED`], under a keyed hash: a revoked token dies within that time. Refusals are not remembered.
//!
//! Standards: RFC 7662 §2, RFC 6749 §2.3.1.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_sasl::Secret;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::claims::Claims;
use super::fetch::{Fetcher, Form};
use crate::auth::recent::Recent;
use crate::config::endpoint::Endpoint;

/// How long a good token is taken to be good without asking again (T-21).
pub(super) const REMEMBERED: Duration = Duration::from_secs(60);

/// Good tokens remembered, at most twice as many.
const CAPACITY: usize = 10_000;

/// How we are known to the issuer.
pub(super) struct Introspection {
    /// Where; as the issuer says when absent.
    pub(super) endpoint: Option<Endpoint>,
    client_id: String,
    secret_file: PathBuf,
    key: hmac::Key,
    known: Mutex<Recent<[u8; 32], Option<Known>>>,
}

#[derive(Clone)]
struct Known {
    account: String,
    until: Instant,
}

impl Introspection {
    /// Fails if the system has no random octets.
    pub(super) fn new(
        endpoint: Option<Endpoint>,
        client_id: String,
        secret_file: PathBuf,
    ) -> Result<Self, String> {
        let mut key = Zeroizing::new([0_u8; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|error| error.to_string())?;
        Ok(Self {
            endpoint,
            client_id,
            secret_file,
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()),
            known: Mutex::new(Recent::new(CAPACITY)),
        })
    }

    /// What the issuer says of the token; `None`: it is not active.
    pub(super) async fn ask(
        &self,
        fetcher: &Fetcher,
        endpoint: &Endpoint,
        token: &Secret,
    ) -> Result<Option<Claims>, String> {
        let form = self.form(token).await?;
        let answer = fetcher.post(endpoint, form).await?;
        let claims: Claims = serde_json::from_slice(&answer)
            .map_err(|error| format!("{} answers no JSON object: {error}", endpoint.authority))?;
        match claims.get("active").and_then(serde_json::Value::as_bool) {
            Some(active) => Ok(active.then_some(claims)),
            None => Err(format!("{} does not say `active`", endpoint.authority)),
        }
    }

    /// The account of a token that was good a moment ago.
    pub(super) fn remembered(&self, token: &Secret) -> Option<String> {
        let fact = self.fact(token);
        let known = self.known();
        let known = known.get(&fact)?.as_ref()?;
        (Instant::now() < known.until).then(|| known.account.clone())
    }

    /// Remembers a good token, which expires after `left`.
    pub(super) fn remember(&self, token: &Secret, account: &str, left: Option<Duration>) {
        let left = left.map_or(REMEMBERED, |left| left.min(REMEMBERED));
        *self.known().entry(self.fact(token)) = Some(Known {
            account: account.to_owned(),
            until: Instant::now() + left,
        });
    }

    /// The secret is read each time, so that a new one needs no restart.
    async fn form(&self, token: &Secret) -> Result<Form, String> {
        let file = &self.secret_file;
        let secret = tokio::fs::read(file)
            .await
            .map(Zeroizing::new)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        // RFC 6749 §2.3.1: both are encoded as in a form before they are joined.
        let mut pair = Zeroizing::new(String::new());
        encode(self.client_id.as_bytes(), &mut pair);
        pair.push(':');
        encode(secret.trim_ascii(), &mut pair);
        let mut body = Zeroizing::new("token_type_hint=access_token&token=".to_owned());
        encode(token.expose(), &mut body);
        let authorization = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
        Ok(Form {
            body,
            authorization: Zeroizing::new(authorization),
        })
    }

    fn fact(&self, token: &Secret) -> [u8; 32] {
        let mut fact = [0; 32];
        for (to, from) in fact
            .iter_mut()
            .zip(hmac::sign(&self.key, token.expose()).as_ref())
        {
            *to = *from;
        }
        fact
    }

    fn known(&self) -> MutexGuard<'_, Recent<[u8; 32], Option<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `application/x-www-form-urlencoded`.
fn encode(octets: &[u8], to: &mut String) {
    for octet in octets {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                to.push(char::from(*octet));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(to, "%{octet:02X}")),
        }
    }
}
