//! A configuration that changes while the server runs: what takes effect, what goes on, what is refused.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost::config::resolved::TlsMode;
use gatepost::net::tls::own_ca;
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::server::{AUTH_PLAIN, Server};
use crate::talk::Talk;
use crate::trust::{VERSIONS, trusting};

/// The certificate a client gets that asks for this name and trusts the authority in `directory`; none when the two do not fit.
async fn certificate(directory: &Path, address: SocketAddr, name: &'static str) -> Option<Vec<u8>> {
    let config = trusting(&[&directory.join("ca.pem")], VERSIONS);
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, socket).await.ok()?;
    let certificates = stream.get_ref().1.peer_certificates()?;
    Some(certificates.first()?.to_vec())
}

/// TLS-13: "Cert reload must not drop sessions".
#[tokio::test]
async fn a_renewed_certificate_is_for_new_handshakes_and_old_sessions_live_on() {
    let mut server = Server::start().await;
    let directory = server.directory.path().to_owned();
    let talk = Talk::connect(server.smtps).await;
    let mut old = talk.start_tls(&directory, &[]).await.unwrap();
    old.expect("220 ").await;
    old.ask("EHLO client.example", "250 ").await;
    old.ask(AUTH_PLAIN, "235 ").await;
    let before = certificate(&directory, server.smtps, "localhost").await;

    let now = SystemTime::now();
    own_ca::issue(&directory, &["localhost"], &[], now).unwrap();
    let still = certificate(&directory, server.smtps, "localhost").await;
    assert_eq!(still, before, "files alone change nothing");
    server.reload(|_| {}).await;
    let after = certificate(&directory, server.smtps, "localhost").await;
    assert!(after.is_some() && after != before);

    old.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    old.ask("RCPT TO:<you@example.com>", "250 ").await;
    old.ask("DATA", "354 ").await;
    old.ask("From: dev@localhost\r\n\r\nHello\r\n.", "250 ")
        .await;
}

/// TLS-14: "SNI selects certificate; unknown/no SNI → default cert".
#[tokio::test]
async fn a_client_that_asks_for_a_name_gets_the_certificate_for_it() {
    let other = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let names = ["mail.example.org", "*.example.net"];
    let files = own_ca::issue(other.path(), &names, &[], now).unwrap();
    let server = Server::start_with(|config| config.more_tls.push(files)).await;
    let first = server.directory.path();
    let at = server.smtps;
    for name in ["mail.example.org", "submit.example.net"] {
        assert!(
            certificate(other.path(), at, name).await.is_some(),
            "{name}"
        );
        assert_eq!(certificate(first, at, name).await, None, "{name}");
    }
    assert!(certificate(first, at, "localhost").await.is_some());
    // Asked for a name that none is for, the first one is shown; it is the client that does not take it.
    assert_eq!(certificate(first, at, "unknown.example").await, None);
    server.log.wait_for_count("event=tls-failed", 3).await;
    assert!(
        certificate(first, at, "127.0.0.1").await.is_some(),
        "no SNI"
    );
}

#[tokio::test]
async fn listeners_come_change_and_go() {
    let mut server = Server::start().await;
    let mut staying = server.talk_authenticated().await;
    let mut going = server.talk().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let added = free.local_addr().unwrap();
    drop(free);
    server
        .reload(|config| {
            let mut listener = config.listeners.remove(0);
            listener.name = "added".to_owned();
            listener.address = added;
            listener.tls = TlsMode::None;
            config.listeners.push(listener);
            config.limits.message_size = 12_345;
            config.hostname = "other.example.com".to_owned();
        })
        .await;
    let told = server.log.lines_with("event=reloaded");
    assert!(
        told[0].contains("level=warn")
            && told[0].contains("listeners=3 added=added gone=smtp needs_restart=hostname"),
        "{told:?}"
    );
    let mut talk = Talk::connect(added).await;
    let greeting = talk.expect("220 ").await;
    assert!(greeting.contains("submit.example.com"), "{greeting}");
    let offer = talk.ask("EHLO client.example", "250 ").await;
    assert!(offer.contains("SIZE 12345"), "{offer}");

    // The listener that is gone: nobody new, and who is there stays.
    while TcpStream::connect(server.smtp).await.is_ok() {
        tokio::task::yield_now().await;
    }
    going.ask("NOOP", "250 ").await;
    // One that has other settings: they are for those who come.
    let offer = staying.ask("EHLO client.example", "250 ").await;
    assert!(offer.contains("SIZE 67108864"), "{offer}");
    let mut talk = server.talk_legacy().await;
    let offer = talk.ask("EHLO client.example", "250 ").await;
    assert!(offer.contains("SIZE 12345"), "{offer}");

    // And it ends with the others.
    server.begin_stop();
    going.ask("NOOP", "421 ").await;
    drop((staying, talk));
    server.stopped().await;
}

/// T-60: "broken/weaker file → old goes on, reason logged".
#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let mut server = Server::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    server
        .reload(|config| {
            config.limits.message_size = 12_345;
            config.listeners[0].address = address;
        })
        .await;
    let refused = server.log.lines_with("event=reload-refused");
    assert!(refused[0].contains("level=error"), "{refused:?}");
    assert!(
        refused[0].contains("another program listens there"),
        "{refused:?}"
    );

    // A key that belongs to another certificate.
    let other = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let files = own_ca::issue(other.path(), &["localhost"], &[], now).unwrap();
    server
        .reload(|config| {
            config.listeners[0].address.set_port(0);
            config.tls.as_mut().unwrap().key = files.key;
        })
        .await;
    let refused = server.log.lines_with("event=reload-refused");
    assert!(refused[1].contains("key.pem: "), "{refused:?}");

    let mut talk = server.talk().await;
    let offer = talk.ask("EHLO client.example", "250 ").await;
    assert!(offer.contains("SIZE 67108864"), "{offer}");
    let directory = server.directory.path();
    assert!(
        certificate(directory, server.smtps, "localhost")
            .await
            .is_some()
    );
}

/// A server in a process of its own, with a service manager.
struct Served {
    child: Child,
    log: std::io::Lines<BufReader<ChildStderr>>,
    manager: UnixDatagram,
}

impl Served {
    fn start(directory: &Path, file: &Path) -> Self {
        let socket = directory.join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["serve", "-c", file.to_str().unwrap()])
            .env("NOTIFY_SOCKET", &socket)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            log,
            manager,
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn told(&self) -> String {
        let mut octets = [0; 256];
        let length = self.manager.recv(&mut octets).unwrap();
        String::from_utf8(octets[..length].to_vec()).unwrap()
    }

    /// The next line of the log that contains this.
    fn line_with(&mut self, text: &str) -> String {
        let mut lines = self.log.by_ref().map(Result::unwrap);
        lines.find(|line| line.contains(text)).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_hangup_reads_the_file_again_and_the_service_manager_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gatepost.toml");
    let write = |limits: &str| {
        let text = format!(
            "hostname = \"submit.example.com\"\ndata = \"data\"\n[[listener]]\naddress = \"127.0.0.1:0\"\ntls = \"none\"\n\
             [[route]]\nhold = true\n{limits}"
        );
        std::fs::write(&file, text).unwrap();
    };
    write("");
    let mut server = Served::start(directory.path(), &file);
    assert_eq!(server.told(), "READY=1");

    write("[limits]\nconnections = 7\n");
    server.signal(Signal::HUP);
    let reloading = server.told();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(server.told(), "READY=1");
    server.line_with("event=reloaded listeners=1");

    write("[limits]\nconections = 7\n");
    server.signal(Signal::HUP);
    let refused = server.line_with("event=reload-refused");
    assert!(
        refused.contains("conections") && refused.contains("gatepost.toml"),
        "{refused}"
    );
    assert!(server.told().starts_with("RELOADING=1"));
    assert_eq!(server.told(), "READY=1");

    server.signal(Signal::TERM);
    assert_eq!(server.told(), "STOPPING=1");
    assert!(server.child.wait().unwrap().success());
    // Whatever was logged last was written.
    server.line_with("event=stopped cut_off=0");
}

/// Key and certificate that do not belong together, and a certificate that ends soon, are found before the server is started with them.
#[test]
fn check_reads_the_certificates() {
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let year = Duration::from_secs(395 * 24 * 60 * 60);
    // Made so long ago that it ends in two days.
    let files = own_ca::issue(one.path(), &["localhost"], &[], SystemTime::now() - year).unwrap();
    let others = own_ca::issue(other.path(), &["localhost"], &[], SystemTime::now()).unwrap();
    let check = |key: &Path| {
        let text = format!(
            "hostname = \"submit.example.com\"\ndata = \"/var/lib/gatepost\"\n[[listener]]\naddress = \"127.0.0.1:587\"\n\
             [tls]\ncertificate = {:?}\nkey = {key:?}\n[[route]]\nhold = true\n",
            files.certificate
        );
        let file = one.path().join("gatepost.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command
            .args(["check", "-c", file.to_str().unwrap()])
            .output()
            .unwrap()
    };
    let ends_soon = check(&files.key);
    let said = String::from_utf8(ends_soon.stdout).unwrap();
    assert!(
        ends_soon.status.success() && said.contains("expires in 1 days"),
        "{said}"
    );
    let mismatch = check(&others.key);
    let said = String::from_utf8(mismatch.stderr).unwrap();
    assert_eq!(mismatch.status.code(), Some(1));
    assert!(said.contains("key.pem"), "{said}");
}

/// EXT-05: the same of certificates that routes show.
#[test]
fn ext_05_check_reads_the_certificates_of_routes() {
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let now = SystemTime::now();
    let long_ago = Duration::from_secs(400 * 24 * 60 * 60);
    let files = own_ca::issue_client(one.path(), "me@example.com", now).unwrap();
    let others = own_ca::issue_client(other.path(), "me@example.com", now - long_ago).unwrap();
    for (certificate, key, said) in [
        (&files.certificate, &files.key, None),
        (&others.certificate, &others.key, Some("expired")),
        (
            &files.certificate,
            &others.key,
            Some("is not that of the certificate in"),
        ),
    ] {
        let text = format!(
            "hostname = \"submit.example.com\"\ndata = \"/var/lib/gatepost\"\n[[listener]]\naddress = \"127.0.0.1:587\"\ntls = \"none\"\n\
             [[route]]\nsmarthost = \"smtp.example.net:587\"\nauth = {{ certificate = {certificate:?}, key = {key:?} }}\n"
        );
        let file = one.path().join("gatepost.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        let output = command.arg("check").arg("-c").arg(&file).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{printed}");
        let advised = printed
            .lines()
            .filter(|line| line.contains("client."))
            .count();
        assert_eq!(advised, usize::from(said.is_some()), "{printed}");
        assert!(said.is_none_or(|said| printed.contains(said)), "{printed}");
    }
}
