//! From the configuration as written to the configuration as used.
//!
//! Parses, fills in defaults and proves what one file can prove about itself: no listener without what it needs, no open legacy
//! lane, no page without a login on a network. Collects every fault instead of stopping at the first.

mod kerberos;
mod listener_auth;
mod tls_versions;
mod token_issuer;

use std::net::SocketAddr;
use std::path::Path;

use gatepost_sasl::mechanism::DIGEST_MD5;
use gatepost_sasl::{Hash, LayerStrength, Mechanism};
use gatepost_smtp::quirk::Quirk;
use toml::de::DeTable;

use super::fault::{ConfigError, Fault};
use super::network::Network;
use super::pattern::Pattern;
use super::raw::{Placed, Table};
use super::resolved::{
    Accounts, AuthTerms, CertificateFiles, Config, LayerPlace, Layers, Limits, Listener,
    ListenerProfile, MissingFrom, Proxies, RetrySchedule, Route, RouteAction, RouteAuth,
    RouteMatch, RouteTls, SecretFile, Smarthost, SubmissionRules, TlsFiles, TlsMode,
};
use super::value::{layer_strength, parse_host_port};

/// Reads and resolves the file.
pub(super) fn load(file: &Path) -> Result<Config, ConfigError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| ConfigError::unreadable(file, &error))?;
    resolve(file, &text)
}

/// Resolves `text`, the content of `file`.
pub(super) fn resolve(file: &Path, text: &str) -> Result<Config, ConfigError> {
    let base = file.parent().unwrap_or(Path::new(""));
    let document = DeTable::parse(text).map_err(|error| {
        let fault = Fault {
            span: error.span(),
            what: format!("this is not TOML: {}", error.message()),
            next:
                "texts stand in quotes, lists in [brackets], sections begin with [name] or [[name]]"
                    .into(),
        };
        ConfigError::new(file, text, vec![fault])
    })?;
    let mut faults = Vec::new();
    let config = Resolver {
        base,
        faults: &mut faults,
    }
    .config(document.get_ref());
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(ConfigError::new(file, text, faults)),
    }
}

struct Resolver<'r> {
    base: &'r Path,
    faults: &'r mut Vec<Fault>,
}

impl Resolver<'_> {
    /// `None` only when a fault was added.
    fn config<'t>(mut self, document: &'t DeTable<'t>) -> Option<Config> {
        let top = Table::new("", document, 0..0, self.faults);
        let hostname = top
            .text("hostname", self.faults)
            .and_then(|name| self.hostname(name));
        let data = top.path("data", self.base, self.faults);
        let http = top
            .address("http", self.faults)
            .and_then(|address| self.http(&address));
        let tls_table = top.table("tls", "tls", self.faults);
        let tls = tls_table.as_ref().map(|table| self.tls(table));
        let more_tls: Vec<_> = tls_table
            .iter()
            .flat_map(|table| table.tables("more", "tls.more", self.faults))
            .collect();
        let more_tls = more_tls
            .iter()
            .map(|table| self.tls(table))
            .collect::<Option<Vec<_>>>();
        let shared = tls.iter().flatten().chain(more_tls.iter().flatten());
        let shared: Vec<_> = shared.collect();
        let listeners = self.listeners(&top, tls.is_some(), &shared);
        let routes: Vec<_> = top
            .tables("route", "route", self.faults)
            .iter()
            .map(|table| self.route(table))
            .collect();
        let mut accounts = self.accounts(&top);
        // Whoever names DIGEST-MD5 wants it: without a realm nobody could use it.
        if accounts.digest_realms.is_empty()
            && listeners.iter().any(|it| it.auth.names(&DIGEST_MD5))
        {
            accounts.digest_realms.extend(hostname.clone());
        }
        Some(Config {
            kerberos: self.kerberos(&top),
            token_issuers: self.token_issuers(&top),
            accounts,
            client_certificates: self.certificate_rules(&top, &listeners).into(),
            submission: self.submission(&top),
            limits: self.limits(&top),
            retry: self.retry(&top),
            hostname: hostname?,
            data: data?.value,
            listeners,
            tls: tls.flatten(),
            more_tls: more_tls?,
            routes: routes.into_iter().collect::<Option<_>>()?,
            http,
            dev_issuer: None,
        })
    }

    fn fault(&mut self, span: &std::ops::Range<usize>, what: impl Into<String>, next: &str) {
        self.faults.push(Fault::at(span.clone(), what, next));
    }

    fn hostname(&mut self, name: Placed<String>) -> Option<String> {
        if is_host_name(&name.value) {
            return Some(name.value);
        }
        self.fault(
            &name.span,
            format!("hostname: {:?} is not a host name", name.value),
            "write the name clients use, for example hostname = \"submit.example.com\"",
        );
        None
    }

    fn submission(&mut self, top: &Table<'_>) -> SubmissionRules {
        let Some(table) = top.table("submission", "submission", self.faults) else {
            return SubmissionRules::default();
        };
        let domain = table.text("complete_domain", self.faults);
        if let Some(Placed { value, span }) = domain.as_ref().filter(|it| !is_host_name(&it.value))
        {
            self.fault(
                span,
                format!("submission.complete_domain: {value:?} is not a domain"),
                "write the domain of your addresses, without @, for example complete_domain = \"example.com\"",
            );
        }
        let missing_from = table.text("missing_from", self.faults);
        let sender = table.text("sender", self.faults);
        SubmissionRules {
            complete_domain: domain.map(|it| it.value),
            missing_from: missing_from.map(|it| match it.value.as_str() {
                "add" => MissingFrom::Add,
                _ => MissingFrom::Refuse,
            }),
            add_sender: sender.is_some_and(|it| it.value == "add"),
        }
    }

    /// T-54: the pages have no login, so that only this machine may see them.
    fn http(&mut self, address: &Placed<SocketAddr>) -> Option<SocketAddr> {
        if address.value.ip().to_canonical().is_loopback() {
            return Some(address.value);
        }
        self.fault(
            &address.span,
            format!("http: {} is reachable from other machines", address.value),
            "the pages show mail and have no login; use a loopback address such as 127.0.0.1:2580 and a tunnel",
        );
        None
    }

    fn tls(&mut self, table: &Table<'_>) -> Option<TlsFiles> {
        let certificate = table.path("certificate", self.base, self.faults);
        let key = table.path("key", self.base, self.faults);
        Some(TlsFiles {
            certificate: certificate?.value,
            key: key?.value,
        })
    }

    /// `shared` are the certificates that every listener with current TLS has.
    fn listeners(
        &mut self,
        top: &Table<'_>,
        tls_present: bool,
        shared: &[&TlsFiles],
    ) -> Vec<Listener> {
        let mut listeners: Vec<Listener> = Vec::new();
        let tables = top.tables("listener", "listener", self.faults);
        if tables.is_empty() && top.has("listener") {
            self.fault(
                &top.span,
                "listener: the list is empty",
                "add a [[listener]] section with an address",
            );
        }
        for table in &tables {
            let Some(listener) = self.listener(table) else {
                continue;
            };
            let own = listener.tls_versions.own_files();
            if let Some(own) = own {
                self.apart_from(&table.span, own, shared);
            }
            if listener.tls != TlsMode::None && own.is_none() && !tls_present {
                self.fault(
                    &table.span,
                    format!("listener.tls: {} needs a certificate", listener.name),
                    "add a [tls] section with certificate and key, or set tls = \"none\" here",
                );
            }
            for other in &listeners {
                if other.address == listener.address && listener.address.port() != 0 {
                    self.fault(
                        &table.span,
                        format!("listener.address: {} is used twice", listener.address),
                        "give each listener its own address or port",
                    );
                } else if other.name == listener.name {
                    self.fault(
                        &table.span,
                        format!("listener.name: {:?} is used twice", listener.name),
                        "give each listener its own name: logs and metrics tell them apart by it",
                    );
                }
            }
            listeners.push(listener);
        }
        listeners
    }

    fn listener(&mut self, table: &Table<'_>) -> Option<Listener> {
        let address = table.address("address", self.faults);
        let tls = match table.text("tls", self.faults).map(|word| word.value) {
            Some(word) if word == "starttls-optional" => TlsMode::StartTlsOptional,
            Some(word) if word == "implicit" => TlsMode::Implicit,
            Some(word) if word == "none" => TlsMode::None,
            _ => TlsMode::StartTls,
        };
        let profile = match table.text("profile", self.faults).map(|word| word.value) {
            Some(word) if word == "legacy" => ListenerProfile::Legacy,
            _ => ListenerProfile::Submission,
        };
        let networks = table.list("networks", self.faults, str::parse::<Network>);
        let require_auth = table.truth("require_auth", self.faults);
        if let Some(Placed { span, .. }) = require_auth.filter(|it| !it.value) {
            self.fault(
                &span,
                "listener.require_auth: false is not possible",
                "this version serves authenticated sessions only; leave the option out",
            );
        }
        let address = address?.value;
        let proxy = self.proxies(table, tls);
        let tls_versions = self.tls_versions(table, tls, profile);
        if profile == ListenerProfile::Legacy {
            let local = address.ip().to_canonical().is_loopback() && proxy.is_none();
            self.legacy_networks(table, (address, local), &networks);
        }
        Some(Listener {
            name: table
                .text("name", self.faults)
                .map_or_else(|| address.to_string(), |name| name.value),
            address,
            tls,
            tls_versions: tls_versions?,
            profile,
            networks: networks.into_iter().map(|network| network.value).collect(),
            proxy,
            reached_as: table
                .list("reached_as", self.faults, parse_host_port)
                .into_iter()
                .map(|it| it.value)
                .collect(),
            tolerate: self.tolerate(table, profile),
            plus_on_tls12: table
                .truth("plus_on_tls12", self.faults)
                .is_some_and(|plus| plus.value),
            require_auth: true,
            layers: self.layers(table),
            auth: self.listener_auth(table, tls),
        })
    }

    fn layers(&mut self, table: &Table<'_>) -> Layers {
        let place = table.text("sasl_layers", self.faults);
        let weak_ciphers = table.truth("sasl_weak_ciphers", self.faults);
        Layers {
            place: match place.as_ref().map(|word| word.value.as_str()) {
                Some("never") => LayerPlace::Nowhere,
                Some("always") => LayerPlace::Everywhere,
                _ => LayerPlace::InClear,
            },
            weak_ciphers: weak_ciphers.is_some_and(|it| it.value),
        }
    }

    /// PRX-04: TLS that ends at the proxy is believed only where it can be the only one.
    fn proxies(&mut self, table: &Table<'_>, tls: TlsMode) -> Option<Proxies> {
        let networks = table.list("proxy", self.faults, str::parse::<Network>);
        let trust = table
            .truth("proxy_tls_trust", self.faults)
            .filter(|trust| trust.value);
        if let Some(Placed { span, .. }) = &trust {
            if networks.is_empty() {
                self.fault(
                    span,
                    "listener.proxy_tls_trust: this listener has no proxy",
                    "name the proxy's network, for example proxy = [\"10.0.0.5/32\"]",
                );
            }
            if tls == TlsMode::Implicit {
                self.fault(
                    span,
                    "listener.proxy_tls_trust: this listener expects TLS behind the PROXY header",
                    "set tls = \"none\" if the proxy ends TLS, or leave proxy_tls_trust out",
                );
            }
        }
        for network in &networks {
            if network.value.prefix() == 0 {
                self.fault(
                    &network.span,
                    "listener.proxy: everyone could claim any address",
                    "name the proxies, for example proxy = [\"10.0.0.5/32\"]",
                );
            }
        }
        (!networks.is_empty()).then(|| Proxies {
            networks: networks.into_iter().map(|network| network.value).collect(),
            trust_tls: trust.is_some(),
        })
    }

    /// EOL-05, PLAIN-08: an end of data that other servers do not see, and a name in the wrong place, are for devices on named networks
    /// only.
    fn tolerate(&mut self, table: &Table<'_>, profile: ListenerProfile) -> Vec<Quirk> {
        let tolerated = table.list("tolerate", self.faults, tolerable);
        for quirk in &tolerated {
            if quirk.value != Quirk::AuthEqualsLine && profile != ListenerProfile::Legacy {
                self.fault(
                    &quirk.span,
                    format!(
                        "listener.tolerate: \"{}\" is for legacy listeners",
                        quirk.value
                    ),
                    "give the device a listener with profile = \"legacy\" and its networks",
                );
            }
        }
        tolerated.into_iter().map(|quirk| quirk.value).collect()
    }

    /// T-08: the lane that takes passwords in clear text must be boxed by network.
    fn legacy_networks(
        &mut self,
        table: &Table<'_>,
        (address, local): (SocketAddr, bool),
        networks: &[Placed<Network>],
    ) {
        if networks.is_empty() && !local {
            self.fault(
                &table.span,
                format!(
                    "listener.networks: the legacy listener {address} would serve the whole world"
                ),
                "name the networks of the old devices, for example networks = [\"192.168.7.0/24\"]",
            );
        }
        for network in networks {
            let narrowest = if network.value.is_ipv4() { 8 } else { 7 };
            if network.value.prefix() < narrowest {
                self.fault(
                    &network.span,
                    format!(
                        "listener.networks: {} is too wide for a legacy listener",
                        network.value
                    ),
                    "passwords cross it in clear text; name the networks of the old devices only",
                );
            }
        }
    }

    fn route(&mut self, table: &Table<'_>) -> Option<Route> {
        let mut pattern = |key| {
            table
                .text(key, self.faults)
                .map(|text| Pattern::new(text.value))
        };
        let matches = RouteMatch {
            account: pattern("account"),
            credential: pattern("credential"),
            sender: pattern("sender"),
            recipient_domain: pattern("recipient_domain"),
        };
        let hold = table.truth("hold", self.faults).is_some_and(|it| it.value);
        let capture = table
            .truth("capture", self.faults)
            .is_some_and(|it| it.value);
        let action = match (table.has("smarthost"), hold, capture) {
            (true, false, false) => RouteAction::Smarthost(self.smarthost(table)?),
            (false, true, false) => RouteAction::Hold,
            (false, false, true) => RouteAction::Capture,
            _ => {
                self.fault(
                    &table.span,
                    "route: it needs exactly one action",
                    "set one of smarthost = \"host:port\", hold = true, capture = true",
                );
                return None;
            }
        };
        if !table.has("smarthost") {
            self.smarthost_only(table);
        }
        Some(Route { matches, action })
    }

    fn smarthost_only(&mut self, table: &Table<'_>) {
        for key in ["tls", "ca", "auth", "send_auth_param"] {
            if table.has(key) {
                self.fault(
                    &table.span,
                    format!("route.{key}: this route has no smarthost"),
                    "remove the option, or set smarthost = \"host:port\"",
                );
            }
        }
    }

    fn smarthost(&mut self, table: &Table<'_>) -> Option<Smarthost> {
        let hosts = table.list("smarthost", self.faults, parse_host_port);
        let tls = match table.text("tls", self.faults).map(|word| word.value) {
            Some(word) if word == "implicit" => RouteTls::Implicit,
            Some(word) if word == "none" => RouteTls::None,
            _ => RouteTls::StartTls,
        };
        let ca = table.path("ca", self.base, self.faults);
        if let (Some(ca), RouteTls::None) = (&ca, tls) {
            self.fault(
                &ca.span,
                "route.ca: this route uses no TLS",
                "remove ca, or set tls = \"starttls\" or \"implicit\"",
            );
        }
        if hosts.is_empty() {
            self.fault(
                &table.span,
                "route.smarthost: no usable host",
                "write smarthost = \"host:port\"",
            );
            return None;
        }
        let auth = table
            .table("auth", "route.auth", self.faults)
            .map(|table| self.route_auth(&table, tls));
        Some(Smarthost {
            hosts: hosts.into_iter().map(|host| host.value).collect(),
            tls,
            ca: ca.map(|path| path.value),
            auth: auth.flatten(),
            send_auth_param: table
                .text("send_auth_param", self.faults)
                .is_none_or(|it| it.value == "auto"),
        })
    }

    fn route_auth(&mut self, table: &Table<'_>, tls: RouteTls) -> Option<RouteAuth> {
        let user = table.text("user", self.faults);
        let mechanism = table
            .text("mechanism", self.faults)
            .and_then(|name| gatepost_sasl::mechanism::by_name(&name.value));
        let certificate = self.certificate_files(table, tls);
        let secret = self.secret_file(table, certificate.as_ref())?;
        if let Some(mechanism) = mechanism.filter(|mechanism| !secret.fits(mechanism)) {
            self.fault(
                &table.span,
                format!(
                    "route.auth.mechanism: {mechanism} does not use {}",
                    secret.option()
                ),
                "OAUTHBEARER and XOAUTH2 take a token_file, GSSAPI a ticket_cache, EXTERNAL a certificate and key alone, all others a password_file",
            );
        }
        if let (SecretFile::Token(_), RouteTls::None) = (&secret, tls) {
            self.fault(
                &table.span,
                "route.auth.token_file: a token is never sent in clear text",
                "set tls = \"starttls\" or \"implicit\" for this route",
            );
        }
        let user = user.map(|user| user.value);
        let names_itself = matches!(secret, SecretFile::Ticket(_) | SecretFile::Certificate(_));
        if user.is_none() && !names_itself && !table.has("user") {
            self.fault(
                &table.span,
                "route.auth.user is missing",
                "add user = \"scans@example.com\", the name at the smarthost",
            );
        }
        Some(RouteAuth {
            mechanism,
            user: user.unwrap_or_default(),
            certificate: certificate.filter(|_| !matches!(secret, SecretFile::Certificate(_))),
            secret,
            terms: Box::new(self.auth_terms(table, mechanism)),
        })
    }

    fn auth_terms(
        &mut self,
        table: &Table<'_>,
        mechanism: Option<&'static Mechanism>,
    ) -> AuthTerms {
        let realm = table.text("realm", self.faults);
        let layer = table.text("layer", self.faults);
        let strength = layer.as_ref().and_then(|word| layer_strength(&word.value));
        if let (Some(mechanism), Some(layer)) = (mechanism, &layer)
            && strength > Some(LayerStrength::None)
            && !mechanism.layer
        {
            self.fault(
                &layer.span,
                format!("route.auth.layer: {mechanism} has no security layer"),
                "DIGEST-MD5 and GSSAPI have one; inside TLS none is needed",
            );
        }
        AuthTerms {
            realm: realm.map(|realm| realm.value),
            layer: strength,
        }
    }

    fn certificate_files(&mut self, table: &Table<'_>, tls: RouteTls) -> Option<CertificateFiles> {
        let certificate = table.path("certificate", self.base, self.faults);
        let key = table.path("key", self.base, self.faults);
        if let (Some(certificate), RouteTls::None) = (&certificate, tls) {
            self.fault(
                &certificate.span,
                "route.auth.certificate: it is shown in TLS, and this route uses none",
                "set tls = \"starttls\" or \"implicit\" for this route",
            );
        }
        if let (Some(key), None) = (&key, &certificate) {
            self.fault(
                &key.span,
                "route.auth.key: whose key it is, is missing",
                "add certificate = \"FILE\", the certificate of this key",
            );
        }
        let certificate = certificate?.value;
        let key = key.map_or_else(|| certificate.clone(), |key| key.value);
        Some(CertificateFiles { certificate, key })
    }

    fn secret_file(
        &mut self,
        table: &Table<'_>,
        certificate: Option<&CertificateFiles>,
    ) -> Option<SecretFile> {
        let password = table.path("password_file", self.base, self.faults);
        let token = table.path("token_file", self.base, self.faults);
        let ticket = table.path("ticket_cache", self.base, self.faults);
        let named = |keys: &[&str]| keys.iter().any(|key| table.has(key));
        let others = named(&["password_file", "token_file", "ticket_cache"]);
        match (password, token, ticket, certificate) {
            (Some(password), None, None, _) => Some(SecretFile::Password(password.value)),
            (None, Some(token), None, _) => Some(SecretFile::Token(token.value)),
            (None, None, Some(ticket), _) => Some(SecretFile::Ticket(ticket.value)),
            (None, None, None, Some(files)) if !others => {
                Some(SecretFile::Certificate(files.clone()))
            }
            // What is wrong with the one that is named has been said.
            (None, None, None, _) if others || named(&["certificate", "key"]) => None,
            _ => {
                self.fault(
                    &table.span,
                    "route.auth: it needs exactly one secret",
                    "set password_file = \"FILE\", token_file = \"FILE\" for OAUTHBEARER and XOAUTH2, ticket_cache = \"FILE\" for GSSAPI, or certificate and key for EXTERNAL",
                );
                None
            }
        }
    }

    fn accounts(&mut self, top: &Table<'_>) -> Accounts {
        let mut accounts = Accounts::default();
        let Some(table) = top.table("accounts", "accounts", self.faults) else {
            return accounts;
        };
        if table.has("scram") {
            let hashes = table.list("scram", self.faults, scram_hash);
            accounts.scram = hashes.into_iter().map(|hash| hash.value).collect();
        }
        let realms = table.list("digest_realms", self.faults, realm);
        accounts.digest_realms = realms.into_iter().map(|realm| realm.value).collect();
        let nonce_time = table.time("digest_nonce_time", self.faults);
        accounts.digest_nonce_time = nonce_time.map(|time| time.value);
        accounts
    }

    fn limits(&mut self, top: &Table<'_>) -> Limits {
        let mut limits = Limits::default();
        let Some(table) = top.table("limits", "limits", self.faults) else {
            return limits;
        };
        let mut count = |key, place: &mut usize| {
            if let Some(count) = table.count(key, self.faults) {
                *place = count.value;
            }
        };
        count("connections", &mut limits.connections);
        count(
            "connections_per_address",
            &mut limits.connections_per_address,
        );
        count(
            "connections_per_network",
            &mut limits.connections_per_network,
        );
        count("failed_handshakes", &mut limits.failed_handshakes);
        count("recipients", &mut limits.recipients);
        if let Some(size) = table.size("message_size", self.faults) {
            limits.message_size = size.value;
        }
        let mut time = |key, place: &mut std::time::Duration| {
            if let Some(time) = table.time(key, self.faults) {
                *place = time.value;
            }
        };
        time("command_timeout", &mut limits.command_timeout);
        time("handshake_timeout", &mut limits.handshake_timeout);
        time("drain_timeout", &mut limits.drain_timeout);
        limits
    }

    fn retry(&mut self, top: &Table<'_>) -> RetrySchedule {
        let mut retry = RetrySchedule::default();
        let Some(table) = top.table("retry", "retry", self.faults) else {
            return retry;
        };
        let mut time = |key, place: &mut std::time::Duration| {
            if let Some(time) = table.time(key, self.faults) {
                *place = time.value;
            }
        };
        time("first", &mut retry.first);
        time("longest", &mut retry.longest);
        time("warn_after", &mut retry.warn_after);
        time("give_up", &mut retry.give_up);
        if retry.first > retry.longest {
            self.fault(
                &table.span,
                "retry.first: it is longer than retry.longest",
                "make first the shorter of the two",
            );
        }
        retry
    }
}

/// The hash of a word such as `sha-256`.
fn scram_hash(word: &str) -> Result<Hash, String> {
    Hash::ALL
        .into_iter()
        .find(|hash| {
            let name = hash.scram_name().strip_prefix("SCRAM-");
            name.is_some_and(|name| name.eq_ignore_ascii_case(word))
        })
        .ok_or_else(|| format!("{word:?} is not known"))
}

/// A realm of DIGEST-MD5: whatever fits a challenge, of which 2048 octets are the limit.
fn realm(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err(format!("{text:?} is no realm"));
    }
    Ok(text.to_owned())
}

/// A domain of labels that hosts may have.
fn is_host_name(name: &str) -> bool {
    let labels_fit = name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    labels_fit && name.len() <= 253
}

/// What a listener can be told to tolerate.
fn tolerable(label: &str) -> Result<Quirk, String> {
    [
        Quirk::AuthEqualsLine,
        Quirk::LineFeedEndOfData,
        Quirk::AuthzidWithoutAuthcid,
    ]
    .into_iter()
    .find(|quirk| quirk.label() == label)
    .ok_or_else(|| format!("{label:?} is not known"))
}
