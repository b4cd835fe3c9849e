//! SCRAM, both sides, with and without channel binding; messages are apart by octets FF, behind one that chooses the mechanism.

use std::sync::LazyLock;

use gatepost_sasl::mechanism::{
    SCRAM_SHA_1, SCRAM_SHA_1_PLUS, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, SCRAM_SHA_512,
    SCRAM_SHA_512_PLUS,
};
use gatepost_sasl::{
    Answer, ChannelBindings, ClientAnswer, ClientParams, ClientQuestion, ClientStep, Grant, Hash,
    Mechanism, Needs, Outcome, Question, Refusal, ScramVerifier, Secret, ServerParams, ServerStep,
    Verdict, Verifier, VerifierKind,
};

static MECHANISMS: [&Mechanism; 6] = [
    &SCRAM_SHA_1,
    &SCRAM_SHA_256,
    &SCRAM_SHA_512,
    &SCRAM_SHA_1_PLUS,
    &SCRAM_SHA_256_PLUS,
    &SCRAM_SHA_512_PLUS,
];

/// No seed was made with it.
const PASSWORD: &str = "Tr0ub4dor";
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
/// RFC 7677 §3.
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SALT: [u8; 16] = *b"0123456789abcdef";

/// Client's first and final messages: RFC 7677 §3, with the flag `y`, with an authzid, escaped, bound, and forms that are none.
const FROM_CLIENTS: [&str; 14] = [
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "y,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=FoqiHTtQEDE8lz1CdaEe3tK4mS+iMDTl77SPyDS53DY=",
    "n,a=shared@example.com,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "c=bixhPXNoYXJlZEBleGFtcGxlLmNvbSw=,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=jccS1xN2hZTiJGIM61HK8nqx/sBOmWvBHsegQ/U2TZo=",
    "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
    "n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,x=y,p=bJKq6Cr+J+Orrk2OQPQOAHxO19l/M9lTgL7yO1DpR34=",
    "n,,n=a=2x,r=x",
    "p=tls-unique,,m=x,n=user,r=x",
    "n,,n=,r=",
    "",
];

/// Server's first and final messages.
const FROM_SERVERS: [&str; 10] = [
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=,i=4096,x=y",
    "e=channel-bindings-dont-match",
    "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "r=rOprNGfwEbeRWgbNEkqO1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=04096",
    "r=rOprNGfwEbeRWgbNEkqO1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2147483647",
    "v=",
    "e=\u{1b}[2J",
    "",
];

/// A client that does not know the password is nobody; the directory is asked for the name that stands in the message (V-43).
pub fn server(octets: &[u8]) {
    let Some((mechanism, mut messages)) = chosen(octets) else {
        return;
    };
    let mut step = (mechanism.server)(server_params(), messages.next());
    let mut first = true;
    loop {
        step = match step {
            ServerStep::Challenge(_, next) => match messages.next() {
                Some(message) => next.respond(message),
                None => return,
            },
            ServerStep::Ask(question, next) => {
                assert!(first, "asked twice");
                first = false;
                assert_named(octets, &question);
                next.answer(known(mechanism))
            }
            ServerStep::Done(outcome) => {
                let refused = matches!(
                    outcome,
                    Outcome::Refused(
                        Refusal::CredentialsInvalid
                            | Refusal::CredentialsEmpty
                            | Refusal::Malformed
                    )
                );
                return assert!(refused, "{} let somebody in", mechanism.name);
            }
        };
    }
}

/// A server that does not know the password is never believed, and chooses no more work than it may.
pub fn client(octets: &[u8]) {
    let Some((mechanism, mut challenges)) = chosen(octets) else {
        return;
    };
    let params = ClientParams {
        max_iterations: 4096,
        channel_bindings: bindings(),
        ..ClientParams::new("user", "mail.example.com", CLIENT_NONCE)
    };
    let mut step = (mechanism.client)(params);
    loop {
        step = match step {
            ClientStep::Wait(next) | ClientStep::Respond(_, next) => match challenges.next() {
                Some(challenge) => next.challenge(challenge),
                None => {
                    return assert!(next.succeeded().is_err(), "a server proved nothing");
                }
            },
            ClientStep::Ask(ClientQuestion::Derive(work), next) => {
                assert!(work.iterations <= 4096);
                next.answer(ClientAnswer::Derived(work.run()))
            }
            ClientStep::Ask(_, next) => next.answer(ClientAnswer::Password(Secret::new(PASSWORD))),
            ClientStep::Abort(fault) => {
                return assert!(!fault.to_string().contains(char::is_control));
            }
        };
    }
}

/// Exchanges of clients, under each mechanism.
pub fn from_clients() -> Vec<Vec<u8>> {
    seeds(&FROM_CLIENTS)
}

/// Exchanges of servers, under each mechanism.
pub fn from_servers() -> Vec<Vec<u8>> {
    seeds(&FROM_SERVERS)
}

fn seeds(messages: &[&str]) -> Vec<Vec<u8>> {
    let exchanges = messages.windows(2).step_by(2);
    let mut seeds = Vec::new();
    for exchange in exchanges {
        let exchange: Vec<&[u8]> = exchange.iter().map(|text| text.as_bytes()).collect();
        for number in 0..MECHANISMS.len() {
            let choice = u8::try_from(number).unwrap_or_default();
            seeds.push([&[choice][..], &exchange.join(&0xff)].concat());
        }
    }
    seeds
}

fn chosen(octets: &[u8]) -> Option<(&'static Mechanism, impl Iterator<Item = &[u8]>)> {
    // A fuzzer that watches comparisons finds the password: who says it knows it, and proves nothing.
    let knows = |part: &[u8]| part == PASSWORD.as_bytes();
    if octets.windows(PASSWORD.len()).any(knows) {
        return None;
    }
    let (&choice, rest) = octets.split_first()?;
    let mechanism = MECHANISMS.get(usize::from(choice) % MECHANISMS.len())?;
    Some((mechanism, rest.split(|&octet| octet == 0xff).take(5)))
}

fn assert_named(octets: &[u8], question: &Question) {
    let escape = |name: &str| name.replace('=', "=3D").replace(',', "=2C");
    let said = |name: String| {
        let name = name.into_bytes();
        octets.windows(name.len()).any(|part| part == name)
    };
    let name = question
        .authcid()
        .map_or("", gatepost_sasl::Authcid::as_str);
    assert!(said(format!(",n={},r=", escape(name))), "{name:?}");
    if let Some(authzid) = question.authzid() {
        assert!(said(format!(",a={},n=", escape(authzid.as_str()))));
    }
}

fn server_params() -> ServerParams {
    ServerParams {
        host: "mail.example.com".to_owned(),
        nonce: SERVER_NONCE.to_owned(),
        channel_bindings: bindings(),
        plus_offered: true,
        ..ServerParams::default()
    }
}

fn bindings() -> ChannelBindings {
    ChannelBindings {
        tls_exporter: Some(std::array::from_fn(|at| {
            u8::try_from(at).unwrap_or_default()
        })),
        ..ChannelBindings::default()
    }
}

/// Everybody is known, by the same password.
fn known(mechanism: &Mechanism) -> Answer {
    static VERIFIERS: LazyLock<Vec<ScramVerifier>> = LazyLock::new(|| {
        let derive =
            |hash| ScramVerifier::derive(hash, &Secret::new(PASSWORD), SALT.to_vec(), 4096);
        Hash::ALL
            .into_iter()
            .filter_map(|it| derive(it).ok())
            .collect()
    });
    let wanted = VERIFIERS
        .iter()
        .find(|it| mechanism.needs == Needs::Verifier(VerifierKind::Scram(it.hash())));
    match wanted {
        Some(verifier) => Answer::Verifier {
            verifier: Verifier::Scram(verifier.clone()),
            verdict: Verdict::Accepted(Grant {
                login: "user".to_owned(),
                acts_as: "user".to_owned(),
                credential: "password".to_owned(),
            }),
        },
        None => Answer::Unavailable,
    }
}
