//! Where an issuer of tokens is asked, and what may stand there (pure).
//!
//! https, or http to a loopback address. No user name, no fragment. What an issuer's own documents name must be of the origin that
//! the operator wrote, so that no document sends us elsewhere (T-21).

use std::net::IpAddr;

use hyper::Uri;

/// A URL that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// By https.
    pub tls: bool,
    /// Name or address, without brackets, in lower case.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path and query.
    pub target: String,
    /// Host and port as in the Host field.
    pub authority: String,
}

impl Endpoint {
    /// Reads a URL; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("it does not begin with https://"),
        };
        let authority = uri.authority().ok_or("it names no host")?.as_str();
        if authority.contains('@') || text.contains('#') {
            return Err("it has a user name or a fragment");
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return Err("it names no host");
        }
        if !tls && !is_loopback(&host) {
            return Err("only a loopback address can be asked without TLS");
        }
        Ok(Self {
            tls,
            host,
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            target: uri
                .path_and_query()
                .map_or("/", |it| it.as_str())
                .to_owned(),
            authority: authority.to_owned(),
        })
    }

    /// Whether scheme, host and port are the same (RFC 6454 §4).
    pub fn same_origin(&self, other: &Self) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }

    /// Another path of the same origin.
    #[must_use]
    pub fn at(&self, target: String) -> Self {
        Self {
            target,
            ..self.clone()
        }
    }

    /// The path without query and without slashes at its end.
    pub fn path(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.trim_end_matches('/')
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    // T-21: "https; private addresses refused unless listed": what is asked is what the operator wrote.
    #[test]
    fn t_21_only_https_or_loopback() {
        for (url, host, port, target) in [
            ("https://login.example.com", "login.example.com", 443, "/"),
            (
                "https://LOGIN.example.com:8443/a/b?c=d",
                "login.example.com",
                8443,
                "/a/b?c=d",
            ),
            ("http://127.0.0.1:2580/oauth", "127.0.0.1", 2580, "/oauth"),
            ("http://[::1]:80/", "::1", 80, "/"),
            ("http://localhost", "localhost", 80, "/"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(
                (
                    endpoint.host.as_str(),
                    endpoint.port,
                    endpoint.target.as_str()
                ),
                (host, port, target),
                "{url}"
            );
        }
        for url in [
            "http://login.example.com/",
            "http://127.0.0.1.example.com/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest",
            "https://user@login.example.com/",
            "https://login.example.com/#f",
            "file:///etc/passwd",
            "ftp://localhost/",
            "login.example.com",
            "https:///x",
            "https://a b/",
            "",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        let issuer = Endpoint::parse("https://login.example.com/tenant/").unwrap();
        assert_eq!(issuer.path(), "/tenant");
        for (url, same) in [
            ("https://login.example.com:443/keys", true),
            ("https://Login.Example.Com/keys", true),
            ("https://login.example.com:444/keys", false),
            ("https://keys.example.com/", false),
            ("https://login.example.com.evil.test/", false),
        ] {
            assert_eq!(
                Endpoint::parse(url).unwrap().same_origin(&issuer),
                same,
                "{url}"
            );
        }
    }
}
