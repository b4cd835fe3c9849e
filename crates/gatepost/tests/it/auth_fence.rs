//! Which credential opens what on which channel: the fence between a person's password and a device's.

use gatepost::auth::channel::Channel;
use gatepost::store::CredentialKind::{self, Legacy, Password};

use gatepost_sasl::mechanism::{CRAM_MD5, DIGEST_MD5, PLAIN, SCRAM_SHA_256};
use gatepost_sasl::{Mechanism, Refusal};

use crate::toy_protocol::{House, Login, from, log_in, new_password};

const CHANNELS: [(&str, bool, bool); 4] = [
    ("submission, clear", false, false),
    ("submission, TLS", true, false),
    ("legacy, clear", false, true),
    ("legacy, TLS", true, true),
];

fn channel(tls: bool, legacy: bool) -> Channel {
    Channel {
        tls,
        legacy,
        ..Channel::default()
    }
}

/// What each kind of credential opens, in the order of [`CHANNELS`].
const FENCE: [(CredentialKind, &str, [bool; 4]); 12] = [
    (Password, "SCRAM-SHA-512", [true, true, true, true]),
    (Password, "SCRAM-SHA-1", [true, true, true, true]),
    (Password, "SCRAM-SHA-256", [true, true, true, true]),
    (Password, "PLAIN", [false, true, false, true]),
    (Password, "LOGIN", [false, true, false, true]),
    (Password, "CRAM-MD5", [false, false, false, false]),
    (Legacy, "SCRAM-SHA-512", [false, false, true, true]),
    (Legacy, "SCRAM-SHA-1", [false, false, true, true]),
    (Legacy, "SCRAM-SHA-256", [false, false, true, true]),
    (Legacy, "PLAIN", [false, false, true, true]),
    (Legacy, "LOGIN", [false, false, true, true]),
    (Legacy, "CRAM-MD5", [false, false, true, true]),
];

/// PLAIN-06, CRAM-07: passwords in clear and CRAM-MD5 are for devices, on the legacy listeners made for them.
#[tokio::test]
async fn a_credential_opens_only_its_side_of_the_fence() {
    for (kind, mechanism, opens) in FENCE {
        let house = House::new();
        house.add("fred", &[(kind, "flintstone")]);
        // Somebody else has the other kind, so that the mechanism is offered wherever it can be.
        let other = if kind == Password { Legacy } else { Password };
        house.add("wilma", &[(other, "pebbles")]);
        for ((name, tls, legacy), opens) in CHANNELS.into_iter().zip(opens) {
            let peer = from("127.0.0.1", channel(tls, legacy));
            let ended = log_in(
                &house.authenticator,
                peer,
                Login::new(mechanism, "fred", "flintstone"),
            )
            .await;
            assert_eq!(ended.won(), opens, "{kind:?} by {mechanism} on {name}");
        }
    }
}

/// AUTH-27: a credential that is for some mechanisms is for all others as if it were not there, also after a new password and in
/// another process.
#[tokio::test]
async fn a_credential_opens_nothing_by_a_mechanism_that_it_is_not_for() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    house.add("wilma", &[(Password, "pebbles")]);
    let only = ["SCRAM-SHA-256".to_owned()];
    house
        .store
        .set_mechanisms("fred", Password, Some(&only))
        .unwrap();
    let new = new_password(Password, "bedrock");
    house.store.set_password("fred", new).unwrap();
    let house = house.restarted();
    for (mechanism, opens) in [
        ("SCRAM-SHA-256", true),
        ("SCRAM-SHA-512", false),
        ("PLAIN", false),
        ("LOGIN", false),
    ] {
        let peer = from("127.0.0.1", channel(true, false));
        let login = Login::new(mechanism, "fred", "bedrock");
        let ended = log_in(&house.authenticator, peer, login).await;
        assert_eq!(ended.won(), opens, "{mechanism}");
        let refused = (!opens).then_some(Refusal::CredentialsInvalid);
        assert_eq!(ended.refusal(), refused, "{mechanism}");
    }
    // Without wilma nobody could use the others.
    house.store.set_enabled("wilma", false).unwrap();
    let offered = house.authenticator.mechanisms(&channel(true, false));
    assert_eq!(offered, [&SCRAM_SHA_256]);
    house.store.set_mechanisms("fred", Password, None).unwrap();
    let offered = house.authenticator.mechanisms(&channel(true, false));
    assert!(offered.len() > 3, "{offered:?}");
    assert!(house.store.set_mechanisms("fred", Legacy, None).is_err());
}

/// CAP-02, CAP-03, CAP-08: what a listener names is all it offers, the strongest first.
#[tokio::test]
async fn cap_08_a_listener_offers_what_it_names_and_nothing_that_must_be_named_otherwise() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone"), (Legacy, "flintstone")]);
    let offered = |legacy, named: Option<&[&'static Mechanism]>| {
        let channel = Channel {
            mechanisms: named.map(Into::into),
            anonymous_account: Some("fred".into()),
            ..channel(true, legacy)
        };
        house.authenticator.mechanisms(&channel)
    };
    assert!(!offered(true, None).contains(&&DIGEST_MD5));
    let named: &[&'static Mechanism] = &[&PLAIN, &SCRAM_SHA_256, &CRAM_MD5];
    assert_eq!(
        offered(true, Some(named)),
        [&SCRAM_SHA_256, &CRAM_MD5, &PLAIN]
    );
    // CRAM-MD5 stays what legacy listeners have.
    assert_eq!(offered(false, Some(named)), [&SCRAM_SHA_256, &PLAIN]);
    assert!(offered(false, Some(&[])).is_empty());
}

/// SCR-19: what nobody here could complete is not announced.
#[tokio::test]
async fn only_what_some_account_can_complete_is_offered() {
    let all = ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"];
    for kinds in [
        &[] as &[CredentialKind],
        &[Password],
        &[Legacy],
        &[Password, Legacy],
    ] {
        let house = House::new();
        for kind in kinds {
            house.add(kind.as_str(), &[(*kind, "flintstone")]);
        }
        for (column, (name, tls, legacy)) in CHANNELS.into_iter().enumerate() {
            let offered = house.authenticator.mechanisms(&channel(tls, legacy));
            let offered: Vec<_> = offered.iter().map(|mechanism| mechanism.name).collect();
            for mechanism in all {
                let completed = FENCE.iter().any(|(kind, row, opens)| {
                    kinds.contains(kind) && *row == mechanism && opens[column]
                });
                assert_eq!(
                    offered.contains(&mechanism),
                    completed,
                    "{mechanism} on {name} with {kinds:?}"
                );
            }
        }
    }
}

/// An account with both kinds and different secrets: a password that crosses the network in clear is never compared
/// with the person's.
#[tokio::test]
async fn a_persons_password_is_never_compared_in_clear() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone"), (Legacy, "fax")]);
    let clear = || from("127.0.0.1", channel(false, true));
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let fax = log_in(
            &house.authenticator,
            clear(),
            Login::new(mechanism, "fred", "fax"),
        )
        .await;
        assert_eq!(
            fax.outcome.unwrap().identity.credential(),
            "legacy",
            "{mechanism}"
        );
        assert!(
            !log_in(
                &house.authenticator,
                clear(),
                Login::new(mechanism, "fred", "flintstone")
            )
            .await
            .won(),
            "{mechanism}"
        );
    }
    let over_tls = log_in(
        &house.authenticator,
        from("127.0.0.1", channel(true, true)),
        Login::new("PLAIN", "fred", "flintstone"),
    )
    .await;
    assert_eq!(over_tls.outcome.unwrap().identity.credential(), "password");
}

#[tokio::test]
async fn an_account_that_is_disabled_offers_nothing() {
    let house = House::new();
    house.add("fred", &[(Password, "flintstone")]);
    assert!(
        !house
            .authenticator
            .mechanisms(&channel(true, false))
            .is_empty()
    );
    house.store.set_enabled("fred", false).unwrap();
    assert!(
        house
            .authenticator
            .mechanisms(&channel(true, false))
            .is_empty()
    );
}
