//! Tokens of oidc-provider, the certified OpenID provider: JWTs verified with the keys that it publishes, and tokens that only it
//! understands.

use std::time::Duration;

use gatepost::config::endpoint::Endpoint;
use gatepost::config::resolved::{Introspection, KeySource, MAX_CLOCK_SKEW, TokenIssuer};

use super::clients::{CLIENTS, SMTPLIB};
use super::provider::{CLIENT, CLIENT_SECRET, Provider, Resource};
use super::submission::{Lane, Target};
use crate::peer_table::passed;

const PEER: &str = "oidc-provider";

async fn target(provider: &Provider) -> Target {
    let secret = provider.ca().with_file_name("introspection.secret");
    std::fs::write(&secret, CLIENT_SECRET).unwrap();
    let url = provider.url();
    let issuer = TokenIssuer {
        place: Endpoint::parse(&url).unwrap(),
        issuer: url,
        audience: vec!["submit.example.com".to_owned()],
        scope: vec!["smtp".to_owned()],
        account_claim: "email".to_owned(),
        clock_skew: MAX_CLOCK_SKEW,
        keys: KeySource::Discovered,
        introspection: Some(Introspection {
            endpoint: None,
            client_id: CLIENT.to_owned(),
            client_secret_file: secret,
        }),
        ca: Some(provider.ca()),
    };
    Target::start(|config| config.token_issuers = vec![issuer]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_tokens_open_the_account_that_they_name() {
    let provider = Provider::start().await;
    let target = target(&provider).await;
    for client in &CLIENTS {
        for mechanism in client.mechanisms {
            let token = provider.token(Resource::Jwt).await;
            target
                .takes(&client.command, mechanism, Lane::Implicit, &token)
                .await;
            passed(PEER, mechanism, "implicit", "its JWTs open Gatepost");
        }
    }
    for mechanism in SMTPLIB.mechanisms {
        let token = provider.token(Resource::Opaque).await;
        target
            .takes(&SMTPLIB.command, mechanism, Lane::StartTls, &token)
            .await;
        passed(
            PEER,
            mechanism,
            "STARTTLS",
            "its opaque tokens open Gatepost",
        );
    }
}

// OAB-09.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_other_tokens_open_nothing() {
    let mut provider = Provider::start().await;
    let target = target(&provider).await;
    let expired = provider.expired_token(Resource::Jwt).await;
    let forgotten = provider.expired_token(Resource::Opaque).await;
    let other = provider.token(Resource::Other).await;
    for (token, reason) in [
        (expired.as_str(), "token-expired"),
        (&forgotten, "token-inactive"),
        ("made-up", "token-inactive"),
        (&other, "token-audience"),
    ] {
        let said = target
            .refuses(&SMTPLIB.command, "OAUTHBEARER", token, reason)
            .await;
        assert!(said.contains("535"), "{reason}: {said}");
        // OAB-04: smtplib shows the error document that it was sent.
        assert!(said.contains("invalid_token"), "{reason}: {said}");
    }
}

/// One thread, so that time can be made to pass: a new key is looked for at most once a minute.
#[tokio::test]
async fn its_new_key_is_found_and_its_old_one_forgotten() {
    let mut provider = Provider::start().await;
    let target = target(&provider).await;
    let old = provider.token(Resource::Jwt).await;
    let take = async |token: &str| {
        target
            .takes(&SMTPLIB.command, "XOAUTH2", Lane::Implicit, token)
            .await;
    };
    take(&old).await;
    provider.rotate().await;
    let new = provider.token(Resource::Jwt).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    take(&new).await;
    let said = target
        .refuses(&SMTPLIB.command, "XOAUTH2", &old, "token-key-unknown")
        .await;
    assert!(said.contains("535"), "{said}");
    passed(PEER, "XOAUTH2", "implicit", "rotates its keys");
}

/// OAB-09: that nobody can say whether a token is good does not make it a bad one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_down_clients_are_told_to_come_again() {
    let provider = Provider::start().await;
    let target = target(&provider).await;
    let jwt = provider.token(Resource::Jwt).await;
    let opaque = provider.token(Resource::Opaque).await;
    provider.stop().await;
    for token in [&jwt, &opaque] {
        let reason = "token-issuer-unreachable";
        let said = target
            .refuses(&SMTPLIB.command, "XOAUTH2", token, reason)
            .await;
        assert!(said.contains("454"), "{said}");
    }
}
