//! Mechanisms that no real one resembles. They prove that the contract of `gatepost_sasl` and the AUTH loops of both sessions hold
//! what will come: questions no mechanism of today asks, messages of every octet, data from the server at the end, a
//! security layer.

use gatepost_sasl::{
    Answer, Authcid, Authzid, AwaitAnswer, AwaitChallenge, AwaitClientAnswer, AwaitResponse,
    ClientAnswer, ClientFault, ClientParams, ClientQuestion, ClientStep, ClientSuccess,
    InitialResponse, Mechanism, Needs, Outcome, Question, Refusal, Secret, ServerParams,
    ServerStep, Verdict, delegated,
};

use crate::toy_layer::ToyLayer;

/// Every fact as a plain mechanism has it; each probe changes what it is about.
const PROBE: Mechanism = Mechanism {
    name: "X-PROBE",
    standard: "none",
    strength: 1,
    initial_response: InitialResponse::Optional,
    exposes_password: false,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Password,
    server: |_, _| ServerStep::refused(Refusal::Unavailable),
    client: |_| ClientStep::Abort(ClientFault::Unavailable),
};

/// Asks about a token, which is the client's only message. A refused one may bring an error document, to which the client answers
/// with anything.
pub static TOKEN: Mechanism = Mechanism {
    name: "X-TOKEN",
    needs: Needs::Token,
    long_lines: true,
    server: |_, response| match response {
        Some(token) => ask_token(token),
        None => ServerStep::Challenge(Vec::new(), responding(ask_token)),
    },
    client: |_| ClientStep::Ask(ClientQuestion::Token, client_answered(token_message)),
    ..PROBE
};

/// Asks whose certificate the connection has; the client's message is whom to act as, or empty.
pub static CERTIFICATE: Mechanism = Mechanism {
    name: "X-CERTIFICATE",
    needs: Needs::Certificate,
    server: |_, response| match response {
        Some(authzid) => ask_certificate(authzid),
        None => ServerStep::Challenge(Vec::new(), responding(ask_certificate)),
    },
    client: |params| {
        let authzid = params.authzid.unwrap_or_default();
        ClientStep::respond(authzid.into_bytes(), NothingMore)
    },
    ..PROBE
};

/// The directory speaks it: the dialogue of [`FakeDirectory`](crate::directory::FakeDirectory).
pub static PASS_THROUGH: Mechanism = Mechanism {
    name: "X-PASS-THROUGH",
    needs: Needs::PassThrough,
    layer: true,
    server: |_, response| delegated::server(&PASS_THROUGH, response),
    client: |params| {
        let name = params.authcid.clone().into_bytes();
        ClientStep::respond(name, PassThroughClient { params, key: None })
    },
    ..PROBE
};

/// The server speaks first, in every octet there is; the client answers backwards; then an empty challenge and an empty
/// response, the name, the password, data with success, and a security layer.
pub static STRANGER: Mechanism = Mechanism {
    name: "X-STRANGER_2",
    initial_response: InitialResponse::Refused,
    quit_aborts: true,
    layer: true,
    server: |params, _| stranger_server(&params),
    client: |params| {
        ClientStep::Wait(Box::new(StrangerClient {
            params,
            turn: Turn::Octets,
        }))
    },
    ..PROBE
};

/// All probes.
pub static ALL: [&Mechanism; 4] = [&TOKEN, &CERTIFICATE, &PASS_THROUGH, &STRANGER];

// ---- states made of functions ----

struct Responding<F>(F);

fn responding<F>(next: F) -> Box<dyn AwaitResponse>
where
    F: FnOnce(&[u8]) -> ServerStep + Send + 'static,
{
    Box::new(Responding(next))
}

impl<F: FnOnce(&[u8]) -> ServerStep + Send> AwaitResponse for Responding<F> {
    fn respond(self: Box<Self>, response: &[u8]) -> ServerStep {
        (self.0)(response)
    }
}

struct Answered<F>(F);

fn answered<F>(next: F) -> Box<dyn AwaitAnswer>
where
    F: FnOnce(Answer) -> ServerStep + Send + 'static,
{
    Box::new(Answered(next))
}

impl<F: FnOnce(Answer) -> ServerStep + Send> AwaitAnswer for Answered<F> {
    fn answer(self: Box<Self>, answer: Answer) -> ServerStep {
        (self.0)(answer)
    }
}

struct ClientAnswered<F>(F);

fn client_answered<F>(next: F) -> Box<dyn AwaitClientAnswer>
where
    F: FnOnce(ClientAnswer) -> ClientStep + Send + 'static,
{
    Box::new(ClientAnswered(next))
}

impl<F: FnOnce(ClientAnswer) -> ClientStep + Send> AwaitClientAnswer for ClientAnswered<F> {
    fn answer(self: Box<Self>, answer: ClientAnswer) -> ClientStep {
        (self.0)(answer)
    }
}

// ---- token, certificate ----

fn ask_token(token: &[u8]) -> ServerStep {
    let question = Question::Token {
        mechanism: &TOKEN,
        authzid: None,
        token: Secret::new(token),
        host: None,
        port: None,
    };
    ServerStep::Ask(
        question,
        answered(|answer| match answer {
            Answer::Verdict(verdict) => judged(&TOKEN, verdict),
            Answer::TokenRefused { document } => ServerStep::Challenge(
                document,
                responding(|_| ServerStep::refused(Refusal::CredentialsInvalid)),
            ),
            _ => ServerStep::refused(Refusal::Unavailable),
        }),
    )
}

fn token_message(answer: ClientAnswer) -> ClientStep {
    match answer {
        ClientAnswer::Token(token) => ClientStep::respond(token.expose().to_vec(), TokenClient),
        _ => ClientStep::Abort(ClientFault::Unavailable),
    }
}

/// Answers an error document with one octet.
struct TokenClient;

impl AwaitChallenge for TokenClient {
    fn challenge(self: Box<Self>, _: &[u8]) -> ClientStep {
        ClientStep::respond(vec![1], NothingMore)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

fn ask_certificate(authzid: &[u8]) -> ServerStep {
    let authzid = match std::str::from_utf8(authzid).map(Authzid::parse) {
        Ok(Ok(authzid)) => Some(authzid),
        _ if authzid.is_empty() => None,
        _ => return ServerStep::refused(Refusal::Malformed),
    };
    let question = Question::Certificate {
        mechanism: &CERTIFICATE,
        authzid,
    };
    ServerStep::Ask(
        question,
        answered(|answer| match answer {
            Answer::Verdict(verdict) => judged(&CERTIFICATE, verdict),
            _ => ServerStep::refused(Refusal::Unavailable),
        }),
    )
}

/// The directory alone knows the name.
fn judged(mechanism: &'static Mechanism, verdict: Verdict) -> ServerStep {
    match verdict {
        Verdict::Refused(refusal) => ServerStep::refused(refusal),
        Verdict::Accepted(grant) => match Authcid::parse(&grant.login) {
            Ok(authcid) => ServerStep::Done(Outcome::authenticated(mechanism, authcid, grant)),
            Err(_) => ServerStep::refused(Refusal::Unavailable),
        },
    }
}

/// Only the verdict is missing.
struct NothingMore;

impl AwaitChallenge for NothingMore {
    fn challenge(self: Box<Self>, _: &[u8]) -> ClientStep {
        ClientStep::Abort(ClientFault::UnexpectedChallenge)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

// ---- pass-through ----

struct PassThroughClient {
    params: ClientParams,
    /// The password, once it is sent: the layer's key.
    key: Option<Secret>,
}

impl AwaitChallenge for PassThroughClient {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        let Self { params, key } = *self;
        match (challenge, key) {
            (b"name?", None) => {
                let name = params.authcid.clone().into_bytes();
                ClientStep::respond(name, Self { params, key: None })
            }
            (b"welcome", Some(_)) => finished(None),
            (b"welcome under seal", Some(key)) => finished(Some(key)),
            (_, None) => ClientStep::Ask(
                ClientQuestion::Password,
                client_answered(|answer| match answer {
                    ClientAnswer::Password(password) => {
                        let message = [params.authcid.as_bytes(), b" ", password.expose()].concat();
                        let key = Some(password);
                        ClientStep::respond(message, Self { params, key })
                    }
                    _ => ClientStep::Abort(ClientFault::Unavailable),
                }),
            ),
            (_, Some(_)) => ClientStep::Abort(ClientFault::UnexpectedChallenge),
        }
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}

/// The last response, an empty one.
fn finished(key: Option<Secret>) -> ClientStep {
    ClientStep::respond(Vec::new(), Layered { key })
}

/// The server has proven itself; with a key a layer begins.
struct Layered {
    key: Option<Secret>,
}

impl AwaitChallenge for Layered {
    fn challenge(self: Box<Self>, _: &[u8]) -> ClientStep {
        ClientStep::Abort(ClientFault::UnexpectedChallenge)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        let layer = self.key.map(|key| ToyLayer::client(key.expose()).boxed());
        Ok(ClientSuccess { layer })
    }
}

// ---- the stranger ----

const FAREWELL: &[u8] = b"be my guest\0";

fn every_octet() -> Vec<u8> {
    (0..=u8::MAX).collect()
}

fn stranger_server(params: &ServerParams) -> ServerStep {
    let mut challenge = every_octet();
    challenge.extend_from_slice(params.nonce.as_bytes());
    let backwards: Vec<u8> = challenge.iter().rev().copied().collect();
    ServerStep::Challenge(
        challenge,
        responding(move |response| {
            if response == backwards {
                ServerStep::Challenge(Vec::new(), responding(stranger_name))
            } else {
                ServerStep::refused(Refusal::Malformed)
            }
        }),
    )
}

fn stranger_name(response: &[u8]) -> ServerStep {
    if !response.is_empty() {
        return ServerStep::refused(Refusal::Malformed);
    }
    ServerStep::Challenge(
        b"name".to_vec(),
        responding(|name| match std::str::from_utf8(name).map(Authcid::parse) {
            Ok(Ok(authcid)) => ServerStep::Challenge(
                b"password".to_vec(),
                responding(move |password| stranger_question(authcid, password)),
            ),
            _ => ServerStep::refused(Refusal::Malformed),
        }),
    )
}

fn stranger_question(authcid: Authcid, password: &[u8]) -> ServerStep {
    let key = Secret::new(password);
    let question = Question::Password {
        mechanism: &STRANGER,
        authcid: authcid.clone(),
        authzid: None,
        password: key.clone(),
    };
    ServerStep::Ask(
        question,
        answered(move |answer| match answer {
            Answer::Verdict(verdict) => ServerStep::Done(
                Outcome::of(&STRANGER, authcid, verdict)
                    .with_final_data(Some(FAREWELL.to_vec()))
                    .with_layer(Some(ToyLayer::server(key.expose()).boxed())),
            ),
            _ => ServerStep::refused(Refusal::Unavailable),
        }),
    )
}

struct StrangerClient {
    params: ClientParams,
    turn: Turn,
}

enum Turn {
    Octets,
    Nothing,
    Name,
    Password,
    Farewell(Secret),
}

impl AwaitChallenge for StrangerClient {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        let Self { params, turn } = *self;
        let (response, turn) = match turn {
            Turn::Octets if challenge.starts_with(&every_octet()) => {
                (challenge.iter().rev().copied().collect(), Turn::Nothing)
            }
            Turn::Nothing if challenge.is_empty() => (Vec::new(), Turn::Name),
            Turn::Name if challenge == b"name" => {
                (params.authcid.clone().into_bytes(), Turn::Password)
            }
            Turn::Password if challenge == b"password" => {
                return ClientStep::Ask(
                    ClientQuestion::Password,
                    client_answered(|answer| match answer {
                        ClientAnswer::Password(key) => {
                            let message = key.expose().to_vec();
                            let turn = Turn::Farewell(key);
                            ClientStep::respond(message, Self { params, turn })
                        }
                        _ => ClientStep::Abort(ClientFault::Unavailable),
                    }),
                );
            }
            Turn::Farewell(key) if challenge == FAREWELL => return finished(Some(key)),
            _ => return ClientStep::Abort(ClientFault::Malformed("octets")),
        };
        ClientStep::respond(response, Self { params, turn })
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Err(ClientFault::ServerNotProven)
    }
}
