//! DIGEST-MD5 on a second connection to the same server: the exchange of the first is taken up (RFC 2831 §2.2), or not.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_sasl::mechanism::{DIGEST_MD5, Mechanism, SCRAM_SHA_256};
use gatepost_sasl::{
    DigestMd5Session, ExchangeId, LayerPolicy, LayerStrength, ResumableExchanges, TakenUp,
};
use gatepost_smtp::client::{
    ClientCommand, ClientFailure, ClientInput, CredentialFault, MechanismChoice,
};
use gatepost_testkit::client::ClientBench;
use gatepost_testkit::loopback::Loopback;
use gatepost_testkit::split::Cuts;

use crate::bench::{self, authenticate};

/// Knows the last exchange.
#[derive(Debug, Default)]
struct Last(Mutex<Option<(ExchangeId, u32)>>);

impl ResumableExchanges for Last {
    fn remember(&self, exchange: ExchangeId) {
        *self.0.lock().unwrap() = Some((exchange, 1));
    }

    fn take_up(&self, exchange: ExchangeId, count: u32) -> TakenUp {
        let mut last = self.0.lock().unwrap();
        match *last {
            Some((known, used)) if known == exchange && count == used + 1 => {
                *last = Some((known, count));
                TakenUp::Next
            }
            Some((known, _)) if known == exchange => TakenUp::Stale,
            _ => TakenUp::Unknown,
        }
    }
}

/// A client that is told to reach the server under this name; a long one makes a long response.
fn client(mechanism: &'static Mechanism, session: &DigestMd5Session, host: &str) -> ClientBench {
    let ClientCommand::Authenticate(mut request) = authenticate(mechanism) else {
        unreachable!("it is what it is")
    };
    request.digest_md5_session = Some(session.clone());
    host.clone_into(&mut request.host);
    bench::client([ClientCommand::Authenticate(request), ClientCommand::Quit])
}

fn connect(session: &DigestMd5Session, memory: &Arc<Last>, nonce: &str, host: &str) -> Vec<String> {
    let mut server = bench::server(&[&DIGEST_MD5]);
    server.program.params.realms = vec!["example.com".to_owned()];
    server.program.directory.realms = vec!["example.com".to_owned()];
    nonce.clone_into(&mut server.program.params.nonce);
    server.program.params.resumable = Some(memory.clone());
    let mut pair = Loopback::new(server, client(&DIGEST_MD5, session, host), &Cuts::Whole);
    assert!(pair.run(), "there is no end of it");
    assert!(pair.client.ends.iter().all(Result::is_ok), "{nonce}");
    let said = String::from_utf8(pair.from_client).unwrap();
    let behind_ehlo = said.lines().skip(1);
    behind_ehlo.map(str::to_owned).collect()
}

/// What is sent of an exchange: where base64 stands, its text.
fn shown(lines: &[String]) -> Vec<String> {
    let readable = |line: &String| {
        let (before, word) = line.rsplit_once(' ').map_or(("", line.as_str()), |it| it);
        match STANDARD.decode(word) {
            Ok(octets) if word.len() > 20 => {
                let text = String::from_utf8(octets).unwrap();
                let nonce = text.split(',').find(|part| part.starts_with("nonce="));
                let count = text.split(',').find(|part| part.starts_with("nc="));
                let told = format!("{before} {} {}", nonce.unwrap(), count.unwrap());
                told.trim().to_owned()
            }
            _ => line.clone(),
        }
    };
    lines.iter().map(readable).collect()
}

// DIG-20, DIG-21.
#[test]
fn dig_20_dig_21_a_second_connection_saves_a_round_trip() {
    let (session, memory) = (DigestMd5Session::default(), Arc::new(Last::default()));
    let said = |nonce: &str| shown(&connect(&session, &memory, nonce, "mail.example.com"));
    let whole = |nonce: &str| {
        let response = format!("nonce=\"{nonce}\" nc=00000001");
        ["AUTH DIGEST-MD5", &response, "", "QUIT"].map(str::to_owned)
    };
    assert_eq!(said("n1"), whole("n1"));
    let resumed = |count| {
        let line = format!("AUTH DIGEST-MD5 nonce=\"n1\" nc={count}");
        [line, String::new(), "QUIT".to_owned()]
    };
    assert_eq!(said("n2"), resumed("00000002"));
    assert_eq!(said("n3"), resumed("00000003"));
    // The server has begun anew meanwhile.
    *memory.0.lock().unwrap() = None;
    let [first, rest @ ..] = &said("n4")[..] else {
        panic!("nothing was said")
    };
    assert_eq!(first, "AUTH DIGEST-MD5 nonce=\"n1\" nc=00000004");
    assert_eq!(rest, &whole("n4")[1..]);
}

// AUTH-14: what does not fit the line waits for no prompt: the server speaks first, with a nonce of its own.
#[test]
fn auth_14_a_response_that_is_too_long_for_the_line_is_not_sent_at_all() {
    let (session, memory) = (DigestMd5Session::default(), Arc::new(Last::default()));
    let host = format!("mail.{}.example.com", "x".repeat(240));
    let said = |nonce: &str| shown(&connect(&session, &memory, nonce, &host));
    for nonce in ["n1", "n2"] {
        assert_eq!(said(nonce)[0], "AUTH DIGEST-MD5");
        assert_eq!(said(nonce)[1], format!("nonce=\"{nonce}\" nc=00000001"));
    }
}

// Not every server knows what an initial response means here: one that refuses it is asked once more, without.
#[test]
fn a_server_that_refuses_the_initial_response_is_asked_without() {
    for refusal in ["501 5.5.4 no", "535 5.7.8 no"] {
        let (session, memory) = (DigestMd5Session::default(), Arc::new(Last::default()));
        connect(&session, &memory, "n1", "mail.example.com");
        let mut client = client(&DIGEST_MD5, &session, "mail.example.com");
        let mut say = |line: &str| {
            client.handle(ClientInput::Bytes(format!("{line}\r\n").as_bytes()));
            String::from_utf8(client.take_output()).unwrap()
        };
        say("220 x");
        let auth = say("250-x\r\n250 AUTH DIGEST-MD5");
        assert!(auth.starts_with("AUTH DIGEST-MD5 "), "{auth}");
        assert_eq!(say(refusal), "AUTH DIGEST-MD5\r\n", "{refusal}");
        // Once, and then it is believed.
        assert_eq!(say(refusal), "", "{refusal}");
        let refused = matches!(
            client.ends.last(),
            Some(Err(ClientFailure::Credential(
                CredentialFault::Refused { .. }
            )))
        );
        assert!(refused, "{refusal}");
    }
}

// LAYER-08: a layer that is demanded is demanded inside TLS as well, and of every mechanism.
#[test]
fn layer_08_a_layer_that_is_demanded() {
    let demanding = |choice, offer: &str| {
        let ClientCommand::Authenticate(mut request) = authenticate(&DIGEST_MD5) else {
            unreachable!("it is what it is")
        };
        request.choice = choice;
        request.layers = LayerPolicy::exactly(LayerStrength::Integrity);
        let mut client = bench::client([ClientCommand::Authenticate(request)]);
        client.handle(ClientInput::Bytes(b"220 x\r\n"));
        let ehlo = format!("250-x\r\n250 AUTH {offer}\r\n");
        client.take_output();
        client.handle(ClientInput::Bytes(ehlo.as_bytes()));
        let said = String::from_utf8(client.take_output()).unwrap();
        (said, client)
    };
    for choice in [
        MechanismChoice::Strongest,
        MechanismChoice::Only(&SCRAM_SHA_256),
    ] {
        let (_, client) = demanding(choice, "SCRAM-SHA-256 PLAIN");
        assert!(matches!(
            client.ends.last(),
            Some(Err(ClientFailure::Credential(
                CredentialFault::NoUsableMechanism { .. }
            )))
        ));
    }
    let (said, mut client) = demanding(MechanismChoice::Strongest, "SCRAM-SHA-256 DIGEST-MD5");
    assert_eq!(said, "AUTH DIGEST-MD5\r\n");
    for (offer, taken) in [("auth", false), ("auth,auth-int", true)] {
        let challenge = format!("nonce=n,qop=\"{offer}\",algorithm=md5-sess");
        let prompt = format!("334 {}\r\n", STANDARD.encode(challenge));
        client.handle(ClientInput::Bytes(prompt.as_bytes()));
        let said = String::from_utf8(client.take_output()).unwrap();
        let text = STANDARD.decode(said.trim()).unwrap_or_default();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.contains("qop=auth-int"), taken, "{offer}: {said}");
        assert_eq!(said == "*\r\n", !taken);
        (_, client) = demanding(MechanismChoice::Strongest, "DIGEST-MD5");
    }
}
