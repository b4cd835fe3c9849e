//! Reads a transcript, line by line.

use std::path::Path;
use std::time::Duration;

use super::escape;
use super::settings::{Side, SideBuilder};
use super::{Action, Fault, Pattern, Scene, Step, Transcript};

/// Who writes a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Client,
    Server,
}

#[derive(Default)]
struct Parser {
    provenance: Option<String>,
    proves: Option<String>,
    side: SideBuilder,
    /// What all endings begin with.
    beginning: Vec<Step>,
    endings: Vec<Scene>,
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Transcript, Fault> {
    let mut parser = Parser::default();
    for (number, line) in (1..).zip(text.lines()) {
        parser
            .line(number, line)
            .map_err(|what| Fault::new(path, number, what))?;
    }
    parser
        .finish(path)
        .map_err(|what| Fault::new(path, 0, what))
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.trim().is_empty() {
            return Ok(());
        }
        if line.ends_with([' ', '\t', '\r']) {
            return Err("white space at the end of a line is written ⟨SP⟩, ⟨TAB⟩, ⟨CR⟩".to_owned());
        }
        if let Some(comment) = line.strip_prefix('#') {
            return self.comment(comment.trim());
        }
        if let Some(setting) = line.strip_prefix("@ ") {
            if !self.beginning.is_empty() || !self.endings.is_empty() {
                return Err("settings stand before the dialogue".to_owned());
            }
            return self.side.set(setting);
        }
        if let Some(name) = line.strip_prefix("=== ") {
            let ending = Some(name.to_owned());
            self.endings.push(Scene {
                ending,
                steps: Vec::new(),
            });
            return Ok(());
        }
        if let Some(text) = tagged(line, "M:") {
            return self.message_line(number, text);
        }
        let action = self.action(line)?;
        self.steps().push(Step {
            line: number,
            action,
        });
        Ok(())
    }

    fn comment(&mut self, comment: &str) -> Result<(), String> {
        for (key, slot) in [
            ("provenance:", &mut self.provenance),
            ("proves:", &mut self.proves),
        ] {
            if let Some(value) = comment.strip_prefix(key) {
                if value.trim().is_empty() {
                    return Err(format!("{key} what?"));
                }
                *slot = Some(value.trim().to_owned());
            }
        }
        Ok(())
    }

    fn action(&self, line: &str) -> Result<Action, String> {
        if line == "[TLS]" {
            return Ok(Action::StartTls);
        }
        if let Some(time) = line.strip_prefix("[wait ") {
            let seconds = time.strip_suffix(" s]").and_then(|time| time.parse().ok());
            let seconds = seconds.ok_or("write [wait 5 s]")?;
            return Ok(Action::Wait(Duration::from_secs(seconds)));
        }
        if let Some(event) = tagged(line, "E:") {
            return Ok(Action::Event(event.to_owned()));
        }
        for (tag, writer, joined) in [
            ("C:", Writer::Client, false),
            ("S:", Writer::Server, false),
            ("C+", Writer::Client, true),
            ("S+", Writer::Server, true),
        ] {
            if let Some(text) = tagged(line, tag) {
                return self.said(writer, joined, text);
            }
        }
        Err(format!(
            "{line:?} begins with none of C: S: C+ S+ E: M: @ # === [TLS] [wait"
        ))
    }

    fn said(&self, writer: Writer, joined: bool, text: &str) -> Result<Action, String> {
        let under_test = if self.side.is_client() {
            Writer::Client
        } else {
            Writer::Server
        };
        match (writer == under_test, text) {
            (true, _) if joined => Err("only the played side's lines can be joined".to_owned()),
            (true, "[closes]") => Ok(Action::TheyClose),
            (false, "[closes]") => Ok(Action::WeClose),
            (true, "...") => Ok(Action::HearRest),
            (false, _) => Ok(Action::Say {
                octets: escape::read(text)?.line(),
                joined,
            }),
            (true, _) if under_test == Writer::Server => {
                Ok(Action::Hear(Pattern::with_placeholders(text)?))
            }
            (true, _) => Ok(Action::Hear(Pattern::exact(text)?)),
        }
    }

    /// What a server is to have kept, or what a client is to send.
    fn message_line(&mut self, number: usize, text: &str) -> Result<(), String> {
        let line = escape::read(text)?.line();
        if self.side.is_client() {
            self.side.add_content(&line);
            return Ok(());
        }
        let steps = self.steps();
        if let Some(Step {
            action: Action::Message(octets),
            ..
        }) = steps.last_mut()
        {
            octets.extend(line);
        } else {
            let action = Action::Message(line);
            steps.push(Step {
                line: number,
                action,
            });
        }
        Ok(())
    }

    fn steps(&mut self) -> &mut Vec<Step> {
        match self.endings.last_mut() {
            Some(ending) => &mut ending.steps,
            None => &mut self.beginning,
        }
    }

    fn finish(self, path: &Path) -> Result<Transcript, String> {
        let provenance = self
            .provenance
            .ok_or("a line `# provenance: …` says where the dialogue comes from")?;
        if self.proves.is_none() {
            return Err("a line `# proves: …` names the requirements".to_owned());
        }
        let side = self.side.build()?;
        let scenes = with_beginning(self.beginning, self.endings);
        for scene in &scenes {
            check(scene, &side)?;
        }
        Ok(Transcript {
            path: path.to_owned(),
            provenance,
            side,
            scenes,
        })
    }
}

fn tagged<'a>(line: &'a str, tag: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(tag)?;
    if rest.is_empty() {
        Some("")
    } else {
        rest.strip_prefix(' ')
    }
}

fn with_beginning(beginning: Vec<Step>, endings: Vec<Scene>) -> Vec<Scene> {
    if endings.is_empty() {
        let ending = None;
        return vec![Scene {
            ending,
            steps: beginning,
        }];
    }
    endings
        .into_iter()
        .map(|Scene { ending, steps }| {
            let steps = [beginning.clone(), steps].concat();
            Scene { ending, steps }
        })
        .collect()
}

/// A dialogue that could not fail proves nothing.
fn check(scene: &Scene, side: &Side) -> Result<(), String> {
    let ending = scene.ending.as_deref().unwrap_or("the dialogue");
    let any = |wanted: fn(&Action) -> bool| scene.steps.iter().any(|step| wanted(&step.action));
    if !any(|action| matches!(action, Action::Hear(_))) {
        return Err(format!("{ending}: the side under test says nothing"));
    }
    if matches!(side, Side::Client(_)) && !any(|action| matches!(action, Action::Event(_))) {
        return Err(format!(
            "{ending}: an E: line tells how it ends for the client"
        ));
    }
    if let Some(Step {
        line,
        action: Action::Say { joined: true, .. },
    }) = scene.steps.last()
    {
        return Err(format!(
            "line {line}: C+ and S+ need a line to be joined to"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# provenance: here\n# proves: AUTH-01\n";

    fn read(text: &str) -> Result<Transcript, String> {
        parse(Path::new("x.smtp"), text).map_err(|fault| fault.to_string())
    }

    #[test]
    fn endings_share_their_beginning() {
        let transcript = read(&format!(
            "{HEAD}\nS: 220 x\n=== one\nC: A\nS: 1\n=== two\nC+ B\nC: C\n"
        ))
        .unwrap();
        let names: Vec<_> = transcript
            .scenes
            .iter()
            .map(|scene| scene.ending.as_deref())
            .collect();
        assert_eq!(names, [Some("one"), Some("two")]);
        let lines = |scene: usize| -> Vec<usize> {
            transcript.scenes[scene]
                .steps
                .iter()
                .map(|step| step.line)
                .collect()
        };
        assert_eq!(lines(0), [4, 6, 7]);
        assert_eq!(lines(1), [4, 9, 10]);
        assert!(matches!(
            transcript.scenes[1].steps[1].action,
            Action::Say { joined: true, ref octets } if octets == b"B\r\n"
        ));
    }

    #[test]
    fn the_lines_of_a_message_belong_together() {
        let transcript = read(&format!("{HEAD}S: 250 x\nM: a\nM:\nM: b⟨LF⟩\n")).unwrap();
        let last = &transcript.scenes[0].steps[1].action;
        assert!(
            matches!(last, Action::Message(octets) if octets == b"a\r\n\r\nb\n"),
            "{last:?}"
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_with_file_and_line() {
        let rows = [
            ("S: 220 x\n", "x.smtp: a line `# provenance: …`"),
            (
                "# provenance: x\nS: 220 x\n",
                "x.smtp: a line `# proves: …`",
            ),
            ("# proves:\n", "x.smtp:1: proves: what?"),
            (
                &format!("{HEAD}S:220\n"),
                "x.smtp:3: \"S:220\" begins with none of",
            ),
            (
                &format!("{HEAD}S: 220 \n"),
                "x.smtp:3: white space at the end",
            ),
            (
                &format!("{HEAD}S: ⟨SPACE⟩\n"),
                "x.smtp:3: ⟨SPACE⟩ is not known here",
            ),
            (
                &format!("{HEAD}S+ 220\n"),
                "x.smtp:3: only the played side's lines",
            ),
            (
                &format!("{HEAD}S: x\nC+ y\n"),
                "x.smtp: line 4: C+ and S+ need",
            ),
            (
                &format!("{HEAD}[wait long]\n"),
                "x.smtp:3: write [wait 5 s]",
            ),
            (
                &format!("{HEAD}S: x\n@ host y\n"),
                "x.smtp:4: settings stand before",
            ),
            (
                &format!("{HEAD}@ colour red\n"),
                "x.smtp:3: \"colour\" is no setting",
            ),
            (
                &format!("{HEAD}C: x\n"),
                "x.smtp: the dialogue: the side under test says nothing",
            ),
            (
                &format!("{HEAD}@ side client\nC: x\n"),
                "x.smtp: the dialogue: an E: line",
            ),
        ];
        for (text, fault) in rows {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(fault), "{error}");
        }
    }
}
