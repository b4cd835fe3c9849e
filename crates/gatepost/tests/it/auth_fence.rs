//! Which credential opens what on which channel: the fence between a person's password and a device's.

use gatepost::auth::channel::Channel;
use gatepost::store::CredentialKind::{self, Legacy, Password};

use crate::toy_protocol::{House, Login, from, log_in};

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
