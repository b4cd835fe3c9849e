//! V-50: what the caller gives cannot leave its place. Everything is refused before the network is touched.

use gatepost_client::{Address, AddressError, Connector, Error, Roots, TlsMode};

#[tokio::test]
async fn names_that_cannot_be_used() {
    let hosts = [
        "",
        " ",
        "a b",
        "host\r\nQUIT",
        "host\0",
        "host>",
        "-",
        "a..b",
        "host:25",
        "h\u{f6}st\u{202e}",
    ];
    for host in hosts {
        let error = Connector::new(host, 9, TlsMode::None)
            .connect()
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Address(AddressError::Host(_))),
            "{host:?}: {error}"
        );
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    for name in [
        "",
        "a b",
        "a\r\nMAIL FROM:<x@example.com>",
        "a>",
        "a\n",
        "a\0b",
    ] {
        let error = Connector::new("127.0.0.1", 9, TlsMode::None)
            .ehlo_name(name)
            .connect()
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Address(AddressError::HelloName(_))),
            "{name:?}: {error}"
        );
    }
}

#[test]
fn addresses_that_cannot_be_used() {
    let bad = [
        "a@b\r\nDATA",
        "a b@example.com",
        "a@example.com>",
        "<a@example.com",
        "a@example.com SIZE=1",
        "a\0@example.com",
        "a@b\nc",
    ];
    for text in bad {
        assert!(Address::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn roots_that_are_none() {
    assert!(matches!(
        Roots::from_pem(b"", "here"),
        Err(AddressError::Roots { .. })
    ));
    let error = Roots::from_pem_file("/nonexistent/ca.pem".as_ref())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nonexistent/ca.pem"), "{error}");
}
