//! The part of the program that a changed configuration reaches while it runs.
//!
//! A change is all or nothing: files, certificates and new addresses first, which may fail and change nothing; then everything at once.
//! Sessions and delivery attempts that have begun go on under the settings they began with.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::listeners::{Added, Listeners};
use super::{ServeError, Telemetry};
use crate::config::ConfigError;
use crate::config::reload::keep_what_is_fixed;
use crate::config::resolved::{self, Config, TlsMode, TlsVersions};
use crate::delivery;
use crate::net::limits::ConnectionLimits;
use crate::net::profile::profile;
use crate::net::service::{ListenerContext, Services};
use crate::net::tls::{Certificate, Certificates, ClientCertificates, Expiry, Rules, Tls};
use crate::observe::event::{CertificateExpires, ReloadRefused, Reloaded};

/// Configuration and what was made of it.
pub(super) struct Live {
    pub(super) config: Config,
    pub(super) limits: ConnectionLimits,
    pub(super) listeners: Listeners,
    services: Services,
    deliveries: watch::Sender<delivery::Settings>,
    expiries: Vec<Expiry>,
    telemetry: Telemetry,
}

impl Live {
    /// The program as configured, on addresses that are bound. Gives its listeners, to be run.
    pub(super) fn begin(
        config: Config,
        sockets: Vec<Option<TcpListener>>,
        services: Services,
        telemetry: Telemetry,
    ) -> Result<(Self, Vec<Added>), ServeError> {
        let mut live = Self {
            limits: ConnectionLimits::new(&config.limits),
            listeners: Listeners::default(),
            deliveries: watch::Sender::new(delivery::Settings::from(&config)),
            expiries: Vec::new(),
            services,
            telemetry,
            config,
        };
        let certificates = certificates(&live.config)?;
        let contexts = live.contexts(&live.config, certificates.as_ref(), &live.services)?;
        let expiries = expiries(certificates.as_ref(), &contexts);
        let wanted = live.config.listeners.iter().zip(sockets).zip(contexts);
        let wanted = wanted.map(|((listener, socket), context)| (listener, socket, context));
        let (added, _) = live.listeners.change(wanted.collect());
        live.watch(expiries);
        Ok((live, added))
    }

    /// What delivery needs of the configuration, now and after each change.
    pub(super) fn delivery_settings(&self) -> watch::Receiver<delivery::Settings> {
        self.deliveries.subscribe()
    }

    /// Takes over a configuration that was read again, or says in the log why not. Gives the listeners that were added, to be run.
    pub(super) fn reload(&mut self, read: Result<Config, ConfigError>) -> Vec<Added> {
        let changed = read
            .map_err(|error| error.to_string())
            .and_then(|config| self.take_over(config).map_err(|error| error.to_string()));
        changed.unwrap_or_else(|detail| {
            self.telemetry.observer.emit(ReloadRefused { detail });
            Vec::new()
        })
    }

    fn take_over(&mut self, mut config: Config) -> Result<Vec<Added>, ServeError> {
        let waiting = keep_what_is_fixed(&self.config, &mut config);
        let certificates = certificates(&config)?;
        let services = Services {
            routes: config.routes.clone().into(),
            submission: config.submission.clone().into(),
            ..self.services.clone()
        };
        let contexts = self.contexts(&config, certificates.as_ref(), &services)?;
        let expiries = expiries(certificates.as_ref(), &contexts);
        let sockets = self.listeners.bind(&config.listeners)?;
        // From here on nothing fails.
        self.limits.change(&config.limits);
        self.deliveries
            .send_replace(delivery::Settings::from(&config));
        let wanted = config.listeners.iter().zip(sockets).zip(contexts);
        let wanted = wanted.map(|((listener, socket), context)| (listener, socket, context));
        let (added, gone) = self.listeners.change(wanted.collect());
        self.services = services;
        self.config = config;
        self.telemetry.observer.emit(Reloaded {
            listeners: self.config.listeners.len(),
            added: added.iter().map(|it| it.bound.name.clone()).collect(),
            gone: gone.into_iter().map(|it| it.name).collect(),
            waiting,
        });
        self.watch(expiries);
        Ok(added)
    }

    /// Says which certificates end soon.
    pub(super) fn warn_of_expiry(&self) {
        for expiry in &self.expiries {
            if let Some(detail) = expiry.warning(SystemTime::now()) {
                self.telemetry.observer.emit(CertificateExpires { detail });
            }
        }
    }

    fn watch(&mut self, expiries: Vec<Expiry>) {
        self.expiries = expiries;
        let shown = self.expiries.iter();
        let shown = shown.map(|expiry| (expiry.file.display().to_string(), expiry.at));
        self.telemetry.health.certificates(shown.collect());
        self.warn_of_expiry();
    }

    fn contexts(
        &self,
        config: &Config,
        certificates: Option<&Certificates>,
        services: &Services,
    ) -> Result<Vec<ListenerContext>, ServeError> {
        let context = |listener: &resolved::Listener| {
            let client_certificates = client_certificates(config, listener)?;
            Ok(ListenerContext {
                name: listener.name.clone(),
                profile: Arc::new(profile(
                    &config.hostname,
                    listener,
                    &config.submission,
                    &config.limits,
                )),
                tls: listener.tls,
                acceptor: acceptor(listener, certificates, client_certificates.as_ref())?,
                auth: listener.auth.clone(),
                client_certificates,
                serves: listener.profile,
                layers: listener.layers,
                reached_as: Arc::clone(&listener.reached_as),
                networks: listener.networks.clone(),
                proxy: listener.proxy.clone(),
                connections: self.limits.clone(),
                limits: config.limits.clone(),
                services: services.clone(),
            })
        };
        config.listeners.iter().map(context).collect()
    }
}

fn certificates(config: &Config) -> Result<Option<Certificates>, ServeError> {
    let Some(first) = &config.tls else {
        return Ok(None);
    };
    let loaded = Certificates::load(first, &config.more_tls).map_err(|error| {
        ServeError::new(
            error.to_string(),
            "check [tls]: both files must be PEM and belong together",
        )
    })?;
    Ok(Some(loaded))
}

/// When each certificate ends: those that listeners share, and those that one has to itself.
fn expiries(certificates: Option<&Certificates>, contexts: &[ListenerContext]) -> Vec<Expiry> {
    let shared = certificates.into_iter().flat_map(Certificates::expiries);
    let tls = contexts.iter().filter_map(|it| it.acceptor.as_ref());
    let own = tls.filter_map(Tls::own_certificate);
    shared.chain(own.map(Certificate::expiry)).collect()
}

fn client_certificates(
    config: &Config,
    listener: &resolved::Listener,
) -> Result<Option<ClientCertificates>, ServeError> {
    let Some(asked) = &listener.auth.client_certificates else {
        return Ok(None);
    };
    let rules = Arc::clone(&config.client_certificates);
    let loaded = ClientCertificates::load(asked.authority.as_deref(), rules);
    let loaded = loaded.map_err(|error| {
        ServeError::new(
            format!("listener {}: {error}", listener.name),
            "the file must hold the certificates of the authorities, in PEM form",
        )
    })?;
    Ok(Some(loaded))
}

fn acceptor(
    listener: &resolved::Listener,
    certificates: Option<&Certificates>,
    clients: Option<&ClientCertificates>,
) -> Result<Option<Tls>, ServeError> {
    if listener.tls == TlsMode::None {
        return Ok(None);
    }
    let made = match (&listener.tls_versions, certificates) {
        (TlsVersions::Old { least, files }, _) => Tls::old(*least, files, certificates),
        (versions, Some(certificates)) => {
            let rules = Rules {
                newest_only: matches!(versions, TlsVersions::Newest),
                plus_on_tls12: listener.plus_on_tls12,
            };
            Tls::current(certificates, clients, rules)
        }
        (_, None) => {
            return Err(ServeError::new(
                format!("listener {}: TLS without a certificate", listener.name),
                "add a [tls] section with certificate and key",
            ));
        }
    };
    let made = made.map_err(|error| {
        let what = format!("listener {}: {error}", listener.name);
        ServeError::new(what, error.next())
    })?;
    Ok(Some(made))
}
