//! `sendmail`, as cron, mutt, git and PHP call it: a message on standard input, recipients as arguments or, with `-t`, in the message.
//!
//! Gatepost is this when it is called by that name, by a link such as `/usr/sbin/sendmail`. Nothing is queued here: the message is
//! accepted by the configured server, or the caller is told, by the status that sysexits.h names, that it was not.

mod message;
mod options;
mod settings;

use std::fmt::Display;
use std::io::Read as _;
use std::process::ExitCode;

use gatepost_client::{
    Credential, Credentials, Envelope, Error, MechanismChoice, Recipient, Secret, SendReport,
};
use gatepost_smtp::path::{Address, ReversePath};

use self::message::Message;
use self::options::Options;
use self::settings::Settings;
use crate::cli::send::{Show, Submission};
use crate::cli::{CommandError, complain};
use crate::config::resolved::AuthTerms;

/// Why it was not sent, with a status of sysexits.h.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    status: Status,
    text: String,
}

/// Statuses of sysexits.h, by their names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Usage = 64,
    DataError = 65,
    NoUser = 67,
    Unavailable = 69,
    IoError = 74,
    TempFail = 75,
    NoPermission = 77,
    Config = 78,
}

impl Failure {
    fn new(status: Status, text: impl Display) -> Self {
        Self {
            status,
            text: text.to_string(),
        }
    }
}

/// Sends the message on standard input as these arguments say.
pub(super) fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    match Options::parse(arguments).and_then(|options| send(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.text);
            ExitCode::from(failure.status as u8)
        }
    }
}

/// Whom the message names as recipients, and the message without Bcc: `gatepost send -t`.
pub(super) fn recipients_of(message: &[u8]) -> Result<(Vec<Address>, Vec<u8>), CommandError> {
    let taken = Message::new(message, true).and_then(|mut message| {
        let recipients = message.take_recipients()?;
        Ok((recipients, message.octets().to_vec()))
    });
    match taken {
        Ok((recipients, _)) if recipients.is_empty() => Err(CommandError::Usage(
            "-t: the message names no recipient in To, Cc or Bcc".to_owned(),
        )),
        taken => taken.map_err(|failure| CommandError::Usage(failure.text)),
    }
}

fn send(options: &Options) -> Result<(), Failure> {
    let settings = Settings::load(options.configuration.as_deref())?;
    let mut message = Message::new(&standard_input()?, options.ignore_dots)?;
    let envelope = envelope(options, &settings, &mut message)?;
    let sent = submission(options, settings)?
        .run(&envelope, message.octets())
        .map_err(|error| Failure::new(status(&error), &error))?;
    all_accepted(&envelope, &sent.report)
}

fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut given = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut given)
        .map_err(|error| Failure::new(Status::IoError, format!("standard input: {error}")))?;
    Ok(given)
}

/// Sender and recipients, and the message made whole for them.
fn envelope(
    options: &Options,
    settings: &Settings,
    message: &mut Message,
) -> Result<Envelope, Failure> {
    let mut recipients = addresses(&options.recipients)?;
    if options.recipients_in_message {
        recipients.extend(message.take_recipients()?);
    }
    if recipients.is_empty() {
        return Err(Failure::new(
            Status::Usage,
            "no recipients\n    name them as arguments, or add -t to take them from To, Cc and Bcc",
        ));
    }
    let sender = sender(options, settings, message)?;
    message.complete(&sender, options.full_name.as_deref())?;
    let mut envelope = Envelope::new(
        sender,
        recipients.into_iter().map(|path| Recipient {
            notify: options.notify,
            ..Recipient::from(path)
        }),
        message.octets(),
    );
    envelope.smtputf8 = message.is_international();
    envelope.ret = options.ret;
    envelope.envelope_id.clone_from(&options.envelope_id);
    Ok(envelope)
}

fn submission(options: &Options, settings: Settings) -> Result<Submission, Failure> {
    Ok(Submission {
        certificate: None,
        terms: AuthTerms::default(),
        credentials: credentials(&settings)?,
        host: settings.host,
        port: settings.port,
        protection: settings.protection,
        ca: settings.ca,
        choice: settings
            .auth
            .map_or(MechanismChoice::Strongest, MechanismChoice::Only),
        show: if options.verbose {
            Show::Always
        } else {
            Show::Never
        },
    })
}

/// Fails when a recipient was refused, with a line for each.
fn all_accepted(envelope: &Envelope, report: &SendReport) -> Result<(), Failure> {
    let refused: Vec<_> = envelope
        .recipients
        .iter()
        .zip(&report.recipients)
        .filter_map(|(recipient, outcome)| Some((recipient, outcome.as_ref().err()?)))
        .collect();
    let Some((_, first)) = refused.first() else {
        return Ok(());
    };
    let lines: Vec<_> = refused
        .iter()
        .map(|(recipient, reply)| format!("{}: {reply}", recipient.path.address()))
        .collect();
    let status = if first.code.is_transient() {
        Status::TempFail
    } else {
        Status::NoUser
    };
    Err(Failure::new(status, lines.join("\n")))
}

/// Who sends: as told, as configured, as the message says, or as the user at the server.
fn sender(
    options: &Options,
    settings: &Settings,
    message: &Message,
) -> Result<ReversePath, Failure> {
    if options
        .sender
        .as_deref()
        .is_some_and(|it| it.is_empty() || it == "<>")
    {
        return Ok(ReversePath::Null);
    }
    let given = options.sender.clone().or_else(|| settings.from.clone());
    let found = given
        .or_else(|| message.author())
        .or_else(|| settings.user.clone().filter(|user| user.contains('@')));
    let text = found.ok_or_else(|| {
        Failure::new(
            Status::Usage,
            "no sender\n    name it with -f ADDRESS, or as `from` in sendmail.toml",
        )
    })?;
    Ok(address(&text)?.into())
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, Failure> {
    texts
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(address)
        .collect()
}

fn address(text: &str) -> Result<Address, Failure> {
    crate::cli::send::address(text).map_err(|error| match error {
        CommandError::Usage(text) | CommandError::Failed(text) => Failure::new(Status::Usage, text),
    })
}

fn credentials(settings: &Settings) -> Result<Option<Credentials>, Failure> {
    let Some(user) = &settings.user else {
        return Ok(None);
    };
    let Some(file) = &settings.password_file else {
        return Err(Failure::new(
            Status::Config,
            "sendmail.toml: `user` needs `password_file`, a file that holds the password and nothing else",
        ));
    };
    let text = std::fs::read_to_string(file)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| Failure::new(Status::Config, format!("{}: {error}", file.display())))?;
    let line = text.lines().next().unwrap_or_default();
    Ok(Some(Credentials {
        authcid: user.clone(),
        authzid: None,
        credential: Credential::Password(Secret::new(line.as_bytes())),
    }))
}

fn status(error: &Error) -> Status {
    match error {
        _ if error.is_transient() => Status::TempFail,
        Error::Address(_) => Status::Config,
        Error::Credential(_) | Error::Downgrade(_) => Status::NoPermission,
        _ => Status::Unavailable,
    }
}
