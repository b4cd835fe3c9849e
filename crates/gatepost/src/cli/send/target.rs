//! Where to send, as whom, and in whose name: from the arguments, with defaults for the development server.

use std::path::PathBuf;

use gatepost_client::Secret;
use gatepost_sasl::Needs;

use super::{Arguments, Protection};
use crate::cli::CommandError;
use crate::cli::dev;

/// Whom the development server's test message is for; it goes nowhere. A guest's is for the account: guests may send to nobody else.
const ANYBODY: &str = "you@example.com";

/// Everything about a submission but its content.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
    pub(super) ca: Option<PathBuf>,
    /// Certificate and key of the development server's account.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    pub(super) user: Option<String>,
    /// A password that is known without asking.
    pub(super) password: Option<Secret>,
    pub(super) sender: String,
    pub(super) recipients: Vec<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) dev: bool,
}

impl Target {
    pub(super) fn of(arguments: &Arguments) -> Result<Self, CommandError> {
        if arguments.dev {
            Self::dev(arguments)
        } else {
            Self::given(arguments)
        }
    }

    fn given(arguments: &Arguments) -> Result<Self, CommandError> {
        let mut places = arguments.places.iter();
        let server = places.next().ok_or_else(|| {
            CommandError::Usage("name the server as HOST:PORT, or use --dev".to_owned())
        })?;
        let (host, port) = split(server)?;
        let port = port.unwrap_or_else(|| Protection::default_port(arguments.tls));
        let protection = arguments.tls.or_else(|| Protection::implied_by(port));
        let sender = arguments
            .from
            .clone()
            .or_else(|| arguments.user.clone().filter(|user| user.contains('@')));
        let sender = sender
            .ok_or_else(|| CommandError::Usage("name the sender with --from ADDRESS".to_owned()))?;
        if arguments.to.is_empty() && !arguments.recipients_in_message {
            return Err(CommandError::Usage(
                "name a recipient with --to ADDRESS, or add -t to take them from the message"
                    .to_owned(),
            ));
        }
        Ok(Self {
            host,
            port,
            protection: protection.unwrap_or(Protection::Starttls),
            ca: arguments.ca.clone(),
            certificate: None,
            user: arguments.user.clone(),
            password: None,
            sender,
            recipients: arguments.to.clone(),
            file: places.next().map(PathBuf::from),
            dev: false,
        })
    }

    fn dev(arguments: &Arguments) -> Result<Self, CommandError> {
        let ([] | [_]) = arguments.places.as_slice() else {
            return Err(CommandError::Usage(
                "--dev knows the server already: only a FILE can be named".to_owned(),
            ));
        };
        let protection = arguments.tls.unwrap_or(Protection::Starttls);
        let directory = arguments.dir.clone().unwrap_or_else(dev::default_directory);
        let address = match protection {
            Protection::Starttls => dev::SMTP,
            Protection::Implicit => dev::SMTPS,
            Protection::None => dev::LEGACY,
        };
        let user = arguments
            .user
            .clone()
            .unwrap_or_else(|| dev::ACCOUNT.to_owned());
        Ok(Self {
            host: address.ip().to_string(),
            port: address.port(),
            protection,
            certificate: Some((directory.join("client.pem"), directory.join("client.key"))),
            ca: arguments.ca.clone().or_else(|| {
                Some(directory.join("ca.pem")).filter(|_| protection != Protection::None)
            }),
            password: (user == dev::ACCOUNT).then(|| Secret::new(dev::PASSWORD.as_bytes())),
            sender: arguments
                .from
                .clone()
                .unwrap_or_else(|| dev::ACCOUNT.to_owned()),
            user: Some(user),
            recipients: if arguments.to.is_empty() && !arguments.recipients_in_message {
                let guest = arguments.auth.is_some_and(|it| it.needs == Needs::Nothing);
                vec![if guest { dev::ACCOUNT } else { ANYBODY }.to_owned()]
            } else {
                arguments.to.clone()
            },
            file: arguments.places.first().map(PathBuf::from),
            dev: true,
        })
    }
}

/// `host`, `host:port`, `[address]`, `[address]:port`, or an IPv6 address alone.
pub(in crate::cli) fn split(server: &str) -> Result<(String, Option<u16>), CommandError> {
    let wrong = || CommandError::Usage(format!("`{}` is not HOST:PORT", server.escape_default()));
    let (host, port) = match server
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
        None if server.matches(':').count() > 1 => (server, None),
        None => server
            .split_once(':')
            .map_or((server, None), |(host, port)| (host, Some(port))),
    };
    let port = port
        .map(str::parse::<u16>)
        .transpose()
        .map_err(|_| wrong())?;
    if host.is_empty() || port == Some(0) {
        Err(wrong())
    } else {
        Ok((host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_as_people_write_them() {
        let table = [
            ("smtp.example.com:25", Some(("smtp.example.com", Some(25)))),
            ("smtp.example.com", Some(("smtp.example.com", None))),
            ("127.0.0.1:2587", Some(("127.0.0.1", Some(2587)))),
            ("[::1]:587", Some(("::1", Some(587)))),
            ("[::1]", Some(("::1", None))),
            ("::1", Some(("::1", None))),
            ("", None),
            (":25", None),
            ("host:", None),
            ("host:0", None),
            ("host:65536", None),
            ("host:smtp", None),
            ("[::1]x", None),
        ];
        for (text, expected) in table {
            let found = split(text).ok();
            assert_eq!(
                found.as_ref().map(|(host, port)| (host.as_str(), *port)),
                expected,
                "{text}"
            );
        }
    }
}
