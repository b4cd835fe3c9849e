//! One smarthost: its hosts in fail-over order, its credential, its connections, and whether it is being tried.
//!
//! [`NextHop::deliver`] sends one message to recipients that share this next hop. It uses an open connection if there is
//! one for exactly this host, TLS policy and credential, else connects to the hosts in order. Trouble with one host leads
//! to the next one; a refused credential does not, since presenting it again only brings a lockout nearer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatepost_client::{
    ChannelError, ChannelFault, Client, ClientFailure, Connector, Envelope, Error, Extension,
    MechanismChoice, MechanismPins, Recipient, ReplyCode, Roots, SendReport, Stage, Submitter,
    TlsMode,
};
use tokio::sync::Semaphore;

use super::credential::{Proof, RouteCredential};
use super::lane::{FaultKind, LaneFault, LaneState};
use super::outcome::{Blame, Outcome, Verdict};
use super::outgoing::{Outgoing, Unfit};
use super::pins::PinFile;
use super::pool::Pool;
use crate::config::resolved::{
    AuthTerms, CertificateFiles, HostPort, RouteAuth, RouteTls, SecretFile, Smarthost,
};
use crate::observe::Observer;
use crate::observe::event::Fault;
use crate::observe::reason::Reason;
use crate::queue::{Lease, QueueError};

/// Connections to one next hop at the same time.
const CONNECTIONS: usize = 20;

/// A connection idle for longer is asked whether it still lives before a message is entrusted to it.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// What a connection may be used for: nothing that differs in any of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HopKey {
    host: HostPort,
    tls: RouteTls,
    ca: Option<PathBuf>,
    credential: Option<CredentialKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CredentialKey {
    user: String,
    mechanism: Option<&'static str>,
    secret: SecretFile,
    certificate: Option<CertificateFiles>,
    terms: Box<AuthTerms>,
    generation: u64,
}

/// An open connection, authenticated as its key says.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    facts: HopFacts,
}

/// What the log says about a connection.
#[derive(Debug, Clone, Default)]
pub struct HopFacts {
    /// Host and port.
    pub name: Option<String>,
    /// The mechanism used.
    pub mechanism: Option<&'static str>,
    /// The version of TLS.
    pub tls: Option<String>,
    /// It took over the sender's wishes to be told: it offers DSN.
    pub dsn: bool,
}

/// Connections to all next hops.
pub type Connections = Pool<HopKey, Connection>;

/// How an attempt ended, and where.
#[derive(Debug)]
pub struct Attempted {
    /// The connection used last.
    pub hop: HopFacts,
    /// How it ended.
    pub end: End,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum End {
    /// One outcome for each recipient.
    Answered(Vec<Outcome>),
    /// The same for all.
    Failed(Blame),
    /// Nothing was tried: the lane is paused.
    Paused(LaneFault),
}

/// One smarthost.
#[derive(Debug)]
pub struct NextHop {
    smarthost: Smarthost,
    hostname: String,
    credential: Option<RouteCredential>,
    /// The private CA, once it has been read.
    roots: Mutex<Option<Roots>>,
    state: Mutex<LaneState>,
    permits: Semaphore,
    connections: Arc<Connections>,
    pins: Arc<PinFile>,
    observer: Observer,
}

impl Connection {
    /// Says good-bye.
    pub async fn quit(self) {
        self.client.quit().await;
    }
}

impl NextHop {
    /// The next hop of a route. `hostname` is our name in EHLO.
    pub fn new(
        smarthost: Smarthost,
        hostname: String,
        connections: Arc<Connections>,
        pins: Arc<PinFile>,
        observer: Observer,
    ) -> Self {
        let credential = smarthost.auth.as_ref().map(RouteCredential::new);
        Self {
            smarthost,
            hostname,
            credential,
            roots: Mutex::default(),
            state: Mutex::default(),
            permits: Semaphore::new(CONNECTIONS),
            connections,
            pins,
            observer,
        }
    }

    /// Sends the message to these of its recipients. Waits for its turn when many others are being sent here.
    pub async fn deliver(&self, lease: &Lease, recipients: &[Recipient]) -> Attempted {
        let _permit = self.permits.acquire().await;
        let proof = match self.proof().await {
            Ok(proof) => proof,
            Err(fault) => return self.failed(0, HopFacts::default(), Blame::Lane(fault)),
        };
        let generation = proof.as_ref().map_or(0, |proof| proof.generation);
        if let Err(fault) = self.state().gate(Instant::now(), generation) {
            return Attempted {
                hop: HopFacts::default(),
                end: End::Paused(fault),
            };
        }
        let message = Message { lease, recipients };
        if let Some(attempted) = self.over_open_connection(proof.as_ref(), message).await {
            return attempted;
        }
        self.over_new_connection(proof.as_ref(), message).await
    }

    async fn over_open_connection(
        &self,
        proof: Option<&Proof>,
        message: Message<'_>,
    ) -> Option<Attempted> {
        for host in &self.smarthost.hosts {
            let key = self.key(host, proof);
            let Some((mut connection, idle)) = self.connections.take(&key, Instant::now()) else {
                continue;
            };
            if idle > TRUSTED_IDLE && connection.client.reset().await.is_err() {
                continue;
            }
            match self.send(&mut connection, message).await {
                Err(SendFault::Client(error)) if is_stale(&error) => {}
                sent => return Some(self.conclude(key, connection, sent)),
            }
        }
        None
    }

    async fn over_new_connection(&self, proof: Option<&Proof>, message: Message<'_>) -> Attempted {
        let generation = proof.map_or(0, |proof| proof.generation);
        let mut last = None;
        for host in &self.smarthost.hosts {
            let hop = HopFacts {
                name: Some(format!("{}:{}", host.host, host.port)),
                ..HopFacts::default()
            };
            let blame = match self.connect(host, proof).await {
                Err(error) => Blame::of(&error),
                Ok(mut connection) => match self.send(&mut connection, message).await {
                    Err(SendFault::Client(error))
                        if matches!(Blame::of(&error), Blame::Lane(_)) =>
                    {
                        Blame::of(&error)
                    }
                    sent => return self.conclude(self.key(host, proof), connection, sent),
                },
            };
            let is_refusal =
                matches!(&blame, Blame::Lane(fault) if fault.reason == Reason::NextHopCredential);
            if is_refusal {
                return self.failed(generation, hop, blame);
            }
            last = Some((hop, blame));
        }
        let (hop, blame) = last.unwrap_or_else(|| (HopFacts::default(), Blame::Lane(no_host())));
        self.failed(generation, hop, blame)
    }

    /// Connects and authenticates.
    async fn connect(&self, host: &HostPort, proof: Option<&Proof>) -> Result<Connection, Error> {
        let tls = match self.smarthost.tls {
            RouteTls::StartTls => TlsMode::StartTls,
            RouteTls::Implicit => TlsMode::Implicit,
            RouteTls::None => TlsMode::None,
        };
        let mut connector = Connector::new(&host.host, host.port, tls)
            .ehlo_name(&self.hostname)
            .pins(Arc::clone(&self.pins) as Arc<dyn MechanismPins>)
            // The operator wrote `tls = "none"` beside the credential.
            .allow_clear_password(self.smarthost.tls == RouteTls::None);
        if let Some(roots) = self.roots()? {
            connector = connector.roots(roots);
        }
        if let Some(certificate) = proof.and_then(|proof| proof.certificate.as_ref()) {
            connector = connector.certificate(certificate.clone());
        }
        if let Some(auth) = &self.smarthost.auth {
            connector = connector.layers(auth.terms.layers());
            if let Some(realm) = &auth.terms.realm {
                connector = connector.realm(realm);
            }
        }
        let mut client = connector.connect().await?;
        let mut mechanism = None;
        if let (Some(auth), Some(proof)) = (&self.smarthost.auth, proof)
            && !is_proven_by_tls(auth, &client)
        {
            let choice = auth
                .mechanism
                .map_or(MechanismChoice::Strongest, MechanismChoice::Only);
            let credentials = proof.credentials(auth);
            mechanism = Some(client.authenticate(&credentials, choice).await?.name);
        }
        let facts = HopFacts {
            name: Some(format!("{}:{}", host.host, host.port)),
            mechanism,
            tls: client.tls().map(|tls| tls.version.clone()),
            dsn: client.capabilities().has(Extension::Dsn),
        };
        Ok(Connection { client, facts })
    }

    async fn send(
        &self,
        connection: &mut Connection,
        message: Message<'_>,
    ) -> Result<Vec<Outcome>, SendFault> {
        let capabilities = connection.client.capabilities();
        let outgoing = Outgoing::prepare(message.lease, capabilities).await?;
        let recipients: Vec<Result<Recipient, Outcome>> = message
            .recipients
            .iter()
            .map(|recipient| outgoing.recipient(recipient))
            .collect();
        let asked: Vec<Recipient> = recipients.iter().flatten().cloned().collect();
        let mut answers = if asked.is_empty() {
            Vec::new()
        } else {
            let submitter = submitter(message.lease, &connection.facts)
                .filter(|_| self.smarthost.send_auth_param);
            let envelope = outgoing.envelope(asked, submitter)?;
            transfer_all(&mut connection.client, &envelope, &outgoing)
                .await?
                .recipients
        }
        .into_iter();
        let outcome = |recipient: Result<Recipient, Outcome>| match recipient {
            Err(outcome) => outcome,
            Ok(_) => answers
                .next()
                .map_or_else(unanswered, |answer| Outcome::of_recipient(&answer)),
        };
        Ok(recipients.into_iter().map(outcome).collect())
    }

    /// After a transaction: sorts out what happened, and keeps the connection if it is of further use.
    fn conclude(
        &self,
        key: HopKey,
        connection: Connection,
        sent: Result<Vec<Outcome>, SendFault>,
    ) -> Attempted {
        let hop = connection.facts.clone();
        let generation = key
            .credential
            .as_ref()
            .map_or(0, |credential| credential.generation);
        let end = match sent {
            Ok(outcomes) => End::Answered(outcomes),
            Err(SendFault::Refused(outcome)) => End::Failed(Blame::Message(outcome)),
            Err(SendFault::Content(error)) => End::Failed(Blame::Message(unreadable(error))),
            Err(SendFault::Client(error)) => match Blame::of(&error) {
                blame @ Blame::Lane(_) => return self.failed(generation, hop, blame),
                blame @ Blame::Message(_) => End::Failed(blame),
            },
        };
        // Still in step, whatever was said about the message.
        if connection.client.is_open() {
            self.connections.put(key, connection, Instant::now());
        }
        self.state().worked();
        Attempted { hop, end }
    }

    /// Notes a failure. One of the lane pauses it, and the operator is told once.
    fn failed(&self, generation: u64, hop: HopFacts, blame: Blame) -> Attempted {
        if let Blame::Lane(fault) = &blame
            && self
                .state()
                .failed(Instant::now(), generation, fault.clone())
        {
            let detail = format!(
                "{}: {}",
                hop.name.as_deref().unwrap_or("next hop"),
                fault.text
            );
            self.observer.emit(Fault {
                part: "delivery",
                reason: fault.reason,
                detail,
            });
        }
        Attempted {
            hop,
            end: End::Failed(blame),
        }
    }

    async fn proof(&self) -> Result<Option<Proof>, LaneFault> {
        match &self.credential {
            None => Ok(None),
            Some(files) => files
                .read(Instant::now())
                .await
                .map(Some)
                .map_err(|fault| LaneFault {
                    kind: FaultKind::Broken,
                    reason: Reason::NextHopCredential,
                    text: fault.to_string(),
                }),
        }
    }

    /// The route's own certificate authority. It is small and read once.
    fn roots(&self) -> Result<Option<Roots>, Error> {
        let Some(file) = &self.smarthost.ca else {
            return Ok(None);
        };
        let mut known = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = Some(Roots::from_pem_file(file)?);
        }
        Ok(known.clone())
    }

    fn key(&self, host: &HostPort, proof: Option<&Proof>) -> HopKey {
        let credential = self.smarthost.auth.as_ref().map(|auth| CredentialKey {
            user: auth.user.clone(),
            mechanism: auth.mechanism.map(|mechanism| mechanism.name),
            secret: auth.secret.clone(),
            certificate: auth.certificate.clone(),
            terms: auth.terms.clone(),
            generation: proof.map_or(0, |proof| proof.generation),
        });
        HopKey {
            host: host.clone(),
            tls: self.smarthost.tls,
            ca: self.smarthost.ca.clone(),
            credential,
        }
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A certificate alone proves us to a server that knows no AUTH at all. One that does, and does not offer EXTERNAL, does not know the
/// certificate: what it would say to the message is not about the message.
pub fn is_proven_by_tls(auth: &RouteAuth, client: &Client) -> bool {
    matches!(auth.secret, SecretFile::Certificate(_))
        && auth.mechanism.is_none()
        && !client.capabilities().has(Extension::Auth)
        && client
            .tls()
            .is_some_and(|tls| tls.client_certificate.is_some())
}

/// A message and those of its recipients that share a transaction.
#[derive(Clone, Copy)]
struct Message<'a> {
    lease: &'a Lease,
    recipients: &'a [Recipient],
}

/// Sends the message to all these recipients, in as many transactions as the server wants.
async fn transfer_all(
    client: &mut Client,
    envelope: &Envelope,
    outgoing: &Outgoing<'_>,
) -> Result<SendReport, SendFault> {
    let mut report = transfer(client, envelope, outgoing).await?;
    // LIM-02: the server takes only so many recipients at a time.
    while let Some(rest) = envelope.left_over(&report).filter(|_| client.is_open()) {
        // What is known of the others stands; those left over are deferred.
        let Ok(further) = transfer(client, &rest, outgoing).await else {
            break;
        };
        report = report.followed_by(further);
    }
    Ok(report)
}

async fn transfer(
    client: &mut Client,
    envelope: &Envelope,
    outgoing: &Outgoing<'_>,
) -> Result<SendReport, SendFault> {
    let content = outgoing.content().await.map_err(SendFault::Content)?;
    client
        .send_from(envelope, content)
        .await
        .map_err(SendFault::Client)
}

/// What the next hop is told about who submitted the message.
fn submitter(lease: &Lease, hop: &HopFacts) -> Option<Submitter> {
    match &lease.envelope().submitter {
        // MPAR-06: `<>` goes to servers that we authenticated to; MPAR-07: a believed mailbox to any.
        Submitter::Unknown => hop.mechanism.map(|_| Submitter::Unknown),
        known @ Submitter::Address(_) => Some(known.clone()),
    }
}

enum SendFault {
    /// There is no form of the message that the next hop takes.
    Refused(Outcome),
    /// Our own queue cannot read the message.
    Content(QueueError),
    Client(Error),
}

impl From<Unfit> for SendFault {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Refused(outcome) => Self::Refused(outcome),
            Unfit::Queue(error) => Self::Content(error),
            Unfit::Content(error) => Self::Client(error),
        }
    }
}

/// The next hop ended a connection that had been idle: nothing of the message's content was sent.
fn is_stale(error: &Error) -> bool {
    match error {
        Error::Channel(ChannelError::Session(ChannelFault::Closed(stage))) => {
            is_before_content(*stage)
        }
        Error::Server(ClientFailure::Refused { stage, reply }) => {
            is_before_content(*stage) && reply.code == ReplyCode::SERVICE_CLOSING
        }
        _ => false,
    }
}

fn is_before_content(stage: Stage) -> bool {
    matches!(stage, Stage::Idle | Stage::Mail | Stage::Rcpt | Stage::Data)
}

fn unreadable(error: QueueError) -> Outcome {
    let verdict = if error == QueueError::Damaged {
        Verdict::Stopped
    } else {
        Verdict::Transient
    };
    Outcome::ours(verdict, Reason::StorageFailed, "4.3.0", error.to_string())
}

fn unanswered() -> Outcome {
    let words = "the next hop was not asked about this recipient";
    Outcome::ours(Verdict::Transient, Reason::Internal, "4.3.0", words)
}

fn no_host() -> LaneFault {
    LaneFault {
        kind: FaultKind::Broken,
        reason: Reason::Unreachable,
        text: "the route names no host".to_owned(),
    }
}
