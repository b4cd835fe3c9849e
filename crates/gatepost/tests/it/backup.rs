//! Backup and restore of the data directory: the whole drill, with the real server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::delivery::smarthost::Smarthost;
use crate::house::Installed;

/// T-61: nothing is sent twice until someone says so, and whoever could log in can.
#[tokio::test(flavor = "multi_thread")]
async fn t_61_a_restored_queue_sends_nothing_until_it_is_released() {
    let silent = Smarthost::start(|line| {
        line.starts_with("MAIL")
            .then(|| "451 4.3.0 Later\r\n".to_owned())
    })
    .await;
    let house = Installed::new(silent.port());
    house.add_account();
    let server = house.start();
    let waiting = server.submit("you@next.example").await;
    let held = server.submit("you@hold.example").await;
    // T-17: a restore forgets no server that once took SCRAM.
    let pinned = "SCRAM-SHA-256 next.example:587 fred\n";
    fs::write(house.data().join("mechanism-pins"), pinned).unwrap();
    let backup = house.directory.path().join("backup");
    let said = house.prints(&["backup", backup.to_str().unwrap()]);
    assert!(
        said.contains("1 accounts and 2 queued messages, generation 1"),
        "{said}"
    );
    for entry in ["manifest.json", "accounts.db", "seal.key"] {
        assert_eq!(
            fs::metadata(backup.join(entry))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
    }
    let left = fs::read_dir(house.data()).unwrap();
    assert!(
        left.flatten()
            .all(|entry| !entry.file_name().to_string_lossy().starts_with("snapshot"))
    );
    // Life goes on, and ends.
    server.submit("later@hold.example").await;
    server.kill();

    let hop = Smarthost::start(|_| None).await;
    let second = Installed::new(hop.port());
    let told = second.prints(&["restore", backup.to_str().unwrap()]);
    assert!(
        told.contains("generation 2") && told.contains("1 queued messages are held"),
        "{told}"
    );
    let restored = fs::read_to_string(second.data().join("mechanism-pins"));
    assert_eq!(restored.unwrap(), pinned);
    let server = second.start();
    let list = second.json(&["queue", "list"]);
    let states: Vec<_> = list["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            (
                message["id"].as_str().unwrap(),
                message["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [(held.as_str(), "held"), (waiting.as_str(), "held")]
    );
    server.login().await;
    assert_eq!(
        hop.connections(),
        0,
        "nothing is sent before someone says so"
    );
    second.prints(&["queue", "release", "--all", "--reply", "restored*", "--yes"]);
    hop.arrived(1).await;
    assert_eq!(hop.messages()[0].recipients, ["RCPT TO:<you@next.example>"]);
    assert_eq!(
        second.json(&["queue", "list", "--state", "held"])["messages"][0]["id"],
        held.as_str()
    );
    server.stop();
    // The second backup knows of the restore; this one is made without a server.
    let again = second.directory.path().join("again");
    let said = second.prints(&["backup", again.to_str().unwrap()]);
    assert!(said.contains("generation 2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_or_a_directory_in_use_is_refused() {
    let house = Installed::new(9);
    house.add_account();
    house.start().stop();
    let backup = house.directory.path().join("backup");
    let path = backup.to_str().unwrap();
    house.prints(&["backup", path]);
    assert!(house.complains(&["restore", path]).contains("is not empty"));
    assert!(
        house
            .complains(&["backup", path])
            .contains("does not exist")
    );
    let second = Installed::new(9);
    let mut octets = fs::read(backup.join("accounts.db")).unwrap();
    octets[1000] ^= 1;
    fs::write(backup.join("accounts.db"), octets).unwrap();
    let complaint = second.complains(&["restore", path]);
    assert!(
        complaint.contains("accounts.db: does not match its checksum"),
        "{complaint}"
    );
    assert!(!second.data().exists(), "nothing was written");
}
