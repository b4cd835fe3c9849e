//! The octets of one connection, in clear text or inside TLS.
//!
//! Reading needs no buffer of the connection's own: octets arrive in a buffer of the thread and are handed on at once, so that an idle
//! connection holds none (the memory of ten thousand idle phones is what a submission server is made of).

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use gatepost_smtp::TlsFacts;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::proxy::{self, Header};
use super::tls::{Accepted, Tls, TlsStream};

/// Octets read at most in one go: several TLS records, or what a fast sender has in flight.
const READ_SIZE: usize = 64 << 10;

/// Octets of room for a proxy's header: the usual ones come in one segment and fit.
const HEADER_SIZE: usize = 256;

/// How long a peer may take to close after we have: its last octets are read and dropped meanwhile.
const LINGER: Duration = Duration::from_secs(2);

/// Octets read and dropped at most while waiting for the peer to close.
const LINGER_OCTETS: usize = 256 << 10;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into());
}

/// One connection's octets.
pub(super) enum Wire {
    /// Clear text.
    Clear(Socket),
    /// Inside TLS.
    Tls(TlsStream<Socket>),
    /// A handshake took the socket and failed.
    Lost,
}

impl Wire {
    /// A connection that begins in clear text.
    pub(super) fn clear(stream: TcpStream) -> Self {
        Self::Clear(Socket {
            early: Vec::new(),
            stream,
        })
    }

    /// Reads a proxy's header, and nothing of what stands behind it. An error of kind `InvalidData` is a header that breaks the rules.
    pub(super) async fn proxy_header(&mut self) -> io::Result<Header> {
        let Self::Clear(socket) = self else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut octets = Vec::with_capacity(HEADER_SIZE);
        loop {
            octets.reserve(HEADER_SIZE);
            if socket.stream.read_buf(&mut octets).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let parsed = proxy::parse(&octets);
            let parsed =
                parsed.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
            if let Some((header, length)) = parsed {
                socket.early = octets.split_off(length);
                return Ok(header);
            }
        }
    }

    /// The first octet the peer sends, left unread; `None` when it sends none.
    pub(super) async fn first_octet(&mut self) -> io::Result<Option<u8>> {
        let Self::Clear(socket) = self else {
            return Ok(None);
        };
        if let Some(&octet) = socket.early.first() {
            return Ok(Some(octet));
        }
        let mut octet = [0];
        let count = socket.stream.peek(&mut octet).await?;
        Ok(octet.into_iter().next().filter(|_| count > 0))
    }

    /// Takes the server's part in a TLS handshake; `early` are octets of it that were read already. Gives what there is to say about it, and
    /// the certificates that the client presented.
    pub(super) async fn start_tls(
        &mut self,
        tls: &Tls,
        early: Vec<u8>,
        limit: Duration,
    ) -> io::Result<(TlsFacts, Vec<CertificateDer<'static>>)> {
        let Self::Clear(mut socket) = std::mem::replace(self, Self::Lost) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        socket.early.splice(..0, early);
        // The handshake's state is large, and gone when it is done: not part of the connection's own.
        let handshake = Box::pin(tls.accept(socket));
        let Accepted {
            stream,
            facts,
            presented,
        } = timeout(limit, handshake).await??;
        *self = Self::Tls(stream);
        Ok((facts, presented))
    }

    /// Waits for octets and gives them to `take`; says how many they were, 0 when the peer has ended its side.
    pub(super) async fn read(&mut self, take: impl FnOnce(&[u8])) -> io::Result<usize> {
        let mut take = Some(take);
        poll_fn(|context| {
            BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(self.poll_read(context, &mut buffer))?;
                let octets = buffer.filled();
                if let Some(take) = take.take().filter(|_| !octets.is_empty()) {
                    take(octets);
                }
                Poll::Ready(Ok(octets.len()))
            })
        })
        .await
    }

    /// Writes all of `octets` and sees them off.
    pub(super) async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Clear(socket) => socket.stream.write_all(octets).await,
            Self::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
            Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Ends our side. When we hang up on a peer that may still be sending, `linger` for it: octets unread at the close would make the
    /// system reset the connection, and the peer would lose our last reply.
    pub(super) async fn close(mut self, linger: bool) {
        let until = Instant::now() + LINGER;
        let ended = match &mut self {
            Self::Clear(socket) => timeout_at(until, socket.stream.shutdown()).await,
            Self::Tls(stream) => timeout_at(until, stream.shutdown()).await,
            Self::Lost => return,
        };
        let mut dropped = 0;
        while linger && matches!(ended, Ok(Ok(()))) && dropped < LINGER_OCTETS {
            match timeout_at(until, self.read(|_| {})).await {
                Ok(Ok(count)) if count > 0 => dropped += count,
                _ => return,
            }
        }
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

/// A socket, and octets that were read from it before someone else took over.
pub(super) struct Socket {
    early: Vec<u8>,
    stream: TcpStream,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.early.len().min(buffer.remaining());
        let rest = self.early.split_off(count);
        buffer.put_slice(&std::mem::replace(&mut self.early, rest));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
