//! Test bench: a client exchange and a server exchange of one mechanism talk to each other as a protocol would have them
//! do, with a directory, a password, and somebody on the wire who may change messages.

use crate::{
    Answer, ClientAnswer, ClientFault, ClientParams, ClientQuestion, ClientStep, ClientSuccess,
    Grant, InitialResponse, Mechanism, Outcome, Question, Refusal, Secret, ServerParams,
    ServerStep, Verdict,
};

pub(crate) struct Pairing<'a> {
    pub(crate) mechanism: &'static Mechanism,
    pub(crate) server: ServerParams,
    pub(crate) client: ClientParams,
    /// Answers the client's questions.
    pub(crate) user: &'a dyn Fn(ClientQuestion) -> ClientAnswer,
    /// Answers the server's questions.
    pub(crate) directory: &'a dyn Fn(Question) -> Answer,
    /// Sees every message with its number, and returns what the other side gets.
    pub(crate) wire: &'a dyn Fn(usize, Vec<u8>) -> Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Ending {
    /// Messages as they were sent, in order.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The server's outcome, if it got so far.
    pub(crate) server: Option<Outcome>,
    /// The client's; `Ok(None)` = the server refused.
    pub(crate) client: Result<Option<ClientSuccess>, ClientFault>,
}

impl Ending {
    pub(crate) fn server_let_him_in(&self) -> bool {
        matches!(self.server, Some(Outcome::Authenticated(_)))
    }

    pub(crate) fn client_is_content(&self) -> bool {
        matches!(self.client, Ok(Some(_)))
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.server {
            Some(Outcome::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }
}

impl Pairing<'_> {
    pub(crate) fn run(&self) -> Ending {
        let mut messages = Vec::new();
        let mut server = None;
        let client = self.talk(&mut messages, &mut server);
        Ending {
            messages,
            server,
            client,
        }
    }

    fn talk(
        &self,
        messages: &mut Vec<Vec<u8>>,
        outcome: &mut Option<Outcome>,
    ) -> Result<Option<ClientSuccess>, ClientFault> {
        let mut send = |message: Vec<u8>| {
            messages.push(message.clone());
            (self.wire)(messages.len() - 1, message)
        };
        let mut client = self.settle_client((self.mechanism.client)(self.client.clone()));
        let first_response = match client {
            ClientStep::Respond(message, state)
                if self.mechanism.initial_response != InitialResponse::Refused =>
            {
                client = ClientStep::Wait(state);
                Some(send(message.expose().to_vec()))
            }
            _ => None,
        };
        let mut server = self.settle_server((self.mechanism.server)(
            self.server.clone(),
            first_response.as_deref(),
        ));
        loop {
            let waiting = match client {
                ClientStep::Wait(state) => state,
                ClientStep::Abort(fault) => return Err(fault),
                other => panic!("the client is not waiting: {other:?}"),
            };
            let (challenge, state) = match server {
                ServerStep::Challenge(challenge, state) => (challenge, Some(state)),
                ServerStep::Done(Outcome::Authenticated(mut success)) => {
                    let data = success.final_data.take();
                    *outcome = Some(Outcome::Authenticated(success));
                    match data {
                        Some(data) => (data, None),
                        None => return waiting.succeeded().map(Some),
                    }
                }
                ServerStep::Done(refused) => {
                    *outcome = Some(refused);
                    return Ok(None);
                }
                ServerStep::Ask(..) => unreachable!("questions are settled"),
            };
            match self.settle_client(waiting.challenge(&send(challenge))) {
                ClientStep::Abort(fault) => return Err(fault),
                ClientStep::Respond(response, after) => {
                    let response = send(response.expose().to_vec());
                    let Some(state) = state else {
                        assert_eq!(response, b"", "final data is answered by an empty line");
                        return after.succeeded().map(Some);
                    };
                    server = self.settle_server(state.respond(&response));
                    client = ClientStep::Wait(after);
                }
                other => panic!("the client does not respond: {other:?}"),
            }
        }
    }

    fn settle_client(&self, mut step: ClientStep) -> ClientStep {
        while let ClientStep::Ask(question, state) = step {
            step = state.answer((self.user)(question));
        }
        step
    }

    fn settle_server(&self, mut step: ServerStep) -> ServerStep {
        while let ServerStep::Ask(question, state) = step {
            step = state.answer((self.directory)(question));
        }
        step
    }
}

/// A wire that changes nothing.
pub(crate) fn untouched(_: usize, message: Vec<u8>) -> Vec<u8> {
    message
}

/// A user who knows one password.
pub(crate) fn knows(password: &str) -> impl Fn(ClientQuestion) -> ClientAnswer {
    let password = Secret::new(password);
    move |question| match question {
        ClientQuestion::Password => ClientAnswer::Password(password.clone()),
        ClientQuestion::Derive(derivation) => ClientAnswer::Derived(derivation.run()),
        ClientQuestion::Token | ClientQuestion::PassThrough { .. } => ClientAnswer::Unavailable,
    }
}

/// A directory's yes to this account.
pub(crate) fn granted(login: &str) -> Verdict {
    Verdict::Accepted(Grant {
        login: login.to_owned(),
        acts_as: login.to_owned(),
        credential: "password".to_owned(),
    })
}

/// Octets written in hexadecimal, as the documents print them.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
