//! The layers of DIGEST-MD5 around whole sessions in clear text: agreed on by both, used by both, and no way around them.

use gatepost_sasl::mechanism::{DIGEST_MD5, PLAIN, SCRAM_SHA_1};
use gatepost_sasl::{LayerPolicy, LayerStrength};
use gatepost_smtp::client::{
    ClientCommand, ClientFailure, ClientInput, ClientProfile, CredentialFault, ExchangeFault,
    HelloName, MechanismChoice, StartTlsUse,
};
use gatepost_smtp::server::{Profile, TlsPolicy};
use gatepost_testkit::client::{ClientBench, User};
use gatepost_testkit::loopback::Loopback;
use gatepost_testkit::program::Program;
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::split::Cuts;

use crate::bench::{NAME, PASSWORD, authenticate, send_message};

/// What the server allows.
const ALL: LayerPolicy = LayerPolicy {
    weak_ciphers: true,
    ..LayerPolicy::ANY
};

fn server(layers: LayerPolicy) -> ServerBench {
    let mut program = Program::with(NAME, PASSWORD);
    program.offer = Some(vec![&DIGEST_MD5, &PLAIN]);
    program.params.layers = layers;
    program.params.realms = vec!["example.com".to_owned()];
    program.directory.realms = vec!["example.com".to_owned()];
    let profile = Profile {
        tls: TlsPolicy::None,
        ..Profile::submission("mail.example.com")
    };
    ServerBench::new(profile, program, None).unwrap()
}

fn client(layers: LayerPolicy, content: &[u8]) -> ClientBench {
    let ClientCommand::Authenticate(mut authentication) = authenticate(&DIGEST_MD5) else {
        unreachable!("it is what it is")
    };
    authentication.layers = layers;
    let jobs = [
        ClientCommand::Authenticate(authentication),
        send_message(content),
        ClientCommand::Quit,
    ];
    let user = User {
        content: content.to_vec(),
        ..User::with(PASSWORD, jobs)
    };
    let profile = ClientProfile {
        start_tls: StartTlsUse::OnDemand,
        ..ClientProfile::new(HelloName::parse("client.example.com").unwrap())
    };
    ClientBench::new(profile, user, None)
}

fn submitted(layers: LayerPolicy, content: &[u8], cuts: &Cuts) -> Loopback {
    let mut pair = Loopback::new(server(ALL), client(layers, content), cuts);
    assert!(pair.run(), "there is no end of it");
    pair
}

/// A message of some size, not to be taken for anything else.
fn message(lines: usize) -> Vec<u8> {
    let body = "All work and no play makes Jack a dull boy.\r\n".repeat(lines);
    format!("From: {NAME}\r\nSubject: under seal\r\n\r\n{body}").into_bytes()
}

fn shows(octets: &[u8], text: &str) -> bool {
    octets
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

// LAYER-01, LAYER-03, LAYER-06, LAYER-08, DIG-16, DIG-17, DIG-18: a message of several times maxbuf.
#[test]
fn layer_01_layer_03_layer_06_a_message_larger_than_maxbuf() {
    let content = message(5_000);
    assert!(content.len() > 3 * 65_536);
    for (layers, name) in [
        (LayerPolicy::NEVER, None),
        (
            LayerPolicy::exactly(LayerStrength::Integrity),
            Some("DIGEST-MD5/auth-int"),
        ),
        (LayerPolicy::ANY, Some("DIGEST-MD5/auth-conf/rc4")),
    ] {
        for cuts in [Cuts::Whole, Cuts::Random(7)] {
            let mut pair = submitted(layers, &content, &cuts);
            let ends: Vec<bool> = pair.client.ends.iter().map(Result::is_ok).collect();
            assert_eq!(ends, [true; 4], "{name:?}: {:?}", pair.client.ends);
            assert_eq!(pair.server.breaches, Vec::<String>::new());
            assert_eq!(pair.server.session.greeting_facts().layer, name);
            let protocol = pair.server.session.greeting_facts().protocol(false);
            assert!(protocol.authenticated && !protocol.tls);
            assert!(pair.server.program.messages.pop_front().as_deref() == Some(&content));
            let hidden = name.is_some_and(|name| name.contains("conf"));
            assert_eq!(shows(&pair.from_client, "Subject: under seal"), !hidden);
            // LAYER-03: with a layer the client begins anew, without one it does not.
            let hellos = pair
                .from_client
                .windows(5)
                .filter(|it| it == b"EHLO ")
                .count();
            assert_eq!(hellos, 1 + usize::from(name == Some("DIGEST-MD5/auth-int")));
        }
    }
}

// LAYER-02: commands in the same segment as the client's last response are inside the layer; octet by octet as well.
#[test]
fn layer_02_wherever_the_wire_is_cut() {
    let content = message(3);
    for layers in [
        LayerPolicy::exactly(LayerStrength::Integrity),
        LayerPolicy::ANY,
    ] {
        for cuts in [Cuts::Octets, Cuts::Random(1), Cuts::Random(2)] {
            let mut pair = submitted(layers, &content, &cuts);
            assert!(pair.client.ends.iter().all(Result::is_ok));
            assert_eq!(
                pair.server.program.messages.pop_front(),
                Some(content.clone())
            );
        }
    }
}

// LAYER-05, T-19: somebody on the way changes, repeats or leaves out a frame. Nothing of it is obeyed, and the connection ends.
#[test]
fn layer_05_tampering_ends_the_session() {
    type Tamper = fn(&[u8]) -> Vec<u8>;
    let tampers: [(&str, Tamper); 4] = [
        ("a bit", |frame| {
            let mut changed = frame.to_vec();
            if let Some(octet) = changed.get_mut(6) {
                *octet ^= 1;
            }
            changed
        }),
        ("twice", |frame| [frame, frame].concat()),
        ("a length of its own", |_| vec![0xff; 8]),
        ("clear text", |_| b"QUIT\r\n\r\n\r\n".to_vec()),
    ];
    for (what, tamper) in tampers {
        let mut server = server(ALL);
        let mut client = client(LayerPolicy::ANY, b"A: b\r\n");
        // As far as the 235.
        while server.session.greeting_facts().layer.is_none() {
            let heard = server.take_output();
            client.handle(ClientInput::Bytes(&heard));
            server.send(&client.take_output());
        }
        let heard = server.take_output();
        client.handle(ClientInput::Bytes(&heard));
        let frame = client.take_output();
        server.send(&tamper(&frame));
        assert!(server.closed, "{what}");
        assert!(server.program.messages.is_empty());
    }
}

// DIG-26: "Never choose if SCRAM offered".
#[test]
fn dig_26_scram_is_preferred() {
    let mut server = server(ALL);
    server.program.offer = Some(vec![&DIGEST_MD5, &SCRAM_SHA_1]);
    let mut client = client(LayerPolicy::ANY, b"A: b\r\n");
    let Some(ClientCommand::Authenticate(authentication)) = client.user.commands.front_mut() else {
        unreachable!("it is the first job")
    };
    authentication.choice = MechanismChoice::Strongest;
    let mut pair = Loopback::new(server, client, &Cuts::Whole);
    assert!(pair.run());
    let identity = pair.server.session.identity().unwrap();
    assert_eq!(identity.mechanism(), &SCRAM_SHA_1);
}

// SASL-05: somebody takes the stronger mechanism out of the list; under the layer the list is what it was.
#[test]
fn sasl_05_a_list_that_was_changed_on_the_way_shows_under_the_layer() {
    for (taken_out, trusted) in [("SCRAM-SHA-1 ", false), ("", true)] {
        let mut server = server(ALL);
        server.program.offer = Some(vec![&SCRAM_SHA_1, &DIGEST_MD5]);
        if trusted {
            server.program.offer = Some(vec![&DIGEST_MD5]);
        }
        let mut client = client(LayerPolicy::ANY, b"A: b\r\n");
        let Some(ClientCommand::Authenticate(authentication)) = client.user.commands.front_mut()
        else {
            unreachable!("it is the first job")
        };
        authentication.choice = MechanismChoice::Strongest;
        let (mut quiet, mut clear) = (0, true);
        while quiet < 3 {
            let mut heard = server.take_output();
            // Nobody can change what is sealed.
            if clear {
                let text = String::from_utf8(heard).unwrap();
                heard = text.replace(taken_out, "").into_bytes();
            }
            clear = server.session.greeting_facts().layer.is_none();
            client.handle(ClientInput::Bytes(&heard));
            let said = client.take_output();
            server.send(&said);
            quiet = if heard.is_empty() && said.is_empty() {
                quiet + 1
            } else {
                0
            };
        }
        assert_eq!(server.program.messages.len(), usize::from(trusted));
        let changed = client.ends.iter().any(|end| {
            matches!(
                end,
                Err(ClientFailure::Credential(CredentialFault::Exchange {
                    fault: ExchangeFault::ListChanged,
                    ..
                }))
            )
        });
        assert_eq!(changed, !trusted, "{:?}", client.ends);
    }
}
