//! Answers what a session asks, and reports what it tells.
//!
//! One per connection. Holds what a connection has open beyond its dialogue: the exchange and the transaction. Most requests are answered at once;
//! only what asks a directory or waits for the disk takes time.

use std::net::SocketAddr;
use std::sync::Arc;

use gatepost_sasl::{Identity, Mechanism, Question};
use gatepost_smtp::params::MailParams;
use gatepost_smtp::path::ReversePath;
use gatepost_smtp::reply::Refusal;
use gatepost_smtp::server::{AbortCause, Answer, AuthEnd, Request, ServerSession, SessionEvent};
use gatepost_smtp::short_id::SessionId;
use gatepost_smtp::tls_facts::TlsFacts;

use super::service::{ListenerContext, Services};
use super::submission::{Origin, Source, Submission};
use crate::auth::certificate::ClientCertificate;
use crate::auth::channel::{Channel, Peer};
use crate::auth::exchange::{End, Exchange};
use crate::config::resolved::{ListenerProfile, TlsMode};
use crate::observe::event::{AuthAttempt, AuthResult, CommandRefused, PasswordExposed, QuirkSeen};
use crate::observe::reason::Reason;
use crate::policy::decision::Decision;

/// Answers one connection's requests.
pub(super) struct Responder {
    context: Arc<ListenerContext>,
    peer: SocketAddr,
    exchange: Option<Box<Exchange>>,
    submission: Option<Box<Submission>>,
    /// The client's certificate, if it has an owner.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    /// Why the refusal that comes next was decided.
    detail: Option<String>,
    /// Messages taken.
    pub(super) messages: u64,
    /// The last refusal that hung up.
    pub(super) hung_up: Option<Refusal>,
}

/// What comes of a request.
pub(super) enum Response {
    /// The answer.
    Now(Answer),
    /// It takes time.
    Later(Work),
}

/// What takes time.
pub(super) enum Work {
    /// Somebody has to be asked, or a password hashed.
    Sasl(Question),
    /// A message has to reach the disk.
    Commit,
}

impl Responder {
    pub(super) fn new(
        context: Arc<ListenerContext>,
        peer: SocketAddr,
        certificate: Option<Arc<ClientCertificate>>,
    ) -> Self {
        Self {
            context,
            peer,
            exchange: None,
            submission: None,
            certificate,
            detail: None,
            messages: 0,
            hung_up: None,
        }
    }

    /// Answers a request of this session, or says what has to be done for it.
    pub(super) fn answer(&mut self, request: Request, session: &ServerSession) -> Response {
        let answer = match request {
            Request::Sasl(question) => return Response::Later(Work::Sasl(question)),
            Request::Commit => return Response::Later(Work::Commit),
            Request::Ehlo { .. } => Answer::Offer(self.offer(session)),
            Request::BeginAuth { mechanism } => self.begin_auth(mechanism, session),
            Request::Mail {
                reverse_path,
                params,
            } => self.mail(reverse_path, params, session.identity()),
            Request::Rcpt {
                forward_path,
                params,
            } => self.decide(|submission, _| submission.recipient(&forward_path, params)),
            Request::Content => {
                let origin = self.origin(session);
                self.decide(|submission, services| {
                    submission.open(services, &origin);
                    Ok(())
                })
            }
            Request::Headers { headers, has_body } => {
                let origin = self.origin(session);
                self.decide(|submission, _| submission.headers(&origin, &headers, has_body))
            }
        };
        Response::Now(answer)
    }

    /// Does what takes time. May be dropped at any time; what it was about is then undecided.
    pub(super) async fn work(&mut self, work: Work, session: SessionId) -> Answer {
        match work {
            Work::Sasl(question) => Answer::Sasl(match &mut self.exchange {
                Some(exchange) => exchange.answer(question).await,
                None => gatepost_sasl::Answer::Unavailable,
            }),
            Work::Commit => self.commit(session).await,
        }
    }

    /// Takes octets of the message.
    pub(super) async fn body(&mut self, octets: &[u8]) {
        if let Some(submission) = &mut self.submission {
            submission.body(octets).await;
        }
    }

    /// Reports what the session tells.
    pub(super) fn note(&mut self, event: SessionEvent, session: &ServerSession) {
        match event {
            SessionEvent::AuthEnded {
                mechanism,
                end,
                told,
            } => {
                if let Some((refusal, _)) = told
                    && refusal.closes()
                {
                    self.hung_up = Some(refusal);
                }
                let id = told.map(|(_, id)| id.to_string());
                self.auth_ended(mechanism.name, end, id, session);
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
                    session: session.id().to_string(),
                    id: id.to_string(),
                    command,
                    refusal,
                    account: session.identity().map(|it| it.acts_as().to_owned()),
                    detail: self.detail.take(),
                };
                self.context.services.observer.emit(refused);
            }
            SessionEvent::Quirk(quirk) => self.context.services.observer.emit(QuirkSeen {
                peer: self.peer.ip(),
                listener: self.context.name.clone(),
                session: session.id().to_string(),
                quirk: quirk.label(),
            }),
            SessionEvent::PasswordExposed { mechanism } => {
                self.context.services.observer.emit(PasswordExposed {
                    peer: self.peer.ip(),
                    listener: self.context.name.clone(),
                    session: session.id().to_string(),
                    mechanism: mechanism.name,
                });
            }
            SessionEvent::TransactionReset => self.submission = None,
        }
    }

    fn begin_auth(&mut self, mechanism: &'static Mechanism, session: &ServerSession) -> Answer {
        let peer = Peer {
            address: self.peer.ip(),
            channel: self.channel(session),
        };
        match Exchange::open(&self.context.services.authenticator, peer, mechanism) {
            Ok((exchange, params)) => {
                self.exchange = Some(Box::new(exchange));
                Answer::Begin(params)
            }
            Err(refusal) => Answer::Refuse(refusal.into()),
        }
    }

    /// CAP-13: where TLS has to come first, no mechanism is announced before it.
    fn offer(&self, session: &ServerSession) -> Vec<&'static Mechanism> {
        let channel = self.channel(session);
        if self.context.tls == TlsMode::StartTls && !channel.tls {
            return Vec::new();
        }
        self.context.services.authenticator.mechanisms(&channel)
    }

    fn mail(
        &mut self,
        reverse_path: ReversePath,
        params: MailParams,
        identity: Option<&Identity>,
    ) -> Answer {
        let Some(identity) = identity else {
            return Answer::Refuse(Refusal::AuthenticationRequired);
        };
        let begun = Submission::begin(
            &self.context.services,
            identity.clone(),
            reverse_path,
            params,
            self.context.serves,
        );
        match begun {
            Ok(submission) => {
                self.submission = Some(Box::new(submission));
                Answer::Proceed
            }
            Err(decision) => self.refuse(&decision),
        }
    }

    /// Has the open transaction decide.
    fn decide(
        &mut self,
        decide: impl FnOnce(&mut Submission, &Services) -> Result<(), Decision>,
    ) -> Answer {
        let Some(submission) = &mut self.submission else {
            return Answer::Refuse(Refusal::MailRequired);
        };
        match decide(submission, &self.context.services) {
            Ok(()) => Answer::Proceed,
            Err(decision) => self.refuse(&decision),
        }
    }

    fn refuse(&mut self, decision: &Decision) -> Answer {
        self.detail = Some(decision.detail());
        Answer::Refuse(decision.refusal)
    }

    async fn commit(&mut self, session: SessionId) -> Answer {
        let Some(submission) = self.submission.take() else {
            return Answer::Refuse(Refusal::MailRequired);
        };
        let services = &self.context.services;
        let source = Source {
            peer: self.peer.ip(),
            listener: &self.context.name,
            session,
        };
        match submission.commit(services, &source).await {
            Ok(accepted) => {
                let id = accepted.id.clone();
                services.observer.emit(accepted);
                self.messages += 1;
                Answer::Committed { id }
            }
            Err(refusal) => Answer::Refuse(refusal),
        }
    }

    fn auth_ended(
        &mut self,
        mechanism: &'static str,
        end: AuthEnd,
        id: Option<String>,
        session: &ServerSession,
    ) {
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        let mut told = AuthAttempt {
            peer: self.peer.ip(),
            listener: self.context.name.clone(),
            session: session.id().to_string(),
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
            trace: exchange.claim().trace.clone(),
            tls: session.greeting_facts().tls.map(|tls| tls.version.clone()),
            result: AuthResult::Lost,
            reason: Reason::Ok,
            account: None,
            credential: None,
        };
        let settled = match end {
            AuthEnd::Won(identity) => {
                self.context.connections.proven(self.peer.ip());
                told.result = AuthResult::Won;
                told.account = Some(identity.acts_as().to_owned());
                told.credential = Some(identity.credential().to_owned());
                End::Won
            }
            AuthEnd::Lost(refusal) => {
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

    fn channel(&self, session: &ServerSession) -> Channel {
        let tls = session.greeting_facts().tls;
        Channel {
            tls: tls.is_some(),
            deprecated_tls: tls.is_some_and(TlsFacts::is_deprecated),
            legacy: self.context.serves == ListenerProfile::Legacy,
            layers: self.context.layers.on(tls.is_some()),
            reached_as: Arc::clone(&self.context.reached_as),
            bindings: tls
                .map(|tls| tls.channel_bindings.clone())
                .unwrap_or_default(),
            client_certificate: self.certificate.clone(),
            mechanisms: self.context.auth.mechanisms.clone(),
            anonymous_account: self.context.auth.anonymous_account.clone(),
        }
    }

    fn origin<'a>(&self, session: &'a ServerSession) -> Origin<'a> {
        Origin {
            peer: self.peer,
            session: session.id(),
            facts: session.greeting_facts(),
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
