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
mod tests;
