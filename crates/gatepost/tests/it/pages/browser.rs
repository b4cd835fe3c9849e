//! The pages in a real browser, with hostile mail in the inbox: no script runs, nothing is loaded from elsewhere, the text is there.
//!
//! A run script would set the page's title or fetch from the snare, a server of the test; that the browser would do both is shown
//! first, with a page of the snare's own that lets scripts run.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::shown::{hostile_message, payloads};
use super::site::Site;
use crate::peer_table::passed;

/// What the browser may take for one page on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The document of a page after its scripts, if any, have run.
async fn document(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let browser = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=2000", "--dump-dom", url])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, browser)
        .await
        .expect("chromium answers in time")
        .expect("chromium starts: `./test` installs it, or apt-get install chromium");
    let document = String::from_utf8(output.stdout).unwrap();
    assert!(
        document.contains("</html>"),
        "{url}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    document
}

fn title(document: &str) -> &str {
    let (_, behind) = document.split_once("<title>").unwrap();
    behind.split("</title>").next().unwrap()
}

/// Answers every request with a page whose script sets the title and loads something, and remembers what was asked for.
struct Snare {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Drop for Snare {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Snare {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&head[..read])
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                seen.lock().unwrap().push(line);
                let page = "<html><title>calm</title><img src=x onerror=\"document.title='caught'\"></html>";
                let length = page.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            address,
            asked,
            serving,
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// T-54
#[tokio::test(flavor = "multi_thread")]
async fn no_script_of_a_message_runs() {
    let snare = Snare::set().await;
    let caught = document(&format!("http://{}/control", snare.address)).await;
    assert_eq!(title(&caught), "caught", "scripts would be noticed");
    assert!(snare.asked().len() >= 2, "and so would loading");

    let site = Site::start().await;
    let mut messages = Vec::new();
    for payload in payloads("browser") {
        let payload = payload.replace("evil.test", &snare.address.to_string());
        messages.push((
            site.submit("a@example.com", &hostile_message(&payload))
                .await,
            payload,
        ));
    }
    let beacon = format!(
        "<img src=http://{}/beacon onerror=document.title='caught'>",
        snare.address
    );
    let html = format!(
        "Subject: {beacon}\r\nContent-Type: text/html\r\n\r\n{beacon}<script>document.title='caught'</script>\r\n"
    );
    let last = site.submit("a@example.com", &html).await;

    let inbox = document(&format!("http://{}/", site.http)).await;
    assert_eq!(
        title(&inbox),
        format!("Inbox ({}) · Gatepost", messages.len() + 1)
    );
    assert!(inbox.contains("&lt;script&gt;document.title='browser0'&lt;/script&gt;"));
    assert!(inbox.contains("&lt;img src=x onerror=document.title='browser3'&gt;"));

    // One page with each way into a page: script, image, attribute, title, and what closes the element around it.
    for number in [0, 3, 21, 23, 24] {
        let (id, payload) = &messages[number];
        let page = document(&format!("http://{}/messages/{id}", site.http)).await;
        let text = payload
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        assert_eq!(title(&page), format!("{text} · Gatepost"));
        assert!(
            page.contains(&format!("<pre class=\"text\">{text}")),
            "{page}"
        );
    }
    let page = document(&format!("http://{}/messages/{last}", site.http)).await;
    assert!(title(&page).starts_with("&lt;img src="), "{}", title(&page));
    let raw = document(&format!("http://{}/messages/{last}/raw", site.http)).await;
    assert!(
        raw.contains("&lt;script&gt;document.title='caught'&lt;/script&gt;"),
        "the raw message is text: {raw}"
    );

    let attempts = document(&format!("http://{}/attempts", site.http)).await;
    assert_eq!(title(&attempts), "Authentication · Gatepost");
    assert!(attempts.contains("dev@localhost") && attempts.contains("PLAIN"));
    assert_eq!(
        snare.asked(),
        Vec::<String>::new(),
        "nothing is loaded from elsewhere"
    );
    passed("Chromium", "none", "none", "reads the pages");
}
