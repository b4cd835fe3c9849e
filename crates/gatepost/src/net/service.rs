//! What a session may ask of the rest of the program: the handles that every connection of a listener shares.

use std::sync::Arc;

use crate::auth::Authenticator;
use crate::config::network::Network;
use crate::config::resolved::{
    HostPort, Layers, Limits, ListenerAuth, ListenerProfile, Proxies, Route, SubmissionRules,
    TlsMode,
};
use crate::observe::Observer;
use crate::queue::Queue;
use gatepost_smtp::path::Address;
use gatepost_smtp::server::Profile;

use super::interposer::Interposers;
use super::limits::ConnectionLimits;
use super::tls::{ClientCertificates, Tls};

/// The services, the same for all listeners.
#[derive(Clone)]
pub struct Services {
    /// Our name, in trace fields and message ids.
    pub hostname: Arc<str>,
    /// Proves identities.
    pub authenticator: Authenticator,
    /// Knows what an account owns now.
    pub accounts: Arc<dyn Accounts>,
    /// Keeps messages.
    pub queue: Queue,
    /// Say what becomes of a message.
    pub routes: Arc<[Route]>,
    /// Say what is completed in a message.
    pub submission: Arc<SubmissionRules>,
    /// Hears of everything.
    pub observer: Observer,
    /// Stand between sessions and their peers, in a server that is to misbehave.
    pub interposers: Option<Arc<dyn Interposers>>,
}

/// Looks up the account that an identity acts for.
pub trait Accounts: Send + Sync {
    /// The account as it is now; none when it has been removed. From memory: called for every message.
    fn facts(&self, account: &str) -> Option<AccountFacts>;
}

/// What policy asks about an account.
#[derive(Debug, Clone)]
pub struct AccountFacts {
    /// The addresses it may send as, in their order.
    pub addresses: Vec<Address>,
    /// Whether it may do anything.
    pub enabled: bool,
}

/// One listener as its connections see it.
pub struct ListenerContext {
    /// Its name.
    pub name: String,
    /// The settings of its sessions.
    pub profile: Arc<Profile>,
    /// How TLS begins.
    pub tls: TlsMode,
    /// The server's side of TLS, where there is TLS.
    pub acceptor: Option<Tls>,
    /// Who is served.
    pub serves: ListenerProfile,
    /// Where SASL security layers may be agreed on.
    pub layers: Layers,
    /// The names and ports by which clients reach it; empty when that is not known.
    pub reached_as: Arc<[HostPort]>,
    /// Where clients may come from; from anywhere when empty.
    pub networks: Vec<Network>,
    /// Who may say whose a connection is. With one, every connection begins with a PROXY header.
    pub proxy: Option<Proxies>,
    /// By what clients may prove who they are.
    pub auth: ListenerAuth,
    /// Judges certificates of clients, where they are asked for.
    pub client_certificates: Option<ClientCertificates>,
    /// Counts connections, over all listeners.
    pub connections: ConnectionLimits,
    /// Bounds and times.
    pub limits: Limits,
    /// The services.
    pub services: Services,
}
