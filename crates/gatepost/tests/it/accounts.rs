//! Accounts at rest, the control socket, and the `account` commands as a person runs them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatepost::control::account::WireKind;
use gatepost::control::command::{Command, Control, Done};
use gatepost::control::socket::{self, ControlSocket};
use gatepost::control::wire_secret::WirePassword;
use gatepost::observe::Observer;
use gatepost::store::CredentialKind::{Legacy, Password};
use gatepost::store::{LookupName, Store, StoreError};

use crate::toy_protocol::{CHEAP, House, Login, from, legacy, log_in, new_password, tls};

// ---- at rest

#[tokio::test]
async fn accounts_and_all_verifiers_survive_a_restart() {
    let house = House::new();
    house.add(
        "fred@example.com",
        &[(Password, "flintstone"), (Legacy, "fax")],
    );
    let house = house.restarted();
    let account = house
        .store
        .account(&LookupName::prepare("Fred@Example.com"))
        .unwrap();
    assert_eq!(
        account
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["fred@example.com"]
    );
    for (mechanism, password, channel) in [
        ("PLAIN", "flintstone", tls()),
        ("SCRAM-SHA-1", "flintstone", tls()),
        ("SCRAM-SHA-256", "flintstone", tls()),
        ("SCRAM-SHA-512", "flintstone", tls()),
        ("CRAM-MD5", "fax", legacy()),
        ("LOGIN", "fax", legacy()),
    ] {
        let login = Login::new(mechanism, "fred@example.com", password);
        assert!(
            log_in(&house.authenticator, from("192.0.2.1", channel), login)
                .await
                .won(),
            "{mechanism}"
        );
    }
}

#[test]
fn files_of_the_store_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let _store = Store::open(&data, CHEAP).unwrap();
    assert_eq!(mode(&data), 0o700);
    let files: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 2);
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

/// T-51: the database alone opens nothing; the seal must be the right one, and nobody else's to read.
#[test]
fn t_51_a_seal_that_is_exposed_damaged_foreign_or_lost_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("seal.key");
    drop(Store::open(directory.path(), CHEAP).unwrap());
    let right = fs::read(&key).unwrap();

    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let exposed = Store::open(directory.path(), CHEAP).unwrap_err();
    assert!(exposed.to_string().contains("chmod 600"), "{exposed}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    fs::write(&key, &right[..31]).unwrap();
    assert!(matches!(
        Store::open(directory.path(), CHEAP),
        Err(StoreError::SealKeyDamaged { length: 31, .. })
    ));
    fs::write(&key, [7; 32]).unwrap();
    assert!(matches!(
        Store::open(directory.path(), CHEAP),
        Err(StoreError::SealKeyForeign { .. })
    ));
    fs::remove_file(&key).unwrap();
    assert!(matches!(
        Store::open(directory.path(), CHEAP),
        Err(StoreError::SealKeyMissing { .. })
    ));
    assert!(!key.exists(), "no key that opens nothing is left behind");
    fs::write(&key, &right).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    drop(Store::open(directory.path(), CHEAP).unwrap());
}

/// STO-03: what is equivalent to a password is encrypted at rest.
#[test]
fn no_password_and_no_context_lies_readable_on_disk() {
    let house = House::new();
    house.add(
        "fred",
        &[
            (Password, "flintstone-password"),
            (Legacy, "flintstone-legacy"),
        ],
    );
    let contexts = {
        let account = house.store.account(&LookupName::prepare("fred")).unwrap();
        let legacy = account
            .credentials
            .iter()
            .find(|credential| credential.kind == Legacy)
            .unwrap();
        house
            .store
            .cram_contexts(legacy)
            .unwrap()
            .unwrap()
            .to_bytes()
    };
    let directory = house.directory.clone();
    drop(house);
    for entry in fs::read_dir(directory.path()).unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        let holds = |needle: &[u8]| octets.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(b"flintstone-") && !holds(contexts.as_ref()));
    }
}

/// SCR-20: salts are random, of 16 octets, and each password has its own.
#[test]
fn scr_20_equal_passwords_have_nothing_in_common_at_rest() {
    let house = House::new();
    let mut salts = std::collections::HashSet::new();
    for name in ["fred", "wilma", "barney"] {
        house.add(name, &[(Password, "flintstone"), (Legacy, "flintstone")]);
    }
    house
        .store
        .set_password("fred", new_password(Password, "flintstone"))
        .unwrap();
    for account in house.store.accounts() {
        for credential in &account.credentials {
            assert_eq!(credential.scram.len(), 3);
            for scram in &credential.scram {
                assert_eq!(
                    (scram.salt().len(), scram.iterations()),
                    (16, CHEAP.scram_iterations)
                );
                assert!(salts.insert(BASE64.encode(scram.salt())));
                assert!(salts.insert(BASE64.encode(scram.stored_key())));
            }
            let hash = credential.password.as_ref().unwrap();
            assert!(salts.insert(hash.to_text().unwrap()));
        }
    }
    assert_eq!(salts.len(), 6 * 7);
}

/// SCR-22, STO-02: a new password replaces every verifier of the old one, and only those of its kind.
#[tokio::test]
async fn scr_22_a_new_password_replaces_every_verifier_of_its_kind() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone"), (Legacy, "fax")]);
    house
        .store
        .set_password("fred", new_password(Legacy, "scanner"))
        .unwrap();
    for mechanism in [
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
    ] {
        for (password, opens) in [("fax", false), ("scanner", true)] {
            let login = Login::new(mechanism, "fred", password);
            assert_eq!(
                log_in(&house.authenticator, from("127.0.0.1", legacy()), login)
                    .await
                    .won(),
                opens,
                "{mechanism}"
            );
        }
    }
    let person = Login::new("PLAIN", "fred", "flintstone");
    assert!(
        log_in(&house.authenticator, from("127.0.0.1", tls()), person)
            .await
            .won()
    );
}

/// A sealed value belongs to its row: copied to another, it does not open, and nobody is let in by it.
#[tokio::test]
async fn sealed_contexts_do_not_open_in_another_row() {
    let house = House::new();
    house.add("fred", &[(Legacy, "flintstone")]);
    house.add("mallory", &[(Legacy, "known")]);
    let directory = house.directory.clone();
    drop(house);
    let db = rusqlite::Connection::open(directory.path().join("accounts.db")).unwrap();
    db.execute(
        "UPDATE verifier SET value = (SELECT value FROM verifier WHERE credential = 2 AND scheme = 'cram-md5')
         WHERE credential = 1 AND scheme = 'cram-md5'",
        [],
    )
    .unwrap();
    drop(db);
    let house = House::open(directory);
    let ended = log_in(
        &house.authenticator,
        from("192.0.2.1", legacy()),
        Login::new("CRAM-MD5", "fred", "known"),
    )
    .await;
    assert_eq!(ended.refusal(), Some(gatepost_sasl::Refusal::Unavailable));
}

#[test]
fn a_database_of_a_newer_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path(), CHEAP).unwrap());
    let db = rusqlite::Connection::open(directory.path().join("accounts.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(matches!(
        Store::open(directory.path(), CHEAP),
        Err(StoreError::TooNew {
            found: 99,
            known: 3,
            ..
        })
    ));
}

#[test]
fn what_is_refused_changes_nothing() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    let before = format!("{:?}", house.store.accounts());
    let add = |name: &str, password: &str| {
        house
            .store
            .add_account(name, &[], &[new_password(Password, password)])
    };
    assert!(matches!(
        add("FRED", "x"),
        Err(StoreError::AccountExists { .. })
    ));
    assert!(matches!(add("", "x"), Err(StoreError::NameInvalid { .. })));
    for unusable in ["", "a\0b", "a\nb", "\u{ad}", &"x".repeat(1025)] {
        assert!(
            matches!(add("wilma", unusable), Err(StoreError::PasswordUnusable(_))),
            "{unusable:?}"
        );
    }
    assert!(matches!(
        house
            .store
            .set_password("wilma", new_password(Password, "x")),
        Err(StoreError::NoSuchAccount { .. })
    ));
    assert_eq!(format!("{:?}", house.restarted().store.accounts()), before);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

// ---- control socket

struct Server {
    house: House,
    _task: tokio::task::JoinHandle<()>,
}

/// The part of a server that answers the control socket.
fn serve() -> Server {
    let house = House::new();
    let socket = ControlSocket::bind(house.directory.path()).unwrap();
    let control = Control::new(house.store.clone(), Observer::new(Vec::new()));
    Server {
        house,
        _task: tokio::spawn(socket.serve(control)),
    }
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn the_running_server_does_what_is_asked_and_logins_see_it_at_once() {
    let server = serve();
    let directory = server.house.directory.path().to_owned();
    assert_eq!(mode(&directory.join("control.sock")), 0o600);
    let add = Command::AccountAdd {
        name: "fred".into(),
        addresses: vec!["fred@example.com".into()],
        password: WirePassword::new("flintstone"),
        kind: WireKind::Password,
    };
    let again = add.clone();
    let done = blocking(move || {
        (
            socket::ask(&directory, &add).unwrap().unwrap(),
            socket::ask(&directory, &again).unwrap().unwrap(),
        )
    })
    .await;
    assert!(
        matches!(done.0.unwrap(), Done::Account(account) if account.addresses == ["fred@example.com"])
    );
    assert!(done.1.unwrap_err().to_string().contains("exists already"));
    let ended = log_in(
        &server.house.authenticator,
        from("192.0.2.1", tls()),
        Login::new("PLAIN", "fred", "flintstone"),
    )
    .await;
    assert!(ended.won());
}

/// V-38.
#[tokio::test]
async fn lines_that_are_no_command_are_answered_or_cut_off() {
    let server = serve();
    let path = server.house.directory.path().join("control.sock");
    let (answered, cut_off) = blocking(move || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"{\"command\":\"reboot\"}\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answered = String::new();
        stream.read_to_string(&mut answered).unwrap();
        let mut stream = UnixStream::connect(&path).unwrap();
        // The server may hang up while this is still being written.
        let _ = stream.write_all(&vec![b'x'; 17 * 1024 * 1024]);
        let mut cut_off = Vec::new();
        let _ = stream.read_to_end(&mut cut_off);
        (answered, cut_off)
    })
    .await;
    assert!(
        answered.starts_with("{\"error\":") && answered.ends_with("}\n"),
        "{answered}"
    );
    assert!(cut_off.is_empty());
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced_and_one_that_ends_is_removed() {
    let house = House::new();
    let path = house.directory.path().join("control.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let list = Command::AccountList {};
    assert!(
        socket::ask(house.directory.path(), &list)
            .unwrap()
            .is_none(),
        "nobody listens"
    );
    let socket = ControlSocket::bind(house.directory.path()).unwrap();
    assert!(UnixStream::connect(&path).is_ok());
    drop(socket);
    assert!(!path.exists());
    assert!(
        socket::ask(house.directory.path(), &list)
            .unwrap()
            .is_none()
    );
}

// ---- commands

/// A configuration for a data directory.
pub(crate) fn configuration(data: &Path) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gatepost.toml");
    let text = format!(
        "hostname = \"smtp.example.com\"\ndata = {:?}\n[[listener]]\naddress = \"127.0.0.1:2599\"\ntls = \"none\"\nprofile = \"legacy\"\nnetworks = [\"127.0.0.0/8\"]\n",
        data.to_str().unwrap()
    );
    fs::write(&file, text).unwrap();
    (place, file)
}

pub(crate) fn account(file: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut child = Process::new(env!("CARGO_BIN_EXE_gatepost"))
        .arg("account")
        .args(arguments)
        .arg("-c")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends before it has read everything closes the pipe: what it prints tells why.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn account_commands_work_without_a_server() {
    let data = tempfile::tempdir().unwrap();
    let (_place, file) = configuration(data.path());
    let (code, stdout, _) = texts(&account(
        &file,
        &["add", "fred@example.com", "--password-stdin"],
        "flintstone\n",
    ));
    assert_eq!(
        (code, stdout.as_str()),
        (
            Some(0),
            "fred@example.com  <fred@example.com>  credentials: password\n"
        )
    );
    let (code, stdout, _) = texts(&account(
        &file,
        &["password", "fred@example.com", "--legacy", "--json"],
        "",
    ));
    assert_eq!(code, Some(0));
    let generated: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let generated = generated["password"].as_str().unwrap().to_owned();
    assert!(generated.len() >= 20);

    let house = House::open(std::sync::Arc::new(data));
    let login = |mechanism, password, channel| {
        let authenticator = house.authenticator.clone();
        async move {
            log_in(
                &authenticator,
                from("192.0.2.1", channel),
                Login::new(mechanism, "fred@example.com", password),
            )
            .await
            .won()
        }
    };
    assert!(login("PLAIN", "flintstone", tls()).await);
    assert!(login("CRAM-MD5", &generated, legacy()).await);
}

#[tokio::test]
async fn account_commands_go_through_a_server_that_runs() {
    let server = serve();
    let data = server.house.directory.path().to_owned();
    let (added, listed) = blocking(move || {
        let (_place, file) = configuration(&data);
        let added = account(
            &file,
            &[
                "add",
                "fax",
                "--address",
                "fax@example.com",
                "--legacy",
                "--password-stdin",
            ],
            "flintstone",
        );
        (
            texts(&added),
            texts(&account(&file, &["list", "--json"], "")),
        )
    })
    .await;
    assert_eq!(added.0, Some(0), "{}", added.2);
    let listed: serde_json::Value = serde_json::from_str(&listed.1).unwrap();
    let verifiers = [
        "ARGON2ID",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-512",
        "CRAM-MD5",
    ];
    let credentials =
        serde_json::json!([{ "label": "legacy", "kind": "legacy", "verifiers": verifiers }]);
    let fax = serde_json::json!({ "name": "fax", "addresses": ["fax@example.com"], "enabled": true, "credentials": credentials, "acts_as": [] });
    assert_eq!(listed, serde_json::json!({ "accounts": [fax] }));
    let ended = log_in(
        &server.house.authenticator,
        from("192.0.2.1", legacy()),
        Login::new("CRAM-MD5", "fax", "flintstone"),
    )
    .await;
    assert!(ended.won());
}

#[test]
fn account_commands_fail_with_what_where_and_what_next() {
    let data = tempfile::tempdir().unwrap();
    let (_place, file) = configuration(data.path());
    assert_eq!(texts(&account(&file, &["add", "fred"], "")).0, Some(0));
    let nowhere = file.with_file_name("nowhere.toml");
    for (arguments, stdin, file, code, says) in [
        (
            &["add", "FRED"] as &[&str],
            "",
            &file,
            1,
            "account password",
        ),
        (
            &["add", "x", "--address", "x"],
            "",
            &file,
            1,
            "user@example.com",
        ),
        (&["password", "nobody"], "", &file, 1, "account list"),
        (
            &["add", "y", "--password-stdin"],
            "",
            &file,
            2,
            "leave --password-stdin out",
        ),
        (&["add"], "", &file, 2, "Usage"),
        (&["list"], "", &nowhere, 1, "nowhere.toml"),
    ] {
        let (status, stdout, stderr) = texts(&account(file, arguments, stdin));
        assert_eq!(status, Some(code), "{arguments:?}: {stderr}");
        assert!(
            stdout.is_empty() && stderr.contains(says),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn a_second_process_waits_its_turn_and_is_told_who_is_in_the_way() {
    let house = House::new();
    let (_place, file) = configuration(house.directory.path());
    // A process that holds the accounts but answers no socket, as a server that is just starting or ending.
    let (code, _, stderr) = texts(&account(&file, &["list"], ""));
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("in use by another gatepost process"),
        "{stderr}"
    );
}

/// What is shown of an account; what of it changes; each also in JSON.
#[test]
fn accounts_are_shown_switched_and_removed() {
    let data = tempfile::tempdir().unwrap();
    let (_place, file) = configuration(data.path());
    let run = |arguments: &[&str]| texts(&account(&file, arguments, "flintstone"));
    let fred = "fred@example.com";
    assert_eq!(run(&["add", fred, "--password-stdin"]).0, Some(0));
    let (code, shown, _) = run(&["show", "FRED@example.com"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        shown,
        "fred@example.com\n  enabled: yes\n  may send as: fred@example.com\n  \
         credential password: ARGON2ID, SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-512\n"
    );
    let (_, disabled, _) = run(&["disable", fred]);
    assert!(
        disabled.starts_with("fred@example.com is disabled:"),
        "{disabled}"
    );
    let (_, json, _) = run(&["show", fred, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["account"]["enabled"], false);
    let (_, enabled, _) = run(&["enable", fred, "--json"]);
    let enabled: serde_json::Value = serde_json::from_str(&enabled).unwrap();
    assert_eq!(enabled["account"]["enabled"], true);
    let (code, removed, _) = run(&["remove", fred]);
    assert_eq!(code, Some(0));
    assert!(removed.contains("stay queued"), "{removed}");
    for act in ["show", "disable", "enable", "remove"] {
        let (code, stdout, stderr) = run(&[act, fred]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{act}");
        assert!(stderr.contains("account list"), "{act}: {stderr}");
    }
}

/// V-12: a name is data to the database, whatever is in it.
#[test]
fn v_12_no_name_is_a_part_of_a_statement() {
    let data = tempfile::tempdir().unwrap();
    let (_place, file) = configuration(data.path());
    let run = |arguments: &[&str]| texts(&account(&file, arguments, "flintstone"));
    let names = [
        "fred@example.com",
        "x'/**/union/**/select--@example.com",
        "\";drop_table_account;--@example.com",
        "%@example.com",
        "_red@example.com",
        "?1@example.com",
    ];
    for name in names {
        let (code, _, stderr) = run(&["add", "--password-stdin", name]);
        assert_eq!(code, Some(0), "{name}: {stderr}");
    }
    for name in &names[1..] {
        let (_, shown, _) = run(&["show", "--json", name]);
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["account"]["name"], *name);
        assert_eq!(run(&["remove", name]).0, Some(0), "{name}");
    }
    for name in [
        "' or '1'='1",
        "fred@example.com'--",
        "%",
        "fred_example.com",
    ] {
        assert_eq!(run(&["show", name]).0, Some(1), "{name}");
    }
    assert_eq!(run(&["show", "fred@example.com"]).0, Some(0));
}

/// Whoever is removed may no longer be acted as, and a new account of the name is another one.
#[tokio::test]
async fn what_is_removed_leaves_nothing_behind() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    house.add("shared", &[(Password, "rock")]);
    house.store.grant_acts_as("fred", "shared").unwrap();
    let acting = || Login {
        authzid: Some("shared"),
        ..Login::new("PLAIN", "fred", "flintstone")
    };
    let home = || from("192.0.2.1", tls());
    assert!(log_in(&house.authenticator, home(), acting()).await.won());
    house.store.remove_account("SHARED").unwrap();
    assert!(!log_in(&house.authenticator, home(), acting()).await.won());
    house.add("shared", &[(Password, "other")]);
    assert!(!log_in(&house.authenticator, home(), acting()).await.won());
    let house = house.restarted();
    assert!(!log_in(&house.authenticator, home(), acting()).await.won());
    let former = Login::new("PLAIN", "shared", "rock");
    assert!(!log_in(&house.authenticator, home(), former).await.won());
    let there = Login::new("PLAIN", "shared", "other");
    assert!(log_in(&house.authenticator, home(), there).await.won());
}

#[test]
fn a_damaged_database_is_told_by_every_command_and_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let (_place, file) = configuration(data.path());
    assert_eq!(texts(&account(&file, &["add", "fred"], "")).0, Some(0));
    let database = data.path().join("accounts.db");
    let mut octets = fs::read(&database).unwrap();
    // Everything behind the first page, which says that this is a database.
    octets[4096..].fill(0x5a);
    fs::write(&database, &octets).unwrap();
    for arguments in [
        &["list"] as &[&str],
        &["show", "fred"],
        &["export"],
        &["add", "x"],
    ] {
        let (code, stdout, stderr) = texts(&account(&file, arguments, ""));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(
            stderr.contains("accounts.db is damaged")
                && stderr.contains("restore it from the backup"),
            "{arguments:?}: {stderr}"
        );
        assert!(fs::read(&database).unwrap() == octets, "{arguments:?}");
    }
}
