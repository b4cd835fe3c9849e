//! Servers that take only so much at a time, and one that promises what it cannot do.

use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_client::{
    Address, Chunking, ClientFailure, Connector, Envelope, Error, ProtocolFault, TlsMode,
};

use crate::peer::{Act, At, Peer, faultless};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nx\r\n";

fn envelope(recipients: usize) -> Envelope {
    let address = |text: &str| Address::parse(text).unwrap();
    let recipients = (0..recipients).map(|number| address(&format!("r{number}@example.net")));
    Envelope::new(address("a@example.com"), recipients, MESSAGE)
}

fn connector(peer: &Peer) -> Connector {
    Connector::new("127.0.0.1", peer.port, TlsMode::None).ehlo_name("client.example.com")
}

/// How many recipients each transaction named.
fn transactions(heard: &str) -> Vec<usize> {
    let named = |transaction: &str| transaction.matches("RCPT TO:").count();
    heard.split("MAIL FROM:").skip(1).map(named).collect()
}

/// LIM-02: "Respect RCPTMAX by splitting; on 452 4.5.3 split & continue." Everybody gets the message, once.
#[tokio::test]
async fn lim_02_a_message_goes_in_as_many_transactions_as_it_takes() {
    let announced = |at, line: &str| match at {
        At::Hello => Act::Say(b"250-peer\r\n250 LIMITS RCPTMAX=2\r\n".to_vec()),
        _ => faultless(at, line),
    };
    let peer = Peer::start(false, None, announced).await;
    let mut client = connector(&peer).connect().await.unwrap();
    let report = client.send(&envelope(5), MESSAGE).await.unwrap();
    assert!(report.recipients.iter().all(Result::is_ok) && report.left_over.is_empty());
    client.quit().await;
    assert_eq!(transactions(&peer.heard().clear), [2, 2, 1]);

    let named = AtomicUsize::new(0);
    let unannounced = move |at, line: &str| match at {
        At::Mail => {
            named.store(0, Ordering::Relaxed);
            faultless(at, line)
        }
        At::Rcpt if named.fetch_add(1, Ordering::Relaxed) >= 2 => {
            Act::Say(b"452 4.5.3 too many recipients\r\n".to_vec())
        }
        _ => faultless(at, line),
    };
    let peer = Peer::start(false, None, unannounced).await;
    let mut client = connector(&peer).connect().await.unwrap();
    let report = client.send(&envelope(5), MESSAGE).await.unwrap();
    assert!(report.recipients.iter().all(Result::is_ok) && report.left_over.is_empty());
    let heard = peer.heard();
    assert_eq!(transactions(&heard.clear), [5, 3, 1]);
}

/// A server that takes nobody is not asked without end, and one that goes away leaves those it did not take for later.
#[tokio::test]
async fn lim_02_it_comes_to_an_end() {
    let nobody = |at, line: &str| match at {
        At::Rcpt => Act::Say(b"452 4.5.3 too many recipients\r\n".to_vec()),
        _ => faultless(at, line),
    };
    let peer = Peer::start(false, None, nobody).await;
    let mut client = connector(&peer).connect().await.unwrap();
    let report = client.send(&envelope(3), MESSAGE).await.unwrap();
    let waits = |outcome: &Result<_, gatepost_client::Reply>| {
        outcome
            .as_ref()
            .is_err_and(|reply| reply.code.is_transient())
    };
    assert!(report.recipients.iter().all(waits));
    assert_eq!(transactions(&peer.heard().clear), [3]);

    let mails = AtomicUsize::new(0);
    let going = move |at, line: &str| match at {
        At::Hello => Act::Say(b"250-peer\r\n250 LIMITS RCPTMAX=1\r\n".to_vec()),
        At::Mail if mails.fetch_add(1, Ordering::Relaxed) == 1 => Act::Close,
        _ => faultless(at, line),
    };
    let peer = Peer::start(false, None, going).await;
    let mut client = connector(&peer).connect().await.unwrap();
    let report = client.send(&envelope(3), MESSAGE).await.unwrap();
    assert!(report.recipients[0].is_ok() && report.recipients[1..].iter().all(waits));
    assert_eq!(report.left_over, [1, 2]);
    assert!(!client.is_open());
}

/// RFC 9422 §4.1: MAILMAX.
#[tokio::test]
async fn a_connection_that_is_used_up() {
    let once = |at, line: &str| match at {
        At::Hello => Act::Say(b"250-peer\r\n250 LIMITS MAILMAX=1\r\n".to_vec()),
        _ => faultless(at, line),
    };
    let peer = Peer::start(false, None, once).await;
    let mut client = connector(&peer).connect().await.unwrap();
    assert!(client.is_open());
    client.send(&envelope(1), MESSAGE).await.unwrap();
    assert!(!client.is_open());
    client.quit().await;
    assert!(peer.heard().clear.ends_with("QUIT\r\n"));
}

/// A server (or a box on the way) that announces CHUNKING and does not know BDAT is spoken to by DATA from then on.
#[tokio::test]
async fn chunking_that_is_only_announced() {
    let promising = |at, line: &str| match at {
        At::Hello => Act::Say(b"250-peer\r\n250 CHUNKING\r\n".to_vec()),
        At::Response if line.starts_with("BDAT ") => Act::Say(b"500 5.5.1 what?\r\n".to_vec()),
        _ => faultless(at, line),
    };
    let peer = Peer::start(false, None, promising).await;
    let connector = connector(&peer).chunking(Chunking::Preferred);
    let mut client = connector.connect().await.unwrap();
    let error = client.send(&envelope(1), MESSAGE).await.unwrap_err();
    let unknown = matches!(
        &error,
        Error::Server(ClientFailure::Protocol {
            fault: ProtocolFault::ChunkingUnknown(_),
            ..
        })
    );
    assert!(
        unknown && error.is_transient() && !client.is_open(),
        "{error}"
    );
    assert_eq!(error.reply().unwrap().code.value(), 500);
    let mut client = connector.connect().await.unwrap();
    let report = client.send(&envelope(1), MESSAGE).await.unwrap();
    assert!(report.recipients[0].is_ok());
    assert!(peer.heard().clear.contains("DATA\r\n"));
}
