//! Gatepost's own server session on a socket, with one account and a memory of what it took.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use gatepost_sasl::mechanism::ALL;
use gatepost_sasl::{
    Answer as SaslAnswer, ChannelBindings, DigestMd5Hashes, Grant, HmacMd5Contexts, Mechanism,
    Needs, Question, Refusal, ScramVerifier, Secret, ServerParams, Verdict, Verifier, VerifierKind,
};
use gatepost_smtp::SessionId;
use gatepost_smtp::server::{
    Answer, Input, Output, Profile, Request, ServerSession, SessionEvent, TlsPolicy,
};
use gatepost_smtp::tls_facts::TlsFacts;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The account's name.
pub(crate) const USER: &str = "user@example.com";
/// Its password.
pub(crate) const PASSWORD: &str = "s\u{e9}cret";

/// A message the server took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) mechanism: String,
    pub(crate) reverse_path: String,
    pub(crate) recipients: Vec<String>,
    /// Header lines, an empty line, body.
    pub(crate) content: Vec<u8>,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Server {
    /// Listens on loopback and serves for as long as the runtime lives.
    pub(crate) async fn start(policy: TlsPolicy, acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let profile = Arc::new(Profile {
            tls: policy,
            ..Profile::submission("smtp.example.com")
        });
        let kept = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = Connection {
                    profile: Arc::clone(&profile),
                    taken: Arc::clone(&kept),
                    draft: Taken::default(),
                    bindings: ChannelBindings::default(),
                };
                tokio::spawn(connection.serve(stream, acceptor.clone()));
            }
        });
        Self { port, taken }
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

struct Connection {
    profile: Arc<Profile>,
    taken: Arc<Mutex<Vec<Taken>>>,
    draft: Taken,
    bindings: ChannelBindings,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream, acceptor: TlsAcceptor) {
        let implicit = self.profile.tls == TlsPolicy::Implicit;
        let profile = Arc::clone(&self.profile);
        let session = |tls| {
            ServerSession::new(
                Arc::clone(&profile),
                SessionId::new("test").unwrap(),
                tls,
                Instant::now(),
            )
        };
        if implicit {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let session = session(Some(self.facts(&stream)));
            self.talk(stream, session).await;
            return;
        }
        let session = session(None);
        // `talk` comes back for a handshake, or never.
        if let Some((stream, mut session)) = self.talk(stream, session).await
            && let Ok(stream) = acceptor.accept(stream).await
        {
            let facts = self.facts(&stream);
            session.handle(Input::TlsStarted(facts), Instant::now());
            self.talk(stream, session).await;
        }
    }

    /// It knows the exporter, and no other binding.
    fn facts<S>(&mut self, stream: &TlsStream<S>) -> TlsFacts {
        let connection = stream.get_ref().1;
        let exporter =
            connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
        self.bindings.tls_exporter = exporter.ok();
        TlsFacts::default()
    }

    fn offer(&self) -> Vec<&'static Mechanism> {
        let bindable = self.bindings != ChannelBindings::default();
        let all = ALL.iter().copied();
        all.filter(|it| bindable || !it.binds_channel).collect()
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        mut stream: S,
        mut session: ServerSession,
    ) -> Option<(S, ServerSession)> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let mut start_tls = false;
            while let Some(output) = session.poll() {
                match output {
                    Output::Ask(id, request) => {
                        let answer = self.answer(request);
                        session.handle(Input::Answer(id, answer), Instant::now());
                    }
                    Output::Body(octets) => self.draft.content.extend_from_slice(&octets),
                    Output::StartTls { .. } => start_tls = true,
                    Output::Close => {
                        let _ = stream.write_all(session.pending_output()).await;
                        let _ = stream.shutdown().await;
                        return None;
                    }
                    Output::Event(SessionEvent::AuthEnded { mechanism, .. }) => {
                        mechanism.name.clone_into(&mut self.draft.mechanism);
                    }
                    Output::Cancel(_) | Output::Event(_) => {}
                }
            }
            stream.write_all(session.pending_output()).await.ok()?;
            stream.flush().await.ok()?;
            session.pending_output().clear();
            if start_tls {
                return Some((stream, session));
            }
            match stream.read(&mut buffer).await {
                Ok(octets @ 1..) => session.handle(Input::Bytes(&buffer[..octets]), Instant::now()),
                Ok(0) | Err(_) => return None,
            }
        }
    }

    fn answer(&mut self, request: Request) -> Answer {
        match request {
            Request::Ehlo { .. } => Answer::Offer(self.offer()),
            Request::BeginAuth { .. } => Answer::Begin(ServerParams {
                host: "smtp.example.com".to_owned(),
                nonce: "3rfcNHYJY1ZVvWVs7j".to_owned(),
                channel_bindings: self.bindings.clone(),
                plus_offered: self.bindings != ChannelBindings::default(),
                ..ServerParams::default()
            }),
            Request::Sasl(question) => Answer::Sasl(verdict(question)),
            Request::Mail { reverse_path, .. } => {
                self.draft.reverse_path = reverse_path.to_string();
                self.draft.recipients.clear();
                Answer::Proceed
            }
            Request::Rcpt { forward_path, .. } if forward_path.address().local() == "nobody" => {
                Answer::Refuse(gatepost_smtp::Refusal::RelayDenied)
            }
            Request::Rcpt { forward_path, .. } => {
                self.draft.recipients.push(forward_path.to_string());
                Answer::Proceed
            }
            Request::Content => {
                self.draft.content.clear();
                Answer::Proceed
            }
            Request::Headers { headers, has_body } => {
                self.draft.content = headers;
                if has_body {
                    self.draft.content.extend_from_slice(b"\r\n");
                }
                Answer::Proceed
            }
            Request::Commit => {
                self.taken.lock().unwrap().push(self.draft.clone());
                Answer::Committed {
                    id: "Q1".to_owned(),
                }
            }
        }
    }
}

fn verdict(question: Question) -> SaslAnswer {
    let accepted = || {
        let grant = Grant {
            login: USER.to_owned(),
            acts_as: USER.to_owned(),
            credential: "password".to_owned(),
        };
        Verdict::Accepted(grant)
    };
    let known = |name: &str| {
        if name == USER {
            accepted()
        } else {
            Verdict::Refused(Refusal::CredentialsInvalid)
        }
    };
    match question {
        Question::Password {
            authcid, password, ..
        } => {
            let right = authcid.as_str() == USER && password.expose() == PASSWORD.as_bytes();
            SaslAnswer::Verdict(if right {
                accepted()
            } else {
                Verdict::Refused(Refusal::CredentialsInvalid)
            })
        }
        Question::Verifier {
            mechanism, authcid, ..
        } => {
            let password = Secret::new(PASSWORD);
            let verifier = match mechanism.needs {
                Needs::Verifier(VerifierKind::CramMd5) => {
                    Verifier::CramMd5(HmacMd5Contexts::derive(&password))
                }
                Needs::Verifier(VerifierKind::Scram(hash)) => Verifier::Scram(
                    ScramVerifier::derive(hash, &password, *b"0123456789abcdef", 4096).unwrap(),
                ),
                Needs::Verifier(VerifierKind::DigestMd5) => {
                    Verifier::DigestMd5(DigestMd5Hashes::derive(USER, [""], &password))
                }
                other => panic!("{other:?} is nothing stored"),
            };
            SaslAnswer::Verifier {
                verifier,
                verdict: known(authcid.as_str()),
            }
        }
        _ => SaslAnswer::Unavailable,
    }
}
