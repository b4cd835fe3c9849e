//! An identity for tests.

use gatepost_sasl::{Authcid, Grant, Identity, Mechanism, Outcome, mechanism};

/// The identity of an account that has proven itself.
pub(crate) fn identity(account: &str) -> Identity {
    proven(&mechanism::PLAIN, account)
}

/// The identity of somebody who has proven nothing.
pub(crate) fn guest(account: &str) -> Identity {
    proven(&mechanism::ANONYMOUS, account)
}

fn proven(mechanism: &'static Mechanism, account: &str) -> Identity {
    let grant = Grant {
        login: account.to_owned(),
        acts_as: account.to_owned(),
        credential: "password".to_owned(),
    };
    match Outcome::authenticated(mechanism, Authcid::parse(account).unwrap(), grant) {
        Outcome::Authenticated(authenticated) => authenticated.identity,
        Outcome::Refused(refusal) => unreachable!("{refusal:?}"),
    }
}
