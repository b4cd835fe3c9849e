//! Authentication attempts.

use jiff::Timestamp;
use maud::{Markup, html};

use super::ROWS;
use super::figures::Moment;
use super::message::channel;
use crate::control::snapshot::Attempt;
use crate::observe::event::AuthResult;

pub(super) fn content(attempts: &[Attempt], total: u64, is_newest: bool, now: &Moment) -> Markup {
    if total == 0 {
        return empty();
    }
    let next = attempts
        .last()
        .filter(|last| attempts.len() == ROWS && last.number > 1);
    html! {
        div .heading {
            h1 { "Authentication" }
            span .count { (total) @if total == 1 { " attempt" } @else { " attempts" } }
        }
        table .list {
            thead {
                tr { th { "Result" } th { "Identity" } th { "Mechanism" } th { "Peer" } th { "Reason" } th { "Id" } th .end { "When" } }
            }
            tbody { @for attempt in attempts { (row(attempt, now)) } }
        }
        nav .pages {
            @if !is_newest { a href="/attempts" { "Newest" } }
            @if let Some(last) = next { a href={ "/attempts?before=" (last.number) } { "Older" } }
        }
    }
}

fn row(kept: &Attempt, now: &Moment) -> Markup {
    let attempt = &kept.attempt;
    let class = match attempt.result {
        AuthResult::Won => "badge won",
        AuthResult::Lost => "badge lost",
        AuthResult::Aborted => "badge",
    };
    let then = Timestamp::try_from(kept.at).unwrap_or_default();
    html! {
        tr {
            td { span class=(class) { (attempt.result.as_str()) } }
            td .address {
                @match &attempt.authcid { Some(authcid) => bdi { (authcid) }, None => span .none { "unknown" } }
                @if let Some(authzid) = &attempt.authzid { " acting as " bdi { (authzid) } }
            }
            td { span .badge { (attempt.mechanism) } " " (channel(attempt.tls.as_deref())) }
            td { (attempt.peer) span .count { (attempt.listener) } }
            td { (attempt.reason.as_str()) }
            td { @if let Some(id) = &attempt.id { code { (id) } } }
            td .end { (now.ago(then)) }
        }
    }
}

fn empty() -> Markup {
    html! {
        section .empty {
            img src="/ui/icon.svg" alt="" width="72" height="72";
            h1 { "Nobody has tried yet" }
            p { "Each authentication attempt appears here by itself, won or lost, with its reason." }
        }
    }
}
