//! A client that says exactly what a test tells it to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::server::AUTH_PLAIN;
use crate::trust::{VERSIONS, trusting};

/// Longest wait for anything: a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One side of a conversation.
pub(crate) struct Talk {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

impl Talk {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: Box::new(stream),
            unread: Vec::new(),
        }
    }

    /// Over TLS that a test has made itself, for example.
    pub(crate) fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            unread: Vec::new(),
        }
    }

    /// From an address of its own.
    #[cfg(feature = "peer-tests")]
    pub(crate) async fn connect_from(source: [u8; 4], address: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Self {
            stream: Box::new(socket.connect(address).await.unwrap()),
            unread: Vec::new(),
        }
    }

    /// Starts TLS as a client that trusts the authority in `directory` and offers these application protocols.
    pub(crate) async fn start_tls(
        self,
        directory: &Path,
        protocols: &[&str],
    ) -> Result<Self, String> {
        let mut config = trusting(&[&directory.join("ca.pem")], VERSIONS);
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        self.start_tls_as(Arc::new(config)).await
    }

    /// Starts TLS as a client with these settings.
    pub(crate) async fn start_tls_as(self, config: Arc<ClientConfig>) -> Result<Self, String> {
        assert_eq!(self.unread, b"", "octets before the handshake");
        let connector = TlsConnector::from(config);
        let name = ServerName::try_from("localhost").unwrap();
        let shaken = timeout(PATIENCE, connector.connect(name, self.stream)).await;
        match shaken.expect("a handshake in time") {
            Ok(stream) => Ok(Self {
                stream: Box::new(stream),
                unread: Vec::new(),
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sends octets as they are.
    pub(crate) async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Reads one whole reply, all its lines, without the last line end.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self
                .line()
                .await
                .unwrap_or_else(|| panic!("closed after {reply:?}"));
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push_str(&line);
            if last {
                return reply;
            }
            reply.push('\n');
        }
    }

    /// Reads one reply whose last line begins like this.
    pub(crate) async fn expect(&mut self, begin: &str) -> String {
        let reply = self.reply().await;
        let last = reply.lines().last().unwrap_or_default();
        assert!(last.starts_with(begin), "{begin:?} expected, not {reply:?}");
        reply
    }

    /// Sends a line and reads a reply whose last line begins like this.
    pub(crate) async fn ask(&mut self, line: &str, begin: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.expect(begin).await
    }

    /// Authenticates as the developer and submits a message with this body; both are accepted.
    pub(crate) async fn submit(&mut self, body: &str) {
        self.ask(AUTH_PLAIN, "235 ").await;
        self.ask("MAIL FROM:<dev@localhost>", "250 ").await;
        self.ask("RCPT TO:<you@example.com>", "250 ").await;
        self.ask("DATA", "354 ").await;
        let message = format!("From: dev@localhost\r\n\r\n{body}\r\n.");
        self.ask(&message, "250 2.0.0 ").await;
    }

    /// Ends our side, inside TLS with its notice.
    pub(crate) async fn end(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Waits for the end; gives what still came.
    pub(crate) async fn rest(mut self) -> String {
        let mut rest = std::mem::take(&mut self.unread);
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        // A reset also is an end.
        let _ = read.expect("the connection closed in time");
        String::from_utf8(rest).unwrap()
    }

    /// Waits for the end, whatever octets still came.
    pub(crate) async fn rest_of_octets(mut self) {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        let _ = read.expect("the connection closed in time");
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
            if read.expect("a line in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}
