//! What every state of a session works with: the wire, what is known of the server, the outputs, the clock.

use std::collections::VecDeque;
use std::time::Instant;

use gatepost_sasl::{ChannelBindings, ClientQuestion};

use super::capabilities::Capabilities;
use super::failure::{ChannelFault, ClientFailure, Stage};
use super::session::{ClientOutput, ClientProfile, Completed, QuestionId, State};
use super::wire::Wire;
use crate::tls_facts::TlsFacts;

/// What every state works with.
pub(super) struct Link {
    pub(super) profile: ClientProfile,
    pub(super) wire: Wire,
    pub(super) capabilities: Capabilities,
    pub(super) tls: Option<TlsFacts>,
    /// An exchange was bound by the exporter of this TLS connection, which serves only one, or the server does not know it.
    pub(super) exporter_spent: bool,
    /// Transactions begun.
    pub(super) transactions: u32,
    /// The server took our EHLO or HELO on the channel as it is now.
    pub(super) greeted: bool,
    pub(super) outputs: VecDeque<ClientOutput>,
    /// When the current wait is over, and what it was for.
    pub(super) alarm: Option<(Instant, Stage)>,
    pub(super) now: Instant,
    /// The question that waits for its answer.
    pub(super) asked: Option<QuestionId>,
    questions: u32,
}

impl Link {
    pub(super) fn new(profile: ClientProfile, tls: Option<TlsFacts>, now: Instant) -> Self {
        Self {
            profile,
            wire: Wire::default(),
            capabilities: Capabilities::default(),
            tls,
            exporter_spent: false,
            transactions: 0,
            greeted: false,
            outputs: VecDeque::new(),
            alarm: None,
            now,
            asked: None,
            questions: 0,
        }
    }

    /// What the next exchange can be bound by (CB-06, RFC 9266 §4.1: the exporter is for one exchange of a connection).
    pub(super) fn channel_bindings(&self) -> ChannelBindings {
        let mut bindings = self
            .tls
            .as_ref()
            .map(|tls| tls.channel_bindings.clone())
            .unwrap_or_default();
        if self.exporter_spent {
            bindings.tls_exporter = None;
        }
        bindings
    }

    /// Sends a command line and waits for its reply.
    pub(super) fn line(&mut self, line: &str, stage: Stage) {
        self.wire.send(format!("{line}\r\n").as_bytes());
        self.wait(stage);
    }

    /// Sets the alarm for a stage.
    pub(super) fn wait(&mut self, stage: Stage) {
        let timeouts = &self.profile.timeouts;
        let time = match stage {
            Stage::Data => timeouts.data_start,
            Stage::Content => timeouts.data_block,
            Stage::EndOfData => timeouts.data_end,
            Stage::Quit => timeouts.quit,
            Stage::Authentication => timeouts.authentication,
            _ => timeouts.reply,
        };
        self.alarm = Some((self.now + time, stage));
    }

    /// What is being waited for.
    pub(super) fn stage(&self) -> Stage {
        self.alarm.map_or(Stage::Idle, |(_, stage)| stage)
    }

    /// Asks our own side. Whatever was asked before is void.
    pub(super) fn ask(&mut self, question: ClientQuestion) {
        let id = QuestionId(self.questions);
        self.questions = self.questions.wrapping_add(1);
        self.asked = Some(id);
        self.outputs.push_back(ClientOutput::Ask(id, question));
    }

    /// A job ended and the dialogue is in step.
    pub(super) fn finish(&mut self, result: Result<Completed, ClientFailure>) -> State {
        self.alarm = None;
        self.asked = None;
        self.outputs.push_back(ClientOutput::Done(result));
        State::Ready
    }

    /// A job ended and so does the connection.
    pub(super) fn abandon(&mut self, failure: ClientFailure) -> State {
        self.outputs
            .push_back(ClientOutput::Done(Err(failure.clone())));
        self.close(failure)
    }

    /// The connection ends between jobs.
    pub(super) fn close(&mut self, failure: ClientFailure) -> State {
        self.alarm = None;
        self.asked = None;
        self.outputs.push_back(ClientOutput::Close);
        State::Closed(failure)
    }

    /// The farewell is over, whatever came of it.
    pub(super) fn leave(&mut self) -> State {
        self.outputs
            .push_back(ClientOutput::Done(Ok(Completed::Quit)));
        self.close(ClientFailure::Channel(ChannelFault::Closed(Stage::Quit)))
    }
}
