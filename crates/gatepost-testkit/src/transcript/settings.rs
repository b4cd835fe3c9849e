//! The surroundings of a dialogue: lines that begin with `@`.
//!
//! Each setting is a row of one table, for the side it belongs to; `transcripts/README.md` explains them.

use gatepost_sasl::{Mechanism, mechanism};

use super::client_settings::{ClientSettings, Job};
use super::server_settings::ServerSettings;

/// Who is under test.
#[derive(Clone, Debug)]
pub enum Side {
    /// The server; the client is played.
    Server(Box<ServerSettings>),
    /// The client; the server is played.
    Client(Box<ClientSettings>),
}

/// Gathers settings, for either side.
#[derive(Default)]
pub(super) struct SideBuilder {
    is_client: bool,
    /// A setting of one side alone was met.
    decided: bool,
    server: ServerSettings,
    client: ClientSettings,
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

pub(super) fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub(super) fn unknown(words: &[&str]) -> String {
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

pub(super) fn mechanism(name: &str) -> Result<&'static Mechanism, String> {
    mechanism::by_name(name).ok_or_else(|| format!("{name:?} is no mechanism"))
}

pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no number here"))
}
