//! LAYER-02, LAYER-03: a security layer that begins in the middle of a buffer.

use std::sync::LazyLock;

use gatepost_sasl::{
    Answer, Authcid, AwaitAnswer, AwaitResponse, Grant, LayerFault, Mechanism, Outcome, Question,
    SecurityLayer, ServerStep,
};

use super::harness::{Driver, codes, legacy, mechanism};
use crate::server::Profile;

/// One octet of length, then the octets with all bits turned.
struct Turned;

impl SecurityLayer for Turned {
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFault> {
        for piece in plain.chunks(100) {
            wire.push(u8::try_from(piece.len()).unwrap());
            wire.extend(piece.iter().map(|octet| !octet));
        }
        Ok(())
    }

    fn open(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<usize, LayerFault> {
        let [length, rest @ ..] = wire else {
            return Ok(0);
        };
        if *length > 100 {
            return Err(LayerFault::TooLong);
        }
        let Some(piece) = rest.get(..usize::from(*length)) else {
            return Ok(0);
        };
        plain.extend(piece.iter().map(|octet| !octet));
        Ok(1 + piece.len())
    }

    fn describe(&self) -> &'static str {
        "toy/turned"
    }
}

struct AnyResponse;

impl AwaitResponse for AnyResponse {
    fn respond(self: Box<Self>, _: &[u8]) -> ServerStep {
        ServerStep::Done(layered().with_final_data(Some(b"bye".to_vec())))
    }
}

fn layered() -> Outcome {
    let grant = Grant {
        login: "user".into(),
        acts_as: "user".into(),
        credential: "1".into(),
    };
    let authcid = Authcid::parse("user").unwrap();
    Outcome::authenticated(mechanism("CRAM-MD5"), authcid, grant).with_layer(Some(Box::new(Turned)))
}

/// Whose layer comes with a directory's answer.
struct AnyAnswer;

impl AwaitResponse for AnyAnswer {
    fn respond(self: Box<Self>, _: &[u8]) -> ServerStep {
        let question = Question::PassThrough {
            mechanism: mechanism("CRAM-MD5"),
            message: None,
        };
        ServerStep::Ask(question, self)
    }
}

impl AwaitAnswer for AnyAnswer {
    fn answer(self: Box<Self>, _: Answer) -> ServerStep {
        ServerStep::Done(layered())
    }
}

static ANSWERED: LazyLock<Mechanism> = LazyLock::new(|| Mechanism {
    name: "X-ANSWERED",
    server: |_, _| ServerStep::Challenge(b"hello".to_vec(), Box::new(AnyAnswer)),
    ..*LAYERED
});

static LAYERED: LazyLock<Mechanism> = LazyLock::new(|| Mechanism {
    name: "X-LAYERED",
    layer: true,
    server: |_, _| ServerStep::Challenge(b"hello".to_vec(), Box::new(AnyResponse)),
    ..*mechanism("CRAM-MD5")
});

fn seal(plain: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    Turned.seal(plain.as_bytes(), &mut wire).unwrap();
    wire
}

// LAYER-02, LAYER-03
#[test]
fn layer_02_layer_03_switched_on_in_the_middle_of_a_buffer() {
    switched_on(&LAYERED, "\r\n", &["250", "334", "334", "235 2.7.0"]);
}

/// LAYER-02: "bytes already buffered must be moved to the layer decoder", also those that came while a directory was asked.
#[test]
fn layer_02_switched_on_by_an_answer() {
    switched_on(&ANSWERED, "", &["250", "334", "235 2.7.0"]);
}

/// An exchange whose client says `last` behind its response, and what it sends with that under the layer.
fn switched_on(layered: &'static Mechanism, last: &str, in_clear: &[&str]) {
    let name = layered.name;
    let mut input = format!("EHLO x\r\nAUTH {name}\r\nYQ==\r\n{last}").into_bytes();
    input.extend(seal("MAIL FROM:<user@example.com>\r\nEHLO y\r\n"));
    input.extend(seal(&format!(
        "STARTTLS\r\nAUTH {name}\r\nMAIL FROM:<user@example.com>\r\n"
    )));
    for cut in 0..=input.len() {
        let mut driver = Driver::new(Profile { ..legacy() }, None);
        driver.mechanisms = vec![layered];
        let mut wire = Vec::new();
        for piece in [&input[..cut], &input[cut..]] {
            driver.handle(crate::server::Input::Bytes(piece));
            wire.append(driver.session.pending_output());
        }
        let clear_end = b"235 2.7.0 Authentication successful\r\n";
        let end = wire
            .windows(clear_end.len())
            .position(|window| window == clear_end)
            .unwrap()
            + clear_end.len();
        let clear = String::from_utf8(wire[..end].to_vec()).unwrap();
        assert_eq!(codes(&clear), in_clear, "cut at {cut}");

        let (mut plain, mut used) = (Vec::new(), end);
        while used < wire.len() {
            used += Turned.open(&wire[used..], &mut plain).unwrap();
        }
        let plain = String::from_utf8(plain).unwrap();
        let expected = ["503 5.5.1", "250", "502 5.5.1", "503 5.5.1", "250 2.1.0"];
        let replies = codes(&plain);
        assert_eq!(
            replies[0], expected[0],
            "cut at {cut}: EHLO is forgotten, the identity is not"
        );
        assert_eq!(replies[1..2], expected[1..2]);
        assert_eq!(replies[3..], expected[3..]);
        assert!(
            plain.contains(&format!("250-AUTH {name}\r\n")),
            "CAP-04: a client compares the lists"
        );
        assert_eq!(driver.session.greeting_facts().layer, Some("toy/turned"));
        assert_eq!(
            driver.session.greeting_facts().protocol(false).keyword(),
            "ESMTPA",
            "LAYER-09"
        );
    }
}

// LAYER-05
#[test]
fn layer_05_an_undecodable_buffer_ends_the_session() {
    let mut driver = Driver::legacy();
    driver.mechanisms = vec![&*LAYERED];
    driver.codes(&["EHLO x", "AUTH X-LAYERED", "YQ==", ""]);
    driver.handle(crate::server::Input::Bytes(b"quit\r\n"));
    assert!(
        driver.closed && driver.session.pending_output().is_empty(),
        "not QUIT, and not an answer in clear"
    );
}

// AUTH-20, LC-30
#[test]
fn auth_20_lc_30_final_data_is_acknowledged_by_an_empty_line() {
    let in_final = || {
        let mut driver = Driver::legacy();
        driver.mechanisms = vec![&*LAYERED];
        assert_eq!(driver.codes(&["EHLO x", "AUTH X-LAYERED"]), ["250", "334"]);
        assert_eq!(driver.say("YQ=="), "334 Ynll\n");
        driver
    };
    assert_eq!(codes(&in_final().say("")), ["235 2.7.0"]);
    assert_eq!(
        in_final().say("*"),
        "501 5.7.0 Authentication aborted [S.1]\n",
        "AUTH-10"
    );
    let mut driver = in_final();
    assert_eq!(codes(&driver.say("MAIL")), ["501 5.5.2"]);
    assert!(driver.session.identity().is_none());
    assert_eq!(codes(&in_final().wait(300)), ["421 4.4.2"]);
}
