//! An identity for tests.

use gatepost_sasl::{Authcid, Grant, Identity, Outcome, mechanism};

/// The identity of an account that has proven itself.
pub(crate) fn identity(account: &str) -> Identity {
    let grant = Grant {
        login: account.to_owned(),
        acts_as: account.to_owned(),
        credential: "password".to_owned(),
    };
    match Outcome::authenticated(&mechanism::PLAIN, Authcid::parse(account).unwrap(), grant) {
        Outcome::Authenticated(authenticated) => authenticated.identity,
        Outcome::Refused(refusal) => unreachable!("{refusal:?}"),
    }
}
