//! How to reach a server, and the first steps: TCP, TLS, greeting, EHLO, STARTTLS.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use gatepost_sasl::{DigestMd5Session, LayerPolicy};
use gatepost_smtp::client::{
    Chunking, ClientProfile, ClientSession, HelloName, InitialResponsePolicy, Stage, StartTlsUse,
    Timeouts,
};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::certificate::Certificate;
use crate::client::Client;
use crate::driver::{Driver, Server};
use crate::error::{AddressError, ChannelError, Error};
use crate::pins::MechanismPins;
use crate::stream::Stream;
use crate::tls::Roots;
use crate::trace::{Seen, Trace, Watcher};

/// How a connection is protected (RFC 8314 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// From the first octet, as on port 465.
    Implicit,
    /// By STARTTLS, required, as on port 587.
    StartTls,
    /// By STARTTLS where the server offers it, and not otherwise: for mail that needs no authentication. Somebody on the way can take
    /// the offer away, so a password is shown to the server only inside TLS, even with [`Connector::allow_clear_password`].
    StartTlsIfOffered,
    /// Not, unless the server insists before AUTH. Passwords stay unsent; see [`Connector::allow_clear_password`].
    None,
}

/// A server and how to talk to it. Each [`connect`](Self::connect) makes a new connection.
#[derive(Debug, Clone)]
pub struct Connector {
    host: String,
    pub(crate) port: u16,
    mode: TlsMode,
    roots: Option<Roots>,
    certificate: Option<Certificate>,
    hello_name: Option<String>,
    clear_password: bool,
    pub(crate) initial_response: InitialResponsePolicy,
    pub(crate) assume_offered: bool,
    pub(crate) layers: LayerPolicy,
    pub(crate) realm: Option<String>,
    pub(crate) digest_md5_session: Option<DigestMd5Session>,
    chunking: Chunking,
    /// Some server here announced CHUNKING and did not know BDAT. Shared with the clients and with clones.
    pub(crate) chunking_unknown: Arc<AtomicBool>,
    timeouts: Timeouts,
    connect_timeout: Duration,
    watcher: Option<Watcher>,
    pub(crate) pins: Option<Pins>,
}

impl Connector {
    /// `host` is a name or an IP address; with TLS its certificate must be good for exactly this name.
    pub fn new(host: impl Into<String>, port: u16, mode: TlsMode) -> Self {
        Self {
            host: host.into(),
            port,
            mode,
            roots: None,
            certificate: None,
            hello_name: None,
            clear_password: false,
            initial_response: InitialResponsePolicy::default(),
            assume_offered: false,
            layers: LayerPolicy::ANY,
            realm: None,
            digest_md5_session: None,
            chunking: Chunking::default(),
            chunking_unknown: Arc::default(),
            timeouts: Timeouts::default(),
            connect_timeout: Duration::from_secs(30),
            watcher: None,
            pins: None,
        }
    }

    /// Whom to trust instead of the system's authorities.
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = Some(roots);
        self
    }

    /// The certificate to show to the server if it asks for one in TLS. Whether it also authenticates by it is said with
    /// [`Credentials::with_certificate`](crate::Credentials::with_certificate).
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// The name to give with EHLO; without it, the literal of the connection's own address (CLI-02).
    #[must_use]
    pub fn ehlo_name(mut self, name: impl Into<String>) -> Self {
        self.hello_name = Some(name.into());
        self
    }

    /// Lets mechanisms that show the password run without TLS: for a server on loopback or a trusted wire.
    #[must_use]
    pub fn allow_clear_password(mut self, allow: bool) -> Self {
        self.clear_password = allow;
        self
    }

    /// What to put on the AUTH line.
    #[must_use]
    pub fn initial_response(mut self, policy: InitialResponsePolicy) -> Self {
        self.initial_response = policy;
        self
    }

    /// Uses the mechanism of [`MechanismChoice::Only`](crate::MechanismChoice::Only) even if the server does not offer it (LS-32).
    #[must_use]
    pub fn assume_offered(mut self, assume: bool) -> Self {
        self.assume_offered = assume;
        self
    }

    /// Which SASL security layers to agree on: [`LayerPolicy::ANY`] by default. Inside TLS none, unless one is demanded; with
    /// [`LayerPolicy::exactly`], mechanisms that have no layer are not used.
    #[must_use]
    pub fn layers(mut self, layers: LayerPolicy) -> Self {
        self.layers = layers;
        self
    }

    /// The realm to authenticate in by DIGEST-MD5. Without it, the domain of the user name if the server offers it, else the first it offers.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Remembers the last DIGEST-MD5 exchange with the server, and takes it up on the next connection, which saves a round trip (RFC 2831
    /// §2.2). A server that does not know it any more gets an ordinary exchange.
    #[must_use]
    pub fn digest_md5_session(mut self, session: DigestMd5Session) -> Self {
        self.digest_md5_session = Some(session);
        self
    }

    /// When to send content by BDAT instead of DATA to a server that offers CHUNKING. A server that offers it and then does not know BDAT
    /// is remembered by this connector, and spoken to by DATA from then on.
    #[must_use]
    pub fn chunking(mut self, chunking: Chunking) -> Self {
        self.chunking = chunking;
        self
    }

    /// Longest waits in the dialogue.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Longest wait for TCP, and again for a TLS handshake. Default: 30 s.
    #[must_use]
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// Remembers in `pins` how the server let us in, and is not content with less the next time. See [`MechanismPins`].
    #[must_use]
    pub fn pins(mut self, pins: Arc<dyn MechanismPins>) -> Self {
        self.pins = Some(Pins(pins));
        self
    }

    /// Shows the dialogue to `watcher` as it happens, with secrets hidden.
    #[must_use]
    pub fn watch(mut self, watcher: impl Fn(Seen<'_>) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Watcher(Arc::new(watcher)));
        self
    }

    /// Connects, protects the connection as demanded, and says hello.
    pub async fn connect(&self) -> Result<Client, Error> {
        let server = self.server()?;
        // A name that cannot be given is the caller's fault whatever the network does.
        let given_name = self
            .hello_name
            .as_deref()
            .map(HelloName::parse)
            .transpose()
            .map_err(AddressError::HelloName)?;
        let stream = self.reach().await?;
        let own_address = stream
            .local_addr()
            .map_err(|source| self.unreachable(source))?
            .ip();
        let hello_name = given_name.unwrap_or_else(|| HelloName::of_address(own_address));
        let mut stream = Stream::Clear(stream);
        let facts = match self.mode {
            TlsMode::Implicit => Some(server.start_tls(&mut stream).await?),
            TlsMode::StartTls | TlsMode::StartTlsIfOffered | TlsMode::None => None,
        };
        let trace = self.watcher.clone().map(Trace::new);
        if let (Some(trace), Some(facts)) = (&trace, &facts) {
            trace.tls_started(facts);
        }
        let session = ClientSession::new(self.profile(hello_name), facts, Instant::now());
        let mut driver = Driver::new(stream, session, server, trace);
        driver.greet().await?;
        Ok(Client::new(driver, self.clone()))
    }

    /// Everything that can be wrong about the target is found before the network is touched.
    fn server(&self) -> Result<Server, Error> {
        let host = self.host.strip_suffix('.').unwrap_or(&self.host).to_owned();
        let name = ServerName::try_from(host.clone())
            .map_err(|_| AddressError::Host(self.host.clone()))?;
        let roots = match (&self.roots, self.mode) {
            (Some(roots), _) => Some(roots.clone()),
            (None, TlsMode::None) => None,
            (None, _) => Some(Roots::native()?),
        };
        if let Some(certificate) = &self.certificate {
            certificate.valid_at(SystemTime::now())?;
        }
        Ok(Server {
            host,
            port: self.port,
            name,
            roots,
            certificate: self.certificate.clone(),
            handshake_timeout: self.connect_timeout,
        })
    }

    async fn reach(&self) -> Result<TcpStream, Error> {
        let target = self
            .host
            .parse::<IpAddr>()
            .map_or_else(|_| self.host.clone(), |address| address.to_string());
        let stream = timeout(
            self.connect_timeout,
            TcpStream::connect((target, self.port)),
        )
        .await
        .map_err(|_| Error::Timeout(Stage::Greeting))?
        .map_err(|source| self.unreachable(source))?;
        // Commands are small and each waits for its reply.
        stream
            .set_nodelay(true)
            .map_err(|source| self.unreachable(source))?;
        Ok(stream)
    }

    fn unreachable(&self, source: std::io::Error) -> Error {
        ChannelError::Connect {
            host: self.host.clone(),
            port: self.port,
            source,
        }
        .into()
    }

    fn profile(&self, hello_name: HelloName) -> ClientProfile {
        ClientProfile {
            start_tls: match self.mode {
                TlsMode::StartTls => StartTlsUse::Required,
                TlsMode::StartTlsIfOffered => StartTlsUse::IfOffered,
                TlsMode::Implicit | TlsMode::None => StartTlsUse::OnDemand,
            },
            clear_password: self.clear_password,
            chunking: if self.chunking_unknown.load(Ordering::Relaxed) {
                Chunking::Never
            } else {
                self.chunking
            },
            timeouts: self.timeouts,
            ..ClientProfile::new(hello_name)
        }
    }
}

#[derive(Clone)]
pub(crate) struct Pins(pub(crate) Arc<dyn MechanismPins>);

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pins")
    }
}
