//! A server with the faults that only a user finds: it tells by its time who exists, forgets the login at EHLO, takes a second AUTH, and
//! does not look at what ties SCRAM to the connection. It serves one connection at a time, as the probe promises to be content with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost::net::tls::own_ca;
use gatepost_sasl::{ChannelBindings, Outcome, ServerParams, ServerStep, mechanism};
use gatepost_testkit::directory::FakeDirectory;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Who may log in.
pub(super) const ACCOUNT: (&str, &str) = ("ada@example.com", "right");

/// How long it takes over the password of a user that exists: what a hash costs, and more than a busy machine takes for the refusal of others.
const HASHING: Duration = Duration::from_millis(1500);

/// Begins to serve, with TLS from the first octet and a certificate of the authority `ca.pem` in this directory.
pub(super) fn serve(directory: &Path) -> SocketAddr {
    let files = own_ca::issue(
        directory,
        &["localhost"],
        &[[127, 0, 0, 1].into()],
        SystemTime::now(),
    )
    .unwrap();
    let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = stream.unwrap();
            // The probe also comes with versions that are not taken.
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
            if tls.is_handshaking() {
                continue;
            }
            let exporter = tls
                .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
                .unwrap();
            let session = Session {
                stream: BufReader::new(StreamOwned::new(tls, stream)),
                exporter,
            };
            // It ends when the client goes away.
            let _ = session.converse();
        }
    });
    address
}

struct Session<S> {
    stream: BufReader<S>,
    exporter: [u8; 32],
}

impl<S: Read + Write> Session<S> {
    fn converse(mut self) -> std::io::Result<()> {
        self.say("220 careless")?;
        let mut logged_in = false;
        loop {
            let line = self.line()?;
            let mut words = line.split(' ');
            let command = words.next().unwrap_or_default().to_ascii_uppercase();
            match command.as_str() {
                "EHLO" => {
                    logged_in = false;
                    self.say("250-careless\r\n250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN")?;
                }
                "AUTH" => {
                    let name = words.next().unwrap_or_default();
                    logged_in |= self.authenticate(name, words.next())?;
                }
                "MAIL" | "RCPT" if !logged_in => self.say("530 5.7.0 Authentication required")?,
                "MAIL" | "RCPT" | "NOOP" => self.say("250 2.0.0 Ok")?,
                "QUIT" => return self.say("221 2.0.0 Bye"),
                _ => self.say("500 5.5.1 What?")?,
            }
        }
    }

    fn authenticate(&mut self, name: &str, initial: Option<&str>) -> std::io::Result<bool> {
        let name = name.to_ascii_uppercase();
        if !["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"].contains(&name.as_str()) {
            self.say("504 5.5.4 No such mechanism")?;
            return Ok(false);
        }
        let first = match initial {
            Some("=") => String::new(),
            Some(initial) => initial.to_owned(),
            None => self.ask("")?,
        };
        let Some(first) = STANDARD.decode(first).ok().filter(|it| !it.is_empty()) else {
            self.say("501 5.5.2 That is nothing")?;
            return Ok(false);
        };
        let right = if name == "PLAIN" {
            is_right(&first)
        } else {
            self.scram(&name, &first)?
        };
        self.say(if right {
            "235 2.7.0 Welcome"
        } else {
            "535 5.7.8 No"
        })?;
        Ok(right)
    }

    /// Whoever is right in any way is let in: with the header as it came or as it may have been, bound to this connection or to nothing.
    fn scram(&mut self, name: &str, first: &[u8]) -> std::io::Result<bool> {
        let mechanism = mechanism::by_name(name).unwrap();
        let as_before = first.strip_prefix(b"n").map(|rest| [b"y", rest].concat());
        let ways = [Some(first.to_vec()), as_before];
        let mut states = Vec::new();
        let mut challenge = Vec::new();
        for (first, exporter) in ways
            .iter()
            .flatten()
            .flat_map(|first| [self.exporter, [0; 32]].map(|exporter| (first, exporter)))
        {
            let params = ServerParams {
                nonce: "the-same-for-all".to_owned(),
                channel_bindings: ChannelBindings {
                    tls_exporter: Some(exporter),
                    ..ChannelBindings::default()
                },
                ..ServerParams::default()
            };
            if let ServerStep::Challenge(octets, state) =
                answered((mechanism.server)(params, Some(first)))
            {
                challenge = octets;
                states.push(state);
            }
        }
        if states.is_empty() {
            return Ok(false);
        }
        let last = STANDARD.decode(self.ask(&STANDARD.encode(challenge))?);
        let last = last.unwrap_or_default();
        for state in states {
            if let ServerStep::Done(Outcome::Authenticated(success)) =
                answered(state.respond(&last))
            {
                self.ask(&STANDARD.encode(success.final_data.unwrap_or_default()))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.stream
            .get_mut()
            .write_all(format!("{text}\r\n").as_bytes())
    }

    fn ask(&mut self, challenge: &str) -> std::io::Result<String> {
        self.say(&format!("334 {challenge}"))?;
        self.line()
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// The password of a user that exists is hashed, of others not.
fn is_right(plain: &[u8]) -> bool {
    let (user, password) = ACCOUNT;
    if plain == format!("\0{user}\0{password}").as_bytes() {
        return true;
    }
    if plain.starts_with(format!("\0{user}\0").as_bytes()) {
        thread::sleep(HASHING);
    }
    false
}

fn answered(step: ServerStep) -> ServerStep {
    let (user, password) = ACCOUNT;
    match step {
        ServerStep::Ask(question, state) => {
            answered(state.answer(FakeDirectory::with(user, password).answer(&question)))
        }
        step => step,
    }
}
