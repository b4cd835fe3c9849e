//! The SASL of the JDK: all qualities of protection and all ciphers of DIGEST-MD5, on either side.

use gatepost_sasl::{ClientParams, LayerPolicy, LayerStrength};
use tokio::process::Command;

use super::super::corpus::{self, LineEnd};
use super::super::server_peer::{PASSWORD, USER, stored_in};
use super::exchange::Connection;
use super::submitter::{Client, Submitter};
use super::{long_message, program};
use crate::peer_table::passed;

const NAME: &str = "the SASL of JDK 17";

// DIG-16, DIG-17, DIG-18, LAYER-02. The submitter's lines are MECHANISM QOP CIPHER MAXBUF HOW.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jdk_submits_by_every_mechanism_and_layer_it_has() {
    let mut jdk = Client::start(NAME, "java", "Client.java").await;
    for mechanism in ["PLAIN", "CRAM-MD5"] {
        let way = format!("{mechanism} auth - - polite");
        jdk.submit(mechanism, &way).await;
    }
    for layer in LAYERS {
        let (qop, cipher) = layer.split_once('/').unwrap_or((layer, "-"));
        // Our replies in buffers of 1024 octets, and what follows the last response in its segment.
        let ways = [("-", "polite"), ("1024", "eager")]
            .map(|(maxbuf, how)| format!("DIGEST-MD5 {qop} {cipher} {maxbuf} {how}"));
        jdk.submit_through(layer, &ways).await;
    }
}

const LAYERS: [&str; 7] = [
    "auth",
    "auth-int",
    "auth-conf/3des",
    "auth-conf/des",
    "auth-conf/rc4",
    "auth-conf/rc4-56",
    "auth-conf/rc4-40",
];

/// What the server offers, what we want of it, and what comes out.
struct Way {
    qops: &'static str,
    ciphers: &'static str,
    layers: LayerPolicy,
    agreed: &'static str,
}

const fn way(
    qops: &'static str,
    ciphers: &'static str,
    strength: LayerStrength,
    agreed: &'static str,
) -> Way {
    let mut layers = LayerPolicy::exactly(strength);
    layers.weak_ciphers = true;
    Way {
        qops,
        ciphers,
        layers,
        agreed,
    }
}

const ALL: &str = "auth,auth-int,auth-conf";

const WAYS: [Way; 8] = [
    way(ALL, "-", LayerStrength::None, "auth"),
    way("auth", "-", LayerStrength::None, "auth"),
    way(ALL, "-", LayerStrength::Integrity, "DIGEST-MD5/auth-int"),
    way(
        ALL,
        "3des",
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/3des",
    ),
    way(
        "auth-conf",
        "des",
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/des",
    ),
    way(
        "auth-conf",
        "rc4",
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/rc4",
    ),
    way(
        "auth-conf",
        "rc4-56",
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/rc4-56",
    ),
    way(
        "auth-conf",
        "rc4-40",
        LayerStrength::Confidentiality,
        "DIGEST-MD5/auth-conf/rc4-40",
    ),
];

// DIG-16, DIG-17, DIG-18, LAYER-06: buffers of 4096 octets, so that the message needs many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jdk_takes_mail_through_every_layer() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("java");
    command
        .arg(program("Server.java"))
        .arg(directory.path())
        .args([USER, PASSWORD]);
    for way in &WAYS {
        command.arg(format!("DIGEST-MD5/{}/{}/4096", way.qops, way.ciphers));
    }
    let mut server = Submitter::start(&mut command);
    let line = server.line().await;
    let ports = line.strip_prefix("ready ").expect(&line).split(' ');
    let sample = long_message();
    for (port, way) in ports.zip(&WAYS) {
        let recipient = format!("{}@peer.test", way.agreed.replace('/', "."));
        let mut connection = Connection::open(port.parse().unwrap()).await;
        let mut params = ClientParams::new(USER, "localhost", "OA6MG9tEQGm2hh");
        params.layers = way.layers;
        let agreed = connection
            .authenticate("DIGEST-MD5", params, PASSWORD)
            .await;
        assert_eq!(agreed.as_deref(), Ok(way.agreed));
        connection
            .submit("dev@localhost", &recipient, &sample)
            .await;
        let stored = stored_in(directory.path())
            .into_iter()
            .rfind(|stored| stored.envelope.contains(&recipient))
            .unwrap();
        corpus::check(&sample, &stored.content, LineEnd::Exact);
        let qop = way.agreed.split('/').nth(1).unwrap_or("auth");
        assert!(
            stored.envelope.contains(&format!("\nqop\t{qop}\n")),
            "{}",
            stored.envelope
        );
        passed(NAME, &named(way.agreed), "none", "from gatepost-sasl");
    }
}

/// The mechanism and its layer in the table of peers.
fn named(agreed: &str) -> String {
    match agreed.strip_prefix("DIGEST-MD5/") {
        Some(layer) => format!("DIGEST-MD5 {layer}"),
        None => format!("DIGEST-MD5 {agreed}"),
    }
}
