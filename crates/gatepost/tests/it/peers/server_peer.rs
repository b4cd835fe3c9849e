//! The mail servers of others that Gatepost delivers to, run by the programs in `peers/`, which are all used alike.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The account of the peer.
pub(super) const USER: &str = "relay@peer.test";
/// Its password: a space, a quote and a sign that URLs escape must survive every mechanism.
pub(super) const PASSWORD: &str = "gate post's 100%";
/// The longest a message may take to arrive on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Postfix with Dovecot SASL.
    PostfixDovecot,
    /// Postfix with Cyrus SASL.
    PostfixCyrus,
    /// sendmail with Cyrus SASL.
    Sendmail,
    Exim,
    OpenSmtpd,
    /// Dovecot 2.4 with its submission service.
    Dovecot,
    Aiosmtpd,
}

impl Program {
    /// Its name in the table of peers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PostfixDovecot => "Postfix with Dovecot",
            Self::PostfixCyrus => "Postfix with Cyrus SASL 2.1.28",
            Self::Sendmail => "sendmail with Cyrus SASL 2.1.28",
            Self::Exim => "Exim",
            Self::OpenSmtpd => "OpenSMTPD",
            Self::Dovecot => "Dovecot 2.4",
            Self::Aiosmtpd => "aiosmtpd",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::PostfixDovecot => "postfix-dovecot",
            Self::PostfixCyrus => "postfix-cyrus",
            Self::Sendmail => "sendmail",
            Self::Exim => "exim",
            Self::OpenSmtpd => "opensmtpd",
            Self::Dovecot => "dovecot",
            Self::Aiosmtpd => "aiosmtpd",
        }
    }

    /// The mechanisms that both it and Gatepost have.
    pub(super) fn mechanisms(self) -> &'static [&'static str] {
        match self {
            Self::PostfixDovecot => &[
                "PLAIN",
                "LOGIN",
                "CRAM-MD5",
                "DIGEST-MD5",
                "SCRAM-SHA-1",
                "SCRAM-SHA-256",
            ],
            Self::PostfixCyrus | Self::Sendmail => &[
                "PLAIN",
                "LOGIN",
                "CRAM-MD5",
                "DIGEST-MD5",
                "SCRAM-SHA-1",
                "SCRAM-SHA-256",
                "SCRAM-SHA-512",
            ],
            Self::Exim => &["PLAIN", "LOGIN", "CRAM-MD5"],
            // Others are tried where there is something to bind to, or a certificate.
            Self::Dovecot => &["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"],
            Self::OpenSmtpd | Self::Aiosmtpd => &["PLAIN", "LOGIN"],
        }
    }

    /// What Gatepost chooses of them inside TLS, where it need not hide a password from the line.
    pub(super) fn strongest(self) -> &'static str {
        match self {
            Self::PostfixDovecot => "SCRAM-SHA-256",
            Self::PostfixCyrus | Self::Sendmail => "SCRAM-SHA-512",
            Self::Dovecot => "SCRAM-SHA-256-PLUS",
            Self::Exim | Self::OpenSmtpd | Self::Aiosmtpd => "PLAIN",
        }
    }

    /// Whether it authenticates in clear text, too.
    pub(super) fn authenticates_in_clear(self) -> bool {
        self != Self::OpenSmtpd
    }

    /// Whether it tells by which mechanism a message came.
    pub(super) fn tells_mechanism(self) -> bool {
        !matches!(self, Self::OpenSmtpd | Self::Dovecot | Self::Aiosmtpd)
    }
}

/// A running peer; it ends when this is dropped.
pub(super) struct ServerPeer {
    pub(super) starttls: u16,
    pub(super) implicit: u16,
    pub(super) clear: u16,
    directory: TempDir,
    _process: Child,
}

/// One stored message.
pub(super) struct Stored {
    pub(super) content: Vec<u8>,
    /// Lines `sender`, `method` where the peer tells it, `user`, `recipient`, each with a tab and its value.
    pub(super) envelope: String,
}

impl ServerPeer {
    /// Starts it with every mechanism it knows.
    pub(super) async fn start(program: Program) -> Self {
        Self::start_with(program, &[]).await
    }

    /// Starts Postfix with Dovecot for XOAUTH2 and OAUTHBEARER, with tokens signed by the key whose public half is this (PEM) and whose id this.
    pub(super) async fn start_with_tokens(key_id: &str, public_key: &str) -> Self {
        let mechanisms = ["--mechanisms", "XOAUTH2 OAUTHBEARER"];
        Self::start_in(Program::PostfixDovecot, &mechanisms, |directory| {
            let keys = directory.join("token-keys/default/ES256");
            std::fs::create_dir_all(&keys).unwrap();
            std::fs::write(keys.join(key_id), public_key).unwrap();
        })
        .await
    }

    /// Starts it for GSSAPI alone, with these settings of Kerberos and these keys of its service.
    pub(super) async fn start_with_keytab(
        program: Program,
        settings: &Path,
        keytab: &Path,
    ) -> Self {
        Self::start_in(program, &["--mechanisms", "GSSAPI"], |directory| {
            std::fs::copy(settings, directory.join("krb5.conf")).unwrap();
            std::fs::copy(keytab, directory.join("keytab")).unwrap();
        })
        .await
    }

    /// Starts it without AUTH: it takes mail from this machine.
    pub(super) async fn start_open(program: Program) -> Self {
        Self::start_with(program, &["--open"]).await
    }

    /// Starts it with these options more.
    pub(super) async fn start_with(program: Program, more: &[&str]) -> Self {
        Self::start_in(program, more, |_| {}).await
    }

    /// The same in a directory that something is put in first.
    async fn start_in(program: Program, more: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let [starttls, implicit, clear] = free_ports();
        let path = repository().join("peers").join(program.file());
        let mut process = Command::new(&path)
            .arg("up")
            .args(["--dir", directory.path().to_str().unwrap()])
            .args(["--port-starttls", &starttls.to_string()])
            .args(["--port-implicit", &implicit.to_string()])
            .args(["--port-clear", &clear.to_string()])
            .args(["--password", PASSWORD])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap();
        assert_eq!(
            line.as_deref(),
            Some("ready"),
            "{path} did not start; make it ready first: {path} build",
            path = path.display()
        );
        Self {
            starttls,
            implicit,
            clear,
            directory,
            _process: process,
        }
    }

    /// The authority that signed its certificate.
    pub(super) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A file of its directory.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits for the message to this recipient.
    pub(super) async fn message_to(&self, recipient: &str) -> Stored {
        let wanted = format!("recipient\t{recipient}\n");
        self.message_that(|stored| stored.envelope.contains(&wanted), recipient)
            .await
    }

    async fn message_that(&self, fits: impl Fn(&Stored) -> bool, what: &str) -> Stored {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(stored) = self.stored().into_iter().find(|stored| fits(stored)) {
                return stored;
            }
            assert!(
                Instant::now() < deadline,
                "no message for {what} after {PATIENCE:?}"
            );
            // The peer tells of a new message by its file and by nothing else.
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn stored(&self) -> Vec<Stored> {
        stored_in(self.directory.path())
    }
}

/// All messages that a peer has stored in its directory.
pub(super) fn stored_in(directory: &Path) -> Vec<Stored> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory.join("mail")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "eml") {
            let envelope = directory.join("envelope").join(path.file_stem().unwrap());
            found.push(Stored {
                content: std::fs::read(&path).unwrap(),
                envelope: std::fs::read_to_string(envelope).unwrap(),
            });
        }
    }
    found
}

/// A command that runs in a throw-away copy of the peer's root, with the directory there as `/peer`; program and arguments are to be added.
pub(super) fn in_root(program: Program, directory: &Path) -> Command {
    let mut command = Command::new(repository().join("peers").join(program.file()));
    command.arg("client").arg(directory).kill_on_drop(true);
    command
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Three ports that nothing listens on. All are held until all are known, so that they differ.
fn free_ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
