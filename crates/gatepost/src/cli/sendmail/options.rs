//! The options that programs give to `sendmail`, as Sendmail and Postfix document them. What only matters to a server of its own is
//! taken and means nothing.

use std::path::PathBuf;

use gatepost_client::{EnvelopeId, Notify, Ret};

use super::{Failure, Status};

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// `-t`
    pub(super) recipients_in_message: bool,
    /// `-i`: a line with a dot alone does not end the message.
    pub(super) ignore_dots: bool,
    /// `-f`, `-r`
    pub(super) sender: Option<String>,
    /// `-F`
    pub(super) full_name: Option<String>,
    /// `-N`
    pub(super) notify: Option<Notify>,
    /// `-R`
    pub(super) ret: Option<Ret>,
    /// `-V`
    pub(super) envelope_id: Option<EnvelopeId>,
    /// `-v`
    pub(super) verbose: bool,
    /// `-C`
    pub(super) configuration: Option<PathBuf>,
    pub(super) recipients: Vec<String>,
}

impl Options {
    /// Reads the arguments behind the program's name.
    pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut letters = match argument.strip_prefix('-') {
                Some("-") => {
                    options.recipients.extend(arguments.by_ref());
                    break;
                }
                Some(letters) if !letters.is_empty() => letters.chars(),
                _ => {
                    options.recipients.push(argument);
                    continue;
                }
            };
            while let Some(letter) = letters.next() {
                let takes_all = options.switch(letter, letters.as_str(), &argument)?;
                if takes_all {
                    break;
                }
                if TAKES_VALUE.contains(letter) {
                    let attached = letters.as_str().to_owned();
                    let value = if attached.is_empty() {
                        arguments.next().ok_or_else(|| wrong(&argument))?
                    } else {
                        attached
                    };
                    options.value(letter, value)?;
                    break;
                }
            }
        }
        Ok(options)
    }

    /// An option without a value of its own. True if the rest of the argument belongs to it.
    fn switch(&mut self, letter: char, rest: &str, argument: &str) -> Result<bool, Failure> {
        match letter {
            't' => self.recipients_in_message = true,
            'i' => self.ignore_dots = true,
            'v' => self.verbose = true,
            'o' => {
                self.ignore_dots |= rest == "i";
                return Ok(true);
            }
            'b' if rest == "m" => return Ok(true),
            'b' => {
                return Err(Failure::new(
                    Status::Usage,
                    format!(
                        "{argument}: this sendmail only sends messages\n    the server is `gatepost serve`, the queue `gatepost queue`"
                    ),
                ));
            }
            'A' | 'd' | 'e' => return Ok(true),
            'G' | 'm' | 'n' | 'U' => {}
            _ if TAKES_VALUE.contains(letter) => {}
            _ => return Err(wrong(argument)),
        }
        Ok(false)
    }

    fn value(&mut self, letter: char, value: String) -> Result<(), Failure> {
        let fault = |_| {
            Failure::new(
                Status::Usage,
                format!(
                    "-{letter} {}: not a value of this option",
                    value.escape_default()
                ),
            )
        };
        match letter {
            'f' | 'r' => self.sender = Some(value),
            'F' => self.full_name = Some(value),
            'C' => self.configuration = Some(value.into()),
            'N' => self.notify = Some(Notify::parse(&value).map_err(fault)?),
            'R' => self.ret = Some(Ret::parse(&value).map_err(fault)?),
            'V' => self.envelope_id = Some(EnvelopeId::parse(&value).map_err(fault)?),
            _ => {}
        }
        Ok(())
    }
}

/// Options that take a value, attached or as the next argument. `B`, `h`, `L`, `O`, `p` and `X` mean nothing here.
const TAKES_VALUE: &str = "frFCNRVBhLOpX";

fn wrong(argument: &str) -> Failure {
    Failure::new(
        Status::Usage,
        format!(
            "{}: no such option, or its value is missing",
            argument.escape_default()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options, Failure> {
        Options::parse(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn as_programs_call_it() {
        // cron, PHP's default, mutt, git send-email, mdadm.
        let cron = parse("-FCronDaemon -i -B8BITMIME -oem root").unwrap();
        assert_eq!(cron.full_name.as_deref(), Some("CronDaemon"));
        assert!(cron.ignore_dots && cron.recipients == ["root"]);
        let php = parse("-t -i").unwrap();
        assert!(php.recipients_in_message && php.ignore_dots);
        let mutt = parse("-oem -oi -f me@example.com -N failure,delay -R hdrs -- -odd@example.com")
            .unwrap();
        assert_eq!(mutt.sender.as_deref(), Some("me@example.com"));
        assert_eq!(mutt.recipients, ["-odd@example.com"]);
        assert_eq!(mutt.ret, Some(Ret::Headers));
        assert!(mutt.ignore_dots && mutt.notify.is_some());
        assert!(parse("-ti").unwrap().ignore_dots);
        assert_eq!(parse("-bm -rme@x.example a").unwrap().recipients, ["a"]);
    }

    #[test]
    fn what_it_is_not() {
        for words in ["-bs", "-bd", "-bp", "-q", "-f", "-N sometimes", "-z"] {
            assert_eq!(parse(words).unwrap_err().status, Status::Usage, "{words}");
        }
    }
}
