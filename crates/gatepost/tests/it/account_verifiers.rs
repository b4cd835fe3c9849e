//! Verifiers of a credential: which there are, what is offered for them, and how those that are missing come to be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use gatepost::auth::channel::Channel;
use gatepost::store::CredentialKind::{Legacy, Password};
use gatepost::store::{Costs, LookupName, ScramHashes, Store};
use gatepost_sasl::{Hash, ScramVerifier};

use crate::toy_protocol::{CHEAP, House, Login, from, legacy, log_in, new_password, tls};

/// The key that `accounts-1.sql` was sealed with.
const SEAL_KEY_1: [u8; 32] = [
    0xc1, 0xa4, 0xb3, 0x75, 0x97, 0xdb, 0x2c, 0x5e, 0xf7, 0x8c, 0x29, 0x86, 0xc0, 0xf2, 0x28, 0x74,
    0x7b, 0x3f, 0x47, 0xff, 0x92, 0x08, 0x4c, 0xee, 0x59, 0x7f, 0x34, 0x64, 0xc4, 0x91, 0x46, 0xca,
];

const ONLY_SHA_256: ScramHashes = ScramHashes {
    sha_1: false,
    sha_512: false,
};

fn keeping(scram: ScramHashes) -> Costs {
    Costs { scram, ..CHEAP }
}

/// A data directory as the first version left it.
fn first_version() -> Arc<tempfile::TempDir> {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("seal.key");
    fs::write(&key, SEAL_KEY_1).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let db = rusqlite::Connection::open(directory.path().join("accounts.db")).unwrap();
    db.execute_batch(include_str!("data/accounts-1.sql"))
        .unwrap();
    Arc::new(directory)
}

async fn wins(house: &House, channel: Channel, login: Login<'_>) -> bool {
    log_in(&house.authenticator, from("192.0.2.1", channel), login)
        .await
        .won()
}

fn offered(house: &House, channel: &Channel) -> Vec<&'static str> {
    let mechanisms = house.authenticator.mechanisms(channel);
    mechanisms.iter().map(|mechanism| mechanism.name).collect()
}

#[tokio::test]
async fn the_database_of_the_first_version_is_read_and_nobody_notices() {
    let directory = first_version();
    let house = House::open(Arc::clone(&directory));
    for (mechanism, name, password, channel) in [
        ("SCRAM-SHA-256", "fred@example.com", "flintstone", tls()),
        ("SCRAM-SHA-256", "barney", "rubble2", tls()),
        ("CRAM-MD5", "fred@example.com", "fax of 1999", legacy()),
        ("PLAIN", "fred@example.com", "flintstone", tls()),
        ("LOGIN", "fred@example.com", "fax of 1999", legacy()),
    ] {
        let login = Login::new(mechanism, name, password);
        assert!(wins(&house, channel, login).await, "{mechanism} {name}");
    }
    let wrong = Login::new("PLAIN", "barney", "rubble");
    assert!(!wins(&house, tls(), wrong).await);

    // Numbers are never used again, also those of the former schema: 5 was never given away, 3 was.
    let barney = house
        .store
        .set_password("barney", new_password(Password, "rubble3"))
        .unwrap();
    assert_eq!(barney.credentials[0].id, 5.into());
    // A second start finds the work done.
    drop(house);
    let house = House::open(directory);
    assert_eq!(house.store.accounts().len(), 2);
    let login = Login::new("SCRAM-SHA-256", "barney", "rubble3");
    assert!(wins(&house, tls(), login).await);
}

/// PREP-05: the first version did not prepare the domain of a name by IDNA.
#[tokio::test]
async fn prep_05_names_are_found_by_the_spelling_of_this_version() {
    let directory = first_version();
    let rename = |to: &str| {
        let db = rusqlite::Connection::open(directory.path().join("accounts.db")).unwrap();
        db.execute(
            "UPDATE account SET name = ?1, lookup = ?1 WHERE id = 1",
            [to],
        )
        .unwrap();
    };
    rename("fred@b\u{fc}cher.example");
    let house = House::open(Arc::clone(&directory));
    for name in ["fred@b\u{fc}cher.example", "FRED@xn--bcher-kva.example"] {
        let login = Login::new("PLAIN", name, "flintstone");
        assert!(wins(&house, tls(), login).await, "{name}");
    }
    drop(house);
    {
        let db = rusqlite::Connection::open(directory.path().join("accounts.db")).unwrap();
        let other = "fred@b\u{fc}cher.example";
        db.execute(
            "UPDATE account SET name = ?1, lookup = 'x' WHERE id = 2",
            [other],
        )
        .unwrap();
    }
    let refused = Store::open(directory.path(), CHEAP).unwrap_err();
    assert!(refused.to_string().contains("two spellings"), "{refused}");
}

/// SCR-19, CAP-08: SCRAM-SHA-256 was enough for these accounts; a client that now saw a stronger name would choose it and fail.
#[tokio::test]
async fn scr_19_a_hash_is_offered_when_it_leads_nobody_astray() {
    let house = House::open(first_version());
    let before = ["SCRAM-SHA-256", "PLAIN", "LOGIN"];
    assert_eq!(offered(&house, &tls()), before);
    house.add("wilma", &[(Password, "pebbles")]);
    assert_eq!(offered(&house, &tls()), before, "two accounts lack keys");

    // STO-04: each login that shows the password completes one; disabled accounts do not count.
    let fred = Login::new("PLAIN", "fred@example.com", "flintstone");
    assert!(wins(&house, tls(), fred).await);
    assert_eq!(offered(&house, &tls()), before, "one lacks keys");
    house.store.set_enabled("barney", false).unwrap();
    let all = [
        "SCRAM-SHA-512",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1",
        "PLAIN",
        "LOGIN",
    ];
    assert_eq!(offered(&house, &tls()), all);
    house.store.set_enabled("barney", true).unwrap();
    assert_eq!(offered(&house, &tls()), before);
    let barney = Login::new("LOGIN", "BARNEY", "rubble2");
    assert!(wins(&house, tls(), barney).await);
    assert_eq!(offered(&house, &tls()), all);

    let house = house.restarted();
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for (name, password) in [
            ("fred@example.com", "flintstone"),
            ("barney", "rubble2"),
            ("wilma", "pebbles"),
        ] {
            let login = Login::new(mechanism, name, password);
            assert!(wins(&house, tls(), login).await, "{mechanism} {name}");
        }
    }
}

/// STO-04: made of the password just shown, and of no other; the credential stays the same one.
#[tokio::test]
async fn sto_04_missing_verifiers_are_made_at_a_login_that_shows_the_password() {
    let house = House::open(first_version());
    let hashes = |house: &House, kind| {
        let account = house
            .store
            .account(&LookupName::prepare("fred@example.com"))
            .unwrap();
        let credential = account.credentials.iter().find(|it| it.kind == kind);
        let credential = credential.unwrap();
        let scram: Vec<_> = credential.scram.iter().map(ScramVerifier::hash).collect();
        (credential.id, scram, credential.has_cram_md5())
    };
    let before = hashes(&house, Password);
    assert_eq!(before.1, [Hash::Sha256]);
    for login in [
        Login::new("PLAIN", "fred@example.com", "wrong"),
        Login::new("SCRAM-SHA-256", "fred@example.com", "flintstone"),
    ] {
        wins(&house, tls(), login).await;
        assert_eq!(hashes(&house, Password), before);
    }
    let login = Login::new("PLAIN", "fred@example.com", "flintstone");
    assert!(wins(&house, tls(), login).await);
    assert_eq!(
        hashes(&house, Password),
        (before.0, Hash::ALL.to_vec(), false)
    );
    assert_eq!(hashes(&house, Legacy).1, [Hash::Sha256], "another password");
    let login = Login::new("LOGIN", "fred@example.com", "fax of 1999");
    assert!(wins(&house, legacy(), login).await);
    let (_, scram, contexts) = hashes(&house, Legacy);
    assert_eq!((scram, contexts), (Hash::ALL.to_vec(), true));
    let login = Login::new("CRAM-MD5", "fred@example.com", "fax of 1999");
    assert!(wins(&house, legacy(), login).await);
}

/// STO-02, STO-05: a hash taken out of the configuration is no longer offered, and its keys are gone from the disk.
#[tokio::test]
async fn sto_05_keys_for_a_hash_that_is_not_wanted_any_more_are_forgotten() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    let directory = Arc::clone(&house.directory);
    drop(house);
    let house = House::keeping(Arc::clone(&directory), keeping(ONLY_SHA_256));
    assert_eq!(offered(&house, &tls()), ["SCRAM-SHA-256", "PLAIN", "LOGIN"]);
    house.add("wilma", &[(Password, "pebbles")]);
    for account in house.store.accounts() {
        let [credential] = account.credentials.as_slice() else {
            panic!("one credential");
        };
        assert_eq!(credential.scram.len(), 1, "{}", account.name);
        assert!(credential.scram(Hash::Sha256).is_some());
    }
    drop(house);
    let both = ScramHashes {
        sha_1: true,
        sha_512: false,
    };
    let store = Store::open(directory.path(), keeping(both)).unwrap();
    let fred = store.account(&LookupName::prepare("fred")).unwrap();
    assert_eq!(fred.credentials[0].scram.len(), 1, "made at the next login");
}

/// SCR-18, AUTH-27: under every hash, whoever asks for a name that does not exist sees what he would see of one that does.
#[tokio::test]
async fn scr_18_an_unknown_name_has_a_salt_of_its_own_for_every_hash() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    let mut salts = std::collections::HashSet::new();
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let mut first = Vec::new();
        for name in ["nobody", "Nobody", "fred", "fred"] {
            let login = Login::new(mechanism, name, "wrong");
            let ended = log_in(&house.authenticator, from("192.0.2.1", tls()), login).await;
            assert_eq!(
                ended.refusal(),
                Some(gatepost_sasl::Refusal::CredentialsInvalid)
            );
            let message = String::from_utf8(ended.challenges[0].clone()).unwrap();
            let (_, attributes) = message.split_once(",s=").unwrap();
            first.push(attributes.to_owned());
        }
        assert_eq!(first[0], first[1], "{mechanism}");
        assert_eq!(first[2], first[3], "{mechanism}");
        assert_eq!(first[0].len(), first[2].len(), "{mechanism}");
        assert!(first[0].ends_with(",i=4096") && first[2].ends_with(",i=4096"));
        assert!(salts.insert(first[0].clone()) && salts.insert(first[2].clone()));
    }
}
