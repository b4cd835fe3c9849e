//! Who is answered, and what every answer says about itself (T-54, T-55).
//!
//! A page of the web can make a browser send requests here, also under a name of its own that it lets point to this machine (DNS
//! rebinding). So `Host` must be `localhost` or a literal address: a loopback one where only this machine is served, any where the
//! listener is open to others, since no name can be rebound to a literal. Requests that change something must come from our own pages
//! or from no page at all. There is no CORS: no other page may read an answer. Bodies are small or refused.
//!
//! Every answer, refusals included, forbids scripts, frames, foreign content and guessing of types.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The largest body of a request, in octets.
const MAX_BODY: u64 = 1 << 20;

/// Which hosts a request may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// This machine only.
    Loopback,
    /// Others too.
    Network,
}

impl Reach {
    /// The reach of a listener at this address.
    pub(super) fn of(address: SocketAddr) -> Self {
        if address.ip().to_canonical().is_loopback() {
            Self::Loopback
        } else {
            Self::Network
        }
    }

    fn allows(self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else {
            return false;
        };
        let host = authority.host();
        if authority.as_str().contains('@') {
            return false;
        }
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let literal = host
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(host);
        let Ok(address) = literal.parse::<IpAddr>() else {
            return false;
        };
        match self {
            Self::Loopback => address.to_canonical().is_loopback(),
            Self::Network => true,
        }
    }
}

/// Answers the requests that may be answered, and marks every answer.
pub(super) async fn stand(State(reach): State<Reach>, request: Request, next: Next) -> Response {
    let mut response = match admit(reach, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in MARKS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

const MARKS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-store"),
];

type Refusal = (StatusCode, &'static str);

fn admit(reach: Reach, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let host = only(headers, &header::HOST)?.unwrap_or_default();
    let target = request.uri().authority();
    if !reach.allows(host) || target.is_some_and(|target| !reach.allows(target.as_str())) {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "This server answers only to localhost or an address such as 127.0.0.1 in the URL.\n",
        ));
    }
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(origin) = only(headers, &header::ORIGIN)?
        && !is_reading
        && origin.strip_prefix("http://") != Some(host)
    {
        return Err((
            StatusCode::FORBIDDEN,
            "Changes are taken from this server's own pages only.\n",
        ));
    }
    let length = only(headers, &header::CONTENT_LENGTH)?.and_then(|length| length.parse().ok());
    if length.unwrap_or(0) > MAX_BODY {
        return Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is larger than 1 MiB.\n",
        ));
    }
    Ok(())
}

/// The value of a field that may stand once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let refusal = (
        StatusCode::BAD_REQUEST,
        "A header field stands twice or is not text.\n",
    );
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refusal),
        (Some(_), Some(_)) => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T-55: only literals and localhost are names of this server.
    #[test]
    fn names_that_could_be_rebound_are_not_ours() {
        let own = [
            "localhost",
            "LocalHost:2580",
            "127.0.0.1:2580",
            "127.9.9.9",
            "[::1]:80",
            "[::ffff:127.0.0.1]",
        ];
        let elsewhere = ["192.0.2.1:2580", "[2001:db8::1]", "0.0.0.0"];
        let never = [
            "",
            "evil.test",
            "evil.test:2580",
            "localhost.evil.test",
            "localhost.",
            "127.0.0.1.evil.test",
            "127.0.0.1@evil.test",
            "localhost@evil.test",
            "evil.test@localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "[::1",
            "localhost evil.test",
        ];
        for host in own {
            assert!(
                Reach::Loopback.allows(host) && Reach::Network.allows(host),
                "{host}"
            );
        }
        for host in elsewhere {
            assert!(
                !Reach::Loopback.allows(host) && Reach::Network.allows(host),
                "{host}"
            );
        }
        for host in never {
            assert!(
                !Reach::Loopback.allows(host) && !Reach::Network.allows(host),
                "{host}"
            );
        }
    }

    #[test]
    fn the_listener_decides_the_reach() {
        for (address, reach) in [
            ("127.0.0.1:1", Reach::Loopback),
            ("[::1]:1", Reach::Loopback),
            ("[::ffff:127.0.0.1]:1", Reach::Loopback),
            ("0.0.0.0:1", Reach::Network),
            ("[::]:1", Reach::Network),
        ] {
            assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
        }
    }
}
