//! oidc-provider, the certified OpenID provider, as the issuer of tokens (`peers/oidc-provider`).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use gatepost::net::tls::own_ca;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A client that may ask for introspection.
pub(super) const CLIENT: &str = "gatepost";
/// Its secret.
pub(super) const CLIENT_SECRET: &str = "introspect";

/// What a token is.
#[derive(Clone, Copy)]
pub(super) enum Resource {
    /// A JWT.
    Jwt,
    /// A text that only introspection understands.
    Opaque,
    /// A JWT for somebody else.
    Other,
}

impl Resource {
    fn name(self) -> &'static str {
        match self {
            Self::Jwt => "urn:gatepost:jwt",
            Self::Opaque => "urn:gatepost:opaque",
            Self::Other => "urn:gatepost:other",
        }
    }
}

/// The running provider; it ends when this is dropped.
pub(super) struct Provider {
    port: u16,
    directory: TempDir,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    process: Child,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        let tls = own_ca::issue(directory.path(), &["localhost"], &[], now).unwrap();
        let port = free_port();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../peers/oidc-provider");
        let mut process = Command::new(&path)
            .args(["up", "--port", &port.to_string()])
            .arg("--cert")
            .arg(&tls.certificate)
            .arg("--key")
            .arg(&tls.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut provider = Self {
            port,
            directory,
            input: process.stdin.take().unwrap(),
            output: BufReader::new(process.stdout.take().unwrap()).lines(),
            process,
        };
        provider.wait_for("ready").await;
        provider
    }

    /// Its name, which is where it is found.
    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The authority that signed its certificate.
    pub(super) fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A new token for `dev@localhost`.
    pub(super) async fn token(&self, resource: Resource) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--cacert"])
            .arg(self.ca())
            .args(["--user", "app:app-secret"])
            .args(["--data", "grant_type=client_credentials&scope=smtp"])
            .args(["--data-urlencode", &format!("resource={}", resource.name())])
            .arg(format!("{}/token", self.url()))
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{output:?}");
        let granted: Value = serde_json::from_str(&said).unwrap();
        granted["access_token"].as_str().unwrap().to_owned()
    }

    /// A token that ended two hours ago.
    pub(super) async fn expired_token(&mut self, resource: Resource) -> String {
        self.tell("clock -10800").await;
        let token = self.token(resource).await;
        self.tell("clock 0").await;
        token
    }

    /// Replaces its signing key by a new one.
    pub(super) async fn rotate(&mut self) {
        self.tell("rotate").await;
    }

    /// Ends it; what it published stays.
    pub(super) async fn stop(mut self) {
        drop(self.input);
        self.process.wait().await.unwrap();
    }

    async fn tell(&mut self, command: &str) {
        let line = format!("{command}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
        self.wait_for("done").await;
    }

    /// Its warnings are lines of its output, too.
    async fn wait_for(&mut self, wanted: &str) {
        loop {
            let line = self.output.next_line().await.unwrap();
            match line.as_deref() {
                Some(line) if line == wanted => return,
                Some(_) => {}
                None => {
                    panic!("peers/oidc-provider ended; is it installed? peers/oidc-provider build")
                }
            }
        }
    }
}

fn free_port() -> u16 {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    held.local_addr().unwrap().port()
}
