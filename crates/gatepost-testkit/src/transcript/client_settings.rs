//! The surroundings of a client under test.

use gatepost_sasl::Mechanism;
use gatepost_smtp::client::{Chunking, InitialResponsePolicy};

use super::settings::{mechanism, unknown};

/// A client under test.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent yes/no settings, each a line of its own"
)]
pub struct ClientSettings {
    /// The name it gives with EHLO.
    pub hello: String,
    /// When it uses TLS.
    pub tls: TlsUse,
    /// A password may be sent without TLS.
    pub trusted_wire: bool,
    /// Whose credentials, if it authenticates.
    pub account: Option<Credentials>,
    /// The bearer token it has instead of a password.
    pub token: Option<String>,
    /// The only mechanism to use.
    pub mechanism: Option<&'static Mechanism>,
    /// Use it though it is not offered.
    pub assume_offered: bool,
    /// What goes on the AUTH line.
    pub initial_response: InitialResponsePolicy,
    /// It can bind an exchange to TLS, where TLS comes first.
    pub binds_channel: bool,
    /// When it sends by BDAT.
    pub chunking: Chunking,
    /// The client's part of the randomness.
    pub nonce: String,
    /// What it does, one after the other.
    pub jobs: Vec<Job>,
    /// The envelope of what it sends.
    pub from: String,
    /// Its recipients.
    pub to: Vec<String>,
    /// What it sends.
    pub content: Vec<u8>,
    /// The segments are part of the matter: do not cut them differently.
    pub segments_as_shown: bool,
}

/// What a client authenticates with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Login.
    pub name: String,
    /// Password.
    pub password: String,
    /// Whom to act as.
    pub authzid: Option<String>,
}

/// When a client uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsUse {
    /// From the first octet.
    FromStart,
    /// By STARTTLS, or not at all.
    Required,
    /// By STARTTLS, when it is offered.
    IfOffered,
    /// By STARTTLS, when the server wants it.
    OnDemand,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Prove who it is.
    Authenticate,
    /// Send the message.
    Send,
    /// Say good-bye.
    Quit,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            hello: "client.example.com".to_owned(),
            tls: TlsUse::FromStart,
            trusted_wire: false,
            account: None,
            token: None,
            mechanism: None,
            assume_offered: false,
            initial_response: InitialResponsePolicy::default(),
            binds_channel: false,
            chunking: Chunking::default(),
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            jobs: Vec::new(),
            from: String::new(),
            to: Vec::new(),
            content: Vec::new(),
            segments_as_shown: false,
        }
    }
}

impl ClientSettings {
    pub(super) fn set(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["hello", name] => (*name).clone_into(&mut self.hello),
            ["tls", "from-start"] => self.tls = TlsUse::FromStart,
            ["tls", "required"] => self.tls = TlsUse::Required,
            ["tls", "if-offered"] => self.tls = TlsUse::IfOffered,
            ["tls", "on-demand"] => self.tls = TlsUse::OnDemand,
            ["trusted-wire"] => self.trusted_wire = true,
            ["account", name, password, authzid @ ..] if authzid.len() <= 1 => {
                self.account = Some(Credentials {
                    name: (*name).to_owned(),
                    password: (*password).to_owned(),
                    authzid: authzid.first().map(|&name| name.to_owned()),
                });
            }
            ["token", name, token] => {
                self.account = Some(Credentials {
                    name: (*name).to_owned(),
                    password: String::new(),
                    authzid: None,
                });
                self.token = Some((*token).to_owned());
            }
            ["mechanism", name] => self.mechanism = Some(mechanism(name)?),
            ["assume-offered"] => self.assume_offered = true,
            ["initial-response", policy] => self.initial_response = initial_response(policy)?,
            ["binds-channel"] => self.binds_channel = true,
            ["chunking", "when-needed"] => self.chunking = Chunking::WhenNeeded,
            ["chunking", "preferred"] => self.chunking = Chunking::Preferred,
            ["chunking", "never"] => self.chunking = Chunking::Never,
            ["nonce", nonce] => (*nonce).clone_into(&mut self.nonce),
            ["do", jobs @ ..] => {
                self.jobs = jobs
                    .iter()
                    .map(|name| job(name))
                    .collect::<Result<_, _>>()?;
            }
            ["from", address] => (*address).clone_into(&mut self.from),
            ["to", address] => self.to.push((*address).to_owned()),
            ["segments", "as-shown"] => self.segments_as_shown = true,
            _ => return Err(unknown(words)),
        }
        Ok(())
    }
}

fn job(name: &str) -> Result<Job, String> {
    match name {
        "authenticate" => Ok(Job::Authenticate),
        "send" => Ok(Job::Send),
        "quit" => Ok(Job::Quit),
        _ => Err("a client can authenticate, send and quit".to_owned()),
    }
}

fn initial_response(name: &str) -> Result<InitialResponsePolicy, String> {
    match name {
        "when-it-fits" => Ok(InitialResponsePolicy::WhenItFits),
        "eager" => Ok(InitialResponsePolicy::Eager),
        "long" => Ok(InitialResponsePolicy::Long),
        "withheld" => Ok(InitialResponsePolicy::Withheld),
        _ => Err("an initial response goes when-it-fits, eager, long or withheld".to_owned()),
    }
}
