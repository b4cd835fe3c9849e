//! A server that follows a script: at each stage of the dialogue it answers as told, and it remembers all it heard.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Where the dialogue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Greeting,
    Hello,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    End,
    /// A line that is no command: a response of an exchange.
    Response,
    Quit,
}

/// What the peer does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Say(Vec<u8>),
    /// Says the first part once and the second as long as anybody listens.
    Flood(&'static [u8], &'static [u8]),
    /// An octet now and then, never a line end.
    Drip,
    /// Neither speaks nor closes.
    Hang,
    Close,
    SayAndClose(Vec<u8>),
    /// Says this and shakes hands.
    Secure(&'static [u8]),
}

/// What the peer heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) clear: String,
    pub(crate) protected: String,
    pub(crate) octets_said: usize,
}

/// A running peer.
pub(crate) struct Peer {
    pub(crate) port: u16,
    heard: Arc<Mutex<Heard>>,
}

type Script = Arc<dyn Fn(At, &str) -> Act + Send + Sync>;

impl Peer {
    /// Serves every connection by the script, which is given the stage and the line heard.
    pub(crate) async fn start(
        implicit: bool,
        acceptor: Option<TlsAcceptor>,
        script: impl Fn(At, &str) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (memory, script): (_, Script) = (Arc::clone(&heard), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let dialogue = Dialogue {
                    script: Arc::clone(&script),
                    heard: Arc::clone(&memory),
                    in_data: false,
                };
                tokio::spawn(dialogue.serve(stream, implicit, acceptor.clone()));
            }
        });
        Self { port, heard }
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }
}

/// The answers of a server with nothing wrong about it.
pub(crate) fn faultless(at: At, _line: &str) -> Act {
    let reply: &[u8] = match at {
        At::Greeting => b"220 peer ESMTP\r\n",
        At::Hello => b"250-peer\r\n250-SIZE\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n",
        At::StartTls => b"454 4.7.0 no\r\n",
        At::Auth | At::Response => b"235 2.7.0 ok\r\n",
        At::Mail | At::Rcpt | At::End => b"250 2.0.0 ok\r\n",
        At::Data => b"354 go\r\n",
        At::Quit => return Act::SayAndClose(b"221 bye\r\n".to_vec()),
    };
    Act::Say(reply.to_vec())
}

struct Dialogue {
    script: Script,
    heard: Arc<Mutex<Heard>>,
    in_data: bool,
}

impl Dialogue {
    async fn serve(mut self, stream: TcpStream, implicit: bool, acceptor: Option<TlsAcceptor>) {
        if implicit {
            if let Ok(stream) = acceptor.unwrap().accept(stream).await {
                self.talk(BufReader::new(stream), true, true).await;
            }
            return;
        }
        if let Some(stream) = self.talk(BufReader::new(stream), true, false).await
            && let Ok(stream) = acceptor.unwrap().accept(stream.into_inner()).await
        {
            self.talk(BufReader::new(stream), false, true).await;
        }
    }

    /// Comes back for a handshake, or not.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        mut stream: BufReader<S>,
        greet: bool,
        protected: bool,
    ) -> Option<BufReader<S>> {
        let mut next = greet.then(|| (self.script)(At::Greeting, ""));
        loop {
            match next.take() {
                Some(Act::Secure(go_ahead)) => {
                    self.say(&mut stream, go_ahead).await?;
                    return Some(stream);
                }
                Some(act) => self.perform(&mut stream, act).await?,
                None => {}
            }
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            self.remember(&line, protected);
            next = self
                .stage(line.trim_end())
                .map(|at| (self.script)(at, line.trim_end()));
        }
    }

    fn remember(&self, line: &str, protected: bool) {
        let mut heard = self.heard.lock().unwrap();
        let heard = if protected {
            &mut heard.protected
        } else {
            &mut heard.clear
        };
        heard.push_str(line);
    }

    fn stage(&mut self, line: &str) -> Option<At> {
        if self.in_data {
            self.in_data = line != ".";
            return (line == ".").then_some(At::End);
        }
        Some(match line.split(' ').next().unwrap_or_default() {
            "EHLO" | "HELO" => At::Hello,
            "STARTTLS" => At::StartTls,
            "AUTH" => At::Auth,
            "MAIL" => At::Mail,
            "RCPT" => At::Rcpt,
            "DATA" => {
                self.in_data = matches!((self.script)(At::Data, ""), Act::Say(reply) if reply.starts_with(b"354"));
                At::Data
            }
            "QUIT" => At::Quit,
            _ => At::Response,
        })
    }

    async fn perform<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        act: Act,
    ) -> Option<()> {
        match act {
            Act::Say(octets) => self.say(stream, &octets).await,
            Act::SayAndClose(octets) => {
                self.say(stream, &octets).await;
                let _ = stream.shutdown().await;
                None
            }
            Act::Flood(once, again) => {
                self.say(stream, once).await?;
                let again = again.repeat(1 + 4096 / again.len());
                while self.say(stream, &again).await.is_some() {}
                None
            }
            Act::Drip => {
                while self.say(stream, b"2").await.is_some() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                None
            }
            Act::Hang => {
                let mut rest = String::new();
                while stream
                    .read_line(&mut rest)
                    .await
                    .is_ok_and(|octets| octets > 0)
                {}
                None
            }
            Act::Close | Act::Secure(_) => None,
        }
    }

    async fn say<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, octets: &[u8]) -> Option<()> {
        stream.write_all(octets).await.ok()?;
        stream.flush().await.ok()?;
        self.heard.lock().unwrap().octets_said += octets.len();
        Some(())
    }
}
