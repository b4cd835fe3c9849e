//! A connection of the probe: says exactly what it is told to, and reads whole replies, however strange.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_client::server_end_point;
use gatepost_sasl::ChannelBindings;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ProtocolVersion, StreamOwned, SupportedProtocolVersion};

use super::certificate::Witness;
use crate::cli::CommandError;
use crate::cli::send::Protection;

/// Octets of one reply that are read at most: far beyond any honest one.
const MAX_REPLY: usize = 64 * 1024;

/// The name the probe gives with EHLO: it has none that anybody could look up (RFC 5321 §4.1.3).
const HELLO: &str = "EHLO [127.0.0.1]";

/// RFC 9266 §2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Where to connect to, and how.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// `None`: STARTTLS if offered.
    pub(super) protection: Option<Protection>,
    pub(super) witness: Arc<Witness>,
    name: ServerName<'static>,
    patience: Duration,
    refused_logins: Rc<Cell<usize>>,
}

/// An open connection.
pub(super) struct Connection {
    stream: Stream,
    refused_logins: Rc<Cell<usize>>,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// A handshake failed.
    Gone,
}

/// What the server said.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// Its lines without line ends.
    pub(super) lines: Vec<String>,
}

impl Target {
    pub(super) fn new(
        host: &str,
        port: u16,
        protection: Option<Protection>,
        ca: Option<&Path>,
        patience: Duration,
    ) -> Result<Self, CommandError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            CommandError::Usage(format!("`{host}` is neither a host name nor an address"))
        })?;
        Ok(Self {
            host: host.to_owned(),
            port,
            protection,
            witness: Witness::new(ca)?,
            name,
            patience,
            refused_logins: Rc::default(),
        })
    }

    /// Connects, with TLS if that comes first.
    pub(super) fn connect(&self) -> io::Result<Connection> {
        let mut connection = self.dial()?;
        if self.protection == Some(Protection::Implicit) {
            connection.start_tls(self)?;
        }
        Ok(connection)
    }

    /// A connection on which TLS is to begin with the next octet.
    pub(super) fn before_tls(&self, starttls: bool) -> io::Result<Connection> {
        let mut connection = self.dial()?;
        if starttls {
            connection.reply()?;
            connection.hello()?;
            connection.ask("STARTTLS")?;
        }
        Ok(connection)
    }

    fn dial(&self) -> io::Result<Connection> {
        let mut tried = Err(io::Error::from(io::ErrorKind::NotFound));
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            tried = TcpStream::connect_timeout(&address, self.patience);
            if tried.is_ok() {
                break;
            }
        }
        let stream = tried?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream: Stream::Clear(stream),
            refused_logins: Rc::clone(&self.refused_logins),
        })
    }

    /// Whether a careful client would show its password on this connection: the last one made, so that the witness has seen its certificate.
    pub(super) fn trusts(&self, connection: &Connection) -> bool {
        match connection.stream {
            Stream::Tls(_) => self.witness.trusts(),
            Stream::Clear(_) => self.protection == Some(Protection::None),
            Stream::Gone => false,
        }
    }

    /// How many logins were refused so far, on all connections.
    pub(super) fn refused_logins(&self) -> usize {
        self.refused_logins.get()
    }

    /// A connection that has said hello on the channel where authentication belongs.
    pub(super) fn ready(&self, starttls: bool) -> io::Result<Connection> {
        let mut connection = self.connect()?;
        connection.reply()?;
        connection.hello()?;
        if starttls {
            connection.ask("STARTTLS")?;
            connection.start_tls(self)?;
            connection.hello()?;
        }
        Ok(connection)
    }
}

impl Connection {
    /// Shakes hands. The certificate is looked at by the witness, who lets any pass: no secret follows.
    pub(super) fn start_tls(&mut self, target: &Target) -> io::Result<()> {
        self.shake_hands(target, rustls::ALL_VERSIONS)
    }

    /// The same with one of these versions.
    pub(super) fn shake_hands(
        &mut self,
        target: &Target,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<()> {
        let Stream::Clear(mut stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(io::Error::other("TLS within TLS"));
        };
        let config = target.witness.config(versions)?;
        let mut tls =
            ClientConnection::new(config, target.name.clone()).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(tls, stream)));
        Ok(())
    }

    /// Version and cipher of the TLS underneath.
    pub(super) fn tls(&self) -> Option<String> {
        let Stream::Tls(stream) = &self.stream else {
            return None;
        };
        let version = stream.conn.protocol_version()?;
        let suite = stream.conn.negotiated_cipher_suite()?;
        Some(format!("{version:?} {:?}", suite.suite()))
    }

    /// What this connection can be bound by: the exporter of TLS 1.3 and, from the certificate, the end point.
    pub(super) fn bindings(&self) -> ChannelBindings {
        let Stream::Tls(stream) = &self.stream else {
            return ChannelBindings::default();
        };
        let tls = &stream.conn;
        let certificate = tls.peer_certificates().and_then(<[_]>::first);
        ChannelBindings {
            tls_exporter: (tls.protocol_version() == Some(ProtocolVersion::TLSv1_3))
                .then(|| {
                    tls.export_keying_material([0; 32], EXPORTER_LABEL, Some(b""))
                        .ok()
                })
                .flatten(),
            tls_server_end_point: certificate.and_then(server_end_point),
            ..ChannelBindings::default()
        }
    }

    pub(super) fn hello(&mut self) -> io::Result<Reply> {
        self.ask(HELLO)
    }

    /// Says a line and reads the reply.
    pub(super) fn ask(&mut self, line: &str) -> io::Result<Reply> {
        self.say(&format!("{line}\r\n"))?;
        self.reply()
    }

    /// Says this.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.write(text.as_bytes())
    }

    /// Writes these octets.
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let stream: &mut dyn Write = match &mut self.stream {
            Stream::Clear(stream) => stream,
            Stream::Tls(stream) => stream,
            Stream::Gone => return Err(io::ErrorKind::NotConnected.into()),
        };
        stream.write_all(octets)?;
        stream.flush()
    }

    /// Says good-bye; nothing depends on whether the server answers.
    pub(super) fn close(mut self) {
        let _ = self.ask("QUIT");
    }

    /// Reads one reply: lines up to the first that does not go on.
    pub(super) fn reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        let mut line = Vec::new();
        let mut read = 0;
        loop {
            match self.octet()? {
                b'\n' => {
                    let text = String::from_utf8_lossy(&line);
                    lines.push(text.strip_suffix('\r').unwrap_or(&text).to_owned());
                    if line.get(3) != Some(&b'-') {
                        let reply = Reply { lines };
                        if reply.is("535") {
                            self.refused_logins.set(self.refused_logins.get() + 1);
                        }
                        return Ok(reply);
                    }
                    line.clear();
                }
                octet => line.push(octet),
            }
            read += 1;
            if read > MAX_REPLY {
                return Err(io::Error::other("a reply without end"));
            }
        }
    }

    /// One at a time: a probe reads little, and what follows a reply must stay unread for the TLS handshake.
    fn octet(&mut self) -> io::Result<u8> {
        let [octet] = self.read()?;
        Ok(octet)
    }

    /// Reads so many octets.
    pub(super) fn read<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        let stream: &mut dyn Read = match &mut self.stream {
            Stream::Clear(stream) => stream,
            Stream::Tls(stream) => stream,
            Stream::Gone => return Err(io::ErrorKind::NotConnected.into()),
        };
        stream.read_exact(&mut octets)?;
        Ok(octets)
    }
}

impl Reply {
    /// The last line, which says everything but in replies to EHLO.
    pub(super) fn text(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    /// What the server says within an exchange; `None` if the exchange is over.
    pub(super) fn challenge(&self) -> Option<Vec<u8>> {
        let text = self.text().strip_prefix("334")?;
        STANDARD.decode(text.trim()).ok()
    }

    /// The last line for people: a challenge with what it means, if that is text.
    pub(super) fn shown(&self) -> String {
        let text = self.text();
        let meaning = self
            .challenge()
            .and_then(|octets| String::from_utf8(octets).ok());
        match meaning {
            Some(meaning) if !meaning.is_empty() => format!("{text} ({meaning})"),
            _ => text.to_owned(),
        }
    }

    /// Whether the code (and the enhanced code, if `start` has one) is this.
    pub(super) fn is(&self, start: &str) -> bool {
        self.text()
            .strip_prefix(start)
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    }

    /// Whether the code begins with this digit.
    pub(super) fn kind(&self, digit: char) -> bool {
        self.text().starts_with(digit)
    }
}
