//! MAIL, RCPT, DATA and the end of the message. BDAT has a file of its own.
//!
//! The transaction is a value: it begins when the program has agreed to MAIL and is taken out of
//! the session at the end of data, whatever the end. There is one exit, [`ServerSession::reset`],
//! so that no envelope survives a refusal (T-02).
//!
//! Standards: RFC 5321 §3.3 and §4.1.1, RFC 1870, RFC 6409 §4 to §6, RFC 6531 §3.

use std::borrow::Cow;

use super::content::{Content, Progress};
use super::{Output, Pending, Request, ServerSession, SessionEvent, State};
use crate::bdat::Chunk;
use crate::command::{Verb, behind_keyword};
use crate::data::EndOfData;
use crate::params::{Body, MailParams, RcptParams};
use crate::path::{Address, AddressFault, ForwardPath, ReversePath, complete, split_argument};
use crate::quirk::{Quirk, QuirkSet};
use crate::reply::{Positive, Refusal};
use crate::server::EolPolicy;

/// A transaction in the making. The program holds the envelope.
pub(super) struct Transaction {
    kind: MessageKind,
    tried: u32,
    accepted: u32,
    /// The message, between two of its chunks.
    pub(super) content: Option<Box<Content>>,
}

/// What MAIL has said of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MessageKind {
    /// Addresses and headers may be UTF-8 (RFC 6531).
    pub(super) smtputf8: bool,
    /// Its body need not be lines (RFC 3030 §3).
    pub(super) binary: bool,
}

impl MessageKind {
    fn of(params: &MailParams) -> Self {
        Self {
            smtputf8: params.smtputf8,
            binary: params.body == Some(Body::BinaryMime),
        }
    }
}

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stage {
    /// RCPT commands.
    pub(super) tried: u32,
    /// Those of them that were accepted.
    pub(super) accepted: u32,
    pub(super) kind: MessageKind,
    /// A chunk of the message was taken.
    pub(super) chunking: bool,
}

impl Transaction {
    pub(super) fn stage(&self) -> Stage {
        Stage {
            tried: self.tried,
            accepted: self.accepted,
            kind: self.kind,
            chunking: self.content.is_some(),
        }
    }
}

/// How a message is about to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Behind DATA, up to its end mark.
    Data,
    /// Behind BDAT, in chunks of which this is the first.
    Chunks(Chunk),
}

impl ServerSession {
    /// `MAIL FROM:<reverse-path> [parameters]`
    pub(super) fn mail(&mut self, argument: &[u8]) {
        let mut quirks = QuirkSet::NONE;
        match self.parse_mail(argument, &mut quirks) {
            Ok((reverse_path, params)) => {
                self.quirks(quirks);
                let kind = MessageKind::of(&params);
                let request = Request::Mail {
                    reverse_path,
                    params,
                };
                self.ask(request, Pending::Mail(kind));
            }
            Err(refusal) => self.fault(Verb::Mail, refusal),
        }
    }

    fn parse_mail(
        &self,
        argument: &[u8],
        quirks: &mut QuirkSet,
    ) -> Result<(ReversePath, MailParams), Refusal> {
        let argument = behind_keyword(argument, b"FROM:").ok_or(Refusal::SenderSyntax)?;
        let text = String::from_utf8_lossy(argument);
        let garbled = matches!(text, Cow::Owned(_));
        let parts = split_argument(&text).ok_or(Refusal::SenderSyntax)?;
        let address = self.completed(parts.address);
        let reverse_path = ReversePath::parse(&address).map_err(|fault| match fault {
            AddressFault::Syntax => Refusal::SenderSyntax,
            AddressFault::Unqualified => Refusal::SenderDomainUnqualified,
        })?;
        self.parameters_allowed(parts.params)?;
        *quirks = parts.quirks;
        let params = MailParams::parse(parts.params, quirks)?;
        match fit_for(params.smtputf8, garbled, reverse_path.address()) {
            Fit::Yes => {}
            Fit::NotUtf8 => return Err(Refusal::SenderSyntax),
            Fit::NeedsUtf8 => return Err(Refusal::SenderNeedsUtf8),
        }
        if params
            .size
            .is_some_and(|size| size > self.profile.size_limit)
        {
            return Err(Refusal::MessageTooLarge);
        }
        Ok((reverse_path, params))
    }

    /// SUBM-06. `postmaster` alone is the one of this server (RFC 5321 §4.5.1).
    fn completed<'a>(&self, address: &'a str) -> Cow<'a, str> {
        match &self.profile.complete_domain {
            Some(domain) if !address.eq_ignore_ascii_case("postmaster") => {
                complete(address, domain)
            }
            _ => Cow::Borrowed(address),
        }
    }

    /// `RCPT TO:<forward-path> [parameters]`
    pub(super) fn rcpt(&mut self, argument: &[u8]) {
        if let Some(transaction) = &mut self.transaction {
            transaction.tried += 1;
            if transaction.tried > self.profile.limits.recipients {
                return self.decline(Verb::Rcpt, Refusal::TooManyRecipients);
            }
        }
        let mut quirks = QuirkSet::NONE;
        match self.parse_rcpt(argument, &mut quirks) {
            Ok(request) => {
                self.quirks(quirks);
                self.ask(request, Pending::Rcpt);
            }
            Err(refusal) => self.fault(Verb::Rcpt, refusal),
        }
    }

    fn parse_rcpt(&self, argument: &[u8], quirks: &mut QuirkSet) -> Result<Request, Refusal> {
        let argument = behind_keyword(argument, b"TO:").ok_or(Refusal::RecipientSyntax)?;
        let text = String::from_utf8_lossy(argument);
        let garbled = matches!(text, Cow::Owned(_));
        let parts = split_argument(&text).ok_or(Refusal::RecipientSyntax)?;
        let address = self.completed(parts.address);
        let forward_path =
            ForwardPath::parse(&address, &self.profile.hostname).map_err(|fault| match fault {
                AddressFault::Syntax => Refusal::RecipientSyntax,
                AddressFault::Unqualified => Refusal::MailboxDomainUnqualified,
            })?;
        self.parameters_allowed(parts.params)?;
        *quirks = parts.quirks;
        let open = self.transaction.as_ref();
        let smtputf8 = open.is_some_and(|open| open.kind.smtputf8);
        let params = RcptParams::parse(parts.params, smtputf8, quirks)?;
        match fit_for(smtputf8, garbled, Some(forward_path.address())) {
            Fit::Yes => {}
            Fit::NotUtf8 => return Err(Refusal::RecipientSyntax),
            Fit::NeedsUtf8 => return Err(Refusal::RecipientNeedsUtf8),
        }
        Ok(Request::Rcpt {
            forward_path,
            params,
        })
    }

    /// SMTP-05: parameters belong to EHLO.
    fn parameters_allowed(&self, params: &str) -> Result<(), Refusal> {
        let tolerated = self.profile.quirks.contains(Quirk::ParametersAfterHelo);
        if self
            .greeting
            .as_ref()
            .is_some_and(|greeting| greeting.esmtp)
            || tolerated
            || params.trim().is_empty()
        {
            Ok(())
        } else {
            Err(Refusal::ParameterUnknown)
        }
    }

    pub(super) fn mail_accepted(&mut self, kind: MessageKind) {
        self.transaction = Some(Transaction {
            kind,
            tried: 0,
            accepted: 0,
            content: None,
        });
        self.approve(Positive::SenderOk, "");
    }

    pub(super) fn rcpt_accepted(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.accepted += 1;
        }
        self.approve(Positive::RecipientOk, "");
    }

    /// `DATA`
    pub(super) fn data(&mut self, argument: &[u8]) {
        if argument.is_empty() {
            self.ask(Request::Content, Pending::Content(Form::Data));
        } else {
            self.fault(Verb::Data, Refusal::ArgumentSyntax);
        }
    }

    /// The program has a draft.
    pub(super) fn content_begins(&mut self, form: Form) {
        match form {
            Form::Data => {
                self.approve(Positive::StartData, "");
                let line_feed_end = self.profile.quirks.contains(Quirk::LineFeedEndOfData);
                let content = Content::data(&self.profile, line_feed_end);
                self.state = State::Content(Box::new(content));
            }
            Form::Chunks(chunk) => self.first_chunk(chunk),
        }
    }

    /// The program has no draft.
    pub(super) fn content_impossible(&mut self, form: Form, refusal: Refusal) {
        self.reset();
        match form {
            Form::Data => self.decline(Verb::Data, refusal),
            Form::Chunks(chunk) => self.swallow(chunk, refusal),
        }
    }

    /// Octets of the message. Returns how many are done with.
    pub(super) fn content(&mut self, mut content: Box<Content>, octets: &[u8]) -> usize {
        let (used, end) = content.decode(octets);
        if end == Some(EndOfData::LineFeed) {
            self.quirk(Quirk::LineFeedEndOfData);
        }
        self.content_goes_on(content);
        used
    }

    /// Does what the content decoded so far calls for.
    pub(super) fn content_goes_on(&mut self, mut content: Box<Content>) {
        match content.progress() {
            Progress::Waiting => self.state = State::Content(content),
            Progress::ChunkTaken(octets) => self.chunk_taken(content, octets),
            Progress::Headers { headers, has_body } => {
                self.ask(
                    Request::Headers { headers, has_body },
                    Pending::Headers(content),
                );
            }
            Progress::Body(octets) => {
                self.pass_on(octets);
                self.content_goes_on(content);
            }
            Progress::Refused(refusal) => {
                // What is still to come is read and thrown away; the draft need not wait for that.
                self.content_refused(content, refusal);
            }
            Progress::Ended(None) if self.normalizes() || !content.has_bare_line_ends() => {
                self.transaction = None;
                self.ask(Request::Commit, Pending::Commit(content.verb()));
            }
            Progress::Ended(refusal) => {
                self.reset();
                self.decline(content.verb(), refusal.unwrap_or(Refusal::BareLineEnd));
            }
        }
    }

    /// Octets of the body; those of many small chunks go together.
    fn pass_on(&mut self, octets: Vec<u8>) {
        match self.outputs.back_mut() {
            Some(Output::Body(before)) => before.extend(octets),
            _ => self.outputs.push_back(Output::Body(octets)),
        }
    }

    fn normalizes(&self) -> bool {
        self.profile.eol == EolPolicy::Normalize
    }

    /// The program refused the header section: the rest of the message is thrown away.
    pub(super) fn content_refused(&mut self, mut content: Box<Content>, refusal: Refusal) {
        self.reset();
        content.discard(refusal);
        self.content_goes_on(content);
    }

    /// SMTP-17: the message is on stable storage.
    pub(super) fn committed(&mut self, id: &str) {
        self.approve(Positive::Queued, id);
        self.tally.good_thing_happened();
    }

    /// The one exit of a transaction that is not committed.
    pub(super) fn reset(&mut self) {
        if self.transaction.take().is_some() {
            self.event(SessionEvent::TransactionReset);
        }
    }
}

/// Whether an argument's octets fit a transaction with or without SMTPUTF8 (EAI-02).
enum Fit {
    Yes,
    /// Octets that are no UTF-8, in spite of SMTPUTF8.
    NotUtf8,
    /// Octets outside ASCII, which only SMTPUTF8 could allow.
    NeedsUtf8,
}

/// `garbled` says that the argument is no UTF-8 throughout.
fn fit_for(smtputf8: bool, garbled: bool, address: Option<&Address>) -> Fit {
    let ascii = address.is_none_or(Address::is_ascii);
    match smtputf8 {
        true if garbled => Fit::NotUtf8,
        false if garbled || !ascii => Fit::NeedsUtf8,
        _ => Fit::Yes,
    }
}
