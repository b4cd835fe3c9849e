//! Where a message goes when its sender names no server: `sendmail.toml`, the user's or the machine's.

use std::path::{Path, PathBuf};

use gatepost_sasl::{Mechanism, mechanism};
use serde::Deserialize;

use super::{Failure, Status};
use crate::cli::send::{Protection, split};

/// Names the file, before all others.
const VARIABLE: &str = "GATEPOST_SENDMAIL";

/// What holds without a file of the user's own.
const SYSTEM: &str = "/etc/gatepost/sendmail.toml";

/// The server, and who we are there.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
    pub(super) ca: Option<PathBuf>,
    pub(super) user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) auth: Option<&'static Mechanism>,
    pub(super) from: Option<String>,
}

/// The file as written. Paths start at its directory.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    server: String,
    #[serde(default)]
    tls: Option<Tls>,
    ca: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    auth: Option<String>,
    from: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tls {
    Starttls,
    Implicit,
    None,
}

impl Settings {
    /// Reads the file named, or the first there is.
    pub(super) fn load(named: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = named.map(Path::to_owned).or_else(found) else {
            return Err(Failure::new(
                Status::Config,
                format!(
                    "no server is configured\n    write {SYSTEM} or ~/.config/gatepost/sendmail.toml: server = \"HOST:PORT\", \
                     user = \"NAME\", password_file = \"FILE\""
                ),
            ));
        };
        let wrong = |text: &dyn std::fmt::Display| {
            Failure::new(Status::Config, format!("{}: {text}", file.display()))
        };
        let text = std::fs::read_to_string(&file).map_err(|error| wrong(&error))?;
        let written: Written = toml::from_str(&text).map_err(|error| wrong(&error))?;
        let (host, port) = split(&written.server)
            .map_err(|_| wrong(&format!("server: `{}` is not HOST:PORT", written.server)))?;
        let known = |name: &String| {
            mechanism::by_name(name)
                .ok_or_else(|| wrong(&format!("auth: there is no mechanism {name}")))
        };
        let auth = written.auth.as_ref().map(known).transpose()?;
        let protection = protection(written.tls, port);
        let beside = |path: PathBuf| file.with_file_name(path);
        Ok(Self {
            host,
            port: port.unwrap_or_else(|| Protection::default_port(Some(protection))),
            protection,
            ca: written.ca.map(beside),
            user: written.user,
            password_file: written.password_file.map(beside),
            auth,
            from: written.from,
        })
    }
}

/// As written; else the port tells.
fn protection(written: Option<Tls>, port: Option<u16>) -> Protection {
    match written {
        Some(Tls::Starttls) => Protection::Starttls,
        Some(Tls::Implicit) => Protection::Implicit,
        Some(Tls::None) => Protection::None,
        None => port
            .and_then(Protection::implied_by)
            .unwrap_or(Protection::Starttls),
    }
}

fn found() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Some(named.into());
    }
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    home.map(|home| home.join("gatepost/sendmail.toml"))
        .into_iter()
        .chain([PathBuf::from(SYSTEM)])
        .find(|file| file.exists())
}
