//! What an issuer publishes about itself.
//!
//! `/.well-known/openid-configuration` first, then `/.well-known/oauth-authorization-server`. The document must name the very
//! issuer it was asked for, and places on the issuer's own origin: what stands elsewhere, as Google's keys do, is for the operator
//! to name.
//!
//! Standards: OpenID Connect Discovery §4, RFC 8414 §3.

use serde::Deserialize;

use super::fetch::Fetcher;
use crate::config::endpoint::Endpoint;

/// The places that matter here.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) keys: Option<Endpoint>,
    pub(super) introspection: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Written {
    issuer: String,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
}

/// Asks the issuer at `place` about itself.
pub(super) async fn discover(
    fetcher: &Fetcher,
    issuer: &str,
    place: &Endpoint,
) -> Result<Metadata, String> {
    let path = place.path();
    let openid = place.at(format!("{path}/.well-known/openid-configuration"));
    let document = match fetcher.get(&openid).await {
        Ok(document) => document,
        Err(first) => {
            let oauth = place.at(format!("/.well-known/oauth-authorization-server{path}"));
            fetcher.get(&oauth).await.map_err(|_| first)?
        }
    };
    read(&document, issuer, place)
}

/// The address of an issuer's metadata, for clients that ask where to get a token (RFC 7628 §3.2.2).
pub(super) fn openid_configuration(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    )
}

fn read(document: &[u8], issuer: &str, place: &Endpoint) -> Result<Metadata, String> {
    let written: Written = serde_json::from_slice(document)
        .map_err(|error| format!("the metadata of {issuer} cannot be read: {error}"))?;
    if written.issuer != issuer {
        return Err(format!(
            "the metadata of {issuer} are those of {:?}",
            written.issuer
        ));
    }
    let own = |name: &str, url: Option<String>| {
        let Some(url) = url else {
            return Ok(None);
        };
        match Endpoint::parse(&url) {
            Ok(endpoint) if endpoint.same_origin(place) => Ok(Some(endpoint)),
            _ => Err(format!(
                "the {name} of {issuer} is on another origin, {url:?}: name it in the configuration"
            )),
        }
    };
    Ok(Metadata {
        keys: own("jwks_uri", written.jwks_uri)?,
        // Only who is configured to use it needs it.
        introspection: own("introspection_endpoint", written.introspection_endpoint)
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.example.com/tenant";

    fn metadata(json: &str) -> Result<Metadata, String> {
        read(json.as_bytes(), ISSUER, &Endpoint::parse(ISSUER).unwrap())
    }

    // T-21: "URLs only from config or its discovery on the same origin".
    #[test]
    fn t_21_metadata_lead_nowhere_else() {
        let good = metadata(
            r#"{"issuer":"https://login.example.com/tenant","jwks_uri":"https://login.example.com/keys"}"#,
        );
        assert_eq!(good.unwrap().keys.unwrap().target, "/keys");
        for bad in [
            r#"{"issuer":"https://login.example.com/tenant","jwks_uri":"https://keys.example.com/"}"#,
            r#"{"issuer":"https://login.example.com/tenant","jwks_uri":"http://login.example.com/keys"}"#,
            r#"{"issuer":"https://login.example.com/tenant","jwks_uri":"http://169.254.169.254/"}"#,
            r#"{"issuer":"https://login.example.com/tenant","jwks_uri":"file:///etc/passwd"}"#,
            r#"{"issuer":"https://login.example.com/tenant/","jwks_uri":"https://login.example.com/keys"}"#,
            r#"{"issuer":"https://evil.example/tenant","jwks_uri":"https://login.example.com/keys"}"#,
            r#"{"jwks_uri":"https://login.example.com/keys"}"#,
            r#"{"issuer":7}"#,
            "[]",
            "",
        ] {
            assert!(metadata(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn clients_are_sent_to_the_openid_document() {
        for issuer in ["https://a.example/t", "https://a.example/t/"] {
            assert_eq!(
                openid_configuration(issuer),
                "https://a.example/t/.well-known/openid-configuration"
            );
        }
    }
}
