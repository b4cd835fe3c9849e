//! Another reader of mail sees the authors that the sender policy saw (T-03).

use std::io::Write as _;
use std::process::{Command, Stdio};

/// `From` fields that are accepted, and the addresses that were found in them.
const FORMS: &str = include_str!("../data/from-forms.json");

/// Reads them by Python's old parser and by its new one, and tells where either finds something else.
const READER: &str = r#"
import sys, json, email, email.policy, email.utils
for value, expected in json.load(sys.stdin):
    message = ("From:" + value + "\r\n\r\n").encode()
    old = email.message_from_bytes(message).get_all("from")
    old = [address.replace('"', "") for _, address in email.utils.getaddresses(old)]
    new = email.message_from_bytes(message, policy=email.policy.default)["from"].addresses
    new = [address.addr_spec for address in new]
    for seen in (old, new):
        if " ".join(seen) != expected:
            print(repr(value), seen)
"#;

#[test]
fn python_sees_the_same_addresses() {
    let mut reader = Command::new("python3")
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader
        .stdin
        .take()
        .unwrap()
        .write_all(FORMS.as_bytes())
        .unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "",
        "read otherwise"
    );
}
