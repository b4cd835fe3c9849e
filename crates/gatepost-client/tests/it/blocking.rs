//! The client without an asynchronous runtime.

use gatepost_client::{
    Address, AddressError, Connector, ContentMeter, Credentials, Envelope, Error, MechanismChoice,
    TlsMode,
};
use gatepost_smtp::server::TlsPolicy;
use tokio::runtime::Runtime;

use crate::certificates::Authority;
use crate::gatepost::{PASSWORD, Server, USER};

/// The server runs on threads of its own.
fn server(authority: &Authority) -> (Runtime, Server) {
    let runtime = Runtime::new().unwrap();
    let acceptor = authority.acceptor(&["localhost"]);
    let server = runtime.block_on(Server::start(TlsPolicy::StartTlsRequired, acceptor));
    (runtime, server)
}

#[test]
fn messages_go_out_one_after_the_other() {
    let authority = Authority::new();
    let (_runtime, server) = server(&authority);
    let connector =
        Connector::new("localhost", server.port, TlsMode::StartTls).roots(authority.roots());
    let mut client = connector.connect_blocking().unwrap();
    assert!(client.tls().is_some() && client.capabilities().offers("PLAIN"));
    let wrong = client.authenticate(
        &Credentials::new(USER, "hunter2"),
        MechanismChoice::Strongest,
    );
    assert!(matches!(wrong, Err(Error::Credential(_))));
    let credentials = Credentials::new(USER, PASSWORD);
    let by = client
        .authenticate(&credentials, MechanismChoice::Strongest)
        .unwrap();
    assert!(by.name.starts_with("SCRAM-SHA-"), "{by}");
    let address = |text: &str| Address::parse(text).unwrap();
    let message = b"Subject: x\n\n.dot\n";
    let envelope = Envelope::new(address(USER), [address("you@example.net")], message);
    assert!(client.send(&envelope, message).unwrap().recipients[0].is_ok());
    let long = "line\n".repeat(100_000);
    let envelope = Envelope {
        size: Some(ContentMeter::of(long.as_bytes()).octets()),
        ..envelope
    };
    let report = client.send_from(&envelope, long.as_bytes()).unwrap();
    assert!(report.recipients[0].is_ok());
    client.reset().unwrap();
    assert!(client.is_open());
    client.quit();
    let taken = server.taken();
    assert_eq!(taken[0].content, b"Subject: x\r\n\r\n.dot\r\n");
    assert_eq!(taken.len(), 2);
}

/// It would bring everything else in the runtime to a halt.
#[tokio::test]
async fn not_inside_an_asynchronous_runtime() {
    let refused = Connector::new("localhost", 9, TlsMode::None).connect_blocking();
    assert!(matches!(
        refused,
        Err(Error::Address(AddressError::InsideRuntime))
    ));
}
