//! What is said about one message before its content: MAIL, and RCPT for each recipient; and what the replies add up to.
//!
//! Parameters go only to servers that announced their extension. What may be left out is: SIZE, the DSN parameters, the submitter.
//! What may not, the type of the content and SMTPUTF8, was looked after before the transaction began.

use std::fmt::Write as _;

use super::capabilities::{Capabilities, Extension};
use super::envelope::{Envelope, Recipient, SendReport};
use super::failure::{Lack, Stage};
use super::selection;
use super::session::Chunking;
use crate::params::Body;
use crate::reply::{Reply, ReplyCode};

/// What was said so far.
pub(super) struct Dialogue {
    pub(super) envelope: Envelope,
    /// Which recipients take part.
    selected: Vec<usize>,
    /// `AUTH=` goes with MAIL.
    pub(super) with_submitter: bool,
    /// The content goes by BDAT.
    pub(super) by_chunks: bool,
    /// The reply to MAIL.
    mail: Option<Reply>,
    /// The replies to RCPT, in order.
    rcpt: Vec<Reply>,
}

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Mail,
    /// To the recipient of this place among the selected ones.
    Rcpt(usize),
    Data,
}

/// What the message needs and the server does not offer.
pub(super) fn lack(
    envelope: &Envelope,
    capabilities: &Capabilities,
    chunking: Chunking,
) -> Option<Lack> {
    let binary = capabilities.has(Extension::BinaryMime)
        && capabilities.has(Extension::Chunking)
        && chunking != Chunking::Never;
    match (capabilities.size, envelope.size) {
        (Some(limit), Some(size)) if limit > 0 && size > limit => Some(Lack::Size { limit }),
        _ if envelope.needs_smtputf8() && !capabilities.has(Extension::SmtpUtf8) => {
            Some(Lack::SmtpUtf8)
        }
        _ => match envelope.body {
            Body::EightBitMime if !capabilities.has(Extension::EightBitMime) => {
                Some(Lack::EightBitMime)
            }
            Body::BinaryMime if !binary => Some(Lack::BinaryMime),
            Body::SevenBit | Body::EightBitMime | Body::BinaryMime => None,
        },
    }
}

impl Dialogue {
    pub(super) fn new(envelope: Envelope, capabilities: &Capabilities, chunking: Chunking) -> Self {
        Self {
            selected: selection::within(capabilities.limits, &envelope.recipients),
            // MPAR-09.
            with_submitter: envelope.submitter.is_some() && capabilities.has(Extension::Auth),
            by_chunks: envelope.body == Body::BinaryMime
                || (chunking == Chunking::Preferred && capabilities.has(Extension::Chunking)),
            envelope,
            mail: None,
            rcpt: Vec::new(),
        }
    }

    /// The same once more, without the submitter.
    pub(super) fn without_submitter(self) -> Self {
        Self {
            with_submitter: false,
            mail: None,
            rcpt: Vec::new(),
            ..self
        }
    }

    pub(super) fn line(&self, command: Command, capabilities: &Capabilities) -> (String, Stage) {
        match command {
            Command::Mail => (self.mail_line(capabilities), Stage::Mail),
            Command::Data => ("DATA".to_owned(), Stage::Data),
            Command::Rcpt(place) => {
                let recipient = self.recipient(place);
                let line = recipient.map(|recipient| self.rcpt_line(recipient, capabilities));
                (line.unwrap_or_default(), Stage::Rcpt)
            }
        }
    }

    /// The command after this one. With chunks there is none after the last RCPT: whether anybody is accepted must be known first.
    pub(super) fn after(&self, command: Command) -> Option<Command> {
        let place = match command {
            Command::Mail => 0,
            Command::Rcpt(place) => place + 1,
            Command::Data => return None,
        };
        if place < self.selected.len() {
            Some(Command::Rcpt(place))
        } else {
            (!self.by_chunks).then_some(Command::Data)
        }
    }

    /// Whether further commands are pointless: MAIL is refused, or every recipient is.
    pub(super) fn is_hopeless(&self, outstanding: usize) -> bool {
        let all_answered = outstanding == 0 && self.rcpt.len() == self.selected.len();
        self.mail_refusal().is_some() || (all_answered && !self.any_accepted())
    }

    pub(super) fn answered(mut self, command: Command, reply: Reply) -> Self {
        match command {
            Command::Mail => self.mail = Some(reply),
            Command::Rcpt(_) | Command::Data => self.rcpt.push(too_many_is_transient(reply)),
        }
        self
    }

    pub(super) fn any_accepted(&self) -> bool {
        self.rcpt.iter().any(|reply| reply.code.is_positive())
    }

    pub(super) fn mail_refusal(&self) -> Option<&Reply> {
        self.mail.as_ref().filter(|reply| !reply.code.is_positive())
    }

    pub(super) fn report(&self, final_reply: Option<Reply>) -> SendReport {
        let delivered = final_reply
            .as_ref()
            .is_some_and(|reply| reply.code.is_positive());
        let all = self.envelope.recipients.len();
        let mut recipients = vec![Err(Reply::too_many_recipients()); all];
        let mut left_over = vec![true; all];
        for (&index, rcpt) in self.selected.iter().zip(&self.rcpt) {
            let accepted = rcpt.code.is_positive();
            let outcome = match &final_reply {
                Some(reply) if accepted && delivered => Ok(reply.clone()),
                Some(reply) if accepted => Err(reply.clone()),
                _ => Err(rcpt.clone()),
            };
            if let (Some(slot), Some(waits)) = (recipients.get_mut(index), left_over.get_mut(index))
            {
                *slot = outcome;
                *waits = delivered && !accepted && is_too_many(rcpt);
            }
        }
        SendReport {
            recipients,
            final_reply: final_reply.filter(|_| self.any_accepted()),
            left_over: (0..all)
                .filter(|index| left_over.get(*index) == Some(&true))
                .collect(),
        }
    }

    fn recipient(&self, place: usize) -> Option<&Recipient> {
        let index = self.selected.get(place)?;
        self.envelope.recipients.get(*index)
    }

    fn mail_line(&self, capabilities: &Capabilities) -> String {
        let envelope = &self.envelope;
        let mut line = format!("MAIL FROM:{}", envelope.reverse_path);
        // A `String` takes everything.
        if let (Some(size), Some(_)) = (envelope.size, capabilities.size) {
            let _ = write!(line, " SIZE={size}");
        }
        // What is not said is 7-bit (RFC 6152 §3).
        if envelope.body != Body::SevenBit {
            let _ = write!(line, " BODY={}", envelope.body.as_str());
        }
        if envelope.needs_smtputf8() {
            line.push_str(" SMTPUTF8");
        }
        if let (true, Some(submitter)) = (self.with_submitter, &envelope.submitter) {
            let _ = write!(line, " AUTH={}", submitter.to_xtext());
        }
        if capabilities.has(Extension::Dsn) {
            if let Some(ret) = envelope.ret {
                let _ = write!(line, " RET={}", ret.to_wire());
            }
            if let Some(id) = &envelope.envelope_id {
                let _ = write!(line, " ENVID={}", id.to_wire());
            }
        }
        line
    }

    fn rcpt_line(&self, recipient: &Recipient, capabilities: &Capabilities) -> String {
        let mut line = format!("RCPT TO:{}", recipient.path);
        if capabilities.has(Extension::Dsn) {
            if let Some(notify) = recipient.notify {
                let _ = write!(line, " NOTIFY={}", notify.to_wire());
            }
            if let Some(original) = &recipient.original_recipient {
                let utf8 = self.envelope.needs_smtputf8();
                let _ = write!(line, " ORCPT={}", original.to_wire(utf8));
            }
        }
        line
    }
}

/// RFC 5321 §4.5.3.1.10: 552 to RCPT, where it means "too many recipients", is to be taken as 452. With the enhanced code of a full
/// mailbox it means what it says.
fn too_many_is_transient(reply: Reply) -> Reply {
    if reply.code == ReplyCode::STORAGE_EXCEEDED && may_mean_too_many(&reply) {
        return Reply {
            code: ReplyCode::INSUFFICIENT_STORAGE,
            enhanced: None,
            ..reply
        };
    }
    reply
}

/// The recipient may be welcome in a transaction with fewer before him.
fn is_too_many(reply: &Reply) -> bool {
    reply.code == ReplyCode::INSUFFICIENT_STORAGE && may_mean_too_many(reply)
}

fn may_mean_too_many(reply: &Reply) -> bool {
    reply
        .enhanced
        .is_none_or(|enhanced| (enhanced.subject(), enhanced.detail()) == (5, 3))
}
