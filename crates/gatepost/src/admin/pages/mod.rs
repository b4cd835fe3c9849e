//! The pages, rendered on the server: no script, nothing from elsewhere.
//!
//! Every value goes through the templates' escaping; values of mail stand in `<bdi>` or blocks of their own, so that their writing direction
//! cannot reorder what stands beside them. The newest part of a list reloads itself.

mod attempts;
mod figures;
mod inbox;
mod message;
mod tokens;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use self::figures::Moment;
use super::tokens::{Issuing, Wanted};
use super::{Site, api};
use crate::control::messages::ViewError;

/// Rows of a page.
const ROWS: usize = 50;

/// Seconds between two looks at a list.
const RELOAD_S: u32 = 5;

/// Where a page of a list begins.
#[derive(Debug, Deserialize)]
pub(super) struct Before<T> {
    before: Option<T>,
}

/// `GET /`.
pub(super) async fn inbox(
    State(site): State<Site>,
    Query(from): Query<Before<String>>,
) -> Response {
    let list = match site.messages.list(ROWS, from.before.as_deref()).await {
        Ok(list) => list,
        Err(error) => return fault(&site, error),
    };
    let title = match list.total {
        0 => "Inbox".to_owned(),
        total => format!("Inbox ({total})"),
    };
    let is_newest = from.before.is_none();
    let content = inbox::content(&list, is_newest, &Moment::now());
    page(
        &site,
        StatusCode::OK,
        &title,
        Tab::Inbox,
        is_newest,
        &content,
    )
}

/// `GET /messages/{id}`.
pub(super) async fn message(State(site): State<Site>, Path(id): Path<String>) -> Response {
    let message = match site.messages.message(&id).await {
        Ok(message) => message,
        Err(error) => return fault(&site, error),
    };
    let title = match message.summary.subject.as_str() {
        "" => "(no subject)",
        subject => subject,
    };
    page(
        &site,
        StatusCode::OK,
        title,
        Tab::Inbox,
        false,
        &message::content(&message, &Moment::now()),
    )
}

/// `GET /attempts`.
pub(super) async fn attempts(
    State(site): State<Site>,
    Query(from): Query<Before<u64>>,
) -> Response {
    let attempts = site.attempts.latest(ROWS, from.before);
    let is_newest = from.before.is_none();
    let content = attempts::content(&attempts, site.attempts.total(), is_newest, &Moment::now());
    page(
        &site,
        StatusCode::OK,
        "Authentication",
        Tab::Attempts,
        is_newest,
        &content,
    )
}

/// `GET /tokens`.
pub(super) async fn tokens(
    State(issuing): State<Issuing>,
    headers: HeaderMap,
    asked: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let (status, content) = match Wanted::kind(asked) {
        Ok(kind) => {
            let issued = issuing.issue_for(&headers, kind);
            let content = tokens::content(&issuing.issuer, kind, issued.as_ref());
            (StatusCode::OK, content)
        }
        Err(refusal) => (refusal.status(), notice("No such token", refusal.text())),
    };
    page(
        &issuing.site,
        status,
        "Tokens",
        Tab::Tokens,
        false,
        &content,
    )
}

/// Whatever else is asked for.
pub(super) async fn nothing_here(State(site): State<Site>, uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return api::nothing_here();
    }
    let content = notice("There is nothing here", "The address leads nowhere.");
    page(
        &site,
        StatusCode::NOT_FOUND,
        "Not found",
        Tab::None,
        false,
        &content,
    )
}

/// The page in place of what cannot be shown.
pub(super) fn fault(site: &Site, error: ViewError) -> Response {
    let (title, text) = match error {
        ViewError::Absent => (
            "No such message",
            "It may have been deleted, or the address is not quite right.",
        ),
        ViewError::Failed => (
            "The queue cannot be read",
            "The log of the server says why.",
        ),
    };
    page(
        site,
        api::status(error),
        title,
        Tab::None,
        false,
        &notice(title, text),
    )
}

fn notice(title: &str, text: &str) -> Markup {
    html! {
        section .empty {
            h1 { (title) }
            p { (text) }
            p { a href="/" { "Back to the inbox" } }
        }
    }
}

/// The part of the site a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Inbox,
    Attempts,
    Tokens,
    None,
}

fn page(
    site: &Site,
    status: StatusCode,
    title: &str,
    tab: Tab,
    reloads: bool,
    content: &Markup,
) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if reloads { meta http-equiv="refresh" content=(RELOAD_S); }
                title { (title) " · Gatepost" }
                link rel="icon" href="/ui/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/ui/gatepost.css";
            }
            body {
                header .top {
                    a .brand href="/" { img src="/ui/icon.svg" alt="" width="26" height="26"; "Gatepost" }
                    nav {
                        (tab_link("/", "Inbox", tab == Tab::Inbox))
                        (tab_link("/attempts", "Authentication", tab == Tab::Attempts))
                        @if site.issuer.is_some() { (tab_link("/tokens", "Tokens", tab == Tab::Tokens)) }
                    }
                }
                main { (content) }
                footer {
                    span { "Captured mail stays here and is never sent." }
                    span { a href="/api/messages" { "API" } " · " a href="/metrics" { "metrics" } }
                }
            }
        }
    };
    (status, Html(page.into_string())).into_response()
}

fn tab_link(href: &str, name: &str, is_current: bool) -> Markup {
    let current = is_current.then_some("page");
    html! { a href=(href) aria-current=[current] { (name) } }
}
