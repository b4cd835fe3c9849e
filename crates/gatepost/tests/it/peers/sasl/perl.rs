//! Perl's `Authen::SASL` as a client. Its server has no layer that works: it seals with the client's keys.

use tokio::process::Command;

use super::super::corpus::{self, LineEnd};
use super::submitter::Submitter;
use super::{long_message, program};
use crate::peer_table::passed;
use crate::server::Server;

// The submitter's lines are MECHANISM QOP SSF.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authen_sasl_submits_by_every_mechanism_and_layer_it_has() {
    let server = Server::start().await;
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
        passed(
            "Authen::SASL 2.16",
            mechanism,
            "none (legacy)",
            "to Gatepost",
        );
    }
}
