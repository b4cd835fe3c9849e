//! Clients that are not ours against faults of the development server: what happens is what the table of faults says, and shows in
//! them as their manuals say.

use std::process::Command;

use crate::dev::{Dev, LOOPBACK};
use crate::peer_table::passed;

/// Logs in once by each mechanism, and says in a word how that ended.
const SMTPLIB: &str = r"
import smtplib, sys
port = int(sys.argv[1])
for mechanism in sys.argv[2:]:
    client = smtplib.SMTP('127.0.0.1', port, local_hostname='client.example', timeout=60)
    client.ehlo()
    client.user, client.password = 'dev@localhost', 'gatepost'
    try:
        client.auth(mechanism, getattr(client, 'auth_' + mechanism.lower().replace('-', '_')))
        ended = 'in'
    except smtplib.SMTPResponseException as refused:
        ended = str(refused.smtp_code)
    except Exception as error:
        ended = type(error).__name__
    if ended == 'in':
        try:
            client.noop()
        except smtplib.SMTPServerDisconnected:
            ended = 'in, then cut'
    client.close()
    print(ended)
";

/// Faults of one server, and how `smtplib` ends by PLAIN, LOGIN and CRAM-MD5, each once.
const ROUNDS: [([&str; 3], [&str; 3]); 5] = [
    (
        [
            "plain:first:close",
            "login:2:421",
            "cram-md5:challenge:mangled-base64",
        ],
        ["SMTPServerDisconnected", "421", "Error"],
    ),
    (
        [
            "plain:outcome:454",
            "login:challenge:other-prompt",
            "cram-md5:outcome:535",
        ],
        ["454", "in", "535"],
    ),
    (
        [
            "plain:outcome:two-lines",
            "login:outcome:close-after",
            "cram-md5:first:empty",
        ],
        ["in", "in, then cut", "535"],
    ),
    (
        [
            "plain:outcome:extra-challenge",
            "login:2:slow=300ms",
            "cram-md5:outcome:close",
        ],
        ["in", "in", "SMTPServerDisconnected"],
    ),
    // The second to come meets nothing any more.
    (
        [
            "*:outcome:454-once",
            "*:outcome:two-lines",
            "login:first:close-once",
        ],
        ["454", "SMTPServerDisconnected", "in"],
    ),
];

#[test]
fn smtplib_meets_the_faults_that_its_mechanisms_can_have() {
    for (faults, expected) in ROUNDS {
        let directory = tempfile::tempdir().unwrap();
        let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
        let arguments: Vec<_> = LOOPBACK.into_iter().chain(faults).collect();
        let dev = Dev::start(directory.path(), &arguments);
        let port = dev.address("legacy").port().to_string();
        let client = Command::new("python3")
            .args(["-c", SMTPLIB, &port, "PLAIN", "LOGIN", "CRAM-MD5"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&client.stdout);
        let ended: Vec<_> = said.lines().collect();
        let complaint = String::from_utf8_lossy(&client.stderr);
        assert_eq!(ended, expected, "{:?}: {complaint}", arguments.last());
    }
    passed("smtplib", "faults", "-", "met");
}
