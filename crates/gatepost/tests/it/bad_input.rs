//! What peers send that they should not: each is answered as decided, and the session stays usable or ends cleanly.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{AUTH_PLAIN, Server};
use crate::talk::Talk;

/// AUTH-11 (RFC 4954 §4): "the server MUST reject the AUTH command" when it cannot decode; the session goes on.
#[tokio::test]
async fn malformed_base64_is_501_and_the_session_goes_on() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    for bad in ["=AAA", "AAA=BBB", "A", "AGZ-_yZWQ=", "AGRl dkBs"] {
        talk.ask("AUTH PLAIN", "334 ").await;
        talk.ask(bad, "501 5.5.2 ").await;
    }
    talk.ask("AUTH PLAIN !", "501 5.5.2 ").await;
    talk.ask(AUTH_PLAIN, "235 ").await;
    let aborted = server.log.lines_with("result=aborted");
    assert_eq!(aborted.len(), 5, "{aborted:?}");
}

/// V-27: one client's bad base64 is its own affair.
#[tokio::test]
async fn logins_of_others_do_not_notice_malformed_ones() {
    let server = Server::start().await;
    let mut others = Vec::new();
    for _ in 0..20 {
        let mut talk = server.talk_legacy().await;
        talk.ask("EHLO client.example", "250 ").await;
        talk.ask("AUTH LOGIN", "334 ").await;
        talk.ask("ZGV2QGxvY2FsaG9zdA==", "334 ").await;
        others.push(talk);
    }
    let mut bad = server.talk_legacy().await;
    bad.ask("EHLO client.example", "250 ").await;
    for malformed in ["=", "====", "A", "AAA=A", "\u{e9}", "%", "Z GV2"] {
        bad.ask("AUTH LOGIN", "334 ").await;
        bad.ask("ZGV2QGxvY2FsaG9zdA==", "334 ").await;
        bad.ask(malformed, "5").await;
    }
    for talk in &mut others {
        talk.ask("Z2F0ZXBvc3Q=", "235 ").await;
    }
}

/// AUTH-13, SMTP-06: a line that is too long is swallowed to its end, refused, and costs no more than the limit.
#[tokio::test]
async fn over_long_lines_are_refused_and_the_session_goes_on() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask(&"x".repeat(1_000_000), "500 5.5.2 Line too long")
        .await;
    talk.ask(
        &format!("AUTH PLAIN {}", "A".repeat(1_000_000)),
        "500 5.5.6 ",
    )
    .await;
    talk.ask("AUTH PLAIN", "334 ").await;
    talk.ask(&"A".repeat(1_000_000), "500 5.5.6 ").await;
    talk.ask(AUTH_PLAIN, "235 ").await;
}

/// AUTH-15, AUTH-16, AUTH-19, SMTP-16, TLS-06.
#[tokio::test]
async fn commands_out_of_order_are_refused() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.ask("AUTH PLAIN", "503 5.5.1 ").await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask(
        "MAIL FROM:<dev@localhost>",
        "530 5.7.0 Authentication required",
    )
    .await;
    talk.ask("STARTTLS", "502 5.5.1 ").await;
    talk.ask(AUTH_PLAIN, "235 ").await;
    talk.ask(AUTH_PLAIN, "503 5.5.1 ").await;
    talk.ask("RCPT TO:<you@example.com>", "503 5.5.1 ").await;
    talk.ask("DATA", "503 5.5.1 ").await;
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask("AUTH PLAIN", "503 5.5.1 ").await;
    talk.ask("DATA", "503 5.5.1 ").await;

    let mut clear = server.talk().await;
    clear.ask("EHLO client.example", "250 ").await;
    clear
        .ask(
            "MAIL FROM:<dev@localhost>",
            "530 5.7.0 Must issue a STARTTLS",
        )
        .await;
    clear.ask(AUTH_PLAIN, "530 5.7.0 ").await;
    assert_eq!(server.log.lines_with("event=password-exposed").len(), 1);
}

/// TLS-04, T-31, V-14: what stands behind STARTTLS is never a command, however it is cut into segments.
#[tokio::test]
async fn octets_behind_starttls_are_never_answered() {
    let server = Server::start().await;
    let attack = "STARTTLS\r\nEHLO attacker.example\r\nNOOP\r\n";
    for cut in [0, 8, 9, 10, 11, 25] {
        let mut talk = server.talk().await;
        talk.ask("EHLO client.example", "250 ").await;
        talk.send(&attack[..cut]).await;
        talk.send(&attack[cut..]).await;
        let rest = talk.rest().await;
        assert!(!rest.contains("250"), "{cut}: {rest}");
        // Cut right behind the command, the rest can come after the go-ahead: then it is a broken handshake.
        assert!(
            rest.starts_with("554 5.5.0 ") || rest.starts_with("220 2.0.0 "),
            "{cut}: {rest}"
        );
    }
}

/// V-14: "bare-LF `STARTTLS␊`": what stands behind it is an attack likewise.
#[tokio::test]
async fn starttls_with_a_bare_line_feed_starts_nothing() {
    let server = Server::start().await;
    let mut talk = server.talk().await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.send("STARTTLS\nEHLO attacker.example\r\n").await;
    talk.expect("554 5.5.0 ").await;
    assert_eq!(talk.rest().await, "");
}

#[tokio::test]
async fn octets_in_the_same_segment_as_starttls_close_the_connection() {
    let server = Server::start().await;
    let mut talk = server.talk().await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask("STARTTLS\r\nEHLO attacker.example", "554 5.5.0 ")
        .await;
    assert_eq!(talk.rest().await, "");
    assert_eq!(
        server.log.lines_with("reason=starttls-injection").len(),
        2,
        "refusal and close"
    );
}

/// A client that does not wait for the greeting gets its answers behind it, in order.
#[tokio::test]
async fn early_talkers_are_answered_in_order() {
    let server = Server::start().await;
    let mut talk = Talk::connect(server.legacy).await;
    talk.send(format!("EHLO client.example\r\n{AUTH_PLAIN}\r\nNOOP\r\n"))
        .await;
    talk.expect("220 ").await;
    talk.expect("250 HELP").await;
    talk.expect("235 ").await;
    talk.expect("250 2.0.0 ").await;
}

const HTTP: &str = "POST / HTTP/1.1\r\nHost: submit.example.com\r\nContent-Type: text/plain\r\n\r\n\
    EHLO browser\r\nAUTH PLAIN AGRldkBsb2NhbGhvc3QAZ2F0ZXBvc3Q=\r\nMAIL FROM:<dev@localhost>\r\n";

/// SMTP-15, T-33, V-26: a browser lured to the port runs no command.
#[tokio::test]
async fn http_is_hung_up_on_at_the_first_line() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.send(HTTP).await;
    talk.expect("421 4.7.0 ").await;
    assert_eq!(talk.rest().await, "");

    let talk = Talk::connect(server.smtps).await;
    let mut talk = talk.start_tls(server.directory.path(), &[]).await.unwrap();
    talk.expect("220 ").await;
    talk.send(HTTP).await;
    talk.expect("421 4.7.0 ").await;
    assert_eq!(talk.rest().await, "");
    assert_eq!(server.log.lines_with("event=auth").len(), 0);
}

/// T-33 (RFC 7301 §3.2): a client that means another protocol gets an alert.
#[tokio::test]
async fn another_application_protocol_is_refused_in_the_handshake() {
    let server = Server::start().await;
    for protocols in [&["h2", "http/1.1"][..], &["acme-tls/1"]] {
        let talk = Talk::connect(server.smtps).await;
        let shaken = talk.start_tls(server.directory.path(), protocols).await;
        assert!(shaken.err().unwrap().contains("NoApplicationProtocol"));
    }
    for protocols in [&["esmtp"][..], &["http/1.1", "smtp"]] {
        let talk = Talk::connect(server.smtps).await;
        let mut talk = talk
            .start_tls(server.directory.path(), protocols)
            .await
            .unwrap();
        talk.expect("220 ").await;
    }
}

/// TLS-12: whoever forgets TLS on an implicit TLS port is told so; the other way round too.
#[tokio::test]
async fn clear_text_on_the_tls_port_and_tls_on_the_clear_port_are_told() {
    let server = Server::start().await;
    let mut talk = Talk::connect(server.smtps).await;
    talk.send("EHLO client.example\r\n").await;
    talk.expect("554 5.7.0 TLS required on this port").await;
    assert_eq!(talk.rest().await, "");
    assert_eq!(
        server.log.lines_with("reason=clear-text-on-tls-port").len(),
        1
    );

    let mut talk = server.talk().await;
    talk.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        .await;
    talk.expect("554 5.7.0 ").await;
    assert_eq!(talk.rest().await, "");
}

/// AUTH-18: one guess too many ends the session, for that reason and no other.
#[tokio::test]
async fn guesses_without_end_are_hung_up_on() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    let wrong = "AUTH PLAIN AGRldkBsb2NhbGhvc3QAd3Jvbmc=";
    for _ in 0..3 {
        talk.ask(wrong, "535 5.7.8 ").await;
    }
    talk.ask(wrong, "421 4.7.0 Too many failed").await;
    assert_eq!(talk.rest().await, "");
    server.log.wait_for("event=connection-closed").await;
    assert_eq!(server.log.lines_with("reason=too-many-failures").len(), 1);
    assert_eq!(server.log.lines_with("event=auth").len(), 4);
}

/// SMTP-15: so do errors without end inside exchanges.
#[tokio::test]
async fn cancelled_exchanges_without_end_are_hung_up_on() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    for _ in 0..20 {
        talk.ask("AUTH LOGIN", "334 ").await;
        talk.ask("*", "501 5.7.0 ").await;
    }
    talk.ask("AUTH LOGIN", "334 ").await;
    talk.ask("*", "421 4.7.0 Too many errors").await;
    assert_eq!(talk.rest().await, "");
    server.log.wait_for("event=connection-closed").await;
    assert_eq!(server.log.lines_with("reason=protocol-violation").len(), 1);
}

/// EOL-09: NUL in a command line is refused, and too many of them end the session.
#[tokio::test]
async fn nuls_are_refused() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask("NO\0OP", "500 5.5.2 ").await;
    talk.ask(AUTH_PLAIN, "235 ").await;
    talk.send([0; 4096]).await;
    talk.send("\r\n").await;
    talk.expect("500 5.5.2 ").await;
    talk.ask("NOOP", "250 ").await;
}

/// T-38: over the limit, one line, and the connection is gone; a place that is given back can be taken again.
#[tokio::test]
async fn over_the_limit_of_connections_there_is_one_line() {
    let server = Server::start_with(|config| config.limits.connections = 2).await;
    let mut first = server.talk_legacy().await;
    let _second = server.talk_legacy().await;
    let mut third = Talk::connect(server.legacy).await;
    let reply = third.expect("421 4.7.0 Too many connections").await;
    assert_eq!(third.rest().await, "");
    let (_, id) = reply.strip_suffix(']').unwrap().rsplit_once('[').unwrap();
    assert_eq!(server.log.lines_with(&format!("id={id} ")).len(), 1);
    first.ask("QUIT", "221 ").await;
    assert_eq!(first.rest().await, "");
    server.log.wait_for("event=connection-closed").await;
    server.talk_legacy().await.ask("NOOP", "250 ").await;
}

#[tokio::test]
async fn a_peer_of_another_network_is_not_served() {
    let server = Server::start_with(|config| {
        config.listeners[2].networks = vec!["192.168.7.0/24".parse().unwrap()];
    })
    .await;
    let mut talk = Talk::connect(server.legacy).await;
    talk.expect("554 5.7.1 ").await;
    assert_eq!(talk.rest().await, "");
    assert_eq!(server.log.lines_with("reason=network-not-served").len(), 1);
}

/// T-37: a peer that says nothing is told to go when its time is up.
#[tokio::test]
async fn a_silent_peer_times_out() {
    let server = Server::start_with(|config| {
        config.limits.command_timeout = std::time::Duration::from_millis(100);
    })
    .await;
    let mut talk = server.talk_legacy().await;
    talk.expect("421 4.4.2 ").await;
    assert_eq!(talk.rest().await, "");
    let mut handshake = server.talk().await;
    handshake.ask("EHLO client.example", "250 ").await;
}

/// TLS-17: a peer that starts TLS and says nothing.
#[tokio::test]
async fn a_silent_handshake_times_out() {
    let server = Server::start_with(|config| {
        config.limits.handshake_timeout = std::time::Duration::from_millis(100);
    })
    .await;
    assert_eq!(Talk::connect(server.smtps).await.rest().await, "");
    let mut talk = server.talk().await;
    talk.ask("EHLO client.example", "250 ").await;
    talk.ask("STARTTLS", "220 ").await;
    assert_eq!(talk.rest().await, "");
    server.log.wait_for("event=tls-failed").await;
    assert_eq!(server.log.lines_with("event=tls-failed").len(), 2);
}

/// TLS-15, T-32: a message cut off by the end of the connection is not a message.
#[tokio::test]
async fn a_message_without_its_end_is_not_queued() {
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask("RCPT TO:<you@example.com>", "250 ").await;
    talk.ask("DATA", "354 ").await;
    talk.send("From: dev@localhost\r\n\r\nHalf a message\r\n")
        .await;
    drop(talk);
    server.log.wait_for("event=connection-closed").await;
    assert_eq!(server.queued().await, 0);
}

/// T-50: whatever is tried, no password stands in the log.
#[tokio::test]
async fn no_secret_is_logged() {
    let server = Server::start().await;
    let mut talk = server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    for line in [
        "AUTH PLAIN AGRldkBsb2NhbGhvc3QAc3Vycm9nYXRl",
        "AUTH PLAIN !AGRldkBsb2NhbGhvc3QAc3Vycm9nYXRl",
        "AUTH NONE c3Vycm9nYXRl",
        "surrogate",
    ] {
        talk.ask(line, "5").await;
    }
    talk.ask("AUTH LOGIN", "334 ").await;
    talk.ask("c3Vycm9nYXRl", "334 ").await;
    talk.ask("c3Vycm9nYXRl", "535 ").await;
    talk.ask(AUTH_PLAIN, "235 ").await;
    for secret in ["Vycm9nYXRl", "Z2F0ZXBvc3Q"] {
        assert_eq!(server.log.lines_with(secret), Vec::<String>::new());
    }
    let shown = server.log.lines_with("surrogate");
    // The user name of LOGIN is no secret, even if somebody typed one there and it decodes; nothing else shows it.
    assert!(
        shown.iter().all(|line| line.contains("mechanism=LOGIN")),
        "{shown:?}"
    );
}

/// CODE-11: "before closing for abuse flush the reply, FIN not RST": what the peer has sent and nobody will read costs it no reply.
#[tokio::test]
async fn code_11_the_last_reply_reaches_a_peer_that_goes_on_sending() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.legacy).await.unwrap();
    let junk = "FOO\r\n".repeat(21) + &"x".repeat(100 << 10);
    stream.write_all(junk.as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    let last = heard.lines().last().unwrap();
    assert!(last.starts_with("421 4.7.0 Too many errors"), "{last}");
    assert_eq!(heard.lines().count(), 1 + 20 + 1);
}

/// T-37, V-21: "10⁷ × `BDAT 1` → memory flat ± 1 MiB"; ten million in a soak run, fewer otherwise.
#[tokio::test]
async fn chunks_of_one_octet_take_no_memory() {
    const BATCH: usize = 1_000;
    let batches = if std::env::var_os("GATEPOST_SOAK").is_some() {
        10_000
    } else {
        100
    };
    let server = Server::start().await;
    let mut talk = server.talk_authenticated().await;
    talk.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    talk.ask("RCPT TO:<you@example.com>", "250 ").await;
    // The line end that `ask` adds is the empty line behind the header section.
    talk.ask("BDAT 23\r\nFrom: dev@localhost\r\n", "250 2.0.0 Ok: 23 ")
        .await;
    let chunks = "BDAT 1\r\nx".repeat(BATCH);
    let mut resident = 0;
    for batch in 0..batches {
        if batch == batches / 10 {
            resident = resident_octets();
        }
        talk.send(&chunks).await;
        for _ in 0..BATCH {
            talk.expect("250 2.0.0 Ok: 1 octets").await;
        }
    }
    let grown = resident_octets().saturating_sub(resident);
    assert!(grown <= 1 << 20, "{grown} octets");
    talk.ask("BDAT 0 LAST", "250 2.0.0 Ok: queued as ").await;
}

fn resident_octets() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes << 10
}

/// A command that nobody knows has a name in the log and in the metrics all the same, and not the one that the peer chose.
#[tokio::test]
async fn unknown_commands_have_a_label() {
    let server = Server::start().await;
    let mut talk = server.talk().await;
    talk.ask("XFROBNICATE", "500 ").await;
    server.log.wait_for("command=unknown").await;
    assert_eq!(server.log.lines_with("XFROB"), Vec::<String>::new());
}
