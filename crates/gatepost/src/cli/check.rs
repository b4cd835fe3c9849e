//! `gatepost check -c FILE`: is this configuration usable, and is it wise?

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use crate::auth::kerberos;
use crate::cli::output::Form;
use crate::cli::{CommandError, ConfigFile};
use crate::config;
use crate::config::ConfigFault;
use crate::config::check::Advice;
use crate::config::resolved::Config;
use crate::net::tls::{Certificates, TlsError};

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

    /// Holds certificates against their keys and against the time. Files that this user may not read have been advised about.
    fn certificates(&mut self, config: &Config) -> Result<(), CommandError> {
        let Some(first) = &config.tls else {
            return Ok(());
        };
        match Certificates::load(first, &config.more_tls) {
            Ok(certificates) => {
                let expiries = certificates.expiries();
                let warnings = expiries.filter_map(|it| it.warning(SystemTime::now()));
                self.advice.extend(warnings.map(|what| Advice {
                    what,
                    next: "renew it, then reload the server",
                }));
                Ok(())
            }
            Err(TlsError::Unreadable { .. }) => Ok(()),
            Err(error) => {
                self.usable = false;
                self.faults.push(ConfigFault {
                    line: None,
                    column: None,
                    what: error.to_string(),
                    next: "both files must be PEM and belong together".to_owned(),
                });
                Err(CommandError::Failed(format!(
                    "the certificates cannot be used\n{error}"
                )))
            }
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
