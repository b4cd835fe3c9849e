//! The questions, on a terminal: standard error asks, standard input answers. Where nobody can be asked, the default holds.

use std::io::{IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::CommandError;

/// Who may send, when nothing else is said.
const AUTHENTICATED: &str = "authenticated";

/// Whether and whom to ask.
pub(super) struct Questions {
    ask: bool,
    /// Every default was accepted beforehand.
    accepted: bool,
}

impl Questions {
    /// Asks when standard input is a terminal, unless every default was accepted beforehand.
    pub(super) fn new(accept_defaults: bool) -> Self {
        Self {
            ask: !accept_defaults && std::io::stdin().is_terminal(),
            accepted: accept_defaults,
        }
    }

    pub(super) fn may_ask(&self) -> bool {
        self.ask
    }

    /// The name of the server.
    pub(super) fn hostname(
        &self,
        given: Option<&str>,
        found: Option<&str>,
    ) -> Result<String, CommandError> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let answer = self.answer(
            "1. Name of this server, as mail programs connect to it",
            found.unwrap_or_default(),
        )?;
        if answer.is_empty() {
            return Err(CommandError::Usage(
                "this machine does not know its full name: give it with --hostname".to_owned(),
            ));
        }
        Ok(answer)
    }

    /// The first account.
    pub(super) fn account(&self, given: Option<&str>) -> Result<Option<String>, CommandError> {
        let name = match given {
            Some(given) => given.to_owned(),
            None => self.answer(
                "2. Users have accounts and passwords in Gatepost's own store. The first account, an address such as \
                 alice@example.com",
                "none",
            )?,
        };
        Ok(Some(name).filter(|name| name != "none"))
    }

    /// Where mail goes.
    pub(super) fn destination(&self, given: Option<&str>) -> Result<String, CommandError> {
        match given {
            Some(given) => Ok(given.to_owned()),
            None => self.answer(
                "3. Where does mail go? HOST:PORT of the next server, `hold` (queue it until released) or `capture` (keep, \
                 never send)",
                "hold",
            ),
        }
    }

    /// The user name at the next server.
    pub(super) fn next_hop_user(&self) -> Result<Option<String>, CommandError> {
        let user = self.answer("   User name there, or nothing if it wants none", "")?;
        Ok(Some(user).filter(|user| !user.is_empty()))
    }

    /// The password at the next server.
    pub(super) fn next_hop_password(&self) -> Result<Zeroizing<String>, CommandError> {
        if !self.ask {
            return Err(CommandError::Usage(
                "--to-user needs a password: add --to-password-file or --to-password-stdin"
                    .to_owned(),
            ));
        }
        let hidden = Hidden::begin();
        let password = Zeroizing::new(self.answer("   Password there (not shown)", "")?);
        drop(hidden);
        let _ = writeln!(std::io::stderr());
        Ok(password)
    }

    /// Networks of old devices.
    pub(super) fn networks(&self, given: &[String]) -> Result<Vec<String>, CommandError> {
        let given = if given.is_empty() {
            let answer = self.answer(
                "4. Who may send? `authenticated`: whoever proves who they are; or networks such as 192.168.7.0/24, whose old \
                 devices may do so in clear text as well",
                AUTHENTICATED,
            )?;
            answer
                .split([' ', ','])
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        } else {
            given.to_vec()
        };
        Ok(given
            .into_iter()
            .filter(|word| word != AUTHENTICATED)
            .collect())
    }

    /// Whether to make a certificate for trial.
    pub(super) fn trial_certificate(&self, hostname: &str) -> Result<bool, CommandError> {
        if !self.ask {
            return Ok(self.accepted);
        }
        let question = format!(
            "   There is no certificate for {hostname} on this machine. Make one for a trial, which every client must be told to \
             trust (yes, no)"
        );
        Ok(self
            .answer(&question, "yes")?
            .to_ascii_lowercase()
            .starts_with('y'))
    }

    /// One line, or the default.
    fn answer(&self, question: &str, default: &str) -> Result<String, CommandError> {
        if !self.ask {
            return Ok(default.to_owned());
        }
        let shown = if default.is_empty() {
            String::new()
        } else {
            format!(" [{default}]")
        };
        let failed = |error: std::io::Error| CommandError::Failed(format!("terminal: {error}"));
        write!(std::io::stderr(), "{question}{shown}: ").map_err(failed)?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).map_err(failed)? == 0 {
            return Err(CommandError::Failed(
                "no answer; nothing was written".to_owned(),
            ));
        }
        let answer = line.trim();
        Ok(if answer.is_empty() { default } else { answer }.to_owned())
    }
}

/// While it lives, what is typed is not shown.
struct Hidden(Option<Termios>);

impl Hidden {
    fn begin() -> Self {
        let Ok(before) = tcgetattr(std::io::stdin()) else {
            return Self(None);
        };
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let hidden = tcsetattr(std::io::stdin(), OptionalActions::Now, &silent).is_ok();
        Self(hidden.then_some(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}
