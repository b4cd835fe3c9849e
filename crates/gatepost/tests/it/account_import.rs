//! Accounts from elsewhere, and from here to there: `account import` and `export`, as a person runs them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use gatepost::auth::channel::Channel;
use gatepost::control::command::Control;
use gatepost::control::socket::ControlSocket;
use gatepost::observe::Observer;
use gatepost::store::CredentialKind::{Legacy, Password};
use gatepost::store::{Costs, LookupName, Store};
use gatepost_sasl::mechanism::{self, DIGEST_MD5};

use crate::accounts::{account, blocking, configuration, texts};
use crate::toy_protocol::{CHEAP, House, Login, from, legacy, log_in, tls};

/// What other programs keep of the password "pencil"; each made by the program it comes from (`openssl passwd`, crypt(3) of
/// libxcrypt), by hashlib of Python, or taken from RFC 5802, RFC 7677 and Dovecot's sources. Scheme, value.
const OF_PENCIL: &[(&str, &str)] = &[
    ("PLAIN", "{PLAIN}pencil"),
    ("SSHA", "{SSHA}+eDIu+wRPCviIM6uJB9itmNpR8hzYWx0eQ=="),
    (
        "SHA512-CRYPT",
        "{SHA512-CRYPT}$6$saltstring$Wspbkvh9VR9k.5FhrEX5QuXIhny1ZR6t1JcW7cUaNNlvGeocueB2IYFN40CbfZ4cl/WePSJC5pA/G1VTFwAkU.",
    ),
    (
        "SHA256-CRYPT",
        "{CRYPT}$5$rounds=1000$saltstring$IDMRVjjzM7pxdq5saV3T0Syncing1KAt3iS2GewFZH1",
    ),
    (
        "BLF-CRYPT",
        "{BLF-CRYPT}$2y$06$abcdefghijklmnopqrstuuyArqUBJVSIMVbdg4fB3J/SF1FiZkxJ.",
    ),
    ("MD5-CRYPT", "$apr1$ijbEOF5Z$2ZW8P4BUe/saPn5oCcdJT."),
    (
        "PBKDF2",
        "{PBKDF2}$1$0123456789abcdef$5000$0b862ca1b8c91d5430ccce722f268f244b248db6",
    ),
    (
        "SCRAM-SHA-1",
        "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
    ),
    (
        "SCRAM-SHA-256",
        "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    ),
];

/// The reference implementation's `argon2` command: password "password", salt "somesalt".
const ARGON2ID_OF_PASSWORD: &str = "{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// Dovecot's test suite: password "test".
const CRAM_MD5_OF_TEST: &str =
    "{CRAM-MD5}e02d374fde0dc75a17a557039a3a5338c7743304777dccd376f332bee68d2cf6";

/// `doveadm pw -s DIGEST-MD5 -u digest-md5@example.com -p pencil`, as a line: the name is in the hash.
const DIGEST_MD5_OF_PENCIL: &str =
    "digest-md5@example.com:{DIGEST-MD5}3b910b9cc480a35b73f19ca003d1b6b3";

/// A data directory, its configuration, and a place for files.
struct Place {
    data: Arc<tempfile::TempDir>,
    _configuration: tempfile::TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        // The commands have the costs of production; here only checks count.
        drop(Store::open(data.path(), CHEAP).unwrap());
        let (configuration, file) = configuration(data.path());
        Self {
            data,
            _configuration: configuration,
            file,
        }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.file.with_file_name(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        texts(&self.output(arguments))
    }

    fn output(&self, arguments: &[&str]) -> Output {
        account(&self.file, arguments, "")
    }

    fn house(&self) -> House {
        House::open(Arc::clone(&self.data))
    }

    fn names(&self) -> Vec<String> {
        let store = Store::open(self.data.path(), CHEAP).unwrap();
        let accounts = store.accounts();
        accounts.iter().map(|it| it.name.clone()).collect()
    }
}

async fn wins(
    house: &House,
    channel: Channel,
    mechanism: &str,
    name: &str,
    password: &str,
) -> bool {
    let login = Login::new(mechanism, name, password);
    log_in(&house.authenticator, from("192.0.2.1", channel), login)
        .await
        .won()
}

fn kept(house: &House, name: &str) -> Vec<String> {
    let account = house.store.account(&LookupName::prepare(name)).unwrap();
    let credential = &account.credentials[0];
    let password = credential.password.iter().map(|it| it.scheme().to_owned());
    let scram = credential.scram.iter();
    password
        .chain(scram.map(|it| it.hash().scram_name().to_owned()))
        .chain(credential.has_cram_md5().then(|| "CRAM-MD5".to_owned()))
        .collect()
}

const COMPLETE: [&str; 4] = ["ARGON2ID", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// STO-01, STO-04, SCR-26, CRAM-06: every form knows its password; the first login that shows it makes our own forms of it.
#[tokio::test]
async fn sto_01_a_passwd_file_of_dovecot_is_imported_and_its_hashes_are_replaced_one_by_one() {
    let place = Place::new();
    let mut lines: Vec<_> = OF_PENCIL
        .iter()
        .map(|(scheme, value)| format!("{scheme}@example.com:{value}:1000:1000::/home::"))
        .collect();
    lines.push(format!("argon2id@example.com:{ARGON2ID_OF_PASSWORD}"));
    lines.push(format!("cram-md5@example.com:{CRAM_MD5_OF_TEST}"));
    lines.push(DIGEST_MD5_OF_PENCIL.to_owned());
    let users = place.write("users", &lines.join("\n"));
    let (code, stdout, stderr) = place.run(&["import", &users]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(0), "imported 12, left out 0\n", "")
    );

    let house = place.house();
    let passwords: BTreeMap<_, _> = OF_PENCIL
        .iter()
        .map(|(scheme, _)| (scheme.to_lowercase(), "pencil"))
        .chain([
            ("argon2id".to_owned(), "password"),
            ("cram-md5".to_owned(), "test"),
            ("digest-md5".to_owned(), "pencil"),
        ])
        .collect();
    for (scheme, password) in &passwords {
        let name = format!("{scheme}@example.com");
        if scheme.starts_with("scram") {
            let mechanism = scheme.to_uppercase();
            assert_eq!(kept(&house, &name), [mechanism.as_str()]);
            if mechanism == "SCRAM-SHA-256" {
                assert!(wins(&house, tls(), &mechanism, &name, password).await);
                assert!(!wins(&house, tls(), &mechanism, &name, "Pencil").await);
            }
        }
        let before = kept(&house, &name);
        assert!(
            !wins(&house, tls(), "PLAIN", &name, "wrong").await,
            "{name}"
        );
        assert_eq!(kept(&house, &name), before, "{name}");
        assert!(
            wins(&house, tls(), "PLAIN", &name, password).await,
            "{name}"
        );
        assert_eq!(kept(&house, &name), COMPLETE, "{name}");
    }
    // What was made is of the right password, and survives.
    let house = house.restarted();
    for (scheme, password) in &passwords {
        let name = format!("{scheme}@example.com");
        for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "LOGIN"] {
            assert!(
                wins(&house, tls(), mechanism, &name, password).await,
                "{mechanism} {name}"
            );
        }
        assert!(
            !wins(&house, tls(), "PLAIN", &name, "wrong").await,
            "{name}"
        );
    }
}

/// DIG-22, STO-04: a hash of Dovecot's is for the names of Dovecot. It checks a password that is shown, and then ours are made.
#[tokio::test]
async fn dig_22_a_digest_of_dovecot_opens_the_account_once_and_is_replaced() {
    let place = Place::new();
    let users = place.write("users", DIGEST_MD5_OF_PENCIL);
    assert_eq!(place.run(&["import", &users, "--legacy"]).0, Some(0));
    let export = place.file.with_file_name("export");
    let (code, _, stderr) =
        place.run(&["export", "--secrets", "--output", export.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{stderr}");
    let exported = fs::read_to_string(export).unwrap();
    assert!(exported.contains("{DIGEST-MD5}3b910b9cc480a35b73f19ca003d1b6b3"));

    let realms = Costs {
        digest_realms: vec!["mail.example.com".to_owned()],
        ..CHEAP
    };
    let house = House::keeping(Arc::clone(&place.data), realms);
    let named = Channel {
        mechanisms: Some(mechanism::ALL.into()),
        ..legacy()
    };
    let offered = || house.authenticator.mechanisms(&named);
    assert!(!offered().contains(&&DIGEST_MD5), "nobody could use it");
    let name = "digest-md5@example.com";
    let shown = async |password| wins(&house, named.clone(), "LOGIN", name, password).await;
    assert!(!shown("pen").await);
    assert!(shown("pencil").await);
    assert!(offered().contains(&&DIGEST_MD5));
    assert!(wins(&house, named.clone(), "DIGEST-MD5", name, "pencil").await);
}

/// CRAM-06, CRAM-07: contexts serve CRAM-MD5 where the administrator says that they are a device's.
#[tokio::test]
async fn cram_06_contexts_of_dovecot_serve_a_device() {
    let place = Place::new();
    let users = place.write("users", &format!("fax:{CRAM_MD5_OF_TEST}\n"));
    let imported = place.run(&["import", &users, "--legacy", "--domain", "example.com"]);
    assert_eq!(imported.0, Some(0), "{}", imported.2);
    let house = place.house();
    assert_eq!(kept(&house, "fax"), ["CRAM-MD5"]);
    let fax = house.store.account(&LookupName::prepare("fax")).unwrap();
    assert_eq!(fax.addresses[0].to_string(), "fax@example.com");
    assert!(!wins(&house, legacy(), "CRAM-MD5", "fax", "Test").await);
    assert!(wins(&house, legacy(), "CRAM-MD5", "fax", "test").await);
    assert!(!wins(&house, tls(), "PLAIN", "fax", "test").await, "fenced");
    assert!(wins(&house, legacy(), "LOGIN", "fax", "test").await);
    let mut complete = COMPLETE.to_vec();
    complete.push("CRAM-MD5");
    assert_eq!(kept(&house, "fax"), complete);
    assert!(wins(&house, legacy(), "CRAM-MD5", "fax", "test").await);
}

#[tokio::test]
async fn a_table_of_a_spreadsheet_is_imported() {
    let place = Place::new();
    let table = "\u{feff}Name;Address;Password\r\nfred;fred@example.com f@example.com;flint;stone\r\n\
        wilma;wilma@example.com;\"peb;bles\"\"\"\r\n";
    let file = place.write("users.csv", table);
    let (code, stdout, stderr) = place.run(&["import", &file, "--skip-bad"]);
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "imported 1, left out 1\n"),
        "{stderr}"
    );
    assert!(
        stderr.contains("users.csv:2: it has 4 fields, the first line 3")
            && !stderr.contains("flint"),
        "{stderr}"
    );
    let house = place.house();
    assert_eq!(kept(&house, "wilma"), COMPLETE);
    assert!(wins(&house, tls(), "SCRAM-SHA-512", "wilma", "peb;bles\"").await);
    let wilma = house.store.account(&LookupName::prepare("wilma")).unwrap();
    assert_eq!(wilma.addresses[0].to_string(), "wilma@example.com");
}

/// A bad line is reported with its number, and nothing of the file is imported; no message repeats a password.
#[test]
fn one_bad_line_stops_an_import_unless_it_may_be_skipped() {
    let place = Place::new();
    assert_eq!(place.run(&["add", "barney"]).0, Some(0));
    let text = "# users\nfred:{PLAIN}flintstone\nBARNEY:{PLAIN}rubble\nwilma:{NTLM}0123456789ABCDEF\nslate\n\
        FRED:{PLAIN}flintstone\npebbles:{PLAIN}\nbamm:!\ndino:{PLAIN}flintstone\n";
    let users = place.write("users", text);
    for dry_run in [&["--dry-run"][..], &[]] {
        let (code, stdout, stderr) = place.run(&[&["import", &users], dry_run].concat());
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        for says in [
            "users:3: account \"barney\" exists already",
            "users:4: its password hash cannot be used: its scheme is not known",
            "users:5: this is not name:password",
            "users:6: the account of line 2 has the same name",
            "users:7: this password cannot be used: it is empty",
            "users:8: no password opens this account",
            "nothing was imported: 6 lines are wrong, 2 could be imported",
            "--skip-bad",
        ] {
            assert!(stderr.contains(says), "{says}: {stderr}");
        }
        for secret in ["flintstone", "rubble", "0123456789ABCDEF", "slate"] {
            assert!(!stderr.contains(secret), "{stderr}");
        }
        assert_eq!(place.names(), ["barney"]);
    }
    let (code, stdout, _) = place.run(&["import", &users, "--skip-bad", "--dry-run"]);
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "would import 2, leave out 6\n")
    );
    assert_eq!(place.names(), ["barney"]);
    let (code, stdout, _) = place.run(&["import", &users, "--skip-bad", "--json"]);
    assert_eq!(code, Some(0));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["import"]["added"], 2);
    assert_eq!(report["import"]["problems"][1]["line"], 4);
    assert_eq!(place.names(), ["barney", "dino", "fred"]);
}

/// What an export says of accounts is what they are after an import elsewhere, down to every verifier.
#[tokio::test]
async fn an_export_is_the_accounts_and_an_import_makes_them_again() {
    let here = Place::new();
    {
        let house = here.house();
        house.add(
            "fred@example.com",
            &[(Password, "flintstone"), (Legacy, "fax of 1999")],
        );
        house.add("Müller", &[(Password, "pässword")]);
        house.add("nobody", &[]);
        house
            .store
            .grant_acts_as("fred@example.com", "nobody")
            .unwrap();
        house.store.set_enabled("nobody", false).unwrap();
    }
    let secret = here.file.with_file_name("accounts.jsonl");
    let secret = secret.to_str().unwrap();
    let (code, stdout, stderr) = here.run(&["export", "--secrets", "--output", secret]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert!(stderr.contains("guess passwords"), "{stderr}");
    let mode = fs::metadata(secret).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let (code, _, stderr) = here.run(&["export", "--secrets", "--output", secret]);
    assert_eq!(code, Some(1), "it is there already");
    assert!(stderr.contains("does not exist"), "{stderr}");
    let (code, _, _) = here.run(&["export", "--secrets"]);
    assert_eq!(code, Some(2), "secrets are not for a terminal");

    let there = Place::new();
    let (code, stdout, stderr) = there.run(&["import", secret]);
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "imported 3, left out 0\n"),
        "{stderr}"
    );
    let again = there.file.with_file_name("again.jsonl");
    let again = again.to_str().unwrap();
    assert_eq!(
        there.run(&["export", "--secrets", "--output", again]).0,
        Some(0)
    );
    assert_eq!(
        fs::read_to_string(again).unwrap(),
        fs::read_to_string(secret).unwrap()
    );
    let house = there.house();
    for (channel, mechanism, name, password) in [
        (tls(), "SCRAM-SHA-256", "fred@example.com", "flintstone"),
        (legacy(), "CRAM-MD5", "fred@example.com", "fax of 1999"),
        (tls(), "PLAIN", "müller", "pässword"),
    ] {
        assert!(
            wins(&house, channel, mechanism, name, password).await,
            "{mechanism}"
        );
    }
    let names = |house: &House| -> Vec<_> {
        let accounts = house.store.accounts();
        accounts
            .iter()
            .map(|it| (it.name.clone(), it.enabled, house.store.names(&it.acts_as)))
            .collect()
    };
    assert_eq!(
        names(&house),
        [
            (
                "fred@example.com".to_owned(),
                true,
                vec!["nobody".to_owned()]
            ),
            ("Müller".to_owned(), true, vec![]),
            ("nobody".to_owned(), false, vec![]),
        ]
    );
}

/// T-50: without --secrets an export holds nothing that helps to guess a password.
#[test]
fn t_50_an_export_without_secrets_has_none() {
    let place = Place::new();
    place
        .house()
        .add("fred", &[(Password, "flintstone"), (Legacy, "flintstone")]);
    let (code, stdout, stderr) = place.run(&["export"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let mut lines = stdout.lines();
    assert_eq!(
        lines.next(),
        Some("{\"gatepost-accounts\":1,\"secrets\":false}")
    );
    assert_eq!(
        lines.next(),
        Some(
            "{\"name\":\"fred\",\"addresses\":[],\"enabled\":true,\"credentials\":[{\"label\":\"password\",\"kind\":\"password\"},{\"label\":\"legacy\",\"kind\":\"legacy\"}]}"
        )
    );
    assert_eq!(lines.next(), None);

    // It can be imported: the accounts are there, and wait for passwords.
    let there = Place::new();
    let export = there.write("export.jsonl", &stdout);
    assert_eq!(there.run(&["import", &export]).0, Some(0));
    let (_, shown, _) = there.run(&["show", "fred"]);
    assert!(shown.contains("no credential"), "{shown}");
}

#[test]
fn files_that_cannot_be_read_are_told_with_what_to_do() {
    let place = Place::new();
    for (name, octets, says) in [
        ("empty", &b"# nobody\n"[..], "no account in it"),
        (
            "latin1",
            b"fred:{PLAIN}x\nm\xfcller:{PLAIN}x\n",
            "line 2 is not UTF-8",
        ),
        ("newer", b"{\"gatepost-accounts\":2}\n", "version 2"),
        (
            "other",
            b"{\"users\":[]}\n",
            "does not say that it is an export",
        ),
        ("header.csv", b"name,passwort\nfred,x\n", "\"passwort\""),
        (
            "damaged",
            b"{\"gatepost-accounts\":1}\n{\"name\":\"fred\",\"sekret\":1}\n",
            "damaged:2: column 23: this is not an account of an export",
        ),
    ] {
        let path = place.file.with_file_name(name);
        fs::write(&path, octets).unwrap();
        let (code, stdout, stderr) = place.run(&["import", path.to_str().unwrap()]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{name}: {stderr}");
        assert!(stderr.contains(says), "{name}: {stderr}");
    }
    let (code, _, stderr) = place.run(&["import", "/nowhere/users"]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("/nowhere/users cannot be imported"),
        "{stderr}"
    );
    assert!(place.names().is_empty());
}

/// By way of a running server, from standard input, and more than a line of a kilobyte.
#[tokio::test]
async fn an_import_goes_through_a_server_that_runs() {
    let house = House::new();
    let socket = ControlSocket::bind(house.directory.path()).unwrap();
    let control = Control::new(house.store.clone(), Observer::new(Vec::new()));
    let task = tokio::spawn(socket.serve(control));
    let data = house.directory.path().to_owned();
    let imported = blocking(move || {
        let (_place, file) = configuration(&data);
        let (_, value) = OF_PENCIL[1];
        let users: Vec<_> = (0..2000).map(|n| format!("user{n}:{value}")).collect();
        let users = users.join("\n");
        texts(&account(&file, &["import", "-"], &users))
    })
    .await;
    assert_eq!(
        (imported.0, imported.1.as_str()),
        (Some(0), "imported 2000, left out 0\n"),
        "{}",
        imported.2
    );
    assert_eq!(house.store.accounts().len(), 2000);
    assert!(wins(&house, tls(), "PLAIN", "USER1999", "pencil").await);
    task.abort();
}
