use std::path::Path;

use super::*;
use crate::client::ClientBench;
use crate::server::ServerBench;

const SERVER: &str = "# provenance: here
# proves: AUTH-01
@ listener legacy
@ account user@example.com secret
S: 220 mail.example.com ESMTP server ready
C: EHLO x
S: 250-mail.example.com
S: ...
S: 250-AUTH SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN
S: ...
C: RSET now
S: 250 2.0.0 Ok
C: AUTH LOGIN dXNlckBleGFtcGxlLmNvbQ==
S: 334 UGFzc3dvcmQ6
C: d3Jvbmc=
S: 535 5.7.8 Authentication credentials invalid [ID]
E: lost LOGIN credentials-invalid
C: AUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ac2VjcmV0
S: 235 2.7.0 Authentication successful
C+ MAIL FROM:<user@example.com>
C+ RCPT TO:<a@example.net>
C+ DATA
C+ A: b
C: .
S: 250 2.1.0 Ok
S: 250 2.1.5 Ok
S: 354 End data with <CR><LF>.<CR><LF>
S: 250 2.0.0 Ok: queued as [QUEUE-ID]
M: A: b
[wait 300 s]
S: 421 4.4.2 Timeout, closing connection [ID]
S: [closes]
";

const CLIENT: &str = "# provenance: here
# proves: AUTH-01
@ side client
@ account user secret
@ do authenticate quit
S: 220 x
C: EHLO client.example.com
S+ 250-x
S: 250 AUTH PLAIN
C: AUTH PLAIN AHVzZXIAc2VjcmV0
S: 235 ok
E: authenticated by PLAIN
C: QUIT
S: 221 bye
C: [closes]
E: quit
";

fn outcome(text: &str) -> Result<(), String> {
    let transcript = Transcript::parse(Path::new("x.smtp"), text).unwrap();
    let scene = &transcript.scenes[0];
    let outcome = match &transcript.side {
        Side::Server(settings) => play(&transcript, scene, &mut ServerBench::of(settings).unwrap()),
        Side::Client(settings) => play(&transcript, scene, &mut ClientBench::of(settings).unwrap()),
    };
    outcome.map_err(|mismatch| mismatch.to_string())
}

#[test]
fn what_is_written_is_what_happens() {
    assert_eq!(outcome(SERVER), Ok(()));
    assert_eq!(outcome(CLIENT), Ok(()));
}

/// A change that makes the text untrue, and how the message about it begins.
type Change = (&'static str, &'static str, &'static str);

const SERVER_CHANGES: &[Change] = &[
    // A line that differs, that is not said, that is not written.
    (
        "S: 334 UGFzc3dvcmQ6",
        "S: 334 VXNlcm5hbWU6",
        "14: the line differs",
    ),
    (
        "C: .\n",
        "C: ..\n",
        "28: expected: 250 2.0.0 Ok: queued as [QUEUE-ID]\n  heard nothing",
    ),
    (
        "S: 250 2.0.0 Ok\n",
        "",
        "12: expected: nothing\n  heard:    250 2.0.0 Ok",
    ),
    ("S: ...\nS: 250-AUTH", "S: 250-AUTH", "8: the line differs"),
    (
        "S: 250-AUTH SCRAM",
        "S: 250-AUTH=SCRAM",
        "8: the reply ended without a line: 250-AUTH=",
    ),
    (
        "CRAM-MD5 PLAIN LOGIN\nS: ...\n",
        "CRAM-MD5 PLAIN LOGIN\n",
        "10: expected: nothing\n  heard:    250 HELP",
    ),
    // A refusal without its id, an end too early or too late.
    ("invalid [ID]", "invalid", "16: the line differs"),
    ("S: [closes]\n", "", "31: the connection was closed"),
    ("[wait 300 s]", "[wait 299 s]", "31: expected: 421"),
    (
        "[wait 300 s]\nS: 421 4.4.2 Timeout, closing connection [ID]\n",
        "",
        "30: expected: the end\n  heard nothing",
    ),
    // What is kept and reported.
    (
        "M: A: b\n",
        "M: A: c\n",
        "29: the message differs\n  line 1\n    expected: A: c\n    kept:     A: b",
    ),
    ("M: A: b\n", "", "31: a message more was kept"),
    (
        "M: A: b\n",
        "M: A: b\nM: c\n",
        "29: the message differs\n  line 2\n    expected: c\n    kept:     (the end)",
    ),
    (
        "E: lost LOGIN",
        "E: won LOGIN",
        "17: expected the report: won LOGIN",
    ),
];

const CLIENT_CHANGES: &[Change] = &[
    (
        "C: AUTH PLAIN AHVzZXIAc2VjcmV0",
        "C: AUTH PLAIN",
        "10: the line differs",
    ),
    ("C: QUIT\n", "", "13: expected: nothing\n  heard:    QUIT"),
    ("E: quit\n", "", "15: an end that was not expected: quit"),
    ("E: quit\n", "E: reset\n", "16: expected the report: reset"),
    ("C: [closes]\n", "", "15: the connection was closed"),
    (
        "S: 235 ok",
        "S: 535 no",
        "12: expected the report: authenticated by PLAIN\n  reported:\n    connected\n    the server refuses",
    ),
];

#[test]
fn whatever_is_not_as_written_is_noticed() {
    for (text, changes) in [(SERVER, SERVER_CHANGES), (CLIENT, CLIENT_CHANGES)] {
        for (from, to, fault) in changes {
            assert!(text.contains(from), "{from}");
            let error = outcome(&text.replacen(from, to, 1)).unwrap_err();
            assert!(
                error.starts_with(&format!("x.smtp:{fault}")),
                "{from} → {to}: {error}"
            );
        }
    }
}

#[test]
fn short_ids_count_the_refusals_of_one_session() {
    let mut refusals = Refusals::default();
    assert_eq!(refusals.count(Some("A.1")), Ok(()));
    assert_eq!(refusals.count(None), Ok(()));
    assert_eq!(refusals.count(Some("A.2")), Ok(()));
    assert!(refusals.count(Some("A.2")).is_err());
    assert!(refusals.count(Some("A.4")).is_err());
    assert!(refusals.count(Some("B.3")).is_err());
    assert!(Refusals::default().count(Some("A.2")).is_err());
}
