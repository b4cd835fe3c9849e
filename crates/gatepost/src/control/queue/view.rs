//! A queued message, as commands show it.

use gatepost_smtp::dsn::{EnvelopeId, Ret};
use gatepost_smtp::params::Submitter;
use gatepost_smtp::path::Address;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::filter::WireState;
use crate::queue::EntryView;
use crate::queue::entry::{Phase, RecipientState};

/// A message in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLine {
    /// Its id.
    pub id: String,
    /// Its state as a whole.
    pub state: WireState,
    /// When its content was complete, RFC 3339.
    pub received: String,
    /// Its reverse-path; empty for a notice.
    pub sender: String,
    /// Who submitted it; absent for a notice.
    pub account: Option<String>,
    /// Octets of its content.
    pub size: u64,
    /// Its recipients, finished ones included.
    pub recipients: Vec<RecipientLine>,
}

/// A recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientLine {
    /// The address.
    pub address: String,
    /// Where it stands: `waiting`, `delivered`, `bounced`, `held`, `captured`.
    pub state: String,
    /// Attempts that failed for now.
    pub attempts: u32,
    /// When it is tried next, RFC 3339; a moment in the past means as soon as possible.
    pub next_attempt: Option<String>,
    /// What the next hop said last, or why it is held.
    pub last_reply: Option<String>,
    /// Someone released it: no route holds it again.
    pub released: bool,
}

/// Everything about a message but its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDetails {
    /// What the list shows.
    #[serde(flatten)]
    pub line: MessageLine,
    /// How it came here.
    pub submission: Submission,
    /// Its form and what its sender wants (`BODY=`, `SMTPUTF8`, `RET=`, `ENVID=`, `AUTH=`), as on the wire.
    pub parameters: Vec<String>,
    /// Its header section, at most 64 KiB of it, with what is no UTF-8 replaced.
    pub headers: String,
}

/// How a message came here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Address and port of the peer.
    pub peer: Option<String>,
    /// The name it gave itself.
    pub helo: String,
    /// TLS version and cipher; absent in clear text.
    pub tls: Option<String>,
    /// Id of the session, as in the log.
    pub session: String,
    /// SASL name of the mechanism.
    pub mechanism: Option<String>,
    /// Authentication identity, as sent.
    pub authcid: Option<String>,
    /// Authorization identity, as sent.
    pub authzid: Option<String>,
    /// The account whose credential was proven, if it is another one.
    pub login: Option<String>,
    /// The credential.
    pub credential: Option<String>,
}

/// When a message's content was complete, in milliseconds since 1970.
pub(super) fn received_ms(entry: &EntryView) -> u64 {
    match entry.envelope.submission.received_ms {
        0 => entry.id.drawn_at_ms(),
        known => known,
    }
}

impl MessageLine {
    pub(super) fn of(entry: &EntryView) -> Self {
        let envelope = &entry.envelope;
        let auth = envelope.submission.auth.as_ref();
        let recipients = entry.recipients.iter();
        Self {
            id: entry.id.to_string(),
            state: entry.state.into(),
            received: moment(received_ms(entry)),
            sender: envelope
                .reverse_path
                .address()
                .map_or_else(String::new, Address::to_string),
            account: auth.map(|auth| auth.account.clone()),
            size: entry.size,
            recipients: recipients
                .map(|(path, state)| RecipientLine::of(path.address(), state, entry))
                .collect(),
        }
    }
}

impl RecipientLine {
    fn of(address: &Address, state: &RecipientState, entry: &EntryView) -> Self {
        let word = match state.phase {
            Phase::Waiting(_) => "waiting",
            Phase::Delivered => "delivered",
            Phase::Bounced => "bounced",
            Phase::Held => "held",
            Phase::Captured => "captured",
        };
        Self {
            address: address.to_string(),
            state: word.to_owned(),
            attempts: state.attempts,
            next_attempt: state.due().map(|due| {
                let ahead = due.as_secs_f64() - entry.now.as_secs_f64();
                let ahead = SignedDuration::try_from_secs_f64(ahead).unwrap_or_default();
                let now = Timestamp::now();
                format!("{:.0}", now.saturating_add(ahead).unwrap_or(now))
            }),
            last_reply: Some(state.diagnostic.to_string()).filter(|text| !text.is_empty()),
            released: state.released,
        }
    }
}

impl MessageDetails {
    pub(super) fn of(entry: &EntryView) -> Self {
        let facts = &entry.envelope.submission;
        let auth = facts.auth.as_ref();
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            line: MessageLine::of(entry),
            submission: Submission {
                peer: facts.peer.map(|peer| peer.to_string()),
                helo: facts.helo.clone(),
                tls: facts.tls.clone(),
                session: facts.session.clone(),
                mechanism: auth.and_then(|auth| some(&auth.mechanism)),
                authcid: auth.and_then(|auth| some(&auth.authcid)),
                authzid: auth.and_then(|auth| auth.authzid.clone()),
                login: auth.and_then(|auth| some(&auth.login)),
                credential: auth.and_then(|auth| some(&auth.credential)),
            },
            parameters: parameters(entry),
            headers: String::from_utf8_lossy(&entry.headers).into_owned(),
        }
    }
}

fn parameters(entry: &EntryView) -> Vec<String> {
    let envelope = &entry.envelope;
    let mut parameters = vec![format!("BODY={}", envelope.body.as_str())];
    if envelope.smtputf8 {
        parameters.push("SMTPUTF8".to_owned());
    }
    let ret = envelope.ret.map(Ret::to_wire);
    parameters.extend(ret.map(|ret| format!("RET={ret}")));
    let envid = envelope.envelope_id.as_ref().map(EnvelopeId::to_wire);
    parameters.extend(envid.map(|envid| format!("ENVID={envid}")));
    if let Submitter::Address(address) = &envelope.submitter {
        parameters.push(format!("AUTH={address}"));
    }
    parameters
}

/// RFC 3339, in UTC.
pub(super) fn moment(milliseconds: u64) -> String {
    let moment = i64::try_from(milliseconds)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default();
    format!("{moment:.0}")
}
