//! A connection that begins in clear or under TLS and may change from the one to the other once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longest wait for a farewell to leave.
const LINGER: Duration = Duration::from_secs(1);

/// The transport under a session.
#[derive(Debug)]
pub(crate) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Closed, or lost in a handshake that did not finish.
    Gone,
}

/// What one turn of reading and writing brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// So many octets are in the buffer; 0 is the end.
    Read(usize),
    /// So many octets were taken.
    Written(usize),
}

impl Stream {
    /// Shakes hands and verifies that the server is `name`. On failure the connection is gone.
    pub(crate) async fn start_tls(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<()> {
        match std::mem::replace(self, Self::Gone) {
            Self::Clear(stream) => {
                let stream = TlsConnector::from(config).connect(name, stream).await?;
                *self = Self::Tls(Box::new(stream));
                Ok(())
            }
            Self::Tls(_) | Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Reads into `input` or writes from `output`, whichever is possible first. Reading comes first, so that a server that talks
    /// while we write never waits for us. Safe to drop: what was not reported did not happen.
    pub(crate) fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut [u8],
        output: &[u8],
    ) -> Poll<io::Result<Turn>> {
        let mut buffer = ReadBuf::new(input);
        if let Poll::Ready(read) = self.poll_read(cx, &mut buffer) {
            return Poll::Ready(read.map(|()| Turn::Read(buffer.filled().len())));
        }
        if output.is_empty() {
            ready!(self.poll_flush(cx))?;
            return Poll::Pending;
        }
        self.poll_write(cx, output).map_ok(Turn::Written)
    }

    /// The TLS connection, once there is one.
    pub(crate) fn tls(&self) -> Option<&ClientConnection> {
        match self {
            Self::Tls(stream) => Some(stream.get_ref().1),
            Self::Clear(_) | Self::Gone => None,
        }
    }

    /// Says good-bye to the transport, as far as it still listens.
    pub(crate) async fn close(&mut self) {
        let shutdown = async {
            match std::mem::replace(self, Self::Gone) {
                Self::Clear(mut stream) => stream.shutdown().await,
                Self::Tls(mut stream) => stream.shutdown().await,
                Self::Gone => Ok(()),
            }
        };
        // Neither an error nor a peer that no longer reads changes anything now.
        drop(timeout(LINGER, shutdown).await);
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, output: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, output),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, output),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
