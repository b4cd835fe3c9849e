//! One authentication: attempts by one mechanism after the other, until one succeeds or the rules of `retry` say stop.
//!
//! What is reported in the end is the failure that tells the user most: a refusal of the credentials before a "not now", and both
//! before a refusal of a mechanism. A server that closes after a refusal does not hide that refusal (AUTH-30, LS-29).

use std::time::Instant;

use gatepost_sasl::{
    ChannelBindings, ClientAnswer, ClientFault, ClientParams, InitialResponse, LayerPolicy,
    Mechanism,
};

use super::auth::{Exchange, Facts, FirstMessage, LINE_LIMIT, Progress};
use super::authentication::{Authentication, InitialResponsePolicy, MechanismChoice};
use super::capabilities::Extension;
use super::choice::{self, Channel};
use super::failure::{
    ChannelFault, ClientFailure, CredentialFault, ExchangeFault, ProtocolFault, Stage,
};
use super::handshake::{Handshake, Purpose};
use super::link::Link;
use super::retry::{self, Move, Protection, Situation};
use super::session::{Completed, State};
use crate::reply::{Reply, ReplyCode};

/// An authentication between two attempts.
pub(super) struct Attempts {
    request: Authentication,
    /// When the whole must be over.
    until: Instant,
    /// Attempts made.
    made: usize,
    tried: Vec<&'static Mechanism>,
    /// The failure that tells most so far, and its rank.
    decisive: Option<(Rank, ClientFailure)>,
    situation: Situation,
    only_showing_password: bool,
    /// The type of channel binding the attempt under way uses.
    bound_by: Option<&'static str>,
    /// The server takes no type of channel binding that there is.
    binding_refused: bool,
}

/// How much a failure tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    MechanismRefused,
    NotNow,
    Decided,
}

/// An authentication in the middle of an attempt.
pub(super) struct Authenticating {
    attempts: Attempts,
    mechanism: &'static Mechanism,
    exchange: Exchange,
}

impl Attempts {
    pub(super) fn new(request: Authentication, link: &Link) -> Self {
        let long = request.initial_response == InitialResponsePolicy::Long;
        let situation = Situation {
            protection: Protection::Clear,
            form_changed: false,
            greeted_again: false,
            fell_back: false,
            other_binding: false,
            line_limit: if long { usize::MAX } else { LINE_LIMIT },
        };
        Self {
            until: link.now + link.profile.timeouts.authentication,
            request,
            made: 0,
            tried: Vec::new(),
            decisive: None,
            situation,
            only_showing_password: false,
            bound_by: None,
            binding_refused: false,
        }
    }

    /// Tries the strongest mechanism left.
    pub(super) fn next(mut self, link: &mut Link) -> State {
        let eligible = |mechanism: &Mechanism| {
            let hidden = self.only_showing_password && !mechanism.exposes_password;
            let unbindable = self.binding_refused && mechanism.binds_channel;
            !(self.tried.contains(&mechanism) || hidden || unbindable)
        };
        match choice::next(
            &self.request,
            &link.capabilities,
            Channel::of(link),
            eligible,
        ) {
            Ok(mechanism) => {
                let first_message = self.first_message(mechanism);
                self.situation.form_changed = false;
                self.attempt(mechanism, first_message, link)
            }
            // CAP-12: nothing can be done in clear, and TLS is there to be had.
            Err(_)
                if link.tls.is_none()
                    && link.capabilities.has(Extension::StartTls)
                    && self.decisive.is_none() =>
            {
                self.upgrade(link)
            }
            Err(fault) => self.give_up(ClientFailure::Credential(fault), link),
        }
    }

    fn attempt(
        mut self,
        mechanism: &'static Mechanism,
        first_message: FirstMessage,
        link: &mut Link,
    ) -> State {
        // LS-14: what came after the last reply is the server's farewell; a command now would be answered by it.
        if link.wire.holds_more() {
            let failure = ClientFailure::Protocol {
                stage: Stage::Authentication,
                fault: ProtocolFault::Unsolicited,
            };
            return self.lost(failure, link);
        }
        let Some(nonce) = self.request.nonces.get(self.made).cloned() else {
            let fault = CredentialFault::Exchange {
                mechanism,
                fault: ExchangeFault::TooManyRounds,
            };
            return self.give_up(ClientFailure::Credential(fault), link);
        };
        self.made += 1;
        let channel_bindings = self.channel_bindings(link);
        self.bound_by = channel_bindings
            .preferred()
            .map(|(name, _)| name)
            .filter(|_| mechanism.binds_channel);
        let params = ClientParams {
            channel_bindings,
            plus_offered: choice::binding_offered(&link.capabilities),
            authzid: self.request.authzid.clone(),
            port: self.request.port,
            initial_response: first_message != FirstMessage::Withheld,
            min_iterations: self.request.min_iterations,
            max_iterations: self.request.max_iterations,
            // LAYER-08: TLS protects better, and hardly any server expects both.
            layers: match link.tls {
                Some(_) if !self.request.demands_layer() => LayerPolicy::NEVER,
                _ => self.request.layers,
            },
            realm: self.request.realm.clone(),
            digest_md5_session: self.request.digest_md5_session.clone(),
            ..ClientParams::new(
                self.request.authcid.as_str(),
                self.request.host.as_str(),
                nonce,
            )
        };
        let progress = Exchange::begin(mechanism, params, first_message, link);
        self.went(mechanism, progress, link)
    }

    /// What an exchange's progress means for the whole.
    fn went(self, mechanism: &'static Mechanism, progress: Progress, link: &mut Link) -> State {
        match progress {
            Progress::Going(exchange) => {
                let prompt = link.now + link.profile.timeouts.prompt;
                let at = if exchange.awaits_prompt() {
                    prompt.min(self.until)
                } else {
                    self.until
                };
                link.alarm = Some((at, Stage::Authentication));
                State::Authenticating(Box::new(Authenticating {
                    attempts: self,
                    mechanism,
                    exchange,
                }))
            }
            Progress::Won(success) => match success.layer {
                None => link.finish(Ok(Completed::Authenticated { mechanism })),
                Some(layer) => {
                    link.wire.protect(layer);
                    Handshake::hello(
                        Purpose::Protected {
                            request: Box::new(self.request),
                            mechanism,
                        },
                        link,
                    )
                }
            },
            Progress::Refused(reply, facts, told) => {
                self.spend_binding(facts, link);
                let next = retry::after_refusal(mechanism, &reply, facts, self.situation(link));
                self.refused(mechanism, reply, told, next, link)
            }
            Progress::Cancelled(fault, facts) => self.cancelled(mechanism, fault, facts, link),
            Progress::Unproven(fault) => {
                let fault = ExchangeFault::Mechanism(fault);
                link.abandon(ClientFailure::Credential(CredentialFault::Exchange {
                    mechanism,
                    fault,
                }))
            }
            Progress::Broken(reply) => {
                let fault = ProtocolFault::Unexpected(reply);
                link.abandon(ClientFailure::Protocol {
                    stage: Stage::Authentication,
                    fault,
                })
            }
        }
    }

    fn refused(
        self,
        mechanism: &'static Mechanism,
        reply: Reply,
        told: Option<ClientFault>,
        next: Move,
        link: &mut Link,
    ) -> State {
        let rank = if reply.code.is_transient() {
            Rank::NotNow
        } else {
            Rank::MechanismRefused
        };
        self.proceed(
            mechanism,
            next,
            rank,
            CredentialFault::Refused {
                mechanism,
                reply,
                told,
            },
            link,
        )
    }

    fn cancelled(
        mut self,
        mechanism: &'static Mechanism,
        fault: ExchangeFault,
        facts: Facts,
        link: &mut Link,
    ) -> State {
        self.spend_binding(facts, link);
        let next = retry::after_cancel(mechanism, &fault, facts, self.situation(link));
        self.binding_refused |= next == Move::OtherUnbound;
        let unproven = matches!(
            fault,
            ExchangeFault::Mechanism(ClientFault::ServerNotProven)
        );
        let fault = CredentialFault::Exchange { mechanism, fault };
        if unproven {
            return link.abandon(ClientFailure::Credential(fault));
        }
        self.proceed(mechanism, next, Rank::MechanismRefused, fault, link)
    }

    fn proceed(
        mut self,
        mechanism: &'static Mechanism,
        next: Move,
        rank: Rank,
        fault: CredentialFault,
        link: &mut Link,
    ) -> State {
        let failure = ClientFailure::Credential(fault);
        match next {
            Move::Again(first_message) => {
                self.situation.form_changed = true;
                self.note(rank, failure);
                self.attempt(mechanism, first_message, link)
            }
            Move::Greet => {
                self.situation.greeted_again = true;
                self.note(rank, failure);
                Handshake::hello(Purpose::Authenticate(Box::new(self)), link)
            }
            Move::Upgrade => self.upgrade(link),
            Move::Rebind => {
                self.note(rank, failure);
                link.exporter_spent = true;
                let first_message = self.first_message(mechanism);
                self.attempt(mechanism, first_message, link)
            }
            Move::Other | Move::OtherUnbound => {
                self.note(rank, failure);
                self.tried.push(mechanism);
                self.next(link)
            }
            Move::OtherShowingPassword => {
                self.note(Rank::Decided, failure);
                self.tried.push(mechanism);
                self.situation.fell_back = true;
                self.only_showing_password = true;
                self.next(link)
            }
            Move::GiveUp => {
                self.note(Rank::Decided, failure.clone());
                self.give_up(failure, link)
            }
        }
    }

    fn upgrade(self, link: &mut Link) -> State {
        Handshake::start_tls(Purpose::Authenticate(Box::new(self)), link)
    }

    fn note(&mut self, rank: Rank, failure: ClientFailure) {
        if self
            .decisive
            .as_ref()
            .is_none_or(|(known, _)| *known <= rank)
        {
            self.decisive = Some((rank, failure));
        }
    }

    fn give_up(self, failure: ClientFailure, link: &mut Link) -> State {
        let failure = self.decisive.map_or(failure, |(_, decisive)| decisive);
        link.finish(Err(failure))
    }

    /// The connection is gone.
    pub(super) fn lost(self, failure: ClientFailure, link: &mut Link) -> State {
        let hidden = match &failure {
            ClientFailure::Channel(ChannelFault::Closed(_)) => true,
            ClientFailure::Refused { reply, .. } => reply.code == ReplyCode::SERVICE_CLOSING,
            ClientFailure::Protocol { fault, .. } => *fault == ProtocolFault::Unsolicited,
            _ => false,
        };
        match self.decisive {
            Some((_, decisive)) if hidden => link.abandon(decisive),
            _ => link.abandon(failure),
        }
    }

    /// SCR-13: nothing for who would not choose a mechanism that binds; he need not say that he could.
    fn channel_bindings(&self, link: &Link) -> ChannelBindings {
        match self.request.choice {
            MechanismChoice::Only(mechanism) if !mechanism.binds_channel => {
                ChannelBindings::default()
            }
            _ => link.channel_bindings(),
        }
    }

    /// CB-06: what the second message of the mechanism holds was bound by the exporter, which serves one exchange.
    fn spend_binding(&self, facts: Facts, link: &mut Link) {
        link.exporter_spent |= self.bound_by == Some("tls-exporter") && facts.messages > 1;
    }

    fn situation(&self, link: &Link) -> Situation {
        let protection = match (&link.tls, link.capabilities.has(Extension::StartTls)) {
            (Some(_), _) => Protection::Tls,
            (None, true) => Protection::Upgradable,
            (None, false) => Protection::Clear,
        };
        let mut bindings = link.channel_bindings();
        bindings.tls_exporter = None;
        let other = bindings.preferred().map(|(name, _)| name);
        Situation {
            protection,
            other_binding: self.bound_by.is_some() && other.is_some() && other != self.bound_by,
            ..self.situation
        }
    }

    fn first_message(&self, mechanism: &Mechanism) -> FirstMessage {
        let extension = mechanism.initial_response == InitialResponse::EqualsMeansAbsent;
        match self.request.initial_response {
            InitialResponsePolicy::Withheld => FirstMessage::Withheld,
            InitialResponsePolicy::Eager => FirstMessage::IfItFits,
            _ if extension => FirstMessage::Withheld,
            InitialResponsePolicy::WhenItFits => FirstMessage::IfItFits,
            InitialResponsePolicy::Long => FirstMessage::OnTheLine,
        }
    }
}

impl Authenticating {
    pub(super) fn reply(self, reply: Reply, link: &mut Link) -> State {
        let progress = self.exchange.reply(reply, link);
        self.attempts.went(self.mechanism, progress, link)
    }

    pub(super) fn answer(self, answer: ClientAnswer, link: &mut Link) -> State {
        let progress = self.exchange.answer(answer, link);
        self.attempts.went(self.mechanism, progress, link)
    }

    /// The alarm rang: for a prompt that does not come, or for the whole.
    pub(super) fn alarm(self, link: &mut Link) -> State {
        if link.now >= self.attempts.until || !self.exchange.awaits_prompt() {
            return self
                .attempts
                .lost(ClientFailure::Timeout(Stage::Authentication), link);
        }
        let exchange = self.exchange.prompt_overdue(link);
        self.attempts
            .went(self.mechanism, Progress::Going(exchange), link)
    }

    pub(super) fn lost(mut self, failure: ClientFailure, link: &mut Link) -> State {
        if let Some(fault) = self.exchange.cancelled() {
            let fault = CredentialFault::Exchange {
                mechanism: self.mechanism,
                fault: fault.clone(),
            };
            self.attempts
                .note(Rank::Decided, ClientFailure::Credential(fault));
        }
        self.attempts.lost(failure, link)
    }
}
