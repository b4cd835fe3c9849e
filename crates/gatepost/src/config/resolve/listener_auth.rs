//! By what clients may prove who they are: a listener's mechanisms, its guests, client certificates and whose they are.

use std::ops::Range;

use gatepost_sasl::{Mechanism, Needs, mechanism};

use super::Resolver;
use crate::config::option::DEFAULT_MECHANISMS;
use crate::config::raw::{Placed, Table};
use crate::config::resolved::{
    AskedCertificates, CertificateName, CertificateRule, Listener, ListenerAuth, TlsMode,
    must_be_named,
};

/// The keys of `[[client_certificate]]` that say what a certificate holds.
const NAMES: [&str; 4] = ["key_sha256", "email", "dns", "subject"];

impl Resolver<'_> {
    pub(super) fn listener_auth(&mut self, table: &Table<'_>, tls: TlsMode) -> ListenerAuth {
        let mechanisms = self.mechanisms(table);
        let anonymous_account = table.text("anonymous_account", self.faults);
        let guests = |list: &Vec<&Mechanism>| list.iter().any(|it| it.needs == Needs::Nothing);
        match (mechanisms.as_ref().is_some_and(guests), &anonymous_account) {
            (true, None) => self.fault(
                &table.span,
                "listener.mechanisms: \"anonymous\" without an account to act for",
                "name it, for example anonymous_account = \"dropbox@example.com\": guests send to its addresses and nowhere else",
            ),
            (false, Some(Placed { span, .. })) => self.fault(
                span,
                "listener.anonymous_account: this listener does not offer ANONYMOUS",
                "name \"anonymous\" in mechanisms, beside the others it is to offer, or remove the option",
            ),
            _ => {}
        }
        ListenerAuth {
            mechanisms: mechanisms.map(Into::into),
            anonymous_account: anonymous_account.map(|it| it.value.into()),
            client_certificates: self.asked_certificates(table, tls),
        }
    }

    fn mechanisms(&mut self, table: &Table<'_>) -> Option<Vec<&'static Mechanism>> {
        if !table.has("mechanisms") {
            return None;
        }
        let faults = self.faults.len();
        let named = table.list("mechanisms", self.faults, named_mechanisms);
        if named.is_empty() && self.faults.len() == faults {
            self.fault(
                &table.span,
                "listener.mechanisms: the list is empty",
                "name at least one, or leave the option out: everybody has to authenticate",
            );
        }
        Some(named.into_iter().flat_map(|it| it.value).collect())
    }

    /// EXT-06: only where it is written.
    fn asked_certificates(&mut self, table: &Table<'_>, tls: TlsMode) -> Option<AskedCertificates> {
        let asked = table.truth("client_certificates", self.faults);
        let authority = table.path("client_ca", self.base, self.faults);
        let place = match (&asked, &authority) {
            (_, Some(authority)) => authority.span.clone(),
            (Some(asked), None) if asked.value => asked.span.clone(),
            _ => return None,
        };
        if tls == TlsMode::None {
            self.fault(
                &place,
                "listener.client_certificates: without TLS there are none",
                "set tls = \"starttls\" or \"implicit\", or remove the option",
            );
        }
        Some(AskedCertificates {
            authority: authority.map(|it| it.value),
        })
    }

    pub(super) fn certificate_rules(
        &mut self,
        top: &Table<'_>,
        listeners: &[Listener],
    ) -> Vec<CertificateRule> {
        let asked = listeners
            .iter()
            .filter_map(|it| it.auth.client_certificates.as_ref());
        let asked: Vec<_> = asked.collect();
        let authority = asked.iter().any(|it| it.authority.is_some());
        let tables = top.tables("client_certificate", "client_certificate", self.faults);
        let mut rules = Vec::new();
        for table in &tables {
            let Some(rule) = self.certificate_rule(table) else {
                continue;
            };
            if asked.is_empty() {
                self.fault(
                    &table.span,
                    "client_certificate: no listener asks for certificates",
                    "set client_certificates = true, or client_ca, in a [[listener]] section",
                );
            } else if !rule.is_pin() && !authority {
                self.fault(
                    &table.span,
                    "client_certificate: no listener has an authority that vouches for names in certificates",
                    "set client_ca = \"file.pem\" in a [[listener]] section, or use key_sha256",
                );
            }
            rules.push(rule);
        }
        rules
    }

    fn certificate_rule(&mut self, table: &Table<'_>) -> Option<CertificateRule> {
        let account = table.text("account", self.faults);
        let mut named = NAMES.iter().filter(|key| table.has(key));
        let (Some(key), None) = (named.next(), named.next()) else {
            self.fault(
                &table.span,
                "client_certificate: it needs exactly one name",
                "set one of key_sha256, email, dns and subject; add a section for each further one",
            );
            return None;
        };
        let Placed { value, span } = table.text(key, self.faults)?;
        let name = match *key {
            "email" => CertificateName::Email(value),
            "dns" => CertificateName::Dns(value),
            "subject" => CertificateName::Subject(value),
            _ => CertificateName::Key(self.key_pin(&value, &span)?),
        };
        let account = account?.value;
        Some(CertificateRule { account, name })
    }

    /// 64 hexadecimal digits, with or without the colons that some programs print.
    fn key_pin(&mut self, text: &str, span: &Range<usize>) -> Option<[u8; 32]> {
        let digits: Vec<_> = text
            .chars()
            .filter(|it| *it != ':')
            .map(|it| it.to_digit(16).and_then(|it| u8::try_from(it).ok()))
            .collect();
        let pairs = digits.chunks_exact(2).map(|pair| match pair {
            [Some(high), Some(low)] => Some(high << 4 | low),
            _ => None,
        });
        let octets: Option<Vec<u8>> = pairs.collect();
        let whole = digits.len() == 64;
        let pin = octets.filter(|_| whole).and_then(|it| it.try_into().ok());
        if pin.is_none() {
            self.fault(
                span,
                format!("client_certificate.key_sha256: {text:?} is not a SHA-256 in hexadecimal"),
                "run: openssl x509 -in client.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum",
            );
        }
        pin
    }
}

/// What a word in the list of mechanisms stands for.
fn named_mechanisms(word: &str) -> Result<Vec<&'static Mechanism>, String> {
    if word.eq_ignore_ascii_case(DEFAULT_MECHANISMS) {
        let all = mechanism::ALL.iter().copied();
        return Ok(all.filter(|it| !must_be_named(it)).collect());
    }
    match mechanism::by_name(word) {
        Some(mechanism) => Ok(vec![mechanism]),
        None => Err(format!("{word:?} is not known")),
    }
}
