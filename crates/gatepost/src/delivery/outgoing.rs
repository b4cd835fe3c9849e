//! The form in which a message goes to one next hop: as it is, or converted to what the next hop takes (RFC 6409 §8.4).
//!
//! The content is read from the queue once more for each look at it: to see what must be encoded, to know the size of the result
//! (SIZE-02) and to send it. That costs time where a conversion is needed, and no memory.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use gatepost_client::{Body, Capabilities, Envelope, Error, Extension, Recipient, Submitter};
use gatepost_smtp::path::{ForwardPath, ReversePath};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::outcome::{Outcome, Verdict};
use crate::message::conversion::{
    Conversion, HopAbilities, Impossible, Needs, Octets, Plan, Survey, needed,
};
use crate::observe::reason::Reason;
use crate::queue::unread::Unread;
use crate::queue::{Lease, QueueError};

/// Octets of the content looked at in one go.
const PIECE: usize = 32 << 10;

/// A message as one next hop gets it.
pub(super) struct Outgoing<'a> {
    lease: &'a Lease,
    plan: Option<Plan>,
    /// Octets of the content in this form.
    size: u64,
    /// What octets these are.
    body: Body,
    /// Headers or addresses may be UTF-8.
    smtputf8: bool,
    /// The next hop offers SMTPUTF8.
    takes_utf8: bool,
}

/// Why a message cannot go to this next hop now.
pub(super) enum Unfit {
    /// There is no form of it that the next hop takes.
    Refused(Outcome),
    /// Our own queue cannot read it.
    Queue(QueueError),
    /// Reading broke off.
    Content(Error),
}

impl<'a> Outgoing<'a> {
    /// Chooses the form.
    pub(super) async fn prepare(
        lease: &'a Lease,
        capabilities: &Capabilities,
    ) -> Result<Self, Unfit> {
        let envelope = lease.envelope();
        let hop = abilities(capabilities);
        let needs = Needs {
            octets: octets(envelope.body),
            long_lines: envelope.long_lines,
            utf8_headers: envelope.smtputf8,
        };
        let mut outgoing = Self {
            lease,
            plan: None,
            size: lease.size(),
            body: envelope.body.min(body(hop.octets)),
            smtputf8: envelope.smtputf8 && hop.utf8_headers,
            takes_utf8: hop.utf8_headers,
        };
        let Some(goal) = needed(needs, hop) else {
            return Ok(outgoing);
        };
        let mut survey = Survey::new(goal);
        let mut content = lease.content().await.map_err(Unfit::Queue)?;
        each_piece(&mut content, |piece| survey.feed(piece)).await?;
        outgoing.plan = survey.finish().map_err(refused)?;
        if outgoing.plan.is_some() {
            let mut content = outgoing.content().await.map_err(Unfit::Queue)?;
            let mut size = 0;
            each_piece(&mut content, |piece| size += piece.len() as u64).await?;
            outgoing.size = size;
        }
        Ok(outgoing)
    }

    /// The content in this form, from front to end.
    pub(super) async fn content(
        &self,
    ) -> Result<Box<dyn AsyncRead + Send + Sync + Unpin>, QueueError> {
        let content = self.lease.content().await?;
        Ok(match &self.plan {
            None => Box::new(content),
            Some(plan) => Box::new(Converted {
                source: content,
                conversion: Some(Conversion::new(plan.clone())),
                piece: Unread::default(),
            }),
        })
    }

    /// The envelope for this next hop. `submitter` is what is said about who submitted the message.
    pub(super) fn envelope(
        &self,
        recipients: Vec<Recipient>,
        submitter: Option<Submitter>,
    ) -> Result<Envelope, Unfit> {
        let envelope = self.lease.envelope();
        Ok(Envelope {
            reverse_path: self.reverse_path()?,
            recipients,
            size: Some(self.size),
            body: self.body,
            smtputf8: self.smtputf8,
            ret: envelope.ret,
            envelope_id: envelope.envelope_id.clone(),
            submitter,
        })
    }

    fn reverse_path(&self) -> Result<ReversePath, Unfit> {
        let path = &self.lease.envelope().reverse_path;
        match path.address() {
            Some(address) if !self.takes_utf8 => address
                .to_ascii()
                .map(ReversePath::from)
                .ok_or_else(|| Unfit::Refused(needs_utf8("its envelope sender"))),
            _ => Ok(path.clone()),
        }
    }

    /// A recipient as this next hop can be told of it, or what becomes of it.
    pub(super) fn recipient(&self, recipient: &Recipient) -> Result<Recipient, Outcome> {
        let address = recipient.path.address();
        if self.takes_utf8 || address.is_ascii() {
            return Ok(recipient.clone());
        }
        let ascii = address.to_ascii();
        let ascii = ascii.ok_or_else(|| needs_utf8("the recipient's address"))?;
        Ok(Recipient {
            path: ForwardPath::from(ascii),
            ..recipient.clone()
        })
    }
}

fn abilities(capabilities: &Capabilities) -> HopAbilities {
    let has = |extension| capabilities.has(extension);
    let octets = match has(Extension::EightBitMime) {
        true if has(Extension::BinaryMime) && has(Extension::Chunking) => Octets::Binary,
        true => Octets::EightBit,
        false => Octets::SevenBit,
    };
    HopAbilities {
        octets,
        utf8_headers: has(Extension::SmtpUtf8),
    }
}

fn octets(body: Body) -> Octets {
    match body {
        Body::SevenBit => Octets::SevenBit,
        Body::EightBitMime => Octets::EightBit,
        Body::BinaryMime => Octets::Binary,
    }
}

fn body(octets: Octets) -> Body {
    match octets {
        Octets::SevenBit => Body::SevenBit,
        Octets::EightBit => Body::EightBitMime,
        Octets::Binary => Body::BinaryMime,
    }
}

fn refused(impossible: Impossible) -> Unfit {
    let status = match impossible {
        // RFC 3463 §3.7: conversion required but not supported.
        Impossible::Sealed => "5.6.3",
        Impossible::Address => return Unfit::Refused(needs_utf8("an address in its header")),
    };
    Unfit::Refused(Outcome::ours(
        Verdict::Permanent,
        Reason::ExtensionMissing,
        status,
        format!("the next hop takes this message only when converted, and {impossible}"),
    ))
}

/// EAI-04.
fn needs_utf8(what: &str) -> Outcome {
    Outcome::ours(
        Verdict::Permanent,
        Reason::ExtensionMissing,
        "5.6.7",
        format!(
            "{what} exists only with characters outside of ASCII, and the next hop does not offer SMTPUTF8"
        ),
    )
}

async fn each_piece(
    content: &mut (impl AsyncRead + Unpin),
    mut look: impl FnMut(&[u8]),
) -> Result<(), Unfit> {
    let mut content = pin!(content);
    let mut piece = vec![0; PIECE];
    loop {
        let read = content.read(&mut piece).await;
        match read.map_err(|error| Unfit::Content(Error::Content(error)))? {
            0 => return Ok(()),
            count => look(piece.get(..count).unwrap_or_default()),
        }
    }
}

/// A content that is converted while it is read.
struct Converted<R> {
    source: R,
    /// Gone when the source has come to its end.
    conversion: Option<Conversion>,
    piece: Unread,
}

impl<R: AsyncRead + Unpin> AsyncRead for Converted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let this = &mut *self;
            if this.piece.hand_out(buffer) {
                return Poll::Ready(Ok(()));
            }
            let Some(conversion) = &mut this.conversion else {
                return Poll::Ready(Ok(()));
            };
            let mut piece = [0; 4 << 10];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.source).poll_read(context, &mut piece))?;
            this.piece = Unread::from(if piece.filled().is_empty() {
                this.conversion
                    .take()
                    .map(Conversion::finish)
                    .unwrap_or_default()
            } else {
                conversion.feed(piece.filled())
            });
        }
    }
}
