//! Advice about a configuration that is legal and yet probably not what its writer wants.
//!
//! Looks at the configuration and at the files it names, changes nothing. What cannot work at all is a fault and never comes so far.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use gatepost_sasl::mechanism::DIGEST_MD5;

use super::resolved::{
    Config, KeySource, Listener, ListenerProfile, QUEUE_SEGMENT_OCTETS, Route, RouteAction,
    RouteMatch, RouteTls, Smarthost, TlsMode,
};

/// One remark: what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Advice {
    /// The option and what is odd about it.
    pub what: String,
    /// What to do.
    pub next: &'static str,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    {}", self.what, self.next)
    }
}

/// Everything worth saying about the configuration.
pub fn advice(config: &Config) -> Vec<Advice> {
    let mut notes = Notes(Vec::new());
    notes.host(config);
    for listener in &config.listeners {
        notes.listener(listener);
    }
    notes.digest_md5(config);
    notes.tokens(config);
    notes.routes(config);
    notes.times(config);
    notes.files(config);
    notes.space(config);
    notes.0
}

struct Notes(Vec<Advice>);

impl Notes {
    fn add(&mut self, what: impl Into<String>, next: &'static str) {
        self.0.push(Advice {
            what: what.into(),
            next,
        });
    }

    fn host(&mut self, config: &Config) {
        if !config.hostname.contains('.') {
            self.add(
                format!("hostname: {} is not fully qualified", config.hostname),
                "use the full name clients connect to; its certificate and other servers' checks depend on it",
            );
        }
        if config.data.starts_with("/tmp") || config.data.starts_with("/run") {
            self.add(
                format!(
                    "data: {} does not survive a restart of the machine",
                    config.data.display()
                ),
                "accepted mail lives there; use a directory such as /var/lib/gatepost",
            );
        }
    }

    fn listener(&mut self, listener: &Listener) {
        let name = &listener.name;
        let local = listener.address.ip().to_canonical().is_loopback();
        let submission = listener.profile == ListenerProfile::Submission;
        let tls_before = listener.proxy.as_ref().is_some_and(|it| it.trust_tls);
        if submission && listener.tls == TlsMode::None && !local && !tls_before {
            self.add(
                format!("listener {name}: without TLS only mechanisms that hide the password are offered"),
                "most clients need PLAIN or LOGIN: set tls = \"starttls\", or profile = \"legacy\" for old devices",
            );
        }
        if submission && listener.tls == TlsMode::StartTlsOptional && !local {
            self.add(
                format!("listener {name}: starttls-optional lets mail pass in clear text"),
                "set tls = \"starttls\" unless a client of yours cannot do TLS",
            );
        }
        match (listener.address.port(), listener.tls) {
            (465, tls) if tls != TlsMode::Implicit => self.add(
                format!("listener {name}: clients expect implicit TLS on port 465"),
                "set tls = \"implicit\" (RFC 8314)",
            ),
            (587, TlsMode::Implicit) => self.add(
                format!("listener {name}: clients expect STARTTLS on port 587"),
                "set tls = \"starttls\", or use port 465",
            ),
            _ => {}
        }
    }

    fn digest_md5(&mut self, config: &Config) {
        let named = |listener: &&Listener| listener.auth.names(&DIGEST_MD5);
        let legacy = |listener: &Listener| listener.profile == ListenerProfile::Legacy;
        let mut named = config.listeners.iter().filter(named).peekable();
        if named.peek().is_none() && !config.accounts.digest_realms.is_empty() {
            self.add(
                "accounts.digest_realms: no listener offers DIGEST-MD5",
                "write mechanisms = [\"default\", \"digest-md5\"] in the [[listener]] section of the programs that need it; otherwise remove the option: what is kept for it is as good as the password",
            );
        }
        for listener in named.filter(|it| !legacy(it)) {
            self.add(
                format!(
                    "listener {}: digest-md5 is offered on legacy listeners only",
                    listener.name
                ),
                "set profile = \"legacy\" with the networks of the old programs, or take it out of mechanisms: what other programs do is better",
            );
        }
    }

    fn tokens(&mut self, config: &Config) {
        for issuer in &config.token_issuers {
            if issuer.scope.is_empty() {
                self.add(
                    format!(
                        "token_issuer {}: a token of any scope sends mail",
                        issuer.issuer
                    ),
                    "name the scope that is for mail, for example scope = \"smtp\"",
                );
            }
            if !issuer.place.tls {
                self.add(
                    format!("token_issuer {}: asked without TLS", issuer.issuer),
                    "right for a test on this machine; otherwise use https",
                );
            }
        }
        let tls = |listener: &Listener| listener.tls != TlsMode::None;
        if !config.token_issuers.is_empty() && !config.listeners.iter().any(tls) {
            self.add(
                "token_issuer: no listener has TLS, and tokens are never taken in clear text",
                "add a listener with tls = \"starttls\" or \"implicit\"",
            );
        }
    }

    fn routes(&mut self, config: &Config) {
        let last_word = config
            .routes
            .iter()
            .position(|route| unconditional(&route.matches));
        match last_word {
            None => self.add(
                "route: mail that no route takes is held",
                "end with a [[route]] without conditions: smarthost, hold or capture",
            ),
            Some(place) if place + 1 < config.routes.len() => self.add(
                format!(
                    "route: number {} takes everything, those after it are never used",
                    place + 1
                ),
                "move the route without conditions to the end",
            ),
            Some(_) => {}
        }
        for Route { action, .. } in &config.routes {
            if let RouteAction::Smarthost(smarthost) = action {
                self.smarthost(smarthost, &config.listeners);
            }
        }
    }

    fn smarthost(&mut self, smarthost: &Smarthost, listeners: &[Listener]) {
        for hop in &smarthost.hosts {
            let shown = format!("{}:{}", hop.host, hop.port);
            let address = format!("{}:{}", bracketed(&hop.host), hop.port)
                .parse::<SocketAddr>()
                .ok();
            let local = hop.host == "localhost"
                || address.is_some_and(|address| address.ip().to_canonical().is_loopback());
            if smarthost.tls == RouteTls::None && !local {
                self.add(
                    format!("route.tls: mail to {shown} crosses the network in clear text"),
                    "set tls = \"starttls\" or \"implicit\"",
                );
            }
            if smarthost.tls == RouteTls::StartTls && hop.port == 465 {
                self.add(
                    format!("route.tls: {shown} probably expects implicit TLS"),
                    "set tls = \"implicit\"",
                );
            }
            let ours = |listener: &Listener| {
                listener.address.port() == hop.port
                    && (address == Some(listener.address)
                        || local && serves_loopback(listener.address))
            };
            if listeners.iter().any(ours) {
                self.add(
                    format!("route.smarthost: {shown} is one of our own listeners"),
                    "mail would go in circles; name the next server",
                );
            }
        }
        if smarthost.tls == RouteTls::StartTls && smarthost.hosts.iter().all(|hop| hop.port == 25) {
            self.add(
                "route.smarthost: port 25 is for servers, and many networks block it",
                "use the smarthost's submission port, usually 587 or 465",
            );
        }
    }

    fn times(&mut self, config: &Config) {
        if config.limits.command_timeout < Duration::from_secs(5 * 60) {
            self.add(
                "limits.command_timeout: less than the five minutes of RFC 5321 §4.5.3.2.7",
                "slow devices and people typing passwords need them",
            );
        }
        if config.retry.give_up < Duration::from_secs(24 * 60 * 60) {
            self.add(
                "retry.give_up: less than a day",
                "a next hop that is down over night would return everyone's mail",
            );
        }
    }

    fn files(&mut self, config: &Config) {
        if let Some(tls) = &config.tls {
            self.readable("tls.certificate", &tls.certificate);
            self.secret("tls.key", &tls.key);
            for more in &config.more_tls {
                self.readable("tls.more.certificate", &more.certificate);
                self.secret("tls.more.key", &more.key);
            }
        }
        for own in config
            .listeners
            .iter()
            .filter_map(|it| it.tls_versions.own_files())
        {
            self.readable("listener.certificate", &own.certificate);
            self.secret("listener.key", &own.key);
        }
        if let Some(kerberos) = &config.kerberos {
            self.private("kerberos.keytab", &kerberos.keytab);
        }
        for issuer in &config.token_issuers {
            if let Some(ca) = &issuer.ca {
                self.readable("token_issuer.ca", ca);
            }
            if let KeySource::File(keys) = &issuer.keys {
                self.readable("token_issuer.keys", keys);
            }
            if let Some(introspection) = &issuer.introspection {
                let option = "token_issuer.introspection.client_secret_file";
                self.secret(option, &introspection.client_secret_file);
            }
        }
        for Route { action, .. } in &config.routes {
            let RouteAction::Smarthost(smarthost) = action else {
                continue;
            };
            if let Some(ca) = &smarthost.ca {
                self.readable("route.ca", ca);
            }
            if let Some(auth) = &smarthost.auth {
                self.secret(auth.secret.option(), auth.secret.path());
                if let Some(files) = auth.shown() {
                    self.readable("route.auth.certificate", &files.certificate);
                }
                if let Some(beside) = &auth.certificate {
                    self.secret("route.auth.key", &beside.key);
                }
            }
        }
    }

    /// The queue takes room a segment at a time: one to write in, and the next before that one is full.
    fn space(&mut self, config: &Config) {
        let data = config.data.as_path();
        let room = data
            .ancestors()
            .find_map(|place| rustix::fs::statvfs(place).ok());
        let Some(free) = room.map(|room| room.f_bavail.saturating_mul(room.f_frsize)) else {
            return;
        };
        if free < 2 * QUEUE_SEGMENT_OCTETS {
            self.add(
                format!(
                    "data: the disk of {} has {} MiB free, and the queue grows by {} MiB at a time",
                    data.display(),
                    free >> 20,
                    QUEUE_SEGMENT_OCTETS >> 20
                ),
                "all mail is refused with 452 when the next piece does not fit: make room, or use another disk",
            );
        }
    }

    fn secret(&mut self, option: &str, path: &Path) {
        self.readable(option, path);
        self.private(option, path);
    }

    fn readable(&mut self, option: &str, path: &Path) {
        if let Err(error) = std::fs::File::open(path) {
            self.add(
                format!("{option}: {} cannot be read: {error}", path.display()),
                "check the path, and that the user running gatepost may read it",
            );
        }
    }

    fn private(&mut self, option: &str, path: &Path) {
        let open = std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o007 != 0);
        if open {
            self.add(
                format!("{option}: {} is open to every user", path.display()),
                "run chmod o-rwx on it",
            );
        }
    }
}

fn unconditional(matches: &RouteMatch) -> bool {
    matches.account.is_none()
        && matches.credential.is_none()
        && matches.sender.is_none()
        && matches.recipient_domain.is_none()
}

fn serves_loopback(address: SocketAddr) -> bool {
    address.ip().is_unspecified() || address.ip().to_canonical().is_loopback()
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}
