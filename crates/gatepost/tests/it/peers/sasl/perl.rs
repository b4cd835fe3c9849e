//! Perl's `Authen::SASL` as a client. Its server has no layer that works: it seals with the client's keys.

use super::submitter::Client;

// The submitter's lines are MECHANISM QOP SSF.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authen_sasl_submits_by_every_mechanism_and_layer_it_has() {
    let mut perl = Client::start("Authen::SASL 2.16", "perl", "client.pl").await;
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        perl.submit(mechanism, &format!("{mechanism} auth -")).await;
    }
    for (layer, bits) in LAYERS {
        let qop = layer.split('/').next().unwrap();
        let way = format!("DIGEST-MD5 {qop} {bits}");
        perl.submit_through(layer, &[way]).await;
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
