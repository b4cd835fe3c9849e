//! The server that mail is handed on to. It runs in the test's process, outlives every crash, takes everything in the end, and now and then asks
//! for a recipient to be tried again later.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

use super::chance::Chance;
use super::fuse::{Fuse, Moment};
use super::ledger::Ledger;

/// Percentage of recipients that are told 451.
const REFUSED: u64 = 5;

/// A running next hop.
pub(super) struct NextHop {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Arc<Ledger>,
    fuse: Mutex<Option<Arc<Fuse>>>,
    chance: Mutex<Chance>,
}

impl NextHop {
    pub(super) async fn start(ledger: Arc<Ledger>, chance: Chance) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            ledger,
            fuse: Mutex::default(),
            chance: Mutex::new(chance),
        });
        let here = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&here);
                // A client that dies ends the session, and that is all there is to it.
                tokio::spawn(async move { drop(shared.session(stream).await) });
            }
        });
        Self { port, shared }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Tells this fuse what is going on.
    pub(super) fn watch(&self, fuse: Arc<Fuse>) {
        *self.shared.fuse.lock().unwrap() = Some(fuse);
    }
}

impl Shared {
    async fn session(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // What a dying process has left in the socket is of its own life, though it may be read in the next.
        let life = self.ledger.life();
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::with_capacity(64 << 10, read);
        write.write_all(b"220 hop.example ESMTP\r\n").await?;
        let mut recipients = Vec::new();
        let mut line = String::new();
        while read.read_line(&mut line).await? > 0 {
            let command = std::mem::take(&mut line);
            let verb = command.trim_end().split([' ', ':']).next();
            let reply: &[u8] = match verb.unwrap_or_default() {
                "EHLO" => b"250-hop.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
                "MAIL" => {
                    recipients.clear();
                    b"250 2.1.0 Ok\r\n"
                }
                "RCPT" => {
                    self.reached(Moment::Attempt);
                    let to = recipient(&command);
                    if self.chance.lock().unwrap().percent(REFUSED) {
                        self.reached(Moment::Outcome);
                        b"451 4.2.1 Later\r\n"
                    } else {
                        recipients.push(to);
                        b"250 2.1.5 Ok\r\n"
                    }
                }
                "DATA" if recipients.is_empty() => b"554 5.5.1 No valid recipients\r\n",
                "DATA" => {
                    write.write_all(b"354 Go on\r\n").await?;
                    let content = self.content(&mut read).await?;
                    // On the books before it is said: a 250 that is lost on its way must not look like a lost message.
                    self.ledger.arrived(life, &content, &recipients);
                    write.write_all(b"250 2.0.0 Ok\r\n").await?;
                    self.reached(Moment::Outcome);
                    continue;
                }
                "QUIT" => return write.write_all(b"221 2.0.0 Bye\r\n").await,
                _ => b"250 2.0.0 Ok\r\n",
            };
            write.write_all(reply).await?;
        }
        Ok(())
    }

    /// Everything before the final dot, unstuffed.
    async fn content(&self, read: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut told = false;
        loop {
            let start = content.len();
            if read.read_until(b'\n', &mut content).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match &content[start..] {
                b".\r\n" => {
                    content.truncate(start);
                    return Ok(content);
                }
                [b'.', ..] => drop(content.remove(start)),
                _ => {}
            }
            if !told && content.len() > 512 {
                told = true;
                self.reached(Moment::Attempt);
            }
        }
    }

    fn reached(&self, moment: Moment) {
        if let Some(fuse) = &*self.fuse.lock().unwrap() {
            fuse.at(moment);
        }
    }
}

/// The address of a RCPT command.
fn recipient(command: &str) -> String {
    let address = command.split(['<', '>']).nth(1);
    address.unwrap_or_default().to_owned()
}
