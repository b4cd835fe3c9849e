//! Perl's `Authen::SASL` as a client. Its server has no layer that works: it seals with the client's keys.

use tokio::process::Command;

use super::super::corpus::{self, LineEnd};
use super::submitter::Submitter;
use super::{check_arrived, layered_server, long_message, program};
use crate::peer_table::passed;

const NAME: &str = "Authen::SASL 2.16";

// The submitter's lines are MECHANISM QOP SSF.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authen_sasl_submits_by_every_mechanism_and_layer_it_has() {
    let server = layered_server().await;
    let sample = long_message();
    let file = server.directory.path().join("message");
    std::fs::write(&file, &sample.octets).unwrap();
    let mut perl = Submitter::start(
        Command::new("perl")
            .arg(program("client.pl"))
            .arg(server.legacy.port().to_string())
            .args(["dev@localhost", "gatepost"])
            .arg(&file),
    );
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        assert_eq!(perl.submit(&format!("{mechanism} auth -")).await, "auth");
        corpus::check(&sample, &server.newest().await, LineEnd::Exact);
        let logged = server
            .log
            .lines_with(&format!("result=ok mechanism={mechanism} "));
        assert_eq!(logged.len(), 1, "{logged:?}");
        passed(NAME, mechanism, "none (legacy)", "to Gatepost");
    }
    for (layer, bits) in LAYERS {
        let qop = layer.split('/').next().unwrap();
        let way = format!("DIGEST-MD5 {qop} {bits}");
        assert_eq!(perl.submit(&way).await, qop, "{way}");
        check_arrived(&server, &sample, layer).await;
        passed(
            NAME,
            &format!("DIGEST-MD5 {layer}"),
            "none (legacy)",
            "to Gatepost",
        );
    }
}

/// It chooses by the strength in bits, of two that are equal the first, and for 3DES it needs a module that Debian does not have.
const LAYERS: [(&str, &str); 5] = [
    ("auth", "-"),
    ("auth-int", "-"),
    ("auth-conf/des", "56"),
    ("auth-conf/rc4", "128"),
    ("auth-conf/rc4-40", "40"),
];
