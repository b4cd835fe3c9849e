//! The surroundings of a server under test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_sasl::{LayerPolicy, Mechanism};
use gatepost_smtp::{Quirk, Refusal};

use super::settings::{mechanism, number, owned, unknown};

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
    /// Realms of DIGEST-MD5.
    pub realms: Vec<String>,
    /// Security layers that are offered.
    pub layers: LayerPolicy,
    /// Bearer tokens and whose they are.
    pub tokens: Vec<(String, String)>,
    /// The error document for every other token.
    pub token_error: Option<Vec<u8>>,
    /// Whose certificate the client has shown.
    pub certificate: Option<String>,
    /// Whom guests act for.
    pub guests: Option<String>,
    /// The directory does not answer.
    pub directory_down: bool,
    /// What the program refuses, and why.
    pub refusals: Vec<(RequestKind, Refusal)>,
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

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
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
            realms: Vec::new(),
            layers: LayerPolicy::NEVER,
            tokens: Vec::new(),
            token_error: None,
            certificate: None,
            guests: None,
            directory_down: false,
            refusals: Vec::new(),
            segments_as_shown: false,
        }
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
            (!self.realms.is_empty(), "the realms are given"),
            (
                self.quirks.iter().any(|(_, tolerated)| !tolerated),
                "a usual quirk is not tolerated",
            ),
            (self.open, "mail needs no identity"),
            (self.reject_bare_line_ends, "bare line ends are refused"),
            (!self.tokens.is_empty(), "tokens are known by heart"),
            (
                self.certificate.is_some() || self.guests.is_some(),
                "somebody is known without a password",
            ),
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

    pub(super) fn set(&mut self, words: &[&str]) -> Result<(), String> {
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
            ["realm", realm] => self.realms.push((*realm).to_owned()),
            ["layers", "offered"] => self.layers = LayerPolicy::ANY,
            ["token", token, name] => {
                self.tokens.push(((*token).to_owned(), (*name).to_owned()));
            }
            ["token-error", document] => {
                let document = STANDARD.decode(document);
                self.token_error = Some(document.map_err(|_| "it is not base64".to_owned())?);
            }
            ["certificate", name] => self.certificate = Some((*name).to_owned()),
            ["guests", name] => self.guests = Some((*name).to_owned()),
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

fn listener(name: &str) -> Result<Listener, String> {
    match name {
        "submissions" => Ok(Listener::Submissions),
        "submission" => Ok(Listener::Submission),
        "optional" => Ok(Listener::Optional),
        "legacy" => Ok(Listener::Legacy),
        _ => Err("a listener is submissions, submission, optional or legacy".to_owned()),
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
