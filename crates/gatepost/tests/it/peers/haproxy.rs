//! `HAProxy` in front of Gatepost: both versions of its header, its health checks, and TLS that ends there.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use gatepost::config::resolved::{Proxies, TlsMode};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::peer_table::passed;
use crate::server::Server;
use crate::talk::Talk;

/// The longest that `HAProxy` may take to listen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The client's address, which only the header can tell.
const CLIENT: [u8; 4] = [127, 0, 0, 7];

/// PRX-01, PRX-02, PRX-03, PRX-04, PRX-05.
#[tokio::test]
async fn haproxy_speaks_for_its_clients() {
    let server = Server::start_with(|config| {
        for listener in &mut config.listeners {
            listener.proxy = Some(Proxies {
                networks: vec!["127.0.0.1/32".parse().unwrap()],
                trust_tls: false,
            });
        }
        let mut ended = config.listeners[0].clone();
        ended.name = "tls-ended".to_owned();
        ended.tls = TlsMode::None;
        ended.proxy.as_mut().unwrap().trust_tls = true;
        config.listeners.push(ended);
    })
    .await;
    let [version1, version2, tls_ended] = free_addresses();
    let directory = server.directory.path();
    let configuration = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n\
         listen version1\n bind {version1}\n server gatepost {smtp} send-proxy\n\
         listen version2\n bind {version2}\n option smtpchk EHLO haproxy.example\n\
         \x20server gatepost {smtp} send-proxy-v2 proxy-v2-options crc32c check check-send-proxy inter 100ms\n\
         listen tls_ended\n bind {tls_ended} ssl crt {pem}\n\
         \x20server gatepost {ended} send-proxy-v2-ssl-cn proxy-v2-options ssl-cipher,authority,crc32c\n",
        smtp = server.smtp,
        ended = server.bound[3],
        pem = pem(directory).display(),
    );
    let _haproxy = haproxy(directory, &configuration, version1).await;

    for (address, name) in [(version1, "send-proxy"), (version2, "send-proxy-v2")] {
        let mut talk = Talk::connect_from(CLIENT, address).await;
        talk.expect("220 ").await;
        talk.ask("EHLO client.example", "250 ").await;
        talk.ask("STARTTLS", "220 ").await;
        let mut talk = talk.start_tls(directory, &[]).await.unwrap();
        submit(&mut talk).await;
        passed("haproxy", "PLAIN", "STARTTLS", name);
    }
    let talk = Talk::connect_from(CLIENT, tls_ended).await;
    let mut talk = talk.start_tls(directory, &[]).await.unwrap();
    talk.expect("220 ").await;
    submit(&mut talk).await;
    passed("haproxy", "PLAIN", "at the proxy", "send-proxy-v2-ssl");

    let closed = "event=connection-closed peer=127.0.0.7";
    server.log.wait_for_count(closed, 3).await;
    let lines = server.log.lines_with(closed);
    for line in &lines {
        assert!(line.contains(" proxy=127.0.0.1 "), "{line}");
    }
    assert!(lines[2].contains("tls=TLSv1.3 cipher=TLS_"), "{}", lines[2]);
    assert!(lines[2].contains("sni=localhost"), "{}", lines[2]);
    assert_eq!(server.log.lines_with("event=auth peer=127.0.0.7").len(), 3);
    // The checks come as the proxy itself.
    server
        .log
        .wait_for("event=connection-closed peer=127.0.0.1")
        .await;
}

async fn submit(talk: &mut Talk) {
    talk.ask("EHLO client.example", "250 ").await;
    talk.submit("Hello").await;
    talk.ask("QUIT", "221 ").await;
}

/// Starts it and waits until it listens.
async fn haproxy(directory: &Path, configuration: &str, listening: SocketAddr) -> Child {
    let file = directory.join("haproxy.cfg");
    std::fs::write(&file, configuration).unwrap();
    let mut child = Command::new("haproxy")
        .args(["-db", "-f", file.to_str().unwrap()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("haproxy: {error}: ./test installs it"));
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(listening).await.is_err() {
        assert!(child.try_wait().unwrap().is_none(), "haproxy has ended");
        assert!(Instant::now() < until, "haproxy does not listen");
        sleep(Duration::from_millis(20)).await;
    }
    child
}

/// Certificate and key in one file, as `HAProxy` wants them.
fn pem(directory: &Path) -> std::path::PathBuf {
    let parts = ["certificate.pem", "key.pem"];
    let parts = parts.map(|name| std::fs::read_to_string(directory.join(name)).unwrap());
    let file = directory.join("haproxy.pem");
    std::fs::write(&file, parts.concat()).unwrap();
    file
}

fn free_addresses() -> [SocketAddr; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.each_ref().map(|it| it.local_addr().unwrap())
}
