//! What a caller says about one message, and what he is told of it in the end.

use super::content::ContentMeter;
use crate::params::{Body, Submitter};
use crate::path::{Address, ForwardPath, ReversePath};
use crate::reply::Reply;

/// The envelope of one message, and what must be declared about its content.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// Who shall get it.
    pub recipients: Vec<Recipient>,
    /// Octets of the content on the wire (see [`ContentMeter`]), if known.
    pub size: Option<u64>,
    /// What octets the content has. A server that does not take them is not given the message.
    pub body: Body,
    /// An address or a header field is not ASCII (RFC 6531 §3.4). A server that does not offer SMTPUTF8 is not given the message.
    pub smtputf8: bool,
    /// Who submitted it first. Sent only to a server that offers AUTH (RFC 4954 §5), and left out if it then refuses the parameter.
    pub submitter: Option<Submitter>,
}

/// One who shall get a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub path: ForwardPath,
}

impl Envelope {
    /// The envelope of `content`, which may have any line ends.
    pub fn new(
        reverse_path: impl Into<ReversePath>,
        recipients: impl IntoIterator<Item = impl Into<Recipient>>,
        content: &[u8],
    ) -> Self {
        let meter = ContentMeter::of(content);
        Self {
            reverse_path: reverse_path.into(),
            recipients: recipients.into_iter().map(Into::into).collect(),
            size: Some(meter.octets()),
            body: meter.body(),
            smtputf8: false,
            submitter: None,
        }
    }
}

impl From<ForwardPath> for Recipient {
    fn from(path: ForwardPath) -> Self {
        Self { path }
    }
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Self {
        ForwardPath::from(address).into()
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReport {
    /// One outcome per recipient, in the order of the envelope: the reply that made the server responsible, or its refusal.
    pub recipients: Vec<Result<Reply, Reply>>,
    /// The reply to the message as a whole: to the final dot, or to DATA if it was refused. `None` when no recipient was accepted.
    pub final_reply: Option<Reply>,
}
