//! One exchange of each mechanism, recorded with an honest client and served again without it.
//!
//! The directory is a value that is cloned into each answer: the verifiers of one account, a token and a certificate that are always
//! good. GSSAPI has a context that does nothing: what is measured is RFC 4752 around it, and not Kerberos.

use gatepost_sasl::gssapi::{
    Acceptor, AcceptorStep, ContextFault, Establishing, Initiator, InitiatorStep, LayerSet, Names,
    Protection, SecurityContext,
};
use gatepost_sasl::{
    Answer, ChannelBindings, ClientAnswer, ClientParams, ClientPassThroughStep, ClientQuestion,
    ClientStep, DigestMd5Hashes, Grant, HmacMd5Contexts, Mechanism, Needs, Outcome,
    PassThroughStep, Question, Secret, ServerParams, ServerStep, Verdict, Verifier, VerifierKind,
};

use crate::credentials::{self, NAME, PASSWORD};

const HOST: &str = "mail.example.com";
const NONCE: &str = "3rfcNHYJY1ZVvWVs7jBenchmark";

/// What the client says, and what the directory knows.
pub struct Exchange {
    mechanism: &'static Mechanism,
    verifier: Option<Verifier>,
    initial: Option<Vec<u8>>,
    responses: Vec<Vec<u8>>,
}

impl Exchange {
    /// Plays both sides once and keeps what the client said.
    pub fn record(mechanism: &'static Mechanism) -> Self {
        let mut exchange = Self {
            mechanism,
            verifier: verifier(mechanism.needs),
            initial: None,
            responses: Vec::new(),
        };
        let mut client = Client::begin(mechanism);
        exchange.initial = client.take();
        let mut server = Some((mechanism.server)(params(), exchange.initial.as_deref()));
        let mut acceptor = None;
        while let Some(step) = server.take() {
            server = match step {
                ServerStep::Ask(question, state) => {
                    Some(state.answer(exchange.answer(&question, &mut acceptor)))
                }
                ServerStep::Challenge(challenge, state) => {
                    client.challenge(&challenge);
                    let response = client.take().expect("an honest client answers");
                    let step = state.respond(&response);
                    exchange.responses.push(response);
                    Some(step)
                }
                ServerStep::Done(Outcome::Authenticated(_)) => None,
                ServerStep::Done(outcome) => panic!("{mechanism}: {outcome:?}"),
            };
        }
        exchange
    }

    /// The server's side of it, from the beginning to the identity.
    #[inline(never)]
    pub fn serve(&self) {
        let mut responses = self.responses.iter();
        let mut acceptor = None;
        let mut step = (self.mechanism.server)(params(), self.initial.as_deref());
        loop {
            step = match step {
                ServerStep::Ask(question, state) => {
                    state.answer(self.answer(&question, &mut acceptor))
                }
                ServerStep::Challenge(_, state) => {
                    state.respond(responses.next().expect("recorded"))
                }
                ServerStep::Done(Outcome::Authenticated(_)) => return,
                ServerStep::Done(outcome) => panic!("{}: {outcome:?}", self.mechanism),
            };
        }
    }

    fn answer(&self, question: &Question, acceptor: &mut Option<Acceptor>) -> Answer {
        match question {
            Question::Verifier { .. } => Answer::Verifier {
                verifier: self.verifier.clone().expect("of the kind it needs"),
                verdict: granted(),
            },
            Question::PassThrough { message, .. } => {
                let state = acceptor
                    .take()
                    .unwrap_or_else(|| Acceptor::new(Box::new(Nothing), LayerSet::NONE));
                match state.respond(message.as_deref().unwrap_or_default()) {
                    Ok(AcceptorStep::Challenge(challenge, next)) => {
                        *acceptor = Some(next);
                        Answer::PassThrough(PassThroughStep::Challenge(challenge))
                    }
                    Ok(AcceptorStep::Agreed(agreement)) => {
                        Answer::PassThrough(PassThroughStep::Done {
                            verdict: granted(),
                            authcid: None,
                            authzid: None,
                            final_data: None,
                            layer: agreement.layer,
                        })
                    }
                    Err(fault) => panic!("{fault:?}"),
                }
            }
            _ => Answer::Verdict(granted()),
        }
    }
}

/// An honest client, as far as it has come.
struct Client {
    step: Option<ClientStep>,
    initiator: Option<Initiator>,
    said: Option<Vec<u8>>,
}

impl Client {
    fn begin(mechanism: &'static Mechanism) -> Self {
        let params = ClientParams {
            channel_bindings: bindings(mechanism),
            plus_offered: mechanism.binds_channel,
            initial_response: true,
            ..ClientParams::new(NAME, HOST, "rOprNGfwEbeRWgbNEkqO")
        };
        let mut client = Self {
            step: Some((mechanism.client)(params)),
            initiator: None,
            said: None,
        };
        client.advance();
        client
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        self.said.take()
    }

    fn challenge(&mut self, octets: &[u8]) {
        let (Some(ClientStep::Wait(state)) | Some(ClientStep::Respond(_, state))) =
            self.step.take()
        else {
            panic!("it does not wait");
        };
        self.step = Some(state.challenge(octets));
        self.advance();
    }

    /// Answers what it asks, until it speaks or waits.
    fn advance(&mut self) {
        while let Some(ClientStep::Ask(question, state)) =
            self.step.take_if(|it| matches!(it, ClientStep::Ask(..)))
        {
            let answer = match question {
                ClientQuestion::Password => ClientAnswer::Password(Secret::new(PASSWORD)),
                ClientQuestion::Token => ClientAnswer::Token(Secret::new("ya29.benchmark")),
                ClientQuestion::Derive(work) => ClientAnswer::Derived(work.run()),
                ClientQuestion::PassThrough { message, .. } => {
                    ClientAnswer::PassThrough(self.initiate(message.as_deref()))
                }
            };
            self.step = Some(state.answer(answer));
        }
        match &self.step {
            Some(ClientStep::Respond(response, _)) => self.said = Some(response.expose().to_vec()),
            Some(ClientStep::Abort(fault)) => panic!("{fault}"),
            _ => {}
        }
    }

    fn initiate(&mut self, message: Option<&[u8]>) -> ClientPassThroughStep {
        let step = match (self.initiator.take(), message) {
            (Some(initiator), Some(message)) => initiator.challenge(message),
            _ => Initiator::begin(Box::new(Nothing), LayerSet::NONE, None),
        };
        match step.expect("honest") {
            InitiatorStep::Respond(response, next) => {
                self.initiator = Some(next);
                ClientPassThroughStep::Respond(response)
            }
            InitiatorStep::Last { response, layer } => {
                ClientPassThroughStep::Last { response, layer }
            }
        }
    }
}

/// The server's facts, with the same nonce each time: what the client has said fits no other.
fn params() -> ServerParams {
    ServerParams {
        host: HOST.to_owned(),
        nonce: NONCE.to_owned(),
        channel_bindings: exporter(),
        plus_offered: true,
        realms: vec!["example.com".to_owned()],
        ..ServerParams::default()
    }
}

fn exporter() -> ChannelBindings {
    ChannelBindings {
        tls_exporter: Some([7; 32]),
        ..ChannelBindings::default()
    }
}

fn bindings(mechanism: &Mechanism) -> ChannelBindings {
    if mechanism.binds_channel {
        exporter()
    } else {
        ChannelBindings::default()
    }
}

fn verifier(needs: Needs) -> Option<Verifier> {
    let password = Secret::new(PASSWORD);
    let Needs::Verifier(kind) = needs else {
        return None;
    };
    Some(match kind {
        VerifierKind::Scram(hash) => Verifier::Scram(credentials::verifier(hash)),
        VerifierKind::CramMd5 => Verifier::CramMd5(HmacMd5Contexts::derive(&password)),
        VerifierKind::DigestMd5 => {
            Verifier::DigestMd5(DigestMd5Hashes::derive(NAME, ["example.com"], &password))
        }
    })
}

fn granted() -> Verdict {
    Verdict::Accepted(Grant {
        login: NAME.to_owned(),
        acts_as: NAME.to_owned(),
        credential: "password".to_owned(),
    })
}

/// A context without a Kerberos; its token is as long as one.
struct Nothing;

impl SecurityContext for Nothing {
    fn establish(&mut self, token: &[u8]) -> Result<Establishing, ContextFault> {
        let speaks_first = token.is_empty();
        Ok(Establishing {
            token: if speaks_first {
                vec![0; 600]
            } else {
                Vec::new()
            },
            established: true,
        })
    }

    fn names(&self) -> Result<Names, ContextFault> {
        Ok(Names {
            initiator: "user@EXAMPLE.COM".to_owned(),
            target: "smtp/mail.example.com@EXAMPLE.COM".to_owned(),
        })
    }

    fn provides(&self, _: Protection) -> bool {
        true
    }

    fn wrap(&mut self, message: &[u8], _: Protection) -> Result<Vec<u8>, ContextFault> {
        Ok(message.to_vec())
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<(Vec<u8>, Protection), ContextFault> {
        Ok((token.to_vec(), Protection::Integrity))
    }

    fn wrap_size_limit(&mut self, _: Protection, octets: u32) -> Result<u32, ContextFault> {
        Ok(octets)
    }
}
