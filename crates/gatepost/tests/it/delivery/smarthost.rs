//! A next hop: speaks enough SMTP to take a message, and says something else where a test wants it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// What is said to a client's line in place of the usual; the greeting is asked for with an empty line. The number says how many
/// times this verb has been heard.
type Script = dyn Fn(&str, usize) -> Option<String> + Send + Sync;

/// A message as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrived {
    /// The MAIL line.
    pub(crate) mail: String,
    /// The RCPT lines that were accepted.
    pub(crate) recipients: Vec<String>,
    /// The octets between 354 and the final dot, as far as they are UTF-8.
    pub(crate) data: String,
}

/// A running next hop.
pub(crate) struct Smarthost {
    port: u16,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    messages: Mutex<Vec<Arrived>>,
    connections: Mutex<usize>,
    verbs: Mutex<HashMap<String, usize>>,
    closed: Notify,
    /// A message has arrived.
    came: Notify,
    /// A verb at which the next hop falls silent, until it is told to go on.
    held: Option<&'static str>,
    reached: Notify,
    released: watch::Sender<bool>,
}

impl Smarthost {
    pub(crate) async fn start(
        script: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::start_counting(move |line, _| script(line)).await
    }

    pub(crate) async fn start_counting(
        script: impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Heard::default(), Arc::new(script)).await
    }

    /// One that says nothing to `verb` until [`Self::go_on`].
    pub(crate) async fn start_held(verb: &'static str) -> Self {
        Self::start_held_and(verb, |_| None).await
    }

    /// The same, with a script.
    pub(crate) async fn start_held_and(
        verb: &'static str,
        script: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let heard = Heard {
            held: Some(verb),
            ..Heard::default()
        };
        Self::serve(heard, Arc::new(move |line: &str, _| script(line))).await
    }

    async fn serve(heard: Heard, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, heard) = (listener.local_addr().unwrap().port(), Arc::new(heard));
        let here = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *here.connections.lock().unwrap() += 1;
                let (heard, script) = (Arc::clone(&here), Arc::clone(&script));
                tokio::spawn(async move {
                    // A client that closes ends the session, and that is all there is to it.
                    let _ = heard.session(stream, &*script).await;
                    heard.closed.notify_one();
                });
            }
        });
        Self { port, heard }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Every line of every client.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.heard.lines.lock().unwrap().clone()
    }

    pub(crate) fn messages(&self) -> Vec<Arrived> {
        self.heard.messages.lock().unwrap().clone()
    }

    /// Waits until so many messages have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        while self.messages().len() < count {
            self.heard.came.notified().await;
        }
    }

    pub(crate) fn connections(&self) -> usize {
        *self.heard.connections.lock().unwrap()
    }

    /// The last line heard, once a connection has ended.
    pub(crate) async fn last_line(&self) -> String {
        self.heard.closed.notified().await;
        self.lines().pop().unwrap()
    }

    /// Waits until a client has said the verb at which this next hop holds.
    pub(crate) async fn reached(&self) {
        self.heard.reached.notified().await;
    }

    pub(crate) fn go_on(&self) {
        self.heard.released.send_replace(true);
    }
}

impl Heard {
    async fn session(&self, mut stream: TcpStream, script: &Script) -> std::io::Result<()> {
        let (read, mut write) = stream.split();
        let mut read = BufReader::new(read);
        let mut arrived = Arrived::default();
        let greeting = script("", 0).unwrap_or_else(|| "220 hop.example ESMTP\r\n".to_owned());
        write.write_all(greeting.as_bytes()).await?;
        let mut line = String::new();
        while read.read_line(&mut line).await? > 0 {
            let command = std::mem::take(&mut line)
                .trim_end_matches("\r\n")
                .to_owned();
            let reply = self.reply(&command, script, &mut arrived).await;
            write.write_all(reply.as_bytes()).await?;
            if reply.starts_with("354") {
                self.data(&mut read, &mut arrived).await?;
                write.write_all(b"250 2.0.0 Ok: queued as 1\r\n").await?;
            }
            if reply.starts_with("221") || reply.starts_with("421") {
                break;
            }
        }
        Ok(())
    }

    async fn reply(&self, command: &str, script: &Script, arrived: &mut Arrived) -> String {
        self.lines.lock().unwrap().push(command.to_owned());
        let verb = command
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_owned();
        let times = {
            let mut verbs = self.verbs.lock().unwrap();
            let times = verbs.entry(verb.clone()).or_default();
            *times += 1;
            *times
        };
        if self.held == Some(verb.as_str()) {
            self.reached.notify_one();
            let _ = self
                .released
                .subscribe()
                .wait_for(|released| *released)
                .await;
        }
        if let Some(reply) = script(command, times) {
            return reply;
        }
        match verb.as_str() {
            "EHLO" => "250-hop.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 0\r\n250 AUTH PLAIN LOGIN\r\n",
            "AUTH" => "235 2.7.0 Authentication successful\r\n",
            "MAIL" => {
                *arrived = Arrived { mail: command.to_owned(), ..Arrived::default() };
                "250 2.1.0 Ok\r\n"
            }
            "RCPT" if arrived.mail.is_empty() => "503 5.5.1 Need MAIL first\r\n",
            "RCPT" => {
                arrived.recipients.push(command.to_owned());
                "250 2.1.5 Ok\r\n"
            }
            "DATA" if arrived.recipients.is_empty() => "554 5.5.1 No valid recipients\r\n",
            "DATA" => "354 Go on\r\n",
            "QUIT" => "221 2.0.0 Bye\r\n",
            _ => "250 2.0.0 Ok\r\n",
        }
        .to_owned()
    }

    async fn data(
        &self,
        read: &mut (impl tokio::io::AsyncBufRead + Unpin),
        arrived: &mut Arrived,
    ) -> std::io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            read.read_until(b'\n', &mut line).await?;
            match line.as_slice() {
                b".\r\n" => {
                    self.messages.lock().unwrap().push(std::mem::take(arrived));
                    self.came.notify_one();
                    return Ok(());
                }
                b"" => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                line => arrived.data.push_str(&String::from_utf8_lossy(line)),
            }
        }
    }
}
