//! DIGEST-MD5: its challenge, its response, and the frames of its layers.

use gatepost_sasl::mechanism::DIGEST_MD5;
use gatepost_sasl::{
    Answer, Authcid, AwaitResponse, ClientAnswer, ClientParams, ClientStep, DigestMd5Hashes, Grant,
    LayerPolicy, Outcome, Question, Refusal, Secret, SecurityLayer, ServerParams, ServerStep,
    Verdict, Verifier,
};

/// No seed was made with it.
const PASSWORD: &str = "Tr0ub4dor";
const REALM: &str = "elwood.innosoft.com";

/// The published challenge and response, and what the field makes of them.
pub const MESSAGES: [&str; 8] = [
    r#"realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8"#,
    r#"nonce="n",realm="",realm="b",qop="auth, auth-int,auth-conf",cipher="rc4-40,rc4-56,rc4,des,3des",maxbuf=8192,algorithm="md5-sess",stale=true"#,
    "nonce=n,qop=auth,auth-int,algorithm=md5-sess",
    "rspauth=ea40f60335c427b5527b84dbabcdfffd",
    r#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="smtp/elwood.innosoft.com",response=52ff44907f72314481b5c098c708ebf3,qop=auth"#,
    r#"username="chris",nonce="OA6MG9tEQGm2hh",nc="00000001",cnonce="\"\\x",digest-uri="smtp/h",response="8988217f8e7634a6a846d0716d4a9f1e",qop="auth-conf",cipher=3des,maxbuf=24,authzid="george""#,
    ",, ,\r\n\t,username = \"chris\"",
    "",
];

const EVERYTHING: LayerPolicy = LayerPolicy {
    weak_ciphers: true,
    ..LayerPolicy::ANY
};

/// What the client seals: the octets of a layer target are frames of this.
const SAID: [&[u8]; 3] = [
    b"EHLO client.example.com\r\n",
    b"",
    b"MAIL FROM:<a@b>\r\nQUIT\r\n",
];

/// A server that does not know the password is never believed, whatever it says; the messages are apart by octets FF.
pub fn challenge(octets: &[u8]) {
    let mut challenges = octets.split(|octet| *octet == 0xff).take(5);
    let mut step = (DIGEST_MD5.client)(client_params());
    loop {
        step = match step {
            ClientStep::Wait(state) | ClientStep::Respond(_, state) => {
                let Some(challenge) = challenges.next() else {
                    assert!(state.succeeded().is_err(), "a server proved nothing");
                    return;
                };
                state.challenge(challenge)
            }
            ClientStep::Ask(_, state) => state.answer(password()),
            ClientStep::Abort(fault) => {
                assert!(!fault.to_string().contains(char::is_control));
                return;
            }
        };
    }
}

/// A client that does not know the password is nobody, and a refusal says what it is refused for.
pub fn response(octets: &[u8]) {
    let Some((_, state)) = opened(EVERYTHING) else {
        return;
    };
    let mut step = state.respond(octets);
    while let ServerStep::Ask(question, state) = step {
        step = state.answer(directory(&question));
    }
    let as_it_should = match step {
        ServerStep::Done(Outcome::Refused(refusal)) => matches!(
            refusal,
            Refusal::CredentialsInvalid | Refusal::CredentialsEmpty | Refusal::Malformed
        ),
        _ => false,
    };
    assert!(as_it_should, "somebody was let in, or asked again");
}

/// Whatever comes over the wire, what is opened is what the client sealed, from its beginning; the first octet chooses the layer.
pub fn layer(octets: &[u8]) {
    let Some((&choice, wire)) = octets.split_first() else {
        return;
    };
    let (_, mut server) = layers(choice);
    let (mut plain, mut at) = (Vec::new(), 0);
    while let Some(rest) = wire.get(at..).filter(|rest| !rest.is_empty()) {
        match server.open(rest, &mut plain) {
            Ok(0) | Err(_) => break,
            Ok(used) => at += used,
        }
    }
    assert!(SAID.concat().starts_with(&plain), "a frame was forged");
}

/// What the client says through each layer.
pub fn frames() -> Vec<Vec<u8>> {
    let of = |choice: u8| {
        let (mut client, _) = layers(choice);
        let mut wire = vec![choice];
        for said in SAID {
            assert!(client.seal(said, &mut wire).is_ok());
        }
        wire
    };
    (0..=5).map(of).collect()
}

/// The messages, alone and one behind the other.
pub fn messages() -> Vec<Vec<u8>> {
    let alone = MESSAGES.iter().map(|message| message.as_bytes().to_vec());
    let pairs = MESSAGES.windows(2).map(|pair| {
        let pair: Vec<_> = pair.iter().map(|message| message.as_bytes()).collect();
        pair.join(&0xff)
    });
    alone.chain(pairs).collect()
}

/// Both ends of one of the six layers, agreed on by an honest exchange. The list of ciphers is not protected, so that taking
/// out all but one chooses it.
fn layers(choice: u8) -> (Box<dyn SecurityLayer>, Box<dyn SecurityLayer>) {
    let ciphers = ["", "3des", "rc4", "des", "rc4-56", "rc4-40"];
    let cipher = ciphers
        .get(usize::from(choice) % ciphers.len())
        .copied()
        .unwrap_or_default();
    let agreed = agree(cipher);
    assert!(agreed.is_some(), "an honest exchange succeeds");
    agreed.unwrap_or_else(|| unreachable!("checked"))
}

fn agree(cipher: &str) -> Option<(Box<dyn SecurityLayer>, Box<dyn SecurityLayer>)> {
    let (challenge, server) = opened(EVERYTHING)?;
    let all = "3des,rc4,des,rc4-56,rc4-40";
    let challenge = String::from_utf8(challenge).ok()?.replace(all, cipher);
    let ClientStep::Wait(client) = (DIGEST_MD5.client)(client_params()) else {
        return None;
    };
    let ClientStep::Ask(_, client) = client.challenge(challenge.as_bytes()) else {
        return None;
    };
    let ClientStep::Respond(response, client) = client.answer(password()) else {
        return None;
    };
    let ServerStep::Ask(question, server) = server.respond(response.expose()) else {
        return None;
    };
    let ServerStep::Done(Outcome::Authenticated(success)) = server.answer(directory(&question))
    else {
        return None;
    };
    let ClientStep::Respond(_, client) = client.challenge(success.final_data.as_deref()?) else {
        return None;
    };
    Some((client.succeeded().ok()?.layer?, success.layer?))
}

fn opened(layers: LayerPolicy) -> Option<(Vec<u8>, Box<dyn AwaitResponse>)> {
    let params = ServerParams {
        nonce: "OA6MG9tEQGm2hh".to_owned(),
        realms: vec![REALM.to_owned()],
        layers,
        ..ServerParams::default()
    };
    match (DIGEST_MD5.server)(params, None) {
        ServerStep::Challenge(challenge, state) => Some((challenge, state)),
        _ => None,
    }
}

fn client_params() -> ClientParams {
    ClientParams {
        layers: EVERYTHING,
        ..ClientParams::new("chris", REALM, "OA6MHXh6VqTrRk")
    }
}

fn password() -> ClientAnswer {
    ClientAnswer::Password(Secret::new(PASSWORD))
}

/// Knows everybody by the same password.
fn directory(question: &Question) -> Answer {
    assert!(!format!("{question:?}").contains(PASSWORD));
    let login = question.authcid().map(Authcid::as_str).unwrap_or_default();
    Answer::Verifier {
        verifier: Verifier::DigestMd5(DigestMd5Hashes::derive(
            login,
            [REALM, ""],
            &Secret::new(PASSWORD),
        )),
        verdict: Verdict::Accepted(Grant {
            login: login.to_owned(),
            acts_as: login.to_owned(),
            credential: "password".to_owned(),
        }),
    }
}
