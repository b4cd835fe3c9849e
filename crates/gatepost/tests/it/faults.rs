//! `gatepost dev --fault`: each fault happens, and our own client does what a right client does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gatepost_client::{Connector, Credentials, Error, MechanismChoice, Roots, TlsMode};
use gatepost_sasl::{Mechanism, Needs, mechanism};
use rustix::process::Signal;

use crate::dev::{Dev, LOOPBACK};
use crate::server::AUTH_PLAIN;
use crate::talk::Talk;

const ACCOUNT: &str = "dev@localhost";
const PASSWORD: &str = "gatepost";

/// How a client that is right ends.
#[derive(Debug)]
enum End {
    /// Authenticated.
    In,
    /// Not now; the text names why.
    Later(&'static str),
    /// Not at all.
    Never(&'static str),
}

use End::{In, Later, Never};

/// A fault, the mechanism that the client uses, and how it ends.
type Row = (&'static str, &'static str, End);

const FAULTS: [Row; 28] = [
    // SCR-24, CLI-12.
    (
        "scram-sha-512-plus:final:wrong-signature",
        "SCRAM-SHA-512-PLUS",
        Never("prove"),
    ),
    (
        "scram-sha-256:final:wrong-signature",
        "SCRAM-SHA-256",
        Never("prove"),
    ),
    // AUTH-21.
    (
        "scram-sha-256-plus:final:no-signature",
        "SCRAM-SHA-256-PLUS",
        Never("prove"),
    ),
    (
        "scram-sha-512:final:no-signature",
        "SCRAM-SHA-512",
        Never("prove"),
    ),
    // SCR-11.
    (
        "scram-sha-1:final:server-error",
        "SCRAM-SHA-1",
        Never("other-error"),
    ),
    // SCR-05, SCR-04.
    (
        "scram-sha-1-plus:challenge:wrong-nonce",
        "SCRAM-SHA-1-PLUS",
        Never("nonce"),
    ),
    (
        "scram-sha-512:challenge:few-iterations",
        "SCRAM-SHA-512",
        Never("iteration"),
    ),
    (
        "scram-sha-256:challenge:many-iterations",
        "SCRAM-SHA-256",
        Never("iteration"),
    ),
    // DIG-15, LS-26.
    (
        "digest-md5:final:wrong-rspauth",
        "DIGEST-MD5",
        Never("prove"),
    ),
    ("digest-md5:final:no-rspauth", "DIGEST-MD5", Never("prove")),
    // LOG-02, LS-07.
    ("login:first:other-prompt", "LOGIN", In),
    ("login:2:other-prompt", "LOGIN", In),
    // CODE-03, CODE-09.
    ("plain:outcome:454", "PLAIN", Later("454")),
    ("scram-sha-1:outcome:454", "SCRAM-SHA-1", Later("454")),
    ("cram-md5:outcome:535", "CRAM-MD5", Never("535")),
    // OAB-06, XOA-04.
    (
        "oauthbearer:outcome:error-json",
        "OAUTHBEARER",
        Never("invalid_token"),
    ),
    ("xoauth2:outcome:error-json", "XOAUTH2", Never("535")),
    // LS-29.
    ("plain:first:close", "PLAIN", Later("closed")),
    ("login:outcome:close-after", "LOGIN", In),
    (
        "scram-sha-1:challenge:close",
        "SCRAM-SHA-1",
        Later("closed"),
    ),
    // CLI-04.
    ("xoauth2:first:421", "XOAUTH2", Later("421")),
    ("digest-md5:2:421", "DIGEST-MD5", Later("421")),
    // LS-06, CLI-10.
    (
        "cram-md5:challenge:mangled-base64",
        "CRAM-MD5",
        Never("base64"),
    ),
    ("cram-md5:first:empty", "CRAM-MD5", Never("challenge")),
    // AUTH-22.
    ("scram-sha-512:outcome:extra-challenge", "SCRAM-SHA-512", In),
    (
        "plain:outcome:extra-challenge",
        "PLAIN",
        Never("goes on after"),
    ),
    // CODE-10.
    ("oauthbearer:outcome:two-lines", "OAUTHBEARER", In),
    ("login:2:slow=200ms", "LOGIN", In),
];

/// Rows that do not meet, each group for one server.
fn groups() -> Vec<Vec<&'static Row>> {
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in &FAULTS {
        let apart = |group: &&mut Vec<&Row>| group.iter().all(|other| other.1 != row.1);
        match groups.iter_mut().find(apart) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

#[tokio::test]
async fn our_client_does_what_is_right() {
    for group in groups() {
        let directory = tempfile::tempdir().unwrap();
        let faults: Vec<_> = group.iter().map(|row| row.0).collect();
        let dev = start(directory.path(), &faults);
        for (fault, mechanism, end) in &group {
            let mechanism = mechanism::by_name(mechanism).unwrap();
            let outcome = log_in(&dev, directory.path(), mechanism).await;
            match (&outcome, end) {
                (Ok(()), In) => {}
                (Err(error), Later(why) | Never(why)) => {
                    let said = error.to_string();
                    assert!(said.contains(why), "{fault}: {said}");
                    assert_eq!(
                        error.is_transient(),
                        matches!(end, Later(_)),
                        "{fault}: {said}"
                    );
                }
                _ => panic!("{fault}: {outcome:?}"),
            }
        }
        let (_, _, log) = dev.stop(Signal::TERM);
        for (fault, ..) in group {
            let injected: Vec<_> = log.lines().filter(|line| line.contains(fault)).collect();
            let once = injected.len() == 1 && injected[0].contains("event=fault-injected");
            assert!(once, "{fault}: {log}");
        }
    }
}

async fn log_in(dev: &Dev, directory: &Path, mechanism: &'static Mechanism) -> Result<(), Error> {
    let in_tls = mechanism.binds_channel || mechanism.needs == Needs::Token;
    let connector = if in_tls {
        connector_in_tls(dev, directory)
    } else {
        Connector::new("127.0.0.1", dev.address("legacy").port(), TlsMode::None)
            .allow_clear_password(true)
    };
    let credentials = if mechanism.needs == Needs::Token {
        Credentials::with_token(ACCOUNT, token(dev))
    } else {
        Credentials::new(ACCOUNT, PASSWORD)
    };
    let mut client = connector.connect().await?;
    client
        .authenticate(&credentials, MechanismChoice::Only(mechanism))
        .await?;
    client.quit().await;
    Ok(())
}

/// CLI-12: "never fall from SCRAM-PLUS to PLAIN silently … when the server's `v=` failed". One exchange, and no other behind it.
#[tokio::test]
async fn a_server_that_cannot_prove_itself_gets_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    let dev = start(directory.path(), &["scram-sha-512-plus:final"]);
    let mut client = connector_in_tls(&dev, directory.path())
        .connect()
        .await
        .unwrap();
    let refused = client
        .authenticate(
            &Credentials::new(ACCOUNT, PASSWORD),
            MechanismChoice::Strongest,
        )
        .await;
    assert!(refused.is_err());
    let (_, _, log) = dev.stop(Signal::TERM);
    let attempts: Vec<_> = log
        .lines()
        .filter(|line| line.contains("event=auth"))
        .collect();
    assert_eq!(attempts.len(), 1, "{log}");
}

/// RFC 4954 §6: "454 4.7.0 … The client SHOULD NOT prompt the user for another password"; it succeeds with the same, on another connection.
#[tokio::test]
async fn once_is_the_first_time_in_the_life_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let dev = start(
        directory.path(),
        &["plain:outcome:454-once", "login:2:close-once"],
    );
    talk(&dev).await.ask(AUTH_PLAIN, "454 4.7.0 ").await;
    talk(&dev).await.ask(AUTH_PLAIN, "235 ").await;
    let mut cut = talk(&dev).await;
    cut.ask("AUTH LOGIN", "334 ").await;
    cut.send("ZGV2QGxvY2FsaG9zdA==\r\n").await;
    assert_eq!(cut.rest().await, "");
    let mut whole = talk(&dev).await;
    whole.ask("AUTH LOGIN", "334 ").await;
    whole.ask("ZGV2QGxvY2FsaG9zdA==", "334 ").await;
    whole.ask("Z2F0ZXBvc3Q=", "235 ").await;
}

/// Two faults at one reply: "535 then closing".
#[tokio::test]
async fn faults_add_up() {
    let directory = tempfile::tempdir().unwrap();
    let faults = [
        "*:outcome:535",
        "*:outcome:two-lines",
        "*:outcome:close-after",
    ];
    let dev = start(directory.path(), &faults);
    let mut refused = talk(&dev).await;
    let reply = refused.ask(AUTH_PLAIN, "535 5.7.8 ").await;
    assert!(
        reply.starts_with("535-5.7.8 ") && reply.lines().count() == 2,
        "{reply}"
    );
    assert_eq!(refused.rest().await, "");
    let mut guest = talk(&dev).await;
    guest.ask("AUTH ANONYMOUS =", "535 5.7.8 ").await;
    assert_eq!(guest.rest().await, "");
}

/// A challenge that the session knows nothing of is answered once, and what was sent ahead is answered behind it.
#[tokio::test]
async fn an_extra_challenge_is_answered_by_a_line_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let dev = start(directory.path(), &["plain:outcome:extra-challenge"]);
    let mut patient = talk(&dev).await;
    let challenge = patient.ask(AUTH_PLAIN, "334 ").await;
    assert_eq!(challenge, "334 ");
    patient.ask("", "235 2.7.0 ").await;
    patient.ask("NOOP", "250 ").await;
    let mut hasty = talk(&dev).await;
    hasty.send(format!("{AUTH_PLAIN}\r\nNOOP\r\n")).await;
    hasty.expect("334 ").await;
    hasty.ask("", "235 ").await;
    hasty.expect("250 ").await;
    let mut unwilling = talk(&dev).await;
    unwilling.ask(AUTH_PLAIN, "334 ").await;
    unwilling.ask("*", "501 ").await;
    assert_eq!(unwilling.rest().await, "");
}

/// What only looks like an exchange is none: commands before it, other mechanisms, and content behind it.
#[tokio::test]
async fn what_is_no_exchange_of_the_mechanism_passes_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let dev = start(directory.path(), &["plain:first:421", "login:first:close"]);
    let mut other = talk(&dev).await;
    other
        .send("NOOP AUTH PLAIN\r\nAUTH NONESUCH\r\nRSET\r\n")
        .await;
    for code in ["250 ", "504 ", "250 "] {
        other.expect(code).await;
    }
    other.ask("AUTH CRAM-MD5", "334 ").await;
    other.ask("*", "501 ").await;
    other.ask("AUTH XTERNAL", "504 ").await;
    other.ask("AUTH ANONYMOUS =", "235 ").await;
    other.ask("MAIL FROM:<dev@localhost>", "250 ").await;
    other.ask("RCPT TO:<dev@localhost>", "250 ").await;
    other.ask("DATA", "354 ").await;
    let message = "From: dev@localhost\r\n\r\nAUTH PLAIN x\r\nAUTH LOGIN\r\n.";
    other.ask(message, "250 2.0.0 ").await;
    // It is still there.
    let mut meant = talk(&dev).await;
    meant.ask("auth plain AGRldg==", "421 4.3.2 ").await;
    assert_eq!(meant.rest().await, "");
}

#[tokio::test]
async fn a_slow_reply_takes_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let dev = start(directory.path(), &["plain:first:slow=700ms"]);
    let mut talk = talk(&dev).await;
    let asked = Instant::now();
    talk.ask(AUTH_PLAIN, "235 ").await;
    assert!(asked.elapsed() >= Duration::from_millis(700));
}

#[test]
fn the_server_says_loudly_what_it_gets_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let dev = start(
        directory.path(),
        &["scram-*:final", "login:2:slow=30s-once"],
    );
    let banner = &dev.printed;
    assert!(banner.contains("THIS SERVER MISBEHAVES"), "{banner}");
    for line in [
        "  scram-*:final\n      sends a signature that the account's keys did not make\n",
        "  login:2:slow=30s-once, the first time\n",
        "(RFC 5802 §5)",
    ] {
        assert!(banner.contains(line), "{line}: {banner}");
    }
}

#[test]
fn the_list_is_printed_and_a_wrong_word_refused_before_anything_is_made() {
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command
            .arg("dev")
            .args(LOOPBACK)
            .args(words)
            .output()
            .unwrap()
    };
    let list = run(&["--fault", "list"]);
    let text = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.status.code(), Some(0));
    assert!(
        text.contains("  wrong-signature  scram-*, step final\n"),
        "{text}"
    );
    let refused = run(&[
        "--fault",
        "plain:first",
        "--fault",
        "scram-sha-256:final:wrong-signatur",
    ]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(
        told,
        "gatepost: --fault scram-sha-256:final:wrong-signatur: there is no fault wrong-signatur\n    did you mean wrong-signature?\n"
    );
    // Nowhere else.
    let serve = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args([
            "serve",
            "-c",
            "/nonexistent/gatepost.toml",
            "--fault",
            "plain:first",
        ])
        .output()
        .unwrap();
    assert_eq!(serve.status.code(), Some(2));
}

fn start(directory: &Path, faults: &[&str]) -> Dev {
    let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
    let arguments: Vec<_> = LOOPBACK.into_iter().chain(faults).collect();
    Dev::start(directory, &arguments)
}

/// A conversation in clear text, after EHLO.
async fn talk(dev: &Dev) -> Talk {
    let mut talk = Talk::connect(dev.address("legacy")).await;
    talk.expect("220 ").await;
    talk.ask("EHLO client.example", "250 ").await;
    talk
}

fn connector_in_tls(dev: &Dev, directory: &Path) -> Connector {
    let roots = Roots::from_pem_file(&directory.join("ca.pem")).unwrap();
    Connector::new(
        "127.0.0.1",
        dev.address("STARTTLS").port(),
        TlsMode::StartTls,
    )
    .roots(roots)
}

/// A token of the server's own issuer.
fn token(dev: &Dev) -> String {
    let web = dev.word("web");
    let address = web.trim_start_matches("http://").trim_end_matches('/');
    let mut pages = TcpStream::connect(address).unwrap();
    let request = "GET /api/tokens/raw HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    pages.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    pages.read_to_string(&mut answer).unwrap();
    let (_, token) = answer.split_once("\r\n\r\n").unwrap();
    token.trim().to_owned()
}
