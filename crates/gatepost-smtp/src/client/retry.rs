//! What an authentication that failed allows to try next.
//!
//! Servers say "no" in many words, and not all of them mean the credentials. The rules, first match wins:
//!
//! 1. TLS is wanted (530, 538, 523, 524): TLS, if it is there to be had (LS-18).
//! 2. The AUTH line itself was not understood: the same mechanism in the other form, once. LOGIN's name on the line is an
//!    extension (LOG-05, LS-09), and not every server takes up an earlier exchange (DIGEST-MD5); a long line is refused with 500 (CODE-03); one server wants PLAIN's message there (PLAIN-05, LS-10).
//! 3. EHLO is missing (503, 500, 502): EHLO, once (CODE-03, LS-35).
//! 4. The mechanism, not the credentials, is refused: any other mechanism (AUTH-29, CODE-06, LS-11).
//! 5. Not now: stop, and keep the password (CODE-03, LS-12).
//! 6. The credentials are refused: one further try, by a mechanism that shows the password to a server whose name TLS has verified,
//!    and only if the first did not show it: its store may lack what the first mechanism needs (AUTH-29). Never more: guesses lock accounts.
//!
//! A server that failed to prove itself, or tampered with the exchange, is given nothing further (CLI-12). Nor is one that saw another TLS
//! connection than ours, or offers a channel binding that its announcement did not show: somebody stands between. One that does not
//! know the type of binding gets the next type, once for each (CB-07).

use gatepost_sasl::{ClientFault, InitialResponse, Mechanism};

use super::auth::{Facts, FirstMessage, LINE_LIMIT};
use super::failure::ExchangeFault;
use crate::reply::{Reply, ReplyCode};

/// What to do after a failed exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// The same mechanism in another form.
    Again(FirstMessage),
    /// EHLO, then the same mechanism.
    Greet,
    /// STARTTLS and EHLO, then choose anew.
    Upgrade,
    /// The same mechanism, bound by another property of the channel.
    Rebind,
    /// Another mechanism.
    Other,
    /// Another mechanism, one that does not bind the channel.
    OtherUnbound,
    /// Another mechanism, one that shows the password to the server.
    OtherShowingPassword,
    /// Nothing: the failure stands.
    GiveUp,
}

/// What was done already, and what the channel allows.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent yes/no facts, each read alone"
)]
pub(super) struct Situation {
    pub(super) protection: Protection,
    /// Rule 2 was used for this mechanism.
    pub(super) form_changed: bool,
    /// Rule 3 was used.
    pub(super) greeted_again: bool,
    /// Rule 6 was used.
    pub(super) fell_back: bool,
    /// The channel has a type of binding that the last exchange did not use.
    pub(super) other_binding: bool,
    /// Longest AUTH line the server is known to take.
    pub(super) line_limit: usize,
}

/// How the channel is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// By TLS, with the server's name verified.
    Tls,
    /// Not, but the server offers STARTTLS.
    Upgradable,
    /// Not.
    Clear,
}

/// After a negative reply.
pub(super) fn after_refusal(
    mechanism: &Mechanism,
    reply: &Reply,
    facts: Facts,
    situation: Situation,
) -> Move {
    let code = reply.code.value();
    let at_once = facts.rounds == 0;
    if matches!(code, 523 | 524 | 530 | 538) && situation.protection == Protection::Upgradable {
        return Move::Upgrade;
    }
    if at_once
        && !situation.form_changed
        && let Some(form) = other_form(mechanism, reply, facts, situation.line_limit)
    {
        return Move::Again(form);
    }
    if at_once && matches!(code, 500 | 502 | 503) && !situation.greeted_again {
        return Move::Greet;
    }
    match code {
        432 if situation.protection == Protection::Tls => Move::OtherShowingPassword,
        500..=504 | 523 | 524 | 530 | 534 | 538 | 553 | 554 => Move::Other,
        _ if blames_the_mechanism(reply) => Move::Other,
        // go-smtp's answer to an unknown mechanism; if the password is out, it may be a true "not now".
        454 if at_once && !(facts.initial_sent && mechanism.exposes_password) => Move::Other,
        _ if reply.code.is_transient() => Move::GiveUp,
        _ if facts.messages == 0 => Move::Other,
        _ => after_wrong_credentials(mechanism, situation),
    }
}

/// After our own cancel.
pub(super) fn after_cancel(
    mechanism: &Mechanism,
    fault: &ExchangeFault,
    facts: Facts,
    situation: Situation,
) -> Move {
    match fault {
        ExchangeFault::Mechanism(
            ClientFault::ServerNotProven
            | ClientFault::NonceMismatch
            | ClientFault::IterationsOutOfBounds(_)
            | ClientFault::Unavailable
            | ClientFault::ServerError(
                "channel-bindings-dont-match" | "server-does-support-channel-binding",
            ),
        ) => Move::GiveUp,
        ExchangeFault::Mechanism(ClientFault::ServerError("unsupported-channel-binding-type"))
            if situation.other_binding =>
        {
            Move::Rebind
        }
        ExchangeFault::Mechanism(ClientFault::ServerError(
            "unsupported-channel-binding-type" | "channel-binding-not-supported",
        )) if mechanism.binds_channel => Move::OtherUnbound,
        ExchangeFault::Mechanism(ClientFault::ProofRefused) => {
            after_wrong_credentials(mechanism, situation)
        }
        // PLAIN-07, LS-13: the server has the password and wants something else besides.
        _ if mechanism.exposes_password && facts.messages > 0 => Move::GiveUp,
        // CLI-12: it has our proof and answers with nothing that could be its own.
        _ if facts.messages > 1 => Move::GiveUp,
        _ => Move::Other,
    }
}

fn after_wrong_credentials(mechanism: &Mechanism, situation: Situation) -> Move {
    if situation.protection == Protection::Tls
        && !mechanism.exposes_password
        && !situation.fell_back
    {
        Move::OtherShowingPassword
    } else {
        Move::GiveUp
    }
}

/// Rule 2: the first message was on the AUTH line and goes off it, or the reverse.
fn other_form(
    mechanism: &Mechanism,
    reply: &Reply,
    facts: Facts,
    line_limit: usize,
) -> Option<FirstMessage> {
    if !reply.code.is_permanent() || blames_the_mechanism(reply) || mechanism_unknown(reply.code) {
        return None;
    }
    let extension = matches!(
        mechanism.initial_response,
        InitialResponse::EqualsMeansAbsent | InitialResponse::Resumes
    );
    let line_refused = matches!(reply.code, ReplyCode::UNRECOGNISED | ReplyCode::SYNTAX);
    match facts.withheld {
        Some(_) if line_refused && reply.code == ReplyCode::UNRECOGNISED => None,
        Some(length) if length <= LINE_LIMIT => Some(FirstMessage::IfItFits),
        Some(length) if length <= line_limit => Some(FirstMessage::OnTheLine),
        None if facts.initial_sent && (extension || line_refused) => Some(FirstMessage::Withheld),
        _ => None,
    }
}

/// These leave no doubt that the form of the line does not matter.
fn mechanism_unknown(code: ReplyCode) -> bool {
    matches!(code.value(), 502..=504 | 523 | 524 | 530 | 534 | 538)
}

/// CODE-06: Postfix says 535 with this word in the text where 504 is meant.
fn blames_the_mechanism(reply: &Reply) -> bool {
    reply.code == ReplyCode::CREDENTIALS_INVALID
        && reply.text().to_ascii_lowercase().contains("mechanism")
}
