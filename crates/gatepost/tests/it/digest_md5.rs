//! DIGEST-MD5 and the own accounts: who can use it where, and what is kept for it how long.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost::auth::channel::Channel;
use gatepost::store::Costs;
use gatepost::store::CredentialKind::{Legacy, Password};
use gatepost_sasl::DigestMd5Session;
use gatepost_sasl::mechanism::{self, DIGEST_MD5};

use crate::toy_protocol::{self, CHEAP, House, Login, from, log_in, new_password, tls};

/// A legacy listener that names every mechanism.
fn legacy() -> Channel {
    Channel {
        mechanisms: Some(mechanism::ALL.into()),
        ..toy_protocol::legacy()
    }
}

fn realms(realms: &[&str]) -> Costs {
    Costs {
        digest_realms: realms.iter().map(|realm| (*realm).to_owned()).collect(),
        ..CHEAP
    }
}

/// Opens the accounts of `house` again with other realms.
fn reopened(house: House, costs: Costs) -> House {
    let directory = Arc::clone(&house.directory);
    drop(house);
    House::keeping(directory, costs)
}

async fn wins(house: &House, name: &str, password: &str) -> bool {
    let login = Login::new("DIGEST-MD5", name, password);
    log_in(&house.authenticator, from("192.0.2.1", legacy()), login)
        .await
        .won()
}

fn is_offered(house: &House) -> bool {
    house
        .authenticator
        .mechanisms(&legacy())
        .contains(&&DIGEST_MD5)
}

/// Octets of everything that is kept for DIGEST-MD5.
fn kept(directory: &Path) -> Vec<Vec<u8>> {
    let db = rusqlite::Connection::open(directory.join("accounts.db")).unwrap();
    let mut rows = db
        .prepare("SELECT value FROM verifier WHERE scheme = 'digest-md5'")
        .unwrap();
    let values = rows.query_map([], |row| row.get(0)).unwrap();
    values.collect::<Result<_, _>>().unwrap()
}

// DIG-02, DIG-05, DIG-22: the first realm is offered first, and a user's own domain is among them for him.
#[tokio::test]
async fn dig_05_dig_22_legacy_credentials_work_on_legacy_listeners_and_nowhere_else() {
    let house = House::keeping(
        Arc::new(tempfile::tempdir().unwrap()),
        realms(&["example.org", "example.com"]),
    );
    house.add(
        "fred@example.com",
        &[(Password, "flintstone"), (Legacy, "fax of 1999")],
    );
    house.add("barney", &[(Password, "rubble")]);
    house.add("wilma", &[(Legacy, "pebbles")]);
    assert!(is_offered(&house));
    // CAP-02: only where it is named, and on no other than a legacy listener.
    let named_in_tls = Channel {
        legacy: false,
        tls: true,
        ..legacy()
    };
    for other in [toy_protocol::legacy(), tls(), named_in_tls] {
        let offered = house.authenticator.mechanisms(&other);
        assert!(!offered.contains(&&DIGEST_MD5), "{other:?}");
    }

    for (name, password, right) in [
        ("fred@example.com", "fax of 1999", true),
        ("wilma", "pebbles", true),
        ("fred@example.com", "flintstone", false),
        ("fred@example.com", "fax of 1998", false),
        ("barney", "rubble", false),
        ("nobody@example.com", "fax of 1999", false),
    ] {
        assert_eq!(
            wins(&house, name, password).await,
            right,
            "{name} {password}"
        );
    }
    let login = Login::new("DIGEST-MD5", "wilma", "pebbles");
    let ended = log_in(&house.authenticator, from("192.0.2.1", legacy()), login).await;
    let challenge = String::from_utf8(ended.challenges[0].clone()).unwrap();
    assert!(
        challenge.starts_with("realm=\"example.org\",realm=\"example.com\",nonce="),
        "{challenge}"
    );

    house.store.set_enabled("wilma", false).unwrap();
    assert!(!wins(&house, "wilma", "pebbles").await);
}

// T-26 in spirit: what is as good as a password is not readable on the disk.
#[tokio::test]
async fn dig_22_the_hashes_are_sealed() {
    let house = House::keeping(
        Arc::new(tempfile::tempdir().unwrap()),
        realms(&["example.com"]),
    );
    house.add("fred@example.com", &[(Legacy, "fax of 1999")]);
    let directory = Arc::clone(&house.directory);
    drop(house);
    let [sealed] = &kept(directory.path())[..] else {
        panic!("one credential has one row")
    };
    let shows = |text: &[u8]| sealed.windows(text.len()).any(|window| window == text);
    assert!(!shows(b"example.com"));
}

// STO-04, STO-05, DIG-22: realms that come, change and go.
#[tokio::test]
async fn sto_04_sto_05_dig_22_hashes_follow_the_realms() {
    let house = House::new();
    house.add("fred@example.com", &[(Legacy, "fax of 1999")]);
    assert!(!is_offered(&house), "no realms are configured");

    let house = reopened(house, realms(&["example.com"]));
    assert!(!is_offered(&house), "nobody has hashes yet");
    let shown = Login::new("LOGIN", "fred@example.com", "fax of 1999");
    let log_in_in_clear = async |house: &House| {
        log_in(
            &house.authenticator,
            from("192.0.2.1", legacy()),
            shown.clone(),
        )
        .await
        .won()
    };
    assert!(log_in_in_clear(&house).await);
    assert!(is_offered(&house));
    assert!(wins(&house, "fred@example.com", "fax of 1999").await);

    let house = reopened(house, realms(&["example.net"]));
    assert!(
        !wins(&house, "fred@example.com", "fax of 1999").await,
        "the hashes are those of another realm"
    );
    assert!(log_in_in_clear(&house).await);
    assert!(wins(&house, "fred@example.com", "fax of 1999").await);

    house
        .store
        .set_password("fred@example.com", new_password(Legacy, "fax of 2001"))
        .unwrap();
    assert!(!wins(&house, "fred@example.com", "fax of 1999").await);
    assert!(wins(&house, "fred@example.com", "fax of 2001").await);

    let house = reopened(house, CHEAP);
    assert!(!is_offered(&house));
    let directory = Arc::clone(&house.directory);
    drop(house);
    assert!(kept(directory.path()).is_empty());
}

// DIG-20, T-18: who comes back within the time begins with the nonce of the first time; and guesses made so count like others.
#[tokio::test]
async fn dig_20_t_18_subsequent_authentication() {
    let mut house = House::keeping(
        Arc::new(tempfile::tempdir().unwrap()),
        realms(&["example.com"]),
    );
    house.add("fred@example.com", &[(Legacy, "fax of 1999")]);
    let session = DigestMd5Session::default();
    // How many messages of the mechanism came before the server's proof.
    let challenges = async |house: &House, password| {
        let login = Login {
            session: Some(&session),
            ..Login::new("DIGEST-MD5", "fred@example.com", password)
        };
        let ended = log_in(&house.authenticator, from("192.0.2.1", legacy()), login).await;
        ended.won().then_some(ended.challenges.len())
    };
    let stale = Some(1);
    assert_eq!(challenges(&house, "fax of 1999").await, Some(1));
    assert_eq!(challenges(&house, "fax of 1999").await, stale, "by default");

    let within = Some(Duration::from_secs(3600));
    house.authenticator = house.authenticator.resuming_within(within);
    assert_eq!(challenges(&house, "fax of 1999").await, Some(1));
    for _ in 0..3 {
        assert_eq!(challenges(&house, "fax of 1999").await, Some(0));
    }
    let before = house.authenticator.guard().tally();
    assert_eq!(challenges(&house, "fax of 1998").await, None);
    let after = house.authenticator.guard().tally();
    assert_eq!(
        (after.opened - before.opened, after.lost - before.lost),
        (1, 1)
    );

    // The former password is no password any more.
    assert_eq!(challenges(&house, "fax of 1999").await, Some(1));
    house
        .store
        .set_password("fred@example.com", new_password(Legacy, "fax of 2001"))
        .unwrap();
    assert_eq!(challenges(&house, "fax of 1999").await, None);
    assert_eq!(challenges(&house, "fax of 2001").await, Some(1));
    assert_eq!(challenges(&house, "fax of 2001").await, Some(0));
    house.store.set_enabled("fred@example.com", false).unwrap();
    assert_eq!(challenges(&house, "fax of 2001").await, None);
}
