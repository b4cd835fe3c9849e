//! The dialogue as it happens, line by line, for people who want to see it. Secrets are hidden.
//!
//! What is hidden follows from where the dialogue stands, not from what a line looks like: of the lines of an authentication,
//! commands are shown without their data, and everything else we send is hidden. The content of a message is only counted.

use std::fmt;
use std::sync::Arc;

use gatepost_smtp::TlsFacts;

/// Longest start of a line that is kept to show it, in octets.
const SHOWN: usize = 1024;

/// Something that happened in a dialogue.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// We said this line.
    Sent(&'a str),
    /// We said AUTH and the mechanism, and an initial response that is hidden.
    SentAuth(&'a str),
    /// We said a line of an authentication exchange.
    SentSecret,
    /// We sent so many octets of content since the server spoke last: dots doubled and the final one included, or chunks with their BDAT.
    SentContent(u64),
    /// The server said this line. It may hold anything.
    Received(&'a str),
    /// TLS protects what follows.
    TlsStarted(&'a TlsFacts),
}

/// Who is told.
#[derive(Clone)]
pub(crate) struct Watcher(pub(crate) Arc<dyn Fn(Seen<'_>) + Send + Sync>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

/// Cuts what is sent and received into lines and tells them.
pub(crate) struct Trace {
    watcher: Watcher,
    authenticating: bool,
    /// Octets of content that were not told yet.
    content: u64,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Trace {
    pub(crate) fn new(watcher: Watcher) -> Self {
        Self {
            watcher,
            authenticating: false,
            content: 0,
            // It never grows, so that no copy of a secret is left behind.
            sent: Vec::with_capacity(SHOWN),
            received: Vec::new(),
        }
    }

    /// The next command begins.
    pub(crate) fn command(&mut self, is_authentication: bool) {
        self.authenticating = is_authentication;
    }

    pub(crate) fn tls_started(&self, facts: &TlsFacts) {
        (self.watcher.0)(Seen::TlsStarted(facts));
    }

    pub(crate) fn sent(&mut self, octets: &[u8], is_content: bool) {
        if is_content {
            self.content += octets.len() as u64;
            return;
        }
        for &octet in octets {
            match octet {
                b'\n' => self.tell_sent(),
                _ if self.sent.len() < SHOWN => self.sent.push(octet),
                _ => {}
            }
        }
    }

    pub(crate) fn received(&mut self, octets: &[u8]) {
        if self.content > 0 {
            (self.watcher.0)(Seen::SentContent(std::mem::take(&mut self.content)));
        }
        for &octet in octets {
            match octet {
                b'\n' => {
                    let line = String::from_utf8_lossy(&self.received);
                    (self.watcher.0)(Seen::Received(line.trim_end_matches('\r')));
                    self.received.clear();
                }
                _ if self.received.len() < SHOWN => self.received.push(octet),
                _ => {}
            }
        }
    }

    fn tell_sent(&mut self) {
        let line = String::from_utf8_lossy(&self.sent);
        let line = line.trim_end_matches('\r');
        let seen = if self.authenticating {
            without_secret(line)
        } else {
            Seen::Sent(line)
        };
        (self.watcher.0)(seen);
        self.sent.fill(0);
        self.sent.clear();
    }
}

/// Lines of an authentication: base64 has no space in it, so a line with one is a command. The server may also have to be greeted
/// again under TLS.
fn without_secret(line: &str) -> Seen<'_> {
    let data = line
        .strip_prefix("AUTH ")
        .map(|rest| rest.find(' ').map(|space| line.len() - rest.len() + space));
    match data {
        Some(Some(space)) => Seen::SentAuth(line.get(..space).unwrap_or_default()),
        Some(None) => Seen::Sent(line),
        None if line.starts_with("EHLO ") || line == "STARTTLS" || line == "*" => Seen::Sent(line),
        None => Seen::SentSecret,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn traced(act: impl FnOnce(&mut Trace)) -> Vec<String> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let mut trace = Trace::new(Watcher(Arc::new(move |one| {
            told.lock().unwrap().push(format!("{one:?}"));
        })));
        act(&mut trace);
        seen.lock().unwrap().clone()
    }

    #[test]
    fn lines_are_told_whole_however_they_are_cut() {
        let seen = traced(|trace| {
            trace.received(b"220 a\r\n250-");
            trace.received(b"b\r\n");
            trace.sent(b"EH", false);
            trace.sent(b"LO x\r\nMAIL\r\n", false);
        });
        assert_eq!(
            seen,
            [
                r#"Received("220 a")"#,
                r#"Received("250-b")"#,
                r#"Sent("EHLO x")"#,
                r#"Sent("MAIL")"#
            ]
        );
    }

    #[test]
    fn an_authentication_shows_no_data() {
        let seen = traced(|trace| {
            trace.command(true);
            trace.sent(b"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", false);
            trace.sent(b"AUTH LOGIN\r\n", false);
            trace.received(b"334 VXNlcm5hbWU6\r\n");
            trace.sent(b"dXNl", false);
            trace.sent(b"cg==\r\nAUTHxyz\r\n\r\n*\r\nEHLO x\r\n", false);
            trace.command(false);
            trace.sent(b"QUIT\r\n", false);
        });
        let expected = [
            r#"SentAuth("AUTH PLAIN")"#,
            r#"Sent("AUTH LOGIN")"#,
            r#"Received("334 VXNlcm5hbWU6")"#,
            "SentSecret",
            "SentSecret",
            "SentSecret",
            r#"Sent("*")"#,
            r#"Sent("EHLO x")"#,
            r#"Sent("QUIT")"#,
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn content_is_counted() {
        let seen = traced(|trace| {
            trace.sent(b"BDAT 12\r\nSubject: x\r\n", true);
            trace.received(b"250 ok\r\n");
            trace.sent(b"Subject: x\r\n", true);
            trace.sent(b"\r\n.\r\n", true);
            trace.received(b"250 ok\r\n");
            trace.sent(b"QUIT\r\n", false);
        });
        assert_eq!(
            seen,
            [
                "SentContent(21)",
                r#"Received("250 ok")"#,
                "SentContent(17)",
                r#"Received("250 ok")"#,
                r#"Sent("QUIT")"#
            ]
        );
    }
}
