//! The message and the password, as they come from a file and from standard input.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use gatepost_client::Secret;
use gatepost_smtp::path::{ForwardPath, ReversePath};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::cli::CommandError;
use crate::message::fixup::date;

/// What was read.
pub(super) struct Input {
    /// The password, if it was to be read.
    pub(super) password: Option<Secret>,
    /// The message, with any line ends.
    pub(super) message: Vec<u8>,
}

impl Input {
    /// Reads the file, or standard input, or makes up a test message.
    pub(super) fn read(
        file: Option<&Path>,
        password_first: bool,
        sender: &ReversePath,
        recipients: &[ForwardPath],
    ) -> Result<Self, CommandError> {
        let mut given = Zeroizing::new(Vec::new());
        let mut stdin = std::io::stdin().lock();
        if password_first || (file.is_none() && !stdin.is_terminal()) {
            stdin.read_to_end(&mut given).map_err(|error| {
                CommandError::Failed(format!("cannot read standard input: {error}"))
            })?;
        }
        let (password, rest) = if password_first {
            let (password, rest) = split_password(&given)?;
            (Some(password), rest)
        } else {
            (None, given.as_slice())
        };
        let message = match file {
            Some(file) => std::fs::read(file)
                .map_err(|error| CommandError::Failed(format!("{}: {error}", file.display())))?,
            None if rest.is_empty() => test_message(sender, recipients),
            None => rest.to_vec(),
        };
        Ok(Self { password, message })
    }
}

/// The password on the first line of standard input, for commands that read nothing else.
pub(in crate::cli) fn password_line() -> Result<Secret, CommandError> {
    let mut given = Zeroizing::new(Vec::new());
    std::io::stdin()
        .lock()
        .read_to_end(&mut given)
        .map_err(|error| CommandError::Failed(format!("cannot read standard input: {error}")))?;
    split_password(&given).map(|(password, _)| password)
}

/// The first line without its line end, and the rest.
fn split_password(given: &[u8]) -> Result<(Secret, &[u8]), CommandError> {
    let end = given.iter().position(|&octet| octet == b'\n');
    let (line, rest) = match end.and_then(|end| given.split_at_checked(end + 1)) {
        Some((line, rest)) => (line.strip_suffix(b"\n").unwrap_or(line), rest),
        None => (given, given.get(given.len()..).unwrap_or_default()),
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(CommandError::Usage(
            "no password on the first line of standard input".to_owned(),
        ));
    }
    Ok((Secret::new(line), rest))
}

fn test_message(sender: &ReversePath, recipients: &[ForwardPath]) -> Vec<u8> {
    let from = sender
        .address()
        .map_or_else(|| "MAILER-DAEMON@localhost".to_owned(), ToString::to_string);
    let to: Vec<String> = recipients
        .iter()
        .map(|path| path.address().to_string())
        .collect();
    let text = format!(
        "From: {from}\r\nTo: {}\r\nSubject: Test message\r\nDate: {}\r\n\r\nSent by `gatepost send`.\r\n",
        to.join(",\r\n "),
        date(Timestamp::now()),
    );
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_first_line_and_nothing_else() {
        let table = [
            ("s3cret", Some(("s3cret", ""))),
            ("s3cret\n", Some(("s3cret", ""))),
            (
                "s3cret\r\nFrom: a\n\nb\n",
                Some(("s3cret", "From: a\n\nb\n")),
            ),
            (" s p \n\n", Some((" s p ", "\n"))),
            ("", None),
            ("\nFrom: a\n", None),
        ];
        for (given, expected) in table {
            let found = split_password(given.as_bytes()).ok();
            let found = found
                .as_ref()
                .map(|(password, rest)| (password.expose(), *rest));
            let expected = expected.map(|(password, rest)| (password.as_bytes(), rest.as_bytes()));
            assert_eq!(found, expected, "{given:?}");
        }
    }

    #[test]
    fn the_test_message_names_its_sender_and_recipients() {
        let recipients = ["a@b.example", "c@d.example"]
            .map(|text| ForwardPath::parse(text, "here.example").unwrap());
        let text = String::from_utf8(test_message(
            &ReversePath::parse("me@own.example").unwrap(),
            &recipients,
        ))
        .unwrap();
        assert!(
            text.starts_with(
                "From: me@own.example\r\nTo: a@b.example,\r\n c@d.example\r\nSubject: "
            ),
            "{text}"
        );
    }
}
