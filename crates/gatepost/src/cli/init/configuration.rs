//! The text of the configuration file: short, with a remark at what a reader may want to change.

use std::fmt;
use std::path::Path;

use super::NextHopTls;
use super::plan::{CertificateSource, Destination, NextHop, Plan};

/// The file of a plan, in TOML.
pub(super) struct Configuration<'a>(pub(super) &'a Plan);

impl fmt::Display for Configuration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.0;
        writeln!(
            f,
            "# Gatepost, by `gatepost init`. Every option: man gatepost.toml"
        )?;
        writeln!(f, "hostname = {}", Quoted(&plan.hostname))?;
        writeln!(f, "data = {}\n", path(&plan.data))?;
        listener(
            f,
            "mail programs: STARTTLS, required",
            plan.smtp,
            "starttls",
        )?;
        writeln!(f)?;
        listener(
            f,
            "mail programs: TLS from the first octet",
            plan.smtps,
            "implicit",
        )?;
        writeln!(f)?;
        if !plan.networks.is_empty() {
            let remark = "old devices: clear text, legacy credentials only";
            listener(f, remark, plan.legacy, "none")?;
            let networks: Vec<_> = plan.networks.iter().map(|it| Quoted(it)).collect();
            let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
            writeln!(
                f,
                "profile = \"legacy\"\nnetworks = [{}]\n",
                networks.join(", ")
            )?;
        }
        let remark = match plan.certificate {
            CertificateSource::Given(_) => "",
            CertificateSource::Trial(_) => "for a trial: clients must trust ca.pem beside it",
        };
        head(f, "[tls]", remark)?;
        let files = plan.tls_files();
        writeln!(f, "certificate = {}", path(&files.certificate))?;
        writeln!(f, "key = {}\n", path(&files.key))?;
        route(f, &plan.destination)
    }
}

fn head(f: &mut fmt::Formatter<'_>, table: &str, remark: &str) -> fmt::Result {
    if remark.is_empty() {
        writeln!(f, "{table}")
    } else {
        writeln!(f, "{table:<28}# {remark}")
    }
}

fn listener(
    f: &mut fmt::Formatter<'_>,
    remark: &str,
    address: std::net::SocketAddr,
    tls: &str,
) -> fmt::Result {
    head(f, "[[listener]]", remark)?;
    writeln!(f, "address = \"{address}\"\ntls = \"{tls}\"")
}

fn route(f: &mut fmt::Formatter<'_>, destination: &Destination) -> fmt::Result {
    match destination {
        Destination::Hold => {
            head(f, "[[route]]", "all mail is queued until it is released")?;
            writeln!(f, "hold = true")
        }
        Destination::Capture => {
            head(f, "[[route]]", "all mail is kept and never sent")?;
            writeln!(f, "capture = true")
        }
        Destination::Smarthost(hop) => smarthost(f, hop),
    }
}

fn smarthost(f: &mut fmt::Formatter<'_>, hop: &NextHop) -> fmt::Result {
    head(f, "[[route]]", "all mail goes to this server")?;
    let tls = match hop.tls {
        NextHopTls::Starttls => "starttls",
        NextHopTls::Implicit => "implicit",
        NextHopTls::None => "none",
    };
    writeln!(f, "smarthost = {}\ntls = \"{tls}\"", Quoted(&hop.host))?;
    if let Some(ca) = &hop.ca {
        writeln!(f, "ca = {}", path(ca))?;
    }
    if let Some(user) = &hop.user {
        writeln!(
            f,
            "auth = {{ user = {}, password_file = {} }}",
            Quoted(user),
            path(&hop.password_file)
        )?;
    }
    Ok(())
}

/// A text in TOML.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", toml::Value::String(self.0.to_owned()))
    }
}

fn path(path: &Path) -> String {
    Quoted(&path.display().to_string()).to_string()
}
