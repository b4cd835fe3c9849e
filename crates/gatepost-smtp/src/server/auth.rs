//! The AUTH loop: base64, `*`, `=`, limits, and mechanism steps turned into replies. No mechanism name stands here; what
//! must be known of a mechanism is a fact in [`Mechanism`].
//!
//! Begun by `AUTH`, an exchange is always in one place: with the client (`State::Exchange`), with the program
//! (`Pending::Verdict`), or over. Each end goes through `authenticated`, `lost` or `abort` and is reported once.
//!
//! Standards: RFC 4954 §4 and §6, RFC 4422 §3.

use std::time::Instant;

use base64::Engine as _;
use gatepost_sasl::{
    Authenticated, AwaitResponse, Mechanism, Outcome, Secret, ServerParams, ServerStep,
};

use super::response::base64_octets;
use super::{AbortCause, AuthEnd, Pending, Request, ServerSession, SessionEvent, State, offer};
use crate::command::{AuthArgument, Verb};
use crate::quirk::Quirk;
use crate::reply::{Positive, Refusal};

/// An AUTH command, before the program has agreed to begin. `None` = no initial response, empty = `=` (AUTH-05).
pub(super) struct Opening {
    mechanism: &'static Mechanism,
    initial_response: Option<Secret>,
    response_length: usize,
}

/// An exchange under way.
pub(super) struct Exchange {
    pub(super) mechanism: &'static Mechanism,
    pub(super) deadline: Instant,
    rounds: u32,
    /// Length of the client's last response as base64.
    response_length: usize,
}

/// What the client owes.
pub(super) enum Expected {
    Response(Box<dyn AwaitResponse>),
    /// An empty line, behind the server's final data (AUTH-20).
    Acknowledgement(Box<Authenticated>),
}

impl ServerSession {
    /// `AUTH mechanism [initial-response]`; `length` is that of the whole line.
    pub(super) fn auth(&mut self, argument: &[u8], length: usize) {
        match self.opening(argument, length) {
            Ok(opening) => self.ask(
                Request::BeginAuth {
                    mechanism: opening.mechanism,
                },
                Pending::Begin(opening),
            ),
            Err(refusal) => {
                if refusal == Refusal::EncryptionRequired {
                    self.notice_exposed_password(Verb::Auth, argument);
                }
                self.fault(Verb::Auth, refusal);
            }
        }
    }

    fn opening(&mut self, argument: &[u8], length: usize) -> Result<Opening, Refusal> {
        let AuthArgument {
            mechanism,
            initial_response,
            quirks,
        } = AuthArgument::parse(argument)?;
        let mechanism = self.offer().choose(mechanism)?;
        self.quirks(quirks);
        if length > self.auth_line_limit(mechanism) {
            return Err(Refusal::AuthLineTooLong);
        }
        let wire = offer::initial_response(mechanism, initial_response)?;
        let response = wire
            .map(|wire| self.decode(wire).ok_or(Refusal::Base64Invalid))
            .transpose()?;
        Ok(Opening {
            mechanism,
            initial_response: response,
            response_length: wire.map_or(0, <[u8]>::len),
        })
    }

    /// The program has opened its ticket.
    pub(super) fn begin(&mut self, opening: &Opening, params: ServerParams) {
        let Opening {
            mechanism,
            response_length,
            ..
        } = *opening;
        let deadline = self.now + self.profile.limits.exchange;
        let response = opening.initial_response.as_ref().map(Secret::expose);
        self.step(
            Exchange {
                mechanism,
                deadline,
                rounds: 0,
                response_length,
            },
            (mechanism.server)(params, response),
        );
    }

    /// A line inside the exchange.
    pub(super) fn response(&mut self, mut exchange: Exchange, expected: Expected, line: &[u8]) {
        let trimmed = line.trim_ascii_end();
        if trimmed.len() != line.len() {
            self.quirk(Quirk::SpaceBehindResponse);
        }
        if trimmed == b"*" {
            if matches!(expected, Expected::Acknowledgement(_)) {
                self.quirk(Quirk::CancelBehindFinalData);
            }
            return self.abort(&exchange, Refusal::AuthAborted, AbortCause::Cancelled);
        }
        if exchange.mechanism.quit_aborts && trimmed.eq_ignore_ascii_case(b"QUIT") {
            self.quirk(Quirk::QuitInExchange);
            self.abort(&exchange, Refusal::AuthAborted, AbortCause::Quit);
            return self.quit();
        }
        let Some(response) = self.decode(trimmed) else {
            return self.abort(&exchange, Refusal::Base64Invalid, AbortCause::NotBase64);
        };
        exchange.response_length = trimmed.len();
        match expected {
            Expected::Response(state) => self.step(exchange, state.respond(response.expose())),
            Expected::Acknowledgement(success) if response.expose().is_empty() => {
                self.authenticated(&exchange, *success)
            }
            Expected::Acknowledgement(_) => self.lost(&exchange, Refusal::AuthMalformed),
        }
    }

    /// What the mechanism wants next.
    pub(super) fn step(&mut self, mut exchange: Exchange, step: ServerStep) {
        match step {
            ServerStep::Challenge(..) if exchange.rounds == self.profile.limits.auth_rounds => {
                self.abort(
                    &exchange,
                    Refusal::AuthTooManyRounds,
                    AbortCause::TooManyRounds,
                );
            }
            ServerStep::Challenge(challenge, state) => {
                exchange.rounds += 1;
                self.challenge(exchange, &challenge, Expected::Response(state));
            }
            ServerStep::Ask(question, state) => {
                self.ask(Request::Sasl(question), Pending::Verdict(exchange, state))
            }
            ServerStep::Done(Outcome::Refused(refusal)) => self.lost(&exchange, refusal.into()),
            // RFC 4954 §4: 235 carries no data of the mechanism, so it goes ahead of it as one more challenge.
            ServerStep::Done(Outcome::Authenticated(mut success)) => {
                match success.final_data.take() {
                    Some(data) => self.challenge(
                        exchange,
                        &data,
                        Expected::Acknowledgement(Box::new(success)),
                    ),
                    None => self.authenticated(&exchange, success),
                }
            }
        }
    }

    /// AUTH-04, AUTH-07: `334`, one space, base64, nothing else.
    fn challenge(&mut self, exchange: Exchange, challenge: &[u8], expected: Expected) {
        self.approve(
            Positive::Challenge,
            base64::prelude::BASE64_STANDARD.encode(challenge),
        );
        self.state = State::Exchange(exchange, expected);
    }

    fn authenticated(&mut self, exchange: &Exchange, success: Authenticated) {
        self.approve(Positive::Authenticated, "");
        self.auth_ended(exchange, AuthEnd::Won(success.identity.clone()), None);
        self.enter_identity(success.identity, success.layer);
    }

    /// The mechanism or the program said no. AUTH-18: one guess too many gets 421 in place of its 535.
    pub(super) fn lost(&mut self, exchange: &Exchange, refusal: Refusal) {
        self.expect_wrapped_base64(exchange.mechanism, exchange.response_length);
        let reply = if refusal == Refusal::CredentialsInvalid {
            self.count_guess()
        } else {
            refusal
        };
        let id = self.deny(reply);
        self.auth_ended(exchange, AuthEnd::Lost(refusal), Some(id));
        self.close_behind(reply);
    }

    /// Over without a verdict.
    pub(super) fn abort(&mut self, exchange: &Exchange, refusal: Refusal, cause: AbortCause) {
        let reply = self.count_error(refusal);
        let id = self.deny(reply);
        self.auth_ended(exchange, AuthEnd::Aborted(cause), Some(id));
        self.close_behind(reply);
    }

    pub(super) fn auth_ended(
        &mut self,
        exchange: &Exchange,
        end: AuthEnd,
        id: Option<crate::ShortId>,
    ) {
        self.event(SessionEvent::AuthEnded {
            mechanism: exchange.mechanism,
            end,
            id,
        });
    }

    fn decode(&mut self, wire: &[u8]) -> Option<Secret> {
        let (octets, quirk) = base64_octets(wire)?;
        quirk.into_iter().for_each(|quirk| self.quirk(quirk));
        Some(Secret::new(octets))
    }
}
