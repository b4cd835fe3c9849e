//! `[[token_issuer]]`: issuers of access tokens.

use super::{Fault, Resolver};
use crate::config::endpoint::Endpoint;
use crate::config::raw::{Placed, Table};
use crate::config::resolved::{Introspection, KeySource, MAX_CLOCK_SKEW, TokenIssuer};

impl Resolver<'_> {
    /// The issuers, each once: a token says which one it is of.
    pub(super) fn token_issuers(&mut self, top: &Table<'_>) -> Vec<TokenIssuer> {
        let mut issuers: Vec<TokenIssuer> = Vec::new();
        for table in top.tables("token_issuer", "token_issuer", self.faults) {
            let Some(issuer) = self.token_issuer(&table) else {
                continue;
            };
            if issuers.iter().any(|other| other.issuer == issuer.issuer) {
                self.fault(
                    &table.span,
                    format!("token_issuer.issuer: {:?} is used twice", issuer.issuer),
                    "put what belongs to one issuer into one [[token_issuer]]",
                );
            }
            issuers.push(issuer);
        }
        issuers
    }

    fn token_issuer(&mut self, table: &Table<'_>) -> Option<TokenIssuer> {
        let issuer = table.text("issuer", self.faults);
        let place = issuer
            .clone()
            .and_then(|url| self.place("token_issuer.issuer", &url));
        let audience = self.texts(table, "audience");
        if audience.is_empty() && table.has("audience") {
            self.fault(
                &table.span,
                "token_issuer.audience: the list is empty",
                "name the audience that tokens for mail have, for example audience = \"mail\"",
            );
        }
        let clock_skew = table.time("clock_skew", self.faults);
        if let Some(skew) = clock_skew.as_ref().filter(|it| it.value > MAX_CLOCK_SKEW) {
            self.fault(
                &skew.span,
                "token_issuer.clock_skew: more than a minute",
                "an expired token would be good for longer; set both clocks by NTP instead",
            );
        }
        let account_claim = table.text("account_claim", self.faults);
        Some(TokenIssuer {
            scope: self.texts(table, "scope"),
            account_claim: account_claim.map_or_else(|| "email".to_owned(), |it| it.value),
            clock_skew: clock_skew.map_or(MAX_CLOCK_SKEW, |it| it.value),
            keys: self.key_source(table)?,
            introspection: match table.table(
                "introspection",
                "token_issuer.introspection",
                self.faults,
            ) {
                None => None,
                Some(table) => Some(self.introspection(&table)?),
            },
            ca: table.path("ca", self.base, self.faults).map(|it| it.value),
            issuer: issuer?.value,
            place: place?,
            audience,
        })
    }

    fn key_source(&mut self, table: &Table<'_>) -> Option<KeySource> {
        let file = table.path("keys", self.base, self.faults);
        let url = table.text("keys_url", self.faults);
        match (file, url) {
            (None, None) => Some(KeySource::Discovered),
            (Some(file), None) => Some(KeySource::File(file.value)),
            (None, Some(url)) => self
                .place("token_issuer.keys_url", &url)
                .map(KeySource::Url),
            (Some(_), Some(url)) => {
                self.fault(
                    &url.span,
                    "token_issuer.keys_url: the keys are in a file already",
                    "remove keys or keys_url",
                );
                None
            }
        }
    }

    fn introspection(&mut self, table: &Table<'_>) -> Option<Introspection> {
        let client_id = table.text("client_id", self.faults);
        let client_secret_file = table.path("client_secret_file", self.base, self.faults);
        let endpoint = match table.text("endpoint", self.faults) {
            None => None,
            Some(url) => Some(self.place("token_issuer.introspection.endpoint", &url)?),
        };
        Some(Introspection {
            endpoint,
            client_id: client_id?.value,
            client_secret_file: client_secret_file?.value,
        })
    }

    /// T-21: what is asked is written here, and asked over TLS.
    fn place(&mut self, option: &str, url: &Placed<String>) -> Option<Endpoint> {
        let what = match Endpoint::parse(&url.value) {
            Ok(place) => return Some(place),
            Err(what) => what,
        };
        self.faults.push(Fault::at(
            url.span.clone(),
            format!("{option}: {:?}: {what}", url.value),
            "write an https URL, for example \"https://login.example.com/tenant\"",
        ));
        None
    }

    fn texts(&mut self, table: &Table<'_>, key: &str) -> Vec<String> {
        let texts = table.list(key, self.faults, |text| Ok::<_, String>(text.to_owned()));
        texts.into_iter().map(|it| it.value).collect()
    }
}
