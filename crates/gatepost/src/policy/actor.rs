//! Who acts: a proven identity and what its account owns now.

use gatepost_sasl::{Identity, Needs};
use gatepost_smtp::path::Address;

/// An authenticated identity with the facts about the account it acts for.
///
/// The facts are read when they are needed, not when the session began: an account that was disabled or lost an address
/// since then is treated as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// What the exchange proved.
    pub identity: &'a Identity,
    /// The addresses of the account that the identity acts for, in their order.
    pub addresses: &'a [Address],
    /// Whether that account is enabled.
    pub enabled: bool,
}

impl Actor<'_> {
    /// Whether nothing was proven: he did not say who he is (RFC 4505).
    pub fn is_guest(&self) -> bool {
        self.identity.mechanism().needs == Needs::Nothing
    }

    /// Whether the account owns `local@domain`.
    ///
    /// Domains compare as A-labels without regard to case (RFC 5321 §2.4, RFC 5890). Local parts do as well, whichever way
    /// their characters are composed: they belong to the account's own addresses, and no operator means `Fred@` and
    /// `fred@` to be two people.
    pub fn owns(&self, local: &str, domain: &str) -> bool {
        if local.is_ascii() && domain.is_ascii() && self.addresses.iter().all(Address::is_ascii) {
            let equal = |own: &Address| {
                own.local().eq_ignore_ascii_case(local) && own.domain().eq_ignore_ascii_case(domain)
            };
            return self.addresses.iter().any(equal);
        }
        Address::parse(&format!("{local}@{domain}")).is_ok_and(|address| {
            self.addresses
                .iter()
                .any(|own| own.is_same_mailbox(&address))
        })
    }
}
