//! Tokens against a directory of two accounts and an issuer whose keys are in a file, or that is a server of its own.

mod forged;
mod issuer;
mod judged;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_sasl::mechanism::{OAUTHBEARER, XOAUTH2};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::auth::directory::Conversation;
use crate::auth::guard;
use crate::auth::hash::Lane;
use crate::config::endpoint::Endpoint;
use crate::config::resolved::{HostPort, KeySource};
use crate::observe::Sink;
use crate::observe::event::Event;
use crate::store::{Costs, Store};

const ISSUER: &str = "https://login.example.com/tenant";
const NAME: &str = "user@example.com";

/// A key of an issuer.
struct Signer {
    key: EcdsaKeyPair,
    id: String,
}

impl Signer {
    fn new(id: &str) -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            id: id.to_owned(),
        }
    }

    fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id,
            "x": base64url(&point[1..33]), "y": base64url(&point[33..65]),
        })
    }

    fn set(&self) -> Value {
        json!({"keys": [self.jwk()]})
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": self.id})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = signed_part(header, claims);
        let random = SystemRandom::new();
        let signature = self.key.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64url(signature.as_ref()))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }
}

fn signed_part(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

fn base64url(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

/// What a good token says.
fn good() -> Value {
    json!({
        "iss": ISSUER, "aud": "mail", "scope": "openid smtp", "sub": "8f3c", "email": NAME,
        "iat": now(), "exp": now() + 600,
    })
}

/// A good token's claims with some of them changed; null takes one out.
fn with(changes: Value) -> Value {
    let mut claims = good();
    let Value::Object(changes) = changes else {
        panic!("an object")
    };
    for (name, value) in changes {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(&name);
        } else {
            claims[name] = value;
        }
    }
    claims
}

/// An issuer whose keys are in this file.
fn configured(keys: &Path) -> TokenIssuer {
    TokenIssuer {
        issuer: ISSUER.to_owned(),
        place: Endpoint::parse(ISSUER).unwrap(),
        audience: vec!["mail".to_owned(), "https://mail.example.com".to_owned()],
        scope: vec!["smtp".to_owned()],
        account_claim: "email".to_owned(),
        clock_skew: Duration::from_secs(60),
        keys: KeySource::File(keys.to_owned()),
        introspection: None,
        ca: None,
    }
}

/// What the log is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(Reason, String)>>>);

impl Sink for Told {
    fn observe(&self, _at: SystemTime, event: &Event) {
        let told = match event {
            Event::TokenRefused(it) => (it.reason, it.detail.clone()),
            Event::Fault(it) => (it.reason, it.detail.clone()),
            other => panic!("{other:?}"),
        };
        self.0.lock().unwrap().push(told);
    }
}

/// A directory of tokens over two accounts.
struct Bench {
    directory: TokenDirectory,
    store: Store,
    told: Told,
    channel: Channel,
    _files: TempDir,
}

/// How a token fared.
#[derive(Debug, PartialEq)]
enum End {
    /// Let in: login, and as whom.
    In(String, String),
    /// The error document's status, and the reason in the log.
    Refused(String, Reason),
    /// No judgement, and the reason in the log.
    Outage(Reason),
    /// A verdict other than a grant.
    Verdict(Refusal),
}

impl Bench {
    /// With these issuers.
    fn new(issuers: &[TokenIssuer]) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), issuers)
    }

    /// With one issuer whose keys are these.
    fn with_keys(keys: &Value) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("keys.json");
        std::fs::write(&path, keys.to_string()).unwrap();
        Self::in_directory(files, &[configured(&path)])
    }

    /// The accounts are `user@example.com`, who may act as `shared@example.com`, and `other@example.com`.
    fn in_directory(files: TempDir, issuers: &[TokenIssuer]) -> Self {
        let store = Store::open(files.path(), Costs::default()).unwrap();
        for name in [NAME, "shared@example.com", "other@example.com"] {
            store.add_account(name, &[], &[]).unwrap();
        }
        store.grant_acts_as(NAME, "shared@example.com").unwrap();
        let told = Told::default();
        let observer = Observer::new(vec![Box::new(told.clone())]);
        let accounts = AccountGrants::new(store.clone());
        Self {
            directory: TokenDirectory::new(issuers, accounts, observer).unwrap(),
            store,
            told,
            channel: Channel {
                tls: true,
                ..Channel::default()
            },
            _files: files,
        }
    }

    async fn ask(&self, question: &Question) -> Answer {
        let asker = Asker {
            channel: self.channel.clone(),
            network: guard::network(IpAddr::from([127, 0, 0, 1])),
            lane: Lane::Strangers,
            conversation: Conversation::default(),
        };
        self.directory.answer(question, &asker).await
    }

    async fn try_as(&self, token: &str, authzid: Option<&str>) -> End {
        let question = question(&OAUTHBEARER, token, authzid);
        let answer = self.ask(&question).await;
        let reason = || self.told.0.lock().unwrap().last().unwrap().0;
        match answer {
            Answer::Verdict(Verdict::Accepted(grant)) => {
                assert_eq!(grant.credential, "token");
                End::In(grant.login, grant.acts_as)
            }
            Answer::Verdict(Verdict::Refused(refusal)) => End::Verdict(refusal),
            Answer::TokenRefused { document } => {
                let document: Value = serde_json::from_slice(&document).unwrap();
                End::Refused(document["status"].as_str().unwrap().to_owned(), reason())
            }
            Answer::Unavailable => End::Outage(reason()),
            other => panic!("{other:?}"),
        }
    }

    async fn try_token(&self, token: &str) -> End {
        self.try_as(token, None).await
    }
}

fn question(mechanism: &'static Mechanism, token: &str, authzid: Option<&str>) -> Question {
    Question::Token {
        mechanism,
        authzid: authzid.map(|name| Authzid::parse(name).unwrap()),
        token: Secret::new(token),
        host: None,
        port: None,
    }
}

fn let_in() -> End {
    End::In(NAME.to_owned(), NAME.to_owned())
}

fn refused(reason: Reason) -> End {
    End::Refused("invalid_token".to_owned(), reason)
}
