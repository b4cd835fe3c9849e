//! A scripted peer: a real program is played to over a socket, as client or as server.
//!
//! TLS belongs to whoever has a library for it: [`SocketWire::with_tls`] takes a function that makes the handshake. Everything waits
//! at most [`PATIENCE`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::wire::{Inside, Received, Wire};

/// How long something is waited for that should come at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of octets, in clear or not.
pub trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// Makes a TLS handshake on a socket.
pub type Handshake = Box<dyn FnMut(TcpStream) -> io::Result<Box<dyn Stream>> + Send>;

/// The far end of a TCP connection.
pub struct SocketWire {
    /// For time and ends; octets go through `stream`.
    socket: TcpStream,
    stream: Box<dyn Stream>,
    handshake: Option<Handshake>,
}

impl SocketWire {
    /// A connection to a server.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    /// The next connection of a client.
    pub fn accept(listener: &TcpListener) -> io::Result<Self> {
        Self::new(listener.accept()?.0)
    }

    fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: Box::new(socket.try_clone()?),
            socket,
            handshake: None,
        })
    }

    /// The same, able to speak TLS.
    #[must_use]
    pub fn with_tls(self, handshake: Handshake) -> Self {
        Self {
            handshake: Some(handshake),
            ..self
        }
    }

    fn read(&mut self) -> io::Result<Received> {
        let mut octets = vec![0; 16 << 10];
        match self.stream.read(&mut octets) {
            Ok(0) => Ok(Received::Closed),
            Ok(length) => {
                octets.truncate(length);
                Ok(Received::Octets(octets))
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(Received::Nothing),
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => Ok(Received::Closed),
                _ => Err(error),
            },
        }
    }
}

impl Wire for SocketWire {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)?;
        self.stream.flush()
    }

    fn receive(&mut self) -> io::Result<Received> {
        self.read()
    }

    fn receive_now(&mut self) -> io::Result<Received> {
        self.socket.set_nonblocking(true)?;
        let received = self.read();
        self.socket.set_nonblocking(false)?;
        received
    }

    fn start_tls(&mut self) -> io::Result<()> {
        let handshake = self.handshake.as_mut();
        let handshake = handshake.ok_or_else(|| io::Error::other("nobody here speaks TLS"))?;
        self.stream = handshake(self.socket.try_clone()?)?;
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        match self.socket.shutdown(Shutdown::Write) {
            // They were faster.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            outcome => outcome,
        }
    }

    fn inside(&mut self) -> Option<&mut dyn Inside> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::path::Path;
    use std::thread;

    use super::*;
    use crate::client::ClientBench;
    use crate::play::{Mismatch, play};
    use crate::server::ServerBench;
    use crate::transcript::{Side, Transcript};

    const SERVER: &str = "# provenance: here
# proves: AUTH-01
@ listener legacy
@ account user@example.com secret
S: 220 mail.example.com ESMTP server ready
C: EHLO x
S: 250-mail.example.com
S: ...
C+ AUTH PLAIN
C: AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0
S: 334⟨SP⟩
S: 235 2.7.0 Authentication successful
E: won PLAIN user@example.com
C: RCPT TO:<a@example.net>
S: 503 5.5.1 Need MAIL command first [ID]
C: QUIT
S: 221 2.0.0 Bye
S: [closes]
";

    const CLIENT: &str = "# provenance: here
# proves: AUTH-01
@ side client
@ tls on-demand
@ do quit
S: 220 x
C: EHLO client.example.com
S: 250 x
C: QUIT
S: 221 bye
C: [closes]
E: quit
";

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Carries octets between a socket and a session until either ends.
    fn carry(mut socket: TcpStream, wire: &mut dyn Wire) {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut octets = [0; 1000];
        loop {
            match wire.receive_now().unwrap() {
                Received::Octets(output) => socket.write_all(&output).unwrap(),
                Received::Closed => return,
                Received::Nothing => match socket.read(&mut octets).unwrap() {
                    0 => return,
                    length => wire.send(&octets[..length]).unwrap(),
                },
            }
        }
    }

    fn over_a_socket(text: &str) -> Result<(), Mismatch> {
        let transcript = Transcript::parse(Path::new("x.smtp"), text).unwrap();
        let (listener, address) = listener();
        let (side, scene) = (transcript.side.clone(), &transcript.scenes[0]);
        match side {
            Side::Server(settings) => {
                let server = thread::spawn(move || {
                    let mut bench = ServerBench::of(&settings).unwrap();
                    carry(listener.accept().unwrap().0, &mut bench);
                });
                let outcome = play(
                    &transcript,
                    scene,
                    &mut SocketWire::connect(address).unwrap(),
                );
                server.join().unwrap();
                outcome
            }
            Side::Client(settings) => {
                let client = thread::spawn(move || {
                    let mut bench = ClientBench::of(&settings).unwrap();
                    carry(TcpStream::connect(address).unwrap(), &mut bench);
                });
                let outcome = play(
                    &transcript,
                    scene,
                    &mut SocketWire::accept(&listener).unwrap(),
                );
                client.join().unwrap();
                outcome
            }
        }
    }

    #[test]
    fn the_same_file_is_played_over_a_socket() {
        over_a_socket(SERVER).unwrap();
        over_a_socket(CLIENT).unwrap();
    }

    #[test]
    fn what_differs_behind_a_socket_is_noticed() {
        let wrong = SERVER.replace("235 2.7.0", "235 2.7.1");
        let mismatch = over_a_socket(&wrong).unwrap_err().to_string();
        assert!(
            mismatch.starts_with("x.smtp:12: the line differs"),
            "{mismatch}"
        );
        let wrong = CLIENT.replace("C: QUIT", "C: NOOP");
        let mismatch = over_a_socket(&wrong).unwrap_err().to_string();
        assert!(
            mismatch.starts_with("x.smtp:9: the line differs"),
            "{mismatch}"
        );
    }
}
