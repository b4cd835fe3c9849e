//! Who acts: a proven identity and what its account owns now.

use gatepost_sasl::Identity;
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
    /// Whether the account owns `local@domain`.
    ///
    /// Domains compare without regard to case (RFC 5321 §2.4). Local parts do as well, in ASCII: they belong to the
    /// account's own addresses, and no operator means `Fred@` and `fred@` to be two people.
    pub fn owns(&self, local: &str, domain: &str) -> bool {
        let equal = |own: &Address| {
            own.local().eq_ignore_ascii_case(local) && own.domain().eq_ignore_ascii_case(domain)
        };
        self.addresses.iter().any(equal)
    }
}
