//! The AUTH loop: `*`, QUIT, rounds, and a mechanism's steps turned into replies. No mechanism name
//! stands here; what must be known of a mechanism is a fact in [`Mechanism`].
//!
//! Begun by `AUTH`, an exchange is always in one place: with the client (`State::Exchange`), with
//! the program (`Pending::Verdict`), or over. Each end goes through `authenticated`, `lost` or
//! `abort` and is reported once.
//!
//! Standards: RFC 4954 §4 and §6, RFC 4422 §3.

use std::time::Instant;

use gatepost_sasl::{Authenticated, AwaitResponse, Mechanism, Outcome, Secret};
use gatepost_sasl::{ServerParams, ServerStep};

use super::offer::Opening;
use super::response::to_base64;
use super::{AbortCause, AuthEnd, Pending, Request, ServerSession, State};
use crate::command::Verb;
use crate::quirk::Quirk;
use crate::reply::{Positive, Refusal};

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
            Ok(opening) => {
                let mechanism = opening.mechanism;
                self.ask(Request::BeginAuth { mechanism }, Pending::Begin(opening));
            }
            Err(refusal) => self.fault(Verb::Auth, refusal),
        }
    }

    /// The program has opened its ticket.
    pub(super) fn begin(&mut self, opening: &Opening, mut params: ServerParams) {
        params.authzid_without_authcid = self.profile.quirks.contains(Quirk::AuthzidWithoutAuthcid);
        let Opening {
            mechanism,
            response_length,
            ..
        } = *opening;
        let deadline = self.now + self.profile.limits.exchange;
        let response = opening.initial_response.as_ref().map(Secret::expose);
        let exchange = Exchange {
            mechanism,
            deadline,
            rounds: 0,
            response_length,
        };
        self.step(exchange, (mechanism.server)(params, response));
    }

    /// A line inside the exchange; it is never a command (AUTH-24, PIPE-03).
    pub(super) fn response(&mut self, mut exchange: Exchange, expected: Expected, line: &[u8]) {
        let line = self.without_space_behind(line);
        if line == b"*" {
            if matches!(expected, Expected::Acknowledgement(_)) {
                self.quirk(Quirk::CancelBehindFinalData);
            }
            return self.abort(&exchange, Refusal::AuthAborted, AbortCause::Cancelled);
        }
        if exchange.mechanism.quit_aborts && line.eq_ignore_ascii_case(b"QUIT") {
            self.quirk(Quirk::QuitInExchange);
            self.abort(&exchange, Refusal::AuthAborted, AbortCause::Quit);
            return self.quit();
        }
        let Some(response) = self.decoded(line) else {
            return self.abort(&exchange, Refusal::Base64Invalid, AbortCause::NotBase64);
        };
        exchange.response_length = line.len();
        match expected {
            Expected::Response(state) => self.step(exchange, state.respond(response.expose())),
            Expected::Acknowledgement(success) if line.is_empty() => {
                self.authenticated(&exchange, *success);
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
                self.ask(Request::Sasl(question), Pending::Verdict(exchange, state));
            }
            ServerStep::Done(Outcome::Refused(refusal)) => self.lost(&exchange, refusal.into()),
            // RFC 4954 §4: 235 carries no data of the mechanism, so it goes ahead of it as one more
            // challenge.
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
        self.approve(Positive::Challenge, to_base64(challenge));
        self.state = State::Exchange(exchange, expected);
    }

    fn authenticated(&mut self, exchange: &Exchange, success: Authenticated) {
        self.approve(Positive::Authenticated, "");
        self.auth_ended(
            exchange.mechanism,
            AuthEnd::Won(success.identity.clone()),
            None,
        );
        self.enter_identity(success.identity, success.layer);
    }

    /// The mechanism or the program said no.
    pub(super) fn lost(&mut self, exchange: &Exchange, refusal: Refusal) {
        self.expect_wrapped_base64(exchange.mechanism, exchange.response_length);
        let reply = self.told(refusal);
        self.auth_refused(exchange, AuthEnd::Lost(refusal), reply);
    }

    /// Over without a verdict (AUTH-17: the session is as before).
    pub(super) fn abort(&mut self, exchange: &Exchange, refusal: Refusal, cause: AbortCause) {
        let reply = self.count_error(refusal);
        self.auth_refused(exchange, AuthEnd::Aborted(cause), reply);
    }
}
