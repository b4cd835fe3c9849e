//! One mail transaction: what policy says to it, and its way into the queue.
//!
//! Begins with MAIL, collects a grant for each recipient, takes the content into a draft and ends with the commit. Dropped before that,
//! it leaves nothing behind. A draft that could not be written is remembered until the end of the content, where the client is told (452 or
//! 451): it remains responsible for the message.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gatepost_sasl::Identity;
use gatepost_smtp::params::{Body, MailParams, RcptParams};
use gatepost_smtp::path::{Address, ForwardPath, ReversePath};
use gatepost_smtp::reply::Refusal;
use gatepost_smtp::server::GreetingFacts;
use gatepost_smtp::short_id::SessionId;
use gatepost_smtp::trace::Received;
use jiff::Timestamp;

use super::service::{AccountFacts, Services};
use crate::config::resolved::{ListenerProfile, SubmissionRules};
use crate::delivery::route;
use crate::message::conversion::LineMeter;
use crate::message::fixup;
use crate::observe::event::{Fault, MessageAccepted};
use crate::observe::reason::Reason;
use crate::policy::actor::Actor;
use crate::policy::content::{self, Stamp, Submitted};
use crate::policy::decision::Decision;
use crate::policy::relay::{self, RelayGrants};
use crate::policy::sender::{self, AuthorRules};
use crate::policy::submitter::{self, Trust};
use crate::queue::{AuthFacts, Disposition, Draft, Envelope, QueueError, SubmissionFacts};

/// What is known of the client, for the trace field and the queue.
pub(super) struct Origin<'a> {
    pub(super) peer: SocketAddr,
    pub(super) session: SessionId,
    pub(super) facts: GreetingFacts<'a>,
}

/// Where a message came in, for the log.
pub(super) struct Source<'a> {
    pub(super) peer: IpAddr,
    pub(super) listener: &'a str,
    pub(super) session: SessionId,
}

/// A transaction between MAIL and its end.
pub(super) struct Submission {
    identity: Identity,
    account: Option<AccountFacts>,
    /// Whether the account that proved itself may do anything; it can be another than the one it acts for.
    login_enabled: bool,
    reverse_path: ReversePath,
    params: MailParams,
    grants: RelayGrants,
    rules: Arc<SubmissionRules>,
    authors: AuthorRules,
    hostname: Arc<str>,
    draft: Option<Draft>,
    eight_bit: bool,
    lines: LineMeter,
    fault: Option<QueueError>,
}

impl Submission {
    /// Decides on MAIL.
    pub(super) fn begin(
        services: &Services,
        identity: Identity,
        reverse_path: ReversePath,
        params: MailParams,
        profile: ListenerProfile,
    ) -> Result<Self, Decision> {
        let enabled = |name| services.accounts.facts(name).is_some_and(|it| it.enabled);
        let rules = Arc::clone(&services.submission);
        let submission = Self {
            login_enabled: enabled(identity.login()),
            account: services.accounts.facts(identity.acts_as()),
            identity,
            reverse_path,
            params,
            grants: RelayGrants::default(),
            authors: AuthorRules {
                missing_from: rules.missing_from(profile),
                add_sender: rules.add_sender,
            },
            rules,
            hostname: Arc::clone(&services.hostname),
            draft: None,
            eight_bit: false,
            lines: LineMeter::default(),
            fault: None,
        };
        sender::check_reverse_path(&submission.actor(), &submission.reverse_path)?;
        Ok(submission)
    }

    /// Decides on RCPT.
    pub(super) fn recipient(
        &mut self,
        path: &ForwardPath,
        params: RcptParams,
    ) -> Result<(), Decision> {
        let grant = relay::decide(&self.actor(), path)?;
        self.grants.add(grant.with(params));
        Ok(())
    }

    /// Opens the draft, before the client is told to go on.
    pub(super) fn open(&mut self, services: &Services, origin: &Origin<'_>) {
        let identity = &self.identity;
        let auth = AuthFacts {
            account: identity.acts_as().to_owned(),
            login: identity.login().to_owned(),
            credential: identity.credential().to_owned(),
            mechanism: identity.mechanism().name.to_owned(),
            authcid: identity.authcid().as_str().to_owned(),
            authzid: None,
        };
        let envelope = Envelope {
            reverse_path: self.reverse_path.clone(),
            submitter: submitter::believed(Trust::Untrusted, self.params.auth.as_ref()),
            submission: SubmissionFacts {
                received_ms: 0,
                auth: Some(auth),
                peer: Some(origin.peer),
                helo: origin.facts.helo.to_owned(),
                tls: origin
                    .facts
                    .tls
                    .map(|tls| format!("{} {}", tls.version, tls.cipher)),
                session: origin.session.to_string(),
            },
            body: self.params.body.unwrap_or_default(),
            smtputf8: self.params.smtputf8,
            long_lines: false,
            ret: self.params.ret,
            envelope_id: self.params.envelope_id.clone(),
        };
        self.draft = Some(services.queue.begin(envelope));
    }

    /// Decides on the header, and gives the completed one to the draft.
    pub(super) fn headers(
        &mut self,
        origin: &Origin<'_>,
        header: &[u8],
        has_body: bool,
    ) -> Result<(), Decision> {
        let Some(draft) = &self.draft else {
            return Err(Decision::new(Refusal::TemporaryFailure, Reason::Internal));
        };
        let now = Timestamp::now();
        let id = draft.id().to_string();
        let received = self.received(origin, &id, now);
        let submitted = Submitted {
            header,
            has_body,
            reverse_path: &self.reverse_path,
            smtputf8: self.params.smtputf8,
            complete_domain: self.rules.complete_domain.as_deref(),
            authors: self.authors,
        };
        let stamp = Stamp {
            received: &received,
            now,
            queue_id: &id,
            hostname: &self.hostname,
        };
        let completed = content::admit(&self.actor(), &submitted, &stamp)?;
        self.eight_bit |= !completed.is_ascii();
        self.lines.add(&completed);
        if let Some(draft) = &mut self.draft {
            draft.set_headers(completed);
        }
        Ok(())
    }

    /// Takes more of the body.
    pub(super) async fn body(&mut self, octets: &[u8]) {
        self.eight_bit |= !octets.is_ascii();
        self.lines.add(octets);
        if let Some(draft) = &mut self.draft
            && let Err(error) = draft.append(octets).await
        {
            // Nothing of the message is kept from here on; the client learns of it at the end of its data.
            self.fault = Some(error);
            self.draft = None;
        }
    }

    /// Makes the message durable. Says under which id, and what is to be reported of it.
    pub(super) async fn commit(
        mut self,
        services: &Services,
        source: &Source<'_>,
    ) -> Result<MessageAccepted, Refusal> {
        let Some(mut draft) = self.draft.take() else {
            return Err(storage_refusal(services, self.fault.as_ref()));
        };
        let envelope = draft.envelope_mut();
        if self.eight_bit {
            // MIME-01: many programs forget to say so.
            envelope.body = envelope.body.max(Body::EightBitMime);
        }
        envelope.long_lines = self.lines.has_long_line();
        // Programs ask for SMTPUTF8 whether they need it or not; what is ASCII throughout goes by any next hop.
        envelope.smtputf8 &= self.eight_bit
            || envelope
                .reverse_path
                .address()
                .is_some_and(|address| !address.is_ascii())
            || self
                .grants
                .recipients()
                .any(|path| !path.address().is_ascii());
        envelope.submission.received_ms =
            u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        let disposition = route::disposition(
            &services.routes,
            route::Origin::from(&*envelope),
            self.grants.recipients(),
        );
        draft.disposition(disposition);
        let accepted = MessageAccepted {
            peer: source.peer,
            listener: source.listener.to_owned(),
            session: source.session.to_string(),
            id: draft.id().to_string(),
            account: self.identity.acts_as().to_owned(),
            credential: self.identity.credential().to_owned(),
            sender: self
                .reverse_path
                .address()
                .map(ToString::to_string)
                .unwrap_or_default(),
            recipients: self.grants.len(),
            size: draft.size(),
            reason: match disposition {
                Disposition::Deliver => Reason::Ok,
                Disposition::Hold => Reason::Held,
                Disposition::Capture => Reason::Captured,
            },
        };
        match services.queue.commit(draft, self.grants).await {
            Ok(_) => Ok(accepted),
            Err(error) => Err(storage_refusal(services, Some(&error))),
        }
    }

    fn actor(&self) -> Actor<'_> {
        let addresses: &[Address] = match &self.account {
            Some(account) => &account.addresses,
            None => &[],
        };
        Actor {
            identity: &self.identity,
            addresses,
            enabled: self.login_enabled
                && self.account.as_ref().is_some_and(|account| account.enabled),
        }
    }

    fn received(&self, origin: &Origin<'_>, id: &str, now: Timestamp) -> String {
        let mut recipients = self.grants.recipients();
        let recipient = recipients.next().filter(|_| recipients.len() == 0);
        Received {
            helo: origin.facts.helo,
            rdns: None,
            peer: origin.peer.ip(),
            // TRC-01: names of accounts are no business of those who get the mail.
            authenticated: None,
            host: &self.hostname,
            protocol: origin.facts.protocol(self.params.smtputf8),
            layer: origin.facts.layer,
            id,
            tls: origin.facts.tls,
            recipient,
            date: &fixup::date(now),
        }
        .render()
    }
}

/// 452 for a full disk, 451 for everything else; the operator hears of the latter.
fn storage_refusal(services: &Services, error: Option<&QueueError>) -> Refusal {
    let (refusal, reason) = match error {
        Some(QueueError::Full) => (Refusal::StorageFull, Reason::StorageFull),
        _ => (Refusal::StorageFailed, Reason::StorageFailed),
    };
    let detail = error.map_or(Cow::Borrowed("no draft"), |error| error.to_string().into());
    services.observer.emit(Fault {
        part: "queue",
        reason,
        detail: detail.into_owned(),
    });
    refusal
}
