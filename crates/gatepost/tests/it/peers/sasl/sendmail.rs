//! sendmail and `smtptest` with Cyrus SASL, which has the layers of DIGEST-MD5 but for a fault: with OpenSSL 3 its `3des` does not work, and it offers it all the
//! same (its keys have no parity bits, and it gives up where that OpenSSL mentions it).

use gatepost_sasl::{ClientParams, LayerPolicy, LayerStrength};
use tokio::process::Command;

use super::super::clients::run;
use super::super::corpus::{self, LineEnd};
use super::super::server_peer::{PASSWORD, Program, ServerPeer, USER, in_root};
use super::exchange::Connection;
use super::{check_arrived, layered_server, long_message};
use crate::peer_table::passed;

const NAME: &str = "sendmail with Cyrus SASL 2.1.28";

/// What is agreed on, and the bits that sendmail counts for it.
const WAYS: [(LayerStrength, &str, &str); 6] = [
    (LayerStrength::None, "auth", "0"),
    (LayerStrength::Integrity, "DIGEST-MD5/auth-int", "1"),
    (
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/des",
        "55",
    ),
    (
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/rc4",
        "128",
    ),
    (
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/rc4-56",
        "56",
    ),
    (
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/rc4-40",
        "40",
    ),
];

fn params(strength: LayerStrength) -> ClientParams {
    let mut params = ClientParams::new(USER, "localhost", "OA6MG9tEQGm2hh");
    params.layers = LayerPolicy {
        weak_ciphers: true,
        ..LayerPolicy::exactly(strength)
    };
    params
}

// DIG-17, DIG-18, DIG-27: sendmail offers auth-int and means it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sendmail_takes_mail_through_its_layers() {
    let sample = long_message();
    let peer = ServerPeer::start(Program::Sendmail).await;
    for (strength, agreed, bits) in WAYS {
        let recipient = format!("{}@peer.test", agreed.replace('/', "."));
        let mut connection = Connection::open(peer.clear).await;
        connection.only_cipher = agreed.strip_prefix("DIGEST-MD5/auth-conf/");
        let named = connection
            .authenticate("DIGEST-MD5", params(strength), PASSWORD)
            .await;
        assert_eq!(named.as_deref(), Ok(agreed));
        connection
            .submit("dev@localhost", &recipient, &sample)
            .await;
        let stored = peer.message_to(&recipient).await;
        corpus::check(&sample, &stored.content, LineEnd::Exact);
        let facts = format!("method\tDIGEST-MD5\nuser\t{USER}\nbits\t{bits}\n");
        assert!(stored.envelope.contains(&facts), "{}", stored.envelope);
        let layer = agreed.trim_start_matches("DIGEST-MD5/");
        passed(
            NAME,
            &format!("DIGEST-MD5 {layer}"),
            "none",
            "from gatepost-sasl",
        );
    }
}

// When this fails, Cyrus SASL is repaired, and the cipher belongs to the test above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sendmail_offers_a_cipher_that_it_cannot_use() {
    let peer = ServerPeer::start(Program::Sendmail).await;
    let mut connection = Connection::open(peer.clear).await;
    connection.only_cipher = Some("3des");
    let params = params(LayerStrength::Confidentiality);
    let refused = connection
        .authenticate("DIGEST-MD5", params, PASSWORD)
        .await;
    assert_eq!(refused, Err("535 5.7.0 authentication failed".to_owned()));
}

// ANON-01.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sendmail_takes_mail_of_a_guest() {
    let peer = ServerPeer::start_with(Program::Sendmail, &["--mechanisms", "ANONYMOUS"]).await;
    let mut send = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    send.args(["send", &format!("localhost:{}", peer.starttls)])
        .args(["--tls", "starttls", "--auth", "anonymous"])
        .args(["--user", "guest@example.com", "--from", "dev@localhost"])
        .args(["--to", "you@peer.test", "--ca"])
        .arg(peer.ca());
    run(&mut send, "gatepost send --auth anonymous").await;
    let stored = peer.message_to("you@peer.test").await;
    let facts = "method\tANONYMOUS\nuser\tanonymous\n";
    assert!(stored.envelope.contains(facts), "{}", stored.envelope);
    passed(NAME, "ANONYMOUS", "STARTTLS", "from gatepost send");
}

/// The strongest layer that sendmail wants in bits, and what it chooses. It never comes to 112: its 3DES does not work here either.
const SUBMISSIONS: [(&str, &str); 6] = [
    ("0", "auth"),
    ("1", "auth-int"),
    ("40", "auth-conf/rc4-40"),
    ("55", "auth-conf/des"),
    ("56", "auth-conf/rc4-56"),
    ("128", "auth-conf/rc4"),
];

// DIG-10: it names the server `[127.0.0.1]`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sendmail_submits_through_its_layers() {
    let server = layered_server().await;
    let sample = long_message();
    let directory = server.directory.path();
    std::fs::write(directory.join("message"), &sample.octets).unwrap();
    for (bits, layer) in SUBMISSIONS {
        let mut command = in_root(Program::Sendmail, directory);
        command
            .arg("submit")
            .arg(server.legacy.port().to_string())
            .args(["DIGEST-MD5", bits, "dev@localhost", "gatepost"]);
        run(&mut command, &format!("{NAME} {layer}")).await;
        check_arrived(&server, &sample, layer).await;
        passed(
            NAME,
            &format!("DIGEST-MD5 {layer}"),
            "none (legacy)",
            "to Gatepost",
        );
    }
}

// The layers of Cyrus SASL once more, with a client that has a buffer of 1024 octets and waits for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smtptest_submits_through_its_layers() {
    let server = layered_server().await;
    let sample = long_message();
    let directory = server.directory.path();
    let dialogue = [
        b"MAIL FROM:<dev@localhost>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n",
        &sample.octets[..],
        b".\r\n",
    ];
    std::fs::write(directory.join("dialogue"), dialogue.concat()).unwrap();
    for (bits, layer) in SUBMISSIONS {
        let mut command = in_root(Program::PostfixCyrus, directory);
        command
            .arg("/usr/lib/cyrus/bin/smtptest")
            .args(["-p", &server.legacy.port().to_string()])
            .args(["-a", "dev@localhost", "-w", "gatepost"])
            .args(["-m", "DIGEST-MD5", "-k", bits, "-l", bits])
            .args(["-f", "/peer/dialogue", "127.0.0.1"]);
        run(&mut command, &format!("smtptest {layer}")).await;
        check_arrived(&server, &sample, layer).await;
        passed(
            "smtptest (Cyrus SASL 2.1.28)",
            &format!("DIGEST-MD5 {layer}"),
            "none (legacy)",
            "to Gatepost",
        );
    }
}
