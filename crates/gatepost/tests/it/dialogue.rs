//! Whole conversations with the whole server, over real sockets and real TLS.

use std::time::Duration;

use gatepost::config::resolved::MissingFrom;
use gatepost_smtp::quirk::Quirk;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::{AUTH_PLAIN, Server};
use crate::talk::Talk;

const MESSAGE: &str =
    "From: dev@localhost\r\nTo: you@example.com\r\nSubject: Hello\r\n\r\n..dot\r\nIt works.\r\n.";

async fn submit(talk: &mut Talk) -> String {
    talk.ask("MAIL FROM:<dev@localhost>", "250 2.1.0 ").await;
    talk.ask("RCPT TO:<you@example.com>", "250 2.1.5 ").await;
    talk.ask("DATA", "354 ").await;
    let reply = talk.ask(MESSAGE, "250 2.0.0 Ok: queued as ").await;
    reply.rsplit(' ').next().unwrap().to_owned()
}

async fn content(server: &Server, id: &str) -> String {
    let mut content = server.queue.content(id.parse().unwrap()).await.unwrap();
    let mut text = String::new();
    content.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn starttls_then_plain_then_a_message_is_captured() {
    let server = Server::start().await;
    let mut talk = server.talk().await;
    let offer = talk.ask("EHLO client.example", "250 ").await;
    // CAP-13: "the pre-TLS EHLO lists STARTTLS but not AUTH".
    assert!(
        offer.contains("STARTTLS") && !offer.contains("AUTH"),
        "{offer}"
    );
    talk.ask("STARTTLS", "220 2.0.0 ").await;
    let mut talk = talk.start_tls(server.directory.path(), &[]).await.unwrap();
    let offer = talk.ask("EHLO client.example", "250 ").await;
    assert!(
        offer.contains("250-AUTH SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN\n"),
        "{offer}"
    );
    assert!(!offer.contains("STARTTLS"), "{offer}");
    talk.ask(AUTH_PLAIN, "235 2.7.0 Authentication successful")
        .await;
    let id = submit(&mut talk).await;
    talk.ask("QUIT", "221 2.0.0 ").await;

    let content = content(&server, &id).await;
    assert!(
        content.starts_with("Received: from client.example ([127.0.0.1])\r\n"),
        "{content}"
    );
    assert!(
        content.contains(&format!("by submit.example.com with ESMTPSA id {id}\r\n")),
        "{content}"
    );
    assert!(content.contains("tls TLS_"), "{content}");
    assert!(content.contains("for <you@example.com>"), "{content}");
    assert!(
        content.ends_with("\r\n\r\n.dot\r\nIt works.\r\n"),
        "{content}"
    );
    let attempt = server.log.lines_with("event=auth");
    assert_eq!(attempt.len(), 1, "{attempt:?}");
    assert!(
        attempt[0].contains("result=ok mechanism=PLAIN authcid=dev@localhost"),
        "{attempt:?}"
    );
    let accepted = server.log.lines_with("event=accepted");
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert!(
        accepted[0].contains(&format!("id={id}")) && accepted[0].ends_with("reason=captured"),
        "{accepted:?}"
    );
}

#[tokio::test]
async fn implicit_tls_greets_inside_tls() {
    let server = Server::start().await;
    let talk = Talk::connect(server.smtps).await;
    let mut talk = talk
        .start_tls(server.directory.path(), &["smtp"])
        .await
        .unwrap();
    talk.expect("220 submit.example.com ESMTP server ready")
        .await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask(AUTH_PLAIN, "235 2.7.0 ").await;
    submit(&mut talk).await;
}

#[tokio::test]
async fn the_legacy_lane_takes_a_password_in_clear_text() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    let offer = talk.ask("EHLO fax", "250 ").await;
    // CAP-08: "list strongest first because naive clients take the first one they know, and keep PLAIN LOGIN last".
    assert!(
        offer.contains("250-AUTH SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN\n"),
        "{offer}"
    );
    talk.ask("AUTH LOGIN", "334 VXNlcm5hbWU6").await;
    talk.ask("ZGV2QGxvY2FsaG9zdA==", "334 UGFzc3dvcmQ6").await;
    talk.ask("Z2F0ZXBvc3Q=", "235 2.7.0 ").await;
    let id = submit(&mut talk).await;
    assert!(content(&server, &id).await.contains("with ESMTPA id"));
}

/// CAP-05, EOL-05: what one listener is told to tolerate, it tolerates, and no other does.
#[tokio::test]
async fn a_listener_tolerates_what_it_is_told() {
    let server = Server::start_with(|config| {
        config.listeners[2].tolerate = vec![Quirk::AuthEqualsLine, Quirk::LineFeedEndOfData];
    })
    .await;
    let mut talk = server.talk_legacy().await;
    let offer = talk.ask("EHLO scanner", "250 ").await;
    assert!(offer.contains("250-AUTH=CRAM-MD5 PLAIN LOGIN\n"), "{offer}");
    talk.ask(AUTH_PLAIN, "235 ").await;
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask("RCPT TO:<you@example.com>", "250 ").await;
    talk.ask("DATA", "354 ").await;
    talk.send("From: dev@localhost\nSubject: scan\n\nPage 1\n.\n")
        .await;
    talk.expect("250 2.0.0 Ok: queued").await;
    let used = server.log.lines_with("quirk=line-feed-end-of-data");
    assert_eq!(used.len(), 1, "{used:?}");

    let talk = Talk::connect(server.smtps).await;
    let mut talk = talk.start_tls(server.directory.path(), &[]).await.unwrap();
    talk.expect("220 ").await;
    let offer = talk.ask("EHLO client.example", "250 ").await;
    assert!(!offer.contains("AUTH="), "{offer}");
}

#[tokio::test]
async fn a_pipelined_transaction_is_answered_in_order() {
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    talk.send("MAIL FROM:<dev@localhost>\r\nRCPT TO:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nNOOP\r\nDATA\r\n").await;
    for begin in [
        "250 2.1.0 ",
        "250 2.1.5 ",
        "250 2.1.5 ",
        "250 2.0.0 ",
        "354 ",
    ] {
        talk.expect(begin).await;
    }
    talk.send(format!("{MESSAGE}\r\nRSET\r\nQUIT\r\n")).await;
    for begin in ["250 2.0.0 Ok: queued", "250 2.0.0 ", "221 2.0.0 "] {
        talk.expect(begin).await;
    }
    assert_eq!(talk.rest().await, "");
}

#[tokio::test]
async fn a_message_of_many_mebibytes_arrives_octet_for_octet() {
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask("RCPT TO:<you@example.com>", "250 ").await;
    talk.ask("DATA", "354 ").await;
    let mut body = String::new();
    for number in 0..100_000 {
        use std::fmt::Write;
        write!(
            body,
            "line {number} of a large message, with some octets to fill it\r\n"
        )
        .unwrap();
    }
    talk.send(format!(
        "From: dev@localhost\r\nSubject: large\r\n\r\n{body}.\r\n"
    ))
    .await;
    let reply = talk.expect("250 2.0.0 ").await;
    let content = content(&server, reply.rsplit(' ').next().unwrap()).await;
    let (_, kept) = content.split_once("\r\n\r\n").unwrap();
    assert!(kept == body, "{} octets kept of {}", kept.len(), body.len());
}

/// SMTP-10, RFC 6409 §6.1: senders are held to their own addresses, and a refusal's id finds exactly one line of the log.
#[tokio::test]
async fn a_refusal_ends_with_an_id_that_finds_one_log_line() {
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    let reply = talk.ask("MAIL FROM:<boss@example.com>", "550 5.7.1 ").await;
    let (_, id) = reply.strip_suffix(']').unwrap().rsplit_once('[').unwrap();
    let lines = server.log.lines_with(&format!("id={id} "));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("command=MAIL code=550"), "{lines:?}");
    assert!(lines[0].contains("boss@example.com"), "{lines:?}");
    assert!(lines[0].ends_with("reason=sender-not-owned"), "{lines:?}");
}

/// A refused message leaves nothing behind.
#[tokio::test]
async fn a_foreign_author_is_refused_at_the_end_of_the_data() {
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask("RCPT TO:<you@example.com>", "250 ").await;
    talk.ask("DATA", "354 ").await;
    talk.ask("From: boss@example.com\r\n\r\nPay him.\r\n.", "550 5.7.1 ")
        .await;
    assert_eq!(server.queued().await, 0);
    submit(&mut talk).await;
}

/// CODE-07, AUTH-18: unknown accounts and wrong passwords look the same; the third failure too many hangs up.
#[tokio::test]
async fn wrong_passwords_are_refused_alike_and_end_the_session() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    let wrong = talk
        .ask("AUTH PLAIN AGRldkBsb2NhbGhvc3QAd3Jvbmc=", "535 5.7.8 ")
        .await;
    let unknown = talk
        .ask("AUTH PLAIN AG5vYm9keQB3cm9uZw==", "535 5.7.8 ")
        .await;
    let text = |reply: &str| reply.split(" [").next().unwrap().to_owned();
    assert_eq!(text(&wrong), text(&unknown));
    talk.ask("AUTH PLAIN AG5vYm9keQB3cm9uZzI=", "535 5.7.8 ")
        .await;
    talk.ask("AUTH PLAIN AG5vYm9keQB3cm9uZzM=", "421 4.7.0 ")
        .await;
    assert_eq!(talk.rest().await, "");
    let failed = server.log.lines_with("result=failed");
    assert_eq!(failed.len(), 4, "{failed:?}");
    assert!(
        failed
            .iter()
            .all(|line| line.ends_with("reason=credentials-invalid")),
        "{failed:?}"
    );
}

/// A draining server takes no new connections, ends idle sessions with 421, and lets a message in flight finish.
#[tokio::test]
async fn draining_ends_sessions_and_finishes_what_is_in_flight() {
    let mut server = Server::start().await;
    let mut idle = server.talk_legacy().await;
    let mut busy = server.talk_authenticated().await;
    busy.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    busy.ask("RCPT TO:<you@example.com>", "250 ").await;
    busy.ask("DATA", "354 ").await;
    server.begin_stop();
    idle.expect("421 4.3.2 ").await;
    assert_eq!(idle.rest().await, "");
    let refused = tokio::net::TcpStream::connect(server.legacy).await;
    assert!(refused.is_err(), "a new connection was accepted");
    busy.ask(MESSAGE, "250 2.0.0 Ok: queued").await;
    busy.expect("421 4.3.2 ").await;
    assert_eq!(busy.rest().await, "");
    server.stopped().await;
    assert_eq!(server.log.lines_with("event=stopped cut_off=0").len(), 1);
}

/// A session that does not end by itself is cut off when the time is up.
#[tokio::test]
async fn draining_has_an_end() {
    let mut server = Server::start_with(|config| {
        config.limits.drain_timeout = std::time::Duration::from_millis(200);
    })
    .await;
    let mut busy = server.talk_authenticated().await;
    busy.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    busy.ask("RCPT TO:<you@example.com>", "250 ").await;
    busy.ask("DATA", "354 ").await;
    server.begin_stop();
    server.stopped().await;
    assert_eq!(busy.rest().await, "");
    assert_eq!(server.log.lines_with("event=stopped cut_off=1").len(), 1);
}

/// An account that is switched off or removed sends nothing more, also in sessions that are open; what it sent before is kept.
#[tokio::test]
async fn an_open_session_ends_with_its_account() {
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    submit(&mut talk).await;
    let store = server.store.clone();
    let change = |change: fn(&gatepost::store::Store)| {
        let store = store.clone();
        tokio::task::spawn_blocking(move || change(&store))
    };
    change(|store| {
        store.set_enabled("dev@localhost", false).unwrap();
    })
    .await
    .unwrap();
    let refused = talk.ask("MAIL FROM:<dev@localhost>", "5").await;
    assert!(refused.to_lowercase().contains("disabled"), "{refused}");
    let mut again = server.talk_legacy().await;
    again.ask("EHLO client.example", "250 ").await;
    // The password was seen right a moment ago, and remembered.
    again.ask(AUTH_PLAIN, "5").await;

    change(|store| {
        store.set_enabled("dev@localhost", true).unwrap();
    })
    .await
    .unwrap();
    submit(&mut talk).await;
    change(|store| {
        store.remove_account("dev@localhost").unwrap();
    })
    .await
    .unwrap();
    talk.ask("MAIL FROM:<dev@localhost>", "5").await;
    assert_eq!(server.queued().await, 2);
}

// SUBM-06, SUBM-09: what an old program leaves out is completed by the configured domain, in the envelope and in the header.
#[tokio::test]
async fn addresses_without_a_domain_are_completed_where_one_is_configured() {
    let plain = Server::start().await;
    let mut talk = plain.talk_authenticated().await;
    talk.ask("MAIL FROM:<dev>", "554 5.1.8 ").await;
    let server = Server::start_with(|config| {
        config.submission.complete_domain = Some("localhost".to_owned());
        config.submission.missing_from = Some(MissingFrom::Add);
    })
    .await;
    let mut talk = server.talk_authenticated().await;
    for (header, author) in [
        (
            "From: Scanner <dev>\r\nTo: you, a@b.example\r\n",
            "From: Scanner <dev@localhost>",
        ),
        ("To: you\r\n", "From: dev@localhost"),
    ] {
        talk.ask("MAIL FROM:<dev>", "250 2.1.0 ").await;
        talk.ask("RCPT TO:<you>", "250 2.1.5 ").await;
        talk.ask("DATA", "354 ").await;
        let reply = talk
            .ask(&format!("{header}\r\nx\r\n."), "250 2.0.0 Ok: queued as ")
            .await;
        let id = reply.rsplit(' ').next().unwrap();
        let content = content(&server, id).await;
        assert!(content.contains(&format!("\r\n{author}\r\n")), "{content}");
        assert!(content.contains("\r\nTo: you@localhost"), "{content}");
    }
}

// EAI-02, SMTP-06: UTF-8 in names is encoded, in addresses refused; long lines are accepted and remembered.
#[tokio::test]
async fn what_is_not_plain_text_is_noticed_on_the_way_in() {
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    let long = "x".repeat(2000);
    for (name, body, end) in [
        ("To: J\u{fc}rgen <you@example.com>", "x", "250 2.0.0 "),
        ("To: j\u{fc}rgen@example.com", "x", "550 5.6.7 "),
        ("To: you@example.com", long.as_str(), "250 2.0.0 "),
    ] {
        talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
        talk.ask("RCPT TO:<you@example.com>", "250 ").await;
        talk.ask("DATA", "354 ").await;
        let message = format!("From: dev@localhost\r\n{name}\r\n\r\n{body}\r\n.");
        let reply = talk.ask(&message, end).await;
        if end.starts_with("250") {
            let id = reply.rsplit(' ').next().unwrap();
            let entry = server.queue.entry(id.parse().unwrap()).await.unwrap();
            assert_eq!(entry.unwrap().envelope.long_lines, body == long);
            assert!(content(&server, id).await.is_ascii());
        }
    }
}

/// A reply that cannot be written ends the session at once: nobody will say anything any more, and its place is for others.
#[tokio::test]
async fn a_peer_that_is_gone_before_its_reply_leaves_no_session_behind() {
    let server = Server::start().await;
    for _ in 0..5 {
        let mut peer = TcpStream::connect(server.legacy).await.unwrap();
        let mut greeting = [0; 64];
        assert!(peer.read(&mut greeting).await.unwrap() > 0);
        peer.set_zero_linger().unwrap();
        // The server, on the same thread, gets to run when the reset is behind the command already.
        peer.try_write(b"NOOP\r\n").unwrap();
    }
    let closed = server.log.wait_for_count("event=connection-closed", 5);
    timeout(Duration::from_secs(20), closed).await.unwrap();
}
