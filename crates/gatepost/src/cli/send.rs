//! `gatepost send`: submits one message, and says what became of it for each recipient.
//!
//! A password comes as the first line of standard input, never as an argument, where every local user could read it. Without a
//! FILE the message is what follows on standard input; when nothing follows, a short test message is sent. `-v` shows the
//! dialogue with secrets hidden.

mod advice;
mod message;
mod target;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gatepost_client::{
    Client, Connector, ContentMeter, Credentials, Envelope, Error, MechanismChoice, Reply, Roots,
    Seen, SendReport, TlsMode,
};
use gatepost_sasl::{Mechanism, mechanism};
use gatepost_smtp::path::{Address, ForwardPath, ReversePath};

use self::message::Input;
use self::target::Target;
use crate::cli::{CommandError, print};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// HOST:PORT of the server (port 587, or 465 with --tls implicit, when left out), then the file with the message
    #[arg(value_name = "HOST:PORT> [<FILE", num_args = 0..=2)]
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
    #[arg(long)]
    password_stdin: bool,
    /// How the connection is protected; default: implicit on port 465, starttls elsewhere
    #[arg(long, value_enum)]
    tls: Option<Protection>,
    /// Use this mechanism; otherwise the strongest that the server offers
    #[arg(long, value_name = "MECHANISM", value_parser = known_mechanism)]
    auth: Option<&'static Mechanism>,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Sender in the envelope, `<>` for none; default: the user
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Recipient; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Output {
    /// Show the dialogue with the server on standard error, without secrets
    #[arg(short, long)]
    verbose: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protection {
    /// STARTTLS, required
    Starttls,
    /// TLS from the first octet
    Implicit,
    /// Clear text, passwords included
    None,
}

/// What the server made of the message.
struct Sent {
    report: SendReport,
    mechanism: Option<&'static Mechanism>,
    tls: Option<String>,
}

/// Sends. Fails when the message was not accepted for every recipient.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let target = Target::of(arguments)?;
    let recipients = target
        .recipients
        .iter()
        .map(|text| address(text).map(ForwardPath::from))
        .collect::<Result<Vec<_>, _>>()?;
    let reverse_path = match target.sender.as_str() {
        "<>" => ReversePath::Null,
        text => ReversePath::Address(address(text)?),
    };
    let input = Input::read(
        target.file.as_deref(),
        arguments.password_stdin,
        &reverse_path,
        &recipients,
    )?;
    let meter = ContentMeter::of(&input.message);
    let envelope = Envelope {
        reverse_path,
        recipients: recipients.into_iter().map(Into::into).collect(),
        size: Some(meter.octets()),
        body: meter.body(),
        smtputf8: false,
        ret: None,
        envelope_id: None,
        submitter: None,
    };
    let password = input.password.or(target.password.clone());
    let credentials = match (&target.user, password) {
        (Some(user), Some(password)) => Some(Credentials {
            authcid: user.clone(),
            authzid: None,
            password,
        }),
        (Some(_), None) => {
            return Err(CommandError::Usage(
                "--user needs a password: add --password-stdin and write it there".to_owned(),
            ));
        }
        (None, _) => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| CommandError::Failed(format!("cannot start: {error}")))?;
    let sent = runtime.block_on(submit(
        arguments,
        &target,
        credentials.as_ref(),
        &envelope,
        &input.message,
    ));
    let sent = sent.map_err(|error| CommandError::Failed(advice::explain(&error, &target)))?;
    report(&sent, &envelope, arguments.output.json)
}

async fn submit(
    arguments: &Arguments,
    target: &Target,
    credentials: Option<&Credentials>,
    envelope: &Envelope,
    message: &[u8],
) -> Result<Sent, Error> {
    let mode = match target.protection {
        Protection::Starttls => TlsMode::StartTls,
        Protection::Implicit => TlsMode::Implicit,
        Protection::None => TlsMode::None,
    };
    let mut connector =
        Connector::new(&target.host, target.port, mode).allow_clear_password(mode == TlsMode::None);
    if let Some(ca) = &target.ca {
        connector = connector.roots(Roots::from_pem_file(ca)?);
    }
    if arguments.output.verbose {
        connector = connector.watch(show);
    }
    let mut client = connector.connect().await?;
    let sent = converse(&mut client, arguments, credentials, envelope, message).await;
    client.quit().await;
    sent
}

async fn converse(
    client: &mut Client,
    arguments: &Arguments,
    credentials: Option<&Credentials>,
    envelope: &Envelope,
    message: &[u8],
) -> Result<Sent, Error> {
    let choice = arguments
        .auth
        .map_or(MechanismChoice::Strongest, MechanismChoice::Only);
    let mechanism = match credentials {
        Some(credentials) => Some(client.authenticate(credentials, choice).await?),
        None => None,
    };
    let report = client.send(envelope, message).await?;
    Ok(Sent {
        report,
        mechanism,
        tls: client.tls().map(|tls| tls.version.clone()),
    })
}

/// Shows the dialogue. What the server says may hold anything.
fn show(seen: Seen<'_>) {
    let line = match seen {
        Seen::Sent(line) => format!("C: {}", printable(line)),
        Seen::SentAuth(command) => format!("C: {} (hidden)", printable(command)),
        Seen::SentSecret => "C: (hidden)".to_owned(),
        Seen::SentContent(octets) => format!("C: ({octets} octets of message)"),
        Seen::Received(line) => format!("S: {}", printable(line)),
        Seen::TlsStarted(tls) => {
            format!("-- {} {}", printable(&tls.version), printable(&tls.cipher))
        }
    };
    // A reader that went away is no failure of the message.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
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

fn address(text: &str) -> Result<Address, CommandError> {
    let inner = text
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(text);
    Address::parse(inner)
        .map_err(|fault| CommandError::Usage(format!("`{}`: {fault}", printable(text))))
}

fn known_mechanism(name: &str) -> Result<&'static Mechanism, String> {
    mechanism::by_name(name).ok_or_else(|| {
        let known: Vec<_> = mechanism::ALL
            .iter()
            .map(|mechanism| mechanism.name)
            .collect();
        format!("known are {}", known.join(", "))
    })
}

/// The text with control characters escaped: it may come from the server.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                character.escape_default().to_string()
            } else {
                character.to_string()
            }
        })
        .collect()
}
