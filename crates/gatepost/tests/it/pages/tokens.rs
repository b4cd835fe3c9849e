//! The token issuer of a development server. That OAuth and OpenID libraries of others understand it is in `peers/issuer.rs`.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatepost::config::resolved::DevIssuer;
use serde_json::{Value, json};

use super::client::{Answer, ask, get};
use crate::server::Server;

async fn start(guarded: bool) -> (Server, SocketAddr) {
    let server = Server::start_with(|config| {
        config.http = Some(([127, 0, 0, 1], 0).into());
        config.dev_issuer = Some(DevIssuer {
            account: "dev@localhost".into(),
            guarded,
        });
    })
    .await;
    let http = server.http.unwrap();
    (server, http)
}

/// Sends a form to the token endpoint.
async fn grant(server: SocketAddr, form: &str, fields: &str) -> Answer {
    let length = form.len();
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n{fields}Connection: close\r\n\r\n{form}"
    );
    super::client::send(server, &request).await
}

/// What a token says, without a look at its signature.
fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_is_found_and_its_tokens_name_its_key() {
    let (_server, http) = start(false).await;
    let found = get(http, "/.well-known/openid-configuration").await.json();
    let url = format!("http://{http}");
    assert_eq!(found["issuer"], url);
    assert_eq!(found["jwks_uri"], format!("{url}/oauth/jwks"));
    assert_eq!(found["token_endpoint"], format!("{url}/oauth/token"));
    let same = get(http, "/.well-known/oauth-authorization-server").await;
    assert_eq!(same.json(), found);

    let keys = get(http, "/oauth/jwks").await;
    assert_eq!(keys.field("Content-Type"), Some("application/jwk-set+json"));
    let keys: Value = serde_json::from_slice(&keys.body).unwrap();
    assert!(keys["keys"][0].get("d").is_none(), "the key stays here");

    let view = get(http, "/api/tokens").await.json();
    let token = view["access_token"].as_str().unwrap();
    assert_eq!(claims(token), view["claims"]);
    assert_eq!(view["claims"]["iss"], url);
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    assert_eq!(
        header,
        json!({"alg": "ES256", "typ": "at+jwt", "kid": keys["keys"][0]["kid"]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_each_kind_are_given_to_pages_scripts_and_clients() {
    let (_server, http) = start(false).await;
    for (kind, life, audience) in [
        ("valid", 3600, "gatepost-dev"),
        ("expired", 3600, "gatepost-dev"),
        ("wrong-audience", 3600, "somebody-else"),
        ("five-seconds", 5, "gatepost-dev"),
    ] {
        let raw = get(http, &format!("/api/tokens/raw?kind={kind}")).await;
        let raw = raw.text().strip_suffix('\n').unwrap().to_owned();
        let page = get(http, &format!("/tokens?kind={kind}")).await;
        let (_, shown) = page.text().split_once("<pre class=\"text\">").unwrap();
        let shown = shown.split_once('<').unwrap().0.to_owned();
        let form = format!("grant_type=client_credentials&kind={kind}&resource=ignored");
        let granted = grant(http, &form, "").await.json();
        assert_eq!(granted["token_type"], "Bearer");
        assert_eq!(granted["expires_in"], life);
        for token in [&raw, &shown, granted["access_token"].as_str().unwrap()] {
            let claims = claims(token);
            assert_eq!(claims["aud"], audience, "{kind}");
            let (began, ended) = (
                claims["iat"].as_i64().unwrap(),
                claims["exp"].as_i64().unwrap(),
            );
            assert_eq!(ended - began, life, "{kind}");
        }
    }
    let page = get(http, "/tokens").await;
    assert!(
        page.text().contains("aria-current=\"page\">Tokens"),
        "{}",
        page.text()
    );
    assert!(
        !page.text().contains("http-equiv=\"refresh\""),
        "a token on the page stays"
    );
    for wrong in [
        "/tokens?kind=x",
        "/api/tokens?kind=",
        "/api/tokens/raw?kinds=valid",
    ] {
        assert_eq!(get(http, wrong).await.status, 400, "{wrong}");
    }
}

/// RFC 6749 §5.2
#[tokio::test(flavor = "multi_thread")]
async fn the_token_endpoint_says_what_is_wrong() {
    let (_server, http) = start(false).await;
    for (form, error) in [
        ("grant_type=password&username=dev", "unsupported_grant_type"),
        ("client_id=app", "invalid_request"),
        (
            "grant_type=client_credentials&grant_type=client_credentials",
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&kind=eternal",
            "invalid_request",
        ),
        ("", "invalid_request"),
    ] {
        let answer = grant(http, form, "").await;
        assert_eq!(answer.status, 400, "{form}");
        assert_eq!(answer.json()["error"], error, "{form}");
    }
    let fields = "Authorization: Basic !\r\n";
    let answer = grant(http, "grant_type=client_credentials", fields).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("invalid_client"))
    );
    assert_eq!(get(http, "/oauth/token").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_named_in_its_token() {
    let (_server, http) = start(false).await;
    let basic = STANDARD.encode("app:any secret");
    let fields = format!("Authorization: Basic {basic}\r\n");
    let granted = grant(http, "grant_type=client_credentials", &fields)
        .await
        .json();
    assert_eq!(
        claims(granted["access_token"].as_str().unwrap())["client_id"],
        "app"
    );
    let form = "grant_type=client_credentials&client_id=other";
    let granted = grant(http, form, "").await.json();
    assert_eq!(
        claims(granted["access_token"].as_str().unwrap())["client_id"],
        "other"
    );
}

/// T-09: where other machines can reach the server, being able to ask is not enough to send.
#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_issuer_wants_the_token_of_the_api() {
    let (server, http) = start(true).await;
    let secret = server.token.clone().unwrap();
    let bearer = format!("Authorization: Bearer {secret}\r\n");
    for path in ["/api/tokens", "/api/tokens/raw?kind=expired"] {
        let refused = get(http, path).await;
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.field("WWW-Authenticate").is_some());
        assert!(
            refused.json()["error"]
                .as_str()
                .unwrap()
                .contains("API token")
        );
        let given = ask(http, &format!("GET {path} HTTP/1.1"), &bearer).await;
        assert_eq!(given.status, 200, "{path}");
    }
    let page = get(http, "/tokens").await;
    assert!(
        page.text().contains("API token") && !page.text().contains("<pre"),
        "{}",
        page.text()
    );

    let form = "grant_type=client_credentials&client_id=app";
    let refused = grant(http, form, "").await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (401, &json!("invalid_client"))
    );
    let post = format!("{form}&client_secret={secret}");
    assert_eq!(grant(http, &post, "").await.status, 200);
    let basic = |secret: &str| {
        format!(
            "Authorization: Basic {}\r\n",
            STANDARD.encode(format!("app:{secret}"))
        )
    };
    assert_eq!(grant(http, form, &basic(&secret)).await.status, 200);
    assert_eq!(grant(http, form, &basic("wrong")).await.status, 401);
    // Keys and discovery are for everybody: they prove, they do not allow.
    assert_eq!(get(http, "/oauth/jwks").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_an_issuer_has_none_of_it() {
    let server = Server::start_with(|config| config.http = Some(([127, 0, 0, 1], 0).into())).await;
    let http = server.http.unwrap();
    for path in [
        "/tokens",
        "/api/tokens",
        "/oauth/jwks",
        "/.well-known/openid-configuration",
    ] {
        assert_eq!(get(http, path).await.status, 404, "{path}");
    }
    assert!(!get(http, "/").await.text().contains("Tokens"));
}
