//! From a Kerberos principal to an account (pure).
//!
//! Rules are exact on purpose (T-23): a principal of one component in a trusted realm, and nothing that had to be escaped. So
//! `alice/admin@EXAMPLE.COM`, `host/fax.example.com@EXAMPLE.COM`, `alice@OTHER.EXAMPLE` and `alice\@x@EXAMPLE.COM` are nobody.
//! Realms are compared octet by octet, as Kerberos does; names then as account names are.

use crate::config::resolved::KerberosRealm;

/// A user: a principal of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User<'a> {
    pub(super) name: &'a str,
    pub(super) realm: &'a str,
}

impl<'a> User<'a> {
    /// `None` for what is not `name@REALM` with plain characters.
    pub(super) fn parse(principal: &'a str) -> Option<Self> {
        let (name, realm) = principal.split_once('@')?;
        let plain = |part: &str| {
            !part.is_empty()
                && !part
                    .chars()
                    .any(|c| c.is_control() || matches!(c, '@' | '/' | '\\'))
        };
        (plain(name) && plain(realm)).then_some(Self { name, realm })
    }

    /// The accounts that may be meant, the first that exists being it. Without rules the realm of our own key is trusted, and
    /// its users are the accounts `name@realm`, or `name` where there is none.
    pub(super) fn accounts(self, own_realm: &str, rules: &[KerberosRealm]) -> Vec<String> {
        let Self { name, realm } = self;
        if rules.is_empty() {
            let qualified = format!("{name}@{}", realm.to_ascii_lowercase());
            let accounts = [qualified, name.to_owned()];
            return accounts
                .into_iter()
                .filter(|_| realm == own_realm)
                .collect();
        }
        let rule = rules.iter().find(|rule| rule.name == realm);
        let account = rule.map(|rule| match &rule.domain {
            Some(domain) => format!("{name}@{domain}"),
            None => name.to_owned(),
        });
        account.into_iter().collect()
    }

    /// Whether a client that asks to act as this asks to act as itself: some send the principal, some its name.
    pub(super) fn is(self, authzid: &str) -> bool {
        authzid == self.name
            || authzid
                .strip_prefix(self.name)
                .and_then(|rest| rest.strip_prefix('@'))
                == Some(self.realm)
    }
}

/// A principal of ours, and its realm.
pub(super) fn service(target: &str) -> Option<(&str, &str)> {
    let (principal, realm) = target.split_once('@')?;
    let host = principal.strip_prefix("smtp/")?;
    (!host.is_empty() && !realm.is_empty()).then_some((principal, realm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(name: &str, domain: Option<&str>) -> KerberosRealm {
        KerberosRealm {
            name: name.to_owned(),
            domain: domain.map(str::to_owned),
        }
    }

    /// T-23: "principal mapping (`user/admin@R`, other realm, `\@`)" → "exact realm and one-component default rule".
    #[test]
    fn t_23_who_a_principal_is() {
        let rules = [
            realm("EXAMPLE.COM", Some("example.com")),
            realm("AD.EXAMPLE.COM", None),
        ];
        let nobody: &[&str] = &[];
        let rows: &[(&str, &[&str], &[&str])] = &[
            // principal, without rules and a key of EXAMPLE.COM, by the rules above
            (
                "alice@EXAMPLE.COM",
                &["alice@example.com", "alice"],
                &["alice@example.com"],
            ),
            (
                "Alice@EXAMPLE.COM",
                &["Alice@example.com", "Alice"],
                &["Alice@example.com"],
            ),
            (
                "a.b-c_d+e@EXAMPLE.COM",
                &["a.b-c_d+e@example.com", "a.b-c_d+e"],
                &["a.b-c_d+e@example.com"],
            ),
            ("alice@AD.EXAMPLE.COM", nobody, &["alice"]),
            ("alice@example.com", nobody, nobody),
            ("alice@EXAMPLE.COM.", nobody, nobody),
            ("alice@XEXAMPLE.COM", nobody, nobody),
            ("alice@OTHER.EXAMPLE", nobody, nobody),
            ("alice/admin@EXAMPLE.COM", nobody, nobody),
            ("host/fax.example.com@EXAMPLE.COM", nobody, nobody),
            ("WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS", nobody, nobody),
            ("alice\\@EXAMPLE.COM@OTHER.EXAMPLE", nobody, nobody),
            ("alice\\/admin@EXAMPLE.COM", nobody, nobody),
            ("alice@EXAMPLE.COM@EXAMPLE.COM", nobody, nobody),
            ("ali\\nce@EXAMPLE.COM", nobody, nobody),
            ("ali\u{7f}ce@EXAMPLE.COM", nobody, nobody),
            ("@EXAMPLE.COM", nobody, nobody),
            ("alice@", nobody, nobody),
            ("alice", nobody, nobody),
            ("", nobody, nobody),
        ];
        for (principal, default, ruled) in rows {
            let accounts = |rules: &[KerberosRealm]| {
                User::parse(principal)
                    .map_or_else(Vec::new, |user| user.accounts("EXAMPLE.COM", rules))
            };
            assert_eq!(accounts(&[]), *default, "{principal}");
            assert_eq!(accounts(&rules), *ruled, "{principal}");
        }
    }

    // SASL-02.
    #[test]
    fn to_act_as_oneself_has_two_spellings_besides_the_account() {
        let user = User::parse("alice@EXAMPLE.COM").unwrap();
        for own in ["alice", "alice@EXAMPLE.COM"] {
            assert!(user.is(own), "{own}");
        }
        for other in [
            "",
            "Alice",
            "alice@",
            "alice@example.com",
            "alic",
            "alice@EXAMPLE.COM@",
            "bob",
        ] {
            assert!(!user.is(other), "{other}");
        }
    }

    #[test]
    fn only_keys_of_the_service_smtp_are_ours() {
        let ours = "smtp/mail.example.com@EXAMPLE.COM";
        assert_eq!(
            service(ours),
            Some(("smtp/mail.example.com", "EXAMPLE.COM"))
        );
        for other in [
            "host/mail.example.com@EXAMPLE.COM",
            "smtp@EXAMPLE.COM",
            "smtp/@EXAMPLE.COM",
            "smtp/mail.example.com",
            "smtp/mail.example.com@",
        ] {
            assert_eq!(service(other), None, "{other}");
        }
    }
}
