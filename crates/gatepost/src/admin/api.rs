//! The API: the same views as the pages, as JSON.
//!
//! Refusals are `{"error": "…"}` with what to do. Lists come newest first with the total beside them.

use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Site;
use crate::control::messages::{MAX_PAGE, ViewError};
use crate::control::snapshot::{ATTEMPTS, Attempt};

/// Messages in an answer to a request that sets no limit.
const DEFAULT_LIMIT: usize = 100;

/// Which part of a list is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    limit: Option<usize>,
    before: Option<String>,
}

/// `GET /api/messages`.
pub(super) async fn messages(
    State(site): State<Site>,
    part: Result<Query<Part>, QueryRejection>,
) -> Response {
    let Ok(Query(part)) = part else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "limit is a number, before is the id of a message; there is nothing else to ask for",
        );
    };
    let limit = part.limit.unwrap_or(DEFAULT_LIMIT);
    if limit > MAX_PAGE {
        return refusal(
            StatusCode::BAD_REQUEST,
            "limit is at most 10000: ask for the rest with before=ID of the last message",
        );
    }
    match site.messages.list(limit, part.before.as_deref()).await {
        Ok(page) => Json(page).into_response(),
        Err(ViewError::Absent) => refusal(
            StatusCode::BAD_REQUEST,
            "before is the id of a message, as this list gives it",
        ),
        Err(error) => fault(error),
    }
}

/// `GET /api/messages/{id}`.
pub(super) async fn message(State(site): State<Site>, Path(id): Path<String>) -> Response {
    match site.messages.message(&id).await {
        Ok(message) => Json(message).into_response(),
        Err(error) => fault(error),
    }
}

#[derive(Serialize)]
struct Deleted {
    deleted: usize,
}

/// `DELETE /api/messages`.
pub(super) async fn delete_messages(State(site): State<Site>, headers: HeaderMap) -> Response {
    let authorization = headers.get(header::AUTHORIZATION);
    if !authorization.is_some_and(|value| site.token.authorizes(value.as_bytes())) {
        let mut response = refusal(
            StatusCode::UNAUTHORIZED,
            "deleting needs the token that `gatepost dev` printed: Authorization: Bearer TOKEN",
        );
        ask_for_token(&mut response);
        return response;
    }
    match site.messages.delete_all().await {
        Ok(deleted) => Json(Deleted { deleted }).into_response(),
        Err(error) => fault(error),
    }
}

#[derive(Serialize)]
struct AttemptPage {
    total: u64,
    attempts: Vec<AttemptView>,
}

#[derive(Serialize)]
struct AttemptView {
    time: String,
    peer: String,
    mechanism: &'static str,
    authcid: Option<String>,
    authzid: Option<String>,
    tls: Option<String>,
    result: &'static str,
    reason: &'static str,
    id: Option<String>,
}

/// Which attempts are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Newest {
    limit: Option<usize>,
}

/// `GET /api/attempts`.
pub(super) async fn attempts(
    State(site): State<Site>,
    newest: Result<Query<Newest>, QueryRejection>,
) -> Response {
    let Ok(Query(newest)) = newest else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "limit is a number; there is nothing else to ask for",
        );
    };
    let kept = site.attempts.latest(newest.limit.unwrap_or(ATTEMPTS), None);
    Json(AttemptPage {
        total: site.attempts.total(),
        attempts: kept.iter().map(AttemptView::of).collect(),
    })
    .into_response()
}

impl AttemptView {
    fn of(kept: &Attempt) -> Self {
        let attempt = &kept.attempt;
        Self {
            time: format!("{:.3}", Timestamp::try_from(kept.at).unwrap_or_default()),
            peer: attempt.peer.to_string(),
            mechanism: attempt.mechanism,
            authcid: attempt.authcid.clone(),
            authzid: attempt.authzid.clone(),
            tls: attempt.tls.clone(),
            result: attempt.result.as_str(),
            reason: attempt.reason.as_str(),
            id: attempt.id.clone(),
        }
    }
}

/// `GET /healthz`: 200, or 503 with what is wrong, a line each.
pub(super) async fn health(State(site): State<Site>) -> Response {
    let faults = site.health.faults(SystemTime::now());
    if faults.is_empty() {
        return "ok\n".into_response();
    }
    let status = StatusCode::SERVICE_UNAVAILABLE;
    (status, faults.join("\n") + "\n").into_response()
}

/// `GET /metrics`.
pub(super) async fn metrics(State(site): State<Site>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], site.metrics.render()).into_response()
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

/// An answer that says what to do.
pub(super) fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(Refusal { error })).into_response()
}

/// Marks an answer as refused for want of the token.
pub(super) fn ask_for_token(response: &mut Response) {
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"gatepost\""),
    );
}

/// The answer to a path that is not part of the API.
pub(super) fn nothing_here() -> Response {
    refusal(StatusCode::NOT_FOUND, "this is no address of the API")
}

/// The answer to a request for what cannot be shown.
pub(super) fn fault(error: ViewError) -> Response {
    refusal(status(error), &error.to_string())
}

/// The status of what cannot be shown.
pub(super) fn status(error: ViewError) -> StatusCode {
    match error {
        ViewError::Absent => StatusCode::NOT_FOUND,
        ViewError::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
