//! The loop between a session without I/O and a socket: read octets, write octets, shake hands, answer questions, watch the time.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use gatepost_sasl::{ClientAnswer, Secret};
use gatepost_smtp::TlsFacts;
use gatepost_smtp::client::{
    ChannelFault, ClientCommand, ClientFailure, ClientInput, ClientOutput, ClientSession,
    Completed, QuestionId, Stage,
};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep_until, timeout};

use crate::answer::answer;
use crate::certificate::{Certificate, Presented};
use crate::client::Credential;
use crate::error::{AddressError, ChannelError, Error};
use crate::kerberos::Conversation;
use crate::stream::{Stream, Turn};
use crate::tls::{self, Roots};
use crate::trace::Trace;

/// Octets read from the server at once: replies are short.
const READ_SIZE: usize = 4 * 1024;

/// Octets of content read from their source at once. With what the encoder makes of them, the most that a message of any size
/// takes of memory.
const CONTENT_SIZE: usize = 32 * 1024;

/// The server as the caller named it.
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) name: ServerName<'static>,
    pub(crate) roots: Option<Roots>,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) handshake_timeout: Duration,
}

impl Server {
    /// Shakes hands and verifies the server's name.
    pub(crate) async fn start_tls(&self, stream: &mut Stream) -> Result<TlsFacts, Error> {
        let roots = self.roots.clone().map_or_else(Roots::native, Ok)?;
        let presented = self.certificate.clone().map(Presented::new).map(Arc::new);
        let config = match &presented {
            Some(presented) => roots.config_showing(Arc::clone(presented)),
            None => roots.config(),
        };
        timeout(
            self.handshake_timeout,
            stream.start_tls(config, self.name.clone()),
        )
        .await
        .map_err(|_| Error::Timeout(Stage::StartTls))?
        .map_err(|source| self.not_protected(source))?;
        let connection = stream.tls().ok_or_else(Driver::out_of_order)?;
        Ok(TlsFacts {
            client_certificate: presented.and_then(|presented| presented.shown()),
            ..tls::facts(connection, &self.host)
        })
    }

    fn not_protected(&self, source: io::Error) -> Error {
        let host = self.host.clone();
        if tls::is_clear_text(&source) {
            return ChannelError::SpeaksClear { host }.into();
        }
        self.about_certificate(source)
            .unwrap_or_else(|source| ChannelError::Tls { host, source }.into())
    }

    /// A server that has judged our certificate, or misses one, says so by an alert: in TLS 1.3 when the handshake is long over on our side.
    fn about_certificate(&self, source: io::Error) -> Result<Error, io::Error> {
        if !tls::is_about_our_certificate(&source) {
            return Err(source);
        }
        Ok(ChannelError::Certificate {
            host: self.host.clone(),
            given: self.certificate.is_some(),
            source,
        }
        .into())
    }
}

/// A session and its connection.
pub(crate) struct Driver {
    stream: Stream,
    session: ClientSession,
    server: Server,
    /// A command is running, or its future was dropped while it was.
    busy: bool,
    trace: Option<Trace>,
    /// What broke the connection, if something did.
    broken: Option<io::Error>,
}

type Answering = Pin<Box<dyn Future<Output = (QuestionId, ClientAnswer)> + Send>>;

impl Driver {
    pub(crate) fn new(
        stream: Stream,
        session: ClientSession,
        server: Server,
        trace: Option<Trace>,
    ) -> Self {
        Self {
            stream,
            session,
            server,
            busy: false,
            trace,
            broken: None,
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.server.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    pub(crate) fn session(&self) -> &ClientSession {
        &self.session
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.busy && self.session.is_open() && !matches!(self.stream, Stream::Gone)
    }

    pub(crate) fn out_of_order() -> Error {
        AddressError::OutOfOrder.into()
    }

    /// Waits until the session has said hello.
    pub(crate) async fn greet(&mut self) -> Result<Completed, Error> {
        self.drive(None, &mut tokio::io::empty()).await
    }

    /// Runs one command to its end.
    pub(crate) async fn run(
        &mut self,
        command: ClientCommand,
        credential: Option<&Credential>,
        content: &mut (dyn AsyncRead + Unpin + Send),
    ) -> Result<Completed, Error> {
        if self.busy {
            return Err(Self::out_of_order());
        }
        self.notice_farewell().await;
        if let Some(trace) = &mut self.trace {
            trace.command(matches!(command, ClientCommand::Authenticate(_)));
        }
        self.session
            .handle(ClientInput::Command(command), Instant::now());
        self.drive(credential, content).await
    }

    /// QUIT, as far as the server listens.
    pub(crate) async fn quit(&mut self) {
        if self.is_open() {
            // Nothing depends on the answer.
            drop(
                self.run(ClientCommand::Quit, None, &mut tokio::io::empty())
                    .await,
            );
        }
        self.stream.close().await;
    }

    async fn drive(
        &mut self,
        credential: Option<&Credential>,
        content: &mut (dyn AsyncRead + Unpin + Send),
    ) -> Result<Completed, Error> {
        self.busy = true;
        let result = self.until_done(credential, content).await;
        self.busy = false;
        if credential.is_some() {
            // What was written of it is wiped.
            drop(Secret::new(std::mem::take(self.session.pending_output())));
        }
        match result {
            Ok(done) => {
                if !self.session.is_open() {
                    self.stream.close().await;
                }
                done.map_err(|failure| self.told(failure))
            }
            Err(error) => {
                self.stream = Stream::Gone;
                Err(error)
            }
        }
    }

    /// The connection's own words on why it ended are better than that it ended.
    fn told(&mut self, failure: ClientFailure) -> Error {
        let closed = matches!(failure, ClientFailure::Channel(ChannelFault::Closed(_)));
        let Some(source) = self.broken.take().filter(|_| closed) else {
            return failure.into();
        };
        let about_certificate = self.server.about_certificate(source);
        about_certificate.unwrap_or_else(|_| failure.into())
    }

    /// The outer error is the connection's: the dialogue was cut off.
    async fn until_done(
        &mut self,
        credential: Option<&Credential>,
        content: &mut (dyn AsyncRead + Unpin + Send),
    ) -> Result<Result<Completed, ClientFailure>, Error> {
        let mut answering: Option<Answering> = None;
        let conversation = Conversation::default();
        loop {
            while let Some(output) = self.session.poll() {
                match output {
                    ClientOutput::StartTls => self.start_tls().await?,
                    ClientOutput::Ask(id, question) => {
                        let credential = credential.cloned();
                        let conversation = conversation.clone();
                        answering = Some(Box::pin(async move {
                            (id, answer(question, credential, conversation).await)
                        }));
                    }
                    ClientOutput::Done(result) => return Ok(result),
                    // `wants_content` says it as long as it holds. Closing comes after `Done`; and between commands the connection is
                    // closed by whoever looks at the session next.
                    ClientOutput::WantContent | ClientOutput::Close => {}
                }
            }
            if self.session.wants_content() && self.session.pending_output().is_empty() {
                self.feed(content).await?;
            } else {
                self.turn(&mut answering).await;
            }
        }
    }

    async fn start_tls(&mut self) -> Result<(), Error> {
        while !self.session.pending_output().is_empty() {
            self.turn(&mut None).await;
        }
        let facts = self.server.start_tls(&mut self.stream).await?;
        if let Some(trace) = &self.trace {
            trace.tls_started(&facts);
        }
        self.session
            .handle(ClientInput::TlsStarted(facts), Instant::now());
        Ok(())
    }

    /// Hands the next piece of content to the session, unless something else happens first.
    async fn feed(&mut self, content: &mut (dyn AsyncRead + Unpin + Send)) -> Result<(), Error> {
        let mut piece = vec![0; CONTENT_SIZE];
        let mut nothing_asked = None;
        let read = tokio::select! {
            read = content.read(&mut piece) => read.map_err(Error::Content)?,
            () = self.turn(&mut nothing_asked) => return Ok(()),
        };
        let piece = piece.get(..read).unwrap_or_default();
        let input = if piece.is_empty() {
            ClientInput::ContentEnd
        } else {
            ClientInput::Content(piece)
        };
        self.session.handle(input, Instant::now());
        Ok(())
    }

    /// Waits for one thing to happen, and tells the session. A broken connection is an end like any other to it: what was said before
    /// decides what that means.
    async fn turn(&mut self, answering: &mut Option<Answering>) {
        let mut input = [0; READ_SIZE];
        let deadline = self.session.deadline();
        let is_content = self.session.is_at_content();
        let (stream, output) = (&mut self.stream, self.session.pending_output());
        let turn = tokio::select! {
            biased;
            (id, answer) = answered(answering) => {
                *answering = None;
                return self.session.handle(ClientInput::Answer(id, answer), Instant::now());
            }
            () = expired(deadline) => return self.session.handle(ClientInput::Tick, Instant::now()),
            turn = poll_fn(|cx| stream.poll_turn(cx, &mut input, output)) => turn,
        };
        match turn {
            Ok(Turn::Written(octets)) => {
                let written = output.drain(..octets.min(output.len()));
                if let Some(trace) = &mut self.trace {
                    trace.sent(written.as_slice(), is_content);
                }
            }
            Ok(Turn::Read(octets @ 1..)) => {
                let input = input.get(..octets).unwrap_or_default();
                if let Some(trace) = &mut self.trace {
                    trace.received(input);
                }
                self.session
                    .handle(ClientInput::Bytes(input), Instant::now());
            }
            Ok(Turn::Read(0)) => self.session.handle(ClientInput::Eof, Instant::now()),
            Err(error) => {
                self.broken = Some(error);
                self.session.handle(ClientInput::Eof, Instant::now());
            }
        }
    }

    /// Takes what the server said since the last command: usually nothing, sometimes good-bye.
    async fn notice_farewell(&mut self) {
        while self.session.is_open() {
            let mut input = [0; READ_SIZE];
            let stream = &mut self.stream;
            let read = poll_fn(|cx| match stream.poll_turn(cx, &mut input, &[]) {
                Poll::Ready(turn) => Poll::Ready(Some(turn)),
                Poll::Pending => Poll::Ready(None),
            });
            match read.await {
                None => return,
                Some(Ok(Turn::Read(octets @ 1..))) => {
                    let input = input.get(..octets).unwrap_or_default();
                    self.session
                        .handle(ClientInput::Bytes(input), Instant::now());
                }
                Some(_) => self.session.handle(ClientInput::Eof, Instant::now()),
            }
        }
    }
}

async fn answered(answering: &mut Option<Answering>) -> (QuestionId, ClientAnswer) {
    match answering {
        Some(answer) => answer.await,
        None => pending().await,
    }
}

async fn expired(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}
