//! T-17: a next hop that let us in by SCRAM is not shown the password later.

use gatepost::observe::reason::Reason;

use super::smarthost::Smarthost;
use super::world::{World, route_with_password};

const MESSAGE: &str = "Subject: x\r\nFrom: me@own.example\r\n\r\nx\r\n";

#[tokio::test]
async fn t_17_a_next_hop_that_offers_less_than_before_waits_for_an_operator() {
    let hop = Smarthost::start(|_| None).await;
    let pin = format!("SCRAM-SHA-256-PLUS 127.0.0.1:{} user\n", hop.port());
    let mut world = World::start(|directory| {
        std::fs::write(directory.join("mechanism-pins"), &pin).unwrap();
        vec![route_with_password(&hop, directory, "user", "s3cret")]
    });
    let id = world
        .submit("me@own.example", &["you@next.example"], MESSAGE)
        .await;
    let fault = world.fault().await;
    assert_eq!(fault.reason, Reason::NextHopCredential);
    for told in ["SCRAM-SHA-256-PLUS before", "now: PLAIN", "mechanism-pins"] {
        assert!(fault.detail.contains(told), "{}", fault.detail);
    }
    assert!(world.queue.entry(id).await.unwrap().is_some());
    assert!(hop.messages().is_empty());
    let kept = std::fs::read_to_string(world.directory().join("mechanism-pins")).unwrap();
    assert_eq!(kept, pin);
    world.stop().await;
}

/// What is remembered of one user binds no other.
#[tokio::test]
async fn t_17_another_user_is_another_matter() {
    let hop = Smarthost::start(|_| None).await;
    let mut world = World::start(|directory| {
        let pin = format!("SCRAM-SHA-256 127.0.0.1:{} other\n", hop.port());
        std::fs::write(directory.join("mechanism-pins"), pin).unwrap();
        vec![route_with_password(&hop, directory, "user", "s3cret")]
    });
    let to = "you@next.example";
    world.submit("me@own.example", &[to], MESSAGE).await;
    assert_eq!(world.attempt(to).await.mechanism, Some("PLAIN"));
    world.stop().await;
}
