//! Plays one side of a transcript and compares what the other side says, to the octet.
//!
//! Before we send, everything the other side has said must have been expected: a reply too many is noticed where it stands. The
//! numbers of short ids count the refusals of the dialogue without a gap.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;

use crate::transcript::escape::show;
use crate::transcript::{Action, Fault, Pattern, Scene, Side, Transcript};
use crate::wire::{Inside, Received, Wire};

/// Lines of the dialogue that a message shows.
const CONTEXT: usize = 6;

/// Plays one scene of `transcript`.
pub fn play(transcript: &Transcript, scene: &Scene, wire: &mut dyn Wire) -> Result<(), Mismatch> {
    let mut player = Player {
        wire,
        heard: Vec::new(),
        closed: false,
        segment: Vec::new(),
        events: VecDeque::new(),
        refusals: Refusals::default(),
        said: VecDeque::new(),
    };
    let outcome = scene
        .steps
        .iter()
        .enumerate()
        .try_for_each(|(index, step)| {
            let next = scene.steps.get(index + 1).map(|step| &step.action);
            player
                .act(&step.action, next)
                .map_err(|what| (step.line, what))
        })
        .and_then(|()| {
            player
                .end(&transcript.side)
                .map_err(|what| (last_line(scene), what))
        });
    outcome.map_err(|(line, what)| Mismatch {
        place: place(&transcript.path, line, scene.ending.as_deref(), what),
        before: player.said.into(),
    })
}

fn last_line(scene: &Scene) -> usize {
    scene.steps.last().map_or(0, |step| step.line)
}

fn place(path: &Path, line: usize, ending: Option<&str>, what: String) -> Fault {
    let what = match ending {
        Some(ending) => format!("(ending {ending:?}) {what}"),
        None => what,
    };
    Fault::new(path, line, what)
}

/// Where a dialogue went otherwise than written.
#[derive(Debug)]
pub struct Mismatch {
    place: Fault,
    before: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  after:", self.place)?;
        self.before
            .iter()
            .try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl std::error::Error for Mismatch {}

struct Player<'a> {
    wire: &'a mut dyn Wire,
    /// What they said and we have not looked at.
    heard: Vec<u8>,
    /// They have closed.
    closed: bool,
    /// What we say together with the next line.
    segment: Vec<u8>,
    /// What they reported and we have not looked at.
    events: VecDeque<String>,
    refusals: Refusals,
    said: VecDeque<String>,
}

impl Player<'_> {
    fn act(&mut self, action: &Action, next: Option<&Action>) -> Result<(), String> {
        match action {
            Action::Say { octets, joined } => self.say(octets, *joined),
            Action::Hear(pattern) => self.hear(pattern),
            Action::HearRest => self.hear_rest(next),
            Action::StartTls => {
                self.quiet()?;
                self.remember("[TLS]".to_owned());
                self.wire.start_tls().map_err(|error| error.to_string())
            }
            Action::TheyClose => self.they_close(),
            Action::WeClose => {
                self.remember("we close".to_owned());
                self.wire.close().map_err(|error| error.to_string())
            }
            Action::Wait(time) => match self.wire.inside() {
                Some(inside) => {
                    inside.wait(*time);
                    Ok(())
                }
                None => Err("time passes at will only in memory".to_owned()),
            },
            Action::Event(event) => self.event(event),
            Action::Message(message) => self.message(message),
        }
    }

    fn say(&mut self, octets: &[u8], joined: bool) -> Result<(), String> {
        self.quiet()?;
        self.remember(format!("we say     {}", show(octets)));
        self.segment.extend_from_slice(octets);
        if joined {
            return Ok(());
        }
        let segment = std::mem::take(&mut self.segment);
        self.wire
            .send(&segment)
            .map_err(|error| format!("cannot send: {error}"))
    }

    fn hear(&mut self, pattern: &Pattern) -> Result<(), String> {
        let Some(line) = self.line()? else {
            return Err(format!(
                "expected: {}\n  heard nothing{}",
                pattern.written(),
                self.why_nothing()
            ));
        };
        self.remember(format!("they say   {}", show(&line)));
        match pattern.fit(&line) {
            Ok(fit) => self.refusals.count(fit.short_id.as_deref()),
            Err(common) => Err(format!(
                "the line differs\n{}",
                pattern.difference(&line, common)
            )),
        }
    }

    /// Skips lines until the reply ends or the next line to be heard comes.
    fn hear_rest(&mut self, next: Option<&Action>) -> Result<(), String> {
        loop {
            let Some(line) = self.line()? else {
                return Err(format!("the reply does not end{}", self.why_nothing()));
            };
            if let Some(Action::Hear(pattern)) = next
                && pattern.fit(&line).is_ok()
            {
                self.heard.splice(0..0, line);
                return Ok(());
            }
            self.remember(format!("they say   {}", show(&line)));
            if line.get(3) != Some(&b'-') {
                return match next {
                    Some(Action::Hear(pattern)) if pattern.written().get(3..4) == Some("-") => Err(
                        format!("the reply ended without a line: {}", pattern.written()),
                    ),
                    _ => Ok(()),
                };
            }
        }
    }

    fn they_close(&mut self) -> Result<(), String> {
        while !self.closed && self.heard.is_empty() {
            match self.wire.receive().map_err(|error| error.to_string())? {
                Received::Octets(octets) => self.heard = octets,
                Received::Closed => self.closed = true,
                Received::Nothing => return Err("expected: the end\n  heard nothing".to_owned()),
            }
        }
        self.nothing_unheard("expected: the end")
    }

    fn event(&mut self, expected: &str) -> Result<(), String> {
        let Some(inside) = self.wire.inside() else {
            return Ok(());
        };
        self.events.extend(inside.events());
        if let Some(at) = self.events.iter().position(|event| event == expected) {
            self.events.drain(..=at);
            return Ok(());
        }
        let reported = self.events.iter().map(|event| format!("\n    {event}"));
        let reported: Vec<_> = reported.collect();
        Err(format!(
            "expected the report: {expected}\n  reported:{}",
            reported.concat()
        ))
    }

    fn message(&mut self, expected: &[u8]) -> Result<(), String> {
        let Some(inside) = self.wire.inside() else {
            return Ok(());
        };
        match inside.message() {
            None => Err("no message was kept".to_owned()),
            Some(message) if message == expected => Ok(()),
            Some(message) => Err(format!(
                "the message differs\n{}",
                difference(expected, &message)
            )),
        }
    }

    /// Behind the last step.
    fn end(&mut self, side: &Side) -> Result<(), String> {
        self.quiet()?;
        let Some(inside) = self.wire.inside() else {
            return Ok(());
        };
        if inside.message().is_some() {
            return Err("a message more was kept".to_owned());
        }
        self.events.extend(inside.events());
        match (side, self.events.front()) {
            (Side::Client(_), Some(event)) => Err(format!("an end that was not expected: {event}")),
            _ => Ok(()),
        }
    }

    /// All that was said has been heard.
    fn quiet(&mut self) -> Result<(), String> {
        if !self.segment.is_empty() {
            return Ok(());
        }
        while !self.closed {
            match self.wire.receive_now().map_err(|error| error.to_string())? {
                Received::Octets(octets) => self.heard.extend(octets),
                Received::Closed => {
                    self.nothing_unheard("expected: nothing")?;
                    return Err("the connection was closed".to_owned());
                }
                Received::Nothing => break,
            }
        }
        self.nothing_unheard("expected: nothing")
    }

    fn nothing_unheard(&self, expected: &str) -> Result<(), String> {
        if self.heard.is_empty() {
            return Ok(());
        }
        let lines = self.heard.split_inclusive(|octet| *octet == b'\n');
        let lines: Vec<_> = lines
            .map(|line| format!("\n  heard:    {}", show(line)))
            .collect();
        Err(format!("{expected}{}", lines.concat()))
    }

    /// The next whole line; `None` if there is none.
    fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(end) = self.heard.iter().position(|octet| *octet == b'\n') {
                return Ok(Some(self.heard.drain(..=end).collect()));
            }
            if self.closed {
                return Ok(None);
            }
            match self.wire.receive().map_err(|error| error.to_string())? {
                Received::Octets(octets) => self.heard.extend(octets),
                Received::Nothing => return Ok(None),
                Received::Closed => self.closed = true,
            }
        }
    }

    fn why_nothing(&mut self) -> String {
        let half = if self.heard.is_empty() {
            String::new()
        } else {
            format!(" but {}", show(&self.heard))
        };
        let reported = self.wire.inside().map(Inside::events).unwrap_or_default();
        let reported: Vec<_> = reported
            .iter()
            .map(|event| format!("\n  reported: {event}"))
            .collect();
        let closed = if self.closed {
            "\n  the connection was closed"
        } else {
            ""
        };
        format!("{half}{closed}{}", reported.concat())
    }

    fn remember(&mut self, line: String) {
        self.said.push_back(line);
        if self.said.len() > CONTEXT {
            self.said.pop_front();
        }
    }
}

fn difference(expected: &[u8], kept: &[u8]) -> String {
    let expected: Vec<_> = expected.split_inclusive(|octet| *octet == b'\n').collect();
    let kept: Vec<_> = kept.split_inclusive(|octet| *octet == b'\n').collect();
    let shown = |line: Option<&&[u8]>| line.map_or("(the end)".to_owned(), |line| show(line));
    let lines = 0..expected.len().max(kept.len());
    let differing = lines.filter(|&line| expected.get(line) != kept.get(line));
    let differing: Vec<_> = differing
        .take(5)
        .map(|line| {
            let (number, expected, kept) =
                (line + 1, shown(expected.get(line)), shown(kept.get(line)));
            format!("  line {number}\n    expected: {expected}\n    kept:     {kept}")
        })
        .collect();
    differing.join("\n")
}

/// The short ids heard so far: one session, counted from 1.
#[derive(Default)]
struct Refusals {
    last: Option<(String, u32)>,
}

impl Refusals {
    fn count(&mut self, short_id: Option<&str>) -> Result<(), String> {
        let Some((session, number)) = short_id.and_then(|id| id.split_once('.')) else {
            return Ok(());
        };
        let number: u32 = number.parse().unwrap_or(0);
        let expected = match &self.last {
            Some((last, count)) if last == session => count + 1,
            Some((last, _)) => return Err(format!("a short id of {session}, not of {last}")),
            None => 1,
        };
        if number != expected {
            return Err(format!(
                "the short id has the number {number} in place of {expected}"
            ));
        }
        self.last = Some((session.to_owned(), number));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::client::ClientBench;
    use crate::server::ServerBench;

    const SERVER: &str = "# provenance: here
# proves: AUTH-01
@ listener legacy
@ account user@example.com secret
S: 220 mail.example.com ESMTP server ready
C: EHLO x
S: 250-mail.example.com
S: ...
S: 250-AUTH SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5
S: ...
C: RSET now
S: 250 2.0.0 Ok
C: AUTH LOGIN dXNlckBleGFtcGxlLmNvbQ==
S: 334 UGFzc3dvcmQ6
C: d3Jvbmc=
S: 535 5.7.8 Authentication credentials invalid [ID]
E: lost LOGIN credentials-invalid
C: AUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0
S: 235 2.7.0 Authentication successful
C+ MAIL FROM:<user@example.com>
C+ RCPT TO:<a@example.net>
C+ DATA
C+ A: b
C: .
S: 250 2.1.0 Ok
S: 250 2.1.5 Ok
S: 354 End data with <CR><LF>.<CR><LF>
S: 250 2.0.0 Ok: queued as [QUEUE-ID]
M: A: b
[wait 300 s]
S: 421 4.4.2 Timeout, closing connection [ID]
S: [closes]
";

    const CLIENT: &str = "# provenance: here
# proves: AUTH-01
@ side client
@ account user secret
@ do authenticate quit
S: 220 x
C: EHLO client.example.com
S+ 250-x
S: 250 AUTH PLAIN
C: AUTH PLAIN AHVzZXIAc2VjcmV0
S: 235 ok
E: authenticated by PLAIN
C: QUIT
S: 221 bye
C: [closes]
E: quit
";

    fn outcome(text: &str) -> Result<(), String> {
        let transcript = Transcript::parse(Path::new("x.smtp"), text).unwrap();
        let scene = &transcript.scenes[0];
        let outcome = match &transcript.side {
            Side::Server(settings) => {
                play(&transcript, scene, &mut ServerBench::of(settings).unwrap())
            }
            Side::Client(settings) => {
                play(&transcript, scene, &mut ClientBench::of(settings).unwrap())
            }
        };
        outcome.map_err(|mismatch| mismatch.to_string())
    }

    #[test]
    fn what_is_written_is_what_happens() {
        assert_eq!(outcome(SERVER), Ok(()));
        assert_eq!(outcome(CLIENT), Ok(()));
    }

    /// A change that makes the text untrue, and how the message about it begins.
    type Change = (&'static str, &'static str, &'static str);

    const SERVER_CHANGES: &[Change] = &[
        // A line that differs, that is not said, that is not written.
        (
            "S: 334 UGFzc3dvcmQ6",
            "S: 334 VXNlcm5hbWU6",
            "14: the line differs",
        ),
        (
            "C: .\n",
            "C: ..\n",
            "28: expected: 250 2.0.0 Ok: queued as [QUEUE-ID]\n  heard nothing",
        ),
        (
            "S: 250 2.0.0 Ok\n",
            "",
            "12: expected: nothing\n  heard:    250 2.0.0 Ok",
        ),
        ("S: ...\nS: 250-AUTH", "S: 250-AUTH", "8: the line differs"),
        (
            "S: 250-AUTH SCRAM",
            "S: 250-AUTH=SCRAM",
            "8: the reply ended without a line: 250-AUTH=",
        ),
        (
            "PLAIN LOGIN CRAM-MD5\nS: ...\n",
            "PLAIN LOGIN CRAM-MD5\n",
            "10: expected: nothing\n  heard:    250 HELP",
        ),
        // A refusal without its id, an end too early or too late.
        ("invalid [ID]", "invalid", "16: the line differs"),
        ("S: [closes]\n", "", "31: the connection was closed"),
        ("[wait 300 s]", "[wait 299 s]", "31: expected: 421"),
        (
            "[wait 300 s]\nS: 421 4.4.2 Timeout, closing connection [ID]\n",
            "",
            "30: expected: the end\n  heard nothing",
        ),
        // What is kept and reported.
        (
            "M: A: b\n",
            "M: A: c\n",
            "29: the message differs\n  line 1\n    expected: A: c\n    kept:     A: b",
        ),
        ("M: A: b\n", "", "31: a message more was kept"),
        (
            "M: A: b\n",
            "M: A: b\nM: c\n",
            "29: the message differs\n  line 2\n    expected: c\n    kept:     (the end)",
        ),
        (
            "E: lost LOGIN",
            "E: won LOGIN",
            "17: expected the report: won LOGIN",
        ),
    ];

    const CLIENT_CHANGES: &[Change] = &[
        (
            "C: AUTH PLAIN AHVzZXIAc2VjcmV0",
            "C: AUTH PLAIN",
            "10: the line differs",
        ),
        ("C: QUIT\n", "", "13: expected: nothing\n  heard:    QUIT"),
        ("E: quit\n", "", "15: an end that was not expected: quit"),
        ("E: quit\n", "E: reset\n", "16: expected the report: reset"),
        ("C: [closes]\n", "", "15: the connection was closed"),
        (
            "S: 235 ok",
            "S: 535 no",
            "12: expected the report: authenticated by PLAIN\n  reported:\n    connected\n    the server refuses",
        ),
    ];

    #[test]
    fn whatever_is_not_as_written_is_noticed() {
        for (text, changes) in [(SERVER, SERVER_CHANGES), (CLIENT, CLIENT_CHANGES)] {
            for (from, to, fault) in changes {
                assert!(text.contains(from), "{from}");
                let error = outcome(&text.replacen(from, to, 1)).unwrap_err();
                assert!(
                    error.starts_with(&format!("x.smtp:{fault}")),
                    "{from} → {to}: {error}"
                );
            }
        }
    }

    #[test]
    fn short_ids_count_the_refusals_of_one_session() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.count(Some("A.1")), Ok(()));
        assert_eq!(refusals.count(None), Ok(()));
        assert_eq!(refusals.count(Some("A.2")), Ok(()));
        assert!(refusals.count(Some("A.2")).is_err());
        assert!(refusals.count(Some("A.4")).is_err());
        assert!(refusals.count(Some("B.3")).is_err());
        assert!(Refusals::default().count(Some("A.2")).is_err());
    }
}
