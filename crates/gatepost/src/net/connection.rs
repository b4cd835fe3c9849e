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
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, sleep_until, timeout};

use super::admission::Client;
use super::arrival::{self, Arrived, Shaken};
use super::interposer::{Deed, Interposed};
use super::limits::Permit;
use super::proxy::ProxiedTls;
use super::responder::{Responder, Response, Work};
use super::service::ListenerContext;
use super::wire::Wire;
use crate::observe::event::{ConnectionClosed, TlsSeen};
use crate::observe::reason::Reason;

/// Serves one connection to its end. The permit is given back then.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    context: Arc<ListenerContext>,
    drain: watch::Receiver<bool>,
    mut permit: Permit,
) {
    let begun = Instant::now();
    let mut wire = Wire::clear(stream);
    // On the heap, as every other step that is large and soon over: what a connection is while idle is what ten thousand of them cost.
    let arrived = Box::pin(arrival::receive(&mut wire, peer, &context, &mut permit)).await;
    let Some(arrived) = arrived else {
        Box::pin(wire.close(true)).await;
        return;
    };
    let mut connection = Connection::new(wire, arrived, context, drain, begun);
    let reason = connection.run().await;
    connection.report(reason, begun);
    let linger = connection.responder.hung_up.is_some();
    Box::pin(connection.link.wire.close(linger)).await;
    drop(permit);
}

struct Connection {
    link: Link,
    responder: Responder,
    /// Outputs taken from the session while an answer was outstanding.
    backlog: VecDeque<Output>,
    context: Arc<ListenerContext>,
    client: Client,
    /// What a proxy said of the client's TLS.
    proxied_tls: Option<Box<ProxiedTls>>,
    id: SessionId,
}

/// The part of a connection that goes on while an answer is outstanding.
struct Link {
    wire: Wire,
    /// Who stands between the two.
    interposed: Option<Box<Interposed>>,
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

/// What the session was told while replies were written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    /// It may have more to do now.
    News,
}

impl Connection {
    fn new(
        wire: Wire,
        arrived: Arrived,
        context: Arc<ListenerContext>,
        drain: watch::Receiver<bool>,
        begun: Instant,
    ) -> Self {
        let Arrived {
            client,
            session: id,
            tls,
            certificate,
            proxied_tls,
        } = arrived;
        Self {
            link: Link {
                wire,
                interposed: (context.services.interposers.as_ref())
                    .map(|them| Box::new(Interposed::new(them.begin(id)))),
                session: ServerSession::new(Arc::clone(&context.profile), id, tls, begun),
                timer: Box::pin(sleep_until(begun.into())),
                drain: Some(drain),
                input: FromPeer::Open,
            },
            responder: Responder::new(Arc::clone(&context), client.address, certificate),
            backlog: VecDeque::new(),
            context,
            client,
            proxied_tls: proxied_tls.map(Box::new),
            id,
        }
    }

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
            if self.link.flush(&self.context).await == Told::Nothing {
                self.link.wait().await;
            }
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
            if self.link.flush(&self.context).await == Told::Nothing {
                tokio::select! {
                    biased;
                    done = &mut working => answer = Poll::Ready(done),
                    () = self.link.wait() => {}
                }
            }
            while let Some(output) = self.link.session.poll() {
                if matches!(output, Output::Cancel(cancelled) if cancelled == id) {
                    return;
                }
                self.backlog.push_back(output);
            }
        }
        drop(working);
        if let Poll::Ready(answer) = answer {
            self.link.answer(id, answer);
        }
    }

    async fn start_tls(&mut self, early: Vec<u8>) {
        self.link.flush(&self.context).await;
        let wire = &mut self.link.wire;
        match arrival::handshake(wire, self.client, &self.context, self.id, early).await {
            Ok(Shaken { tls, certificate }) => {
                self.responder.certificate = certificate;
                self.link
                    .session
                    .handle(Input::TlsStarted(tls), Instant::now());
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
            peer: self.client.address,
            proxy: self.client.proxy,
            listener: self.context.name.clone(),
            session: self.id.to_string(),
            reason,
            tls: self.link.session.greeting_facts().tls.map(TlsSeen::from),
            proxied_tls: self.proxied_tls.as_ref().map(ToString::to_string),
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
            interposed,
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
            read = wire.read(|octets| match interposed {
                None => session.handle(Input::Bytes(octets), Instant::now()),
                Some(interposed) => interposed.peer_said(octets),
            }), if readable => match read {
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

    /// Writes the replies that have been collected.
    async fn flush(&mut self, context: &ListenerContext) -> Told {
        let pending = std::mem::take(self.session.pending_output());
        let Some(interposed) = &mut self.interposed else {
            return self.write(&pending, context).await;
        };
        interposed.session_said(&pending);
        self.relay(context).await
    }

    /// A peer that does not take octets within the time of a command is gone (T-37).
    async fn write(&mut self, octets: &[u8], context: &ListenerContext) -> Told {
        if octets.is_empty() || self.input == FromPeer::Failed {
            return Told::Nothing;
        }
        let written = timeout(context.limits.command_timeout, self.wire.write(octets)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.lost(FromPeer::Failed);
            return Told::News;
        }
        Told::Nothing
    }

    /// Does what the interposer wants done.
    async fn relay(&mut self, context: &ListenerContext) -> Told {
        let mut told = Told::Nothing;
        while let Some(deed) = self.interposed.as_mut().and_then(|it| it.next_deed()) {
            match deed {
                Deed::Tell(octets) => told = told.max(self.write(&octets, context).await),
                Deed::Wait(time) => sleep(time).await,
                Deed::Close if self.input == FromPeer::Failed => {}
                Deed::Close => {
                    self.lost(FromPeer::Failed);
                    told = Told::News;
                }
            }
        }
        let heard = self.interposed.as_mut().and_then(|it| it.for_session());
        if let Some(octets) = heard {
            self.session.handle(Input::Bytes(&octets), Instant::now());
            told = Told::News;
        }
        told
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
