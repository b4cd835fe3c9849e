//! What a caller says about one message, and what he is told of it in the end.

use super::content::ContentMeter;
use crate::dsn::{EnvelopeId, Notify, OriginalRecipient, Ret};
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
    /// What octets the content has. A server that does not take them is not given the message. [`Body::BinaryMime`] is sent octet for
    /// octet; line ends of everything else are made CRLF on the way out.
    pub body: Body,
    /// The message is internationalized: a header field is not ASCII (RFC 6531 §3.4). It is taken to be so, too, if an address is not
    /// ASCII. A server that does not offer SMTPUTF8 is not given the message.
    pub smtputf8: bool,
    /// How much of the message a notice of failure shall return. Sent only to a server that offers DSN.
    pub ret: Option<Ret>,
    /// What notices shall call the message. Sent only to a server that offers DSN.
    pub envelope_id: Option<EnvelopeId>,
    /// Who submitted it first. Sent only to a server that offers AUTH (RFC 4954 §5), and left out if it then refuses the parameter.
    pub submitter: Option<Submitter>,
}

/// One who shall get a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub path: ForwardPath,
    /// When the sender wants to hear of this recipient. Sent only to a server that offers DSN.
    pub notify: Option<Notify>,
    /// What the recipient was called before anybody rewrote it. Sent only to a server that offers DSN.
    pub original_recipient: Option<OriginalRecipient>,
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
            ret: None,
            envelope_id: None,
            submitter: None,
        }
    }

    /// The envelope of `content` that is not lines of text: it is sent octet for octet, to a server that offers BINARYMIME.
    pub fn binary(
        reverse_path: impl Into<ReversePath>,
        recipients: impl IntoIterator<Item = impl Into<Recipient>>,
        content: &[u8],
    ) -> Self {
        Self {
            size: u64::try_from(content.len()).ok(),
            body: Body::BinaryMime,
            ..Self::new(reverse_path, recipients, &[])
        }
    }

    /// The same message for the recipients that a transaction left over. `None` if there are none.
    pub fn left_over(&self, report: &SendReport) -> Option<Self> {
        let recipients: Vec<_> = report
            .left_over
            .iter()
            .filter_map(|&index| self.recipients.get(index).cloned())
            .collect();
        (!recipients.is_empty()).then(|| Self {
            recipients,
            ..self.clone()
        })
    }

    /// SMTPUTF8 must be said with MAIL.
    pub(super) fn needs_smtputf8(&self) -> bool {
        self.smtputf8
            || !self.reverse_path.address().is_none_or(Address::is_ascii)
            || !self
                .recipients
                .iter()
                .all(|recipient| recipient.path.address().is_ascii())
    }
}

impl From<ForwardPath> for Recipient {
    fn from(path: ForwardPath) -> Self {
        Self {
            path,
            notify: None,
            original_recipient: None,
        }
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
    /// One outcome per recipient, in the order of the envelope: the reply that made the server responsible, or its refusal. A recipient
    /// for whom the server's announced limits left no room has the refusal it would have met, "too many recipients".
    pub recipients: Vec<Result<Reply, Reply>>,
    /// The reply to the message as a whole: to the final dot, or to DATA if it was refused. `None` when no recipient was accepted.
    pub final_reply: Option<Reply>,
    /// The recipients, by index, that a further transaction would serve: the server takes only so many at a time (LIM-02). See
    /// [`Envelope::left_over`] and [`followed_by`](Self::followed_by).
    pub left_over: Vec<usize>,
}

impl SendReport {
    /// What became of the message in all, after a further transaction with those left over.
    #[must_use]
    pub fn followed_by(mut self, further: Self) -> Self {
        let places = std::mem::take(&mut self.left_over);
        for (&place, outcome) in places.iter().zip(further.recipients) {
            if let Some(slot) = self.recipients.get_mut(place) {
                *slot = outcome;
            }
        }
        let place = |index: &usize| places.get(*index).copied();
        self.left_over = further.left_over.iter().filter_map(place).collect();
        self.final_reply = further.final_reply.or(self.final_reply);
        self
    }
}
