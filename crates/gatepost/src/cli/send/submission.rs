//! One message to one server: connects, authenticates, sends, and shows the dialogue to whoever wants to see it.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_client::{
    Certificate, ChannelError, Client, Connector, Credential, Credentials, Envelope, Error,
    Extension, MechanismChoice, Roots, Seen, SendReport, TlsMode,
};
use gatepost_sasl::Mechanism;

use super::Protection;
use crate::cli::output::printable;
use crate::config::resolved::AuthTerms;

/// Where to send, and as whom.
pub(in crate::cli) struct Submission {
    pub(in crate::cli) host: String,
    pub(in crate::cli) port: u16,
    pub(in crate::cli) protection: Protection,
    pub(in crate::cli) ca: Option<PathBuf>,
    /// Shown in TLS.
    pub(in crate::cli) certificate: Option<Certificate>,
    pub(in crate::cli) credentials: Option<Credentials>,
    pub(in crate::cli) choice: MechanismChoice,
    pub(in crate::cli) terms: AuthTerms,
    pub(in crate::cli) show: Show,
}

/// When the dialogue is shown on standard error. It never holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Show {
    Never,
    OnFailure,
    Always,
}

/// What the server made of the message.
pub(in crate::cli) struct Sent {
    pub(in crate::cli) report: SendReport,
    pub(in crate::cli) mechanism: Option<&'static Mechanism>,
    pub(in crate::cli) tls: Option<String>,
}

impl Submission {
    /// Sends the message.
    pub(in crate::cli) fn run(&self, envelope: &Envelope, message: &[u8]) -> Result<Sent, Error> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| ChannelError::Connect {
                host: self.host.clone(),
                port: self.port,
                source,
            })?;
        let sent = runtime.block_on(self.submit(envelope, message, &seen));
        let refused = match &sent {
            Ok(sent) => sent.report.recipients.iter().any(Result::is_err),
            Err(_) => true,
        };
        if refused && self.show == Show::OnFailure {
            for line in seen.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                show(line);
            }
        }
        sent
    }

    async fn submit(
        &self,
        envelope: &Envelope,
        message: &[u8],
        seen: &Arc<Mutex<Vec<String>>>,
    ) -> Result<Sent, Error> {
        let mode = match self.protection {
            Protection::Starttls => TlsMode::StartTls,
            Protection::Implicit => TlsMode::Implicit,
            Protection::None => TlsMode::None,
        };
        let mut connector =
            Connector::new(&self.host, self.port, mode).allow_clear_password(mode == TlsMode::None);
        if let Some(ca) = &self.ca {
            connector = connector.roots(Roots::from_pem_file(ca)?);
        }
        if let Some(certificate) = &self.certificate {
            connector = connector.certificate(certificate.clone());
        }
        connector = connector.layers(self.terms.layers());
        if let Some(realm) = &self.terms.realm {
            connector = connector.realm(realm);
        }
        connector = match self.show {
            Show::Never => connector,
            Show::Always => connector.watch(|seen| show(&line(seen))),
            Show::OnFailure => {
                let kept = Arc::clone(seen);
                connector.watch(move |seen| {
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(line(seen));
                })
            }
        };
        let mut client = connector.connect().await?;
        let sent = self.converse(&mut client, envelope, message).await;
        client.quit().await;
        sent
    }

    async fn converse(
        &self,
        client: &mut Client,
        envelope: &Envelope,
        message: &[u8],
    ) -> Result<Sent, Error> {
        let mechanism = match &self.credentials {
            Some(credentials) if !self.is_proven_by_tls(credentials, client) => {
                Some(client.authenticate(credentials, self.choice).await?)
            }
            _ => None,
        };
        let report = client.send(envelope, message).await?;
        Ok(Sent {
            report,
            mechanism,
            tls: client.tls().map(|tls| tls.version.clone()),
        })
    }
}

impl Submission {
    /// A certificate alone proves us to a server that knows no AUTH at all.
    fn is_proven_by_tls(&self, credentials: &Credentials, client: &Client) -> bool {
        matches!(credentials.credential, Credential::Certificate)
            && self.choice == MechanismChoice::Strongest
            && !client.capabilities().has(Extension::Auth)
            && client
                .tls()
                .is_some_and(|tls| tls.client_certificate.is_some())
    }
}

fn show(line: &str) {
    // A reader that went away is no failure of the message.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A line of the dialogue. What the server says may hold anything.
fn line(seen: Seen<'_>) -> String {
    match seen {
        Seen::Sent(line) => format!("C: {}", printable(line)),
        Seen::SentAuth(command) => format!("C: {} (hidden)", printable(command)),
        Seen::SentSecret => "C: (hidden)".to_owned(),
        Seen::SentContent(octets) => format!("C: ({octets} octets of message)"),
        Seen::Received(line) => format!("S: {}", printable(line)),
        Seen::TlsStarted(tls) => {
            format!("-- {} {}", printable(&tls.version), printable(&tls.cipher))
        }
    }
}
