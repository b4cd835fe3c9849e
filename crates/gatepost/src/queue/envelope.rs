//! What is known of a message besides its content.
//!
//! On disk it is JSON: a field added later is absent in an older record and takes its default, and a person can read it. It is
//! written and parsed by the tasks that commit and lease, never by the thread that syncs.

use std::net::SocketAddr;

use gatepost_smtp::params::Submitter;
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
    /// The content has octets above 127 (RFC 6152).
    pub body_8bit: bool,
    /// The envelope or the headers need SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
}

impl Default for Envelope {
    /// The envelope of a notice of our own: null reverse-path, submitter unknown.
    fn default() -> Self {
        Self {
            reverse_path: ReversePath::Null,
            submitter: Submitter::Unknown,
            submission: SubmissionFacts::default(),
            body_8bit: false,
            smtputf8: false,
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
    #[serde(default, skip_serializing_if = "is_false")]
    body_8bit: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    smtputf8: bool,
    #[serde(default)]
    submission: SubmissionFacts,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// The octets for a record.
pub(crate) fn encode(envelope: &Envelope, recipients: &[ForwardPath]) -> Vec<u8> {
    let written = Written {
        from: envelope
            .reverse_path
            .address()
            .map_or_else(String::new, Address::to_string),
        to: recipients
            .iter()
            .map(|path| path.address().to_string())
            .collect(),
        submitter: match &envelope.submitter {
            Submitter::Unknown => None,
            Submitter::Address(address) => Some(address.to_string()),
        },
        body_8bit: envelope.body_8bit,
        smtputf8: envelope.smtputf8,
        submission: envelope.submission.clone(),
    };
    // Strings, numbers and booleans: there is nothing in it that JSON could refuse.
    serde_json::to_vec(&written).unwrap_or_default()
}

/// Reads a record's octets; `None` when they are not an envelope.
pub(crate) fn decode(octets: &[u8]) -> Option<(Envelope, Vec<ForwardPath>)> {
    let written: Written = serde_json::from_slice(octets).ok()?;
    let recipients = written
        .to
        .iter()
        .map(|text| Address::parse(text).ok().map(ForwardPath::from))
        .collect::<Option<Vec<_>>>()?;
    let envelope = Envelope {
        reverse_path: ReversePath::parse(&written.from).ok()?,
        submitter: match written.submitter {
            None => Submitter::Unknown,
            Some(text) => Submitter::Address(Address::parse(&text).ok()?),
        },
        submission: written.submission,
        body_8bit: written.body_8bit,
        smtputf8: written.smtputf8,
    };
    Some((envelope, recipients))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipients() -> Vec<ForwardPath> {
        ["a@example.org", "\"b c\"@[192.0.2.1]"]
            .map(|text| ForwardPath::from(Address::parse(text).unwrap()))
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
                    body_8bit: submitter.is_some(),
                    smtputf8: false,
                };
                let octets = encode(&envelope, &recipients());
                assert_eq!(decode(&octets), Some((envelope, recipients())));
            }
        }
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
