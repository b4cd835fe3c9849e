//! An HTTP client that sends exactly what a test tells it to.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for anything: a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The value of a header field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        assert_eq!(self.field("Content-Type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// `GET` from a host that is answered.
pub(super) async fn get(server: SocketAddr, path: &str) -> Answer {
    ask(server, &format!("GET {path} HTTP/1.1"), "").await
}

/// A request with these further header lines, each with its line end.
pub(super) async fn ask(server: SocketAddr, request: &str, fields: &str) -> Answer {
    send(
        server,
        &format!("{request}\r\nHost: {server}\r\n{fields}Connection: close\r\n\r\n"),
    )
    .await
}

/// Exactly these octets.
pub(super) async fn send(server: SocketAddr, octets: &str) -> Answer {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(octets.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer to {octets:?}"));
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let answer = Answer { status, head, body };
    if let Some(length) = answer.field("Content-Length") {
        let is_head = octets.starts_with("HEAD ");
        assert!(
            is_head || length == answer.body.len().to_string(),
            "{length} octets announced"
        );
    }
    answer
}
