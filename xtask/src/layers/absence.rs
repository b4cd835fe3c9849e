//! Invariants of absence: words that must not stand anywhere but in a named place.

use std::collections::BTreeSet;

use super::Violation;
use crate::source::Source;
use crate::workspace::Workspace;

const PROGRAM: &str = "crates/gatepost/src/";
const PROTOCOL: [&str; 2] = ["crates/gatepost-sasl/src/", "crates/gatepost-smtp/src/"];

/// Decisions are functions of their arguments: what awaits, reads a clock or does I/O is no decision.
const DECISIONS: [&str; 4] = [
    "crates/gatepost/src/policy/",
    "crates/gatepost/src/message/",
    "crates/gatepost/src/queue/entry.rs",
    "crates/gatepost/src/queue/schedule.rs",
];
const IMPURE: [&str; 10] = [
    "async ",
    ".await",
    "tokio::",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "std::fs",
    "std::net::Tcp",
    "getrandom",
    "std::thread",
];

pub(super) fn decisions_are_pure(workspace: &Workspace) -> Vec<Violation> {
    DECISIONS
        .iter()
        .flat_map(|place| words(workspace, place, &IMPURE, &[]))
        .map(|found| {
            found.violates("policy never awaits; decisions have no clock, randomness or I/O")
        })
        .collect()
}

const CLOCKS_AND_LOGS: [&str; 13] = [
    "Instant::now",
    "SystemTime::now",
    "println!",
    "eprintln!",
    "print!",
    "log::",
    "tracing::",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::thread",
    "getrandom",
    "std::env",
];

pub(super) fn protocol_crates_neither_log_nor_read_clocks(workspace: &Workspace) -> Vec<Violation> {
    PROTOCOL
        .iter()
        .flat_map(|place| words(workspace, place, &CLOCKS_AND_LOGS, &[]))
        .map(|found| {
            found.violates("the protocol crates never log, never read a clock, and do no I/O")
        })
        .collect()
}

/// Where a reply code may be written as a number or at the head of a text.
const KNOWS_CODES: [&str; 1] = ["crates/gatepost-smtp/src/reply.rs"];

pub(super) fn only_reply_knows_codes(workspace: &Workspace) -> Vec<Violation> {
    let mut found = Vec::new();
    for folder in [
        "crates/gatepost-smtp/src/",
        "crates/gatepost-client/src/",
        PROGRAM,
    ] {
        for (path, text) in workspace.rust_below(folder) {
            if KNOWS_CODES.contains(&path) || is_test_file(path) {
                continue;
            }
            for (line, literal) in Source::production(text).literals {
                if begins_like_a_reply(&literal) {
                    found.push(Violation {
                        rule: "only reply.rs knows a reply code",
                        place: format!("{path}:{line}"),
                        found: format!("the text {literal:?}"),
                    });
                }
            }
        }
    }
    found
}

fn begins_like_a_reply(literal: &str) -> bool {
    let mut bytes = literal.bytes();
    let mut next = || bytes.next().unwrap_or(0);
    matches!(next(), b'2'..=b'5')
        && matches!(next(), b'0'..=b'5')
        && next().is_ascii_digit()
        && matches!(next(), b' ' | b'-')
}

/// Who may write files, each with the reason.
const WRITES_FILES: [(&str, &str); 8] = [
    (
        "crates/gatepost/src/delivery/pins.rs",
        "how next hops let us in before: names, no mail",
    ),
    ("crates/gatepost/src/queue/spool/", "the queue's engine"),
    (
        "crates/gatepost/src/queue/storage.rs",
        "the disk under the queue's engine",
    ),
    ("crates/gatepost/src/store/", "accounts and the sealing key"),
    (
        "crates/gatepost/src/net/tls/",
        "the development certificate authority",
    ),
    ("crates/gatepost/src/control/", "the control socket"),
    (
        "crates/gatepost/src/cli/",
        "what a person asked a command to write",
    ),
    ("crates/gatepost/src/serve.rs", "the data directory"),
];
/// Also as `tokio::fs::…` and `rustix::fs::…`. Reading is free.
const FILE_WRITERS: [&str; 13] = [
    "File::create",
    "File::options",
    "OpenOptions",
    "DirBuilder",
    "fs::write",
    "fs::copy",
    "fs::rename",
    "fs::hard_link",
    "fs::symlink",
    "fs::create_dir",
    "fs::remove",
    "fs::set_permissions",
    "fs::open",
];

pub(super) fn only_named_places_write_files(workspace: &Workspace) -> Vec<Violation> {
    let allowed: Vec<&str> = WRITES_FILES.iter().map(|(place, _)| *place).collect();
    words(workspace, PROGRAM, &FILE_WRITERS, &allowed)
        .into_iter()
        .map(|found| found.violates("only the queue engine writes mail to disk; other writers are named with their reason"))
        .collect()
}

/// Who may start what outlives a call, each with the reason.
const SPAWNS: [(&str, &str); 4] = [
    ("crates/gatepost/src/serve.rs", "owns start and drain"),
    (
        "crates/gatepost/src/observe/log/writer.rs",
        "the log's thread, which ends with its writer",
    ),
    (
        "crates/gatepost/src/queue/spool/",
        "the writer thread, which ends with its handle",
    ),
    (
        "crates/gatepost/src/auth/hash.rs",
        "the hashing threads, which end with their pool",
    ),
];
const SPAWNERS: [&str; 4] = [
    "tokio::spawn",
    "task::spawn(",
    "thread::spawn",
    "thread::Builder",
];

pub(super) fn only_the_root_spawns(workspace: &Workspace) -> Vec<Violation> {
    let allowed: Vec<&str> = SPAWNS.iter().map(|(place, _)| *place).collect();
    words(workspace, PROGRAM, &SPAWNERS, &allowed)
        .into_iter()
        .map(|found| {
            found.violates(
                "only serve.rs spawns long-lived tasks; others keep theirs in a JoinSet they own",
            )
        })
        .collect()
}

/// The crates that call C, each a safe API around it and nothing else.
const FENCES: [(&str, &str); 1] = [(
    "crates/gatepost-gssapi/",
    "the system's Kerberos library, loaded at run time",
)];

/// The compiler forbids it as well wherever a crate takes the lints of the workspace.
pub(super) fn only_the_fence_is_unsafe(workspace: &Workspace) -> Vec<Violation> {
    let mut found = Vec::new();
    for folder in ["crates/", "xtask/"] {
        for (path, text) in workspace.rust_below(folder) {
            if FENCES.iter().any(|(fence, _)| path.starts_with(fence)) {
                continue;
            }
            let unsafe_code = Source::production(text)
                .lines()
                .filter(|(_, code)| has_word(code, "unsafe"))
                .map(|(line, _)| Violation {
                    rule: "unsafe code stands in a fenced crate with a safe API, and nowhere else",
                    place: format!("{path}:{line}"),
                    found: "unsafe".to_owned(),
                })
                .collect::<Vec<_>>();
            found.extend(unsafe_code);
        }
    }
    found
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .any(|found| found == word)
}

/// The seam between the two TLS libraries.
const OLD_TLS: [&str; 2] = [
    "crates/gatepost/src/net/tls/old.rs",
    "crates/gatepost/src/net/tls/stream.rs",
];

pub(super) fn openssl_is_for_old_tls(workspace: &Workspace) -> Vec<Violation> {
    words(workspace, "crates/", &["openssl::"], &OLD_TLS)
        .into_iter()
        .map(|found| found.violates("OpenSSL stands in net/tls/old.rs: all other TLS is rustls"))
        .collect()
}

const TEST_BRANCHES: [&str; 2] = ["cfg!(test)", "cfg(not(test))"];

pub(super) fn no_test_branch_in_production(workspace: &Workspace) -> Vec<Violation> {
    let mut found = Vec::new();
    for folder in [
        "crates/gatepost-sasl/src/",
        "crates/gatepost-smtp/src/",
        "crates/gatepost-client/src/",
        PROGRAM,
    ] {
        found.extend(words(workspace, folder, &TEST_BRANCHES, &[]));
        found.extend(feature_branches(workspace, folder));
    }
    found
        .into_iter()
        .map(|found| found.violates("no test-only branch in production code"))
        .collect()
}

/// `cfg(feature = "…test…")` in what is not a test: the feature's name is a literal.
fn feature_branches(workspace: &Workspace, folder: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (path, text) in workspace.rust_below(folder) {
        if is_test_file(path) {
            continue;
        }
        let source = Source::production(text);
        let conditions: BTreeSet<usize> = source
            .lines()
            .filter(|(_, code)| code.contains("feature ="))
            .map(|(line, _)| line)
            .collect();
        for (line, feature) in &source.literals {
            if feature.contains("test") && conditions.contains(line) {
                found.push(Found {
                    place: format!("{path}:{line}"),
                    word: format!("feature = {feature:?}"),
                });
            }
        }
    }
    found
}

const AUTH_LOOPS: [&str; 2] = [
    "crates/gatepost-smtp/src/server/auth.rs",
    "crates/gatepost-smtp/src/client/auth.rs",
];
const MECHANISMS: [&str; 8] = [
    "PLAIN", "LOGIN", "CRAM", "SCRAM", "DIGEST", "OAUTH", "EXTERNAL", "GSSAPI",
];

pub(super) fn auth_loop_names_no_mechanism(workspace: &Workspace) -> Vec<Violation> {
    let mut found = Vec::new();
    for path in AUTH_LOOPS {
        let Some(text) = workspace.files.get(path) else {
            continue;
        };
        let source = Source::production(text);
        let literals = source
            .literals
            .iter()
            .map(|(line, literal)| (*line, literal.as_str()));
        for (line, words) in source.lines().chain(literals) {
            let upper = words.to_ascii_uppercase();
            for mechanism in MECHANISMS.iter().filter(|name| upper.contains(**name)) {
                found.push(Violation {
                    rule: "the AUTH loop holds no mechanism name; what it must know is a fact in mechanism.rs",
                    place: format!("{path}:{line}"),
                    found: (*mechanism).to_owned(),
                });
            }
        }
    }
    found
}

struct Found {
    place: String,
    word: String,
}

impl Found {
    fn violates(self, rule: &'static str) -> Violation {
        Violation {
            rule,
            place: self.place,
            found: self.word,
        }
    }
}

fn words(workspace: &Workspace, folder: &str, forbidden: &[&str], except: &[&str]) -> Vec<Found> {
    let mut found = Vec::new();
    for (path, text) in workspace.rust_below(folder) {
        if except.iter().any(|place| path.starts_with(place)) || is_test_file(path) {
            continue;
        }
        for (line, code) in Source::production(text).lines() {
            for word in forbidden.iter().filter(|word| code.contains(**word)) {
                found.push(Found {
                    place: format!("{path}:{line}"),
                    word: (*word).trim().to_owned(),
                });
            }
        }
    }
    found
}

/// A module's tests in a file of their own (`mod tests;` under `#[cfg(test)]`).
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[cfg(test)]
mod tests {
    use super::super::tests::planted;
    use super::*;

    fn count(rule: fn(&Workspace) -> Vec<Violation>, path: &str, text: &str) -> usize {
        rule(&planted(path, text)).len()
    }

    #[test]
    fn an_impure_decision_is_found() {
        let place = "crates/gatepost/src/policy/relay.rs";
        assert_eq!(
            count(decisions_are_pure, place, "pub async fn decide() {}\n"),
            1
        );
        assert_eq!(
            count(decisions_are_pure, place, "let n = Instant::now();\n"),
            1
        );
        assert_eq!(
            count(
                decisions_are_pure,
                place,
                "/// never async\nfn decide() {}\n"
            ),
            0
        );
        assert_eq!(
            count(
                decisions_are_pure,
                "crates/gatepost/src/queue/entry.rs",
                "x.await;\n"
            ),
            1
        );
    }

    #[test]
    fn a_clock_or_log_in_a_protocol_crate_is_found() {
        let rule = protocol_crates_neither_log_nor_read_clocks;
        assert_eq!(
            count(
                rule,
                "crates/gatepost-smtp/src/line.rs",
                "let t = Instant::now();\n"
            ),
            1
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost-sasl/src/plain.rs",
                "println!(\"x\");\n"
            ),
            1
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/net/x.rs",
                "let t = Instant::now();\n"
            ),
            0
        );
    }

    #[test]
    fn a_reply_code_away_from_home_is_found() {
        let rule = only_reply_knows_codes;
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/net/x.rs",
                "send(\"421 4.7.0 go\");\n"
            ),
            1
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost-smtp/src/server/x.rs",
                "\"250-AUTH\"\n"
            ),
            1
        );
        assert_eq!(
            count(rule, "crates/gatepost-smtp/src/reply.rs", "\"250 Ok\"\n"),
            0
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/net/x.rs",
                "\"2026-01-01\"; \"100 x\"\n"
            ),
            0
        );
    }

    #[test]
    fn unsafe_code_outside_its_fence_is_found() {
        let rule = only_the_fence_is_unsafe;
        let text = "#![deny(unsafe_op_in_unsafe_fn)]\n// unsafe\nlet n = unsafe { f() };\n";
        assert_eq!(count(rule, "crates/gatepost-gssapi/src/x.rs", text), 0);
        assert_eq!(count(rule, "crates/gatepost/src/auth/x.rs", text), 1);
        assert_eq!(count(rule, "xtask/src/x.rs", text), 1);
    }

    #[test]
    fn openssl_elsewhere_is_found() {
        let rule = openssl_is_for_old_tls;
        let text = "use tokio_openssl::SslStream;\n// openssl::ssl\n";
        assert_eq!(count(rule, "crates/gatepost/src/net/tls/old.rs", text), 0);
        assert_eq!(count(rule, "crates/gatepost/src/net/wire.rs", text), 1);
        assert_eq!(count(rule, "crates/gatepost-client/src/tls.rs", text), 1);
    }

    #[test]
    fn an_unnamed_writer_is_found() {
        let rule = only_named_places_write_files;
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/delivery/x.rs",
                "std::fs::write(a, b);\n"
            ),
            1
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/delivery/x.rs",
                "tokio::fs::rename(a, b).await;\n"
            ),
            1
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/delivery/x.rs",
                "tokio::fs::read(a).await;\n"
            ),
            0
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/queue/spool/x.rs",
                "File::create(a);\n"
            ),
            0
        );
    }

    #[test]
    fn a_task_that_nobody_owns_is_found() {
        let rule = only_the_root_spawns;
        assert_eq!(
            count(rule, "crates/gatepost/src/net/x.rs", "tokio::spawn(f);\n"),
            1
        );
        assert_eq!(
            count(rule, "crates/gatepost/src/serve.rs", "tokio::spawn(f);\n"),
            0
        );
    }

    #[test]
    fn a_test_branch_is_found() {
        let rule = no_test_branch_in_production;
        assert_eq!(
            count(rule, "crates/gatepost/src/net/x.rs", "if cfg!(test) { }\n"),
            1
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/net/x.rs",
                "#[cfg(feature = \"peer-tests\")]\n"
            ),
            1
        );
        assert_eq!(
            count(
                rule,
                "crates/gatepost/src/net/x.rs",
                "#[cfg(test)]\nmod tests {\n#[cfg(feature = \"peer-tests\")]\nfn peers() {}\n}\n"
            ),
            0
        );
    }

    #[test]
    fn a_mechanism_in_the_loop_is_found() {
        let rule = auth_loop_names_no_mechanism;
        assert_eq!(count(rule, AUTH_LOOPS[0], "if name == \"LOGIN\" {}\n"), 1);
        assert_eq!(
            count(rule, AUTH_LOOPS[0], "if m == &mechanism::PLAIN {}\n"),
            1
        );
        assert_eq!(
            count(rule, AUTH_LOOPS[0], "// LOGIN is not known here\n"),
            0
        );
    }
}
