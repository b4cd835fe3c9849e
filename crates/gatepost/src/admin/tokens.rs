//! The token issuer over HTTP: what OAuth and OpenID clients ask it, and a token for whoever asks with one line of shell.
//!
//! | path | what |
//! |---|---|
//! | `/.well-known/openid-configuration`, `/.well-known/oauth-authorization-server` | what clients want to know of it (RFC 8414 §3) |
//! | `/oauth/jwks` | the keys that tokens verify with (RFC 7517 §5) |
//! | `POST /oauth/token` | a token, for `grant_type=client_credentials` and any client (RFC 6749 §4.4) |
//! | `GET /api/tokens?kind=KIND`, `/api/tokens/raw?kind=KIND` | a token with its claims as JSON; the token alone as text |
//!
//! Tokens that are [guarded](TokenIssuer::is_guarded) are for those who know the token of the API: as `Authorization: Bearer`, or as the
//! secret of the client.

use std::time::SystemTime;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{FromRef, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Site, api, pages};
use crate::control::token_issuer::{Claims, Issued, Kind, TokenIssuer};

/// The client in a token that no client asked for.
const NO_CLIENT: &str = "gatepost-dev-pages";

/// The issuer, and the site it is part of.
#[derive(Clone)]
pub(super) struct Issuing {
    pub(super) issuer: TokenIssuer,
    pub(super) site: Site,
}

impl FromRef<Issuing> for Site {
    fn from_ref(issuing: &Issuing) -> Self {
        issuing.site.clone()
    }
}

/// Everything under the issuer's addresses, the page included.
pub(super) fn router(issuing: Issuing) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/oauth/jwks", get(keys))
        .route("/oauth/token", post(grant))
        .route("/api/tokens", get(token))
        .route("/api/tokens/raw", get(raw_token))
        .route("/tokens", get(pages::tokens))
        .with_state(issuing)
}

impl Issuing {
    /// A token of this kind, unless it costs what the request does not have.
    pub(super) fn issue_for(&self, headers: &HeaderMap, kind: Kind) -> Result<Issued, Refusal> {
        let authorization = headers.get(header::AUTHORIZATION);
        let pays = authorization.is_some_and(|it| self.site.token.authorizes(it.as_bytes()));
        if self.issuer.is_guarded() && !pays {
            return Err(Refusal::Guarded);
        }
        self.issue(kind, NO_CLIENT)
    }

    fn issue(&self, kind: Kind, client_id: &str) -> Result<Issued, Refusal> {
        let issued = self.issuer.issue(kind, client_id, SystemTime::now());
        issued.map_err(|_| Refusal::Failed)
    }
}

/// Why there is no token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// It is for those who know the token of the API.
    Guarded,
    /// There is no such kind.
    UnknownKind,
    /// The system has no random bits.
    Failed,
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Guarded => StatusCode::UNAUTHORIZED,
            Self::UnknownKind => StatusCode::BAD_REQUEST,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What and what next.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Guarded => {
                "other machines can reach this server: a token needs the API token that `gatepost dev` printed, as Authorization: Bearer TOKEN"
            }
            Self::UnknownKind => {
                "kind is valid, expired, wrong-audience or five-seconds; there is nothing else to ask for"
            }
            Self::Failed => "the system has no random bits to give",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = api::refusal(self.status(), self.text());
        if let Self::Guarded = self {
            api::ask_for_token(&mut response);
        }
        response
    }
}

/// Which token is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    kind: Option<String>,
}

impl Wanted {
    /// The kind that a request names: a valid token when it names none.
    pub(super) fn kind(asked: Result<Query<Self>, QueryRejection>) -> Result<Kind, Refusal> {
        match asked {
            Ok(Query(Self { kind })) => kind_named(kind.as_deref()).ok_or(Refusal::UnknownKind),
            Err(_) => Err(Refusal::UnknownKind),
        }
    }
}

fn kind_named(name: Option<&str>) -> Option<Kind> {
    name.map_or(Some(Kind::Valid), Kind::named)
}

async fn metadata(State(issuing): State<Issuing>) -> Response {
    Json(issuing.issuer.metadata()).into_response()
}

async fn keys(State(issuing): State<Issuing>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/jwk-set+json")];
    (kind, Json(issuing.issuer.keys())).into_response()
}

#[derive(Serialize)]
struct TokenView {
    kind: &'static str,
    access_token: String,
    claims: Claims,
}

async fn token(
    State(issuing): State<Issuing>,
    headers: HeaderMap,
    asked: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let kind = Wanted::kind(asked)?;
    let issued = issuing.issue_for(&headers, kind)?;
    Ok(Json(TokenView {
        kind: kind.name(),
        access_token: issued.token,
        claims: issued.claims,
    })
    .into_response())
}

async fn raw_token(
    State(issuing): State<Issuing>,
    headers: HeaderMap,
    asked: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refusal> {
    let issued = issuing.issue_for(&headers, Wanted::kind(asked)?)?;
    Ok((issued.token + "\n").into_response())
}

/// What a client sends to the token endpoint; what it sends besides is ignored (RFC 6749 §3.2).
#[derive(Debug, Deserialize)]
struct TokenRequest {
    grant_type: String,
    client_id: Option<String>,
    client_secret: Option<String>,
    kind: Option<String>,
}

/// An answer of the token endpoint (RFC 6749 §5.1).
#[derive(Serialize)]
struct Granted {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    scope: &'static str,
}

async fn grant(
    State(issuing): State<Issuing>,
    headers: HeaderMap,
    asked: Result<Form<TokenRequest>, FormRejection>,
) -> Result<Response, GrantError> {
    let Ok(Form(asked)) = asked else {
        return Err(GrantError::Malformed);
    };
    let basic = headers.get(header::AUTHORIZATION).map(basic_credentials);
    let (id, secret) = match basic {
        Some(credentials) => credentials.ok_or(GrantError::WrongClient)?,
        None => (
            asked.client_id.unwrap_or_else(|| NO_CLIENT.to_owned()),
            asked.client_secret.unwrap_or_default(),
        ),
    };
    if issuing.issuer.is_guarded() && !issuing.site.token.is(secret.as_bytes()) {
        return Err(GrantError::WrongClient);
    }
    if asked.grant_type != "client_credentials" {
        return Err(GrantError::OtherGrant);
    }
    let kind = kind_named(asked.kind.as_deref()).ok_or(GrantError::UnknownKind)?;
    let issued = issuing.issue(kind, &id).map_err(|_| GrantError::Failed)?;
    let claims = &issued.claims;
    Ok(Json(Granted {
        expires_in: claims.exp.saturating_sub(claims.iat),
        scope: claims.scope(),
        access_token: issued.token,
        token_type: "Bearer",
    })
    .into_response())
}

/// Id and secret of a client (RFC 6749 §2.3.1).
fn basic_credentials(field: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = field.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let octets = STANDARD.decode(encoded.trim()).ok()?;
    let (id, secret) = str::from_utf8(&octets).ok()?.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Why the token endpoint gives none (RFC 6749 §5.2).
#[derive(Debug, Clone, Copy)]
enum GrantError {
    Malformed,
    UnknownKind,
    WrongClient,
    OtherGrant,
    Failed,
}

#[derive(Serialize)]
struct GrantErrorView {
    error: &'static str,
    error_description: &'static str,
}

impl IntoResponse for GrantError {
    fn into_response(self) -> Response {
        let (status, error, error_description) = match self {
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "send a form with grant_type=client_credentials, each field once",
            ),
            Self::UnknownKind => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                Refusal::UnknownKind.text(),
            ),
            Self::WrongClient => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "the secret of every client is the API token that `gatepost dev` printed",
            ),
            Self::OtherGrant => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "only client_credentials is granted here",
            ),
            Self::Failed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                Refusal::Failed.text(),
            ),
        };
        let view = GrantErrorView {
            error,
            error_description,
        };
        let mut response = (status, Json(view)).into_response();
        if let Self::WrongClient = self {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"gatepost\""),
            );
        }
        response
    }
}
