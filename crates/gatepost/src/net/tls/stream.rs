//! The octets inside TLS, whichever library does it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One connection inside TLS.
pub enum TlsStream<S> {
    /// TLS 1.2 and 1.3.
    Current(Box<tokio_rustls::server::TlsStream<S>>),
    /// On a listener that speaks old versions.
    #[cfg(feature = "legacy-tls")]
    Old(tokio_openssl::SslStream<S>),
}

/// Does it with the stream of whichever library.
macro_rules! with {
    ($self:ident, $stream:ident => $done:expr) => {
        match $self.get_mut() {
            TlsStream::Current(stream) => {
                let $stream = Pin::new(stream);
                $done
            }
            #[cfg(feature = "legacy-tls")]
            TlsStream::Old(stream) => {
                let $stream = Pin::new(stream);
                $done
            }
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with!(self, stream => stream.poll_read(context, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        with!(self, stream => stream.poll_write(context, octets))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self, stream => stream.poll_shutdown(context))
    }
}
