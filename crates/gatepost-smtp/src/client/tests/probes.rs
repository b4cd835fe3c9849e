//! What no mechanism of today does: endless exchanges, an empty first message, a security layer. Each by a mechanism that the loop has
//! never heard of.

use gatepost_sasl::{
    AwaitChallenge, ClientFault, ClientParams, ClientStep, ClientSuccess, InitialResponse,
    LayerFault, Mechanism, Needs, Secret, SecurityLayer, ServerStep,
};

use super::{IN_CLEAR, Setting, authentication, some_time};
use crate::client::{
    Authentication, ClientCommand, ClientInput, ClientOutput, ClientProfile, ClientSession,
    Completed, HelloName, MechanismChoice, StartTlsUse,
};

/// Answers every challenge, and has nothing to say at first.
static ENDLESS: Mechanism = Mechanism {
    name: "X-ENDLESS",
    standard: "none",
    strength: 1,
    initial_response: InitialResponse::Optional,
    exposes_password: false,
    quit_aborts: false,
    layer: false,
    binds_channel: false,
    long_lines: false,
    needs: Needs::Password,
    server: |_, _| ServerStep::refused(gatepost_sasl::Refusal::Malformed),
    client: |_| ClientStep::respond(Vec::new(), Talkative),
};

/// Agrees on a toy layer after one message.
static LAYERED: Mechanism = Mechanism {
    name: "X-LAYERED",
    layer: true,
    client: |_: ClientParams| ClientStep::respond(*b"x", Agreed),
    ..ENDLESS
};

struct Talkative;

impl AwaitChallenge for Talkative {
    fn challenge(self: Box<Self>, challenge: &[u8]) -> ClientStep {
        ClientStep::Respond(Secret::new(challenge), self)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess::default())
    }
}

struct Agreed;

impl AwaitChallenge for Agreed {
    fn challenge(self: Box<Self>, _challenge: &[u8]) -> ClientStep {
        ClientStep::Abort(ClientFault::UnexpectedChallenge)
    }

    fn succeeded(self: Box<Self>) -> Result<ClientSuccess, ClientFault> {
        Ok(ClientSuccess {
            layer: Some(Box::new(Toy)),
        })
    }
}

/// One octet of length, then the octets with every bit turned. A length of 255 is against the agreement.
struct Toy;

impl SecurityLayer for Toy {
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFault> {
        for piece in plain.chunks(7) {
            wire.push(u8::try_from(piece.len()).unwrap());
            wire.extend(piece.iter().map(|octet| !octet));
        }
        Ok(())
    }

    fn open(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<usize, LayerFault> {
        let Some((&length, rest)) = wire.split_first() else {
            return Ok(0);
        };
        if length == 255 {
            return Err(LayerFault::TooLong);
        }
        let Some(piece) = rest.get(..usize::from(length)) else {
            return Ok(0);
        };
        plain.extend(piece.iter().map(|octet| !octet));
        Ok(1 + usize::from(length))
    }

    fn describe(&self) -> &'static str {
        "toy"
    }
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    Toy.seal(plain, &mut wire).unwrap();
    wire
}

fn by(mechanism: &'static Mechanism) -> ClientCommand {
    ClientCommand::Authenticate(Authentication {
        choice: MechanismChoice::Only(mechanism),
        ..authentication()
    })
}

const HELLO: &str =
    "S: 220 x\nC: EHLO client.example.com\nS: 250-x\nS: 250 AUTH X-ENDLESS X-LAYERED\n";

/// AUTH-06: "Empty IR MUST be sent as `=`; inside the exchange an empty response is an empty line, never `=`". AUTH-23: 20 rounds.
#[test]
fn auth_06_auth_23_empty_messages_and_rounds() {
    let setting = Setting {
        commands: || vec![by(&ENDLESS)],
        ..IN_CLEAR
    };
    let rounds = "S: 334 \nC:\n".repeat(20);
    let dialogue = format!("{HELLO}C: AUTH X-ENDLESS =\n{rounds}S: 334 \nC: *\nS: 501 cancelled");
    assert_eq!(
        setting.end(&dialogue),
        "AUTH X-ENDLESS was given up: the server goes on asking without end"
    );
    let dialogue = format!("{HELLO}C: AUTH X-ENDLESS =\n{rounds}S: 235 ok");
    assert_eq!(setting.end(&dialogue), "authenticated by X-ENDLESS");
}

/// LAYER-01, LAYER-03, LAYER-06: the layer begins in both directions at the exact octet, wherever segments and frames are cut; the
/// client says EHLO again and forgets what it was told before. Played with the server's octets cut at every place.
#[test]
fn layer_03_the_layer_begins_in_the_middle_of_a_segment() {
    let first = b"235 ok\r\n".to_vec();
    let second = sealed(b"250-x\r\n250-SIZE 77\r\n250 AUTH X-LAYERED\r\n");
    for cut in 0..=second.len() {
        let mut session = greeted();
        // A server that seals ahead of our EHLO is out of step, but frames may come in any pieces after it.
        assert_eq!(
            exchange(&mut session, &first),
            sealed(b"EHLO client.example.com\r\n")
        );
        let (left, right) = second.split_at(cut);
        exchange(&mut session, left);
        exchange(&mut session, right);
        assert!(session.is_open());
        assert_eq!(session.capabilities().size, Some(77));
        session.handle(ClientInput::Command(ClientCommand::Reset), some_time());
        assert_eq!(exchange(&mut session, b""), sealed(b"RSET\r\n"));
        // An empty frame yields nothing.
        exchange(
            &mut session,
            &[b"\0".as_slice(), &sealed(b"250 ok\r\n")].concat(),
        );
        assert!(session.is_open());
    }
    // What came behind the 235 in its segment is opened by the layer, not read as replies.
    let mut session = greeted();
    exchange(&mut session, &[first.as_slice(), &second].concat());
    assert_eq!(session.capabilities().size, Some(77));
}

/// LAYER-05: "undecodable → MUST close".
#[test]
fn layer_05_a_broken_frame_closes() {
    let mut session = greeted();
    exchange(&mut session, b"235 ok\r\n");
    session.handle(ClientInput::Bytes(&[255, 1, 2]), some_time());
    let outputs: Vec<_> = std::iter::from_fn(|| session.poll()).collect();
    assert!(
        matches!(outputs.last(), Some(ClientOutput::Close)),
        "{outputs:?}"
    );
    assert!(!session.is_open());
}

/// A session that has sent `AUTH X-LAYERED`.
fn greeted() -> ClientSession {
    let profile = ClientProfile {
        start_tls: StartTlsUse::OnDemand,
        ..ClientProfile::new(HelloName::parse("client.example.com").unwrap())
    };
    let mut session = ClientSession::new(profile, None, some_time());
    exchange(&mut session, b"220 x\r\n");
    exchange(
        &mut session,
        b"250-x\r\n250-SIZE 1\r\n250 AUTH X-LAYERED\r\n",
    );
    session.handle(ClientInput::Command(by(&LAYERED)), some_time());
    assert_eq!(exchange(&mut session, b""), b"AUTH X-LAYERED eA==\r\n");
    session
}

/// Hands octets in and takes what the session writes.
fn exchange(session: &mut ClientSession, octets: &[u8]) -> Vec<u8> {
    session.handle(ClientInput::Bytes(octets), some_time());
    while let Some(output) = session.poll() {
        assert!(
            matches!(
                output,
                ClientOutput::Done(Ok(Completed::Connected
                    | Completed::Authenticated { .. }
                    | Completed::Reset))
            ),
            "{output:?}"
        );
    }
    std::mem::take(session.pending_output())
}
