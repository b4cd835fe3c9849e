//! TLS as clients meet it: versions, names, tickets, and how a channel ends.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, HandshakeKind, ProtocolVersion, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{AUTH_PLAIN, Server};
use crate::talk::Talk;
use crate::trust::{VERSIONS, trusting};

fn client(directory: &Path, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let config = trusting(&[&directory.join("ca.pem")], versions);
    TlsConnector::from(Arc::new(config))
}

/// Connects, reads the greeting inside TLS (and with it the tickets that come before), says good-bye.
async fn greet(
    connector: &TlsConnector,
    address: SocketAddr,
    name: &'static str,
) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    let mut stream = connector.connect(name, socket).await.unwrap();
    stream.write_all(b"QUIT\r\n").await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(
        said.starts_with("220 ") && said.contains("\r\n221 2.0.0 "),
        "{said}"
    );
    stream
}

/// TLS-01: "TLS ≥1.2".
#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let server = Server::start().await;
    for (version, spoken) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let connector = client(server.directory.path(), &[version]);
        let stream = greet(&connector, server.smtps, "localhost").await;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken));
    }
    // A ClientHello of TLS 1.1 with one cipher suite: the answer is a fatal (2) alert (0x15) and nothing else.
    let mut hello = vec![
        0x16, 0x03, 0x01, 0x00, 0x2d, 0x01, 0x00, 0x00, 0x29, 0x03, 0x02,
    ];
    hello.extend([7; 32]);
    hello.extend([0x00, 0x00, 0x02, 0x00, 0x2f, 0x01, 0x00]);
    let mut socket = TcpStream::connect(server.smtps).await.unwrap();
    socket.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert_eq!(
        (answer[0], answer[5], answer.len()),
        (0x15, 2, 7),
        "{answer:?}"
    );
    server.log.wait_for("reason=handshake-failed").await;
}

/// V-64: "`ClientHello` in 1-byte records" is answered like a whole one.
#[tokio::test]
async fn v_64_a_handshake_in_records_of_one_octet() {
    let server = Server::start().await;
    let connector = client(server.directory.path(), VERSIONS);
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(connector.config()), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    let (header, message) = hello.split_at(5);
    let mut wire = Vec::new();
    for octet in message {
        wire.extend_from_slice(&header[..3]);
        wire.extend_from_slice(&[0, 1, *octet]);
    }
    let mut socket = TcpStream::connect(server.smtps).await.unwrap();
    socket.write_all(&wire).await.unwrap();
    let answered = socket.read_u8().await.unwrap();
    assert_eq!(answered, 0x16, "a handshake record, not an alert");
}

/// TLS-14: "unknown/no SNI → default cert (no alert)": old devices send none.
#[tokio::test]
async fn a_client_that_names_no_server_gets_the_certificate() {
    let server = Server::start().await;
    let connector = client(server.directory.path(), VERSIONS);
    greet(&connector, server.smtps, "127.0.0.1").await;
}

/// TLS-16: "Record version/cipher/group, resumption, SNI, client cert fingerprint in log and Received (TRC-04)".
#[tokio::test]
async fn what_was_negotiated_is_recorded() {
    let server = Server::start().await;
    let connector = client(server.directory.path(), &[&rustls::version::TLS13]);
    for _ in 0..2 {
        greet(&connector, server.smtps, "localhost").await;
    }
    let talk = Talk::connect(server.smtps).await;
    let directory = server.directory.path();
    let mut talk = talk.start_tls(directory, &["h2", "smtp"]).await.unwrap();
    talk.expect("220 ").await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.submit("Hello").await;
    talk.ask("QUIT", "221 ").await;
    let closed = "event=connection-closed";
    server.log.wait_for_count(closed, 3).await;
    let lines = server.log.lines_with(closed);
    let seen = |line: &str, facts: &[&str]| {
        for fact in facts {
            assert!(line.contains(&format!(" {fact} ")), "{fact}: {line}");
        }
    };
    let always = [
        "tls=TLSv1.3",
        "cipher=TLS_AES_128_GCM_SHA256",
        "sni=localhost",
    ];
    for line in &lines {
        seen(line, &always);
        assert!(line.contains(" group="), "{line}");
    }
    seen(&lines[0], &["resumed=no"]);
    seen(&lines[1], &["resumed=yes"]);
    seen(&lines[2], &["resumed=no", "alpn=smtp"]);
    let content = String::from_utf8(server.newest().await).unwrap();
    let content = content.replace("\r\n\t", " ");
    assert!(
        content.contains("(TLSv1.3) tls TLS_AES_128_GCM_SHA256 group "),
        "{content}"
    );
}

/// TLS-09: "the reply is flushed before reading `ClientHello`", also when STARTTLS is the last of several commands in one segment.
#[tokio::test]
async fn starttls_at_the_end_of_a_pipeline_is_answered_before_the_handshake() {
    let server = Server::start().await;
    let mut talk = server.talk().await;
    talk.send("EHLO client.example\r\nNOOP\r\nSTARTTLS\r\n")
        .await;
    for begin in ["250 ", "250 2.0.0 ", "220 2.0.0 "] {
        talk.expect(begin).await;
    }
    let directory = server.directory.path();
    let mut talk = talk.start_tls(directory, &[]).await.unwrap();
    talk.ask("EHLO client.example", "250 ").await;
}

/// T-33, V-21: "ticket crosses listeners → full handshake".
#[tokio::test]
async fn a_ticket_of_one_listener_is_worth_nothing_at_another() {
    let server = Server::start_with(|config| {
        let mut second = config.listeners[1].clone();
        second.name = "second".into();
        config.listeners.push(second);
    })
    .await;
    for version in VERSIONS {
        let connector = client(server.directory.path(), &[version]);
        let kind = |stream: &TlsStream<TcpStream>| stream.get_ref().1.handshake_kind();
        let first = greet(&connector, server.smtps, "localhost").await;
        assert_eq!(kind(&first), Some(HandshakeKind::Full));
        let again = greet(&connector, server.smtps, "localhost").await;
        assert_eq!(kind(&again), Some(HandshakeKind::Resumed), "{version:?}");
        let elsewhere = greet(&connector, server.bound[3], "localhost").await;
        assert_eq!(kind(&elsewhere), Some(HandshakeKind::Full), "{version:?}");
    }
}

/// TLS-15: "`close_notify`: send on close; accept absence; truncated DATA (no final dot) is never queued". T-32, V-05: after it nothing
/// is read, in a chunk as in DATA.
#[tokio::test]
async fn a_channel_that_ends_in_a_message_leaves_no_message() {
    let server = Server::start().await;
    let mut ended = 0;
    for (notify, chunk) in [(true, false), (false, false), (true, true), (false, true)] {
        let talk = Talk::connect(server.smtps).await;
        let mut talk = talk.start_tls(server.directory.path(), &[]).await.unwrap();
        talk.expect("220 ").await;
        talk.ask("EHLO client.example", "250 ").await;
        talk.ask(AUTH_PLAIN, "235 ").await;
        talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
        talk.ask("RCPT TO:<you@example.com>", "250 ").await;
        if chunk {
            talk.send("BDAT 1000 LAST\r\n").await;
        } else {
            talk.ask("DATA", "354 ").await;
        }
        talk.send("From: dev@localhost\r\n\r\nHalf a message\r\n")
            .await;
        if notify {
            talk.end().await;
            // `greet` above reads up to the server's close_notify: without one it would be an error.
            talk.rest().await;
        } else {
            drop(talk);
        }
        ended += 1;
        server
            .log
            .wait_for_count("event=connection-closed", ended)
            .await;
    }
    assert_eq!(server.queued().await, 0);
    assert_eq!(
        server.log.lines_with("event=accepted"),
        Vec::<String>::new()
    );
}

/// T-32, V-05: "`close_notify` mid-BDAT, then bytes → connection ends, 0 committed".
#[tokio::test]
async fn octets_behind_the_end_of_tls_belong_to_no_message() {
    let server = Server::start().await;
    let message = "From: dev@localhost\r\n\r\nHalf a message\r\n";
    let bdat = format!("BDAT {} LAST\r\n{message}", message.len() + 6);
    let data = format!("DATA\r\n{message}");
    for (begun, rest) in [
        (&bdat, "hello!QUIT\r\n"),
        (&bdat, "h"),
        (&data, "hello!\r\n.\r\nQUIT\r\n"),
    ] {
        let connector = client(server.directory.path(), VERSIONS);
        let socket = TcpStream::connect(server.smtps).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, socket).await.unwrap();
        let said = format!(
            "EHLO client.example\r\n{AUTH_PLAIN}\r\nMAIL FROM:<dev@localhost>\r\nRCPT TO:<you@example.com>\r\n{begun}"
        );
        stream.write_all(said.as_bytes()).await.unwrap();
        stream.get_mut().1.send_close_notify();
        stream.flush().await.unwrap();
        stream.get_mut().0.write_all(rest.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        // The server may reset the connection: it has not read all there is.
        let _ = stream.read_to_end(&mut heard).await;
        let heard = String::from_utf8(heard).unwrap();
        assert!(
            !heard.contains("queued") && !heard.contains("221 "),
            "{heard}"
        );
    }
    server
        .log
        .wait_for_count("event=connection-closed", 3)
        .await;
    assert_eq!(server.queued().await, 0);
}
