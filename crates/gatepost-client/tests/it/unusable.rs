//! V-50: what the caller gives cannot leave its place. Everything is refused before an octet of it is written.

use gatepost_client::{
    Address, AddressError, Connector, Credentials, EnvelopeId, Error, ForwardPath, MechanismChoice,
    Notify, OriginalRecipient, Ret, ReversePath, Roots, TlsMode, mechanism,
};

use crate::peer::{Peer, faultless};

/// One argument of the library: its name, a good value, and how it is taken.
type Argument = (&'static str, &'static str, fn(&str) -> bool);

/// Every argument that is text and ends up in a command, and is judged without a connection.
const ARGUMENTS: &[Argument] = &[
    ("Address", "me@example.com", |text| {
        Address::parse(text).is_ok()
    }),
    ("Address, quoted", "\"m e\"@example.com", |text| {
        Address::parse(text).is_ok()
    }),
    ("ReversePath", "me@example.com", |text| {
        ReversePath::parse(text).is_ok()
    }),
    ("ForwardPath", "me@example.com", |text| {
        ForwardPath::parse(text, "example.com").is_ok()
    }),
    ("EnvelopeId", "QQ314159", |text| {
        EnvelopeId::parse(text).is_ok()
    }),
    ("OriginalRecipient", "rfc822;me@example.com", |text| {
        OriginalRecipient::parse(text).is_ok()
    }),
    ("Notify", "NEVER", |text| Notify::parse(text).is_ok()),
    ("Ret", "HDRS", |text| Ret::parse(text).is_ok()),
];

/// What would end a line, a path or a word in the middle of each value.
const BREAKERS: [&str; 6] = ["\r\nRSET\r\n", "\n", "\r", "\0", " SIZE=1", ">"];

#[test]
fn v_50_no_argument_can_leave_its_place() {
    for (name, good, takes) in ARGUMENTS {
        assert!(takes(good), "{name} takes {good:?}");
        for breaker in BREAKERS {
            for at in [0, good.len() / 2, good.len()] {
                let (before, after) = good.split_at(at);
                let text = format!("{before}{breaker}{after}");
                // Inside quotes a space and an angle bracket are what they look like (RFC 5321 §4.1.2).
                let quoted = before.starts_with('"') && !before.contains("\"@");
                let printable = !breaker.contains(char::is_control);
                // `>` is printable, and xtext may carry it (RFC 3461 §4); it ends nothing there.
                let xtext = breaker == ">" && ["EnvelopeId", "OriginalRecipient"].contains(name);
                if (quoted && printable) || xtext {
                    continue;
                }
                assert!(!takes(&text), "{name} takes {text:?}");
            }
        }
    }
}

/// Line ends written as xtext come out again on the other side, so they are no better.
#[test]
fn v_50_nothing_hides_in_xtext() {
    for text in ["a+0D+0Ab", "a+0A", "+00", "a+7F"] {
        assert!(EnvelopeId::parse(text).is_err(), "{text}");
        assert!(
            OriginalRecipient::parse(&format!("rfc822;{text}")).is_err(),
            "{text}"
        );
    }
    assert!(OriginalRecipient::parse("utf-8;a\\x{A}b").is_err());
}

#[tokio::test]
async fn v_50_names_that_cannot_be_used() {
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

/// Names and passwords travel as base64, where a line end would do no harm on the wire; it is a mistake all the same, and a NUL is one
/// to every mechanism. The error does not show them.
#[tokio::test]
async fn v_50_credentials_that_cannot_be_used() {
    let peer = Peer::start(false, None, faultless).await;
    let connector =
        Connector::new("127.0.0.1", peer.port, TlsMode::None).allow_clear_password(true);
    for breaker in ["\r\n", "\n", "\r", "\0"] {
        let broken = format!("hunter2{breaker}");
        let rows = [
            (Credentials::new(broken.as_str(), "secret"), "user name"),
            (
                Credentials::new("user", "secret").acting_as(broken.as_str()),
                "name to act as",
            ),
            (Credentials::new("user", broken.as_str()), "password"),
        ];
        for (credentials, part) in rows {
            for choice in [
                MechanismChoice::Strongest,
                MechanismChoice::Only(&mechanism::PLAIN),
            ] {
                let mut client = connector.connect().await.unwrap();
                let error = client.authenticate(&credentials, choice).await.unwrap_err();
                assert!(
                    matches!(error, Error::Address(AddressError::Credentials(which)) if which == part),
                    "{part}: {error}"
                );
                assert!(!format!("{error:#} {error:?}").contains("hunter2"));
            }
        }
    }
    assert!(!peer.heard().clear.contains("AUTH"), "{:?}", peer.heard());
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
