//! `gatepost send`: submits one message, and says what became of it for each recipient.
//!
//! With `-t` the recipients are those that the message names. Programs that call `sendmail` find it in [`super::sendmail`].
//!
//! A password comes as the first line of standard input and a token from a file, never as an argument, where every local user could
//! read it. Without a
//! FILE the message is what follows on standard input; when nothing follows, a short test message is sent. `-v` shows the
//! dialogue with secrets hidden.

mod advice;
mod message;
mod protection;
mod submission;
mod target;

use std::path::{Path, PathBuf};

use clap::Args;
use gatepost_client::{
    Certificate, ContentMeter, Credential, Credentials, Envelope, EnvelopeId, MechanismChoice,
    Notify, Recipient, Reply, Ret, Secret,
};
use gatepost_sasl::{LayerStrength, Mechanism, Needs, mechanism};
use gatepost_smtp::path::{Address, ForwardPath, ReversePath};

use self::message::Input;
pub(super) use self::message::password_line;
pub(super) use self::protection::Protection;
pub(super) use self::submission::{Sent, Show, Submission};
use self::target::Target;
pub(super) use self::target::split;
use crate::cli::output::printable;
use crate::cli::{CommandError, print, sendmail};
use crate::config::layer_strength;
use crate::config::resolved::AuthTerms;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// HOST:PORT of the server (port 587, or 465 with --tls implicit, when left out), then the file with the message
    #[arg(value_names = ["HOST:PORT", "FILE"], num_args = 0..=2)]
    places: Vec<String>,
    /// Send to the development server on this machine, as its account
    #[arg(long)]
    dev: bool,
    /// The directory that the development server was given
    #[arg(long, value_name = "DIR", requires = "dev")]
    dir: Option<PathBuf>,
    /// Name to authenticate as; without it there is no authentication
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "token_file")]
    password_stdin: bool,
    /// Authenticate with the OAuth access token in this file, by OAUTHBEARER or XOAUTH2
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Authenticate with the Kerberos ticket in this credential cache, by GSSAPI; --auth gssapi alone takes the default one
    #[arg(long, value_name = "CACHE", conflicts_with_all = ["password_stdin", "token_file"])]
    ticket_cache: Option<String>,
    /// Show this client certificate (PEM) to a server that asks for one in TLS. Without a password, token or ticket it is what proves the
    /// user, by EXTERNAL; --user is then whom to act as
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The private key of --certificate (PEM, without a passphrase), when it is not in the same file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// How the connection is protected; default: implicit on port 465, starttls elsewhere
    #[arg(long, value_enum)]
    tls: Option<Protection>,
    /// Use this mechanism; otherwise the strongest that the server offers
    #[arg(long, value_name = "MECHANISM", value_parser = known_mechanism)]
    auth: Option<&'static Mechanism>,
    /// Authenticate in this realm, by DIGEST-MD5; otherwise in the domain of the user, or in the first one that the server offers
    #[arg(long, value_name = "REALM")]
    realm: Option<String>,
    /// Agree on this SASL security layer, by DIGEST-MD5 or GSSAPI, or fail: none, integrity or confidentiality; otherwise on the strongest
    /// offered in clear text, and on none inside TLS
    #[arg(long, value_name = "LAYER", value_parser = known_layer)]
    layer: Option<LayerStrength>,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Sender in the envelope, `<>` for none; default: the user
    #[arg(short, long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Recipient; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// Send to whom To, Cc and Bcc of the message name; Bcc is taken out of it
    #[arg(short = 't', long)]
    recipients_in_message: bool,
    #[command(flatten)]
    notices: Notices,
    #[command(flatten)]
    output: Output,
}

/// What the sender wants to hear about delivery (RFC 3461).
#[derive(Debug, Args)]
struct Notices {
    /// Ask for notices: `never`, or a list of `success`, `failure`, `delay`
    #[arg(short = 'N', long, value_name = "WHEN", value_parser = Notify::parse)]
    notify: Option<Notify>,
    /// How much of the message a notice of failure returns: `full` or `hdrs`
    #[arg(short = 'R', long, value_name = "HOW_MUCH", value_parser = Ret::parse)]
    ret: Option<Ret>,
    /// What notices call the message
    #[arg(short = 'V', long, value_name = "ID", value_parser = EnvelopeId::parse)]
    envelope_id: Option<EnvelopeId>,
}

#[derive(Debug, Args)]
struct Output {
    /// Show the dialogue with the server on standard error, without secrets
    #[arg(short, long)]
    verbose: bool,
    /// Show it only if something goes wrong
    #[arg(long)]
    trace: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Sends. Fails when the message was not accepted for every recipient.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let target = Target::of(arguments)?;
    let mut recipients = target
        .recipients
        .iter()
        .map(|text| address(text).map(ForwardPath::from))
        .collect::<Result<Vec<_>, _>>()?;
    let reverse_path = match target.sender.as_str() {
        "<>" => ReversePath::Null,
        text => ReversePath::Address(address(text)?),
    };
    let mut input = Input::read(
        target.file.as_deref(),
        arguments.password_stdin,
        &reverse_path,
        &recipients,
    )?;
    if arguments.recipients_in_message {
        let (named, message) = sendmail::recipients_of(&input.message)?;
        recipients.extend(named.into_iter().map(ForwardPath::from));
        input.message = message;
    }
    let envelope = arguments.envelope(reverse_path, recipients, &input.message);
    let credentials = arguments.credentials(&target, input.password.take())?;
    let submission = Submission {
        host: target.host.clone(),
        port: target.port,
        protection: target.protection,
        ca: target.ca.clone(),
        certificate: arguments.certificate(&target)?,
        credentials,
        choice: arguments
            .auth
            .map_or(MechanismChoice::Strongest, MechanismChoice::Only),
        terms: AuthTerms {
            realm: arguments.realm.clone(),
            layer: arguments.layer,
        },
        show: match &arguments.output {
            Output { verbose: true, .. } => Show::Always,
            Output { trace: true, .. } => Show::OnFailure,
            _ => Show::Never,
        },
    };
    let sent = submission
        .run(&envelope, &input.message)
        .map_err(|error| CommandError::Failed(advice::explain(&error, &target)))?;
    report(&sent, &envelope, arguments.output.json)
}

impl Arguments {
    /// Whose, and what proves it: what is given, else what the mechanism asks for.
    fn credentials(
        &self,
        target: &Target,
        password: Option<Secret>,
    ) -> Result<Option<Credentials>, CommandError> {
        let needs = self.auth.map(|mechanism| mechanism.needs);
        let acting_as = |credentials: Credentials| Credentials {
            authzid: self.user.clone(),
            ..credentials
        };
        if let Some(file) = &self.token_file {
            return with_token(target.user.as_deref(), file).map(Some);
        }
        if self.ticket_cache.is_some() || needs == Some(Needs::PassThrough) {
            let credentials = Credentials::with_ticket(self.ticket_cache.clone());
            return Ok(Some(Credentials {
                authzid: target.user.clone(),
                ..credentials
            }));
        }
        let by_certificate = self.certificate.is_some() && !self.password_stdin;
        match needs {
            Some(Needs::Nothing) => {
                let trace = self.user.clone().unwrap_or_default();
                Ok(Some(Credentials::anonymous(trace)))
            }
            Some(Needs::Certificate) => Ok(Some(acting_as(Credentials::with_certificate()))),
            None if by_certificate => Ok(Some(acting_as(Credentials::with_certificate()))),
            _ => credentials(target, password),
        }
    }

    /// The certificate to show: the one that is named, or the development server's for its own account.
    fn certificate(&self, target: &Target) -> Result<Option<Certificate>, CommandError> {
        let external = self.auth.is_some_and(|it| it.needs == Needs::Certificate);
        let files = match (&self.certificate, &target.certificate) {
            (Some(certificate), _) => Some((certificate, self.key.as_ref().unwrap_or(certificate))),
            (None, Some((certificate, key))) if external => Some((certificate, key)),
            (None, _) if external => {
                return Err(CommandError::Usage(
                    "--auth external needs the client certificate: add --certificate FILE and --key FILE"
                        .to_owned(),
                ));
            }
            (None, _) => None,
        };
        let read = files.map(|(certificate, key)| Certificate::from_pem_files(certificate, key));
        read.transpose()
            .map_err(|error| CommandError::Failed(advice::explain(&error.into(), target)))
    }

    fn envelope(
        &self,
        reverse_path: ReversePath,
        recipients: Vec<ForwardPath>,
        message: &[u8],
    ) -> Envelope {
        let meter = ContentMeter::of(message);
        let recipients = recipients.into_iter().map(|path| Recipient {
            notify: self.notices.notify,
            ..Recipient::from(path)
        });
        Envelope {
            reverse_path,
            recipients: recipients.collect(),
            size: Some(meter.octets()),
            body: meter.body(),
            smtputf8: false,
            ret: self.notices.ret,
            envelope_id: self.notices.envelope_id.clone(),
            submitter: None,
        }
    }
}

fn credentials(
    target: &Target,
    given: Option<Secret>,
) -> Result<Option<Credentials>, CommandError> {
    match (&target.user, given.or_else(|| target.password.clone())) {
        (Some(user), Some(password)) => Ok(Some(Credentials {
            authcid: user.clone(),
            authzid: None,
            credential: Credential::Password(password),
        })),
        (Some(_), None) => Err(CommandError::Usage(
            "--user needs a password: add --password-stdin and write it there, or --token-file"
                .to_owned(),
        )),
        (None, _) => Ok(None),
    }
}

fn with_token(user: Option<&str>, file: &Path) -> Result<Credentials, CommandError> {
    let user = user.ok_or_else(|| {
        CommandError::Usage("--token-file needs --user: whose token it is".to_owned())
    })?;
    let octets = std::fs::read(file)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| CommandError::Failed(format!("{}: {error}", file.display())))?;
    Ok(Credentials::with_token(user, octets.trim_ascii()))
}

fn report(sent: &Sent, envelope: &Envelope, json: bool) -> Result<(), CommandError> {
    let outcomes: Vec<(String, &Result<Reply, Reply>)> = envelope
        .recipients
        .iter()
        .map(|recipient| recipient.path.address().to_string())
        .zip(&sent.report.recipients)
        .collect();
    if json {
        let recipients: Vec<_> = outcomes
            .iter()
            .map(|(address, outcome)| as_json(address, outcome))
            .collect();
        let mechanism = sent.mechanism.map(|mechanism| mechanism.name);
        print(&serde_json::json!({ "recipients": recipients, "mechanism": mechanism, "tls": sent.tls }).to_string());
    } else {
        for (address, outcome) in &outcomes {
            match outcome {
                Ok(reply) => print(&format!(
                    "accepted for {address}: {}",
                    printable(&reply.to_string())
                )),
                Err(reply) => print(&format!(
                    "refused for {address}: {}",
                    printable(&reply.to_string())
                )),
            }
        }
    }
    match outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_err())
        .count()
    {
        0 => Ok(()),
        refused => Err(CommandError::Failed(format!(
            "the server refused {refused} of {} recipients",
            outcomes.len()
        ))),
    }
}

fn as_json(address: &str, outcome: &Result<Reply, Reply>) -> serde_json::Value {
    let (Ok(reply) | Err(reply)) = outcome;
    serde_json::json!({ "address": address, "accepted": outcome.is_ok(), "reply": reply.to_string() })
}

pub(super) fn address(text: &str) -> Result<Address, CommandError> {
    let inner = text
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(text);
    Address::parse(inner)
        .map_err(|fault| CommandError::Usage(format!("`{}`: {fault}", printable(text))))
}

fn known_layer(word: &str) -> Result<LayerStrength, String> {
    layer_strength(word).ok_or_else(|| "known are none, integrity, confidentiality".to_owned())
}

pub(super) fn known_mechanism(name: &str) -> Result<&'static Mechanism, String> {
    mechanism::by_name(name).ok_or_else(|| {
        let known: Vec<_> = mechanism::ALL
            .iter()
            .map(|mechanism| mechanism.name)
            .collect();
        format!("known are {}", known.join(", "))
    })
}
