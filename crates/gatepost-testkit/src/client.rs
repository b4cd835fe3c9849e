//! A client's session with a user around it, in memory.
//!
//! The user knows a password and a token, does key derivations at once, and has a list of things to do. It answers at once, or,
//! when it is told to be [`slow`](ClientBench::slow), when it is told to.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use gatepost_sasl::{ClientAnswer, ClientQuestion, Secret};
use gatepost_smtp::client::{
    Authentication, ClientCommand, ClientFailure, ClientInput, ClientOutput, ClientProfile,
    ClientSession, Completed, Envelope, HelloName, Means, MechanismChoice, QuestionId, StartTlsUse,
};
use gatepost_smtp::{ForwardPath, ReversePath, TlsFacts};

use crate::clock::FakeClock;
use crate::tls;
use crate::transcript::{ClientSettings, Job, TlsUse};
use crate::wire::{Inside, Received, Wire};

/// What a user knows, and wants done.
#[derive(Debug, Default)]
pub struct User {
    /// The password, if there is one.
    pub password: Option<Secret>,
    /// The token, if there is one.
    pub token: Option<Secret>,
    /// What is to be done, one after the other, once the connection stands; up to the first failure.
    pub commands: VecDeque<ClientCommand>,
    /// The message of each `Send` among them.
    pub content: Vec<u8>,
}

impl User {
    /// A user with a password.
    pub fn with(password: &str, commands: impl IntoIterator<Item = ClientCommand>) -> Self {
        Self {
            password: Some(Secret::new(password)),
            commands: commands.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Answers a question.
    pub fn answer(&self, question: &ClientQuestion) -> ClientAnswer {
        let answer = match question {
            ClientQuestion::Password => self.password.clone().map(ClientAnswer::Password),
            ClientQuestion::Token => self.token.clone().map(ClientAnswer::Token),
            ClientQuestion::Derive(derivation) => Some(ClientAnswer::Derived(derivation.run())),
            ClientQuestion::PassThrough { .. } => None,
        };
        answer.unwrap_or(ClientAnswer::Unavailable)
    }
}

/// The session, the user, and what has come out.
pub struct ClientBench {
    /// The session.
    pub session: ClientSession,
    /// The user.
    pub user: User,
    /// The session's time.
    pub clock: FakeClock,
    /// Questions wait for [`Self::answer`].
    pub slow: bool,
    /// The question that waits.
    pub asked: Option<(QuestionId, ClientQuestion)>,
    /// How each thing ended: connecting, then the commands.
    pub ends: Vec<Result<Completed, ClientFailure>>,
    /// A handshake is due.
    pub tls_due: bool,
    /// The session asked for the end of the connection.
    pub closed: bool,
    told: usize,
}

impl ClientBench {
    /// A session of `profile` on a fresh connection.
    pub fn new(profile: ClientProfile, user: User, tls: Option<TlsFacts>) -> Self {
        let clock = FakeClock::new();
        let mut bench = Self {
            session: ClientSession::new(profile, tls, clock.now()),
            user,
            clock,
            slow: false,
            asked: None,
            ends: Vec::new(),
            tls_due: false,
            closed: false,
            told: 0,
        };
        bench.follow();
        bench
    }

    /// The surroundings a transcript describes; `None` if a name in it is none.
    pub fn of(settings: &ClientSettings) -> Option<Self> {
        let profile = ClientProfile {
            start_tls: match settings.tls {
                TlsUse::IfOffered => StartTlsUse::IfOffered,
                TlsUse::OnDemand => StartTlsUse::OnDemand,
                TlsUse::Required | TlsUse::FromStart => StartTlsUse::Required,
            },
            clear_password: settings.trusted_wire,
            chunking: settings.chunking,
            ..ClientProfile::new(HelloName::parse(&settings.hello).ok()?)
        };
        let jobs = settings.jobs.iter().map(|job| command(*job, settings));
        let password = settings
            .account
            .as_ref()
            .map_or("", |account| &account.password);
        let user = User {
            content: settings.content.clone(),
            token: settings.token.as_deref().map(Secret::new),
            ..User::with(password, jobs.collect::<Option<Vec<_>>>()?)
        };
        let facts = || {
            if settings.binds_channel {
                tls::facts()
            } else {
                TlsFacts::default()
            }
        };
        let tls = (settings.tls == TlsUse::FromStart).then(facts);
        Some(Self::new(profile, user, tls))
    }

    /// Hands something to the session and does what it wants.
    pub fn handle(&mut self, input: ClientInput<'_>) {
        self.session.handle(input, self.clock.now());
        self.follow();
    }

    /// Has the user answer the question that waits.
    pub fn answer(&mut self) {
        if let Some((id, question)) = self.asked.take() {
            let answer = self.user.answer(&question);
            self.handle(ClientInput::Answer(id, answer));
        }
    }

    /// Lets time pass; the session is told whenever it asked to be.
    pub fn pass(&mut self, time: Duration) {
        let until = self.clock.now() + time;
        while let Some(deadline) = self
            .session
            .deadline()
            .filter(|deadline| *deadline <= until)
        {
            self.clock.pass_until(deadline);
            self.handle(ClientInput::Tick);
            if self.session.deadline() == Some(deadline) {
                break;
            }
        }
        self.clock.pass_until(until);
    }

    /// Octets for the server.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(self.session.pending_output())
    }

    /// How the last thing ended, in the words of an `E:` line.
    pub fn last_end(&self) -> String {
        self.ends.last().map(told).unwrap_or_default()
    }

    fn follow(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                ClientOutput::StartTls => self.tls_due = true,
                ClientOutput::Close => self.closed = true,
                ClientOutput::Ask(id, question) => {
                    self.asked = Some((id, question));
                    if !self.slow {
                        self.answer();
                    }
                }
                ClientOutput::WantContent => {
                    let content = self.user.content.clone();
                    self.session
                        .handle(ClientInput::Content(&content), self.clock.now());
                    self.session
                        .handle(ClientInput::ContentEnd, self.clock.now());
                }
                ClientOutput::Done(end) => {
                    // Nobody goes on with the next thing when the last one has failed.
                    let next = end.is_ok().then(|| self.user.commands.pop_front());
                    self.ends.push(end);
                    if let Some(command) = next.flatten() {
                        self.session
                            .handle(ClientInput::Command(command), self.clock.now());
                    }
                }
            }
        }
    }
}

fn command(job: Job, settings: &ClientSettings) -> Option<ClientCommand> {
    match job {
        Job::Quit => Some(ClientCommand::Quit),
        Job::Authenticate => {
            let account = settings.account.as_ref()?;
            let nonces = [(); Authentication::ATTEMPTS].map(|()| settings.nonce.clone());
            Some(ClientCommand::Authenticate(Authentication {
                authzid: account.authzid.clone(),
                means: if settings.token.is_some() {
                    Means::Token
                } else {
                    Means::Password
                },
                choice: settings
                    .mechanism
                    .map_or(MechanismChoice::Strongest, MechanismChoice::Only),
                assume_offered: settings.assume_offered,
                initial_response: settings.initial_response,
                ..Authentication::new(account.name.as_str(), "smtp.example.com", nonces)
            }))
        }
        Job::Send => {
            let recipients = settings.to.iter().map(|to| ForwardPath::parse(to, "").ok());
            Some(ClientCommand::Send(Envelope::new(
                ReversePath::parse(&settings.from).ok()?,
                recipients.collect::<Option<Vec<_>>>()?,
                &settings.content,
            )))
        }
    }
}

impl Wire for ClientBench {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.handle(ClientInput::Bytes(octets));
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Received> {
        let octets = self.take_output();
        Ok(match octets.is_empty() {
            false => Received::Octets(octets),
            true if self.closed => Received::Closed,
            true => Received::Nothing,
        })
    }

    fn receive_now(&mut self) -> io::Result<Received> {
        self.receive()
    }

    fn start_tls(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.tls_due) {
            return Err(io::Error::other("the client does not want TLS"));
        }
        self.handle(ClientInput::TlsStarted(TlsFacts::default()));
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.handle(ClientInput::Eof);
        Ok(())
    }

    fn inside(&mut self) -> Option<&mut dyn Inside> {
        Some(self)
    }
}

impl Inside for ClientBench {
    fn events(&mut self) -> Vec<String> {
        let new = self.ends.get(self.told..).unwrap_or_default();
        let told = new.iter().map(told).collect();
        self.told = self.ends.len();
        told
    }

    fn message(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn wait(&mut self, time: Duration) {
        self.pass(time);
    }
}

/// An end in the words of an `E:` line.
fn told(end: &Result<Completed, ClientFailure>) -> String {
    match end {
        Err(failure) => failure.to_string(),
        Ok(Completed::Connected) => "connected".to_owned(),
        Ok(Completed::Authenticated { mechanism }) => format!("authenticated by {mechanism}"),
        Ok(Completed::Reset) => "reset".to_owned(),
        Ok(Completed::Quit) => "quit".to_owned(),
        Ok(Completed::Sent(report)) => {
            let outcomes = report.recipients.iter().map(|outcome| match outcome {
                Ok(reply) => format!("taken {reply}"),
                Err(reply) => format!("refused {reply}"),
            });
            outcomes.collect::<Vec<_>>().join(", ")
        }
    }
}
