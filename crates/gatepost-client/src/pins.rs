//! What a server is known to offer, so that nobody can talk a client out of it.
//!
//! Whoever stands between client and server, with a certificate that some authority should not have given, can announce less than the
//! server does and be shown the password. A client that remembers how it was let in before is not fooled a second time: once it
//! was by a mechanism that does not show the password, none that shows it is used there any more, and once the mechanism was bound to
//! the channel, only one that is.
//!
//! Pins apply where the choice of the mechanism is left to the client ([`MechanismChoice::Strongest`](crate::MechanismChoice)). What is
//! remembered is only what succeeded: a server whose announcement is not good for this user binds nobody.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use gatepost_sasl::mechanism::{SCRAM_SHA_1, SCRAM_SHA_1_PLUS};
use gatepost_sasl::{Mechanism, Needs, VerifierKind};

/// Whom a pin is about: what is good for one user of a server may not be for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PinKey {
    /// The server's host name as the user knows it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whose credentials.
    pub user: String,
}

impl fmt::Display for PinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.host, self.port, self.user)
    }
}

/// A memory of mechanisms. May be asked and told by several connections at once.
pub trait MechanismPins: Send + Sync {
    /// The mechanism remembered for this server and user. An error is text for people: why nobody knows; then no secret is sent.
    fn pinned(&self, key: &PinKey) -> Result<Option<&'static Mechanism>, String>;

    /// Remembers a mechanism in place of any other. Whether it can be kept changes nothing about the connection at hand.
    fn pin(&self, key: &PinKey, mechanism: &'static Mechanism);

    /// What to do when the server was changed on purpose, as part of a sentence.
    fn how_to_lift(&self) -> String;
}

/// Pins for the life of the process.
#[derive(Debug, Default)]
pub struct MemoryPins(Mutex<HashMap<PinKey, &'static Mechanism>>);

impl MechanismPins for MemoryPins {
    fn pinned(&self, key: &PinKey) -> Result<Option<&'static Mechanism>, String> {
        let pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(pins.get(key).copied())
    }

    fn pin(&self, key: &PinKey, mechanism: &'static Mechanism) {
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.insert(key.clone(), mechanism);
    }

    fn how_to_lift(&self) -> String {
        "start again, or choose the mechanism yourself".to_owned()
    }
}

/// The weakest mechanism that protects as this one does; `None` where it protects from nothing that a pin could.
pub(crate) fn floor(mechanism: &Mechanism) -> Option<&'static Mechanism> {
    match mechanism.needs {
        _ if mechanism.binds_channel => Some(&SCRAM_SHA_1_PLUS),
        Needs::Verifier(VerifierKind::Scram(_)) => Some(&SCRAM_SHA_1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use gatepost_sasl::mechanism::{
        ALL, CRAM_MD5, LOGIN, PLAIN, SCRAM_SHA_256_PLUS, SCRAM_SHA_512,
    };

    use super::*;

    /// T-17: "floor per route pinned at strongest seen".
    #[test]
    fn t_17_the_floor_keeps_the_kind_of_protection() {
        for (mechanism, weakest) in [
            (&SCRAM_SHA_256_PLUS, Some(&SCRAM_SHA_1_PLUS)),
            (&SCRAM_SHA_1_PLUS, Some(&SCRAM_SHA_1_PLUS)),
            (&SCRAM_SHA_512, Some(&SCRAM_SHA_1)),
            (&PLAIN, None),
            (&LOGIN, None),
            (&CRAM_MD5, None),
        ] {
            assert_eq!(floor(mechanism), weakest, "{mechanism}");
        }
        for mechanism in ALL {
            let Some(floor) = floor(mechanism) else {
                continue;
            };
            assert!(floor.strength <= mechanism.strength, "{mechanism}");
            let passwords = ALL
                .iter()
                .filter(|it| matches!(it.needs, Needs::Password | Needs::Verifier(_)));
            for other in passwords.filter(|it| it.strength >= floor.strength) {
                assert!(!other.exposes_password, "{mechanism} lets {other} follow");
                assert!(
                    other.binds_channel || !mechanism.binds_channel,
                    "{mechanism} lets {other} follow"
                );
            }
        }
    }
}
