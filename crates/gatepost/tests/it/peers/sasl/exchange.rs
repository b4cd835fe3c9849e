//! The client side of `gatepost-sasl` with the least SMTP around it: here the test says which security layer it wants, where the program
//! chooses the strongest.

use gatepost_sasl::{
    AwaitChallenge, ClientAnswer, ClientParams, ClientQuestion, ClientStep, Mechanism, Secret,
    SecurityLayer, mechanism,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::corpus::Sample;

/// An exchange that waits for the server.
pub(super) struct Exchange {
    /// Absent only while it is at work.
    waiting: Option<Box<dyn AwaitChallenge>>,
    password: &'static str,
}

impl Exchange {
    /// Begins, with the initial response if there is one.
    pub(super) fn begin(
        mechanism: &Mechanism,
        params: ClientParams,
        password: &'static str,
    ) -> (Self, Option<Vec<u8>>) {
        let (response, waiting) = settle((mechanism.client)(params), password);
        let exchange = Self {
            waiting: Some(waiting),
            password,
        };
        (exchange, response)
    }

    /// The response to a challenge.
    pub(super) fn answer(&mut self, challenge: &[u8]) -> Vec<u8> {
        let step = self.waiting.take().unwrap().challenge(challenge);
        let (response, waiting) = settle(step, self.password);
        self.waiting = Some(waiting);
        response.expect("a response to the challenge")
    }

    /// The server says that it succeeded.
    pub(super) fn succeeded(self) -> Option<Box<dyn SecurityLayer>> {
        self.waiting.unwrap().succeeded().unwrap().layer
    }
}

fn settle(mut step: ClientStep, password: &str) -> (Option<Vec<u8>>, Box<dyn AwaitChallenge>) {
    loop {
        step = match step {
            ClientStep::Respond(octets, waiting) => {
                return (Some(octets.expose().to_vec()), waiting);
            }
            ClientStep::Wait(waiting) => return (None, waiting),
            ClientStep::Ask(ClientQuestion::Password, asking) => {
                asking.answer(ClientAnswer::Password(Secret::new(password)))
            }
            ClientStep::Ask(ClientQuestion::Derive(derivation), asking) => {
                asking.answer(ClientAnswer::Derived(derivation.run()))
            }
            ClientStep::Ask(question, _) => panic!("{question:?}"),
            ClientStep::Abort(fault) => panic!("{fault}"),
        };
    }
}

/// A connection to a submission server in clear text.
pub(super) struct Connection {
    /// The challenge of DIGEST-MD5 is read as if it offered this cipher alone.
    pub(super) only_cipher: Option<&'static str>,
    stream: TcpStream,
    layer: Option<Box<dyn SecurityLayer>>,
    /// What came over the line and is not opened yet.
    sealed: Vec<u8>,
    /// What was said and is not read yet.
    heard: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self {
            only_cipher: None,
            stream,
            layer: None,
            sealed: Vec::new(),
            heard: Vec::new(),
        };
        connection.expect("220").await;
        connection.ask("EHLO client.example", "250").await;
        connection
    }

    /// Authenticates, and puts the layer in place; its name, or `auth` where there is none. A refusal is the error.
    pub(super) async fn authenticate(
        &mut self,
        name: &str,
        params: ClientParams,
        password: &'static str,
    ) -> Result<String, String> {
        let mechanism = mechanism::by_name(name).unwrap();
        let (mut exchange, initial) = Exchange::begin(mechanism, params, password);
        let initial = initial.map_or_else(String::new, |octets| format!(" {}", encode(&octets)));
        self.say(format!("AUTH {name}{initial}\r\n").as_bytes())
            .await;
        loop {
            let reply = self.reply().await;
            if reply.starts_with("235") {
                break;
            }
            let Some(challenge) = reply.strip_prefix("334 ") else {
                return Err(reply);
            };
            let challenge = self.with_only_cipher(decode(challenge));
            let response = exchange.answer(&challenge);
            self.say(format!("{}\r\n", encode(&response)).as_bytes())
                .await;
        }
        self.layer = exchange.succeeded();
        // LAYER-03: whatever was announced before is forgotten.
        self.ask("EHLO client.example", "250").await;
        let layer = self.layer.as_ref().map(|layer| layer.describe().to_owned());
        Ok(layer.unwrap_or_else(|| "auth".to_owned()))
    }

    fn with_only_cipher(&self, challenge: Vec<u8>) -> Vec<u8> {
        let Some(only) = self.only_cipher else {
            return challenge;
        };
        let text = String::from_utf8(challenge).unwrap();
        let Some((before, after)) = text.split_once("cipher=\"") else {
            return text.into_bytes();
        };
        let (offered, after) = after.split_once('"').unwrap();
        assert!(offered.split(',').any(|it| it == only), "{offered}");
        format!("{before}cipher=\"{only}\"{after}").into_bytes()
    }

    pub(super) async fn submit(mut self, sender: &str, recipient: &str, sample: &Sample) {
        self.ask(&format!("MAIL FROM:<{sender}>"), "250").await;
        self.ask(&format!("RCPT TO:<{recipient}>"), "250").await;
        self.ask("DATA", "354").await;
        assert!(
            !sample.octets.starts_with(b".") && !sample.octets.windows(2).any(|two| two == b"\n.")
        );
        self.say(&[&sample.octets, &b".\r\n"[..]].concat()).await;
        self.expect("250").await;
        self.ask("QUIT", "221").await;
    }

    async fn ask(&mut self, command: &str, code: &str) {
        self.say(format!("{command}\r\n").as_bytes()).await;
        self.expect(code).await;
    }

    async fn expect(&mut self, code: &str) {
        let reply = self.reply().await;
        assert!(reply.starts_with(code), "expected {code}: {reply}");
    }

    async fn say(&mut self, octets: &[u8]) {
        let mut wire = Vec::new();
        match &mut self.layer {
            Some(layer) => layer.seal(octets, &mut wire).unwrap(),
            None => wire.extend_from_slice(octets),
        }
        self.stream.write_all(&wire).await.unwrap();
    }

    /// The last line of a reply.
    async fn reply(&mut self) -> String {
        loop {
            while let Some(end) = self.heard.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.heard.drain(..end + 2).collect();
                if line[3] == b' ' {
                    return String::from_utf8(line[..end].to_vec()).unwrap();
                }
            }
            let mut octets = vec![0; 16_384];
            let count = self.stream.read(&mut octets).await.unwrap();
            assert!(count > 0, "the server closed the connection");
            self.hear(&octets[..count]);
        }
    }

    fn hear(&mut self, octets: &[u8]) {
        let Some(layer) = &mut self.layer else {
            self.heard.extend_from_slice(octets);
            return;
        };
        self.sealed.extend_from_slice(octets);
        loop {
            let used = layer.open(&self.sealed, &mut self.heard).unwrap();
            if used == 0 {
                return;
            }
            self.sealed.drain(..used);
        }
    }
}

pub(super) fn encode(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
