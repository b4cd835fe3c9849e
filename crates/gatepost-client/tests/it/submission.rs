//! Messages that arrive.

use gatepost_client::mechanism::{ALL, CRAM_MD5, PLAIN, SCRAM_SHA_512_PLUS};
use std::sync::{Arc, Mutex};

use gatepost_client::{
    Address, Chunking, Client, Connector, ContentMeter, Credentials, Envelope, Error, Mechanism,
    MechanismChoice, TlsMode,
};
use gatepost_smtp::server::TlsPolicy;

use crate::certificates::Authority;
use crate::gatepost::{PASSWORD, Server, USER};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn envelope(content: &[u8]) -> Envelope {
    Envelope::new(address(USER), [address("you@example.net")], content)
}

async fn connect(server: &Server, mode: TlsMode, authority: &Authority) -> Client {
    let connector = Connector::new("localhost", server.port, mode)
        .roots(authority.roots())
        .ehlo_name("client.example.com");
    connector
        .allow_clear_password(mode == TlsMode::None)
        .connect()
        .await
        .unwrap()
}

async fn authenticated(
    server: &Server,
    mode: TlsMode,
    authority: &Authority,
    choice: MechanismChoice,
) -> (Client, &'static Mechanism) {
    let mut client = connect(server, mode, authority).await;
    let mechanism = client
        .authenticate(&Credentials::new(USER, PASSWORD), choice)
        .await
        .unwrap();
    (client, mechanism)
}

fn by_password() -> impl Iterator<Item = &'static Mechanism> {
    ALL.iter()
        .copied()
        .filter(|mechanism| mechanism.proves_password())
}

/// Every mechanism over every kind of channel, and what was sent is what arrives.
#[tokio::test]
async fn every_mechanism_over_every_channel() {
    let authority = Authority::new();
    let content =
        "Subject: h\u{e9}llo\n\nline\n.dot\n..\n.\nFrom here\r\nend without a line end".as_bytes();
    let arrives = "Subject: h\u{e9}llo\r\n\r\nline\r\n.dot\r\n..\r\n.\r\nFrom here\r\nend without a line end\r\n".as_bytes();
    let channels = [
        (TlsMode::Implicit, TlsPolicy::Implicit),
        (TlsMode::StartTls, TlsPolicy::StartTlsRequired),
        (TlsMode::None, TlsPolicy::None),
    ];
    for (mode, policy) in channels {
        let server = Server::start(policy, authority.acceptor(&["localhost"])).await;
        let possible = || by_password().filter(|it| mode != TlsMode::None || !it.binds_channel);
        for mechanism in possible() {
            let (mut client, by) =
                authenticated(&server, mode, &authority, MechanismChoice::Only(mechanism)).await;
            assert_eq!(by, mechanism);
            assert_eq!(client.tls().is_some(), mode != TlsMode::None);
            let report = client.send(&envelope(content), content).await.unwrap();
            assert!(report.recipients[0].is_ok(), "{report:?}");
            client.quit().await;
            let taken = server.taken().pop().unwrap();
            assert_eq!(
                (taken.mechanism.as_str(), taken.reverse_path.as_str()),
                (mechanism.name, "<user@example.com>")
            );
            assert_eq!(
                taken.content.escape_ascii().to_string(),
                arrives.escape_ascii().to_string()
            );
        }
        assert_eq!(server.taken().len(), possible().count());
    }
}

/// SASL-09: without a wish, the strongest. A wrong password is a credential error that leaves the connection usable, and is not
/// repeated in it (CLI-13).
#[tokio::test]
async fn the_strongest_and_the_wrong_password() {
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::Implicit, authority.acceptor(&["localhost"])).await;
    let (client, mechanism) = authenticated(
        &server,
        TlsMode::Implicit,
        &authority,
        MechanismChoice::Strongest,
    )
    .await;
    assert_eq!(mechanism, &SCRAM_SHA_512_PLUS);
    assert_eq!(client.tls().unwrap().version, "TLSv1.3");
    assert!(
        client.tls().unwrap().cipher.starts_with("TLS_"),
        "{:?}",
        client.tls()
    );
    let mut client = connect(&server, TlsMode::Implicit, &authority).await;
    let error = client
        .authenticate(
            &Credentials::new(USER, "hunter2"),
            MechanismChoice::Only(&PLAIN),
        )
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Credential(_)) && !error.is_transient(),
        "{error}"
    );
    assert_eq!(error.reply().unwrap().code.value(), 535);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(client.is_open());
    client
        .authenticate(
            &Credentials::new(USER, PASSWORD),
            MechanismChoice::Strongest,
        )
        .await
        .unwrap();
}

/// Several messages on one connection; each recipient has an outcome of its own.
#[tokio::test]
async fn a_connection_carries_many_messages() {
    let authority = Authority::new();
    let server = Server::start(
        TlsPolicy::StartTlsRequired,
        authority.acceptor(&["localhost"]),
    )
    .await;
    let (mut client, _) = authenticated(
        &server,
        TlsMode::StartTls,
        &authority,
        MechanismChoice::Only(&CRAM_MD5),
    )
    .await;
    let message = b"Subject: x\r\n\r\nx\r\n";
    let mixed = Envelope::new(
        address(USER),
        [address("nobody@example.net"), address("you@example.net")],
        message,
    );
    let report = client.send(&mixed, &message[..]).await.unwrap();
    assert_eq!(report.recipients[0].as_ref().unwrap_err().code.value(), 550);
    assert!(report.recipients[1].is_ok());
    let nobody = Envelope::new(address(USER), [address("nobody@example.net")], message);
    let report = client.send(&nobody, &message[..]).await.unwrap();
    assert!(report.recipients[0].is_err() && report.final_reply.is_none());
    client.reset().await.unwrap();
    for _ in 0..20 {
        assert!(
            client
                .send(&envelope(message), &message[..])
                .await
                .unwrap()
                .recipients[0]
                .is_ok()
        );
    }
    assert_eq!(server.taken().len(), 21);
    assert_eq!(server.taken()[0].recipients, ["<you@example.net>"]);
}

/// More recipients than are sent ahead of their replies.
#[tokio::test]
async fn many_recipients() {
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::Implicit, authority.acceptor(&["localhost"])).await;
    let (mut client, _) = authenticated(
        &server,
        TlsMode::Implicit,
        &authority,
        MechanismChoice::Only(&PLAIN),
    )
    .await;
    let recipients = (0..750).map(|number| address(&format!("r{number}@example.net")));
    let report = client
        .send(&Envelope::new(address(USER), recipients, b"x"), &b"x"[..])
        .await
        .unwrap();
    assert!(report.recipients.len() == 750 && report.recipients.iter().all(Result::is_ok));
    let expected: Vec<_> = (0..750)
        .map(|number| format!("<r{number}@example.net>"))
        .collect();
    assert_eq!(server.taken()[0].recipients, expected);
}

/// A large message from a source that gives it in odd pieces.
#[tokio::test]
async fn a_large_message_streams() {
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::Implicit, authority.acceptor(&["localhost"])).await;
    let (mut client, _) = authenticated(
        &server,
        TlsMode::Implicit,
        &authority,
        MechanismChoice::Only(&PLAIN),
    )
    .await;
    let mut content = b"Subject: large\r\n\r\n".to_vec();
    for line in 0..120_000 {
        content.extend_from_slice(format!(".{line} {}\n", "x".repeat(line % 61)).as_bytes());
    }
    let meter = ContentMeter::of(&content);
    let envelope = Envelope {
        size: Some(meter.octets()),
        ..envelope(b"")
    };
    let (mut source, mut sink) = tokio::io::duplex(1000);
    let written = content.clone();
    let writing =
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut sink, &written).await });
    let report = client.send_from(&envelope, &mut source).await.unwrap();
    writing.await.unwrap().unwrap();
    assert!(report.recipients[0].is_ok());
    let taken = server.taken().pop().unwrap().content;
    assert_eq!(taken.len() as u64, meter.octets());
    let with_crlf = String::from_utf8(content)
        .unwrap()
        .replace("\r\n", "\n")
        .replace('\n', "\r\n");
    assert!(taken == with_crlf.as_bytes());
}

/// BDAT-04 and BDAT-01 from the client's side: by chunks a message arrives as it does by DATA, be it small, large, full of dots or empty.
#[tokio::test]
async fn bdat_04_by_chunks() {
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::Implicit, authority.acceptor(&["localhost"])).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let connector = Connector::new("localhost", server.port, TlsMode::Implicit)
        .roots(authority.roots())
        .chunking(Chunking::Preferred)
        .watch(move |one| told.lock().unwrap().push(format!("{one:?}")));
    let mut client = connector.connect().await.unwrap();
    let credentials = Credentials::new(USER, PASSWORD);
    client
        .authenticate(&credentials, MechanismChoice::Only(&PLAIN))
        .await
        .unwrap();
    let long = format!("Subject: x\n\n{}", "..line\n.\n".repeat(40_000));
    for content in ["Subject: x\n\n.\n.dot", "Subject: x\r\n\r\n", &long] {
        let report = client
            .send(&envelope(content.as_bytes()), content.as_bytes())
            .await
            .unwrap();
        assert!(report.recipients[0].is_ok(), "{report:?}");
        let taken = server.taken().pop().unwrap().content;
        let arrives = content.replace("\r\n", "\n").replace('\n', "\r\n");
        let arrives = arrives.trim_end_matches("\r\n");
        let taken = String::from_utf8(taken).unwrap();
        assert!(
            taken.trim_end_matches("\r\n") == arrives,
            "{} octets",
            content.len()
        );
    }
    client.quit().await;
    let seen = seen.lock().unwrap().join("\n");
    assert!(!seen.contains("DATA") && !seen.contains("..line"), "{seen}");
    assert!(seen.contains("SentContent("), "{seen}");
}

/// A source that fails leaves nothing at the server, and no connection that could finish the message by accident.
#[tokio::test]
async fn a_source_that_fails_sends_nothing() {
    struct Failing(u8);
    impl tokio::io::AsyncRead for Failing {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.0 += 1;
            if self.0 > 3 {
                return std::task::Poll::Ready(Err(std::io::Error::other("the disk is gone")));
            }
            buffer.put_slice(b"line\r\n");
            std::task::Poll::Ready(Ok(()))
        }
    }
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::Implicit, authority.acceptor(&["localhost"])).await;
    let (mut client, _) = authenticated(
        &server,
        TlsMode::Implicit,
        &authority,
        MechanismChoice::Only(&PLAIN),
    )
    .await;
    let error = client
        .send_from(&envelope(b""), Failing(0))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Content(_)) && error.is_transient(),
        "{error}"
    );
    assert!(!client.is_open());
    assert!(client.send(&envelope(b""), &b""[..]).await.is_err());
    assert_eq!(server.taken(), []);
}

/// A future that is dropped in the middle leaves a connection that knows it is of no further use.
#[tokio::test]
async fn a_dropped_future_is_noticed() {
    let authority = Authority::new();
    let server = Server::start(TlsPolicy::Implicit, authority.acceptor(&["localhost"])).await;
    let (mut client, _) = authenticated(
        &server,
        TlsMode::Implicit,
        &authority,
        MechanismChoice::Only(&PLAIN),
    )
    .await;
    let (source, _never_written) = tokio::io::duplex(10);
    {
        let envelope = envelope(b"");
        let sending = client.send_from(&envelope, source);
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(100), sending).await;
        assert!(waiting.is_err());
    }
    assert!(!client.is_open());
    let error = client.reset().await.unwrap_err();
    assert!(matches!(error, Error::Address(_)), "{error}");
    assert_eq!(server.taken(), []);
}
