//! Who is answered, how every answer is marked, and what a client may cost.

use std::time::Duration;

use gatepost::admin::http::{self, HEAD_WAIT, MAX_CONNECTIONS};
use gatepost::admin::{Site as Shown, token::Token};
use gatepost::control::{messages::Messages, snapshot::Attempts};
use gatepost::observe::metrics::Metrics;
use gatepost::queue::{Queue, SpoolOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::client::{ask, get, send};
use super::site::Site;

/// T-55: a name that could be rebound to this machine is not answered, wherever it stands.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_names_are_not_answered() {
    let site = Site::start().await;
    site.submit("a@example.com", "Subject: private\r\n\r\n")
        .await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n", 200),
        ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: evil.test\r\n", 421),
        (
            "GET /api/messages HTTP/1.1\r\nHost: evil.test:2580\r\n",
            421,
        ),
        ("GET /metrics HTTP/1.1\r\nHost: 192.0.2.1\r\n", 421),
        ("GET / HTTP/1.1\r\n", 421),
        ("GET / HTTP/1.0\r\n", 421),
        ("GET http://evil.test/ HTTP/1.1\r\nHost: localhost\r\n", 421),
        ("GET http://localhost/ HTTP/1.1\r\nHost: evil.test\r\n", 421),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n",
            400,
        ),
        ("GET / HTTP/1.1\r\nHost: \x7f\r\n", 400),
    ] {
        let answer = send(site.http, &format!("{request}Connection: close\r\n\r\n")).await;
        assert_eq!(answer.status, status, "{request}");
        assert_eq!(
            answer.text().contains("private"),
            status == 200,
            "{request}"
        );
    }
}

/// T-54: another page's script or form changes nothing, even with the token.
#[tokio::test(flavor = "multi_thread")]
async fn changes_come_from_own_pages_or_none() {
    let site = Site::start().await;
    let token = site.server.token.clone().unwrap();
    let own = format!("http://{}", site.http);
    for (origin, status) in [
        ("http://evil.test", 403),
        ("null", 403),
        ("https://localhost", 403),
        ("http://localhost:1", 403),
        (own.as_str(), 200),
    ] {
        let fields = format!("Origin: {origin}\r\nAuthorization: Bearer {token}\r\n");
        let answer = ask(site.http, "DELETE /api/messages HTTP/1.1", &fields).await;
        assert_eq!(answer.status, status, "{origin}");
        assert_eq!(answer.field("Access-Control-Allow-Origin"), None);
    }
    let preflight = "Origin: http://evil.test\r\nAccess-Control-Request-Method: DELETE\r\n";
    let answer = ask(site.http, "OPTIONS /api/messages HTTP/1.1", preflight).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_refused_unread() {
    let site = Site::start().await;
    let fields = |length: u64| format!("Content-Length: {length}\r\n");
    let answer = ask(
        site.http,
        "DELETE /api/messages HTTP/1.1",
        &fields((1 << 20) + 1),
    )
    .await;
    assert_eq!(answer.status, 413);
    let answer = ask(site.http, "DELETE /api/messages HTTP/1.1", &fields(1 << 20)).await;
    assert_eq!(answer.status, 401, "the limit itself is allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_forbids_scripts_frames_and_guessing() {
    let site = Site::start().await;
    let id = site.submit("a@example.com", "Subject: x\r\n\r\n").await;
    let message = format!("/messages/{id}");
    let raw = format!("/api/messages/{id}/raw");
    let paths = [
        "/",
        &message,
        &raw,
        "/attempts",
        "/api/messages",
        "/metrics",
        "/healthz",
        "/ui/gatepost.css",
        "/ui/icon.svg",
        "/nothing",
    ];
    let mut answers = Vec::new();
    for path in paths {
        answers.push((path, get(site.http, path).await));
    }
    let request = "GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
    answers.push(("a refusal", send(site.http, request).await));
    for (path, answer) in answers {
        let policy = answer.field("Content-Security-Policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self'; "),
            "{path}: {policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("script"),
            "{path}: {policy}"
        );
        assert_eq!(
            answer.field("X-Content-Type-Options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            answer.field("Referrer-Policy"),
            Some("no-referrer"),
            "{path}"
        );
        assert_eq!(answer.field("X-Frame-Options"), Some("DENY"), "{path}");
        assert_eq!(
            answer.field("Cross-Origin-Resource-Policy"),
            Some("same-origin"),
            "{path}"
        );
        assert_eq!(answer.field("Cache-Control"), Some("no-store"), "{path}");
    }
}

/// The pages alone, on a queue of their own, for clients that do not let go.
async fn alone(directory: &tempfile::TempDir) -> (TcpListener, Shown) {
    let path = directory.path().to_owned();
    let (queue, _) =
        tokio::task::spawn_blocking(move || Queue::open(&path, SpoolOptions::default()))
            .await
            .unwrap()
            .unwrap();
    let site = Shown {
        messages: Messages::new(queue),
        attempts: Attempts::new(),
        health: gatepost::control::health::Health::default(),
        metrics: Metrics::new(),
        token: Token::draw().unwrap(),
        issuer: None,
    };
    (TcpListener::bind("127.0.0.1:0").await.unwrap(), site)
}

/// A client that says nothing, or half a request, is let go in time; those that waited behind it are then served.
#[tokio::test(start_paused = true)]
async fn silent_clients_do_not_stay() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, site) = alone(&directory).await;
    let address = listener.local_addr().unwrap();
    let pages = tokio::spawn(http::serve(listener, site, std::future::pending()));
    let began = Instant::now();
    let mut silent = Vec::new();
    for number in 0..MAX_CONNECTIONS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: loc")
                .await
                .unwrap();
        }
        silent.push(stream);
    }
    let behind = get(address, "/healthz").await;
    assert_eq!(behind.status, 200);
    assert!(began.elapsed() >= HEAD_WAIT, "{:?}", began.elapsed());
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    assert!(began.elapsed() < HEAD_WAIT + Duration::from_secs(20));
    pages.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_idle_clients() {
    let mut site = Site::start().await;
    let mut idle = TcpStream::connect(site.http).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", site.http);
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 15];
    idle.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    let began = Instant::now();
    site.server.begin_stop();
    site.server.stopped().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}
