//! Drives one session: reads octets, writes octets, asks the services. The only code on a message's path that waits.
//!
//! ```text
//!            octets            requests
//!   peer <=> Wire <=> ServerSession <=> Responder <=> auth, policy, queue
//! ```
//!
//! Replies are collected while there is input to work off and written in one go. While an answer is outstanding, the connection is still
//! read as far as the session has room, so that a peer that leaves takes its question with it.
//! Whatever breaks, the session is told that the peer is gone and ends in its own way, so that every exchange and transaction is settled.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use gatepost_smtp::reply::Refusal;
use gatepost_smtp::server::{Answer, Input, Output, RequestId, ServerSession};
use gatepost_smtp::short_id::SessionId;
use gatepost_smtp::tls_facts::TlsFacts;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep_until, timeout};

use super::limits::Permit;
use super::responder::{Responder, Response, Work};
use super::service::ListenerContext;
use super::session_id;
use super::tls;
use super::wire::Wire;
use crate::config::resolved::TlsMode;
use crate::observe::event::{ConnectionClosed, TlsFailed};
use crate::observe::reason::Reason;

/// First octet of a TLS handshake record (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 0x16;

/// Serves one connection to its end. The permit is given back then.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    context: Arc<ListenerContext>,
    drain: watch::Receiver<bool>,
    permit: Permit,
) {
    let begun = Instant::now();
    // On the heap, as every other step that is large and soon over: what a connection is while idle is what ten thousand of them cost.
    let Some(mut connection) = Box::pin(begin(stream, peer, context, drain, begun)).await else {
        return;
    };
    let reason = connection.run().await;
    connection.report(reason, begun);
    let linger = connection.responder.hung_up.is_some();
    Box::pin(connection.link.wire.close(linger)).await;
    drop(permit);
}

/// The connection with its session, after the handshake where TLS comes first.
async fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    context: Arc<ListenerContext>,
    drain: watch::Receiver<bool>,
    begun: Instant,
) -> Option<Connection> {
    let id = session_id::draw();
    let mut wire = Wire::clear(stream);
    let mut facts = None;
    if context.tls == TlsMode::Implicit {
        let shaken = handshake(&mut wire, peer, &context, id, Vec::new()).await;
        let Ok(found) = shaken else {
            wire.close(true).await;
            return None;
        };
        facts = Some(found);
    }
    let link = Link {
        wire,
        session: ServerSession::new(Arc::clone(&context.profile), id, facts, begun),
        timer: Box::pin(sleep_until(begun.into())),
        drain: Some(drain),
        input: FromPeer::Open,
    };
    Some(Connection {
        link,
        responder: Responder::new(Arc::clone(&context), peer),
        backlog: VecDeque::new(),
        context,
        peer,
        id,
    })
}

struct Connection {
    link: Link,
    responder: Responder,
    /// Outputs taken from the session while an answer was outstanding.
    backlog: VecDeque<Output>,
    context: Arc<ListenerContext>,
    peer: SocketAddr,
    id: SessionId,
}

/// The part of a connection that goes on while an answer is outstanding.
struct Link {
    wire: Wire,
    session: ServerSession,
    /// Fires at the session's deadline or earlier; moved when it fires, so that not every command moves it.
    timer: Pin<Box<Sleep>>,
    /// Turns true when the program drains; gone when the session has been told.
    drain: Option<watch::Receiver<bool>>,
    input: FromPeer,
}

/// What may still come from the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FromPeer {
    Open,
    Ended,
    Failed,
}

impl Connection {
    /// Runs the session until it closes; says why it did.
    async fn run(&mut self) -> Reason {
        loop {
            while let Some(output) = self.next_output() {
                match output {
                    Output::Ask(id, request) => {
                        match self.responder.answer(request, &self.link.session) {
                            Response::Now(answer) => self.link.answer(id, answer),
                            Response::Later(work) => self.work(id, work).await,
                        }
                    }
                    Output::Body(octets) => self.responder.body(&octets).await,
                    Output::Event(event) => self.responder.note(event, &self.link.session),
                    Output::StartTls { early } => Box::pin(self.start_tls(early)).await,
                    // Nothing is outstanding here: the answer was quicker.
                    Output::Cancel(_) => {}
                    Output::Close => {
                        self.link.flush(&self.context).await;
                        return self.why_closed();
                    }
                }
            }
            self.link.flush(&self.context).await;
            self.link.wait().await;
        }
    }

    fn next_output(&mut self) -> Option<Output> {
        self.backlog
            .pop_front()
            .or_else(|| self.link.session.poll())
    }

    /// Does what a request takes and gives the answer to the session, unless the session takes the request back.
    async fn work(&mut self, id: RequestId, work: Work) {
        // On the heap: most connections are idle, and work under way is the largest thing a connection has.
        let mut working = Box::pin(self.responder.work(work, self.id));
        let mut answer = poll_fn(|context| Poll::Ready(working.as_mut().poll(context))).await;
        while answer.is_pending() {
            self.link.flush(&self.context).await;
            tokio::select! {
                biased;
                done = &mut working => answer = Poll::Ready(done),
                () = self.link.wait() => {
                    while let Some(output) = self.link.session.poll() {
                        if matches!(output, Output::Cancel(cancelled) if cancelled == id) {
                            return;
                        }
                        self.backlog.push_back(output);
                    }
                }
            }
        }
        drop(working);
        if let Poll::Ready(answer) = answer {
            self.link.answer(id, answer);
        }
    }

    async fn start_tls(&mut self, early: Vec<u8>) {
        self.link.flush(&self.context).await;
        match handshake(
            &mut self.link.wire,
            self.peer,
            &self.context,
            self.id,
            early,
        )
        .await
        {
            Ok(facts) => {
                self.link
                    .session
                    .handle(Input::TlsStarted(facts), Instant::now());
            }
            Err(()) => self.link.lost(FromPeer::Failed),
        }
    }

    fn why_closed(&self) -> Reason {
        match self.responder.hung_up {
            Some(Refusal::Timeout) => Reason::Timeout,
            Some(Refusal::ShuttingDown) => Reason::Draining,
            Some(Refusal::TooManyAuthFailures) => Reason::TooManyFailures,
            Some(Refusal::StartTlsInjection) => Reason::StartTlsInjection,
            Some(Refusal::TlsUnexpected) => Reason::ImplicitTlsOnStartTlsPort,
            Some(_) => Reason::ProtocolViolation,
            None => match self.link.input {
                FromPeer::Open => Reason::Quit,
                FromPeer::Ended => Reason::PeerClosed,
                FromPeer::Failed => Reason::ConnectionFailed,
            },
        }
    }

    fn report(&self, reason: Reason, begun: Instant) {
        self.context.services.observer.emit(ConnectionClosed {
            peer: self.peer,
            listener: self.context.name.clone(),
            session: self.id.to_string(),
            reason,
            messages: self.responder.messages,
            duration: begun.elapsed(),
        });
    }
}

impl Link {
    fn answer(&mut self, id: RequestId, answer: Answer) {
        self.session
            .handle(Input::Answer(id, answer), Instant::now());
    }

    /// Waits until something happens to the session, and tells it.
    async fn wait(&mut self) {
        let Self {
            wire,
            session,
            timer,
            drain,
            input,
        } = self;
        let deadline = session.deadline();
        if let Some(deadline) = deadline
            && (timer.is_elapsed() || timer.deadline() > deadline.into())
        {
            timer.as_mut().reset(deadline.into());
        }
        let readable = *input == FromPeer::Open && session.wants_input();
        tokio::select! {
            biased;
            read = wire.read(|octets| session.handle(Input::Bytes(octets), Instant::now())), if readable => match read {
                Ok(0) => self.lost(FromPeer::Ended),
                Ok(_) => {}
                // A TLS peer that goes without saying so: the octets before are whole, and a cut message has no end of data (TLS-15).
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.lost(FromPeer::Ended),
                Err(_) => self.lost(FromPeer::Failed),
            },
            () = draining(drain) => {
                *drain = None;
                session.handle(Input::Drain, Instant::now());
            }
            () = timer.as_mut(), if deadline.is_some() => {
                let now = Instant::now();
                if deadline.is_some_and(|deadline| deadline <= now) {
                    session.handle(Input::Tick, now);
                }
            }
        }
    }

    /// Writes the replies that have been collected. A peer that does not take them within the time of a command is gone (T-37).
    async fn flush(&mut self, context: &ListenerContext) {
        let pending = std::mem::take(self.session.pending_output());
        if pending.is_empty() || self.input == FromPeer::Failed {
            return;
        }
        let written = timeout(context.limits.command_timeout, self.wire.write(&pending)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.lost(FromPeer::Failed);
        }
    }

    /// The peer will not send, or not take, any more.
    fn lost(&mut self, how: FromPeer) {
        self.input = how;
        self.session.handle(Input::Eof, Instant::now());
    }
}

/// Ready when the program drains and the session has not been told.
async fn draining(drain: &mut Option<watch::Receiver<bool>>) {
    match drain {
        // An error means that the sender is gone, and with it the program.
        Some(drain) => drop(drain.wait_for(|drain| *drain).await),
        None => std::future::pending().await,
    }
}

/// Takes the server's part of a handshake; a failure is reported, and answered where the peer can read it.
async fn handshake(
    wire: &mut Wire,
    peer: SocketAddr,
    context: &ListenerContext,
    session: SessionId,
    early: Vec<u8>,
) -> Result<TlsFacts, ()> {
    let failed = |reason, detail: String| {
        context.services.observer.emit(TlsFailed {
            peer,
            listener: context.name.clone(),
            session: Some(session.to_string()),
            reason,
            detail,
        });
    };
    let limit = context.limits.handshake_timeout;
    if early.is_empty() && context.tls == TlsMode::Implicit {
        match timeout(limit, wire.first_octet()).await {
            Ok(Ok(Some(HANDSHAKE_RECORD))) => {}
            Ok(Ok(Some(_))) => {
                // TLS-12: whoever speaks first in clear text on this port can at least read why nothing works.
                let refusal = Refusal::ImplicitTlsExpected;
                let line = ServerSession::refuse(refusal, session);
                let _ = timeout(limit, wire.write(&line)).await;
                failed(Reason::ClearTextOnTlsPort, refusal.text().to_owned());
                return Err(());
            }
            Ok(Ok(None)) => {
                failed(Reason::PeerClosed, "closed before the handshake".into());
                return Err(());
            }
            Ok(Err(error)) => {
                failed(Reason::ConnectionFailed, error.to_string());
                return Err(());
            }
            Err(_) => {
                failed(Reason::Timeout, "no handshake in time".into());
                return Err(());
            }
        }
    }
    let Some(acceptor) = &context.acceptor else {
        failed(Reason::Internal, "no certificate on this listener".into());
        return Err(());
    };
    match wire.start_tls(acceptor, early, limit).await {
        Ok(connection) => Ok(tls::facts(connection)),
        Err(error) => {
            let reason = match error.kind() {
                io::ErrorKind::TimedOut => Reason::Timeout,
                _ => Reason::HandshakeFailed,
            };
            failed(reason, error.to_string());
            Err(())
        }
    }
}
