//! One message.

use maud::{Markup, html};

use super::figures::{Moment, exact, size};
use crate::control::messages::{MessageView, SubmittedBy, Summary};

pub(super) fn content(message: &MessageView, now: &Moment) -> Markup {
    let summary = &message.summary;
    html! {
        p .back { a href="/" { "← Inbox" } }
        article {
            header .message {
                h1 { @if summary.subject.is_empty() { span .none { "(no subject)" } } @else { bdi { (summary.subject) } } }
                dl {
                    @for name in ["From", "To", "Cc", "Date"] {
                        @if let Some(value) = header(message, name) { dt { (name) } dd { bdi { (value) } } }
                    }
                }
            }
            section .card { h2 { "Submission" } (submission(summary, now)) }
            section .card { (text(message)) }
            details .card {
                summary { h2 { "Headers" } span .count { (message.headers.len()) } }
                table .headers {
                    @for field in &message.headers { tr { th { (field.name) } td { (field.value) } } }
                }
            }
            p .actions {
                a .button href={ "/messages/" (summary.id) "/raw" } { "View raw" }
                a .button href={ "/api/messages/" (summary.id) "/raw" } { "Download" }
                a .button href={ "/api/messages/" (summary.id) } { "JSON" }
            }
        }
    }
}

/// The first header field with this name.
fn header<'a>(message: &'a MessageView, name: &str) -> Option<&'a str> {
    let field = message
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case(name))?;
    Some(&field.value)
}

fn submission(message: &Summary, now: &Moment) -> Markup {
    html! {
        dl {
            dt { "Sender" } dd { (sender(message)) }
            dt { "Recipients" } dd { (recipients(message, usize::MAX)) }
            @match &message.auth {
                Some(auth) => {
                    dt { "Mechanism" } dd { span .badge { (auth.mechanism) } }
                    dt { "Identity" } dd { (identity(auth)) }
                    dt { "Channel" } dd { @match &auth.tls { Some(tls) => (tls), None => span .badge.clear { "clear text" } } }
                },
                None => { dt { "Identity" } dd .none { "not authenticated" } },
            }
            dt { "Received" } dd { (exact(message.received)) " (" (now.ago(message.received)) ")" }
            dt { "Size" } dd { (size(message.size)) }
            dt { "Queue id" } dd { code { (message.id) } }
        }
    }
}

fn text(message: &MessageView) -> Markup {
    html! {
        h2 {
            "Text"
            @match message.text_type.as_deref() { Some("text/plain") | None => {}, Some(other) => span .count { (other) } }
        }
        @match &message.text {
            Some(text) => pre .text { (text) },
            None => p .none { "This message has no text." },
        }
        @if message.text_cut { p .none { "The text may go on: this is the front of a large message. The raw message has all of it." } }
    }
}

/// The reverse-path.
pub(super) fn sender(message: &Summary) -> Markup {
    match message.mail_from.as_str() {
        "" => html! { span .none { "<>" } },
        address => html! { bdi { (address) } },
    }
}

/// The first forward-paths and how many more there are.
pub(super) fn recipients(message: &Summary, limit: usize) -> Markup {
    let more = message.rcpt_to.len().saturating_sub(limit);
    html! {
        @for (place, address) in message.rcpt_to.iter().take(limit).enumerate() {
            @if place > 0 { ", " }
            bdi { (address) }
        }
        @if more > 0 { span .count { "+" (more) } }
    }
}

/// In short, how the sender proved who he is.
pub(super) fn submitted_by(message: &Summary) -> Markup {
    let Some(auth) = &message.auth else {
        return html! { span .none { "no" } };
    };
    html! {
        span .badge title=(auth.authcid) { (auth.mechanism) }
        " "
        (channel(auth.tls.as_deref()))
    }
}

/// TLS version, or a warning that there was none.
pub(super) fn channel(tls: Option<&str>) -> Markup {
    let version = tls.and_then(|tls| tls.split_whitespace().next());
    html! {
        @if let Some(version) = version { span .badge.tls { (version) } } @else { span .badge.clear { "clear" } }
    }
}

fn identity(auth: &SubmittedBy) -> Markup {
    html! {
        bdi { (auth.authcid) }
        @if let Some(authzid) = &auth.authzid { " acting as " bdi { (authzid) } }
    }
}
