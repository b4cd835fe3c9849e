//! Answers what a session asks, and reports what it tells.
//!
//! One per connection. Holds what a connection knows of itself beyond its dialogue: the open exchange, the open transaction, the facts
//! of its channel.

use std::net::SocketAddr;
use std::sync::Arc;

use gatepost_sasl::{Identity, Mechanism, Question};
use gatepost_smtp::reply::Refusal;
use gatepost_smtp::server::{AbortCause, Answer, AuthEnd, Request, SessionEvent};
use gatepost_smtp::short_id::SessionId;
use gatepost_smtp::tls_facts::TlsFacts;

use super::service::ListenerContext;
use super::submission::{Origin, Submission};
use crate::auth::channel::{Channel, Peer};
use crate::auth::exchange::{End, Exchange};
use crate::config::resolved::{ListenerProfile, TlsMode};
use crate::observe::event::{AuthAttempt, AuthResult, CommandRefused, PasswordExposed, QuirkSeen};
use crate::observe::reason::Reason;
use crate::policy::decision::Decision;
use crate::policy::sender::MissingFrom;

/// Answers one connection's requests.
pub(super) struct Responder {
    context: Arc<ListenerContext>,
    peer: SocketAddr,
    session: SessionId,
    tls: Option<Box<TlsFacts>>,
    helo: Box<str>,
    esmtp: bool,
    account: Option<Box<str>>,
    exchange: Option<Box<Exchange>>,
    submission: Option<Box<Submission>>,
    /// Why the refusal that comes next was decided.
    detail: Option<String>,
    /// Messages taken.
    pub(super) messages: u64,
    /// The last refusal that hung up.
    pub(super) hung_up: Option<Refusal>,
}

impl Responder {
    pub(super) fn new(context: Arc<ListenerContext>, peer: SocketAddr, session: SessionId) -> Self {
        Self {
            context,
            peer,
            session,
            tls: None,
            helo: "".into(),
            esmtp: false,
            account: None,
            exchange: None,
            submission: None,
            detail: None,
            messages: 0,
            hung_up: None,
        }
    }

    /// The connection is inside TLS now; what was known of the client is not any more (TLS-07).
    pub(super) fn tls_started(&mut self, facts: &TlsFacts) {
        self.tls = Some(Box::new(facts.clone()));
        self.helo = "".into();
        self.esmtp = false;
        self.account = None;
        self.submission = None;
    }

    /// Answers. `identity` is who the session acts for at this moment, `layer` how its security layer describes itself. May be dropped at
    /// any time; what it was about is then undecided.
    pub(super) async fn answer(
        &mut self,
        request: Request,
        identity: Option<Identity>,
        layer: Option<String>,
    ) -> Answer {
        match request {
            Request::Ehlo { name, esmtp } => {
                self.helo = name.into();
                self.esmtp = esmtp;
                Answer::Offer(self.offer())
            }
            Request::BeginAuth { mechanism } => {
                let peer = Peer {
                    address: self.peer.ip(),
                    channel: self.channel(),
                };
                match Exchange::open(&self.context.services.authenticator, peer, mechanism) {
                    Ok((exchange, params)) => {
                        self.exchange = Some(Box::new(exchange));
                        Answer::Begin(params)
                    }
                    Err(refusal) => Answer::Refuse(refusal.into()),
                }
            }
            Request::Sasl(question) => self.sasl(question).await,
            Request::Mail {
                reverse_path,
                params,
            } => {
                let Some(identity) = identity else {
                    return Answer::Refuse(Refusal::AuthenticationRequired);
                };
                let begun = Submission::begin(
                    &self.context.services,
                    identity,
                    reverse_path,
                    params,
                    self.missing_from(),
                );
                let begun = begun.map(|submission| self.submission = Some(Box::new(submission)));
                self.decided(begun)
            }
            Request::Rcpt { forward_path, .. } => {
                let Some(submission) = &mut self.submission else {
                    return Answer::Refuse(Refusal::MailRequired);
                };
                let decided = submission.recipient(&forward_path);
                self.decided(decided)
            }
            Request::Content => {
                let Some(mut submission) = self.submission.take() else {
                    return Answer::Refuse(Refusal::MailRequired);
                };
                submission.open(&self.context.services, &self.origin(layer.as_deref()));
                self.submission = Some(submission);
                Answer::Proceed
            }
            Request::Headers { headers, has_body } => {
                let Some(mut submission) = self.submission.take() else {
                    return Answer::Refuse(Refusal::MailRequired);
                };
                let decided =
                    submission.headers(&self.origin(layer.as_deref()), &headers, has_body);
                self.submission = Some(submission);
                self.decided(decided)
            }
            Request::Commit => self.commit(layer.as_deref()).await,
        }
    }

    /// Takes octets of the message.
    pub(super) async fn body(&mut self, octets: &[u8]) {
        if let Some(submission) = &mut self.submission {
            submission.body(octets).await;
        }
    }

    /// Reports what the session tells.
    pub(super) fn note(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::AuthEnded { mechanism, end, id } => {
                let id = id.map(|id| id.to_string());
                self.auth_ended(mechanism.name, end, id);
            }
            SessionEvent::Refused {
                id,
                command,
                refusal,
            } => {
                if refusal.closes() {
                    self.hung_up = Some(refusal);
                }
                let refused = CommandRefused {
                    peer: self.peer.ip(),
                    listener: self.context.name.clone(),
                    session: self.session.to_string(),
                    id: id.to_string(),
                    command,
                    refusal,
                    account: self.account.as_deref().map(str::to_owned),
                    detail: self.detail.take(),
                };
                self.context.services.observer.emit(refused);
            }
            SessionEvent::Quirk(quirk) => self.context.services.observer.emit(QuirkSeen {
                peer: self.peer.ip(),
                listener: self.context.name.clone(),
                session: self.session.to_string(),
                quirk: quirk.label(),
            }),
            SessionEvent::PasswordExposed { mechanism } => {
                self.context.services.observer.emit(PasswordExposed {
                    peer: self.peer.ip(),
                    listener: self.context.name.clone(),
                    session: self.session.to_string(),
                    mechanism: mechanism.name,
                });
            }
            SessionEvent::TransactionReset => self.submission = None,
        }
    }

    /// CAP-13: where TLS has to come first, no mechanism is announced before it.
    fn offer(&self) -> Vec<&'static Mechanism> {
        if self.context.tls == TlsMode::StartTls && self.tls.is_none() {
            return Vec::new();
        }
        let authenticator = &self.context.services.authenticator;
        authenticator.mechanisms(&self.channel())
    }

    async fn sasl(&mut self, question: Question) -> Answer {
        let answer = match &mut self.exchange {
            Some(exchange) => exchange.answer(question).await,
            None => gatepost_sasl::Answer::Unavailable,
        };
        Answer::Sasl(answer)
    }

    async fn commit(&mut self, layer: Option<&str>) -> Answer {
        let Some(submission) = self.submission.take() else {
            return Answer::Refuse(Refusal::MailRequired);
        };
        let origin = self.origin(layer);
        let committing = submission.commit(&self.context.services, &origin, &self.context.name);
        match committing.await {
            Ok(accepted) => {
                let id = accepted.id.clone();
                self.context.services.observer.emit(accepted);
                self.messages += 1;
                Answer::Committed { id }
            }
            Err(refusal) => Answer::Refuse(refusal),
        }
    }

    fn auth_ended(&mut self, mechanism: &'static str, end: AuthEnd, id: Option<String>) {
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        let mut told = AuthAttempt {
            peer: self.peer.ip(),
            listener: self.context.name.clone(),
            session: self.session.to_string(),
            id,
            mechanism,
            authcid: exchange
                .claim()
                .authcid
                .as_ref()
                .map(|name| name.as_str().to_owned()),
            authzid: exchange
                .claim()
                .authzid
                .as_ref()
                .map(|name| name.as_str().to_owned()),
            tls: self.tls.as_ref().map(|tls| tls.version.clone()),
            result: AuthResult::Lost,
            reason: Reason::Ok,
            account: None,
            credential: None,
        };
        let settled = match end {
            AuthEnd::Won(identity) => {
                told.result = AuthResult::Won;
                told.account = Some(identity.acts_as().to_owned());
                told.credential = Some(identity.credential().to_owned());
                self.account = Some(identity.acts_as().into());
                End::Won
            }
            AuthEnd::Lost(refusal) => {
                if refusal.closes() {
                    self.hung_up = Some(refusal);
                }
                let (result, reason, end) = lost(refusal);
                told.result = result;
                told.reason = reason;
                end
            }
            AuthEnd::Aborted(cause) => {
                told.result = AuthResult::Aborted;
                told.reason = aborted(cause);
                End::Aborted
            }
        };
        exchange.close(settled);
        self.context.services.observer.emit(told);
    }

    fn decided(&mut self, decision: Result<(), Decision>) -> Answer {
        match decision {
            Ok(()) => Answer::Proceed,
            Err(decision) => {
                self.detail = Some(decision.detail());
                Answer::Refuse(decision.refusal)
            }
        }
    }

    fn channel(&self) -> Channel {
        Channel {
            tls: self.tls.is_some(),
            legacy: self.context.serves == ListenerProfile::Legacy,
            bindings: self
                .tls
                .as_ref()
                .map(|tls| tls.channel_bindings.clone())
                .unwrap_or_default(),
        }
    }

    fn missing_from(&self) -> MissingFrom {
        match self.context.serves {
            ListenerProfile::Submission => MissingFrom::Refuse,
            ListenerProfile::Legacy => MissingFrom::Add,
        }
    }

    fn origin<'a>(&'a self, layer: Option<&'a str>) -> Origin<'a> {
        Origin {
            peer: self.peer,
            session: self.session,
            helo: &self.helo,
            esmtp: self.esmtp,
            tls: self.tls.as_deref(),
            layer,
            hostname: &self.context.profile.hostname,
        }
    }
}

/// What a refused exchange is to log, metrics and guard.
fn lost(refusal: Refusal) -> (AuthResult, Reason, End) {
    match refusal {
        // The 421 stands in place of one more 535.
        Refusal::CredentialsInvalid | Refusal::TooManyAuthFailures => {
            (AuthResult::Lost, Reason::CredentialsInvalid, End::Lost)
        }
        Refusal::DirectoryUnavailable => (AuthResult::Aborted, Reason::Unavailable, End::Aborted),
        Refusal::CredentialsEmpty => (AuthResult::Lost, Reason::CredentialsEmpty, End::Aborted),
        Refusal::PasswordExpired => (AuthResult::Lost, Reason::PasswordExpired, End::Aborted),
        Refusal::AccountDisabled => (AuthResult::Lost, Reason::AccountDisabled, End::Aborted),
        Refusal::MechanismTooWeak => (AuthResult::Lost, Reason::MechanismTooWeak, End::Aborted),
        Refusal::TransitionNeeded => (AuthResult::Lost, Reason::TransitionNeeded, End::Aborted),
        _ => (AuthResult::Lost, Reason::Malformed, End::Aborted),
    }
}

fn aborted(cause: AbortCause) -> Reason {
    match cause {
        AbortCause::Cancelled => Reason::Cancelled,
        AbortCause::Quit => Reason::Quit,
        AbortCause::NotBase64 | AbortCause::LineUnreadable => Reason::Malformed,
        AbortCause::TooManyRounds => Reason::LimitReached,
        AbortCause::Disconnected => Reason::Disconnected,
        AbortCause::Timeout => Reason::Timeout,
    }
}
