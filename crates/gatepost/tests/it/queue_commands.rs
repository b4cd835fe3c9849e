//! `gatepost queue` as an operator runs it, on a running server and without one.

use std::net::TcpListener;

use crate::delivery::smarthost::Smarthost;
use crate::house::Installed;

/// A port of this machine on which nobody listens.
fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn ids(page: &serde_json::Value) -> Vec<String> {
    let messages = page["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_changes_what_is_queued() {
    let house = Installed::new(dead_port());
    house.add_account();
    let server = house.start();
    let waiting = server.submit("you@next.example").await;
    let held = server.submit("you@hold.example").await;

    let all = house.json(&["queue", "list"]);
    assert_eq!(ids(&all), [held.as_str(), waiting.as_str()]);
    assert_eq!(
        (&all["total"], &all["next"]),
        (&2.into(), &serde_json::Value::Null)
    );
    for (conditions, expected) in [
        (["--state", "held"], &[held.as_str()][..]),
        (["--recipient", "*@NEXT.example"], &[&waiting]),
        (["--sender", "fred@*"], &[&held, &waiting]),
        (["--sender", "<>"], &[]),
        (["--account", "wilma"], &[]),
        (["--newer-than", "1d"], &[&held, &waiting]),
        (["--older-than", "1d"], &[]),
    ] {
        let page = house.json(&[&["queue", "list"], &conditions[..]].concat());
        assert_eq!(ids(&page), expected, "{conditions:?}");
    }
    let first = house.json(&["queue", "list", "--limit", "1"]);
    assert_eq!(
        (ids(&first), &first["next"]),
        (vec![held.clone()], &held.as_str().into())
    );
    let second = house.json(&["queue", "list", "--limit", "1", "--before", &held]);
    assert_eq!(
        (ids(&second), &second["next"]),
        (vec![waiting.clone()], &serde_json::Value::Null)
    );

    let shown = house.prints(&["queue", "show", &held, "--headers"]);
    for part in [
        "you@hold.example  held",
        "mechanism: PLAIN",
        "helo: client.example",
        "Subject: to you@hold.example",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let raw = house.prints(&["queue", "show", &held, "--raw"]);
    assert!(
        raw.starts_with("Received: ") && raw.ends_with("\r\n\r\nbody\r\n"),
        "{raw}"
    );

    let stats = house.json(&["queue", "stats"]);
    assert_eq!(
        (&stats["queued"], &stats["held"], &stats["recipients_held"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(stats["domains"][0]["count"], 1);

    house.prints(&["queue", "delete", &held, "--bounce"]);
    let notice = house.json(&["queue", "list", "--sender", "<>"]);
    assert_eq!(
        notice["messages"][0]["recipients"][0]["address"],
        "fred@own.example"
    );
    let notice = house.prints(&["queue", "show", &ids(&notice)[0], "--raw"]);
    assert!(
        notice.contains("the administrator has stopped its delivery")
            && notice.contains("Action: failed"),
        "{notice}"
    );
    assert_eq!(
        ids(&house.json(&["queue", "list", "--state", "held"])),
        [""; 0]
    );
    let log = server.stop();
    let told = format!("event=queue-changed id={held} act=returned by=socket operator=jane");
    assert!(log.contains(&told), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_counted_first_and_changed_with_yes() {
    let house = Installed::new(dead_port());
    house.add_account();
    let server = house.start();
    for number in 0..3 {
        server.submit(&format!("you{number}@hold.example")).await;
    }
    let fits = ["--all", "--sender", "fred@own.example"];
    let output = house.run(&[&["queue", "delete"], &fits[..]].concat());
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "0 of 3 messages deleted\n"
    );
    assert!(String::from_utf8(output.stderr).unwrap().contains("--yes"));
    assert_eq!(
        house.json(&["queue", "list"])["total"],
        3,
        "none is deleted"
    );
    assert_eq!(
        house.json(&["queue", "retry", "--all"])["matched"],
        0,
        "none waits"
    );
    let done = house.json(&[&["queue", "delete", "--yes"], &fits[..]].concat());
    assert_eq!(done["changed"], 3);
    assert_eq!(house.json(&["queue", "list"])["total"], 0);
    let usage = house.complains(&["queue", "delete", "x", "--sender", "fred@own.example"]);
    assert!(usage.contains("--all"), "{usage}");
}

/// T-44: what is no id, a path, and an id of nothing are told apart by nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_queue_is_changed_here() {
    let house = Installed::new(dead_port());
    house.add_account();
    let server = house.start();
    let id = server.submit("you@hold.example").await;
    server.kill();
    let socket = house.data().join("control.sock");
    assert!(socket.exists(), "left behind, and nobody answers there");
    assert_eq!(ids(&house.json(&["queue", "list"])), [id.as_str()]);
    house.prints(&["queue", "release", &id]);
    house.prints(&["queue", "hold", &id]);
    let shown = house.prints(&["queue", "show", &id]);
    assert!(shown.contains("held by jane"), "{shown}");
    let pointless = house.run(&["queue", "retry", &id]);
    assert!(
        String::from_utf8(pointless.stdout)
            .unwrap()
            .contains("release it")
    );
    for other in ["../../../etc/passwd", "00000000000000000000000001", ""] {
        let complaint = house.complains(&["queue", "show", other]);
        assert!(
            complaint.contains("no such message is queued"),
            "{other}: {complaint}"
        );
    }
    house.prints(&["queue", "delete", &id]);
    assert_eq!(house.json(&["queue", "list"])["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_message_goes_out_though_its_route_still_holds() {
    let hop = Smarthost::start(|_| None).await;
    let house = Installed::new(hop.port());
    house.add_account();
    let server = house.start();
    let id = server.submit("you@hold.example").await;
    house.prints(&["queue", "release", &id]);
    hop.arrived(1).await;
    assert!(hop.messages()[0].data.contains("to you@hold.example"));
    server.stop();
}
