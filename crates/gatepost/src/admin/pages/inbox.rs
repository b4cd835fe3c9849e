//! The inbox.

use maud::{Markup, html};

use super::ROWS;
use super::figures::{Moment, size};
use super::message::{recipients, sender, submitted_by};
use crate::control::messages::{MessagePage, Summary};

pub(super) fn content(list: &MessagePage, is_newest: bool, now: &Moment) -> Markup {
    if list.total == 0 {
        return empty();
    }
    let next = list.messages.last().filter(|_| list.messages.len() == ROWS);
    html! {
        div .heading {
            h1 { "Inbox" }
            span .count { (list.total) @if list.total == 1 { " message" } @else { " messages" } }
        }
        table .list {
            thead { tr { th { "Subject" } th { "From" } th { "To" } th { "Authenticated" } th .end { "Size" } th .end { "Received" } } }
            tbody { @for message in &list.messages { (row(message, now)) } }
        }
        nav .pages {
            @if !is_newest { a href="/" { "Newest" } }
            @if let Some(last) = next { a href={ "/?before=" (last.id) } { "Older" } }
        }
    }
}

fn row(message: &Summary, now: &Moment) -> Markup {
    html! {
        tr {
            td .subject {
                a href={ "/messages/" (message.id) } {
                    @if message.subject.is_empty() { span .none { "(no subject)" } } @else { bdi { (message.subject) } }
                }
            }
            td .address { (sender(message)) }
            td .address { (recipients(message, 1)) }
            td { (submitted_by(message)) }
            td .end { (size(message.size)) }
            td .end { (now.ago(message.received)) }
        }
    }
}

fn empty() -> Markup {
    html! {
        section .empty {
            img src="/ui/icon.svg" alt="" width="72" height="72";
            h1 { "No mail yet" }
            p { "Send a message with one of the commands that " code { "gatepost dev" } " printed. It appears here by itself." }
        }
    }
}
