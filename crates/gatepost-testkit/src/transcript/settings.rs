//! The surroundings of a dialogue: lines that begin with `@`.
//!
//! Each setting is a row of one table, for the side it belongs to; `transcripts/README.md` explains them.

use gatepost_sasl::{Mechanism, mechanism};
use gatepost_smtp::client::InitialResponsePolicy;
use gatepost_smtp::{Quirk, Refusal};

/// Who is under test.
#[derive(Clone, Debug)]
pub enum Side {
    /// The server; the client is played.
    Server(Box<ServerSettings>),
    /// The client; the server is played.
    Client(Box<ClientSettings>),
}

/// A server under test.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent yes/no settings, each a line of its own"
)]
pub struct ServerSettings {
    /// Which listener it is.
    pub listener: Listener,
    /// Its own name.
    pub host: String,
    /// Who may come in.
    pub accounts: Vec<Account>,
    /// The mechanisms in EHLO, if not those that fit the channel.
    pub offer: Option<Vec<&'static Mechanism>>,
    /// Tolerated besides, or (`false`) not tolerated.
    pub quirks: Vec<(Quirk, bool)>,
    /// Mail needs no identity.
    pub open: bool,
    /// Bare line ends in a message are refused.
    pub reject_bare_line_ends: bool,
    /// Largest message in octets.
    pub size_limit: Option<u64>,
    /// The server's part of the randomness; with it the dialogue fits only a session in memory.
    pub nonce: Option<String>,
    /// The host in CRAM-MD5's challenge, if not `host`.
    pub challenge_host: Option<String>,
    /// Salt (base64) and iterations of SCRAM verifiers.
    pub scram: Option<(String, u32)>,
    /// The directory does not answer.
    pub directory_down: bool,
    /// What the program refuses, and why.
    pub refusals: Vec<(RequestKind, Refusal)>,
    /// The segments are part of the matter: do not cut them differently.
    pub segments_as_shown: bool,
}

/// A client under test.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The name it gives with EHLO.
    pub hello: String,
    /// When it uses TLS.
    pub tls: TlsUse,
    /// A password may be sent without TLS.
    pub trusted_wire: bool,
    /// Whose credentials, if it authenticates.
    pub account: Option<Credentials>,
    /// The only mechanism to use.
    pub mechanism: Option<&'static Mechanism>,
    /// Use it though it is not offered.
    pub assume_offered: bool,
    /// What goes on the AUTH line.
    pub initial_response: InitialResponsePolicy,
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

/// One account of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Login.
    pub name: String,
    /// Password.
    pub password: String,
    /// Whom else it may act as.
    pub may_act_as: Vec<String>,
    /// What it may send as, besides its name.
    pub addresses: Vec<String>,
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

/// Kinds of listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// TLS from the first octet.
    Submissions,
    /// STARTTLS comes before everything else.
    Submission,
    /// STARTTLS is there, mail in clear is possible.
    Optional,
    /// No TLS, every mechanism, for devices.
    Legacy,
}

/// When a client uses TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsUse {
    /// From the first octet.
    FromStart,
    /// By STARTTLS, or not at all.
    Required,
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

/// What a program can refuse a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// EHLO or HELO.
    Ehlo,
    /// AUTH, before the exchange.
    Auth,
    /// A question of a mechanism.
    Question,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Content,
    /// The end of the header section.
    Headers,
    /// The end of the message.
    Commit,
}

impl RequestKind {
    /// All, in the order in which they come in a session.
    pub const ALL: [Self; 8] = [
        Self::Ehlo,
        Self::Auth,
        Self::Question,
        Self::Mail,
        Self::Rcpt,
        Self::Content,
        Self::Headers,
        Self::Commit,
    ];
}

/// Gathers settings, for either side.
pub(super) struct SideBuilder {
    is_client: bool,
    /// A setting of one side alone was met.
    decided: bool,
    server: ServerSettings,
    client: ClientSettings,
}

impl Default for SideBuilder {
    fn default() -> Self {
        Self {
            is_client: false,
            decided: false,
            server: ServerSettings {
                listener: Listener::Submissions,
                host: "mail.example.com".to_owned(),
                accounts: Vec::new(),
                offer: None,
                quirks: Vec::new(),
                open: false,
                reject_bare_line_ends: false,
                size_limit: None,
                nonce: None,
                challenge_host: None,
                scram: None,
                directory_down: false,
                refusals: Vec::new(),
                segments_as_shown: false,
            },
            client: ClientSettings {
                hello: "client.example.com".to_owned(),
                tls: TlsUse::FromStart,
                trusted_wire: false,
                account: None,
                mechanism: None,
                assume_offered: false,
                initial_response: InitialResponsePolicy::default(),
                nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
                jobs: Vec::new(),
                from: String::new(),
                to: Vec::new(),
                content: Vec::new(),
                segments_as_shown: false,
            },
        }
    }
}

impl SideBuilder {
    pub(super) fn is_client(&self) -> bool {
        self.is_client
    }

    pub(super) fn add_content(&mut self, line: &[u8]) {
        self.client.content.extend_from_slice(line);
    }

    pub(super) fn set(&mut self, setting: &str) -> Result<(), String> {
        let words = words(setting)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let ["side", side] = words.as_slice() {
            if self.decided {
                return Err("`@ side` comes before the other settings".to_owned());
            }
            self.is_client = match *side {
                "client" => true,
                "server" => false,
                _ => return Err("a side is client or server".to_owned()),
            };
            return Ok(());
        }
        self.decided = true;
        if self.is_client {
            self.client.set(&words)
        } else {
            self.server.set(&words)
        }
    }

    pub(super) fn build(self) -> Result<Side, String> {
        if !self.is_client {
            return Ok(Side::Server(Box::new(self.server)));
        }
        let client = self.client;
        if client.jobs.contains(&Job::Authenticate) && client.account.is_none() {
            return Err("`@ do authenticate` needs `@ account`".to_owned());
        }
        if client.jobs.contains(&Job::Send) && (client.from.is_empty() || client.to.is_empty()) {
            return Err("`@ do send` needs `@ from` and `@ to`".to_owned());
        }
        Ok(Side::Client(Box::new(client)))
    }
}

impl ServerSettings {
    /// Why these surroundings are not those of a whole program that is reached over a socket; `None` if they can be.
    pub fn only_in_memory(&self) -> Option<&'static str> {
        let reasons = [
            (
                self.nonce.is_some() || self.scram.is_some(),
                "the randomness is given",
            ),
            (self.offer.is_some(), "the offer is given"),
            (!self.quirks.is_empty(), "quirks are switched one by one"),
            (self.open, "mail needs no identity"),
            (self.reject_bare_line_ends, "bare line ends are refused"),
            (self.directory_down, "the directory is down"),
            (!self.refusals.is_empty(), "the program refuses something"),
            (
                self.accounts
                    .iter()
                    .any(|account| !account.may_act_as.is_empty()),
                "somebody acts as somebody else",
            ),
        ];
        let reason = reasons.iter().find(|(applies, _)| *applies);
        reason.map(|(_, reason)| *reason)
    }

    fn set(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["listener", name] => self.listener = listener(name)?,
            ["host", host] => (*host).clone_into(&mut self.host),
            ["account", name, password, addresses @ ..] => self.accounts.push(Account {
                name: (*name).to_owned(),
                password: (*password).to_owned(),
                may_act_as: Vec::new(),
                addresses: owned(addresses),
            }),
            ["may-act-as", name, others @ ..] => {
                let account = self
                    .accounts
                    .iter_mut()
                    .find(|account| account.name == *name);
                let account = account.ok_or_else(|| format!("there is no account {name:?}"))?;
                account.may_act_as.extend(owned(others));
            }
            ["offer", names @ ..] => {
                let mechanisms: Result<_, _> = names.iter().map(|name| mechanism(name)).collect();
                self.offer = Some(mechanisms?);
            }
            ["tolerate", label] => self.quirks.push((quirk(label)?, true)),
            ["do-not-tolerate", label] => self.quirks.push((quirk(label)?, false)),
            ["authentication", "optional"] => self.open = true,
            ["bare-line-ends", "rejected"] => self.reject_bare_line_ends = true,
            ["size-limit", octets] => self.size_limit = Some(number(octets)?),
            ["nonce", nonce] => self.nonce = Some((*nonce).to_owned()),
            ["challenge-host", host] => self.challenge_host = Some((*host).to_owned()),
            ["scram", salt, iterations] => {
                self.scram = Some(((*salt).to_owned(), number(iterations)?));
            }
            ["directory", "down"] => self.directory_down = true,
            ["refuse", request, label] => {
                self.refusals
                    .push((request_kind(request)?, refusal(label)?));
            }
            ["segments", "as-shown"] => self.segments_as_shown = true,
            _ => return Err(unknown(words)),
        }
        Ok(())
    }
}

impl ClientSettings {
    fn set(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["hello", name] => (*name).clone_into(&mut self.hello),
            ["tls", "from-start"] => self.tls = TlsUse::FromStart,
            ["tls", "required"] => self.tls = TlsUse::Required,
            ["tls", "on-demand"] => self.tls = TlsUse::OnDemand,
            ["trusted-wire"] => self.trusted_wire = true,
            ["account", name, password, authzid @ ..] if authzid.len() <= 1 => {
                self.account = Some(Credentials {
                    name: (*name).to_owned(),
                    password: (*password).to_owned(),
                    authzid: authzid.first().map(|&name| name.to_owned()),
                });
            }
            ["mechanism", name] => self.mechanism = Some(mechanism(name)?),
            ["assume-offered"] => self.assume_offered = true,
            ["initial-response", policy] => self.initial_response = initial_response(policy)?,
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

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn unknown(words: &[&str]) -> String {
    match words {
        [key, values @ ..] => {
            format!("{key:?} is no setting of this side, or not with the values {values:?}")
        }
        [] => "`@` what?".to_owned(),
    }
}

/// Words, apart by spaces; a word with spaces in it, or an empty one, stands between double quotes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a double quote is missing")?,
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    Ok(words)
}

fn listener(name: &str) -> Result<Listener, String> {
    match name {
        "submissions" => Ok(Listener::Submissions),
        "submission" => Ok(Listener::Submission),
        "optional" => Ok(Listener::Optional),
        "legacy" => Ok(Listener::Legacy),
        _ => Err("a listener is submissions, submission, optional or legacy".to_owned()),
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

fn request_kind(name: &str) -> Result<RequestKind, String> {
    let name = name.to_ascii_lowercase();
    RequestKind::ALL
        .into_iter()
        .find(|kind| format!("{kind:?}").to_ascii_lowercase() == name)
        .ok_or_else(|| {
            format!(
                "{name:?} is nothing a program is asked; it is one of {:?}",
                RequestKind::ALL
            )
        })
}

fn mechanism(name: &str) -> Result<&'static Mechanism, String> {
    mechanism::by_name(name).ok_or_else(|| format!("{name:?} is no mechanism"))
}

fn quirk(label: &str) -> Result<Quirk, String> {
    let found = Quirk::ALL.iter().find(|quirk| quirk.label() == label);
    found
        .copied()
        .ok_or_else(|| format!("{label:?} is no quirk"))
}

fn refusal(label: &str) -> Result<Refusal, String> {
    let found = Refusal::ALL.iter().find(|refusal| refusal.label() == label);
    found
        .copied()
        .ok_or_else(|| format!("{label:?} is no refusal"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no number here"))
}
