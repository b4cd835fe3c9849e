//! A driver that answers at once, or when it is told to, and keeps everything that happened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost_sasl::{Grant, Mechanism, Question, Refusal as SaslRefusal, ServerParams, Verdict};

use crate::server::{
    Answer, Input, Output, Profile, Request, RequestId, ServerSession, SessionEvent, TlsPolicy,
};
use crate::{QuirkSet, Refusal, SessionId, TlsFacts};

pub(super) const PLAIN_OK: &str = "AUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0";
pub(super) const PLAIN_WRONG: &str = "AUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ad3Jvbmc=";

pub(super) struct Driver {
    pub(super) session: ServerSession,
    pub(super) now: Instant,
    /// Answer requests at once.
    pub(super) prompt: bool,
    pub(super) asked: Option<(RequestId, Request)>,
    pub(super) mechanisms: Vec<&'static Mechanism>,
    /// What the next request that can be refused gets.
    pub(super) refuse: Vec<(&'static str, Refusal)>,
    pub(super) events: Vec<SessionEvent>,
    pub(super) body: Vec<u8>,
    pub(super) headers: Option<(Vec<u8>, bool)>,
    pub(super) committed: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) cancelled: Vec<RequestId>,
    pub(super) early_tls: Option<Vec<u8>>,
    pub(super) closed: bool,
    written: Vec<u8>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "an origin of time; it goes on by `wait` only"
)]
pub(super) fn origin() -> Instant {
    Instant::now()
}

pub(super) fn submission() -> Profile {
    Profile {
        tls: TlsPolicy::StartTlsOptional,
        ..Profile::submission("mail.example.com")
    }
}

pub(super) fn legacy() -> Profile {
    Profile::legacy("mail.example.com")
}

pub(super) fn mechanism(name: &str) -> &'static Mechanism {
    gatepost_sasl::mechanism::by_name(name).unwrap()
}

impl Driver {
    /// A session on a legacy listener with PLAIN, LOGIN and CRAM-MD5; the greeting has been read.
    pub(super) fn legacy() -> Self {
        Self::new(legacy(), None)
    }

    /// A session inside TLS; the greeting has been read.
    pub(super) fn tls() -> Self {
        Self::new(submission(), Some(TlsFacts::default()))
    }

    /// The same, behind EHLO.
    pub(super) fn greeted() -> Self {
        let mut driver = Self::tls();
        driver.say("EHLO client.example.com");
        driver
    }

    /// The same, behind AUTH.
    pub(super) fn authenticated() -> Self {
        let mut driver = Self::greeted();
        assert_eq!(
            driver.say(PLAIN_OK),
            "235 2.7.0 Authentication successful\n"
        );
        driver.events.clear();
        driver
    }

    pub(super) fn new(profile: Profile, tls: Option<TlsFacts>) -> Self {
        let now = origin();
        let session = SessionId::new("S").unwrap();
        let mut driver = Self {
            session: ServerSession::new(Arc::new(profile), session, tls, now),
            now,
            prompt: true,
            asked: None,
            mechanisms: vec![
                mechanism("CRAM-MD5"),
                mechanism("PLAIN"),
                mechanism("LOGIN"),
            ],
            refuse: Vec::new(),
            events: Vec::new(),
            body: Vec::new(),
            headers: None,
            committed: Vec::new(),
            cancelled: Vec::new(),
            early_tls: None,
            closed: false,
            written: Vec::new(),
        };
        assert_eq!(driver.hear(), "220 mail.example.com ESMTP server ready\n");
        driver
    }

    pub(super) fn with_quirks(mut profile: Profile, quirks: QuirkSet) -> Self {
        profile.quirks = quirks;
        Self::new(profile, None)
    }

    /// Sends a line and returns the replies, their line ends shown as LF.
    pub(super) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes())
    }

    /// Sends octets and returns the replies.
    pub(super) fn send(&mut self, octets: &[u8]) -> String {
        self.handle(Input::Bytes(octets));
        self.hear()
    }

    /// Says several lines; returns the code and enhanced code of each reply.
    pub(super) fn codes(&mut self, lines: &[&str]) -> Vec<String> {
        let replies: String = lines.iter().map(|line| self.say(line)).collect();
        codes(&replies)
    }

    pub(super) fn hear(&mut self) -> String {
        self.written.append(self.session.pending_output());
        let text = String::from_utf8(std::mem::take(&mut self.written)).unwrap();
        assert!(text.is_empty() || text.ends_with("\r\n"));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
        text.replace("\r\n", "\n")
    }

    pub(super) fn wait(&mut self, seconds: u64) -> String {
        self.now += Duration::from_secs(seconds);
        self.handle(Input::Tick);
        self.hear()
    }

    pub(super) fn handle(&mut self, input: Input<'_>) {
        self.session.handle(input, self.now);
        while let Some(output) = self.session.poll() {
            assert!(!self.closed, "nothing comes after Close: {output:?}");
            match output {
                Output::Ask(id, request) => {
                    assert!(self.asked.is_none(), "one request at a time");
                    self.asked = Some((id, request));
                }
                Output::Cancel(id) => {
                    assert_eq!(self.asked.take().map(|(asked, _)| asked), Some(id));
                    self.cancelled.push(id);
                }
                Output::Body(octets) => {
                    assert!(self.asked.is_none() && !octets.is_empty());
                    self.body.extend(octets);
                }
                Output::Event(event) => self.events.push(event),
                Output::StartTls { early } => self.early_tls = Some(early),
                Output::Close => self.closed = true,
            }
        }
        if self.prompt && self.asked.is_some() {
            self.answer();
        }
    }

    /// Answers the outstanding request as the program would.
    pub(super) fn answer(&mut self) {
        let (id, request) = self.asked.take().expect("a request");
        let answer = self.decide(request);
        self.handle(Input::Answer(id, answer));
    }

    fn decide(&mut self, request: Request) -> Answer {
        let name = request_name(&request);
        if let Some(position) = self.refuse.iter().position(|(refused, _)| *refused == name) {
            return Answer::Refuse(self.refuse.remove(position).1);
        }
        match request {
            Request::Ehlo { .. } => Answer::Offer(self.mechanisms.clone()),
            Request::BeginAuth { .. } => Answer::Begin(ServerParams {
                host: "mail.example.com".into(),
                nonce: "1896.697170952".into(),
                ..ServerParams::default()
            }),
            Request::Sasl(question) => Answer::Sasl(directory(&question)),
            Request::Content => {
                self.body.clear();
                Answer::Proceed
            }
            Request::Headers { headers, has_body } => {
                self.headers = Some((headers, has_body));
                Answer::Proceed
            }
            Request::Commit => {
                let (headers, _) = self.headers.take().expect("headers before commit");
                self.committed
                    .push((headers, std::mem::take(&mut self.body)));
                Answer::Committed {
                    id: format!("Q{}", self.committed.len()),
                }
            }
            Request::Mail { .. } | Request::Rcpt { .. } => Answer::Proceed,
        }
    }
}

pub(super) fn request_name(request: &Request) -> &'static str {
    match request {
        Request::Ehlo { .. } => "EHLO",
        Request::BeginAuth { .. } => "AUTH",
        Request::Sasl(_) => "SASL",
        Request::Mail { .. } => "MAIL",
        Request::Rcpt { .. } => "RCPT",
        Request::Content => "CONTENT",
        Request::Headers { .. } => "HEADERS",
        Request::Commit => "COMMIT",
    }
}

/// `user@example.com` has the password `secret`; `down` has a directory that is down.
fn directory(question: &Question) -> gatepost_sasl::Answer {
    let Question::Password {
        authcid, password, ..
    } = question
    else {
        return gatepost_sasl::Answer::Unavailable;
    };
    match (authcid.as_str(), password.expose()) {
        ("user@example.com", b"secret") => {
            gatepost_sasl::Answer::Verdict(Verdict::Accepted(Grant {
                login: "user@example.com".into(),
                acts_as: "user@example.com".into(),
                credential: "1".into(),
            }))
        }
        ("down", _) => gatepost_sasl::Answer::Unavailable,
        ("disabled", b"x") => refused(SaslRefusal::AccountDisabled),
        ("expired", b"x") => refused(SaslRefusal::PasswordExpired),
        ("weak", _) => refused(SaslRefusal::MechanismTooWeak),
        ("transition", _) => refused(SaslRefusal::TransitionNeeded),
        _ => gatepost_sasl::Answer::Verdict(Verdict::Refused(SaslRefusal::CredentialsInvalid)),
    }
}

fn refused(refusal: SaslRefusal) -> gatepost_sasl::Answer {
    gatepost_sasl::Answer::Verdict(Verdict::Refused(refusal))
}

/// Code and enhanced code of each reply, one entry per reply.
pub(super) fn codes(replies: &str) -> Vec<String> {
    replies
        .lines()
        .filter(|line| line.as_bytes().get(3) != Some(&b'-'))
        .map(|line| {
            let mut words = line.split(' ');
            let code = words.next().unwrap();
            match words.next() {
                Some(word) if word.starts_with(['2', '4', '5']) && word.contains('.') => {
                    format!("{code} {word}")
                }
                _ => code.to_owned(),
            }
        })
        .collect()
}
