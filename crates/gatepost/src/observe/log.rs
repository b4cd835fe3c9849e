//! The log: one line per event, written to standard error.
//!
//! As `key=value` pairs: `time=… level=… event=… peer=… session=… … reason=…`, or as one JSON object with the same keys. Values from peers are
//! quoted and escaped (`escape`), the address comes first and is ours, so that no peer can forge a line or a field (T-52). A line
//! is one write. A log that cannot be written is no reason to stop serving mail.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::Sink;
use super::escape::escape_into;
use super::event::{Event, Fields, Level};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs.
    #[default]
    Text,
    /// JSON objects.
    Json,
}

/// The sink that writes lines.
pub struct Log<W> {
    format: LogFormat,
    least: Level,
    writer: Mutex<W>,
}

impl<W: Write> Log<W> {
    /// A log of all events of at least this level.
    pub fn new(format: LogFormat, least: Level, writer: W) -> Self {
        Self {
            format,
            least,
            writer: Mutex::new(writer),
        }
    }
}

impl<W: Write + Send> Sink for Log<W> {
    fn observe(&self, at: SystemTime, event: &Event) {
        if event.record().level() < self.least {
            return;
        }
        let line = render(self.format, at, event);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writer.write_all(line.as_bytes());
    }
}

/// The line of this event, with its line end.
fn render(format: LogFormat, at: SystemTime, event: &Event) -> String {
    let record = event.record();
    let mut line = Line {
        format,
        text: String::with_capacity(256),
    };
    line.text("time", &timestamp(at));
    line.text("level", record.level().as_str());
    line.text("event", record.name());
    record.fields(&mut line);
    if let Some(reason) = record.reason() {
        line.text("reason", reason);
    }
    if format == LogFormat::Json {
        line.text.push('}');
    }
    line.text.push('\n');
    line.text
}

/// UTC, to the millisecond, in the form of RFC 3339.
fn timestamp(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default()
}

struct Line {
    format: LogFormat,
    text: String,
}

impl Line {
    fn key(&mut self, key: &'static str) {
        match self.format {
            LogFormat::Text => {
                if !self.text.is_empty() {
                    self.text.push(' ');
                }
                self.text.push_str(key);
                self.text.push('=');
            }
            LogFormat::Json => {
                let before = if self.text.is_empty() { '{' } else { ',' };
                self.text.push(before);
                self.quoted(key);
                self.text.push(':');
            }
        }
    }

    fn quoted(&mut self, value: &str) {
        self.text.push('"');
        escape_into(&mut self.text, value);
        self.text.push('"');
    }
}

impl Fields for Line {
    fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        if self.format == LogFormat::Text && needs_no_quotes(value) {
            self.text.push_str(value);
        } else {
            self.quoted(value);
        }
    }

    fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{value}");
    }
}

fn needs_no_quotes(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:@/+<>[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::event::{AuthAttempt, AuthResult};
    use crate::observe::reason::Reason;

    fn attempt(authcid: &str) -> Event {
        AuthAttempt {
            peer: "192.0.2.7".parse().unwrap(),
            listener: "[::]:587".into(),
            session: "K7Q2M4ZP".into(),
            id: Some("K7Q2M4ZP.1".into()),
            mechanism: "PLAIN",
            authcid: Some(authcid.into()),
            authzid: None,
            tls: Some("TLSv1.3".into()),
            result: AuthResult::Lost,
            reason: Reason::CredentialsInvalid,
            account: None,
            credential: None,
        }
        .into()
    }

    #[test]
    fn a_line_has_time_level_event_address_and_reason() {
        let line = render(LogFormat::Text, SystemTime::UNIX_EPOCH, &attempt("fred"));
        assert_eq!(
            line,
            "time=1970-01-01T00:00:00.000Z level=info event=auth peer=192.0.2.7 listener=[::]:587 session=K7Q2M4ZP \
             id=K7Q2M4ZP.1 result=failed mechanism=PLAIN authcid=fred tls=TLSv1.3 reason=credentials-invalid\n"
        );
    }

    #[test]
    fn json_carries_the_same_fields() {
        let line = render(
            LogFormat::Json,
            SystemTime::UNIX_EPOCH,
            &attempt("f \"r\" e\nd"),
        );
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["authcid"], "f \"r\" e\nd");
        assert_eq!(object["reason"], "credentials-invalid");
        assert_eq!(line.matches('\n').count(), 1);
    }

    /// T-52: a user name cannot forge a line, a field, or a terminal command.
    #[test]
    fn a_hostile_name_stays_inside_its_value() {
        let name = "x from 1.2.3.4\npeer=198.51.100.1 reason=ok\u{1b}[2J\" rhost=";
        let line = render(LogFormat::Text, SystemTime::UNIX_EPOCH, &attempt(name));
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains('\u{1b}'));
        assert_eq!(line.matches("peer=192.0.2.7").count(), 1);
        assert!(line.contains(
            r#"authcid="x from 1.2.3.4\npeer=198.51.100.1 reason=ok\u001b[2J\" rhost=" tls"#
        ));
        assert!(line.ends_with("reason=credentials-invalid\n"));
    }

    #[test]
    fn lines_below_the_least_level_are_left_out() {
        let log = Log::new(LogFormat::Text, Level::Warn, Vec::new());
        log.observe(SystemTime::UNIX_EPOCH, &attempt("fred"));
        assert!(log.writer.into_inner().unwrap().is_empty());
    }
}
