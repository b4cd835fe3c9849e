//! The log: one line per event, written to standard error.
//!
//! As `key=value` pairs: `time=… level=… event=… peer=… session=… … reason=…`, or as one JSON object with the same keys. Values from peers are
//! quoted and escaped (`escape`), the address comes first and is ours, so that no peer can forge a line or a field (T-52). Lines are
//! written in batches ([`writer`]). A log that cannot be written is no reason to stop serving mail, nor is one that strangers try to
//! fill ([`flood`]).

mod flood;
mod writer;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::Sink;
use super::escape::escape_into;
use super::event::{Event, Fields, Level, LogGap};
use flood::Flood;
use writer::Writer;

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
pub struct Log {
    format: LogFormat,
    least: Level,
    flood: Mutex<Flood>,
    writer: Writer,
}

impl Log {
    /// A log of all events of at least this level. Fails when the system has no thread to give.
    pub fn new(
        format: LogFormat,
        least: Level,
        output: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        Ok(Self {
            format,
            least,
            flood: Mutex::default(),
            writer: Writer::start(output)?,
        })
    }

    fn write(&self, at: SystemTime, event: &Event) {
        let lost = self.writer.push(&render(self.format, at, event));
        if lost > 0 {
            self.gap(at, "all", lost);
        }
    }

    fn gap(&self, at: SystemTime, kind: &'static str, lines: u64) {
        let gap = LogGap { kind, lines }.into();
        // Told by the next line that finds room, if this one does not.
        let _ = self.writer.push(&render(self.format, at, &gap));
    }
}

impl Sink for Log {
    fn observe(&self, at: SystemTime, event: &Event) {
        if event.record().level() < self.least {
            return;
        }
        let flood = &mut self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        let (admitted, left_out) = flood.admit(at, event);
        for (kind, lines) in left_out {
            self.gap(at, kind, lines);
        }
        if admitted {
            self.write(at, event);
        }
    }

    fn flush(&self) {
        self.writer.flush();
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
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::observe::event::{AuthAttempt, AuthResult, ConnectionRefused};
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
            trace: None,
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

    /// T-52, V-62, V-63: a user name cannot forge a line, a field, or a terminal command.
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

    /// What a log wrote.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of a log of this level that observed these events, each at its second.
    fn lines(least: Level, events: impl IntoIterator<Item = (u64, Event)>) -> Vec<String> {
        let written = Written::default();
        let log = Log::new(LogFormat::Text, least, written.clone()).unwrap();
        for (second, event) in events {
            log.observe(SystemTime::UNIX_EPOCH + Duration::from_secs(second), &event);
        }
        drop(log);
        let octets = written.0.lock().unwrap();
        let text = String::from_utf8_lossy(&octets);
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_below_the_least_level_are_left_out() {
        assert_eq!(
            lines(Level::Warn, [(0, attempt("fred"))]),
            Vec::<String>::new()
        );
        assert_eq!(lines(Level::Info, [(0, attempt("fred"))]).len(), 1);
    }

    /// T-38: a flood of strangers does not fill the log, and is seen in it.
    #[test]
    fn a_flood_is_counted_and_not_written() {
        let refused = || -> Event {
            ConnectionRefused {
                peer: "192.0.2.7".parse().unwrap(),
                proxy: None,
                listener: "l".into(),
                reason: Reason::TooManyConnections,
                detail: None,
                id: None,
            }
            .into()
        };
        let mut events: Vec<_> = (0..5_000).map(|_| (7, refused())).collect();
        events.push((7, attempt("fred")));
        events.push((8, refused()));
        let lines = lines(Level::Info, events);
        assert_eq!(
            lines.len(),
            103,
            "100 of them, the attempt, the gap, the next one"
        );
        assert!(
            lines[100].contains("authcid=fred"),
            "others are not held back"
        );
        assert!(
            lines[101].ends_with("event=log-gap kind=connection-refused lines=4900"),
            "{}",
            lines[101]
        );
    }
}
