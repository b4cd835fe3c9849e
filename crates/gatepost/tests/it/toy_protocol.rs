//! A protocol that is not SMTP: a client's and a server's mechanism hand each other their messages, and
//! `auth::exchange` answers what the server's asks. It proves that the exchange needs nothing of SMTP, and drives whole
//! authentications in microseconds.

use std::sync::Arc;

use gatepost::auth::Authenticator;
use gatepost::auth::channel::{Channel, Peer};
use gatepost::auth::exchange::{End, Exchange};
use gatepost::auth::guard::Rules;
use gatepost::auth::hash::HashPool;
use gatepost::auth::store_directory::StoreDirectory;
use gatepost::observe::Observer;
use gatepost::store::password_hash::Cost;
use gatepost::store::{Costs, CredentialKind, NewPassword, ScramHashes, Store};
use gatepost_sasl::{
    Authenticated, ClientAnswer, ClientParams, ClientQuestion, ClientStep, DigestMd5Session,
    Mechanism, Outcome, Refusal, Secret, ServerStep, mechanism,
};
use tempfile::TempDir;

/// Costs that let a test do hundreds of logins.
pub(crate) const CHEAP: Costs = Costs {
    argon2: Cost {
        memory_kib: 64,
        passes: 1,
    },
    scram_iterations: 4096,
    scram: ScramHashes {
        sha_1: true,
        sha_512: true,
    },
    digest_realms: Vec::new(),
};

/// Accounts in a directory of their own.
pub(crate) struct House {
    pub(crate) directory: Arc<TempDir>,
    pub(crate) store: Store,
    pub(crate) authenticator: Authenticator,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::open(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn open(directory: Arc<TempDir>) -> Self {
        Self::keeping(directory, CHEAP)
    }

    pub(crate) fn keeping(directory: Arc<TempDir>, costs: Costs) -> Self {
        let store = Store::open(directory.path(), costs).unwrap();
        let known = StoreDirectory::new(
            store.clone(),
            HashPool::start().unwrap(),
            Observer::new(Vec::new()),
        )
        .unwrap();
        let authenticator =
            Authenticator::new("smtp.example.com", Box::new(known), Rules::default());
        Self {
            directory,
            store,
            authenticator,
        }
    }

    /// The same data directory after the process has ended and begun again.
    pub(crate) fn restarted(self) -> Self {
        let directory = Arc::clone(&self.directory);
        drop(self);
        Self::open(directory)
    }

    pub(crate) fn add(&self, name: &str, passwords: &[(CredentialKind, &str)]) {
        let passwords: Vec<_> = passwords
            .iter()
            .map(|(kind, password)| new_password(*kind, password))
            .collect();
        self.store.add_account(name, &[], &passwords).unwrap();
    }
}

pub(crate) fn new_password(kind: CredentialKind, password: &str) -> NewPassword {
    NewPassword {
        kind,
        password: Secret::new(password),
    }
}

/// Who logs in, and how.
#[derive(Clone)]
pub(crate) struct Login<'a> {
    pub(crate) mechanism: &'a str,
    pub(crate) authcid: &'a str,
    pub(crate) authzid: Option<&'a str>,
    pub(crate) password: &'a str,
    /// What the client remembers of DIGEST-MD5; with it the first message goes on the AUTH line.
    pub(crate) session: Option<&'a DigestMd5Session>,
}

impl<'a> Login<'a> {
    pub(crate) fn new(mechanism: &'a str, authcid: &'a str, password: &'a str) -> Self {
        Self {
            mechanism,
            authcid,
            authzid: None,
            password,
            session: None,
        }
    }
}

/// How it went.
pub(crate) struct Ended {
    pub(crate) outcome: Result<Authenticated, Refusal>,
    /// What the server sent, each message.
    pub(crate) challenges: Vec<Vec<u8>>,
}

impl Ended {
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.outcome.as_ref().err().copied()
    }

    pub(crate) fn won(&self) -> bool {
        self.outcome.is_ok()
    }
}

pub(crate) fn tls() -> Channel {
    Channel {
        tls: true,
        ..Channel::default()
    }
}

pub(crate) fn legacy() -> Channel {
    Channel {
        legacy: true,
        ..Channel::default()
    }
}

pub(crate) fn from(address: &str, channel: Channel) -> Peer {
    Peer {
        address: address.parse().unwrap(),
        channel,
    }
}

pub(crate) fn named(mechanism: &str) -> &'static Mechanism {
    mechanism::by_name(mechanism).unwrap()
}

/// One authentication from beginning to end.
pub(crate) async fn log_in(authenticator: &Authenticator, peer: Peer, login: Login<'_>) -> Ended {
    let mechanism = named(login.mechanism);
    let (mut exchange, params) = match Exchange::open(authenticator, peer, mechanism) {
        Ok(open) => open,
        Err(refusal) => {
            return Ended {
                outcome: Err(refusal),
                challenges: Vec::new(),
            };
        }
    };
    let mut names = ClientParams::new(
        login.authcid,
        "smtp.example.com",
        "fyko-d2lbbFgONRv9qkxdawL",
    );
    names.authzid = login.authzid.map(str::to_owned);
    names.initial_response = login.session.is_some();
    names.digest_md5_session = login.session.cloned();
    let (initial, mut client) = settled((mechanism.client)(names), login.password);
    let mut server = (mechanism.server)(params, initial.as_deref());
    let mut challenges = Vec::new();
    loop {
        server = match server {
            ServerStep::Ask(question, state) => state.answer(exchange.answer(question).await),
            ServerStep::Challenge(challenge, state) => {
                let (response, next) =
                    settled(client.take().unwrap().challenge(&challenge), login.password);
                client = next;
                challenges.push(challenge);
                state.respond(&response.unwrap())
            }
            ServerStep::Done(Outcome::Authenticated(success)) => {
                if let Some(proof) = &success.final_data {
                    settled(client.take().unwrap().challenge(proof), login.password);
                }
                exchange.close(End::Won);
                return Ended {
                    outcome: Ok(success),
                    challenges,
                };
            }
            ServerStep::Done(Outcome::Refused(refusal)) => {
                exchange.close(if refusal == Refusal::CredentialsInvalid {
                    End::Lost
                } else {
                    End::Aborted
                });
                return Ended {
                    outcome: Err(refusal),
                    challenges,
                };
            }
        };
    }
}

type Waiting = Option<Box<dyn gatepost_sasl::AwaitChallenge>>;

/// Answers the client's own questions until it has something to send or waits.
fn settled(mut step: ClientStep, password: &str) -> (Option<Vec<u8>>, Waiting) {
    loop {
        step = match step {
            ClientStep::Ask(ClientQuestion::Password, state) => {
                state.answer(ClientAnswer::Password(Secret::new(password)))
            }
            ClientStep::Ask(ClientQuestion::Derive(work), state) => {
                state.answer(ClientAnswer::Derived(work.run()))
            }
            ClientStep::Ask(question, _) => panic!("no answer to {question:?}"),
            ClientStep::Respond(octets, state) => {
                return (Some(octets.expose().to_vec()), Some(state));
            }
            ClientStep::Wait(state) => return (None, Some(state)),
            ClientStep::Abort(fault) => panic!("the client gave up: {fault}"),
        };
    }
}
