//! Dialogues of the whole session, written as they look on the wire.
//!
//! `S: ` is a line of the server and `C: ` one of ours, both exact; `S+ ` is a line of the server that comes in one segment with the
//! next; `[TLS]` a handshake, `[EOF]` the end, `[6 s]` time passing. Every dialogue is played twice, the second time with the
//! server's octets one by one, and must come to the same end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gatepost_sasl::{ClientAnswer, ClientQuestion, Secret};

use super::{
    Authentication, Chunking, ClientCommand, ClientInput, ClientOutput, ClientProfile,
    ClientSession, Completed, Envelope, HelloName, StartTlsUse,
};
use crate::path::Address;
use crate::tls_facts::TlsFacts;

mod authentication;
mod chunking;
mod extensions;
mod failed_authentication;
mod handshake;
mod hostile;
mod probes;
mod transaction;

/// One run of a session.
struct Play {
    session: ClientSession,
    commands: VecDeque<ClientCommand>,
    content: Vec<u8>,
    now: Instant,
    wants_tls: bool,
    closed: bool,
    ends: Vec<String>,
}

/// What a dialogue begins with.
#[derive(Clone)]
struct Setting {
    start_tls: StartTlsUse,
    tls: bool,
    clear_password: bool,
    chunking: Chunking,
    commands: fn() -> Vec<ClientCommand>,
    content: &'static [u8],
}

const UNDER_TLS: Setting = Setting {
    start_tls: StartTlsUse::Required,
    tls: true,
    clear_password: false,
    chunking: Chunking::WhenNeeded,
    commands: Vec::new,
    content: b"",
};
const IN_CLEAR: Setting = Setting {
    start_tls: StartTlsUse::OnDemand,
    tls: false,
    ..UNDER_TLS
};
const TRUSTED_WIRE: Setting = Setting {
    clear_password: true,
    ..IN_CLEAR
};

impl Setting {
    /// Plays the dialogue, both ways, and says how each of its jobs ended.
    fn play(&self, dialogue: &str) -> Vec<String> {
        let whole = self.play_once(dialogue, usize::MAX);
        assert_eq!(
            self.play_once(dialogue, 1),
            whole,
            "octet by octet: {dialogue}"
        );
        whole
    }

    /// How the last job of the dialogue ended.
    fn end(&self, dialogue: &str) -> String {
        self.play(dialogue).pop().unwrap_or_default()
    }

    fn play_once(&self, dialogue: &str, piece: usize) -> Vec<String> {
        self.play_in_pieces((self.commands)(), dialogue, piece)
    }

    /// Plays the dialogue with these commands.
    fn play_with(&self, commands: Vec<ClientCommand>, dialogue: &str) -> Vec<String> {
        self.play_in_pieces(commands, dialogue, usize::MAX)
    }

    fn play_in_pieces(
        &self,
        commands: Vec<ClientCommand>,
        dialogue: &str,
        piece: usize,
    ) -> Vec<String> {
        let mut play = self.begin(commands);
        play.lines(dialogue, piece);
        let rest = play.session.pending_output();
        assert!(
            rest.is_empty(),
            "unexpected at the end: {}\n{dialogue}",
            rest.escape_ascii()
        );
        if play.closed {
            play.ends.push("closed".to_owned());
        }
        play.ends
    }

    fn begin(&self, commands: Vec<ClientCommand>) -> Play {
        let now = some_time();
        let profile = ClientProfile {
            start_tls: self.start_tls,
            clear_password: self.clear_password,
            chunking: self.chunking,
            ..ClientProfile::new(HelloName::parse("client.example.com").unwrap())
        };
        Play {
            session: ClientSession::new(profile, self.tls.then(TlsFacts::default), now),
            commands: commands.into(),
            content: self.content.to_vec(),
            now,
            wants_tls: false,
            closed: false,
            ends: Vec::new(),
        }
    }

    /// What is said after the dialogue, octet for octet.
    fn rest_after(&self, dialogue: &str) -> Vec<u8> {
        let mut play = self.begin((self.commands)());
        play.lines(dialogue, usize::MAX);
        std::mem::take(play.session.pending_output())
    }
}

impl Play {
    fn lines(&mut self, dialogue: &str, piece: usize) {
        let mut segment = Vec::new();
        for line in dialogue
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.is_empty())
        {
            self.line(line, &mut segment, piece);
        }
    }

    fn line(&mut self, line: &str, segment: &mut Vec<u8>, piece: usize) {
        if let Some(text) = line.strip_prefix("S+ ") {
            segment.extend_from_slice(format!("{text}\r\n").as_bytes());
        } else if let Some(text) = line.strip_prefix("S:") {
            let text = text.strip_prefix(' ').unwrap_or(text);
            segment.extend_from_slice(format!("{text}\r\n").as_bytes());
            for bytes in std::mem::take(segment).chunks(piece) {
                self.handle(ClientInput::Bytes(bytes));
            }
        } else if let Some(text) = line.strip_prefix("C:") {
            let text = format!("{}\r\n", text.strip_prefix(' ').unwrap_or(text));
            let out = self.session.pending_output();
            assert!(
                out.starts_with(text.as_bytes()),
                "expected {text:?}, got {:?}",
                out.escape_ascii().to_string()
            );
            out.drain(..text.len());
        } else if line == "[TLS]" {
            assert!(
                std::mem::take(&mut self.wants_tls),
                "no handshake is wanted"
            );
            self.handle(ClientInput::TlsStarted(TlsFacts::default()));
        } else if line == "[EOF]" {
            self.handle(ClientInput::Eof);
        } else if let Some(seconds) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(" s]"))
        {
            self.now += Duration::from_secs(seconds.parse().unwrap());
            self.handle(ClientInput::Tick);
        } else {
            panic!("what is {line:?}?");
        }
    }

    fn handle(&mut self, input: ClientInput<'_>) {
        self.session.handle(input, self.now);
        while let Some(output) = self.session.poll() {
            match output {
                ClientOutput::StartTls => self.wants_tls = true,
                ClientOutput::Close => self.closed = true,
                ClientOutput::WantContent => {
                    let content = std::mem::take(&mut self.content);
                    self.session
                        .handle(ClientInput::Content(&content), self.now);
                    self.session.handle(ClientInput::ContentEnd, self.now);
                }
                ClientOutput::Ask(id, question) => {
                    let answer = match question {
                        ClientQuestion::Password => ClientAnswer::Password(Secret::new("secret")),
                        ClientQuestion::Derive(derivation) => {
                            ClientAnswer::Derived(derivation.run())
                        }
                        ClientQuestion::Token | ClientQuestion::PassThrough { .. } => {
                            ClientAnswer::Unavailable
                        }
                    };
                    self.session
                        .handle(ClientInput::Answer(id, answer), self.now);
                }
                ClientOutput::Done(result) => {
                    self.ends.push(
                        result.map_or_else(
                            |failure| failure.to_string(),
                            |completed| told(&completed),
                        ),
                    );
                    if let Some(command) = self.commands.pop_front() {
                        self.session.handle(ClientInput::Command(command), self.now);
                    }
                }
            }
        }
    }
}

fn told(completed: &Completed) -> String {
    match completed {
        Completed::Connected => "connected".to_owned(),
        Completed::Authenticated { mechanism } => format!("authenticated by {mechanism}"),
        Completed::Reset => "reset".to_owned(),
        Completed::Quit => "quit".to_owned(),
        Completed::Sent(report) => {
            let outcomes = report.recipients.iter().map(|outcome| match outcome {
                Ok(reply) => format!("taken {reply}"),
                Err(reply) => format!("refused {reply}"),
            });
            let mut told = outcomes.collect::<Vec<_>>();
            if !report.left_over.is_empty() {
                told.push(format!("left over: {:?}", report.left_over));
            }
            told.join(", ")
        }
    }
}

fn after_hello(extensions: &[&str], rest: &str) -> String {
    let announced: Vec<_> = extensions
        .iter()
        .map(|extension| format!("S: 250-{extension}"))
        .collect();
    format!(
        "S: 220 x\nC: EHLO client.example.com\nS: 250-x\n{}\nS: 250 HELP\n{rest}",
        announced.join("\n")
    )
}

fn authentication() -> Authentication {
    let nonces = [const { "rOprNGfwEbeRWgbNEkqO" }; Authentication::ATTEMPTS].map(str::to_owned);
    Authentication::new("user", "smtp.example.com", nonces)
}

fn envelope(recipients: &[&str], content: &[u8]) -> Envelope {
    let address = |text: &str| Address::parse(text).unwrap();
    Envelope::new(
        address("a@example.com"),
        recipients.iter().map(|text| address(text)),
        content,
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "an instant has no other origin; the dialogues only add to it"
)]
fn some_time() -> Instant {
    Instant::now()
}
