//! Both sides of RFC 4752 over a context that needs no Kerberos: tokens of one octet, and a checksum for protection.

use super::*;
use crate::layer::{LayerFault, SecurityLayer};
use crate::mechanism;

const ALL: LayerSet = LayerSet::NONE
    .or(LayerSet::INTEGRITY)
    .or(LayerSet::CONFIDENTIALITY);

/// Octets that wrapping adds: sequence number, protection, checksum.
const OVERHEAD: u32 = 3;

struct Toy {
    initiator: bool,
    /// Tokens until both sides stand; an even number ends with the acceptor's.
    legs: u8,
    /// Tokens seen and sent so far.
    leg: u8,
    encrypts: bool,
    sent: u8,
    received: u8,
}

impl Toy {
    fn boxed(initiator: bool, legs: u8) -> Box<dyn SecurityContext> {
        Box::new(Self {
            initiator,
            legs,
            leg: 0,
            encrypts: true,
            sent: 0,
            received: 0,
        })
    }
}

fn rejected(why: &str) -> ContextFault {
    ContextFault::Rejected(why.to_owned())
}

impl SecurityContext for Toy {
    fn establish(&mut self, token: &[u8]) -> Result<Establishing, ContextFault> {
        if !(self.initiator && self.leg == 0) {
            self.leg += 1;
            if token != [self.leg] {
                return Err(rejected("not the token that comes next"));
            }
        }
        let token = if self.leg < self.legs {
            self.leg += 1;
            vec![self.leg]
        } else {
            Vec::new()
        };
        Ok(Establishing {
            token,
            established: self.leg >= self.legs,
        })
    }

    fn names(&self) -> Result<Names, ContextFault> {
        Ok(Names {
            initiator: "alice@EXAMPLE.COM".to_owned(),
            target: "smtp/mail.example.com@EXAMPLE.COM".to_owned(),
        })
    }

    fn provides(&self, protection: Protection) -> bool {
        protection == Protection::Integrity || self.encrypts
    }

    fn wrap(&mut self, message: &[u8], protection: Protection) -> Result<Vec<u8>, ContextFault> {
        let key = match protection {
            Protection::Integrity => 0,
            Protection::Confidentiality => 0x5a,
        };
        let mut token = vec![self.sent, key];
        token.extend(message.iter().map(|octet| octet ^ key));
        token.push(token.iter().fold(7, |sum: u8, octet| {
            sum.wrapping_mul(31).wrapping_add(*octet)
        }));
        self.sent = self.sent.wrapping_add(1);
        Ok(token)
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<(Vec<u8>, Protection), ContextFault> {
        let [number, key, message @ .., sum] = token else {
            return Err(rejected("too short"));
        };
        let covered = &token[..token.len() - 1];
        let right = covered.iter().fold(7, |sum: u8, octet| {
            sum.wrapping_mul(31).wrapping_add(*octet)
        });
        if right != *sum || *number != self.received {
            return Err(rejected("altered or out of order"));
        }
        self.received = self.received.wrapping_add(1);
        let protection = match key {
            0 => Protection::Integrity,
            _ => Protection::Confidentiality,
        };
        Ok((
            message.iter().map(|octet| octet ^ key).collect(),
            protection,
        ))
    }

    fn wrap_size_limit(&mut self, _: Protection, octets: u32) -> Result<u32, ContextFault> {
        Ok(octets.saturating_sub(OVERHEAD))
    }
}

/// Plays an exchange to its end. Gives the messages, client's first, the client's layer, and what the server agreed to.
fn play(
    legs: u8,
    offered: LayerSet,
    wanted: LayerSet,
    authzid: Option<&str>,
) -> (Vec<Vec<u8>>, Option<Box<dyn SecurityLayer>>, Agreement) {
    let mut messages = Vec::new();
    let mut acceptor = Acceptor::new(Toy::boxed(false, legs), offered);
    let mut step = Initiator::begin(Toy::boxed(true, legs), wanted, authzid).unwrap();
    loop {
        let (response, next) = match step {
            InitiatorStep::Respond(response, initiator) => (response, Ok(initiator)),
            InitiatorStep::Last { response, layer } => (response, Err(layer)),
        };
        messages.push(response.clone());
        match (acceptor.respond(&response).unwrap(), next) {
            (AcceptorStep::Challenge(challenge, waiting), Ok(initiator)) => {
                messages.push(challenge.clone());
                acceptor = waiting;
                step = initiator.challenge(&challenge).unwrap();
            }
            (AcceptorStep::Agreed(agreement), Err(layer)) => return (messages, layer, agreement),
            (step, _) => panic!("one side is done before the other: {step:?}"),
        }
    }
}

/// GSS-03: "When Init returns COMPLETE without an output token the client still answers with an empty line; when Accept
/// returns COMPLETE with an output token the server sends it […] and expects an empty line back, *then* sends the wrapped
/// 4-octet offer […]; without output token it sends the offer at once".
#[test]
fn gss_03_who_speaks_when() {
    let offer = |number| vec![number, 0, 1, 0, 0, 0];
    for (legs, first) in [
        (1, vec![vec![1]]),
        (2, vec![vec![1], vec![2], vec![]]),
        (3, vec![vec![1], vec![2], vec![3]]),
        (4, vec![vec![1], vec![2], vec![3], vec![4], vec![]]),
    ] {
        let (messages, ..) = play(legs, LayerSet::NONE, ALL, None);
        let (established, rest) = messages.split_at(first.len());
        assert_eq!(established, first, "{legs} tokens");
        let [offered, chosen] = rest else {
            panic!("{rest:?}");
        };
        assert_eq!(offered[..6], offer(0), "{legs} tokens");
        assert_eq!(chosen[..6], offer(0), "{legs} tokens");
    }
}

#[test]
fn gss_05_the_name_to_act_as_is_what_was_sent() {
    for (sent, seen) in [
        (None, None),
        (Some(""), None),
        (Some("user@example.com"), Some("user@example.com")),
    ] {
        let (_, _, agreement) = play(2, ALL, LayerSet::NONE, sent);
        assert_eq!(agreement.authzid.as_deref(), seen.map(str::as_bytes));
    }
}

/// Sends a body both ways under each layer, in frames no longer than agreed (GSS-07, LAYER-06).
#[test]
fn gss_07_bodies_longer_than_a_frame_pass_in_either_direction() {
    let body: Vec<u8> = (0..200_000_u32).map(|n| n.to_be_bytes()[3]).collect();
    for (wanted, name) in [
        (LayerSet::INTEGRITY.or(LayerSet::NONE), "GSSAPI integrity"),
        (ALL, "GSSAPI confidentiality"),
    ] {
        let (_, client, agreement) = play(2, ALL, wanted, None);
        let (mut client, mut server) = (client.unwrap(), agreement.layer.unwrap());
        assert_eq!((client.describe(), server.describe()), (name, name));
        assert_eq!(carried(&mut *client, &mut *server, &body), body);
        assert_eq!(carried(&mut *server, &mut *client, &body), body);
    }
}

fn carried(from: &mut dyn SecurityLayer, to: &mut dyn SecurityLayer, body: &[u8]) -> Vec<u8> {
    let (mut wire, mut plain) = (Vec::new(), Vec::new());
    from.seal(body, &mut wire).unwrap();
    let mut frames = 0;
    while !wire.is_empty() {
        let used = to.open(&wire, &mut plain).unwrap();
        assert!((5..=4 + 0xffff).contains(&used), "{used}");
        wire.drain(..used);
        frames += 1;
    }
    assert_eq!(frames, 4);
    plain
}

#[test]
fn without_a_layer_in_common_there_is_none_or_no_exchange() {
    for (offered, wanted) in [(LayerSet::NONE, ALL), (ALL, LayerSet::NONE)] {
        let (_, client, agreement) = play(2, offered, wanted, None);
        assert!(client.is_none() && agreement.layer.is_none());
    }
    let InitiatorStep::Respond(_, client) =
        Initiator::begin(Toy::boxed(true, 1), LayerSet::CONFIDENTIALITY, None).unwrap()
    else {
        panic!("not the last message yet");
    };
    let offer = Toy::boxed(false, 1)
        .wrap(&[1, 0, 0, 0], Protection::Integrity)
        .unwrap();
    assert!(matches!(
        client.challenge(&offer),
        Err(InitiatorFault::NoLayer)
    ));
}

/// GSS-01: "integ flag must be obtained if layers wanted". Where the context cannot encrypt, that is neither offered nor wanted.
#[test]
fn gss_01_what_the_context_does_not_provide_is_not_offered() {
    let context = Toy {
        initiator: false,
        legs: 1,
        leg: 0,
        encrypts: false,
        sent: 0,
        received: 0,
    };
    let step = Acceptor::new(Box::new(context), ALL).respond(&[1]).unwrap();
    let AcceptorStep::Challenge(offer, _) = step else {
        panic!("{step:?}");
    };
    assert_eq!(offer[2..6], [3, 0, 0xff, 0xff]);
}

/// An acceptor that has offered everything, and what its client wraps with.
fn offered() -> (Acceptor, Box<dyn SecurityContext>) {
    let step = Acceptor::new(Toy::boxed(false, 1), ALL)
        .respond(&[1])
        .unwrap();
    match step {
        AcceptorStep::Challenge(_, acceptor) => (acceptor, Toy::boxed(true, 1)),
        AcceptorStep::Agreed(_) => panic!("nothing was chosen"),
    }
}

/// GSS-06, V-40: "GSSAPI final of 0..4 bytes".
#[test]
fn v_40_gss_06_a_last_message_that_chooses_nothing_fails() {
    for choice in [
        &[][..],
        &[1],
        &[1, 0],
        &[1, 0, 0],
        &[0, 0, 0, 0],
        &[3, 0, 0, 0],
        // No frame has room for one octet.
        &[2, 0, 0, 0],
        &[4, 0, 0, 3],
    ] {
        let (acceptor, mut client) = offered();
        let message = client.wrap(choice, Protection::Integrity).unwrap();
        assert_eq!(
            acceptor.respond(&message).unwrap_err(),
            AcceptorFault::Malformed,
            "{choice:?}"
        );
    }
    for garbage in [&[][..], &[1], &[1, 0], &[1, 0, 0], &[1, 0, 0, 0]] {
        let (acceptor, _) = offered();
        let fault = acceptor.respond(garbage).unwrap_err();
        assert!(
            matches!(fault, AcceptorFault::Context(ContextFault::Rejected(_))),
            "{garbage:?}"
        );
    }
}

#[test]
fn an_answer_in_place_of_the_empty_line_ends_the_exchange() {
    let step = Acceptor::new(Toy::boxed(false, 2), ALL)
        .respond(&[1])
        .unwrap();
    let AcceptorStep::Challenge(_, acceptor) = step else {
        panic!("{step:?}");
    };
    assert_eq!(
        acceptor.respond(b"x").unwrap_err(),
        AcceptorFault::Malformed
    );
}

#[test]
fn every_token_but_the_right_one_ends_either_side() {
    for token in [&[][..], &[0], &[2], &[1, 1]] {
        let fault = Acceptor::new(Toy::boxed(false, 2), ALL)
            .respond(token)
            .unwrap_err();
        assert!(matches!(fault, AcceptorFault::Context(_)), "{token:?}");
        let InitiatorStep::Respond(_, client) =
            Initiator::begin(Toy::boxed(true, 2), ALL, None).unwrap()
        else {
            panic!("not the last message yet");
        };
        let token = if *token == [2] { &[1][..] } else { token };
        assert!(
            matches!(client.challenge(token), Err(InitiatorFault::Context(_))),
            "{token:?}"
        );
    }
}

// T-19, LAYER-05.
#[test]
fn t_19_a_frame_too_long_altered_repeated_or_in_clear_is_the_end() {
    let agreed = || {
        let (_, client, agreement) = play(2, ALL, ALL, None);
        (client.unwrap(), agreement.layer.unwrap())
    };
    let mut plain = Vec::new();

    // Before anything waits for the octets it announces.
    let (_, mut server) = agreed();
    assert_eq!(
        server.open(&[0xff; 4], &mut plain),
        Err(LayerFault::TooLong)
    );
    assert_eq!(
        server.open(&[0, 1, 0, 0], &mut plain),
        Err(LayerFault::TooLong)
    );
    assert_eq!(server.open(&[0, 0, 0xff, 0xff], &mut plain), Ok(0));

    let (mut client, _) = agreed();
    let mut frame = Vec::new();
    client.seal(b"MAIL FROM:<>\r\n", &mut frame).unwrap();
    for at in 4..frame.len() {
        let mut altered = frame.clone();
        altered[at] ^= 1;
        let (_, mut server) = agreed();
        assert_eq!(
            server.open(&altered, &mut plain),
            Err(LayerFault::Corrupt),
            "octet {at}"
        );
    }
    for cut in 0..frame.len() {
        let (_, mut server) = agreed();
        assert_eq!(
            server.open(&frame[..cut], &mut plain),
            Ok(0),
            "{cut} octets"
        );
    }
    assert!(plain.is_empty());

    let (_, mut server) = agreed();
    assert_eq!(server.open(&frame, &mut plain), Ok(frame.len()));
    assert_eq!(
        server.open(&frame, &mut plain),
        Err(LayerFault::Corrupt),
        "repeated"
    );

    // Integrity where confidentiality was agreed.
    let (_, _, integrity) = play(2, ALL, LayerSet::INTEGRITY, None);
    let mut weaker = Vec::new();
    integrity.layer.unwrap().seal(b"x", &mut weaker).unwrap();
    let (mut client, _) = agreed();
    assert_eq!(client.open(&weaker, &mut plain), Err(LayerFault::Corrupt));
}

// LAYER-06.
#[test]
fn layer_06_a_frame_of_nothing_yields_nothing() {
    let mut sender = Toy::boxed(true, 1);
    let (acceptor, mut client) = offered();
    let choice = client
        .wrap(&[4, 0, 0xff, 0xff], Protection::Integrity)
        .unwrap();
    let AcceptorStep::Agreed(agreement) = acceptor.respond(&choice).unwrap() else {
        panic!("agreed");
    };
    sender.wrap(&[], Protection::Integrity).unwrap();
    let token = sender.wrap(&[], Protection::Confidentiality).unwrap();
    let mut frame = u32::try_from(token.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(token);
    let mut plain = Vec::new();
    assert_eq!(
        agreement.layer.unwrap().open(&frame, &mut plain),
        Ok(frame.len())
    );
    assert!(plain.is_empty());
}

// GSS-10.
#[test]
fn gss_10_negotiating_mechanisms_are_not_known() {
    for name in ["NTLM", "GSS-SPNEGO", "GS2-KRB5", "KERBEROS_V4"] {
        assert!(mechanism::by_name(name).is_none(), "{name}");
    }
}
