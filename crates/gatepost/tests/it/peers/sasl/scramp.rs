//! scramp, a SCRAM library for Python, as the server: it speaks no SMTP, only the messages of the mechanism, a line each.

use std::path::Path;
use std::process::Stdio;

use gatepost_sasl::{ClientParams, mechanism};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use super::super::server_peer::{PASSWORD, USER};
use super::exchange::{Exchange, decode, encode};
use crate::peer_table::passed;

const SERVER: &str = r"
import base64, sys
from scramp import ScramMechanism, core
core.CHANNEL_TYPES += ('tls-exporter',)
name, user, password, binding = sys.argv[1:]
mechanism = ScramMechanism(name)
known = mechanism.make_auth_info(password)
binding = ('tls-exporter', base64.b64decode(binding)) if name.endswith('-PLUS') else None
server = mechanism.make_server({user: known}.__getitem__, channel_binding=binding)
hear = lambda: base64.b64decode(sys.stdin.readline()).decode()
say = lambda text: print(base64.b64encode(text.encode()).decode(), flush=True)
server.set_client_first(hear())
say(server.get_server_first())
server.set_client_final(hear())
say(server.get_server_final())
";

const MECHANISMS: [&str; 6] = [
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-512-PLUS",
];

// SCR-12, CB-03: no SMTP server of others has SCRAM-SHA-512-PLUS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scramp_takes_every_scram() {
    for name in MECHANISMS {
        assert!(authenticate(name, [7; 32]).await, "{name}");
        passed("scramp 1.4.6", name, "none", "from gatepost-sasl");
        if name.ends_with("-PLUS") {
            assert!(!authenticate(name, [8; 32]).await, "{name}");
        }
    }
}

/// Whether it lets us in, and proves that it knows us, over a connection that is bound to this on its side, and to sevens on ours.
async fn authenticate(name: &str, theirs: [u8; 32]) -> bool {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/python");
    let mut process = Command::new("python3")
        .env("PYTHONPATH", modules)
        .args(["-c", SERVER, name, USER, PASSWORD, &encode(&theirs)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut params = ClientParams::new(USER, "localhost", "OA6MG9tEQGm2hh");
    if name.ends_with("-PLUS") {
        params.plus_offered = true;
        params.channel_bindings.tls_exporter = Some([7; 32]);
    }
    let (mut exchange, initial) =
        Exchange::begin(mechanism::by_name(name).unwrap(), params, PASSWORD);
    let mut said = initial.unwrap();
    for _ in 0..2 {
        let line = format!("{}\n", encode(&said));
        input.write_all(line.as_bytes()).await.unwrap();
        let Some(challenge) = lines.next_line().await.unwrap() else {
            return false;
        };
        let challenge = decode(&challenge);
        if challenge.starts_with(b"e=") {
            return false;
        }
        said = exchange.answer(&challenge);
    }
    assert!(exchange.succeeded().is_none());
    true
}
