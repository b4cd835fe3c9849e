//! Greeting, EHLO, STARTTLS, EHLO: everything up to a channel one can work on.
//!
//! The same steps serve at the beginning of a connection, in the middle of an authentication (the server wants TLS or EHLO first)
//! and after it (a security layer makes the session begin anew, RFC 4954 §4). Each time the [`Purpose`] says what follows.
//!
//! Standards: RFC 5321 §3.1, §4.1.1.1; RFC 3207 §4, §4.2.

use gatepost_sasl::Mechanism;

use super::attempts::Attempts;
use super::authentication::Authentication;
use super::capabilities::{Capabilities, Extension};
use super::choice::{self, Channel};
use super::failure::{
    ChannelFault, ClientFailure, CredentialFault, ExchangeFault, ProtocolFault, Stage,
};
use super::link::Link;
use super::session::{ClientOutput, Completed, StartTlsUse, State};
use crate::reply::{Reply, ReplyCode};
use crate::tls_facts::TlsFacts;

pub(super) struct Handshake {
    step: Step,
    purpose: Purpose,
}

/// What the server is to answer, or the driver to do.
enum Step {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Tls,
}

/// What follows.
pub(super) enum Purpose {
    /// The caller's first command.
    Connect,
    /// An authentication that was interrupted.
    Authenticate(Box<Attempts>),
    /// An authentication is done and its security layer is on.
    Protected {
        /// What was asked for, to ask the same choice again.
        request: Box<Authentication>,
        /// What was chosen.
        mechanism: &'static Mechanism,
    },
}

impl Handshake {
    /// A new connection: waits for the greeting.
    pub(super) fn begin(link: &mut Link) -> State {
        link.wait(Stage::Greeting);
        Self::at(Step::Greeting, Purpose::Connect)
    }

    /// Sends EHLO; what was announced before is forgotten.
    pub(super) fn hello(purpose: Purpose, link: &mut Link) -> State {
        let line = format!("EHLO {}", link.profile.hello_name.as_str());
        link.line(&line, Stage::Hello);
        Self::at(Step::Ehlo, purpose)
    }

    /// Sends STARTTLS.
    pub(super) fn start_tls(purpose: Purpose, link: &mut Link) -> State {
        link.line("STARTTLS", Stage::StartTls);
        Self::at(Step::StartTls, purpose)
    }

    pub(super) fn reply(self, reply: Reply, link: &mut Link) -> State {
        match self.step {
            Step::Greeting if reply.code.is_positive() => Self::hello(self.purpose, link),
            Step::Ehlo if reply.code.is_positive() => {
                link.capabilities = Capabilities::from_ehlo(&reply);
                self.greeted(link)
            }
            Step::Helo if reply.code.is_positive() => {
                link.capabilities = Capabilities::default();
                self.greeted(link)
            }
            Step::Ehlo if reply.code.is_permanent() => self.without_ehlo(reply, link),
            Step::StartTls if reply.code == ReplyCode::SERVICE_READY => self.go_ahead(link),
            Step::Greeting if !reply.code.is_intermediate() => {
                refused(Stage::Greeting, reply, link)
            }
            Step::Ehlo | Step::Helo if !reply.code.is_intermediate() => {
                refused(Stage::Hello, reply, link)
            }
            Step::StartTls if reply.code.is_transient() || reply.code.is_permanent() => {
                match (&self.purpose, link.profile.start_tls) {
                    // Who would be content without TLS is content without it now.
                    (Purpose::Connect, StartTlsUse::IfOffered) => self.go_on(link),
                    _ => refused(Stage::StartTls, reply, link),
                }
            }
            _ => {
                let fault = ProtocolFault::Unexpected(reply);
                link.abandon(ClientFailure::Protocol {
                    stage: link.stage(),
                    fault,
                })
            }
        }
    }

    /// Octets came that are no reply yet.
    pub(super) fn glance(self, link: &mut Link) -> State {
        const TLS_ALERT: u8 = 0x15;
        const TLS_HANDSHAKE: u8 = 0x16;
        let fault = match (&self.step, link.wire.peek().first()) {
            // RFC 3207 §4.2, TLS-05: nothing may come in clear after the go-ahead.
            (Step::Tls, _) => ChannelFault::InjectedReplies,
            // TLS-12.
            (Step::Greeting, Some(&(TLS_ALERT | TLS_HANDSHAKE))) => ChannelFault::SpeaksTls,
            _ => return State::Handshake(self),
        };
        link.abandon(ClientFailure::Channel(fault))
    }

    /// The handshake is done: a new beginning, on which nothing said in clear has any bearing (RFC 3207 §4.2).
    pub(super) fn tls_started(self, facts: TlsFacts, link: &mut Link) -> State {
        if !matches!(self.step, Step::Tls) {
            return link.abandon(ClientFailure::OutOfOrder);
        }
        link.wire.restart();
        link.capabilities = Capabilities::default();
        link.greeted = false;
        link.tls = Some(facts);
        link.exporter_spent = false;
        Self::hello(self.purpose, link)
    }

    pub(super) fn lost(self, failure: ClientFailure, link: &mut Link) -> State {
        match self.purpose {
            Purpose::Authenticate(attempts) => attempts.lost(failure, link),
            Purpose::Connect | Purpose::Protected { .. } => link.abandon(failure),
        }
    }

    /// EHLO was refused for good. A server of another age may know HELO (CLI-01); one that was greeted before, in the middle of an
    /// authentication, still is who it was and offers what it offered (LS-17); but not across a handshake, which forgets all that.
    fn without_ehlo(self, reply: Reply, link: &mut Link) -> State {
        match self.purpose {
            Purpose::Connect => {
                let line = format!("HELO {}", link.profile.hello_name.as_str());
                link.line(&line, Stage::Hello);
                Self::at(Step::Helo, Purpose::Connect)
            }
            Purpose::Authenticate(attempts) if link.greeted => attempts.next(link),
            Purpose::Authenticate(_) | Purpose::Protected { .. } => {
                refused(Stage::Hello, reply, link)
            }
        }
    }

    fn greeted(self, link: &mut Link) -> State {
        link.greeted = true;
        let offered = link.capabilities.has(Extension::StartTls);
        match link.profile.start_tls {
            _ if link.tls.is_some() => {}
            StartTlsUse::Required | StartTlsUse::IfOffered if offered => {
                return Self::start_tls(self.purpose, link);
            }
            // TLS-18: before anything secret is said.
            StartTlsUse::Required => {
                return link.abandon(ClientFailure::Channel(ChannelFault::StartTlsNotOffered));
            }
            StartTlsUse::IfOffered | StartTlsUse::OnDemand => {}
        }
        self.go_on(link)
    }

    /// The channel is as good as it gets.
    fn go_on(self, link: &mut Link) -> State {
        match self.purpose {
            Purpose::Connect => link.finish(Ok(Completed::Connected)),
            Purpose::Authenticate(attempts) => attempts.next(link),
            Purpose::Protected { request, mechanism } => protected(&request, mechanism, link),
        }
    }

    fn go_ahead(self, link: &mut Link) -> State {
        if link.wire.holds_more() {
            return link.abandon(ClientFailure::Channel(ChannelFault::InjectedReplies));
        }
        link.outputs.push_back(ClientOutput::StartTls);
        Self::at(Step::Tls, self.purpose)
    }

    fn at(step: Step, purpose: Purpose) -> State {
        State::Handshake(Self { step, purpose })
    }
}

/// RFC 4954 §4: under the layer the list is authentic. If it would have made us choose otherwise, it was changed before (SASL-05).
fn protected(request: &Authentication, mechanism: &'static Mechanism, link: &mut Link) -> State {
    match choice::next(request, &link.capabilities, Channel::of(link), |_| true) {
        Ok(now) if now.strength > mechanism.strength => {
            let fault = ExchangeFault::ListChanged;
            link.abandon(ClientFailure::Credential(CredentialFault::Exchange {
                mechanism,
                fault,
            }))
        }
        _ => link.finish(Ok(Completed::Authenticated { mechanism })),
    }
}

fn refused(stage: Stage, reply: Reply, link: &mut Link) -> State {
    link.abandon(ClientFailure::Refused { stage, reply })
}
