//! What is known of a message besides its content.
//!
//! On disk it is JSON: a field added later is absent in an older record and takes its default, and a person can read it. It is
//! written and parsed by the tasks that commit and lease, never by the thread that syncs.

use std::net::SocketAddr;

use gatepost_smtp::dsn::{EnvelopeId, Notify, OriginalRecipient, Ret};
use gatepost_smtp::params::{Body, RcptParams, Submitter};
use gatepost_smtp::path::{Address, ForwardPath, ReversePath};
use serde::{Deserialize, Serialize};

/// Everything about a message but its recipients, which come with the grants, and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The argument of MAIL.
    pub reverse_path: ReversePath,
    /// The `AUTH=` value to pass on (RFC 4954 §5).
    pub submitter: Submitter,
    /// How the message came here.
    pub submission: SubmissionFacts,
    /// What octets the content has (RFC 6152, RFC 3030).
    pub body: Body,
    /// The envelope or the headers need SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// The content has lines of more than 998 octets, which not every server takes (RFC 5321 §4.5.3.1.6).
    pub long_lines: bool,
    /// How much of the message a notice returns (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// The sender's own name for the message (RFC 3461 §4.4).
    pub envelope_id: Option<EnvelopeId>,
}

/// One who shall get a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub forward_path: ForwardPath,
    /// What the sender wants to hear about it (RFC 3461 §4.1, §4.2).
    pub params: RcptParams,
}

impl Default for Envelope {
    /// The envelope of a notice of our own: null reverse-path, submitter unknown.
    fn default() -> Self {
        Self {
            reverse_path: ReversePath::Null,
            submitter: Submitter::Unknown,
            submission: SubmissionFacts::default(),
            body: Body::SevenBit,
            smtputf8: false,
            long_lines: false,
            ret: None,
            envelope_id: None,
        }
    }
}

/// How a message came here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubmissionFacts {
    /// When its content was complete, in milliseconds since 1970.
    pub received_ms: u64,
    /// Who submitted it; absent for a notice of our own and where a listener does not require authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthFacts>,
    /// The peer; absent for a notice of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
    /// The name the peer gave itself.
    pub helo: String,
    /// TLS version and cipher; absent in clear text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Id of the session.
    pub session: String,
}

/// Who submitted a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthFacts {
    /// The account the session acted for.
    pub account: String,
    /// The account whose credential was proven, when it is another one.
    pub login: String,
    /// Id or label of the credential.
    pub credential: String,
    /// Name of the mechanism.
    pub mechanism: String,
    /// Authentication identity, as sent.
    pub authcid: String,
    /// Authorization identity, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authzid: Option<String>,
}

/// An envelope and its recipients as a record holds them.
#[derive(Serialize, Deserialize)]
struct Written {
    /// Empty for the null reverse-path.
    from: String,
    to: Vec<String>,
    /// Absent when unknown (`<>`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submitter: Option<String>,
    /// What records before `body` have in its place.
    #[serde(default, skip_serializing)]
    body_8bit: bool,
    /// As on the wire; absent for `7BIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    smtputf8: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    long_lines: bool,
    /// As on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ret: Option<String>,
    /// As on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    envid: Option<String>,
    /// The parameters of the recipients, in their order; empty when none has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rcpt: Vec<WrittenParams>,
    #[serde(default)]
    submission: SubmissionFacts,
}

/// The parameters of a recipient as a record holds them: as on the wire.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WrittenParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orcpt: Option<String>,
}

impl WrittenParams {
    fn of(params: &RcptParams) -> Self {
        Self {
            notify: params.notify.map(Notify::to_wire),
            orcpt: params
                .original_recipient
                .as_ref()
                .map(|recipient| recipient.to_wire(true)),
        }
    }

    /// What cannot be read is a wish that is not heard; the message is worth more.
    fn read(&self) -> RcptParams {
        RcptParams {
            notify: self
                .notify
                .as_deref()
                .and_then(|text| Notify::parse(text).ok()),
            original_recipient: self
                .orcpt
                .as_deref()
                .and_then(|text| OriginalRecipient::parse(text).ok()),
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// The octets for a record.
pub(crate) fn encode(envelope: &Envelope, recipients: &[Recipient]) -> Vec<u8> {
    let written = Written {
        from: envelope
            .reverse_path
            .address()
            .map_or_else(String::new, Address::to_string),
        to: recipients
            .iter()
            .map(|one| one.forward_path.address().to_string())
            .collect(),
        submitter: match &envelope.submitter {
            Submitter::Unknown => None,
            Submitter::Address(address) => Some(address.to_string()),
        },
        body_8bit: false,
        body: (envelope.body != Body::SevenBit).then(|| envelope.body.as_str().to_owned()),
        smtputf8: envelope.smtputf8,
        long_lines: envelope.long_lines,
        ret: envelope.ret.map(|ret| ret.to_wire().to_owned()),
        envid: envelope.envelope_id.as_ref().map(EnvelopeId::to_wire),
        rcpt: if recipients
            .iter()
            .all(|one| one.params == RcptParams::default())
        {
            Vec::new()
        } else {
            recipients
                .iter()
                .map(|one| WrittenParams::of(&one.params))
                .collect()
        },
        submission: envelope.submission.clone(),
    };
    // Strings, numbers and booleans: there is nothing in it that JSON could refuse.
    serde_json::to_vec(&written).unwrap_or_default()
}

/// Reads a record's octets; `None` when they are not an envelope.
pub(crate) fn decode(octets: &[u8]) -> Option<(Envelope, Vec<Recipient>)> {
    let written: Written = serde_json::from_slice(octets).ok()?;
    let recipients = written
        .to
        .iter()
        .enumerate()
        .map(|(place, text)| {
            Some(Recipient {
                forward_path: Address::parse(text).ok()?.into(),
                params: written
                    .rcpt
                    .get(place)
                    .map(WrittenParams::read)
                    .unwrap_or_default(),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let envelope = Envelope {
        reverse_path: ReversePath::parse(&written.from).ok()?,
        submitter: match written.submitter {
            None => Submitter::Unknown,
            Some(text) => Submitter::Address(Address::parse(&text).ok()?),
        },
        submission: written.submission,
        body: match written.body.as_deref() {
            Some("BINARYMIME") => Body::BinaryMime,
            Some("8BITMIME") => Body::EightBitMime,
            _ if written.body_8bit => Body::EightBitMime,
            _ => Body::SevenBit,
        },
        smtputf8: written.smtputf8,
        long_lines: written.long_lines,
        ret: written.ret.and_then(|text| Ret::parse(&text).ok()),
        envelope_id: written.envid.and_then(|text| EnvelopeId::parse(&text).ok()),
    };
    Some((envelope, recipients))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipients(params: &RcptParams) -> Vec<Recipient> {
        [
            "a@example.org",
            "\"b c\"@[192.0.2.1]",
            "b\u{f6}b@b\u{fc}cher.example",
        ]
        .map(|text| Recipient {
            forward_path: Address::parse(text).unwrap().into(),
            params: params.clone(),
        })
        .to_vec()
    }

    #[test]
    fn an_envelope_survives_the_round_trip() {
        let submission = SubmissionFacts {
            received_ms: 1_800_000_000_000,
            auth: Some(AuthFacts {
                account: "fred".to_owned(),
                login: "fred".to_owned(),
                credential: "7".to_owned(),
                mechanism: "PLAIN".to_owned(),
                authcid: "Fred\"\\".to_owned(),
                authzid: Some(String::new()),
            }),
            peer: Some("[2001:db8::1]:4711".parse().unwrap()),
            helo: "host.example".to_owned(),
            tls: Some("TLSv1.3 TLS_AES_128_GCM_SHA256".to_owned()),
            session: "3kfa".to_owned(),
        };
        for submission in [submission, SubmissionFacts::default()] {
            for (from, submitter) in [("", None), ("fred@example.com", Some("x@example.com"))] {
                let envelope = Envelope {
                    reverse_path: ReversePath::parse(from).unwrap(),
                    submitter: submitter.map_or(Submitter::Unknown, |text| {
                        Submitter::Address(Address::parse(text).unwrap())
                    }),
                    submission: submission.clone(),
                    long_lines: submitter.is_some(),
                    ..Envelope::default()
                };
                let recipients = recipients(&RcptParams::default());
                let octets = encode(&envelope, &recipients);
                assert_eq!(decode(&octets), Some((envelope, recipients)));
            }
        }
    }

    // DSN-03, EAI-05
    #[test]
    fn dsn_03_eai_05_what_the_sender_wants_to_hear_survives_the_round_trip() {
        for body in [Body::SevenBit, Body::EightBitMime, Body::BinaryMime] {
            let envelope = Envelope {
                body,
                smtputf8: true,
                ret: Some(Ret::Headers),
                envelope_id: Some(EnvelopeId::parse("QQ+20314159+2B").unwrap()),
                ..Envelope::default()
            };
            for orcpt in ["rfc822;a+2Bb@c", "utf-8;fr\\x{E9}d@c"] {
                let recipients = recipients(&RcptParams {
                    notify: Some(Notify::parse("SUCCESS,DELAY").unwrap()),
                    original_recipient: Some(OriginalRecipient::parse(orcpt).unwrap()),
                });
                let octets = encode(&envelope, &recipients);
                assert_eq!(decode(&octets), Some((envelope.clone(), recipients)));
            }
        }
    }

    #[test]
    fn records_of_earlier_versions_are_read() {
        let octets = br#"{"from":"","to":["a@example.org"],"body_8bit":true}"#;
        let (envelope, recipients) = decode(octets).unwrap();
        assert_eq!((envelope.body, envelope.ret), (Body::EightBitMime, None));
        assert_eq!(recipients[0].params, RcptParams::default());
    }

    // T-36
    #[test]
    fn t_36_a_wish_that_cannot_be_read_costs_no_message() {
        let octets = br#"{"from":"","to":["a@example.org"],"envid":"a+0Ab","ret":"?","rcpt":[{"notify":"","orcpt":"rfc822;+0D+0A"}]}"#;
        let (envelope, recipients) = decode(octets).unwrap();
        assert_eq!(envelope, Envelope::default());
        assert_eq!(recipients[0].params, RcptParams::default());
    }

    #[test]
    fn a_record_of_another_version_is_read() {
        let octets = br#"{"from":"","to":["a@example.org"],"unheard_of":1}"#;
        let (envelope, recipients) = decode(octets).unwrap();
        assert_eq!(envelope.reverse_path, ReversePath::Null);
        assert_eq!(envelope.submission, SubmissionFacts::default());
        assert_eq!(recipients.len(), 1);
    }

    #[test]
    fn what_is_no_envelope_is_none() {
        for octets in [
            "",
            "{}",
            r#"{"from":"","to":["no address"]}"#,
            r#"{"from":"x","to":[]}"#,
        ] {
            assert_eq!(decode(octets.as_bytes()), None, "{octets}");
        }
    }
}
