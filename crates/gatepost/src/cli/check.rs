//! `gatepost check -c FILE`: is this configuration usable, and is it wise?

use std::fmt;
use std::time::SystemTime;

use gatepost_client::{AddressError, Certificate, CertificateFault};
use serde::Serialize;

use crate::auth::kerberos;
use crate::cli::output::Form;
use crate::cli::{CommandError, ConfigFile};
use crate::config;
use crate::config::ConfigFault;
use crate::config::check::Advice;
use crate::config::resolved::{Config, RouteAction, RouteAuth, TlsVersions};
use crate::net::tls::{Certificates, Expiry, Tls, TlsError};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    form: Form,
}

/// What there is to say about a file.
#[derive(Serialize)]
struct Verdict {
    file: String,
    usable: bool,
    faults: Vec<ConfigFault>,
    advice: Vec<Advice>,
}

/// Fails when the file cannot be used. Advice is printed and is no failure.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let path = &arguments.file.config;
    let mut verdict = Verdict {
        file: path.display().to_string(),
        usable: true,
        faults: Vec::new(),
        advice: Vec::new(),
    };
    let faulty = match config::load(path) {
        Ok(config) => {
            verdict.advice = config::check::advice(&config);
            verdict.kerberos(&config);
            verdict.route_certificates(&config);
            verdict.certificates(&config)
        }
        Err(error) => {
            verdict.usable = false;
            verdict.faults = error.faults();
            Err(CommandError::Failed(format!(
                "configuration cannot be used\n{error}"
            )))
        }
    };
    if faulty.is_ok() || arguments.form.is_json() {
        arguments.form.print(&verdict);
    }
    faulty
}

impl Verdict {
    fn kerberos(&mut self, config: &Config) {
        let trouble = config.kerberos.as_ref().and_then(kerberos::trouble);
        self.advice.extend(trouble.map(|what| Advice {
            what,
            next: "until then GSSAPI is not offered, or answered with 454",
        }));
    }

    /// Holds certificates towards smarthosts against their keys and against the time.
    fn route_certificates(&mut self, config: &Config) {
        let smarthosts = config
            .routes
            .iter()
            .filter_map(|route| match &route.action {
                RouteAction::Smarthost(smarthost) => smarthost.auth.as_ref(),
                RouteAction::Hold | RouteAction::Capture => None,
            });
        for files in smarthosts.filter_map(RouteAuth::shown) {
            match Certificate::from_pem_files(&files.certificate, &files.key) {
                Ok(certificate) => self.expire(std::iter::once(Expiry {
                    file: files.certificate.clone(),
                    at: certificate.expires(),
                })),
                // Files that this user may not read have been advised about.
                Err(AddressError::Certificate { place, fault })
                    if !matches!(fault, CertificateFault::Unreadable(_)) =>
                {
                    self.advice.push(Advice {
                        what: format!("route.auth.certificate: {place}: {fault}"),
                        next: fault.next_step(),
                    });
                }
                Err(_) => {}
            }
        }
    }

    /// Holds certificates against their keys and against the time. Files that this user may not read have been advised about.
    fn certificates(&mut self, config: &Config) -> Result<(), CommandError> {
        let first = config.tls.as_ref();
        let shared = first.map(|first| Certificates::load(first, &config.more_tls));
        let shared = shared.and_then(|loaded| loaded.map_err(|error| self.fault(&error)).ok());
        if let Some(shared) = &shared {
            self.expire(shared.expiries());
        }
        for listener in &config.listeners {
            if let TlsVersions::Old { least, files } = &listener.tls_versions {
                match Tls::old(*least, files, shared.as_ref()) {
                    Ok(tls) => self.own_certificate(&listener.name, &tls),
                    Err(error) => self.fault(&error),
                }
            }
        }
        if self.usable {
            return Ok(());
        }
        let told = self.faults.iter();
        let told = told.map(|fault| format!("{}\n    {}", fault.what, fault.next));
        let told = told.collect::<Vec<_>>().join("\n");
        Err(CommandError::Failed(format!(
            "the certificates cannot be used\n{told}"
        )))
    }

    fn fault(&mut self, error: &TlsError) {
        if matches!(error, TlsError::Unreadable { .. }) {
            return;
        }
        self.usable = false;
        self.faults.push(ConfigFault {
            line: None,
            column: None,
            what: error.to_string(),
            next: error.next().to_owned(),
        });
    }

    fn expire(&mut self, expiries: impl Iterator<Item = Expiry>) {
        let warnings = expiries.filter_map(|it| it.warning(SystemTime::now()));
        self.advice.extend(warnings.map(|what| Advice {
            what,
            next: "renew it, then reload the server",
        }));
    }

    fn own_certificate(&mut self, listener: &str, tls: &Tls) {
        let Some(certificate) = tls.own_certificate() else {
            return;
        };
        self.expire(std::iter::once(certificate.expiry()));
        if !certificate.is_rsa() {
            self.advice.push(Advice {
                what: format!("listener {listener}: its certificate has no RSA key"),
                next: "devices that need TLS 1.0 or 1.1 often know no other: use RSA with 2048 bits",
            });
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for advice in &self.advice {
            writeln!(f, "advice: {advice}")?;
        }
        writeln!(f, "{}: usable", self.file)
    }
}
