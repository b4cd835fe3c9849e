//! Tokens to try OAUTHBEARER and XOAUTH2 with.

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::tokens::Refusal;
use super::figures::exact;
use crate::control::token_issuer::{AUDIENCE, Issued, Kind, TokenIssuer};

pub(super) fn content(
    issuer: &TokenIssuer,
    kind: Kind,
    issued: Result<&Issued, &Refusal>,
) -> Markup {
    html! {
        div .heading {
            h1 { "Tokens" }
            span .count { "for OAUTHBEARER and XOAUTH2 inside TLS" }
        }
        nav .kinds aria-label="Kinds of tokens" {
            @for other in Kind::ALL {
                a .button href={ "/tokens?kind=" (other.name()) } aria-current=[(other == kind).then_some("true")] { (label(other)) }
            }
        }
        @match issued {
            Ok(issued) => (shown(kind, issued)),
            Err(refusal) => section .card { h2 { "No token" } p { (refusal.text()) } },
        }
        (facts(issuer))
    }
}

fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Valid => "Valid",
        Kind::Expired => "Expired",
        Kind::WrongAudience => "Wrong audience",
        Kind::FiveSeconds => "Five seconds",
    }
}

fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Valid => "Good for an hour: accepted.",
        Kind::Expired => "Ended an hour ago: refused.",
        Kind::WrongAudience => "Issued for another service: refused.",
        Kind::FiveSeconds => "Good for five seconds: accepted, then refused.",
    }
}

fn shown(kind: Kind, issued: &Issued) -> Markup {
    let end = i64::try_from(issued.claims.exp)
        .ok()
        .and_then(|end| Timestamp::from_second(end).ok())
        .unwrap_or_default();
    let claims = serde_json::to_string_pretty(&issued.claims).unwrap_or_default();
    html! {
        section .card {
            h2 { (label(kind)) }
            p { (meaning(kind)) " Ends at " (exact(end)) ". Each look at this page makes a new one." }
            pre .text { (issued.token) }
        }
        details .card {
            summary { h2 { "What it says" } }
            pre .text { (claims) }
        }
    }
}

fn facts(issuer: &TokenIssuer) -> Markup {
    html! {
        section .card {
            h2 { "Issuer" }
            dl {
                dt { "Issuer" } dd { code { (issuer.url()) } }
                dt { "Account" } dd { code { (issuer.account()) } }
                dt { "Audience" } dd { code { (AUDIENCE) } }
                dt { "Discovery" } dd { a href="/.well-known/openid-configuration" { "/.well-known/openid-configuration" } }
                dt { "Keys" } dd { a href="/oauth/jwks" { "/oauth/jwks" } }
                dt { "Token endpoint" } dd { code { "POST /oauth/token" } " with " code { "grant_type=client_credentials" } }
                dt { "For scripts" } dd { a href="/api/tokens?kind=valid" { "/api/tokens?kind=valid" } " or " a href="/api/tokens/raw?kind=valid" { "/api/tokens/raw?kind=valid" } }
            }
        }
    }
}
