//! The only place that grants relaying.
//!
//! The queue takes recipients as [`RelayGrant`]s, and a grant is made here only: for a recipient of an authenticated
//! identity, or for a notice of our own. A check forgotten elsewhere is therefore a program that does not compile, not an
//! open relay (T-01):
//!
//! ```compile_fail,E0451
//! # fn forge(recipient: gatepost_smtp::path::ForwardPath) {
//! let forged = gatepost::policy::relay::RelayGrant { recipient };
//! # }
//! ```
//!
//! The same recipient through the front door:
//!
//! ```
//! # fn ask(actor: &gatepost::policy::actor::Actor<'_>, recipient: gatepost_smtp::path::ForwardPath) {
//! let granted = gatepost::policy::relay::decide(actor, &recipient);
//! # }
//! ```

use gatepost_smtp::dsn::Notify;
use gatepost_smtp::params::RcptParams;
use gatepost_smtp::path::{ForwardPath, ReversePath};
use gatepost_smtp::reply::Refusal;

use super::actor::Actor;
use super::decision::Decision;
use crate::observe::reason::Reason;

/// Proof that a message may go to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayGrant {
    recipient: ForwardPath,
    params: RcptParams,
}

impl RelayGrant {
    /// Whom it is for.
    pub fn recipient(&self) -> &ForwardPath {
        &self.recipient
    }

    /// The same grant, with what the sender wants to hear about the recipient.
    #[must_use]
    pub fn with(self, params: RcptParams) -> Self {
        Self { params, ..self }
    }

    /// The recipient, and what the sender wants to hear about it.
    pub fn into_parts(self) -> (ForwardPath, RcptParams) {
        (self.recipient, self.params)
    }
}

/// The grants of one message: each recipient once, in the order first named, with what was said of it first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayGrants {
    grants: Vec<RelayGrant>,
}

impl RelayGrants {
    /// Adds a grant, unless its recipient has one already.
    pub fn add(&mut self, grant: RelayGrant) {
        if !self.recipients().any(|named| *named == grant.recipient) {
            self.grants.push(grant);
        }
    }

    /// How many recipients there are.
    pub fn len(&self) -> usize {
        self.grants.len()
    }

    /// Whether nobody would get the message.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    /// The recipients in their order.
    pub fn recipients(&self) -> impl ExactSizeIterator<Item = &ForwardPath> {
        self.grants.iter().map(RelayGrant::recipient)
    }
}

impl IntoIterator for RelayGrants {
    type Item = RelayGrant;
    type IntoIter = std::vec::IntoIter<RelayGrant>;

    fn into_iter(self) -> Self::IntoIter {
        self.grants.into_iter()
    }
}

impl From<RelayGrant> for RelayGrants {
    fn from(grant: RelayGrant) -> Self {
        Self {
            grants: vec![grant],
        }
    }
}

/// May the account send to this recipient? Anybody who has proven an enabled account may, to anywhere. A guest has proven
/// nothing: what he leaves is for the account he acts for, and goes to its own addresses (ANON-02).
pub fn decide(actor: &Actor<'_>, recipient: &ForwardPath) -> Result<RelayGrant, Decision> {
    if !actor.enabled {
        return Err(Decision::new(Refusal::RelayDenied, Reason::AccountDisabled)
            .with("account", actor.identity.acts_as()));
    }
    if actor.is_guest() && !owns(actor, recipient) {
        return Err(Decision::new(Refusal::RelayDenied, Reason::RelayDenied)
            .with("account", actor.identity.acts_as())
            .with("recipient", recipient.to_string()));
    }
    Ok(RelayGrant {
        recipient: recipient.clone(),
        params: RcptParams::default(),
    })
}

fn owns(actor: &Actor<'_>, recipient: &ForwardPath) -> bool {
    let address = recipient.address();
    actor.owns(address.local(), address.domain())
}

/// The grant for a notice of our own about a message with this reverse-path: to the reverse-path and nobody else. There
/// is none about a message that has none, such as another notice (RFC 5321 §6.1, T-45), and nobody wants to hear what
/// becomes of it.
pub fn for_notice(about: &ReversePath) -> Option<RelayGrant> {
    about.address().map(|address| RelayGrant {
        recipient: ForwardPath::from(address.clone()),
        params: RcptParams {
            notify: Some(Notify::Never),
            original_recipient: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use gatepost_smtp::path::Address;

    use super::*;
    use crate::policy::fixture;

    fn path(text: &str) -> ForwardPath {
        ForwardPath::parse(text, "here.example").unwrap()
    }

    #[test]
    fn an_enabled_account_may_relay_and_a_disabled_one_may_not() {
        let identity = fixture::identity("me");
        let mut actor = Actor {
            identity: &identity,
            addresses: &[],
            enabled: true,
        };
        assert_eq!(
            decide(&actor, &path("you@next.example"))
                .unwrap()
                .recipient(),
            &path("you@next.example")
        );
        actor.enabled = false;
        let decision = decide(&actor, &path("you@next.example")).unwrap_err();
        assert_eq!(
            (decision.refusal, decision.reason),
            (Refusal::RelayDenied, Reason::AccountDisabled)
        );
    }

    // ANON-02: "relay denied beyond local policy".
    #[test]
    fn anon_02_a_guest_writes_to_the_account_he_acts_for_and_to_nobody_else() {
        let identity = fixture::guest("drop@own.example");
        let addresses = [Address::parse("drop@own.example").unwrap()];
        let guest = Actor {
            identity: &identity,
            addresses: &addresses,
            enabled: true,
        };
        assert!(decide(&guest, &path("Drop@OWN.example")).is_ok());
        for other in ["else@own.example", "drop@next.example", "postmaster"] {
            let decision = decide(&guest, &path(other)).unwrap_err();
            assert_eq!(
                (decision.refusal, decision.reason),
                (Refusal::RelayDenied, Reason::RelayDenied),
                "{other}"
            );
        }
        let nowhere = Actor {
            addresses: &[],
            ..guest
        };
        assert!(decide(&nowhere, &path("drop@own.example")).is_err());
    }

    // T-45
    #[test]
    fn a_notice_goes_to_the_reverse_path_and_never_about_a_notice() {
        let sender = ReversePath::parse("me@own.example").unwrap();
        assert_eq!(
            for_notice(&sender).unwrap().recipient(),
            &path("me@own.example")
        );
        assert_eq!(for_notice(&ReversePath::Null), None);
    }

    #[test]
    fn a_recipient_named_twice_gets_one_copy() {
        let identity = fixture::identity("me");
        let actor = Actor {
            identity: &identity,
            addresses: &[],
            enabled: true,
        };
        let mut grants = RelayGrants::default();
        for recipient in ["a@b.example", "c@b.example", "a@B.EXAMPLE"] {
            grants.add(decide(&actor, &path(recipient)).unwrap());
        }
        assert_eq!(
            grants.recipients().collect::<Vec<_>>(),
            [&path("a@b.example"), &path("c@b.example")]
        );
    }
}
