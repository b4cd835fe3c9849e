//! Which recipients of a message go into its next transaction.
//!
//! A server may announce how many recipients, and of how many domains, it takes at a time (RFC 9422 §4, LIM-02). The first that
//! fit are taken, in the order of the envelope; the others wait for a further transaction.

use super::capabilities::Limits;
use super::envelope::Recipient;

/// Indices of the recipients that fit, in order. At least one, if there is any.
pub(super) fn within(limits: Limits, recipients: &[Recipient]) -> Vec<usize> {
    let most = size(limits.recipients);
    let most_domains = size(limits.recipient_domains);
    let mut domains: Vec<String> = Vec::new();
    let fits = |(index, recipient): (usize, &Recipient)| {
        if most_domains == usize::MAX {
            return Some(index);
        }
        let domain = recipient.path.address().domain().to_ascii_lowercase();
        if domains.contains(&domain) {
            return Some(index);
        }
        (domains.len() < most_domains).then(|| {
            domains.push(domain);
            index
        })
    };
    let fitting = recipients.iter().enumerate().filter_map(fits);
    fitting.take(most).collect()
}

fn size(limit: Option<u32>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Address;

    /// LIM-02: "Respect RCPTMAX by splitting".
    #[test]
    fn lim_02_the_first_that_fit() {
        let recipients: Vec<Recipient> = [
            "a@one.example",
            "b@two.example",
            "c@ONE.example",
            "d@three.example",
            "e@two.example",
        ]
        .map(|text| Address::parse(text).unwrap().into())
        .into();
        let rows: &[(Option<u32>, Option<u32>, &[usize])] = &[
            (None, None, &[0, 1, 2, 3, 4]),
            (Some(2), None, &[0, 1]),
            (Some(9), None, &[0, 1, 2, 3, 4]),
            (None, Some(1), &[0, 2]),
            (None, Some(2), &[0, 1, 2, 4]),
            (Some(3), Some(2), &[0, 1, 2]),
        ];
        for (most, most_domains, expected) in rows {
            let limits = Limits {
                recipients: *most,
                recipient_domains: *most_domains,
                transactions: None,
            };
            assert_eq!(within(limits, &recipients), *expected, "{limits:?}");
        }
        assert!(within(Limits::default(), &[]).is_empty());
    }
}
