//! The web pages and the API: captured mail and authentication attempts, `/healthz`, `/metrics`.
//!
//! | path | what |
//! |---|---|
//! | `/` | inbox: the captured messages, newest first |
//! | `/messages/{id}`, `/messages/{id}/raw` | one message; its octets as plain text |
//! | `/attempts` | authentication attempts, newest first |
//! | `GET /api/messages?limit=N&before=ID` | the list as JSON |
//! | `DELETE /api/messages` | forget all captured messages; needs the token |
//! | `GET /api/messages/{id}`, `/api/messages/{id}/raw` | one message as JSON; its octets as a download |
//! | `GET /api/attempts?limit=N` | attempts as JSON |
//! | `/tokens`, `/oauth/…`, `/.well-known/…`, `/api/tokens` | the token issuer, where there is one: [`tokens`] |
//! | `GET /healthz`, `/metrics` | is it up; Prometheus metrics |
//!
//! Everything shown comes from [`crate::control`]; nothing is known here of queue or accounts. What a message holds reaches a page as
//! escaped text only: no HTML of a message is rendered, nothing is loaded from elsewhere, and no page has a script (T-54). [`fence`]
//! says who is answered at all.

mod api;
mod fence;
pub mod http;
mod pages;
mod raw;
pub mod token;
mod tokens;

use crate::control::health::Health;
use crate::control::messages::Messages;
use crate::control::snapshot::Attempts;
use crate::control::token_issuer::TokenIssuer;
use crate::observe::metrics::Metrics;
use token::Token;

/// What the pages show, and the token that changing acts need.
#[derive(Clone)]
pub struct Site {
    /// The captured messages.
    pub messages: Messages,
    /// The last authentication attempts.
    pub attempts: Attempts,
    /// Whether the server does what it is for.
    pub health: Health,
    /// The metrics.
    pub metrics: Metrics,
    /// The token.
    pub token: Token,
    /// The token issuer of a development server.
    pub issuer: Option<TokenIssuer>,
}
