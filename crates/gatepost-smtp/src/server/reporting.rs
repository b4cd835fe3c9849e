//! Replies and events: each reply is written here, and each refusal is reported once.

use std::fmt::Display;

use gatepost_sasl::Mechanism;

use super::auth::Exchange;
use super::sequence::Channel;
use super::tally::Patience;
use super::{
    AuthEnd, Output, Pending, Request, RequestId, ServerSession, SessionEvent, State, replies,
};
use crate::command::Verb;
use crate::quirk::{Quirk, QuirkSet};
use crate::reply::{Positive, Refusal};
use crate::short_id::ShortId;

impl ServerSession {
    /// A positive reply. `more` follows its text.
    pub(super) fn approve(&mut self, reply: Positive, more: impl Display) {
        replies::positive(self.wire.replies(), reply, more);
    }

    /// The program's no: replied and reported, and the session closed if the reply says so.
    pub(super) fn decline(&mut self, verb: Verb, refusal: Refusal) {
        let id = self.deny(refusal);
        self.event(SessionEvent::Refused {
            id,
            command: verb.name(),
            refusal,
        });
        self.close_behind(refusal);
    }

    /// Our no to a client that broke the protocol: one too many and it is the last.
    pub(super) fn fault(&mut self, verb: Verb, refusal: Refusal) {
        let refusal = self.count_error(refusal);
        self.decline(verb, refusal);
    }

    /// The end of an exchange that a refusal tells the client: one event for both.
    pub(super) fn auth_refused(&mut self, exchange: &Exchange, end: AuthEnd, reply: Refusal) {
        let id = self.deny(reply);
        self.auth_ended(exchange.mechanism, end, Some((reply, id)));
        self.close_behind(reply);
    }

    pub(super) fn auth_ended(
        &mut self,
        mechanism: &'static Mechanism,
        end: AuthEnd,
        told: Option<(Refusal, ShortId)>,
    ) {
        self.event(SessionEvent::AuthEnded {
            mechanism,
            end,
            told,
        });
    }

    /// SMTP-15: what is replied to one error more.
    pub(super) fn count_error(&mut self, refusal: Refusal) -> Refusal {
        match self.tally.error(&self.profile.limits) {
            Patience::Left => refusal,
            Patience::Gone => Refusal::TooManyErrors,
        }
    }

    /// What a client hears of the refusal that ended its exchange: less on a clear channel, and 421
    /// in place of one guess too many (AUTH-18).
    pub(super) fn told(&mut self, refusal: Refusal) -> Refusal {
        let clear = self.standing().channel == Channel::Clear;
        let told = if clear {
            refusal.on_clear_channel()
        } else {
            refusal
        };
        if told.code().is_transient() {
            return told;
        }
        if told != Refusal::CredentialsInvalid {
            return self.count_error(told);
        }
        match self.tally.guess(&self.profile.limits) {
            Patience::Left => told,
            Patience::Gone => Refusal::TooManyAuthFailures,
        }
    }

    /// Writes a refusal; the caller reports it.
    fn deny(&mut self, refusal: Refusal) -> ShortId {
        let id = ShortId {
            session: self.id,
            number: self.tally.next_refusal(),
        };
        replies::refusal(self.wire.replies(), refusal, id);
        id
    }

    fn close_behind(&mut self, refusal: Refusal) {
        if refusal.closes() {
            self.close();
        }
    }

    pub(super) fn event(&mut self, event: SessionEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Reports an oddity, once per session.
    pub(super) fn quirk(&mut self, quirk: Quirk) {
        if self.tally.is_new(quirk) {
            self.event(SessionEvent::Quirk(quirk));
        }
    }

    pub(super) fn quirks(&mut self, quirks: QuirkSet) {
        for &quirk in Quirk::ALL.iter().filter(|&&quirk| quirks.contains(quirk)) {
            self.quirk(quirk);
        }
    }

    /// Asks the program; what goes on with its answer is `pending`.
    pub(super) fn ask(&mut self, request: Request, pending: Pending) {
        self.last_request = RequestId(self.last_request.0.wrapping_add(1));
        self.since = self.now;
        self.outputs
            .push_back(Output::Ask(self.last_request, request));
        self.state = State::Asking(self.last_request, pending);
    }
}
