//! What of MAIL's `AUTH=` parameter is believed and passed on (RFC 4954 §5).
//!
//! The parameter says who submitted a message first. It never changes what the session may do (MPAR-11): nothing but the
//! value passed on depends on it.

use gatepost_smtp::params::Submitter;

/// Whether the client may speak for the submitters of other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A person, program or device: it submits its own mail.
    Untrusted,
    /// A server that has authenticated its own submitters.
    Trusted,
}

/// The submitter to pass on to next hops.
///
/// Untrusted clients are treated as if they had sent `AUTH=<>` (MPAR-05); so is one that sent nothing, since making a
/// mailbox up would tell next hops who our users are (MPAR-08). A trusted client's value is kept (MPAR-07).
pub fn believed(trust: Trust, given: Option<&Submitter>) -> Submitter {
    match (trust, given) {
        (Trust::Trusted, Some(submitter)) => submitter.clone(),
        (Trust::Untrusted, _) | (Trust::Trusted, None) => Submitter::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_smtp::path::Address;

    // MPAR-05, MPAR-06, MPAR-07, MPAR-08; T-05: every row.
    #[test]
    fn only_trusted_clients_are_believed() {
        let named = Submitter::Address(Address::parse("e@example.com").unwrap());
        let table = [
            (Trust::Untrusted, None, &Submitter::Unknown),
            (
                Trust::Untrusted,
                Some(&Submitter::Unknown),
                &Submitter::Unknown,
            ),
            (Trust::Untrusted, Some(&named), &Submitter::Unknown),
            (Trust::Trusted, None, &Submitter::Unknown),
            (
                Trust::Trusted,
                Some(&Submitter::Unknown),
                &Submitter::Unknown,
            ),
            (Trust::Trusted, Some(&named), &named),
        ];
        for (trust, given, expected) in table {
            assert_eq!(believed(trust, given), *expected, "{trust:?} {given:?}");
        }
    }
}
