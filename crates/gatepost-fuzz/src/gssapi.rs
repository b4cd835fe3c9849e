//! GSSAPI beside its tokens: the offer, the choice, the frames of a layer. The context takes every token and opens every message, as one
//! would in the hands of an attacker that has the keys; what RFC 4752 says of the messages must hold all the same.

use gatepost_sasl::gssapi::{
    Acceptor, AcceptorStep, ContextFault, Establishing, Initiator, InitiatorStep, LayerSet,
    MAX_FRAME, Names, Protection, SecurityContext,
};
use gatepost_sasl::{LayerFault, SecurityLayer};

const ALL: LayerSet = LayerSet::NONE
    .or(LayerSet::INTEGRITY)
    .or(LayerSet::CONFIDENTIALITY);
/// Octets of a layer and a limit (RFC 4752 §3.1).
const HEAD: usize = 4;
/// What a context adds to a message: one octet, which says how it is protected.
const OVERHEAD: u32 = 1;

/// A client's choice behind an octet whose lowest bits are the layers offered: taken only if it is one of those, and its limit holds.
pub fn choice(octets: &[u8]) {
    let Some((&offered, choice)) = octets.split_first() else {
        return;
    };
    let layers = layers_of(offered);
    let Some(acceptor) = offering(layers) else {
        unreachable!("an open context makes an offer");
    };
    let message = [&[0][..], choice].concat();
    let Ok(AcceptorStep::Agreed(agreement)) = acceptor.respond(&message) else {
        return;
    };
    let Some((head, authzid)) = choice.split_first_chunk::<HEAD>() else {
        unreachable!("a choice of less than four octets");
    };
    let [layer, limit @ ..] = *head;
    assert_eq!(layer.count_ones(), 1, "one layer");
    assert!(layers.has(layer_of(layer)), "a layer that was not offered");
    assert_eq!(agreement.authzid.unwrap_or_default(), authzid);
    assert_eq!(agreement.layer.is_some(), layer != 1);
    if let Some(layer) = agreement.layer {
        assert_limit(layer, limit);
    }
}

/// A server's offer behind an octet whose lowest bits are the layers accepted.
pub fn offer(octets: &[u8]) {
    let Some((&accepted, offer)) = octets.split_first() else {
        return;
    };
    let accepted = layers_of(accepted);
    let Ok(InitiatorStep::Respond(_, initiator)) =
        Initiator::begin(Box::new(Open), accepted, Some("user@example.com"))
    else {
        unreachable!("an open context begins");
    };
    let message = [&[0][..], offer].concat();
    let Ok(InitiatorStep::Last { response, layer }) = initiator.challenge(&message) else {
        return;
    };
    let [offered, limit @ ..] = offer else {
        unreachable!("an offer of no octets");
    };
    assert_eq!(limit.len(), 3, "an offer has four octets");
    let chosen = response.get(1).copied().unwrap_or_default();
    assert_eq!(chosen.count_ones(), 1);
    assert!(chosen & offered != 0, "a layer that was not offered");
    assert!(
        accepted.has(layer_of(chosen)),
        "a layer that is not accepted"
    );
    assert!(response.ends_with(b"user@example.com"));
    if let (Some(layer), [high, middle, low]) = (layer, limit) {
        assert_limit(layer, [*high, *middle, *low]);
    }
}

/// Frames of the layer with confidentiality: each is opened as a whole or not at all, in order, and none is longer than agreed.
pub fn layer(wire: &[u8]) {
    let choice = [0, 4, 0, 0xff, 0xff];
    let agreed = offering(ALL).and_then(|acceptor| acceptor.respond(&choice).ok());
    let Some(AcceptorStep::Agreed(agreement)) = agreed else {
        unreachable!("an honest choice is taken");
    };
    let Some(mut layer) = agreement.layer else {
        unreachable!("a layer was chosen");
    };
    let mut rest = wire;
    loop {
        let mut plain = Vec::new();
        let opened = layer.open(rest, &mut plain);
        let Some((head, behind)) = rest.split_first_chunk::<HEAD>() else {
            return assert_eq!(opened, Ok(0));
        };
        let length = u32::from_be_bytes(*head);
        if length > MAX_FRAME {
            return assert_eq!(opened, Err(LayerFault::TooLong));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(token) = behind.get(..length) else {
            return assert_eq!((opened, plain), (Ok(0), Vec::new()));
        };
        // What is signed only is not what was agreed on.
        let Some(message) = token.strip_prefix(&[4]) else {
            return assert_eq!(opened, Err(LayerFault::Corrupt));
        };
        assert_eq!((opened, &plain[..]), (Ok(HEAD + length), message));
        rest = behind.get(length..).unwrap_or_default();
    }
}

/// Offers and choices, under each set of layers; B8's plaintexts among them.
pub fn negotiations() -> Vec<Vec<u8>> {
    let messages: [&[u8]; 9] = [
        b"\x07\x00\xff\xff",
        b"\x01\x00\x00\x00user@example.com",
        b"\x04\x00\x10\x00",
        b"\x02\x00\xff\xffa",
        b"\x01\x00\xff\xff",
        b"\x06\x00\x10\x00",
        b"\x00\x00\x00\x00",
        b"\x04\x00\x00\x01",
        b"\x07\x00",
    ];
    let under = |layers: u8| messages.map(|message| [&[layers][..], message].concat());
    (0..8).flat_map(under).collect()
}

/// Frames: alone, several, empty, cut, too long, and protected otherwise than agreed.
pub fn frames() -> Vec<Vec<u8>> {
    let frame = |key: u8, message: &[u8]| {
        let length = u32::try_from(message.len() + 1).unwrap_or_default();
        [&length.to_be_bytes()[..], &[key], message].concat()
    };
    let ehlo = frame(4, b"EHLO client.example.com\r\n");
    let mail = frame(
        4,
        b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n",
    );
    vec![
        ehlo.clone(),
        [&ehlo[..], &mail, &frame(4, b"")].concat(),
        [&ehlo[..], &frame(2, b"MAIL")].concat(),
        mail.get(..20).unwrap_or_default().to_vec(),
        b"\0\0\0\0".to_vec(),
        b"\0\x01\0\0x".to_vec(),
        b"\xff\xff\xff\xff".to_vec(),
        Vec::new(),
    ]
}

/// No frame that we seal is longer than the peer takes, and all of it is sealed.
fn assert_limit(mut layer: Box<dyn SecurityLayer>, limit: [u8; 3]) {
    let [high, middle, low] = limit;
    let limit = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
    let said = b"MAIL FROM:<a@example.com>\r\n";
    let mut wire = Vec::new();
    assert_eq!(layer.seal(said, &mut wire), Ok(()));
    let (mut rest, mut plain) = (&wire[..], Vec::new());
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        assert!(length <= limit, "a frame of {length} octets for {limit}");
        plain.extend_from_slice(behind.get(1..length).unwrap_or_default());
        rest = behind.get(length..).unwrap_or_default();
    }
    assert_eq!(plain, said);
}

/// An acceptor that has made its offer.
fn offering(layers: LayerSet) -> Option<Acceptor> {
    match Acceptor::new(Box::new(Open), layers).respond(b"token") {
        Ok(AcceptorStep::Challenge(_, acceptor)) => Some(acceptor),
        _ => None,
    }
}

fn layers_of(mask: u8) -> LayerSet {
    // "None" is always offered: a set of nothing is no set of ours.
    [2, 4]
        .into_iter()
        .filter(|bit| mask & bit != 0)
        .fold(LayerSet::NONE, |set, bit| set.or(layer_of(bit)))
}

fn layer_of(bit: u8) -> LayerSet {
    match bit {
        1 => LayerSet::NONE,
        2 => LayerSet::INTEGRITY,
        _ => LayerSet::CONFIDENTIALITY,
    }
}

/// A context that believes everything. A message is an octet, 4 where it is encrypted, and itself.
struct Open;

impl SecurityContext for Open {
    fn establish(&mut self, _: &[u8]) -> Result<Establishing, ContextFault> {
        Ok(Establishing {
            token: Vec::new(),
            established: true,
        })
    }

    fn names(&self) -> Result<Names, ContextFault> {
        Ok(Names {
            initiator: "alice@EXAMPLE.COM".to_owned(),
            target: "smtp/mail.example.com@EXAMPLE.COM".to_owned(),
        })
    }

    fn provides(&self, _: Protection) -> bool {
        true
    }

    fn wrap(&mut self, message: &[u8], protection: Protection) -> Result<Vec<u8>, ContextFault> {
        let key = match protection {
            Protection::Integrity => 2,
            Protection::Confidentiality => 4,
        };
        Ok([&[key][..], message].concat())
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<(Vec<u8>, Protection), ContextFault> {
        match token {
            [] => Err(ContextFault::Rejected("empty".to_owned())),
            [4, message @ ..] => Ok((message.to_vec(), Protection::Confidentiality)),
            [_, message @ ..] => Ok((message.to_vec(), Protection::Integrity)),
        }
    }

    fn wrap_size_limit(&mut self, _: Protection, octets: u32) -> Result<u32, ContextFault> {
        Ok(octets.saturating_sub(OVERHEAD))
    }
}
